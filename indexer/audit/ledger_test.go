package audit

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"assay/indexer/internal/market"
	"assay/indexer/projection"
	"assay/internal/kafka"
	"assay/schema/assaypb"
)

// TestHeadIsTheProjections: after each record of a log with forks the audit expects the very
// head that was last written, whether a mark raised it or a retraction lowered it.
func TestHeadIsTheProjections(t *testing.T) {
	p, lowered := projection.New(market.Preset), 0
	r := newReader(market.Preset.ChainID, &Report{}, func(canonical) error { return nil })
	var want []string
	for i, record := range aLog() {
		value, err := proto.Marshal(record)
		ok(t, err)
		ok(t, r.read(kafka.Message{Offset: int64(i), Value: value}))
		rows, err := p.Apply(record)
		ok(t, err)
		for _, h := range rows.Heads {
			want = []string{number(h.HeadNumber), h.HeadHash, number(uint64(h.HeadTime.Unix())), number(h.FinalizedNumber), h.FinalizedHash}
		}
		lowered += len(rows.Lowered)
		if got := r.headRow(); !slices.Equal(got, want) {
			t.Fatalf("after record %d the head should be %v, and %v is written", i, got, want)
		}
	}
	if lowered == 0 {
		t.Error("no retraction lowered the head")
	}
}

func covered(from, to uint64, level assaypb.Verification) *assaypb.Coverage {
	return &assaypb.Coverage{FromNumber: from, ToNumber: to, Verification: level}
}

// TestLedger: every block between the start and the node's head is stated once: as the mark
// says, but nothing above the block that the mark still holds for, and what no range
// covers is owed.
func TestLedger(t *testing.T) {
	failed := covered(31, 31, assaypb.Verification_VERIFICATION_FAILED)
	failed.Failure = "a receipts root"
	mark := []*assaypb.Coverage{
		covered(10, 19, assaypb.Verification_VERIFICATION_RECEIPTS), covered(22, 30, assaypb.Verification_VERIFICATION_BLOOM), failed,
		covered(32, 50, assaypb.Verification_VERIFICATION_FETCHED),
	}
	got := ledgerOf(mark, 10, 40, 59)
	want := []Range{
		{10, 19, StateReceipts, ""}, {20, 21, StateOwed, ""}, {22, 30, StateBloom, ""}, {31, 31, StateFailed, "a receipts root"},
		{32, 40, StateFetched, ""}, {41, 59, StateOwed, ""},
	}
	if !slices.Equal(got.Ranges, want) || got.Percent != 56 || !slices.Equal(got.Failed(), want[3:4]) {
		t.Errorf("%v %% are scanned, ranges %v, want %v", got.Percent, got.Ranges, want)
	}
	var all uint64
	for _, n := range got.Blocks {
		all += n
	}
	if all != 50 || got.Blocks[StateOwed] != 21 {
		t.Errorf("%v, which are %d blocks of 50", got.Blocks, all)
	}
	if got := ledgerOf(nil, 10, 0, 59); got.Percent != 0 || !slices.Equal(got.Ranges, []Range{{10, 59, StateOwed, ""}}) {
		t.Errorf("a log without a ledger is stated as %v", got)
	}
}
