package source

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"assay/indexer/rpctest"
	"assay/internal/kafka"
)

// perBlock is how many transfers the benchmark's blocks hold.
const perBlock = 20

// benchChain is a token's chain of ASSAY_BENCH_EVENTS transfers, 100,000 by default.
func benchChain(b *testing.B) (*rpctest.Chain, int) {
	b.Helper()
	events := 100_000
	if text := os.Getenv("ASSAY_BENCH_EVENTS"); text != "" {
		var err error
		if events, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	chain := rpctest.NewChain(preset.ChainID, rpctest.NewERC20(hub, 300, perBlock))
	chain.Grow(events / perBlock)
	return chain, events
}

// BenchmarkIndex measures the source alone, from a node on this machine to the embedded
// broker, beside a client that fetches the same logs from the same node and drops them.
func BenchmarkIndex(b *testing.B) {
	chain, events := benchChain(b)
	node, err := rpctest.Serve(chain, rpctest.Faults{})
	if err != nil {
		b.Fatal(err)
	}
	defer node.Close()
	for _, workers := range []int{1, 4} {
		b.Run(fmt.Sprintf("fetch-and-drop/%d", workers), func(b *testing.B) {
			for b.Loop() {
				fetchAndDrop(b, node, chain.Head().Number, workers, events)
			}
			b.ReportMetric(float64(events*b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
	for _, verify := range []Verify{VerifyLive, VerifyBloom, VerifyReceipts} {
		b.Run("source/"+string(verify), func(b *testing.B) {
			for b.Loop() {
				indexOnce(b, node, chain, verify, events)
			}
			b.ReportMetric(float64(events*b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func fetchAndDrop(b *testing.B, node *rpctest.Node, head uint64, workers, events int) {
	endpoints, err := Dial(b.Context(), []string{node.URL()}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	n := newNodes(endpoints, DecoderOf(tokenPreset)).nodes[0]
	const span = 400
	var next, fetched atomic.Uint64
	var group errgroup.Group
	for range workers {
		group.Go(func() error {
			for from := next.Add(span) - span + 1; from <= head; from = next.Add(span) - span + 1 {
				logs, _, err := n.logsBetween(b.Context(), from, min(head, from+span-1))
				if err != nil {
					return err
				}
				fetched.Add(uint64(len(logs)))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil || fetched.Load() != uint64(events) {
		b.Fatal(fetched.Load(), err)
	}
}

func indexOnce(b *testing.B, node *rpctest.Node, chain *rpctest.Chain, verify Verify, events int) {
	broker, err := kafka.StartBroker(b.TempDir(), 0)
	if err != nil {
		b.Fatal(err)
	}
	client := kafka.NewClient([]string{broker.Addr()})
	endpoints, err := Dial(b.Context(), []string{node.URL()}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	s := New(Config{Preset: tokenPreset, Endpoints: endpoints, Verify: verify, Kafka: client, Topic: "log", Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for s.Status().Indexed < chain.Head().Number {
		select {
		case err := <-done:
			b.Fatal(err)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	if got := s.Status().Events; got != uint64(events) {
		b.Fatalf("%d events, want %d", got, events)
	}
	client.Close()
	broker.Close()
}
