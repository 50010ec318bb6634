package analytics

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"assay/graphql/internal/database"
	"assay/internal/clickhouse"
	tables "assay/schema/clickhouse"
)

func TestMain(m *testing.M) {
	clickhouse.ChildMain()
	code := m.Run()
	if err := stopEngine(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// The engine, started by the first test that needs it.
var (
	engine      *clickhouse.Engine
	engineDir   string
	startEngine = sync.OnceValue(func() (err error) {
		if engineDir, err = os.MkdirTemp("", "analytics-test-"); err != nil {
			return err
		}
		engine, err = clickhouse.StartEngine(context.Background(), engineDir)
		return err
	})
	databases atomic.Int64
)

func stopEngine() error {
	var err error
	if engine != nil {
		err = engine.Close()
	}
	return errors.Join(err, os.RemoveAll(engineDir))
}

// tester is a test, or a property's trial.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// newDatabase is an empty database with the tables. Making one takes long, so the next
// test gets it again, emptied.
func newDatabase(t testing.TB) driver.Conn {
	t.Helper()
	if err := startEngine(); errors.Is(err, clickhouse.ErrNoLibrary) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	var conn driver.Conn
	select {
	case conn = <-emptied:
	default:
		conn = makeDatabase(t)
	}
	t.Cleanup(func() {
		var filled []struct {
			Name string `ch:"name"`
		}
		if err := conn.Select(context.Background(), &filled, "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND total_rows > 0 AND name NOT LIKE '%goose%'"); err != nil {
			t.Error(err)
		}
		for _, table := range filled {
			if err := conn.Exec(context.Background(), "TRUNCATE TABLE "+table.Name); err != nil {
				t.Error(err)
			}
		}
		emptied <- conn
	})
	return conn
}

// emptied are databases that wait for their next test.
var emptied = make(chan driver.Conn, 100)

func makeDatabase(t testing.TB) driver.Conn {
	config := engine.Config(fmt.Sprintf("test%d", databases.Add(1)))
	if err := clickhouse.Migrate(t.Context(), config, tables.Migrations); err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(context.WithoutCancel(t.Context()), config)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// row is a row of a table by its columns' names. A column left out has its default.
type row map[string]any

// historic are the tables whose rows a sink writes into a history as well.
var historic = map[string]bool{"deals": true, "tasks": true, "contributions": true, "accounts": true, "resources": true, "categories": true}

// insert writes rows, which all have the same columns.
func insert(t testing.TB, conn driver.Conn, table string, rows ...row) {
	t.Helper()
	if len(rows) == 0 {
		return
	}
	if historic[table] {
		insert(t, conn, table+"_history", rows...)
	}
	columns := slices.Sorted(maps.Keys(rows[0]))
	// What a test wrote that had the database before may be written again.
	ctx := ch.Context(context.Background(), ch.WithSettings(ch.Settings{"insert_deduplicate": 0}))
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+table+" ("+strings.Join(columns, ", ")+")")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		values := make([]any, len(columns))
		for i, column := range columns {
			values[i] = r[column]
		}
		if err := batch.Append(values...); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
}

// counted counts the statements that a database is asked, but for those about heads.
type counted struct {
	database.Conn
	statements atomic.Int64
}

func (c *counted) Select(ctx context.Context, dest any, query string, args ...any) error {
	if !strings.Contains(query, "FROM heads") && !strings.Contains(query, "lane_partition") && !strings.Contains(query, "FROM blocks WHERE 0") {
		c.statements.Add(1)
	}
	return c.Conn.Select(ctx, dest, query, args...)
}

func newReader(db database.Conn) *reader {
	return database.NewReader(db, DefaultLimits().database(), prometheus.NewRegistry())
}

// newServer serves the API of a database.
func newServer(t testing.TB, db database.Conn, change ...func(*Config)) *httptest.Server {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	config := Config{Database: db, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Limits: DefaultLimits(), Poll: 10 * time.Millisecond}
	config.Limits.Fresh, config.Limits.Rate, config.Limits.Burst = 0, 1e6, 1e6
	for _, c := range change {
		c(&config)
	}
	api := newAPI(ctx, config)
	server := httptest.NewServer(api)
	t.Cleanup(func() {
		cancel()
		server.Close()
		api.streams.Wait()
	})
	return server
}

// reply is a GraphQL response.
type reply struct {
	Data   json.RawMessage
	Errors []struct {
		Message    string
		Path       []any
		Extensions struct{ Code string }
	}
}

// ask sends a query.
func ask(t tester, server *httptest.Server, query string, variables map[string]any) reply {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(server.URL+"/graphql", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var r reply
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return r
}

// get sends a query that must succeed, and reads its data into a value.
func get[T any](t tester, server *httptest.Server, query string, variables map[string]any) T {
	t.Helper()
	r := ask(t, server, query, variables)
	if len(r.Errors) > 0 {
		t.Fatalf("%s\n%v: %v", query, variables, r.Errors)
	}
	var data T
	if err := json.Unmarshal(r.Data, &data); err != nil {
		t.Fatalf("%v: %s", err, r.Data)
	}
	return data
}

// failing sends a query that must fail, and returns its first error's code and message.
func failing(t tester, server *httptest.Server, query string, variables map[string]any) (code, message string) {
	t.Helper()
	r := ask(t, server, query, variables)
	if len(r.Errors) == 0 {
		t.Fatalf("no error: %s", r.Data)
	}
	return r.Errors[0].Extensions.Code, r.Errors[0].Message
}

// check tries a property that asks the database, which takes long, fewer times than usual.
func check(t *testing.T, property func(*rapid.T)) {
	t.Helper()
	checks := flag.Lookup("rapid.checks")
	usual := checks.Value.String()
	if usual == checks.DefValue {
		if err := checks.Value.Set("20"); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = checks.Value.Set(usual) }() // as it was
	}
	rapid.Check(t, property)
}
