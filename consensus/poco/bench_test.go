package poco_test

import (
	"encoding/binary"
	"testing"

	"assay/consensus/poco"
)

// stream is what happens while so many deals of one task each, with three workers that
// agree, run at the same time: first all are matched, then all initialized, and so on.
type stream struct {
	events []poco.Event
	tasks  int
}

const (
	benchPrice = 1_000_000_000
	benchStake = benchPrice * 30 / 100
)

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

func newStream(tasks int) *stream {
	s := &stream{tasks: tasks}
	s.add(poco.CreateCategory{WorkClockTimeRef: amount(300)})
	for i := range 1000 {
		s.add(poco.Transfer{To: account('w', i), Value: amount(1e18)})
		s.add(poco.Transfer{To: account('r', i), Value: amount(1e18)})
	}
	s.add(poco.Transfer{To: account('p', 0), Value: amount(1e18)})
	for _, phase := range []func(int){s.match, s.initialize, s.contribute(0), s.contribute(1), s.contribute(2), s.reveal, s.finalize} {
		for i := range tasks {
			phase(i)
		}
	}
	return s
}

func (s *stream) add(events ...poco.Event) { s.events = append(s.events, events...) }

var benchHub = rules().Hub

func (s *stream) lock(who poco.Address, value uint64) {
	s.add(poco.Transfer{From: who, To: benchHub, Value: amount(value)}, poco.Lock{Owner: who, Amount: amount(value)})
}

func (s *stream) unlock(who poco.Address, value uint64) {
	s.add(poco.Transfer{From: benchHub, To: who, Value: amount(value)}, poco.Unlock{Owner: who, Amount: amount(value)})
}

func (s *stream) reward(who poco.Address, value uint64, task poco.Hash) {
	s.add(poco.Transfer{From: benchHub, To: who, Value: amount(value)}, poco.Reward{Owner: who, Amount: amount(value), Ref: task})
}

func benchDeal(i int) poco.Hash { return poco.DealID(numbered('r', i), &poco.Amount{}) }

func benchTask(i int) poco.Hash {
	zero := amount(0)
	return poco.TaskID(benchDeal(i), &zero)
}

func (s *stream) match(i int) {
	pool := account('p', 0)
	s.lock(account('r', i%1000), benchPrice)
	s.lock(pool, benchStake)
	s.add(poco.SchedulerNotice{Workerpool: pool, Deal: benchDeal(i)})
	s.add(poco.OrdersMatched{
		Deal: benchDeal(i), AppHash: numbered('a', i/100), WorkerpoolHash: numbered('p', i/100), RequestHash: numbered('r', i),
		Volume: amount(1), Body: &poco.Deal{
			Workerpool: poco.Priced{Pointer: pool, Owner: pool, Price: amount(benchPrice)}, Trust: amount(5),
			StartTime: start, WorkerStake: amount(benchStake), Sponsor: account('r', i%1000),
		},
	})
}

func (s *stream) initialize(i int) {
	s.add(poco.TaskInitialize{Task: benchTask(i), Workerpool: account('p', 0), Deal: benchDeal(i)})
}

func benchWorker(i, k int) poco.Address { return account('w', (i*3+k)%1000) }

func (s *stream) contribute(k int) func(int) {
	return func(i int) {
		s.lock(benchWorker(i, k), benchStake)
		s.add(poco.TaskContribute{Task: benchTask(i), Worker: benchWorker(i, k), ResultHash: numbered('h', i)})
		if k == 2 {
			s.add(poco.TaskConsensus{Task: benchTask(i), Consensus: numbered('h', i)})
		}
	}
}

func (s *stream) reveal(i int) {
	for k := range 3 {
		s.add(poco.TaskReveal{Task: benchTask(i), Worker: benchWorker(i, k), Digest: numbered('x', i)})
	}
}

func (s *stream) finalize(i int) {
	task := benchTask(i)
	s.add(poco.Seize{Owner: account('r', i%1000), Amount: amount(benchPrice), Ref: task})
	s.unlock(account('p', 0), benchStake)
	for k := range 3 {
		s.unlock(benchWorker(i, k), benchStake)
		s.reward(benchWorker(i, k), benchPrice*33/100, task)
		s.add(poco.AccurateContribution{Worker: benchWorker(i, k), Task: task})
	}
	s.reward(account('p', 0), benchPrice/100, task)
	s.add(poco.TaskFinalize{Task: task, Results: []byte("result")})
}

// BenchmarkEvolve folds the life of 10,000 tasks that run at the same time, one event
// per op; with marks, as a projection does: one per 50 events (a block), 64 held.
func BenchmarkEvolve(b *testing.B) {
	s := newStream(10_000)
	b.Run("plain", func(b *testing.B) { s.fold(b, func(*poco.State, int) {}) })
	b.Run("marks", func(b *testing.B) {
		var held []poco.Mark
		s.fold(b, func(state *poco.State, i int) {
			if i == 0 {
				held = held[:0]
			}
			if i%50 != 0 {
				return
			}
			if held = append(held, state.Mark()); len(held) > 64 {
				if err := state.Release(held[0]); err != nil {
					b.Fatal(err)
				}
				held = held[1:]
			}
		})
	})
}

func (s *stream) fold(b *testing.B, before func(*poco.State, int)) {
	b.ReportAllocs()
	at := poco.Block{Number: 1, Time: start}
	state := poco.New(rules())
	for i := range b.N {
		k := i % len(s.events)
		if k == 0 {
			state = poco.New(rules())
		}
		before(state, k)
		if err := state.Evolve(at, s.events[k]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// TestTheStreamIsSound checks that the benchmark folds what the rules say happens.
func TestTheStreamIsSound(t *testing.T) {
	s := newStream(3)
	state := poco.New(rules())
	for _, event := range s.events {
		if err := state.Evolve(poco.Block{Number: 1, Time: start}, event); err != nil {
			t.Fatal(err)
		}
	}
	task, _ := state.Task(benchTask(2))
	equal(t, "status", task.Status, poco.TaskCompleted)
	equal(t, "hub", state.Account(benchHub).Stake, amount(0))
}
