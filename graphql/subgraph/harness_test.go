package subgraph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"assay/internal/clickhouse"
	tables "assay/schema/clickhouse"
	definitions "assay/schema/graphql/subgraph"
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
		if engineDir, err = os.MkdirTemp("", "subgraph-test-"); err != nil {
			return err
		}
		engine, err = clickhouse.StartEngine(context.Background(), engineDir)
		return err
	})
	databases atomic.Int64
	shared    driver.Conn // market's
)

func stopEngine() error {
	var err error
	if shared != nil {
		err = shared.Close()
	}
	if engine != nil {
		err = errors.Join(err, engine.Close())
	}
	return errors.Join(err, os.RemoveAll(engineDir))
}

// testChain is the chain of all rows.
const testChain = 134

// openDatabase makes an empty database with the tables.
func openDatabase(t testing.TB) driver.Conn {
	t.Helper()
	if err := startEngine(); errors.Is(err, clickhouse.ErrNoLibrary) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	config := engine.Config(fmt.Sprintf("test%d", databases.Add(1)))
	if err := clickhouse.Migrate(t.Context(), config, tables.Migrations); err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// newDatabase makes an empty database with the tables, for one test.
func newDatabase(t testing.TB) driver.Conn {
	t.Helper()
	conn := openDatabase(t)
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func execute(t testing.TB, conn driver.Conn, statement string) {
	t.Helper()
	if err := conn.Exec(context.Background(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// fields is a row of a table by the names of its columns. A column left out has its
// default.
type fields map[string]any

// insert writes rows, which all have the same columns, in one part.
func insert(t testing.TB, conn driver.Conn, table string, rows ...fields) {
	t.Helper()
	columns := slices.Sorted(maps.Keys(rows[0]))
	tuples := make([]string, len(rows))
	for i, r := range rows {
		values := make([]string, len(columns))
		for j, column := range columns {
			values[j] = sqlText(r[column])
		}
		tuples[i] = "(" + strings.Join(values, ", ") + ")"
	}
	execute(t, conn, "INSERT INTO "+table+" (`"+strings.Join(columns, "`, `")+"`) VALUES "+strings.Join(tuples, ", "))
}

func sqlText(v any) string {
	switch v := v.(type) {
	case string:
		return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(v) + "'"
	case nil:
		return "NULL"
	case []string:
		parts := make([]string, len(v))
		for i, each := range v {
			parts[i] = sqlText(each)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v)
}

// head writes how far the chain is indexed.
func head(t testing.TB, conn driver.Conn, number, version uint64) {
	t.Helper()
	insert(t, conn, "heads", fields{"chain": testChain, "head_number": number, "head_hash": fmt.Sprintf("0x%064x", number), "head_time": time.Unix(1_700_000_000+int64(number), 0).UTC().Format(time.DateTime), "version": version})
}

// counted counts the statements that a database is asked.
type counted struct {
	driver.Conn
	statements atomic.Int64
	seen       func(query string)
}

func (c *counted) Select(ctx context.Context, dest any, query string, args ...any) error {
	c.statements.Add(1)
	if c.seen != nil {
		c.seen(query)
	}
	return c.Conn.Select(ctx, dest, query, args...)
}

// poco is the PoCo definition's text.
var poco = definitions.PoCo

func mustParse(t testing.TB, text, tables string) *Definition {
	t.Helper()
	d, err := ParseDefinition(text, tables)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// newEndpoint serves a definition's tables in a database.
func newEndpoint(t testing.TB, db driver.Conn, definition string, change ...func(*Config)) *httptest.Server {
	t.Helper()
	config := Config{Database: db, Definition: definition, Tables: "subgraph", Chain: testChain, Deployment: "QmTest", Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Limits: DefaultLimits()}
	for _, c := range change {
		c(&config)
	}
	h, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// tester is a test, or a property's trial.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// reply is a GraphQL response.
type reply struct {
	Data   json.RawMessage
	Errors []struct {
		Message   string
		Locations []struct{ Line, Column int }
	}
}

// ask sends a query.
func ask(t tester, server *httptest.Server, query string, variables map[string]any) reply {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(server.URL, "application/json", bytes.NewReader(body))
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

// wants sends a query that must be answered with the data.
func wants(t tester, server *httptest.Server, query string, variables map[string]any, data string) {
	t.Helper()
	r := ask(t, server, query, variables)
	if len(r.Errors) > 0 {
		t.Fatalf("%s\n%v: %v", query, variables, r.Errors)
	}
	if string(r.Data) != data {
		t.Fatalf("%s\n%v\ngot  %s\nwant %s", query, variables, r.Data, data)
	}
}

// fails sends a query that must fail with the message.
func fails(t tester, server *httptest.Server, query string, variables map[string]any, message string) {
	t.Helper()
	r := ask(t, server, query, variables)
	if len(r.Errors) == 0 {
		t.Fatalf("%s\nno error: %s", query, r.Data)
	}
	if r.Errors[0].Message != message {
		t.Fatalf("%s\ngot  %s\nwant %s", query, r.Errors[0].Message, message)
	}
}
