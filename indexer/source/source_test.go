package source

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"assay/internal/kafka"
	"assay/schema/assaypb"
)

// emit picks who emits in the next block.
func emit(rng *rand.Rand) []common.Address {
	var out []common.Address
	for range rng.Intn(4) {
		out = append(out, []common.Address{hub, pool, impostor}[rng.Intn(3)])
	}
	return out
}

// TestTheLogIsTheChain plays random chains with forks, restarts of the source, lost
// answers of the node and uncertain appends. At every mark the log must hold exactly
// what leads to it.
func TestTheLogIsTheChain(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewSource(rapid.Int64().Draw(rt, "seed")))
		n, l := newFakeNode(), &memoryLog{}
		n.finality = rapid.Uint64Range(1, 12).Draw(rt, "finality")
		var mu sync.Mutex
		chance := func(of int) bool {
			mu.Lock()
			defer mu.Unlock()
			return rng.Intn(of) == 0
		}
		if rapid.Bool().Draw(rt, "faults") {
			n.fault = func(method string) error {
				if atStart := method == "chainId" || method == "getCode"; !atStart && chance(25) {
					return errors.New("connection reset")
				}
				return nil
			}
			l.fault = func(messages int) (int, error) {
				if chance(4) {
					mu.Lock()
					defer mu.Unlock()
					return rng.Intn(messages + 1), errors.New("no answer")
				}
				return messages, nil
			}
		}
		s := newSource(t, n, l)
		stop := run(s)
		var peak uint64 // while the chain is shorter than it was, a new source may take the node for a lagging one
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			mu.Lock()
			depth, blocks, wait, restart, back := rng.Intn(20)-10, rng.Intn(6), rng.Intn(2) == 0, rng.Intn(4) == 0, rng.Intn(3) == 0
			mu.Unlock()
			if depth > 0 {
				n.fork(depth)
			}
			if back {
				mu.Lock()
				n.flip(rng.Intn)
				mu.Unlock()
			}
			for range blocks {
				mu.Lock()
				emitters := emit(rng)
				mu.Unlock()
				n.grow(emitters)
			}
			if peak = max(peak, n.head().Number); wait && peak > 0 && n.head().Number == peak {
				eventually(t, "the log reaches the head", func() bool { return atHead(t, n, l) }, s)
			}
			if restart {
				if err := stop(); err != nil {
					rt.Fatal(err)
				}
				s = newSource(t, n, l)
				stop = run(s)
			}
		}
		for n.head().Number <= peak {
			n.grow([]common.Address{hub})
		}
		eventually(t, "the log reaches the head", func() bool { return atHead(t, n, l) }, s)
		if err := stop(); err != nil {
			rt.Fatal(err)
		}
		if _, err := audit(n, l.records(t)); err != nil {
			rt.Fatal(err)
		}
	})
}

// TestHistoryIsFetchedInRanges: what is final is not asked for block by block, and ranges
// that the node refuses are made smaller.
func TestHistoryIsFetchedInRanges(t *testing.T) {
	n, l := newFakeNode(), &memoryLog{}
	n.maxRange = 300
	rng := rand.New(rand.NewSource(1))
	for range 3000 {
		n.grow(emit(rng))
	}
	s := newSource(t, n, l)
	catchUp(t, s, n, l)
	mark, err := audit(n, l.records(t))
	if err != nil {
		t.Fatal(err)
	}
	if mark.FinalizedNumber != 2995 {
		t.Errorf("final is %d", mark.FinalizedNumber)
	}
	if calls := n.calls["getLogs"]; calls > 200 {
		t.Errorf("%d requests for logs", calls)
	}
	status := s.Status()
	if status.Endpoints[0].Errors == 0 || status.LastError != nil || status.Head != 3000 || status.Indexed != 3000 || status.Lag() != 0 ||
		status.Finalized != 2995 || status.Events == 0 || status.Blocks == 0 {
		t.Errorf("status %+v", status)
	}
}

// TestBeginsAtTheStartBlock: nothing older is asked for.
func TestBeginsAtTheStartBlock(t *testing.T) {
	n, l := newFakeNode(), &memoryLog{}
	for range 40 {
		n.grow([]common.Address{hub})
	}
	p := preset
	p.StartBlock = 30
	catchUp(t, sourceOf(t, p, n, l), n, l)
	if first := l.records(t)[0].GetBlock(); first.GetNumber() != 30 {
		t.Errorf("the first record is %v, want block 30", first)
	}
}

// TestFinalityByDepth: a chain without the finalized tag has a depth instead.
func TestFinalityByDepth(t *testing.T) {
	n, l := newFakeNode(), &memoryLog{}
	n.noTag, n.finality = true, 7
	p := preset
	p.FinalityDepth = 7
	s := sourceOf(t, p, n, l)
	stop := run(s)
	for i := range 30 {
		n.fork(i % 7)
		for range 1 + i%7 {
			n.grow([]common.Address{hub})
		}
		eventually(t, "the log reaches the head", func() bool { return atHead(t, n, l) })
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	mark, err := audit(n, l.records(t))
	if err != nil || mark.FinalizedNumber != mark.HeadNumber-7 {
		t.Errorf("%v, %v", mark, err)
	}
}

// TestOneMarkPerHead: a head that is seen again is not news.
func TestOneMarkPerHead(t *testing.T) {
	n, l := newFakeNode(), &memoryLog{}
	stop := run(newSource(t, n, l))
	for range 10 {
		n.grow(nil)
		eventually(t, "the log reaches the head", func() bool { return atHead(t, n, l) })
		n.mu.Lock()
		polls := n.calls["getBlockByNumber"]
		n.mu.Unlock()
		eventually(t, "it polls again", func() bool {
			n.mu.Lock()
			defer n.mu.Unlock()
			return n.calls["getBlockByNumber"] > polls+5
		})
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := len(l.records(t)); got != 10 {
		t.Errorf("%d records for 10 empty blocks", got)
	}
}

// TestWrongNodes: nothing is written before the node is known to be the right one.
func TestWrongNodes(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*fakeNode)
		is    func(error) bool
	}{
		"another chain": {func(n *fakeNode) { n.chainID = 1 }, func(err error) bool {
			var e *ChainError
			return errors.As(err, &e) && e.Want == 31337 && e.Got == 1
		}},
		"no contract": {func(n *fakeNode) { n.noCode = true }, func(err error) bool {
			var e *HubError
			return errors.As(err, &e) && e.Hub == hub
		}},
		"no answer": {func(n *fakeNode) { n.fault = func(string) error { return errors.New("unreachable") } }, func(err error) bool {
			return err != nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			n, l := newFakeNode(), &memoryLog{}
			n.grow([]common.Address{hub})
			c.spoil(n)
			if err := newSource(t, n, l).Run(context.Background()); !c.is(err) {
				t.Errorf("got %v", err)
			}
			if len(l.messages) > 0 {
				t.Errorf("%d records were written", len(l.messages))
			}
		})
	}
}

// TestForkBelowFinalityStops: live, and when the source starts again.
func TestForkBelowFinalityStops(t *testing.T) {
	for _, live := range []bool{true, false} {
		t.Run(fmt.Sprintf("live %v", live), func(t *testing.T) {
			n, l := newFakeNode(), &memoryLog{}
			for range 20 {
				n.grow([]common.Address{hub})
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- newSource(t, n, l).Run(ctx) }()
			eventually(t, "the log reaches the head", func() bool { return atHead(t, n, l) })
			if !live {
				cancel()
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			n.mu.Lock()
			n.chain, n.final = n.chain[:10], 5
			n.mu.Unlock()
			for range 20 {
				n.grow([]common.Address{hub})
			}
			if !live {
				go func() { done <- newSource(t, n, l).Run(context.Background()) }()
			}
			var fork *ForkError
			if err := <-done; !errors.As(err, &fork) || fork.Number != 15 {
				t.Errorf("got %v, want a ForkError at block 15", err)
			}
		})
	}
}

// TestANodeThatContradictsItselfIsNotBelieved: logs of another block or removed ones are
// asked for again and never written.
func TestANodeThatContradictsItselfIsNotBelieved(t *testing.T) {
	for name, lie := range map[string]func(*types.Log){
		"removed":        func(log *types.Log) { log.Removed = true },
		"another block":  func(log *types.Log) { log.BlockHash[0]++ },
		"another number": func(log *types.Log) { log.BlockNumber += 100 },
	} {
		t.Run(name, func(t *testing.T) {
			n, l := newFakeNode(), &memoryLog{}
			for range 20 {
				n.grow([]common.Address{hub, hub})
			}
			lies := 6
			n.corrupt = func(logs []types.Log) []types.Log {
				if lies--; lies >= 0 && len(logs) > 0 {
					lie(&logs[len(logs)-1])
				}
				return logs
			}
			s := newSource(t, n, l)
			catchUp(t, s, n, l)
			if _, err := audit(n, l.records(t)); err != nil {
				t.Error(err)
			}
			if s.Status().Errors == 0 {
				t.Error("no error was counted")
			}
		})
	}
}

// TestALaggingNodeRetractsNothing: a head that goes backwards along the same chain is a
// node that lags.
func TestALaggingNodeRetractsNothing(t *testing.T) {
	n, l := newFakeNode(), &memoryLog{}
	for range 20 {
		n.grow([]common.Address{hub})
	}
	catchUp(t, newSource(t, n, l), n, l)
	n.mu.Lock()
	chain := n.chain
	n.chain, n.final = chain[:17], 12
	n.mu.Unlock()
	for _, restart := range []bool{false, true} {
		s := newSource(t, n, l)
		if !restart {
			n.mu.Lock()
			n.chain = chain
			n.mu.Unlock()
		}
		stop := run(s)
		if !restart {
			eventually(t, "it stands at the head", func() bool { return s.Status().Indexed == 20 })
		}
		n.mu.Lock()
		n.chain = chain[:17]
		polls := n.calls["getBlockByNumber"]
		n.mu.Unlock()
		eventually(t, "it polls", func() bool {
			n.mu.Lock()
			defer n.mu.Unlock()
			return n.calls["getBlockByNumber"] > polls+10
		})
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range l.records(t) {
		if r.GetRetraction() != nil {
			t.Fatalf("record %d retracts block %d", r.Sequence, r.GetRetraction().Number)
		}
	}
}

// TestALogThatIsNoneStops: garbage, or another chain's records, at the end of the log.
func TestALogThatIsNoneStops(t *testing.T) {
	foreign, err := proto.Marshal(&assaypb.ChainRecord{ChainId: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string][]byte{"garbage": []byte("garbage"), "another chain": foreign} {
		t.Run(name, func(t *testing.T) {
			n, l := newFakeNode(), &memoryLog{messages: []kafka.Message{{Value: value}}}
			var bad *LogError
			if err := newSource(t, n, l).Run(context.Background()); !errors.As(err, &bad) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestAHugeBlock: a block may have as many bytes of logs as its gas can pay for.
func TestAHugeBlock(t *testing.T) {
	n, l := newFakeNode(), &memoryLog{}
	huge := n.grow([]common.Address{hub})
	n.mu.Lock()
	huge.logs[0].Topics, huge.logs[0].Data = []common.Hash{{1}}, make([]byte, 8<<20)
	n.mu.Unlock()
	n.grow([]common.Address{hub})
	catchUp(t, newSource(t, n, l), n, l)
	if data := l.records(t)[0].GetBlock().GetEvents()[0].GetUnknown().GetData(); len(data) != 8<<20 {
		t.Errorf("%d bytes of the log are left", len(data))
	}
}

// TestABlockThatNoLogCanHoldStops: it cannot be left out.
func TestABlockThatNoLogCanHoldStops(t *testing.T) {
	l := &chainLog{kafka: &memoryLog{}}
	block := &assaypb.Block{Number: 7, Events: []*assaypb.Event{{Body: &assaypb.Event_Unknown{Unknown: &assaypb.UnknownEvent{Data: make([]byte, 33<<20)}}}}}
	var size *SizeError
	if err := l.append(t.Context(), &assaypb.ChainRecord{Body: &assaypb.ChainRecord_Block{Block: block}}); !errors.As(err, &size) || size.Number != 7 || gradeOf(err) != critical {
		t.Errorf("got %v", err)
	}
}

// TestPolicyUpdatesOfStrangersAreNotOurs: anybody can emit one.
func TestPolicyUpdatesOfStrangersAreNotOurs(t *testing.T) {
	n, l := newFakeNode(), &memoryLog{}
	n.grow([]common.Address{impostor})
	n.grow([]common.Address{impostor, pool, pool})
	catchUp(t, newSource(t, n, l), n, l)
	block := l.records(t)[0].GetBlock()
	if block.GetNumber() != 2 || len(block.GetEvents()) != 2 || block.Events[0].GetPolicyUpdate() == nil || block.Events[0].LogIndex != 3 {
		t.Errorf("the first record is %v", block)
	}
}
