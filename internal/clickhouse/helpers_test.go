package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

func TestMain(m *testing.M) {
	ChildMain()
	helperMain()
	code := m.Run()
	if err := stopShared(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// shared is one engine for all tests that only need a database.
var shared struct {
	sync.Mutex
	engine *Engine
	dir    string
}

func stopShared() error {
	if shared.engine == nil {
		return nil
	}
	return errors.Join(shared.engine.Close(), os.RemoveAll(shared.dir))
}

// testDatabase returns an empty database in the shared engine.
func testDatabase(t testing.TB) Config {
	t.Helper()
	needLibrary(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.engine == nil {
		var err error
		if shared.dir, err = os.MkdirTemp("", "clickhouse-test-"); err != nil {
			t.Fatal(err)
		}
		if shared.engine, err = StartEngine(context.Background(), shared.dir); err != nil {
			t.Fatal(err)
		}
	}
	return shared.engine.Config(strings.NewReplacer("/", "_", "#", "_").Replace(t.Name()))
}

// start runs an engine of the test's own. The test may end it itself.
func start(t testing.TB, dir string) *Engine {
	t.Helper()
	needLibrary(t)
	engine, err := StartEngine(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if engine.Err() == nil {
			ok(t, engine.Close())
		}
	})
	return engine
}

func needLibrary(t testing.TB) {
	t.Helper()
	if _, err := findLibrary(); err != nil {
		t.Skip(err)
	}
}

func connect(t testing.TB, config Config) driver.Conn {
	t.Helper()
	conn, err := Open(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ok(t, conn.Close()) })
	return conn
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func run(t testing.TB, conn driver.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if err := conn.Exec(context.Background(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// one returns the single value that the query gives.
func one[T any](t testing.TB, conn driver.Conn, query string, arguments ...any) T {
	t.Helper()
	var value T
	if err := conn.QueryRow(context.Background(), query, arguments...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

func wantCode(t testing.TB, err error, code int32) {
	t.Helper()
	if exception, is := errors.AsType[*clickhouse.Exception](err); !is || exception.Code != code {
		t.Fatalf("got %v, want an exception of code %d", err, code)
	}
}

// eventually waits until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
