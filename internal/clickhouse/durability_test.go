package clickhouse

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// The engine is killed under load, again and again. A batch that was acknowledged is there, a
// batch that was not is there whole or not at all, and sending it again with the token it had
// makes it be there once, in the table and in what a materialized view made of it.
func TestKillLosesNothing(t *testing.T) {
	const seed, rounds, batchRows = 1, 5, 2000
	random := rand.New(rand.NewPCG(seed, seed))
	dir := t.TempDir()
	next := uint64(0) // batch to send; all before it were acknowledged
	for round := range rounds {
		engine := start(t, dir)
		conn := connect(t, engine.Config("d"))
		if round == 0 {
			run(t, conn,
				"CREATE TABLE t (batch UInt64, x UInt64) ENGINE = MergeTree ORDER BY (batch, x) SETTINGS non_replicated_deduplication_window = 1000",
				"CREATE TABLE sums (batch UInt64, n UInt64) ENGINE = SummingMergeTree ORDER BY batch SETTINGS non_replicated_deduplication_window = 1000",
				"CREATE MATERIALIZED VIEW v TO sums AS SELECT batch, count() AS n FROM t GROUP BY batch",
			)
		}
		// The newest batch's fate was uncertain: this sends it once more. And a third time, since
		// it may not have arrived before.
		ok(t, sendBatch(t.Context(), conn, next, batchRows))
		ok(t, sendBatch(t.Context(), conn, next, batchRows))
		next++
		wantBatches(t, conn, next, batchRows)

		time.AfterFunc(time.Duration(20+random.IntN(200))*time.Millisecond, func() { _ = engine.command.Process.Kill() })
		for sendBatch(t.Context(), conn, next, batchRows) == nil {
			next++
		}
		<-engine.Done()
	}
	t.Logf("%d batches, %d kills", next, rounds)
	conn := connect(t, start(t, dir).Config("d"))
	ok(t, sendBatch(t.Context(), conn, next, batchRows))
	wantBatches(t, conn, next+1, batchRows)
	if n := one[uint64](t, conn, "SELECT count() FROM system.detached_parts"); n != 0 {
		t.Errorf("%d parts were put aside", n)
	}
}

// The token alone says whether a batch was stored before, not what is in it.
func TestDeduplicationToken(t *testing.T) {
	conn := connect(t, testDatabase(t))
	run(t, conn, "CREATE TABLE t (x UInt64) ENGINE = MergeTree ORDER BY x SETTINGS non_replicated_deduplication_window = 1000")
	for _, c := range []struct {
		token string
		x     uint64
		rows  uint64 // afterwards
	}{{"a", 1, 1}, {"a", 1, 1}, {"b", 1, 2}, {"a", 2, 2}, {"c", 2, 3}} {
		ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": c.token}))
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO t")
		ok(t, err)
		ok(t, batch.Append(c.x))
		ok(t, batch.Send())
		if n := one[uint64](t, conn, "SELECT count() FROM t"); n != c.rows {
			t.Errorf("%d rows after %d with token %s, want %d", n, c.x, c.token, c.rows)
		}
	}
}

func sendBatch(ctx context.Context, conn driver.Conn, number, rows uint64) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": fmt.Sprint("batch ", number)}))
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO t")
	if err != nil {
		return err
	}
	for x := range rows {
		if err := batch.Append(number, x); err != nil {
			return err
		}
	}
	return batch.Send()
}

func wantBatches(t *testing.T, conn driver.Conn, batches, rows uint64) {
	t.Helper()
	for _, query := range []string{
		"SELECT count() FROM (SELECT batch FROM t GROUP BY batch HAVING count() = {rows:UInt64} AND uniqExact(x) = {rows:UInt64})",
		"SELECT count() FROM (SELECT batch FROM sums GROUP BY batch HAVING sum(n) = {rows:UInt64})",
	} {
		if n := one[uint64](t, conn, query, clickhouse.Named("rows", rows)); n != batches {
			t.Errorf("%d batches are whole, want %d: %s", n, batches, query)
		}
	}
	if n := one[uint64](t, conn, "SELECT uniqExact(batch) FROM t"); n != batches {
		t.Errorf("%d batches, want %d", n, batches)
	}
}
