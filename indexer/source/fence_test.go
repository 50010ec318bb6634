package source

import (
	"context"
	"errors"
	"log/slog"
	"math/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
)

// TestAnIndexerThatSlept: one run appends what it had ready before it was held up, after
// another took the log over. None of it counts, and it says so and stops.
func TestAnIndexerThatSlept(t *testing.T) {
	n, l := newFakeNode(), &memoryLog{}
	for range 20 {
		n.grow([]common.Address{hub})
	}
	old := newSource(t, n, l)
	var asleep atomic.Bool
	held, wake := make(chan struct{}), make(chan struct{})
	l.before = func() {
		if asleep.CompareAndSwap(true, false) {
			close(held)
			<-wake
		}
	}
	done := make(chan error, 1)
	go func() { done <- old.Run(context.Background()) }()
	eventually(t, "the log reaches the head", func() bool { return atHead(t, n, l) })

	asleep.Store(true)
	n.grow([]common.Address{hub, hub})
	<-held
	n.fork(1)
	for range 3 {
		n.grow([]common.Address{hub})
	}
	successor := newSource(t, n, l)
	catchUp(t, successor, n, l)
	before := len(l.records(t))
	close(wake)

	var fenced *FencedError
	if err := <-done; !errors.As(err, &fenced) || fenced.Own != old.log.writer || fenced.Other != successor.log.writer {
		t.Errorf("it ended with %v", err)
	}
	if got := l.records(t); len(got) != before || len(l.messages) == before {
		t.Errorf("%d of %d messages count, %d did before", len(got), len(l.messages), before)
	}
	if _, err := audit(n, l.records(t)); err != nil {
		t.Error(err)
	}
}

// TestARestartIsNoSecondIndexer: what a killed run had sent reaches the log after its
// successor looked where it ends.
func TestARestartIsNoSecondIndexer(t *testing.T) {
	n, l := newFakeNode(), &memoryLog{}
	for range 20 {
		n.grow([]common.Address{hub})
	}
	killed := newSource(t, n, l)
	catchUp(t, killed, n, l)
	n.grow([]common.Address{hub})
	late := &assaypb.ChainRecord{Body: &assaypb.ChainRecord_Block{Block: &assaypb.Block{
		Number: 21, Hash: n.head().Hash.Bytes(), ParentHash: n.head().Parent.Bytes(), Time: n.head().Time,
		Events: []*assaypb.Event{{}},
	}}}
	var once sync.Once
	l.before = func() {
		once.Do(func() {
			l.before = nil
			if err := killed.log.append(context.Background(), late); err != nil {
				t.Error(err)
			}
		})
	}
	catchUp(t, newSource(t, n, l), n, l)
	if _, err := audit(n, l.records(t)); err != nil {
		t.Error(err)
	}
}

// TestTwoIndexers runs two on one broker before a chain that grows and forks. One of them
// stops and says why, the other goes on, and the log is the chain's.
func TestTwoIndexers(t *testing.T) {
	broker, err := kafka.StartBroker(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	client := kafka.NewClient([]string{broker.Addr()})
	t.Cleanup(func() {
		if err := errors.Join(client.Close(), broker.Close()); err != nil {
			t.Error(err)
		}
	})
	for seed := range int64(8) {
		rng := rand.New(rand.NewSource(seed))
		n := newFakeNode()
		for range rng.Intn(100) {
			n.grow(emit(rng))
		}
		topic := "log" + string(rune('a'+seed))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		ended := make(chan error, 2)
		var sources []*Source
		for range 2 {
			s := New(Config{Preset: preset, Endpoints: []Endpoint{{Name: "fake", RPC: n.client(t)}}, Verify: VerifyOff, Kafka: client, Topic: topic,
				Poll: time.Millisecond, Log: slog.New(slog.DiscardHandler)})
			sources = append(sources, s)
			go func() { ended <- s.Run(ctx) }()
			time.Sleep(time.Duration(rng.Intn(20)) * time.Millisecond) // the second one starts at any moment
		}
		written := func() int64 {
			end, err := client.End(ctx, topic, 0)
			if err != nil && !errors.Is(err, kafka.ErrUnknownTopic) {
				t.Fatal(err)
			}
			return end
		}
		var fenced *FencedError
		for stopped := false; !stopped; {
			before := written()
			n.fork(rng.Intn(4))
			for range 1 + rng.Intn(5) {
				n.grow([]common.Address{hub})
			}
			for !stopped && written() == before { // what grew is written, by one or the other
				select {
				case err := <-ended:
					if !errors.As(err, &fenced) {
						t.Fatalf("seed %d: the first that stopped did because of %v", seed, err)
					}
					stopped = true
				case <-time.After(time.Millisecond):
				}
			}
		}
		for range 5 { // the other one is the longest there was, whatever forks there were
			n.grow([]common.Address{hub})
		}
		eventually(t, "the survivor reaches the head", func() bool {
			return sources[0].Status().Indexed == n.head().Number || sources[1].Status().Indexed == n.head().Number
		}, sources...)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("seed %d: the second one ended with %v", seed, err)
		}
		if _, err := audit(n, recordsOf(t, client, topic)); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// recordsOf are the records of a log that count.
func recordsOf(t testing.TB, client *kafka.Client, topic string) (out []*assaypb.ChainRecord) {
	t.Helper()
	_, err := client.Replay(t.Context(), topic, func(m kafka.Message) error {
		record, counts, err := schema.ReadRecord(m.Value, m.Offset)
		if counts {
			if record.Sequence != uint64(len(out)) {
				t.Fatalf("record %d at offset %d follows %d records", record.Sequence, m.Offset, len(out))
			}
			out = append(out, record)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
