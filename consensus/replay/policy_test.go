package replay

import (
	"testing"

	"github.com/holiman/uint256"

	"assay/consensus/poco"
)

func TestWeights(t *testing.T) {
	for _, c := range []struct {
		weight Weight
		want   map[uint64]uint64 // by score
	}{
		{Weight{}, map[uint64]uint64{0: 2, 11: 2, 12: 3, 15: 4, 300: 99}},
		{Weight{Cap: 3}, map[uint64]uint64{0: 2, 12: 3, 15: 3, 300: 3}},
		{Weight{Curve: Constant, Value: 5}, map[uint64]uint64{0: 5, 300: 5}},
		{Weight{Curve: Linear}, map[uint64]uint64{0: 2, 1: 3, 300: 302}},
		{Weight{Curve: Linear, Cap: 10}, map[uint64]uint64{0: 2, 300: 10}},
		{Weight{Curve: Log}, map[uint64]uint64{0: 2, 1: 3, 2: 3, 3: 4, 300: 10}},
	} {
		for score, want := range c.want {
			p := Policy{Weight: c.weight}
			if got := p.weight(*uint256.NewInt(score)); got.Uint64() != want {
				t.Errorf("%+v, score %d: weight %v, want %d", c.weight, score, &got, want)
			}
		}
	}
}

func TestShares(t *testing.T) {
	for _, c := range []struct {
		reward Reward
		up     bool // what the block's era does
		want   map[uint64]uint64
	}{
		{Reward{}, false, map[uint64]uint64{1: 0, 2: 1, 3: 1, 4: 2, 9: 3}},
		{Reward{}, true, map[uint64]uint64{1: 0, 2: 1, 3: 2, 4: 2, 9: 4}},
		{Reward{Log: Down}, true, map[uint64]uint64{3: 1}},
		{Reward{Log: Up}, false, map[uint64]uint64{3: 2}},
		{Reward{Split: ByWeight}, true, map[uint64]uint64{3: 3, 9: 9}},
		{Reward{Split: Equal}, true, map[uint64]uint64{3: 1, 9: 1}},
	} {
		for weight, want := range c.want {
			p := Policy{Reward: c.reward}
			if got := p.share(uint256.NewInt(weight), c.up); got.Uint64() != want {
				t.Errorf("%+v, weight %d: share %v, want %d", c.reward, weight, got, want)
			}
		}
	}
}

func TestTrusts(t *testing.T) {
	most := new(poco.Amount).SetAllOne()
	for _, c := range []struct {
		trust Trust
		asked *poco.Amount
		want  *poco.Amount
	}{
		{Trust{}, uint256.NewInt(3), uint256.NewInt(3)},
		{Trust{Fixed: 7}, uint256.NewInt(9), uint256.NewInt(7)},
		{Trust{Minimum: 7}, uint256.NewInt(3), uint256.NewInt(7)},
		{Trust{Minimum: 7}, uint256.NewInt(9), uint256.NewInt(9)},
		{Trust{Multiply: 7}, uint256.NewInt(3), uint256.NewInt(21)},
		{Trust{Multiply: 7}, most, most},
	} {
		p := Policy{Trust: c.trust}
		if got := p.trust(*c.asked); got != *c.want {
			t.Errorf("%+v of %v: %v, want %v", c.trust, c.asked, &got, c.want)
		}
	}
}

// TestWinnerWithoutShare: the log of a weight of 1 is 0, on which the contracts, whose
// weights begin at 2, would divide by zero; here the winner, the only one, gets all.
func TestWinnerWithoutShare(t *testing.T) {
	p := Policy{Weight: Weight{Curve: Constant, Value: 1}}
	one := uint256.NewInt(1)
	f := facts{ended: Completed, deal: &poco.Deal{Trust: *one, Workerpool: poco.Priced{Price: *uint256.NewInt(1000)}, SchedulerRewardRatio: *one}}
	f.contributions = []contribution{{weight: *one, share: p.share(one, false), revealed: true}}
	v := p.judge(&f)
	s := p.settle(&f, &v, hundred)
	if v.outcome != Completed || s.earned[0].Uint64() != 990 || s.pool.Uint64() != 10 || s.kitty.Cmp(hundred) != 0 {
		t.Errorf("%v: the worker earned %v, the scheduler %v, the kitty paid %v", v.outcome, s.earned[0], s.pool, s.kitty)
	}
}

// TestWeightOneAddsNothing: a product of ones is one, so above trust 1 nothing is ever
// agreed on.
func TestWeightOneAddsNothing(t *testing.T) {
	p := Policy{Weight: Weight{Curve: Constant, Value: 1}}
	f := facts{ended: Completed, deal: &poco.Deal{Trust: *uint256.NewInt(2)}}
	for i := range 100 {
		f.contributions = append(f.contributions, contribution{worker: poco.Address{byte(i)}, weight: *uint256.NewInt(1), revealed: true})
	}
	if v := p.judge(&f); v.outcome != Undecided || count(v.fates)[Returned] != 100 {
		t.Errorf("%v, %v", v.outcome, count(v.fates))
	}
}

// TestOverflowIsRefused: a contribution on which the contracts' arithmetic would overflow
// is dropped, and the others stand.
func TestOverflowIsRefused(t *testing.T) {
	var p Policy
	f := facts{ended: Completed, deal: &poco.Deal{Trust: *new(poco.Amount).Lsh(uint256.NewInt(1), 200)}}
	for i := range 100 {
		f.contributions = append(f.contributions, contribution{worker: poco.Address{byte(i)}, weight: *uint256.NewInt(2), revealed: true})
	}
	if v := p.judge(&f); v.outcome != Undecided || count(v.fates)[Returned] != 55 || count(v.fates)[Dropped] != 45 {
		t.Errorf("%v, %v", v.outcome, count(v.fates))
	}
}

// TestReopeningOfAnotherConsensus: where a winner reveals, a recorded reopening does
// nothing, and what was contributed after it is dropped.
func TestReopeningOfAnotherConsensus(t *testing.T) {
	two := uint256.NewInt(2)
	silent := contribution{worker: poco.Address{1}, result: poco.Hash{1}, weight: *two, asked: true}
	other := contribution{worker: poco.Address{2}, result: poco.Hash{1}, weight: *two, revealed: true}
	late := contribution{worker: poco.Address{3}, result: poco.Hash{2}, weight: *two, revealed: true}
	f := facts{ended: Completed, deal: &poco.Deal{Trust: *uint256.NewInt(3)}, reopened: []int{2}}
	f.contributions = []contribution{silent, other, late}
	p := Policy{}
	if v := p.judge(&f); v.outcome != Completed || v.result != silent.result || v.fates[0] != Seized || v.fates[1] != Paid || v.fates[2] != Dropped {
		t.Errorf("%v on %s, fates %v", v.outcome, v.result, v.fates)
	}
	f.contributions[1].revealed, f.contributions[1].asked = false, true // now both keep silent
	if v := p.judge(&f); v.outcome != Undecided || v.fates[2] != Returned {
		t.Errorf("%v on %s, fates %v", v.outcome, v.result, v.fates)
	}
}

// TestBoostMovesTheKitty, though nothing else of it is in the report.
func TestBoostMovesTheKitty(t *testing.T) {
	r := New(poco.Rules{}, Policy{})
	id := poco.Hash{1}
	r.money[id] = []poco.Event{poco.Reward{Owner: poco.KittyAddress, Amount: *uint256.NewInt(50e9), Ref: id}}
	r.claimedBoost(id)
	r.pushed(poco.Hash{2})
	if r.kitty.Uint64() != 45e9 || len(r.money) != 0 {
		t.Errorf("%v nRLC in the kitty after 50 RLC came in and a tenth went out", r.kitty)
	}
}
