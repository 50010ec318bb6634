package clickhouse

import (
	"math/big"
	"testing"
	"time"
)

func BenchmarkSelectOne(b *testing.B) {
	conn := connect(b, testDatabase(b))
	for b.Loop() {
		one[uint8](b, conn, "SELECT 1")
	}
}

// Rows as wide as a contribution, 10,000 at a time.
func BenchmarkInsert10k(b *testing.B) {
	const rows = 10_000
	conn := connect(b, testDatabase(b))
	run(b, conn, "DROP TABLE IF EXISTS t", `CREATE TABLE t (
		chain UInt64, task String, worker String, deal String, workerpool String, status LowCardinality(String), result_hash String,
		weight UInt256, accurate Nullable(Bool), contributed_at DateTime('UTC'), block_number UInt64, version UInt64, deleted UInt8
	) ENGINE = ReplacingMergeTree(version, deleted) ORDER BY (chain, task, worker)`)
	hash, address := "0x"+string(make([]byte, 64)), "0x"+string(make([]byte, 40))
	weight, at := big.NewInt(3), time.Unix(1_700_000_000, 0)
	version := uint64(0)
	for b.Loop() {
		batch, err := conn.PrepareBatch(b.Context(), "INSERT INTO t")
		ok(b, err)
		for range rows {
			version++
			ok(b, batch.Append(uint64(1), hash, address, hash, address, "CONTRIBUTED", hash, weight, nil, at, version, version, uint8(0)))
		}
		ok(b, batch.Send())
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
}
