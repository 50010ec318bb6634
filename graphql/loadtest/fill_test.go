package loadtest_test

import (
	"errors"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"assay/graphql/loadtest"
	"assay/internal/clickhouse"
	tables "assay/schema/clickhouse"
)

func TestMain(m *testing.M) {
	clickhouse.ChildMain()
	os.Exit(m.Run())
}

// filled is a database with a market of ASSAY_BENCH_EVENTS events, 100,000 by default. With
// ASSAY_BENCH_DIR it is kept there and used again.
func filled(t testing.TB) (driver.Conn, loadtest.Market) {
	t.Helper()
	events := uint64(100_000)
	if text := os.Getenv("ASSAY_BENCH_EVENTS"); text != "" {
		var err error
		if events, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	dir := os.Getenv("ASSAY_BENCH_DIR")
	if dir == "" {
		dir = t.TempDir()
	}
	engine, err := clickhouse.StartEngine(t.Context(), dir)
	if errors.Is(err, clickhouse.ErrNoLibrary) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	config := engine.Config("market" + strconv.FormatUint(events, 10))
	if err := clickhouse.Migrate(t.Context(), config, tables.Migrations); err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	market := loadtest.MarketOf(events)
	var heads uint64
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM heads").Scan(&heads); err != nil {
		t.Fatal(err)
	}
	if heads == 0 {
		began := time.Now()
		if err := loadtest.Fill(t.Context(), conn, market); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d events, %d tasks filled in %s", events, market.Tasks, time.Since(began).Round(time.Second))
	}
	return conn, market
}

func TestFill(t *testing.T) {
	conn, market := filled(t)
	_ = market
	var list []struct {
		Table string `ch:"table"`
		Rows  uint64 `ch:"rows"`
		Parts uint64 `ch:"parts"`
		Bytes uint64 `ch:"bytes"`
	}
	if err := conn.Select(t.Context(), &list, "SELECT table, sum(rows) AS rows, count() AS parts, sum(bytes_on_disk) AS bytes FROM system.parts WHERE database = currentDatabase() AND active GROUP BY table ORDER BY table"); err != nil {
		t.Fatal(err)
	}
	for _, l := range list {
		t.Log(l.Table, l.Rows, l.Parts, l.Bytes)
	}
}
