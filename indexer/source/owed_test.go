package source

import (
	"context"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"assay/indexer/rpctest"
	"assay/schema/assaypb"
)

// again starts a source of another level on the log as it is.
func (r *rig) again(verify Verify, faults ...rpctest.Faults) *rig {
	r.t.Helper()
	next := rigOf(r.t, r.chain, r.source.preset, verify, faults...)
	next.source.log.kafka, next.log = r.log, r.log
	return next
}

// paid says whether the log's ledger covers everything final at a level.
func (r *rig) paid(level assaypb.Verification) bool {
	mark := lastMark(r.log.records(r.t))
	return mark != nil && len(Ledger(mark.Ledger).Owed(1, mark.FinalizedNumber, level)) == 0
}

// TestDebtsArePaid: what was indexed at a lower level is proven when the source starts
// again with a higher one, while it follows the chain.
func TestDebtsArePaid(t *testing.T) {
	for name, c := range map[string]struct {
		verify Verify
		level  assaypb.Verification
		faults rpctest.Faults
	}{
		"receipts":           {VerifyReceipts, assaypb.Verification_VERIFICATION_RECEIPTS, rpctest.Faults{}},
		"bloom":              {VerifyBloom, assaypb.Verification_VERIFICATION_BLOOM, rpctest.Faults{}},
		"receipts, bad node": {VerifyReceipts, assaypb.Verification_VERIFICATION_RECEIPTS, rpctest.Faults{FailEvery: 4, NullEvery: 5}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 900, VerifyOff, rpctest.Faults{})
			if err := r.run(); err != nil {
				t.Fatal(err)
			}
			if r.paid(c.level) {
				t.Fatal("nothing is owed")
			}
			r = r.again(c.verify, c.faults)
			r.chain.Fork(4)
			r.chain.Grow(20)
			stop := run(r.source)
			eventually(t, "all is paid", func() bool { return r.paid(c.level) && r.atHead() }, r.source)
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			r.exact()
			r.settled(c.verify)
			calls := r.nodes[0].Calls()["eth_getBlockReceipts"]
			r = r.again(c.verify, rpctest.Faults{})
			r.chain.Grow(1)
			if err := r.run(); err != nil {
				t.Fatal(err)
			}
			if more := r.nodes[0].Calls()["eth_getBlockReceipts"]; more > 1 || calls == 0 && c.verify == VerifyReceipts {
				t.Errorf("paid once with %d requests for receipts, %d more were made", calls, more)
			}
		})
	}
}

// TestAPaidDebtOfPoCo: what was attached is not taken for a difference.
func TestAPaidDebtOfPoCo(t *testing.T) {
	r := marketRig(t, 60, VerifyOff, rpctest.Faults{})
	if err := r.run(); err != nil {
		t.Fatal(err)
	}
	r = r.again(VerifyReceipts, rpctest.Faults{})
	stop := run(r.source)
	eventually(t, "all is paid", func() bool { return r.paid(assaypb.Verification_VERIFICATION_RECEIPTS) }, r.source)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestAnIncompleteLogIsFound: logs that a node hid while nothing was verified. The source
// stops and names a block, and so does the ledger.
func TestAnIncompleteLogIsFound(t *testing.T) {
	for name, fault := range map[string]rpctest.Faults{"a block": {HideEvery: 300}, "one log": {MissEvery: 300}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 900, VerifyOff, fault)
			if err := r.run(); err != nil {
				t.Fatal(err)
			}
			r = r.again(VerifyReceipts, rpctest.Faults{})
			var wrong *IncompleteError
			if err := <-ended(r.source); !errors.As(err, &wrong) || wrong.Number%300 != 0 {
				t.Fatalf("it ended with %v", err)
			}
			failed := Ledger(lastMark(r.log.records(t)).Ledger).Failed()
			if len(failed) != 1 || failed[0].FromNumber != wrong.Number || failed[0].Failure == "" {
				t.Errorf("the ledger says %v", failed)
			}
		})
	}
}

// TestADebtThatNobodyProves: the only endpoint contradicts a header.
func TestADebtThatNobodyProves(t *testing.T) {
	r := newRig(t, 300, VerifyOff, rpctest.Faults{})
	if err := r.run(); err != nil {
		t.Fatal(err)
	}
	r = r.again(VerifyReceipts, rpctest.Faults{MissEvery: 150, DamageToo: true})
	var doubted *DoubtError
	if err := <-ended(r.source); !errors.As(err, &doubted) || doubted.Number != 150 {
		t.Fatalf("it ended with %v", err)
	}
	if failed := Ledger(lastMark(r.log.records(t)).Ledger).Failed(); len(failed) != 1 || failed[0].FromNumber != 150 {
		t.Errorf("the ledger says %v", failed)
	}
}

// ended runs a source until it ends by itself.
func ended(s *Source) <-chan error {
	done := make(chan error, 1)
	go func() { done <- s.Run(context.Background()) }()
	return done
}

// TestRaise compares with a ledger that keeps a level for each block.
func TestRaise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ledger := Ledger{}.cover(1, 100, assaypb.Verification_VERIFICATION_FETCHED)
		naive := map[uint64]assaypb.Verification{}
		for n := uint64(1); n <= 100; n++ {
			naive[n] = assaypb.Verification_VERIFICATION_FETCHED
		}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			from := rapid.Uint64Range(1, 100).Draw(t, "from")
			to := rapid.Uint64Range(from, 100).Draw(t, "to")
			level := assaypb.Verification(rapid.Int32Range(1, 4).Draw(t, "level"))
			ledger = ledger.raise(&assaypb.Coverage{FromNumber: from, ToNumber: to, Verification: level})
			for n := from; n <= to; n++ {
				naive[n] = level
			}
		}
		next := uint64(1)
		for i, c := range ledger {
			if c.FromNumber != next || c.ToNumber < c.FromNumber || i > 0 && ledger[i-1].Verification == c.Verification {
				t.Fatalf("not normal: %v", ledger)
			}
			for ; next <= c.ToNumber; next++ {
				if naive[next] != c.Verification {
					t.Fatalf("block %d is %v, want %v", next, c.Verification, naive[next])
				}
			}
		}
		if next != 101 {
			t.Fatalf("%v", ledger)
		}
	})
}
