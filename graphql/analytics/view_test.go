package analytics

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"assay/graphql/internal/database"
)

// past is a chain whose every block changes some tasks and accounts and pays somebody.
type past struct {
	conn    driver.Conn
	random  *rand.Rand
	version uint64
	at      []pastState // after each block, from 0
	paid    []row       // payouts, the oldest first
	hashes  []string
}

// pastState is what there is after a block: the status of each task, the stake of each account.
type pastState struct {
	tasks  map[string]string
	stakes map[string]int64
	paid   int // payouts
}

func newPast(conn driver.Conn, seed uint64) *past {
	return &past{conn: conn, random: rand.New(rand.NewPCG(seed, 2)), at: []pastState{{map[string]string{}, map[string]int64{}, 0}}, hashes: []string{hash(0)}}
}

func (p *past) head() uint64 { return uint64(len(p.at) - 1) }

// block writes the rows of a block in the order in which a sink does, without the head.
func (p *past) block(t testing.TB) {
	p.version++
	number := uint64(len(p.at))
	last := p.at[number-1]
	next := pastState{maps.Clone(last.tasks), maps.Clone(last.stakes), last.paid}
	p.hashes = append(p.hashes, hash(int(number*1000+p.version)))
	insert(t, p.conn, "blocks", row{"chain": uint64(7), "number": number, "hash": p.hashes[number], "time": clock(int(number)), "version": p.version})
	for i := range 3 {
		id := hash(p.random.IntN(6))
		next.tasks[id] = oneOf(p.random, taskWords)
		next.stakes[worker(p.random.IntN(4))] = p.random.Int64N(1000)
		p.paid = append(p.paid, row{
			"chain": uint64(7), "block_number": number, "log_index": uint32(i), "time": clock(int(number)), "kind": "REWARD", "role": "WORKER",
			"account": worker(1), "amount": big.NewInt(int64(number)), "task": id, "version": p.version,
		})
		next.paid++
	}
	p.at = append(p.at, next)
	p.write(t, number, last, next, 0)
}

// write writes what differs between two states.
func (p *past) write(t testing.TB, number uint64, from, to pastState, deleted uint8) {
	for _, id := range slices.Sorted(maps.Keys(to.tasks)) {
		if from.tasks[id] != to.tasks[id] {
			insert(t, p.conn, "tasks", row{"chain": uint64(7), "id": id, "deal": hash(1), "status": to.tasks[id], "initialized_at": clock(1), "block_number": number, "version": p.version, "deleted": deleted})
		}
	}
	for _, address := range slices.Sorted(maps.Keys(to.stakes)) {
		if stake, known := from.stakes[address]; !known || stake != to.stakes[address] {
			insert(t, p.conn, "accounts", row{"chain": uint64(7), "address": address, "stake": big.NewInt(to.stakes[address]), "block_number": number, "version": p.version, "deleted": deleted})
		}
	}
	for _, payout := range p.paid[from.paid:max(from.paid, to.paid)] {
		insert(t, p.conn, "payouts", payout)
	}
}

// mark says that all blocks are indexed.
func (p *past) mark(t testing.TB) {
	p.version++
	insert(t, p.conn, "heads", row{"chain": uint64(7), "head_number": p.head(), "head_hash": p.hashes[p.head()], "head_time": clock(int(p.head())), "version": p.version})
}

// retract takes the newest block back, as a sink does: the head first, then its rows.
func (p *past) retract(t testing.TB) {
	p.version++
	number := p.head()
	gone, left := p.at[number], p.at[number-1]
	p.at, p.hashes = p.at[:number], p.hashes[:number]
	insert(t, p.conn, "heads", row{"chain": uint64(7), "head_number": number - 1, "head_hash": p.hashes[number-1], "head_time": clock(int(number - 1)), "version": p.version, "written": p.version - 1})
	insert(t, p.conn, "blocks", row{"chain": uint64(7), "number": number, "hash": "", "time": clock(0), "version": p.version, "deleted": uint8(1)})
	for _, payout := range p.paid[left.paid:] {
		tombstone := maps.Clone(payout)
		tombstone["version"], tombstone["deleted"] = p.version, uint8(1)
		insert(t, p.conn, "payouts", tombstone)
	}
	p.paid = p.paid[:left.paid]
	p.undo(t, "tasks", "id", number, gone.tasks, left.tasks, p.taskChange)
	p.undo(t, "accounts", "address", number, stakesOf(gone), stakesOf(left), p.stakeChange)
}

func stakesOf(s pastState) map[string]string {
	words := make(map[string]string)
	for address, stake := range s.stakes {
		words[address] = fmt.Sprint(stake)
	}
	return words
}

// undo writes the earlier state of each thing again, and tombstones into its history.
func (p *past) undo(t testing.TB, table, key string, number uint64, gone, left map[string]string, change func(id string) uint64) {
	for _, id := range slices.Sorted(maps.Keys(gone)) {
		if before, known := left[id]; known && before == gone[id] {
			continue
		}
		r := row{"chain": uint64(7), key: id, "version": p.version, "deleted": uint8(0), "block_number": change(id)}
		if _, known := left[id]; !known {
			r["deleted"], r["block_number"] = uint8(1), number
		}
		if table == "tasks" {
			r["status"], r["deal"], r["initialized_at"] = left[id], hash(1), clock(1)
		} else {
			stake, _ := new(big.Int).SetString("0"+left[id], 10)
			r["stake"] = stake
		}
		insert(t, p.conn, table, r)
		tombstone := maps.Clone(r)
		tombstone["deleted"], tombstone["block_number"] = uint8(1), number
		insert(t, p.conn, table+"_history", tombstone)
	}
}

func (p *past) taskChange(id string) uint64 {
	number := p.head()
	for number > 0 && p.at[number-1].tasks[id] == p.at[number].tasks[id] {
		number--
	}
	return number
}

func (p *past) stakeChange(id string) uint64 {
	number := p.head()
	for number > 0 {
		before, known := p.at[number-1].stakes[id]
		if !known || before != p.at[number].stakes[id] {
			break
		}
		number--
	}
	return number
}

// answer is all there is, as the API tells it.
func (s pastState) answer() string {
	var words []string
	for id, status := range s.tasks {
		words = append(words, id+" "+status)
	}
	for address, stake := range s.stakes {
		words = append(words, fmt.Sprint(address, " ", stake))
	}
	slices.Sort(words)
	return fmt.Sprint(words, len(s.tasks), len(s.stakes), s.paid)
}

type pastAnswer struct {
	Tasks struct {
		Nodes      []struct{ ID, Status string }
		TotalCount int
	}
	Accounts struct {
		Nodes []struct {
			Address, Stake string
		}
		TotalCount int
	}
	Payouts struct{ TotalCount int }
}

func (a pastAnswer) String() string {
	var words []string
	for _, task := range a.Tasks.Nodes {
		words = append(words, task.ID+" "+task.Status)
	}
	for _, account := range a.Accounts.Nodes {
		words = append(words, account.Address+" "+account.Stake)
	}
	slices.Sort(words)
	return fmt.Sprint(words, a.Tasks.TotalCount, a.Accounts.TotalCount, a.Payouts.TotalCount)
}

const pastQuery = `query($asOf: AsOf) { tasks(asOf: $asOf, first: 100) { nodes { id status } totalCount } accounts(asOf: $asOf, first: 100) { nodes { address stake } totalCount }
	payouts(asOf: $asOf, first: 0) { totalCount } }`

// As of every block, across forks, the answer is what there was after it, by its number
// and by its hash; and rows beyond the head are not seen.
func TestAsOf(t *testing.T) {
	conn := newDatabase(t)
	p := newPast(conn, 1)
	server := newServer(t, conn)
	for step := range 5 {
		p.block(t)
		if step%2 == 1 {
			p.block(t)
			p.retract(t)
			p.retract(t)
			p.block(t)
		}
	}
	p.mark(t)
	head := p.head()
	p.block(t) // whose head is still to come
	for number := uint64(1); number <= head; number++ {
		for _, asOf := range []map[string]any{{"chain": 7, "block": number}, {"chain": 7, "hash": p.hashes[number]}} {
			if got := get[pastAnswer](t, server, pastQuery, map[string]any{"asOf": asOf}); got.String() != p.at[number].answer() {
				t.Errorf("as of %v:\n got %s\nwant %s", asOf, got, p.at[number].answer())
			}
		}
	}
	if got := get[pastAnswer](t, server, pastQuery, nil); got.String() != p.at[head].answer() {
		t.Errorf("at the head:\n got %s\nwant %s", got, p.at[head].answer())
	}
	for _, asOf := range []map[string]any{
		{"chain": 7, "block": head + 1}, {"chain": 8, "block": 1}, {"chain": 7}, {"chain": 7, "block": 1, "hash": p.hashes[1]}, {"chain": 7, "hash": hash(12345)},
	} {
		if code, message := failing(t, server, pastQuery, map[string]any{"asOf": asOf}); code != codeInput {
			t.Errorf("as of %v: %s %q", asOf, code, message)
		}
	}
}

// What is nested is read as of the same block, and so are histories.
func TestAsOfNested(t *testing.T) {
	conn := newDatabase(t)
	p := newPast(conn, 2)
	for range 4 {
		p.block(t)
	}
	p.mark(t)
	server := newServer(t, conn)
	type answer struct {
		Accounts struct {
			Nodes []struct {
				Address string
				Stake   string
				Payouts struct {
					TotalCount int
					Nodes      []struct{ Task struct{ Status string } }
				}
				History struct {
					Nodes []struct {
						BlockNumber uint64
						Stake       string
						Time        *time.Time
					}
				}
			}
		}
	}
	for number := uint64(1); number <= p.head(); number++ {
		got := get[answer](t, server, `query($asOf: AsOf) { accounts(asOf: $asOf) { nodes { address stake
			payouts(first: 1) { totalCount nodes { task { status } } } history(first: 100) { nodes { blockNumber stake time } } } } }`,
			map[string]any{"asOf": map[string]any{"chain": 7, "block": number}})
		for _, account := range got.Accounts.Nodes {
			newest := account.History.Nodes[0]
			if newest.Stake != account.Stake || newest.BlockNumber > number || !newest.Time.Equal(clock(int(newest.BlockNumber))) {
				t.Errorf("as of %d: %+v, and the newest of its history is %+v", number, account, newest)
			}
			if account.Address != worker(1) {
				continue
			}
			last := p.paid[p.at[number].paid-1]
			if account.Payouts.TotalCount != p.at[number].paid {
				t.Errorf("as of %d: %d payouts, want %d", number, account.Payouts.TotalCount, p.at[number].paid)
			}
			if want := p.at[number].tasks[as[string](last["task"])]; account.Payouts.Nodes[0].Task.Status != want {
				t.Errorf("as of %d: the last payout's task is %v, want %s", number, account.Payouts.Nodes[0].Task, want)
			}
		}
	}
}

// TestWhatIsWrittenIsSeen: also where only that changes, of a head that is as it was, or of a
// ledger that was not there yet when its head was.
func TestWhatIsWrittenIsSeen(t *testing.T) {
	conn := newDatabase(t)
	r := newReader(conn)
	head := row{"chain": uint64(7), "head_number": uint64(1), "version": uint64(5), "written": uint64(4)}
	insert(t, conn, "heads", head)
	for _, step := range []struct {
		table string
		row   row
		want  string
	}{
		{"heads", head, "4 []"},
		{"heads", row{"chain": uint64(7), "head_number": uint64(1), "version": uint64(5), "written": uint64(5)}, "5 []"},
		{"coverage", row{"chain": uint64(7), "from_number": []uint64{1}, "to_number": []uint64{9}, "verification": []string{"BLOOM"}, "failure": []string{""}, "version": uint64(5)}, "5 [9]"},
	} {
		insert(t, conn, step.table, step.row)
		now, err := r.Now(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(now.Heads[0].Written, " ", now.Heads[0].To); got != step.want {
			t.Errorf("read %s, want %s", got, step.want)
		}
	}
}

// TestThePastIsNotNow: what came after the newest block is not of the chain as of that block,
// also where an answer tells of both.
func TestThePastIsNotNow(t *testing.T) {
	conn := newDatabase(t)
	insert(t, conn, "heads", row{"chain": uint64(7), "head_number": uint64(1), "version": uint64(1)})
	insert(t, conn, "blocks", row{"chain": uint64(7), "number": uint64(1), "time": clock(1), "version": uint64(1)})
	insert(t, conn, "tasks", row{"chain": uint64(7), "id": hash(1), "block_number": uint64(1), "version": uint64(1)})
	insert(t, conn, "verdicts", row{"chain": uint64(7), "id": hash(2), "task": hash(1), "time": clock(2), "version": uint64(1)})
	type count struct{ Verdicts struct{ TotalCount int } }
	got := get[struct{ Now, Then count }](t, newServer(t, conn), fmt.Sprintf(`{ now: task(id: %q) { verdicts { totalCount } } then: task(id: %q, asOf: {chain: 7, block: 1}) { verdicts { totalCount } } }`, hash(1), hash(1)), nil)
	if got.Now.Verdicts.TotalCount != 1 || got.Then.Verdicts.TotalCount != 0 {
		t.Errorf("%+v", got)
	}
}

// moving is a database in which the chain is reorganized once a block was looked up by its hash.
type moving struct {
	database.Conn
	move func()
}

func (m *moving) Select(ctx context.Context, dest any, query string, args ...any) error {
	err := m.Conn.Select(ctx, dest, query, args...)
	if strings.HasPrefix(query, "SELECT chain, hash, number FROM blocks") && m.move != nil {
		m.move()
		m.move = nil
	}
	return err
}

// As of a block that is taken back when its number is known there is nothing to tell: least of
// all what the block says that took its place. Over a WebSocket no answer is kept.
func TestAsOfABlockThatGoes(t *testing.T) {
	conn := newDatabase(t)
	task := func(id int, version uint64, deleted uint8) row {
		return row{"chain": uint64(7), "id": hash(id), "block_number": uint64(1), "version": version, "deleted": deleted}
	}
	insert(t, conn, "blocks", row{"chain": uint64(7), "number": uint64(1), "hash": hash(1), "version": uint64(1)})
	insert(t, conn, "tasks", task(1, 1, 0))
	insert(t, conn, "heads", row{"chain": uint64(7), "head_number": uint64(1), "head_hash": hash(1), "version": uint64(1)})
	db := &moving{conn, func() {
		insert(t, conn, "heads", row{"chain": uint64(7), "head_number": uint64(0), "version": uint64(2), "written": uint64(1)})
		insert(t, conn, "blocks", row{"chain": uint64(7), "number": uint64(1), "hash": hash(2), "version": uint64(3)})
		insert(t, conn, "tasks", task(1, 2, 1), task(2, 3, 0), task(3, 3, 0))
		insert(t, conn, "heads", row{"chain": uint64(7), "head_number": uint64(1), "head_hash": hash(2), "version": uint64(4)})
	}}
	s := dial(t, newServer(t, db))
	s.send(message{ID: "1", Type: "subscribe", Payload: json.RawMessage(fmt.Sprintf(`{"query": "{ tasks(asOf: {chain: 7, hash: \"%s\"}) { totalCount } }"}`, hash(1)))})
	if got := string(s.next().Payload); !strings.Contains(got, "no block of chain 7") {
		t.Fatalf("got %s", got)
	}
}

// However rows arrive and forks are undone meanwhile, each answer is that of the one block
// that it names.
func TestConsistency(t *testing.T) {
	conn := newDatabase(t)
	p := newPast(conn, 3)
	server := newServer(t, conn)
	var mutex sync.Mutex
	after := make(map[string]string) // what there is after a block, by its hash
	indexed := func() {
		mutex.Lock()
		defer mutex.Unlock()
		for number, state := range p.at {
			after[p.hashes[number]] = state.answer()
		}
	}
	p.block(t)
	indexed()
	p.mark(t)
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
	defer cancel()
	var readers sync.WaitGroup
	var answers [3]int
	for i := range answers {
		readers.Go(func() { answers[i] = readConsistently(ctx, t, server.URL, &mutex, after) })
	}
	for ctx.Err() == nil {
		switch p.random.IntN(4) {
		case 0:
			if p.head() > 2 {
				p.retract(t)
			}
			fallthrough
		default:
			p.block(t)
			indexed()
			p.mark(t)
		}
	}
	readers.Wait()
	if answers[0]+answers[1]+answers[2] < 10 {
		t.Errorf("%v answers show nothing", answers)
	}
}

// readConsistently asks until ctx ends and counts the answers.
func readConsistently(ctx context.Context, t *testing.T, url string, mutex *sync.Mutex, after map[string]string) (answers int) {
	body, _ := json.Marshal(map[string]any{"query": pastQuery})
	for ctx.Err() == nil {
		response, err := http.Post(url+"/graphql", "application/json", strings.NewReader(string(body)))
		if err != nil {
			t.Error(err)
			return answers
		}
		var got struct {
			Data       pastAnswer
			Errors     []struct{ Extensions struct{ Code string } }
			Extensions struct{ Indexed []struct{ HeadHash string } }
		}
		err = json.NewDecoder(response.Body).Decode(&got)
		_ = response.Body.Close()
		if err != nil {
			t.Error(err)
			return answers
		}
		if len(got.Errors) > 0 && got.Errors[0].Extensions.Code == codeBusy {
			continue
		}
		if len(got.Errors) > 0 || len(got.Extensions.Indexed) != 1 {
			t.Errorf("%+v", got)
			return answers
		}
		mutex.Lock()
		want := after[got.Extensions.Indexed[0].HeadHash]
		mutex.Unlock()
		if got.Data.String() != want {
			t.Errorf("of block %s:\n got %s\nwant %s", got.Extensions.Indexed[0].HeadHash, got.Data, want)
			return answers
		}
		answers++
	}
	return answers
}
