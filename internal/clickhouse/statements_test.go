package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

const awkward = "nul \x00 tab \t newline \n return \r quote ' \" ` backslash \\ \\' ; -- /* {x:String} ? é \xff"

func TestServerSideParameters(t *testing.T) {
	conn := connect(t, testDatabase(t))
	if got := one[string](t, conn, "SELECT {s:String}", clickhouse.Named("s", awkward)); got != awkward {
		t.Errorf("got %q", got)
	}
	large := new(big.Int).Lsh(big.NewInt(1), 255)
	if got := one[*big.Int](t, conn, "SELECT {n:UInt256}", clickhouse.Named("n", large)); got.Cmp(large) != 0 {
		t.Errorf("got %s", got)
	}
	at := time.Unix(1_700_000_000, 0).UTC()
	if got := one[time.Time](t, conn, "SELECT {t:DateTime('UTC')}", clickhouse.Named("t", at)); !got.Equal(at) {
		t.Errorf("got %s", got)
	}
	if got := one[uint64](t, conn, "SELECT count() FROM numbers(10) WHERE toString(number) IN {list:Array(String)}", clickhouse.Named("list", []string{"1", "2", "x'"})); got != 2 {
		t.Errorf("got %d", got)
	}
	if got := one[*string](t, conn, "SELECT {n:Nullable(String)}", clickhouse.Named("n", nil)); got != nil {
		t.Errorf("got %q", *got)
	}
	run(t, conn, "CREATE TABLE t (s String) ENGINE = MergeTree ORDER BY s")
	ok(t, conn.Exec(t.Context(), "INSERT INTO t SELECT {s:String}", clickhouse.Named("s", awkward)))
	if got := one[string](t, conn, "SELECT s FROM t"); got != awkward {
		t.Errorf("got %q", got)
	}
	_, err := conn.Query(t.Context(), "SELECT {missing:String}, {s:String}", clickhouse.Named("s", ""))
	wantCode(t, err, 456) // UNKNOWN_QUERY_PARAMETER
}

func TestClientSideBinds(t *testing.T) {
	conn := connect(t, testDatabase(t))
	text := strings.ReplaceAll(awkward, "{x:String}", "") // would be a server-side parameter
	if got := one[string](t, conn, "SELECT $1", text); got != text {
		t.Errorf("got %q", got)
	}
	if got := one[int64](t, conn, "SELECT toInt64(@a - @b)", clickhouse.Named("a", int64(7)), clickhouse.Named("b", int64(9))); got != -2 {
		t.Errorf("got %d", got)
	}
	run(t, conn, "CREATE TABLE t (x UInt64, s String) ENGINE = MergeTree ORDER BY x")
	ok(t, conn.Exec(t.Context(), "INSERT INTO t VALUES (?, ?), (?, ?)", 1, "a", 2, "b; c"))
	if got := one[string](t, conn, "SELECT s FROM t WHERE x = ?", 2); got != "b; c" {
		t.Errorf("got %q", got)
	}
}

func TestStatementsOfEveryKind(t *testing.T) {
	conn := connect(t, testDatabase(t))
	run(t, conn,
		"CREATE TABLE t (x UInt64, y String DEFAULT 'd') ENGINE = MergeTree ORDER BY x;",
		"INSERT INTO t (x) VALUES (1), (2)",
		"INSERT INTO t SELECT number, 'n' FROM numbers(3, 3)",
		"ALTER TABLE t UPDATE y = 'u' WHERE x = 1 SETTINGS mutations_sync = 2",
		"DELETE FROM t WHERE x = 2",
		"OPTIMIZE TABLE t FINAL",
		"ALTER TABLE t ADD COLUMN z UInt8",
		"CREATE VIEW v AS SELECT count() AS n FROM t",
		"RENAME TABLE t TO u",
		"RENAME TABLE u TO t",
	)
	if n := one[uint64](t, conn, "SELECT n FROM v"); n != 4 {
		t.Errorf("%d rows", n)
	}
	if got := one[string](t, conn, "SELECT groupConcat(',')(y) FROM (SELECT y FROM t ORDER BY x)"); got != "u,n,n,n" {
		t.Errorf("got %s", got)
	}
	for _, statement := range []string{"SHOW TABLES", "EXPLAIN SELECT 1", "SHOW CREATE TABLE t", "WITH 'a' AS a SELECT a", "(SELECT 'a')", "SELECT 'a' UNION ALL SELECT 'b'", "-- first\nSELECT 'a' /* last */;"} {
		if one[string](t, conn, statement) == "" {
			t.Errorf("%s says nothing", statement)
		}
	}
}

func TestEmptyResult(t *testing.T) {
	conn := connect(t, testDatabase(t))
	run(t, conn, "CREATE TABLE t (x UInt64) ENGINE = MergeTree ORDER BY x")
	var got []struct {
		X uint64 `ch:"x"`
	}
	ok(t, conn.Select(t.Context(), &got, "SELECT x FROM t"))
	if len(got) != 0 {
		t.Fatal(got)
	}
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO t")
	ok(t, err)
	ok(t, batch.Send())
	if n := one[uint64](t, conn, "SELECT count() FROM t"); n != 0 {
		t.Fatal(n)
	}
}

// A statement without its rows must neither wait for some nor find them elsewhere.
func TestInsertWithoutRows(t *testing.T) {
	conn := connect(t, testDatabase(t))
	run(t, conn, "CREATE TABLE t (x UInt64) ENGINE = MergeTree ORDER BY x")
	for _, statement := range []string{"INSERT INTO t FORMAT Native", "INSERT INTO t VALUES", "INSERT INTO t"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := conn.Exec(ctx, statement); errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s hangs", statement)
		}
	}
	if n := one[uint64](t, conn, "SELECT count() FROM t"); n != 0 {
		t.Fatal(n)
	}
}

func TestExceptions(t *testing.T) {
	conn := connect(t, testDatabase(t))
	run(t, conn, "CREATE TABLE t (x UInt64) ENGINE = MergeTree ORDER BY x")
	for statement, code := range map[string]int32{
		"SELECT":                              62,  // SYNTAX_ERROR
		"1 + 1":                               62,  // the library would take it for a SELECT
		"SELECT nope":                         47,  // UNKNOWN_IDENTIFIER
		"SELECT * FROM nope":                  60,  // UNKNOWN_TABLE
		"SELECT * FROM nope.nope":             81,  // UNKNOWN_DATABASE
		"SELECT throwIf(1, '\"quoted\" é\n')": 395, // FUNCTION_THROW_IF_VALUE_IS_NON_ZERO
		"INSERT INTO t VALUES ('x')":          6,   // CANNOT_PARSE_TEXT
		"CREATE TABLE t (x UInt64) ENGINE = MergeTree ORDER BY x": 57, // TABLE_ALREADY_EXISTS
		"SELECT 1; SELECT 2":       62,
		"DROP TABLE t; DROP TABLE": 62,
		"SELECT 1 SETTINGS no = 1": 115, // UNKNOWN_SETTING
	} {
		wantCode(t, conn.Exec(t.Context(), statement), code)
	}
	if n := one[uint64](t, conn, "SELECT count() FROM t"); n != 0 {
		t.Fatal(n) // and t is still there
	}
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO t")
	ok(t, err)
	ok(t, batch.Append(uint64(1)))
	run(t, conn, "DROP TABLE t")
	wantCode(t, batch.Send(), 60)
}

// An exception after output has been sent must not look like the output's end.
func TestExceptionMidStream(t *testing.T) {
	for name, compression := range map[string]*clickhouse.Compression{"none": nil, "LZ4": {Method: clickhouse.CompressionLZ4}} {
		t.Run(name, func(t *testing.T) {
			options := testDatabase(t).options()
			options.Auth.Database, options.Compression = "", compression
			conn, err := clickhouse.Open(options)
			ok(t, err)
			defer conn.Close()
			rows, err := conn.Query(t.Context(), "SELECT number, throwIf(number = 2000000, 'mid stream') FROM numbers(3000000) SETTINGS max_threads = 1")
			ok(t, err)
			defer rows.Close()
			count := 0
			for rows.Next() {
				count++
			}
			wantCode(t, rows.Err(), 395)
			if count == 0 || !strings.Contains(rows.Err().Error(), "mid stream") {
				t.Errorf("%d rows, then %v", count, rows.Err())
			}
		})
	}
}

func TestLargeResult(t *testing.T) {
	conn := connect(t, testDatabase(t))
	rows, err := conn.Query(t.Context(), "SELECT number, toString(number) FROM numbers(1000000)")
	ok(t, err)
	defer rows.Close()
	var sum, number uint64
	var text string
	for rows.Next() {
		ok(t, rows.Scan(&number, &text))
		sum += number
		if fmt.Sprint(number) != text {
			t.Fatalf("%d is not %s", number, text)
		}
	}
	ok(t, rows.Err())
	if sum != 499_999_500_000 {
		t.Fatal(sum)
	}
}

func TestSettings(t *testing.T) {
	config := testDatabase(t)
	conn := connect(t, config)
	const query = "SELECT value FROM system.settings WHERE name = "
	if got := one[string](t, conn, query+"'async_insert'"); got != "0" {
		t.Errorf("async_insert is %s", got)
	}
	ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_threads": 1, "max_block_size": "123", "log_comment": "it's \\ mine"}))
	var value string
	ok(t, conn.QueryRow(ctx, query+"'max_block_size'").Scan(&value))
	if value != "123" {
		t.Errorf("max_block_size is %s", value)
	}
	ok(t, conn.QueryRow(ctx, query+"'log_comment'").Scan(&value))
	if !strings.HasPrefix(value, "it's \\ mine") {
		t.Errorf("log_comment is %s", value)
	}
	if got := one[string](t, conn, query+"'max_block_size'"); got == "123" {
		t.Error("a query's setting has outlived it")
	}
	run(t, conn, "SET max_block_size = 123", "USE system")
	if got := one[string](t, conn, query+"'max_block_size'"); got == "123" {
		t.Error("SET has outlived its request")
	}
	if got := one[string](t, conn, "SELECT currentDatabase()"); got != config.Database {
		t.Errorf("the database is %s", got)
	}
	unknown := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"no_such_setting": 1}))
	wantCode(t, conn.Exec(unknown, "SELECT 1"), 115)
	broken := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_threads = 1, readonly": 0}))
	if err := conn.Exec(broken, "SELECT 1"); err == nil || !strings.Contains(err.Error(), "is not the name of a setting") {
		t.Error(err)
	}
}

func TestReadOnly(t *testing.T) {
	config := testDatabase(t)
	run(t, connect(t, config), "CREATE TABLE t (x UInt64) ENGINE = MergeTree ORDER BY x", "INSERT INTO t VALUES (1)")
	config.ReadOnly = true
	conn := connect(t, config)
	if n := one[uint64](t, conn, "SELECT count() FROM t WHERE x = {x:UInt64}", clickhouse.Named("x", 1)); n != 1 {
		t.Fatal(n)
	}
	for _, statement := range []string{"INSERT INTO t VALUES (2)", "DROP TABLE t", "ALTER TABLE t DELETE WHERE 1", "SET readonly = 0", "SELECT * FROM t SETTINGS max_threads = 1", "CREATE TABLE u (x UInt64) ENGINE = Memory"} {
		wantCode(t, conn.Exec(t.Context(), statement), 164)
	}
	// Settings of the query itself come from the program, and arrive together with readonly.
	ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_execution_time": 5}))
	ok(t, conn.Exec(ctx, "SELECT 1"))

	config.Database = "never_made"
	_, err := Open(t.Context(), config)
	wantCode(t, err, errUnknownDatabase)
}

func TestDatabaseNames(t *testing.T) {
	config := testDatabase(t)
	for _, name := range []string{"plain", "with-dash", "back`tick", `back\slash`, "quote'", "été"} {
		config.Database = name
		if got := one[string](t, connect(t, config), "SELECT currentDatabase()"); got != name {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

func TestDatabaseSQL(t *testing.T) {
	config := testDatabase(t)
	connect(t, config) // makes the database
	db := clickhouse.OpenDB(config.options())
	defer db.Close()
	_, err := db.ExecContext(t.Context(), "CREATE TABLE t (x UInt64, s Nullable(String)) ENGINE = MergeTree ORDER BY x")
	ok(t, err)
	_, err = db.ExecContext(t.Context(), "INSERT INTO t VALUES ($1, $2)", 1, nil)
	ok(t, err)
	var n uint64
	var s *string
	ok(t, db.QueryRowContext(t.Context(), "SELECT x, s FROM t WHERE x = $1", 1).Scan(&n, &s))
	if n != 1 || s != nil {
		t.Fatal(n, s)
	}
}

func TestCancellation(t *testing.T) {
	conn := connect(t, testDatabase(t))
	for _, query := range []string{
		"SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))",   // no output before its end
		"SELECT number FROM numbers(1000000000000) WHERE sipHash64(number) % 10000000 = 0", // some output
		"SELECT sleepEachRow(0.1) FROM numbers(30) SETTINGS max_block_size = 1",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() { failed <- drain(conn.Query(ctx, query)) }()
		running := func() bool {
			return one[uint64](t, conn, "SELECT count() FROM system.processes WHERE query = {q:String}", clickhouse.Named("q", query)) > 0
		}
		eventually(t, query+" runs", running)
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", query, err)
		}
		eventually(t, query+" is stopped", func() bool { return !running() })
	}
}

func TestTimeout(t *testing.T) {
	conn := connect(t, testDatabase(t))
	ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_execution_time": 1}))
	wantCode(t, conn.Exec(ctx, "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"), 159) // TIMEOUT_EXCEEDED
}

func drain(rows driver.Rows, err error) error {
	if err != nil {
		return err
	}
	for rows.Next() {
		continue
	}
	return errors.Join(rows.Err(), rows.Close())
}

func TestConcurrentClients(t *testing.T) {
	config := testDatabase(t)
	run(t, connect(t, config), "CREATE TABLE t (client UInt64, x UInt64) ENGINE = MergeTree ORDER BY (client, x)")
	const clients, rounds = 8, 20
	var group sync.WaitGroup
	for client := range uint64(clients) {
		conn := connect(t, config)
		group.Go(func() {
			for round := range uint64(rounds) {
				batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO t")
				if err == nil {
					err = errors.Join(batch.Append(client, round), batch.Send())
				}
				var n uint64
				err = errors.Join(err, conn.QueryRow(t.Context(), "SELECT count() FROM t WHERE client = {c:UInt64}", clickhouse.Named("c", client)).Scan(&n))
				if err != nil || n != round+1 {
					t.Errorf("client %d sees %d rows after round %d: %v", client, n, round, err)
					return
				}
			}
		})
	}
	group.Wait()
	if n := one[uint64](t, connect(t, config), "SELECT count() FROM t"); n != clients*rounds {
		t.Fatal(n)
	}
}

// More requests than run at once wait for their turn, and give it back.
func TestManyRequestsAtOnce(t *testing.T) {
	config := testDatabase(t)
	var group sync.WaitGroup
	for range 5 {
		conn := connect(t, config)
		for range maxConnections {
			group.Go(func() {
				if err := conn.Exec(t.Context(), "SELECT sleep(0.1)"); err != nil {
					t.Error(err)
				}
			})
		}
	}
	group.Wait()
}

// A batch that the client cannot complete must not be stored in part.
func TestBrokenInsert(t *testing.T) {
	conn := connect(t, testDatabase(t))
	run(t, conn, "CREATE TABLE t (x UInt64) ENGINE = MergeTree ORDER BY x")
	ctx, cancel := context.WithCancel(t.Context())
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO t")
	ok(t, err)
	for i := range uint64(100_000) {
		ok(t, batch.Append(i))
	}
	cancel()
	if err := batch.Send(); err == nil {
		t.Fatal("sent with a cancelled context")
	}
	if n := one[uint64](t, conn, "SELECT count() FROM t"); n != 0 {
		t.Fatal(n)
	}
}
