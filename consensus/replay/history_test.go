package replay_test

import (
	"encoding/binary"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
	"pgregory.net/rapid"

	"assay/consensus/poco"
	"assay/consensus/poco/pocotest"
	"assay/consensus/poco/wire"
	"assay/consensus/replay"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

const chainID, start = 1337, 1_700_000_000

var eras = [][]chains.Era{
	{{}}, {{CeilLogWeight: true, KittyTransfers: true, NoSponsor: true}},
	{{CeilLogWeight: true, KittyTransfers: true}, {FromBlock: 60}},
}

// history is a drawn history of a marketplace, and the chain log that it leaves.
type history struct {
	*rapid.T
	rules  poco.Rules
	state  *poco.State
	market *pocotest.Market
	now    poco.Block
	log    []*assaypb.ChainRecord
}

// newHistory plays between 1 and most random steps.
func newHistory(t *rapid.T, most int) *history {
	h := &history{T: t, now: poco.Block{Number: 1, Time: start}, rules: poco.Rules{
		ChainID: chainID, Hub: common.HexToAddress("0x4b"), Owner: pocotest.Address("hubOwner"),
		Eras: rapid.SampledFrom(eras).Draw(t, "eras"),
	}}
	h.state = poco.New(h.rules)
	for _, clock := range []uint64{300, 1200, 3600, 10800, 36000} {
		h.play(pocotest.Step{Sender: h.rules.Owner, Command: poco.AddCategory{WorkClockTimeRef: *uint256.NewInt(clock)}})
	}
	h.market = pocotest.NewMarket(pocotest.Config{Rules: h.rules, Boost: true, Predict: func(r poco.Resource) poco.Address {
		return poco.Address(crypto.Keccak256([]byte(r.Name), r.Owner[:])[12:])
	}})
	for _, step := range h.market.Opening() {
		h.play(step)
	}
	for range rapid.IntRange(1, most).Draw(t, "steps") {
		h.play(h.market.Next(t, h.state, h.now.Time))
	}
	return h
}

func (h *history) play(step pocotest.Step) {
	h.now.Number++
	h.now.Time += step.Wait
	events, err := h.state.Decide(h.now, step.Sender, step.Command)
	if revert := new(poco.Revert); err != nil && !errors.As(err, &revert) {
		h.Fatalf("%T: %v", step.Command, err)
	}
	for _, event := range events {
		if err := h.state.Evolve(h.now, event); err != nil {
			h.Fatalf("%T: %v", step.Command, err)
		}
	}
	if h.market != nil {
		h.market.Happened(events)
	}
	if len(events) > 0 {
		h.append(block(h.now, 0, events))
		h.detour(events)
	}
}

// detour retracts the newest block now and then, and puts it in again as another.
func (h *history) detour(events []poco.Event) {
	if rapid.IntRange(0, 9).Draw(h.T, "fork") != 9 {
		return
	}
	old := h.log[len(h.log)-1].GetBlock()
	h.append(&assaypb.ChainRecord{Body: &assaypb.ChainRecord_Retraction{Retraction: &assaypb.Retraction{Number: old.Number, Hash: old.Hash}}})
	h.append(block(h.now, 1, events))
	if rapid.Bool().Draw(h.T, "final") {
		h.append(&assaypb.ChainRecord{Body: &assaypb.ChainRecord_Mark{Mark: &assaypb.Mark{HeadNumber: old.Number, FinalizedNumber: old.Number}}})
	}
}

func (h *history) append(record *assaypb.ChainRecord) {
	record.ChainId, record.Sequence = chainID, uint64(len(h.log))
	h.log = append(h.log, record)
}

func block(at poco.Block, fork byte, events []poco.Event) *assaypb.ChainRecord {
	b := &assaypb.Block{Number: at.Number, Time: at.Time, Hash: crypto.Keccak256(binary.BigEndian.AppendUint64([]byte{fork}, at.Number))}
	for i, event := range events {
		message := wire.ToProto(event)
		message.LogIndex = uint32(i)
		b.Events = append(b.Events, message)
	}
	return &assaypb.ChainRecord{Body: &assaypb.ChainRecord_Block{Block: b}}
}

// replayed is what comes of a log under a policy.
func replayed(t rapid.TB, rules poco.Rules, policy replay.Policy, log []*assaypb.ChainRecord) *replay.Report {
	t.Helper()
	r := replay.New(rules, policy)
	for _, record := range log {
		if err := r.Add(record); err != nil {
			t.Fatal(err)
		}
	}
	report, err := r.Report()
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestChainsOwnRulesChangeNothing: with the zero policy after equals before, to the nRLC.
func TestChainsOwnRulesChangeNothing(t *testing.T) {
	never := []string{"results_changed", "reveals_assumed", "contributions_dropped", "tasks_abandoned"} // the last: see same_test.go
	seen := map[string]*big.Int{}
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, 120)
		report := replayed(t, h.rules, replay.Policy{}, h.log)
		unchanged(t, report)
		h.asTheContracts(report)
		for _, total := range report.Totals {
			if seen[total.Name] == nil {
				seen[total.Name] = new(big.Int)
			}
			seen[total.Name].Add(seen[total.Name], total.Before)
		}
	})
	for name, sum := range seen {
		if sum.Sign() == 0 && !slices.Contains(never, name) {
			t.Errorf("no history had any %s: the test says nothing about it", name)
		}
	}
}

func unchanged(t rapid.TB, report *replay.Report) {
	t.Helper()
	for _, total := range report.Totals {
		if total.Before.Cmp(total.After) != 0 {
			t.Errorf("%s: %v before, %v after", total.Name, total.Before, total.After)
		}
	}
	for _, w := range report.Workers {
		same(t, "earned", w.Earned)
		same(t, "lost", w.Lost)
		same(t, "score", w.Score)
		if w.Fates.Before != w.Fates.After {
			t.Errorf("%s: contributions %v before, %v after", w.Address, w.Fates.Before, w.Fates.After)
		}
	}
	for _, p := range report.Pools {
		same(t, "pool earned", p.Earned)
		same(t, "pool's part of the kitty", p.Kitty)
		same(t, "pool lost", p.Lost)
	}
	for _, task := range report.Tasks {
		same(t, "paid", task.Paid)
		same(t, "earned", task.Earned)
		same(t, "lost", task.Lost)
		same(t, "pool", task.PoolEarned)
		if task.Outcome.Before != task.Outcome.After || task.Result.Before != task.Result.After || task.Trust.Before != task.Trust.After {
			t.Errorf("task %s: %+v", task.ID, task)
		}
	}
}

func same(t rapid.TB, what string, c replay.Change[*big.Int]) {
	t.Helper()
	if c.Before.Cmp(c.After) != 0 {
		t.Errorf("%s: %v before, %v after", what, c.Before, c.After)
	}
}

// asTheContracts compares what the report says of the record with the state.
func (h *history) asTheContracts(report *replay.Report) {
	h.Helper()
	for _, w := range report.Workers {
		if score := h.state.Account(w.Address).Score; score.ToBig().Cmp(w.Score.Before) != 0 {
			h.Errorf("%s: score %v, the contract says %v", w.Address, w.Score.Before, &score)
		}
	}
	for _, row := range report.Tasks {
		task, ok := h.state.Task(row.ID)
		if !ok || (task.Status == poco.TaskCompleted) != (row.Outcome.Before == replay.Completed) ||
			(task.Status == poco.TaskFailed) != (row.Outcome.Before > replay.Completed) || task.ConsensusValue != row.Result.Before ||
			uint64(len(task.Contributors)) != row.Contributions {
			h.Errorf("task %s: %+v, the contract says %+v", row.ID, row, task)
		}
	}
}

// drawPolicy draws any policy.
func drawPolicy(t *rapid.T) replay.Policy {
	p := replay.Policy{Weight: replay.Weight{
		Curve: rapid.SampledFrom([]replay.Curve{replay.PoCo, replay.Constant, replay.Linear, replay.Log}).Draw(t, "curve"),
		Value: rapid.Uint64Range(1, 9).Draw(t, "weight"), Cap: rapid.SampledFrom([]uint64{0, 0, 1, 2, 3}).Draw(t, "cap"),
	}}
	switch rapid.IntRange(0, 3).Draw(t, "trust") {
	case 1:
		p.Trust.Fixed = rapid.Uint64Range(1, 9).Draw(t, "fixed")
	case 2:
		p.Trust.Minimum = rapid.Uint64Range(1, 9).Draw(t, "minimum")
	case 3:
		p.Trust.Multiply = rapid.Uint64Range(1, 1<<60).Draw(t, "multiply")
	}
	if rapid.Bool().Draw(t, "another stake") {
		p.Stake = new(rapid.Uint64Range(0, 1000).Draw(t, "stake"))
	}
	if rapid.Bool().Draw(t, "another ratio") {
		p.Reward.Scheduler = new(rapid.Uint64Range(0, 100).Draw(t, "ratio"))
	}
	p.Reward.Split = rapid.SampledFrom([]replay.Split{replay.ByLogWeight, replay.ByWeight, replay.Equal}).Draw(t, "split")
	p.Reward.Log = rapid.SampledFrom([]replay.Rounding{replay.ByEra, replay.Down, replay.Up}).Draw(t, "rounding")
	return p
}

// TestMoneyIsConserved: under any policy, what requesters pay and stakes are seized is
// what others get, and what is lost to the kitty is in it or was drawn from it.
func TestMoneyIsConserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, 80)
		report := replayed(t, h.rules, drawPolicy(t), h.log)
		total := map[string]*replay.Total{}
		for _, sum := range report.Totals {
			total[sum.Name] = sum
		}
		in := new(big.Int).Add(total["requesters_paid_nrlc"].After, total["workers_lost_nrlc"].After)
		out := new(big.Int).Add(total["apps_and_datasets_earned_nrlc"].After, total["workers_earned_nrlc"].After)
		out.Add(out, total["pools_earned_nrlc"].After)
		if in.Cmp(out) != 0 {
			t.Errorf("%v nRLC go in, %v come out", in, out)
		}
		if total["kitty_paid_nrlc"].After.Cmp(total["pools_lost_nrlc"].After) > 0 && len(h.boosts()) == 0 {
			t.Error("more came out of the kitty than went in")
		}
		var contributions uint64
		for _, task := range report.Tasks {
			contributions += task.Contributions
			if task.Needed > task.Contributions || task.Assumed > task.Needed {
				t.Errorf("task %s: %d contributions, %d needed, %d assumed to reveal", task.ID, task.Contributions, task.Needed, task.Assumed)
			}
		}
		for _, w := range report.Workers {
			for _, n := range w.Fates.After {
				contributions -= n
			}
		}
		if contributions != 0 {
			t.Errorf("%d contributions have no fate, or two", contributions)
		}
	})
}

func (h *history) boosts() []poco.Hash {
	var boosts []poco.Hash
	for _, id := range h.market.Deals() {
		if deal, ok := h.state.Deal(id); ok && deal.Boost {
			boosts = append(boosts, id)
		}
	}
	return boosts
}
