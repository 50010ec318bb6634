package clickhouse

import (
	"context"
	"os"
	"testing"
	"testing/fstest"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

func TestMain(m *testing.M) {
	ChildMain()
	os.Exit(m.Run())
}

func startTestEngine(t testing.TB, dir string) *Engine {
	t.Helper()
	if _, err := findLibrary(); err != nil {
		t.Skip(err)
	}
	engine, err := StartEngine(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if engine.Err() == nil {
			if err := engine.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return engine
}

func openTest(t testing.TB, config Config) driver.Conn {
	t.Helper()
	conn, err := Open(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestSmoke(t *testing.T) {
	engine := startTestEngine(t, t.TempDir())
	conn := openTest(t, engine.Config("x"))
	var one uint8
	if err := conn.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil || one != 1 {
		t.Fatal(one, err)
	}
	fsys := fstest.MapFS{"0001_a.sql": {Data: []byte("-- +goose Up\nCREATE TABLE a (x UInt64, s String) ENGINE=MergeTree ORDER BY x;\nCREATE TABLE b (x UInt64) ENGINE=MergeTree ORDER BY x;\n")}}
	for range 2 {
		if err := Migrate(t.Context(), engine.Config("x"), fsys); err != nil {
			t.Fatal(err)
		}
	}
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO a")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if err := batch.Append(uint64(i), "s"); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		X uint64 `ch:"x"`
		S string `ch:"s"`
	}
	if err := conn.Select(t.Context(), &rows, "SELECT * FROM a WHERE x < ? ORDER BY x", 10); err != nil || len(rows) != 10 {
		t.Fatal(err, rows)
	}
}
