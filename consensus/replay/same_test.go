package replay_test

import (
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"pgregory.net/rapid"

	"assay/consensus/poco"
	"assay/consensus/replay"
	"assay/consensus/sim"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

// What workers and schedulers do, drawn once and played to the core under two sets of
// rules. Replaying the first market's log under the second's rules must tell what the
// second market did.

// round is one deal's worth of behaviour: contributions before and after a reopening.
type round struct {
	trust, price uint64
	tasks        []task
}

type task struct {
	first, second []act
	absent        bool // the scheduler never finalizes
}

// act is a worker's contribution to a task.
type act struct {
	worker poco.Address
	digest poco.Hash
	silent bool // it will not reveal
}

// In a round no worker is in two tasks: a task that completes under one set of rules is
// claimed later under another, and a score depends on the order of praise and blame.
const perTask, tasksPerRound = 6, 3

func drawRound(t *rapid.T) round {
	r := round{trust: rapid.Uint64Range(1, 9).Draw(t, "trust"), price: rapid.Uint64Range(0, 1_000_000_007).Draw(t, "price")}
	everybody := make([]byte, perTask*tasksPerRound)
	for i := range everybody {
		everybody[i] = byte(i)
	}
	order := rapid.Permutation(everybody).Draw(t, "order")
	for k := range rapid.IntRange(1, tasksPerRound).Draw(t, "tasks") {
		all := make([]act, rapid.IntRange(0, perTask).Draw(t, "contributions"))
		for i := range all {
			all[i] = act{
				worker: common.BytesToAddress([]byte{0xee, order[k*perTask+i]}),
				digest: poco.Hash{rapid.SampledFrom([]byte{1, 1, 1, 2, 3}).Draw(t, "result")},
				silent: rapid.IntRange(0, 2).Draw(t, "silent") == 2,
			}
		}
		cut := rapid.IntRange(0, len(all)).Draw(t, "cut")
		r.tasks = append(r.tasks, task{first: all[:cut], second: all[cut:], absent: rapid.IntRange(0, 9).Draw(t, "absent") == 9})
	}
	return r
}

// rules are what differs between the markets.
type rules struct {
	era   chains.Era
	trust func(uint64) uint64 // of the deals
	stake *uint64             // the pool's policy
	ratio *uint64
}

// player plays rounds in a market. In the second market it does what the record knows,
// and what the replay assumes where the record cannot know.
type player struct {
	*rapid.T
	market *sim.Market
	log    []*assaypb.ChainRecord
	rules  rules

	made     map[deed]bool // contributions that succeeded
	asked    map[deed]bool // winners
	reopened map[poco.Hash]bool
	asRecord *player // whose contributions and reopenings are facts; nil: this is the record
}

// deed is a worker's contribution to a task.
type deed struct {
	task   poco.Hash
	worker poco.Address
}

func newPlayer(t *rapid.T, r rules, asRecord *player) *player {
	p := &player{T: t, rules: r, asRecord: asRecord, made: map[deed]bool{}, asked: map[deed]bool{}, reopened: map[poco.Hash]bool{}}
	var err error
	p.market, err = sim.New(sim.Rules(r.era), func(at poco.Block, events []poco.Event) {
		record := block(at, 0, events)
		record.ChainId, record.Sequence = chainID, uint64(len(p.log))
		p.log = append(p.log, record)
	})
	p.must(err)
	return p
}

func (p *player) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// try is for what the contracts may refuse.
func (p *player) try(err error) bool {
	p.Helper()
	if revert := new(poco.Revert); err != nil && !errors.As(err, &revert) {
		p.Fatal(err)
	}
	return err == nil
}

func (p *player) policy() {
	command := poco.ChangePolicy{Workerpool: sim.Pool, WorkerStakeRatio: *uint256.NewInt(30), SchedulerRewardRatio: *uint256.NewInt(1)}
	if p.rules.stake != nil {
		command.WorkerStakeRatio.SetUint64(*p.rules.stake)
	}
	if p.rules.ratio != nil {
		command.SchedulerRewardRatio.SetUint64(*p.rules.ratio)
	}
	p.must(p.market.Do(sim.Owner, command))
}

// round plays a deal from its match to the claim of all that did not complete. The
// deal's own salt makes its tasks the same in both markets only where its trust is; so
// tasks are compared by their place.
func (p *player) round(r round, place func(round, task int) poco.Hash, number int) []poco.Hash {
	trust := r.trust
	if p.rules.trust != nil {
		trust = p.rules.trust(trust)
	}
	deal, err := p.market.Deal(trust, r.price, uint64(len(r.tasks)))
	p.must(err)
	ids := make([]poco.Hash, len(r.tasks))
	for i := range r.tasks {
		ids[i], err = p.market.Task(deal, uint64(i))
		p.must(err)
	}
	fact := func(i int) poco.Hash { return place(number, i) } // the record's name of a task
	phase := func(acts func(task) []act) {
		for i, task := range r.tasks {
			for _, a := range acts(task) {
				p.contribute(ids[i], fact(i), a)
			}
		}
		for i, task := range r.tasks {
			for _, a := range append(append([]act(nil), task.first...), task.second...) {
				p.reveal(ids[i], fact(i), a)
			}
		}
		p.market.Wait(2 * sim.Clock)
	}
	phase(func(t task) []act { return t.first })
	for i := range r.tasks {
		if p.asRecord == nil || p.asRecord.reopened[fact(i)] {
			p.reopened[ids[i]] = p.try(p.market.Do(sim.Owner, poco.Reopen{Task: ids[i]}))
		}
	}
	phase(func(t task) []act { return t.second })
	for i, task := range r.tasks {
		if !task.absent || p.asRecord != nil && !p.asRecord.abandoned(fact(i)) {
			p.try(p.market.Do(sim.Owner, poco.Finalize{Task: ids[i]}))
		}
	}
	p.market.Wait(6 * sim.Clock)
	for i := range r.tasks {
		p.try(p.market.Do(sim.Owner, poco.Claim{Task: ids[i]}))
	}
	return ids
}

func (p *player) contribute(id, fact poco.Hash, a act) {
	if p.asRecord != nil && !p.asRecord.made[deed{fact, a.worker}] {
		return
	}
	agreed, err := p.market.Contribute(a.worker, id, a.digest)
	if p.try(err) {
		p.made[deed{id, a.worker}] = true
	}
	if !agreed {
		return
	}
	task, _ := p.market.State.Task(id)
	for _, worker := range task.Contributors {
		if c, _ := p.market.State.Contribution(id, worker); c.ResultHash == task.ConsensusValue && c.Status == poco.Contributed {
			p.asked[deed{id, worker}] = true
		}
	}
}

// abandoned says whether a task could have been finalized and was not.
func (p *player) abandoned(id poco.Hash) bool {
	task, _ := p.market.State.Task(id)
	return task.Status == poco.TaskFailed && task.RevealCounter > 0
}

// reveal lets a worker reveal that is not silent, or, where the record cannot know that
// it is, as the replay assumes.
func (p *player) reveal(id, fact poco.Hash, a act) {
	if a.silent && (p.asRecord == nil || p.asRecord.asked[deed{fact, a.worker}]) {
		return
	}
	p.try(p.market.Do(a.worker, poco.Reveal{Task: id, Digest: a.digest}))
}

func TestOtherRulesAsTheCoreHasThem(t *testing.T) {
	seen := map[replay.Change[replay.Outcome]]int{}
	rapid.Check(t, func(t *rapid.T) {
		rounds := rapid.SliceOfN(rapid.Custom(drawRound), 1, 20).Draw(t, "rounds")
		policy, other := drawRules(t)
		record := newPlayer(t, rules{}, nil)
		record.policy()
		var ids [][]poco.Hash
		place := func(round, task int) poco.Hash { return ids[round][task] }
		none := func(int, int) poco.Hash { return poco.Hash{} }
		for i, r := range rounds {
			ids = append(ids, record.round(r, none, i))
		}
		world := newPlayer(t, other, record)
		world.policy()
		for i, r := range rounds {
			world.round(r, place, i)
		}
		after := replayed(t, record.market.State.Rules(), policy, record.log)
		truth := replayed(t, world.market.State.Rules(), replay.Policy{}, world.log)
		agree(t, after, truth)
		for _, task := range after.Tasks {
			seen[task.Outcome]++
		}
	})
	for _, change := range []replay.Change[replay.Outcome]{
		{Before: replay.Completed, After: replay.Completed}, {Before: replay.Completed, After: replay.Undecided},
		{Before: replay.Completed, After: replay.Unrevealed}, {Before: replay.Undecided, After: replay.Completed},
		{Before: replay.Unrevealed, After: replay.Undecided}, {Before: replay.Abandoned, After: replay.Abandoned},
	} {
		if seen[change] == 0 {
			t.Errorf("no task went from %v to %v: the test says nothing about it", change.Before, change.After)
		}
	}
}

// drawRules draws a policy and what it is called in the core.
func drawRules(t *rapid.T) (replay.Policy, rules) {
	var p replay.Policy
	var r rules
	switch n := rapid.Uint64Range(1, 12).Draw(t, "n"); rapid.IntRange(0, 3).Draw(t, "trust") {
	case 1:
		p.Trust.Fixed, r.trust = n, func(uint64) uint64 { return n }
	case 2:
		p.Trust.Minimum, r.trust = n, func(asked uint64) uint64 { return max(asked, n) }
	case 3:
		p.Trust.Multiply, r.trust = n, func(asked uint64) uint64 { return asked * n }
	}
	if rapid.Bool().Draw(t, "another stake") {
		r.stake = new(rapid.Uint64Range(0, 300).Draw(t, "stake"))
		p.Stake = r.stake
	}
	if rapid.Bool().Draw(t, "another ratio") {
		r.ratio = new(rapid.Uint64Range(0, 100).Draw(t, "ratio"))
		p.Reward.Scheduler = r.ratio
	}
	if rapid.Bool().Draw(t, "round up") {
		r.era.CeilLogWeight = true
		p.Reward.Log = replay.Up
	}
	return p, r
}

// agree compares what the replay says would have been with what was. Where a task ends
// earlier or later the kitty differs, and nothing else.
func agree(t *rapid.T, after, truth *replay.Report) {
	t.Helper()
	if len(after.Tasks) != len(truth.Tasks) {
		t.Fatalf("%d tasks, %d in truth", len(after.Tasks), len(truth.Tasks))
	}
	for i, row := range after.Tasks {
		was := truth.Tasks[i]
		if row.Outcome.After != was.Outcome.Before || row.Trust.After != was.Trust.Before || row.Needed != was.Contributions {
			t.Errorf("task %d: %v, trust %v, %d needed; in truth %v, trust %v, %d contributions", i, row.Outcome.After, &row.Trust.After,
				row.Needed, was.Outcome.Before, &was.Trust.Before, was.Contributions)
		}
		equal(t, "stake", row.Stake.After, was.Stake.Before)
		equal(t, "paid", row.Paid.After, was.Paid.Before)
		equal(t, "earned", row.Earned.After, was.Earned.Before)
		equal(t, "lost", row.Lost.After, was.Lost.Before)
		equal(t, "pool", row.PoolEarned.After, was.PoolEarned.Before)
	}
	workers := map[poco.Address]*replay.Worker{}
	for _, w := range truth.Workers {
		workers[w.Address] = w
	}
	for _, w := range after.Workers {
		was := workers[w.Address]
		if was == nil { // all its contributions were dropped
			was = &replay.Worker{Earned: nothing(), Lost: nothing(), Score: nothing()}
		}
		equal(t, "worker earned", w.Earned.After, was.Earned.Before)
		equal(t, "worker lost", w.Lost.After, was.Lost.Before)
		equal(t, "score", w.Score.After, was.Score.Before)
	}
}

func nothing() replay.Change[*big.Int] {
	return replay.Change[*big.Int]{Before: new(big.Int), After: new(big.Int)}
}

func equal(t *rapid.T, what string, got, want *big.Int) {
	t.Helper()
	if got.Cmp(want) != 0 {
		t.Errorf("%s: %v, in truth %v", what, got, want)
	}
}
