package poco_test

import (
	"encoding/binary"
	"testing"

	"assay/consensus/poco"
)

// load is what happens in a busy marketplace, event by event: so many tasks run at the
// same time, and where one ends another begins. Deals have one to four tasks, tasks
// three to five workers; every eighth task has a liar, every 32nd is claimed. There are
// 5,000 workers, 1,000 requesters and 20 workerpools.
type load struct {
	slots  []slot
	turn   int // the slot whose turn it is
	deals  int // made so far
	tasks  int // begun so far
	events []poco.Event
}

// slot is where one task at a time runs.
type slot struct {
	deal, request, task poco.Hash
	payer, pool         poco.Address
	index, size         int // of the task, of the deal
	serial              int // of the task
	workers             int
	stage               int // 0: no deal, 1: no task, then one for each worker and reveal
}

const (
	loadWorkers, loadRequesters, loadPools = 5000, 1000, 20

	loadPrice    = 1_000_000_000 // nRLC
	loadAppPrice = 5
	loadStake    = loadPrice * 30 / 100
)

var loadHub = rules().Hub

func newLoad(live int) *load {
	l := &load{slots: make([]slot, live)}
	l.add(poco.CreateCategory{WorkClockTimeRef: amount(300)})
	for kind, people := range map[byte]int{'w': loadWorkers, 'r': loadRequesters, 'p': loadPools} {
		for i := range people {
			l.add(poco.Transfer{To: account(kind, i), Value: amount(1e18)})
		}
	}
	return l
}

// next returns so many of the events that happen next, or a few more. They are good until
// the call after.
func (l *load) next(events int) []poco.Event {
	for len(l.events) < events {
		l.step(&l.slots[l.turn])
		l.turn = (l.turn + 1) % len(l.slots)
	}
	next := l.events
	l.events = l.events[:0]
	return next
}

// numbered is a hash, account an address of one of many.
func numbered(kind byte, i int) (h poco.Hash) {
	h[0] = kind
	binary.BigEndian.PutUint64(h[24:], uint64(i))
	return h
}

func account(kind byte, i int) (a poco.Address) {
	a[0] = kind
	binary.BigEndian.PutUint64(a[12:], uint64(i))
	return a
}

func (l *load) add(events ...poco.Event) { l.events = append(l.events, events...) }

func (l *load) lock(who poco.Address, value uint64) {
	l.add(poco.Transfer{From: who, To: loadHub, Value: amount(value)}, poco.Lock{Owner: who, Amount: amount(value)})
}

func (l *load) unlock(who poco.Address, value uint64) {
	l.add(poco.Transfer{From: loadHub, To: who, Value: amount(value)}, poco.Unlock{Owner: who, Amount: amount(value)})
}

func (l *load) reward(who poco.Address, value uint64, task poco.Hash) {
	l.add(poco.Transfer{From: loadHub, To: who, Value: amount(value)}, poco.Reward{Owner: who, Amount: amount(value), Ref: task})
}

// step lets the next thing happen to a slot.
func (l *load) step(s *slot) {
	switch contributed := s.stage - 2; {
	case s.stage == 0:
		l.match(s)
	case s.stage == 1:
		l.initialize(s)
	case contributed < s.workers:
		l.contribute(s, contributed)
	case s.serial%32 == 31:
		l.claim(s)
		return
	case contributed < 2*s.workers:
		l.reveal(s, contributed-s.workers)
	default:
		l.finalize(s)
		return
	}
	s.stage++
}

func (l *load) match(s *slot) {
	n := l.deals
	l.deals++
	pool := account('p', n%loadPools)
	*s = slot{
		request: numbered('r', n), payer: account('r', n%loadRequesters), pool: pool, size: 1 + n%4,
	}
	s.deal = poco.DealID(s.request, &poco.Amount{})
	volume := uint64(s.size)
	l.lock(s.payer, (loadPrice+loadAppPrice)*volume)
	l.lock(pool, loadStake*volume)
	l.add(poco.SchedulerNotice{Workerpool: pool, Deal: s.deal})
	l.add(poco.OrdersMatched{
		Deal: s.deal, AppHash: numbered('a', n/1000), WorkerpoolHash: numbered('p', n/100), RequestHash: s.request,
		Volume: amount(volume), Body: &poco.Deal{
			App:        poco.Priced{Pointer: account('a', 0), Owner: account('a', 1), Price: amount(loadAppPrice)},
			Workerpool: poco.Priced{Pointer: pool, Owner: pool, Price: amount(loadPrice)}, Trust: amount(5), Params: "{}",
			StartTime: start, WorkerStake: amount(loadStake), SchedulerRewardRatio: amount(1), Requester: s.payer, Sponsor: s.payer,
		},
	})
}

func (l *load) initialize(s *slot) {
	index := amount(uint64(s.index))
	s.task, s.serial, s.workers = poco.TaskID(s.deal, &index), l.tasks, 3+l.tasks%3
	l.tasks++
	l.add(poco.TaskInitialize{Task: s.task, Workerpool: s.pool, Deal: s.deal, Index: index})
}

func (s *slot) worker(k int) poco.Address { return account('w', (s.serial*5+k)%loadWorkers) }

// lies says whether a worker does: the first, in every eighth task.
func (s *slot) lies(k int) bool { return s.serial%8 == 7 && k == 0 }

func (l *load) contribute(s *slot, k int) {
	truth := numbered('t', s.serial)
	result := truth
	if s.lies(k) {
		result = numbered('l', s.serial)
	}
	l.lock(s.worker(k), loadStake)
	l.add(poco.TaskContribute{Task: s.task, Worker: s.worker(k), ResultHash: result})
	if k == s.workers-1 {
		l.add(poco.TaskConsensus{Task: s.task, Consensus: truth})
	}
}

func (l *load) reveal(s *slot, k int) {
	if !s.lies(k) {
		l.add(poco.TaskReveal{Task: s.task, Worker: s.worker(k), Digest: numbered('x', s.serial)})
	}
}

func (l *load) finalize(s *slot) {
	l.add(poco.Seize{Owner: s.payer, Amount: amount(loadPrice + loadAppPrice), Ref: s.task})
	l.reward(account('a', 1), loadAppPrice, s.task)
	l.unlock(s.pool, loadStake)
	total, winners := uint64(loadPrice), s.workers
	if s.lies(0) {
		total, winners = total+loadStake, winners-1
	}
	share := total * 99 / 100 / uint64(winners)
	for k := range s.workers {
		if s.lies(k) {
			l.add(poco.Seize{Owner: s.worker(k), Amount: amount(loadStake), Ref: s.task}, poco.FaultyContribution{Worker: s.worker(k), Task: s.task})
			continue
		}
		l.unlock(s.worker(k), loadStake)
		l.reward(s.worker(k), share, s.task)
		l.add(poco.AccurateContribution{Worker: s.worker(k), Task: s.task})
		total -= share
	}
	l.reward(s.pool, total, s.task)
	l.add(poco.TaskFinalize{Task: s.task, Results: []byte("ipfs://result")})
	s.end()
}

func (l *load) claim(s *slot) {
	l.unlock(s.payer, loadPrice+loadAppPrice)
	l.add(poco.Seize{Owner: s.pool, Amount: amount(loadStake), Ref: s.task})
	l.add(poco.Reward{Owner: poco.KittyAddress, Amount: amount(loadStake), Ref: s.task}, poco.Lock{Owner: poco.KittyAddress, Amount: amount(loadStake)})
	for k := range s.workers {
		l.unlock(s.worker(k), loadStake)
	}
	l.add(poco.TaskClaimed{Task: s.task})
	s.end()
}

// end makes room for the deal's next task, or for another deal.
func (s *slot) end() {
	s.stage = 1
	if s.index++; s.index == s.size {
		s.stage = 0
	}
}

var loadBlock = poco.Block{Number: 1, Time: start}

// fold folds events of a load.
func fold(t testing.TB, state *poco.State, events []poco.Event) {
	for _, event := range events {
		if err := state.Evolve(loadBlock, event); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheLoadIsSound checks that what the load measures is what happens by the rules:
// nothing is refused, nothing lost, and what the hub has is what is locked.
func TestTheLoadIsSound(t *testing.T) {
	l := newLoad(10)
	state := poco.New(rules())
	fold(t, state, l.next(50_000))
	stake, locked := state.Sums()
	equal(t, "stakes", stake, state.Supply())
	equal(t, "hub", state.Account(loadHub).Stake, locked)
	work, _ := state.Rows()
	state.Forget()
	left, _ := state.Rows()
	if work < 1000 || left > 200 {
		t.Errorf("%d rows, of which %d are of what goes on", work, left)
	}
}
