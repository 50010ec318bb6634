package source

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"assay/indexer/rpctest"
	"assay/schema/assaypb"
)

func TestProgress(t *testing.T) {
	before := Status{Start: 101, Head: 1100, Indexed: 300, Events: 50}
	now := Status{Start: 101, Head: 1100, Indexed: 600, Events: 650, Span: 40, Endpoints: []EndpointStatus{{Name: "a", Requests: 9, Errors: 2}, {Name: "b"}}}
	p := now.Progress(before, 3*time.Second)
	want := "block 600 of 1100 (50.0 %), 650 events, 100 blocks/s, 200 events/s, 5s left, ranges of 40, a: 2 errors in 9 requests"
	if p.String() != want {
		t.Errorf("got  %s\nwant %s", p, want)
	}
	if stuck := now.Progress(now, time.Second); stuck.Left >= 0 || stuck.BlocksPerSecond != 0 {
		t.Errorf("standing still it says %+v", stuck)
	}
	now.Indexed = now.Head
	if done := now.Progress(now, time.Second); done.Left != 0 || done.Percent != 100 {
		t.Errorf("at the head it says %+v", done)
	}
}

// TestMetrics: a registry takes what a source shows, and it tells of the endpoint.
func TestMetrics(t *testing.T) {
	r := newRig(t, 100, VerifyReceipts, rpctest.Faults{}, rpctest.Faults{})
	if err := r.run(); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	if err := registry.Register(r.source); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
		if f.GetName() == "assay_source_indexed_block" && f.Metric[0].GetGauge().GetValue() != 100 {
			t.Errorf("%v", f)
		}
	}
	if all := strings.Join(names, " "); len(names) != 13 || !strings.Contains(all, "assay_source_endpoint_errors_total") {
		t.Errorf("%d metrics: %s", len(names), all)
	}
}

// TestLedger compares a ledger with one that keeps a level for each block.
func TestLedger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ledger Ledger
		naive := map[uint64]assaypb.Verification{}
		top := uint64(0)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			from := top + 1 - min(top, rapid.Uint64Range(0, 5).Draw(t, "back"))
			to := from + rapid.Uint64Range(0, 9).Draw(t, "blocks")
			level := assaypb.Verification(rapid.Int32Range(1, 3).Draw(t, "level"))
			ledger = ledger.cover(from, to, level)
			for n := from; n <= top; n++ {
				delete(naive, n)
			}
			for n := from; n <= to; n++ {
				naive[n] = level
			}
			top = to
		}
		for level := assaypb.Verification(1); level <= 3; level++ {
			covered := uint64(0)
			for n := uint64(1); n <= top; n++ {
				if naive[n] >= level {
					covered++
				}
			}
			owed := uint64(0)
			for _, c := range ledger.Owed(1, top, level) {
				if c.FromNumber <= c.ToNumber {
					owed += c.ToNumber - c.FromNumber + 1
				}
			}
			if ledger.Blocks(level) != covered || owed != top-covered {
				t.Fatalf("%v: %d blocks covered and %d owed at %v, want %d of %d", ledger, ledger.Blocks(level), owed, level, covered, top)
			}
		}
		for i := 1; i < len(ledger); i++ {
			if ledger[i-1].ToNumber >= ledger[i].FromNumber || ledger[i-1].Verification == ledger[i].Verification {
				t.Fatalf("not normal: %v", ledger)
			}
		}
	})
}

// FuzzAnswers: whatever a node answers is an error at worst.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`[{"jsonrpc":"2.0","id":0,"result":[{"address":"0x","topics":[]}]}]`))
	f.Add([]byte(`{"id":0,"error":{"code":-32000,"message":"no \" }"}}`))
	f.Add([]byte(`[{"status":"0x1","type":"0x2","logs":[],"logsBloom":"0x00"}]`))
	f.Add([]byte(`{"number":"0x1","hash":null}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_ = parseAnswers(data, []*call{{}})
		_, _ = readLogs(data)
		_, _ = readHeader(data)
		_, _ = readReceipts(data)
	})
}
