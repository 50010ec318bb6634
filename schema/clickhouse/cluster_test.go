package clickhouse_test

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"assay/internal/clickhouse"
	migrations "assay/schema/clickhouse"
)

func TestMain(m *testing.M) {
	clickhouse.ChildMain()
	os.Exit(m.Run())
}

var update = flag.Bool("update", false, "write testdata anew")

// TestCluster keeps what the first migrations, which have every kind of statement, are on a
// cluster, to be read by whoever runs one.
func TestCluster(t *testing.T) {
	rewritten, err := migrations.Cluster(migrations.Migrations, "assay")
	ok(t, err)
	for _, file := range []string{"0001_init.sql", "0002_ledger.sql", "0003_history.sql"} {
		got, err := fs.ReadFile(rewritten, file)
		ok(t, err)
		golden := filepath.Join("testdata", "cluster", file)
		if *update {
			ok(t, os.MkdirAll(filepath.Dir(golden), 0o755))
			ok(t, os.WriteFile(golden, got, 0o600))
		}
		want, err := os.ReadFile(golden)
		ok(t, err)
		if string(got) != string(want) {
			t.Errorf("%s is rewritten otherwise than %s has it (-update writes it anew)", file, golden)
		}
	}
}

// TestClusterStatementsAreSQL has ClickHouse's parser read what is rewritten. It cannot run
// here as it is: the engine has no servers to send statements to, and none that its replicas
// could fetch from. indexer/sink has a test of the tables without either.
func TestClusterStatementsAreSQL(t *testing.T) {
	db := engine(t)
	rewritten, err := migrations.Cluster(migrations.Migrations, "assay")
	ok(t, err)
	files, err := fs.Glob(rewritten, "*.sql")
	ok(t, err)
	comment := regexp.MustCompile(`(?m)--.*$`)
	n := 0
	for _, file := range files {
		text, err := fs.ReadFile(rewritten, file)
		ok(t, err)
		for _, statement := range strings.Split(comment.ReplaceAllString(string(text), ""), ";") {
			if statement = strings.TrimSpace(statement); statement == "" {
				continue
			}
			n++
			if err := db.Exec(context.Background(), "EXPLAIN AST "+statement); err != nil {
				t.Errorf("%s: %s\n%v", file, statement, err)
			}
			if !strings.Contains(statement, "ON CLUSTER 'assay'") {
				t.Errorf("%s: only one node would do %s", file, statement)
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d statements", n)
	}
}

func engine(t *testing.T) driver.Conn {
	t.Helper()
	e, err := clickhouse.StartEngine(context.Background(), t.TempDir())
	if errors.Is(err, clickhouse.ErrNoLibrary) {
		t.Skip("the ClickHouse engine is not installed: run `make deps`")
	}
	ok(t, err)
	conn, err := clickhouse.Open(context.Background(), e.Config("parse"))
	ok(t, err)
	t.Cleanup(func() { ok(t, errors.Join(conn.Close(), e.Close())) })
	return conn
}

func TestClusterRefuses(t *testing.T) {
	const table = "-- +goose Up\nCREATE TABLE IF NOT EXISTS a (x UInt64) ENGINE = MergeTree ORDER BY x;\n"
	for text, says := range map[string]string{
		table + "INSERT INTO a VALUES (1);":                                                                                         "INSERT INTO a",
		table + "ALTER TABLE b ADD COLUMN y UInt64;":                                                                                "b, which is altered",
		table + "ALTER TABLE a MODIFY SETTING merge_max_block_size = 1;":                                                            "merge_max_block_size",
		table + "ALTER TABLE a DELETE WHERE x = 1;":                                                                                 "ALTER TABLE a DELETE",
		table + "CREATE MATERIALIZED VIEW IF NOT EXISTS v TO a AS SELECT x FROM b;":                                                 "view v",
		table + "CREATE MATERIALIZED VIEW IF NOT EXISTS v TO a AS SELECT x FROM a JOIN a;":                                          "view v",
		"-- +goose Up\nCREATE TABLE IF NOT EXISTS a (x UInt64) ENGINE = Log;":                                                       "engine Log",
		"-- +goose Up\nCREATE TABLE a (x UInt64) ENGINE = MergeTree ORDER BY x;":                                                    "CREATE TABLE a",
		"-- +goose Up\nCREATE TABLE IF NOT EXISTS a_history (x UInt64) ENGINE = MergeTree ORDER BY x;":                              "not sorted by block_number",
		"-- +goose Up\nCREATE TABLE IF NOT EXISTS a AS b ENGINE = MergeTree ORDER BY x;":                                            "made like b",
		"-- +goose Up\nCREATE TABLE IF NOT EXISTS a (x UInt64) ENGINE = MergeTree ORDER BY x SETTINGS merge_max_block_size = 8192;": "merge_max_block_size",
	} {
		_, err := migrations.Cluster(fstest.MapFS{"0001_a.sql": {Data: []byte(text)}}, "assay")
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "0001_a.sql") {
			t.Errorf("%s\ngave %v, want an error that says %q", text, err, says)
		}
	}
	if _, err := migrations.Cluster(fstest.MapFS{}, "it's"); err == nil {
		t.Error("a name with a quote was taken")
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
