package analytics

import (
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// dataset is a small marketplace in which everything collides: few chains, people and
// times, rows written more than once in any order, rows taken back. It is kept here as
// the rows that should be seen, by table.
type dataset map[string][]row

// keys are what identifies a row of each table, as the migrations say.
var keys = map[string][]string{
	"deals": {"chain", "id"}, "tasks": {"chain", "id"}, "contributions": {"chain", "task", "worker"},
	"verdicts": {"chain", "id"}, "payouts": {"chain", "block_number", "log_index"},
	"postings": {"chain", "block_number", "log_index", "idx"}, "settlements": {"chain", "task"}, "settlement_lines": {"chain", "task", "idx"},
	"accounts": {"chain", "address"}, "resources": {"chain", "kind", "address"}, "heads": {"chain"},
	"categories": {"chain", "id"}, "events": {"chain", "block_number", "log_index"},
}

const zeroAddress = "0x0000000000000000000000000000000000000000"

var (
	chains            = []uint64{7, 134, 42161}
	start             = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	taskWords         = []string{"ACTIVE", "REVEALING", "COMPLETED", "FAILED"}
	contributionWords = []string{"CONTRIBUTED", "PROVED", "REJECTED"}
	outcomeWords      = []string{"ACCEPTED", "REJECTED"}
	reasonWords       = []string{"OK", "MALFORMED", "BAD_SIGNATURE", "TOO_LATE"}
	kindWords         = []string{"REWARD", "SEIZE"}
	bucketWords       = []string{"STAKE", "LOCKED", "KITTY", "PLEDGED", "OUTSIDE"}
	callWords         = []string{"FINALIZE", "CONTRIBUTE_AND_FINALIZE", "CLAIM"}
	orderWords        = []string{"APP", "DATASET", "WORKERPOOL", "REQUEST"}
	roleWords         = []string{"PAYER", "WORKER", "WORKERPOOL", "APP", "DATASET", "KITTY"}
)

func address(n int) string   { return fmt.Sprintf("0x%040x", n) }
func hash(n int) string      { return fmt.Sprintf("0x%064x", n) }
func app(n int) string       { return address(0xa00 + n) }
func pool(n int) string      { return address(0xb00 + n) }
func worker(n int) string    { return address(0xc00 + n) }
func requester(n int) string { return address(0xd00 + n) }

func oneOf[T any](r *rand.Rand, values []T) T { return values[r.IntN(len(values))] }

// fill writes a random dataset: the same for the same seed.
func fill(t testing.TB, conn driver.Conn, seed uint64) dataset {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 0))
	data := make(dataset)
	for _, table := range slices.Sorted(maps.Keys(generators)) {
		for range 150 {
			data[table] = append(data[table], generators[table](r))
		}
		data.write(t, conn, r, table)
	}
	for _, chain := range chains {
		insert(t, conn, "heads", headRow(chain, 1000))
	}
	return data
}

// headRow says that a chain is indexed to a block.
func headRow(chain, number uint64) row {
	return row{"chain": chain, "head_number": number, "head_hash": hash(int(number)), "head_time": start.Add(time.Hour), "version": uint64(1000)}
}

// write inserts the table's rows, each perhaps after or before an older state of it, some
// of them taken back, and keeps those that should be seen.
func (d dataset) write(t testing.TB, conn driver.Conn, r *rand.Rand, table string) {
	t.Helper()
	var written, seen []row
	known := make(map[string]bool)
	for _, last := range d[table] {
		if key := keyOf(table, last); known[key] {
			continue
		} else {
			known[key] = true
		}
		last["version"] = uint64(100 + r.IntN(100))
		last["deleted"] = uint8(0)
		if r.IntN(8) == 0 {
			last["deleted"] = uint8(1)
		}
		written = append(written, last)
		if r.IntN(2) == 0 {
			older := generators[table](r)
			for _, column := range keys[table] {
				older[column] = last[column]
			}
			older["version"] = uint64(r.IntN(100))
			older["deleted"] = uint8(r.IntN(2))
			written = append(written, older)
		}
		if last["deleted"] == uint8(0) {
			seen = append(seen, last)
		}
	}
	r.Shuffle(len(written), func(i, j int) { written[i], written[j] = written[j], written[i] })
	half := len(written) / 2
	insert(t, conn, table, written[:half]...)
	insert(t, conn, table, written[half:]...)
	d[table] = seen
}

func keyOf(table string, r row) string {
	var key []any
	for _, column := range keys[table] {
		key = append(key, r[column])
	}
	return fmt.Sprint(key)
}

func at(r *rand.Rand) time.Time { return start.Add(time.Duration(r.IntN(12)) * time.Second) }

// generators make a random row of each table.
var generators = map[string]func(*rand.Rand) row{
	"deals": func(r *rand.Rand) row {
		return row{
			"chain": oneOf(r, chains), "id": hash(r.IntN(60)), "app": app(r.IntN(3)), "dataset": oneOf(r, []string{zeroAddress, address(5)}),
			"workerpool": pool(r.IntN(3)), "requester": requester(r.IntN(3)), "start_time": at(r), "block_number": uint64(r.IntN(9)),
			"category": big.NewInt(int64(r.IntN(3))), "tag": tag(r.IntN(16)), "bot_size": uint64(r.IntN(5) + 1), "worker_stake": big.NewInt(int64(r.IntN(50))),
			"app_price": big.NewInt(int64(r.IntN(9))), "dataset_price": big.NewInt(int64(r.IntN(9))), "workerpool_price": big.NewInt(int64(r.IntN(900))),
		}
	},
	"tasks": func(r *rand.Rand) row {
		return row{
			"chain": oneOf(r, chains), "id": hash(r.IntN(60)), "deal": hash(r.IntN(30)), "workerpool": pool(r.IntN(3)),
			"requester": requester(r.IntN(3)), "status": oneOf(r, taskWords), "initialized_at": at(r),
			"ended_at": oneOf(r, []time.Time{time.Unix(0, 0), at(r).Add(10 * time.Second)}), "contributors": uint64(r.IntN(4)),
		}
	},
	"contributions": func(r *rand.Rand) row {
		return row{
			"chain": oneOf(r, chains), "task": hash(r.IntN(60)), "worker": worker(r.IntN(4)), "deal": hash(r.IntN(60)),
			"workerpool": pool(r.IntN(3)), "status": oneOf(r, contributionWords), "contributed_at": at(r),
		}
	},
	"verdicts": func(r *rand.Rand) row {
		return row{
			"chain": oneOf(r, chains), "id": hash(r.IntN(60)), "workerpool": pool(r.IntN(3)), "task": oneOf(r, []string{"", hash(r.IntN(4))}),
			"worker": oneOf(r, []string{"", worker(r.IntN(4))}), "time": at(r), "outcome": oneOf(r, outcomeWords), "reason": oneOf(r, reasonWords),
		}
	},
	"payouts": func(r *rand.Rand) row {
		block := r.IntN(9)
		return row{
			"chain": oneOf(r, chains), "block_number": uint64(block), "log_index": uint32(r.IntN(9)), "time": start.Add(time.Duration(block) * time.Second),
			"kind": oneOf(r, kindWords), "role": oneOf(r, roleWords), "account": worker(r.IntN(4)), "amount": big.NewInt(int64(r.IntN(1000))),
			"task": hash(r.IntN(60)), "deal": hash(r.IntN(60)), "workerpool": pool(r.IntN(3)),
		}
	},
	"postings": func(r *rand.Rand) row {
		block := r.IntN(9)
		return row{
			"chain": oneOf(r, chains), "block_number": uint64(block), "log_index": uint32(r.IntN(9)), "idx": uint32(r.IntN(2)),
			"time": start.Add(time.Duration(block) * time.Second), "event": "Lock", "account": worker(r.IntN(4)), "bucket": oneOf(r, bucketWords),
			"amount": big.NewInt(int64(r.IntN(1000) - 500)), "task": oneOf(r, []string{"", hash(r.IntN(60))}), "deal": oneOf(r, []string{"", hash(r.IntN(60))}),
		}
	},
	"settlements": func(r *rand.Rand) row {
		return row{"chain": oneOf(r, chains), "task": hash(r.IntN(60)), "call": oneOf(r, callWords), "price": big.NewInt(r.Int64())}
	},
	"settlement_lines": func(r *rand.Rand) row {
		return row{"chain": oneOf(r, chains), "task": hash(r.IntN(12)), "idx": uint32(r.IntN(12)), "account": worker(r.IntN(4)), "amount": big.NewInt(r.Int64())}
	},
	"categories": func(r *rand.Rand) row {
		return row{"chain": oneOf(r, chains), "id": big.NewInt(int64(r.IntN(25))), "name": "XS"}
	},
	"events": func(r *rand.Rand) row {
		block, name := r.IntN(9), oneOf(r, []string{"OrderSigned", "OrderClosed", "OrdersMatched", "BroadcastOrder", "Reward"})
		return row{
			"chain": oneOf(r, chains), "block_number": uint64(block), "log_index": uint32(r.IntN(9)), "time": start.Add(time.Duration(block) * time.Second),
			"tx_hash": hash(r.IntN(9)), "emitter": address(r.IntN(3)), "name": name, "args": eventArgs(r, name),
		}
	},
	"accounts": func(r *rand.Rand) row {
		return row{"chain": oneOf(r, chains), "address": oneOf(r, []string{worker(r.IntN(20)), requester(r.IntN(20))}), "stake": big.NewInt(r.Int64())}
	},
	"resources": func(r *rand.Rand) row {
		return row{
			"chain": oneOf(r, chains), "kind": oneOf(r, []string{"APP", "DATASET", "WORKERPOOL"}), "address": oneOf(r, []string{pool(r.IntN(12)), app(r.IntN(4)), address(5), address(1 + r.IntN(12))}),
			"owner": address(r.IntN(3)), "registered_at": at(r),
		}
	},
}

func tag(nibble int) string { return hash(nibble) }

// eventArgs is what an event says, as the index writes it.
func eventArgs(r *rand.Rand, name string) string {
	switch name {
	case "OrdersMatched":
		return fmt.Sprintf(`{"deal":%q,"appHash":%q,"datasetHash":%q,"workerpoolHash":%q,"requestHash":%q,"volume":"%d"}`,
			hash(r.IntN(60)), hash(1+r.IntN(3)), hash(r.IntN(2)), hash(1+r.IntN(3)), hash(1+r.IntN(3)), r.IntN(9))
	case "OrderSigned", "OrderClosed":
		return fmt.Sprintf(`{"kind":%q,"hash":%q}`, oneOf(r, orderWords), hash(1+r.IntN(3)))
	case "BroadcastOrder":
		return fmt.Sprintf(`{"kind":%q,"data":"0x00"}`, oneOf(r, orderWords))
	}
	return "{}"
}
