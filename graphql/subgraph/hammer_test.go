package subgraph

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// writer writes a chain of blocks in the sink's order: blocks first, heads last, and
// retractions as earlier states and tombstones. In block n every account's balance and
// every count of the protocol is n of the branch, so that an answer that mixes two blocks
// is seen at once.
type writer struct {
	t       testing.TB
	db      driver.Conn
	version uint64
	values  []uint64 // of each block of the branch
	serial  uint64
}

const hammerAccounts = 3

func (w *writer) row(block uint64, deleted int, more fields) fields {
	r := fields{"chain": testChain, "block_number": block, "version": w.version, "deleted": deleted}
	for name, value := range more {
		r[name] = value
	}
	return r
}

// state writes what everything is in a block, deleted: that it was never there.
func (w *writer) state(tables string, block, value uint64, deleted int) {
	var accounts []fields
	for i := range hammerAccounts {
		accounts = append(accounts, w.row(block, deleted, fields{"id": fmt.Sprintf("0x%d", i), "balance": value, "frozen": value, "score": value}))
	}
	insert(w.t, w.db, "subgraph_account"+tables, accounts...)
	insert(w.t, w.db, "subgraph_protocol"+tables, w.row(block, deleted, fields{"id": "iExec", "dealsCount": value, "tasksCount": value}))
}

// add writes the next block.
func (w *writer) add() {
	w.version++
	w.serial++
	number := uint64(len(w.values)) + 1
	w.values = append(w.values, w.serial)
	insert(w.t, w.db, "blocks", fields{"chain": testChain, "number": number, "hash": fmt.Sprintf("0x%064x", w.serial), "version": w.version})
	w.state("", number, w.serial, 0)
	insert(w.t, w.db, "subgraph_transfer", w.row(number, 0, fields{"id": fmt.Sprintf("%06d-0", number), "value": w.serial}))
	w.mark()
}

// undo retracts the newest blocks, in one batch with what comes instead: first it lowers the
// head. While the rows come, meanwhile is called, if it is not nil.
func (w *writer) undo(blocks int, meanwhile func()) {
	written := w.version
	w.version++
	kept := w.values[:len(w.values)-blocks]
	w.head(uint64(len(kept)), kept[len(kept)-1], written)
	if meanwhile != nil {
		meanwhile()
	}
	for n := len(w.values); n > len(kept); n-- {
		insert(w.t, w.db, "blocks", fields{"chain": testChain, "number": n, "version": w.version, "deleted": 1})
	}
	for n := len(w.values); n > len(kept); n-- {
		w.state("_history", uint64(n), 0, 1)
		insert(w.t, w.db, "subgraph_transfer", w.row(uint64(n), 1, fields{"id": fmt.Sprintf("%06d-0", n), "value": 0}))
	}
	w.values = kept
	w.state("", uint64(len(kept)), kept[len(kept)-1], 0)
	w.mark()
}

func (w *writer) mark() {
	w.head(uint64(len(w.values)), w.values[len(w.values)-1], w.version)
}

func (w *writer) head(number, value, written uint64) {
	insert(w.t, w.db, "heads", fields{
		"chain": testChain, "head_number": number, "head_hash": fmt.Sprintf("0x%064x", value), "head_time": "2026-01-01 00:00:00", "finalized_number": 2,
		"version": w.version, "written": written,
	})
}

// TestNothingOfALoweredHeadIsKept: what an answer reads when the head is lowered and the blocks
// above are still there is not taken for what is so at the next head.
func TestNothingOfALoweredHeadIsKept(t *testing.T) {
	db := newDatabase(t)
	server := newEndpoint(t, db, poco)
	w := &writer{t: t, db: db}
	for range 6 {
		w.add()
	}
	const document, four = `{ transfers { id } }`, `{"transfers":[{"id":"000001-0"},{"id":"000002-0"},{"id":"000003-0"},{"id":"000004-0"}]}`
	w.undo(2, func() { wants(t, server, document, nil, four) })
	wants(t, server, document, nil, four)
	w.version++ // other blocks, without transfers
	for n := range uint64(2) {
		insert(t, db, "blocks", fields{"chain": testChain, "number": 5 + n, "hash": fmt.Sprintf("0x%064x", 100+n), "version": w.version})
	}
	w.head(6, 101, w.version)
	wants(t, server, document, nil, four)
}

// TestTheFirstRecordIsAMark: nothing of what there is before anything has happened is kept.
func TestTheFirstRecordIsAMark(t *testing.T) {
	db := newDatabase(t)
	server := newEndpoint(t, db, poco)
	w := &writer{t: t, db: db}
	w.head(0, 0, 0) // record 0
	const document = `{ transfers { id } account(id: "0x0") { score } }`
	wants(t, server, document, nil, `{"transfers":[],"account":null}`)
	w.add()
	wants(t, server, document, nil, `{"transfers":[{"id":"000001-0"}],"account":{"score":"1"}}`)
}

// late is a database in which rows arrive while it looks up, one after the other, which rows its
// tables have that the first statement with a history reads.
type late struct {
	driver.Conn
	arrive string // the statement that writes them
	after  time.Duration
	begun  atomic.Bool
	failed error
}

const pace = 50 * time.Millisecond // of looking up a table

func (l *late) Select(ctx context.Context, dest any, query string, args ...any) error {
	if !strings.Contains(query, "_history") || l.begun.Swap(true) {
		return l.Conn.Select(ctx, dest, query, args...)
	}
	arrived := make(chan error)
	go func() {
		time.Sleep(l.after)
		arrived <- l.Exec(context.Background(), l.arrive)
	}()
	err := l.Conn.Select(ctx, dest, query+fmt.Sprint(" SETTINGS merge_tree_storage_snapshot_sleep_ms = ", pace.Milliseconds()), args...)
	l.failed = <-arrived
	return err
}

// TestAStatementReadsOneState: of a list that is read as it was before rows that are arriving,
// each entity is there once, whenever they arrive.
func TestAStatementReadsOneState(t *testing.T) {
	db := newDatabase(t)
	w := &writer{t: t, db: db}
	for range 6 {
		w.add()
	}
	for step := range 6 {
		announced := w.version + 1
		insert(t, db, "blocks", fields{"chain": testChain, "number": len(w.values) + 1, "version": announced})
		conn := &late{Conn: db, after: pace/2 + time.Duration(step)*pace, arrive: fmt.Sprintf(
			"INSERT INTO subgraph_account SELECT * REPLACE (score + 1 AS score, block_number + 1 AS block_number, %d AS version) FROM subgraph_account FINAL", announced)}
		score := fmt.Sprint(w.serial)
		wants(t, newEndpoint(t, conn, poco), `{ accounts(orderBy: score) { id score } }`, nil,
			strings.ReplaceAll(`{"accounts":[{"id":"0x0","score":"N"},{"id":"0x1","score":"N"},{"id":"0x2","score":"N"}]}`, "N", score))
		if conn.failed != nil || !conn.begun.Load() {
			t.Fatalf("no rows arrived: %v", conn.failed)
		}
		w.add()
	}
}

// One answer is one head, while rows arrive and forks are undone: all that it says is of
// the block that its _meta names.
func TestAnswersAreOfOneHead(t *testing.T) {
	db := newDatabase(t)
	server := newEndpoint(t, db, poco)
	w := &writer{t: t, db: db}
	for range 6 {
		w.add()
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	asked := make([]int, 3)
	for i := range asked {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				answer := ask(t, server, hammered, nil)
				if overtaken(answer) {
					continue // an honest refusal: forks came faster than it could read
				}
				if problem := look(answer); problem != "" {
					t.Error(problem)
					return
				}
				asked[i]++
			}
		})
	}
	random := rand.New(rand.NewSource(1))
	for deadline := time.Now().Add(10 * time.Second); w.version < 60 && time.Now().Before(deadline) && !t.Failed(); {
		if len(w.values) > 6 && random.Intn(3) == 0 {
			w.undo(1+random.Intn(3), nil)
		} else {
			w.add()
		}
	}
	close(stop)
	readers.Wait()
	t.Logf("%v answers, %d writes", asked, w.version)
	if slices.Max(asked) == 0 {
		t.Error("nothing was answered")
	}
}

func overtaken(r reply) bool {
	return len(r.Errors) == 1 && strings.Contains(fmt.Sprint(r.Errors[0]), "reorganized while executing")
}

const hammered = `{ _meta { block { number hash } } accounts { id balance frozen score } protocols { dealsCount tasksCount }
	transfers(orderBy: id, orderDirection: desc, first: 1) { id value } before: account(id: "0x0", block: {number: 3}) { score } }`

// look says what is wrong with an answer.
func look(r reply) string {
	var data struct {
		Meta struct {
			Block struct {
				Number int
				Hash   string
			}
		} `json:"_meta"`
		Accounts  []struct{ ID, Balance, Frozen, Score string }
		Protocols []struct{ DealsCount, TasksCount string }
		Transfers []struct{ ID, Value string }
		Before    struct{ Score string }
	}
	if len(r.Errors) > 0 {
		return fmt.Sprint(r.Errors)
	}
	if err := json.Unmarshal(r.Data, &data); err != nil {
		return err.Error()
	}
	var serial uint64
	if _, err := fmt.Sscanf(data.Meta.Block.Hash, "0x%x", &serial); err != nil {
		return err.Error()
	}
	score, amount := fmt.Sprint(serial), rlc(fmt.Sprint(serial))
	wrong := len(data.Accounts) != hammerAccounts || len(data.Protocols) != 1 || len(data.Transfers) != 1 || data.Before.Score != "3"
	for _, a := range data.Accounts {
		wrong = wrong || a.Score != score || a.Balance != amount || a.Frozen != amount
	}
	for _, p := range data.Protocols {
		wrong = wrong || p.DealsCount != score || p.TasksCount != score
	}
	for _, transfer := range data.Transfers {
		wrong = wrong || transfer.ID != fmt.Sprintf("%06d-0", data.Meta.Block.Number) || transfer.Value != amount
	}
	if wrong {
		return string(r.Data)
	}
	return ""
}
