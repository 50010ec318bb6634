package chdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

var (
	library *Library
	path    string // argument of every connect
)

// One process can have one engine, so all tests share it. Without the library they skip.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "chdb-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code, err := run(m, dir)
	if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	syscall.Exit(code) // without the library's destructors, see clickhouse.ChildMain
}

func run(m *testing.M, dir string) (code int, err error) {
	file := os.Getenv("CHDB_LIB_PATH")
	if file == "" {
		found, _ := filepath.Glob("../../../node_modules/@chdb/lib-*/libchdb.so") // the pattern is right
		file = strings.Join(found[:min(len(found), 1)], "")
	}
	if file == "" {
		return m.Run(), nil
	}
	if library, err = Load(file); err != nil {
		return 1, err
	}
	path = "--path=" + dir
	keeper, err := library.Connect(path)
	if err != nil {
		return 1, err
	}
	if _, err := keeper.Query("CREATE DATABASE d", "Null", nil); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

func session(t *testing.T) *Connection {
	t.Helper()
	if library == nil {
		t.Skip("libchdb.so was not found: run `make deps`, or set CHDB_LIB_PATH to its file")
	}
	connection, err := library.Connect(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(connection.Close)
	return connection
}

func query(t *testing.T, c *Connection, sql string, parameters Parameters) string {
	t.Helper()
	output, err := c.Query(sql, "TSVRaw", parameters)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return strings.TrimSuffix(string(output), "\n")
}

func TestLoadFailures(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none.so")); err == nil {
		t.Error("loaded what is not there")
	}
	if _, err := Load("libc.so.6"); err == nil || !strings.Contains(err.Error(), "is not the libchdb") && !strings.Contains(err.Error(), "loading") {
		t.Errorf("took libc for the engine: %v", err)
	}
}

func TestQuery(t *testing.T) {
	c := session(t)
	if got := query(t, c, "SELECT {a:String} || {empty:String} || {b:String}", Parameters{"a": `x\0y`, "empty": "", "b": "z"}); got != "x\x00yz" {
		t.Errorf("got %q", got)
	}
	if _, err := c.Query("SELECT nope", "Native", nil); err == nil || !strings.HasPrefix(err.Error(), "Code: 47.") {
		t.Error(err)
	}
	if got := query(t, c, "SELECT 'after an error'", nil); got != "after an error" {
		t.Errorf("got %q", got)
	}
}

func TestSessionsAreSeparate(t *testing.T) {
	one, other := session(t), session(t)
	query(t, one, "SET max_block_size = 7", nil)
	query(t, one, "USE d", nil)
	const ask = "SELECT getSetting('max_block_size') = 7, currentDatabase()"
	if got := query(t, one, ask, nil); got != "true\td" && got != "1\td" {
		t.Errorf("got %q", got)
	}
	if got := query(t, other, ask, nil); got != "false\tdefault" && got != "0\tdefault" {
		t.Errorf("got %q", got)
	}
}

func TestStream(t *testing.T) {
	c := session(t)
	stream, err := c.Stream("SELECT number FROM numbers({n:UInt64}) SETTINGS max_block_size = 1000", "TSV", Parameters{"n": "2500"})
	if err != nil {
		t.Fatal(err)
	}
	var pieces []string
	for {
		piece, err := stream.Next()
		if err != nil {
			t.Fatal(err)
		}
		if len(piece) == 0 {
			break
		}
		pieces = append(pieces, string(piece))
	}
	stream.Close()
	if lines := strings.Count(strings.Join(pieces, ""), "\n"); lines != 2500 || len(pieces) < 3 {
		t.Errorf("%d lines in %d pieces", lines, len(pieces))
	}
	abandoned, err := c.Stream("SELECT number FROM system.numbers", "TSV", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := abandoned.Next(); err != nil {
		t.Fatal(err)
	}
	abandoned.Close()
	if got := query(t, c, "SELECT 'free again'", nil); got != "free again" {
		t.Errorf("got %q", got)
	}
}

func TestInsert(t *testing.T) {
	c := session(t)
	query(t, c, "CREATE TABLE d.t (x UInt64) ENGINE = MergeTree ORDER BY x", nil)
	insert := func() *Insert {
		insert, err := c.Insert("INSERT INTO d.t", "TSV", nil)
		if err != nil {
			t.Fatal(err)
		}
		return insert
	}
	whole := insert()
	for _, piece := range []string{"1", "2\n", "", "3\n4", "5\n"} {
		if _, err := whole.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	if err := whole.Done(); err != nil {
		t.Fatal(err)
	}
	cancelled := insert()
	if _, err := cancelled.Write([]byte("100\n")); err != nil {
		t.Fatal(err)
	}
	cancelled.Cancel()
	broken := insert()
	_, _ = broken.Write([]byte("not a number\n")) // may only fail in Done
	if err := broken.Done(); err == nil || !strings.Contains(err.Error(), "Code: ") {
		t.Error(err)
	}
	if got := query(t, c, "SELECT groupConcat(',')(x) FROM (SELECT x FROM d.t ORDER BY x)", nil); got != "3,12,45" {
		t.Errorf("got %s", got)
	}
	if _, err := c.Insert("INSERT INTO d.missing", "TSV", nil); err == nil || !strings.HasPrefix(err.Error(), "Code: 60.") {
		t.Error(err)
	}
}

func TestClassify(t *testing.T) {
	c := session(t)
	for sql, want := range map[string]struct {
		statements int
		class      Class
	}{
		"SELECT 1;":                               {1, ReadOnly},
		"SHOW TABLES":                             {1, ReadOnly},
		"INSERT INTO t VALUES (1), ('a;b')":       {1, Mutating},
		"CREATE TABLE t (x UInt8) ENGINE = Null;": {1, Mutating},
		"SET max_threads = 1":                     {1, Control},
		"SELECT 1; DROP TABLE t":                  {2, Mutating},
		"SELECT 1 +; SELECT 2":                    {0, Unknown},
		"":                                        {0, Unknown},
	} {
		if statements, class := c.Classify(sql); statements != want.statements || class != want.class {
			t.Errorf("%q: %d statements of class %d, want %v", sql, statements, class, want)
		}
	}
}
