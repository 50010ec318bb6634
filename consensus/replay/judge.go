package replay

import (
	"math/big"

	"github.com/holiman/uint256"

	"assay/consensus/poco"
)

// Outcome is how a task ends.
type Outcome uint8

// The outcomes. All but Open and Completed are claims: the requester is refunded.
const (
	Open       Outcome = iota // it has not ended
	Completed                 // finalized, paid
	Undecided                 // no consensus: it would have needed more contributions
	Unrevealed                // a consensus, and none of its winners revealed
	Abandoned                 // it could have been finalized, and its scheduler did not
)

var outcomes = [...]string{"open", "completed", "undecided", "unrevealed", "abandoned"}

func (o Outcome) String() string { return outcomes[o] }

// Fate is what becomes of a contribution.
type Fate uint8

// The fates.
const (
	Pending  Fate = iota // its task is open
	Paid                 // its worker won and revealed
	Seized               // the task completed with another result, or without its reveal
	Returned             // the task was claimed: the stake went back
	Dropped              // the task was decided without it
)

// contribution is what one worker did in a task, and what it weighed under the policy.
type contribution struct {
	worker   poco.Address
	result   poco.Hash
	weight   poco.Amount
	share    *big.Int // of the reward
	revealed bool
	asked    bool // it won in the record, so that it could reveal
}

// reveals says whether a winner reveals; where the record cannot tell, it does.
func (c *contribution) reveals() bool { return c.revealed || !c.asked }

// facts are what the record has of a task, under any rules.
type facts struct {
	id, dealID    poco.Hash
	deal          *poco.Deal
	contributions []contribution // in their order
	reopened      []int          // for each reopening, how many contributions came before it
	ended         Outcome        // as recorded
}

// verdict is what a policy makes of the facts.
type verdict struct {
	outcome Outcome
	result  poco.Hash // of the last consensus, zero without
	fates   []Fate    // of each contribution
	assumed uint64    // winners that are only taken to have revealed
	stake   *big.Int  // nRLC at stake in each contribution
	trust   poco.Amount
}

// judge settles a task under a policy.
func (p *Policy) judge(f *facts) verdict {
	j := judging{
		facts:    f,
		verdict:  verdict{fates: make([]Fate, len(f.contributions)), stake: p.stake(f.deal), trust: p.trust(f.deal.Trust)},
		standing: make([]standing, len(f.contributions)),
		groups:   map[poco.Hash]poco.Amount{},
		total:    *uint256.NewInt(1),
	}
	reopened := f.reopened
	for i := range f.contributions {
		for len(reopened) > 0 && reopened[0] == i {
			j.reopen()
			reopened = reopened[1:]
		}
		j.contribute(i)
	}
	for range reopened {
		j.reopen()
	}
	j.end()
	return j.verdict
}

// standing is where a contribution stands while its task goes on.
type standing uint8

const (
	ahead    standing = iota // it has not come yet
	counted                  // in the consensus
	rejected                 // by a reopening
	unneeded                 // it came after the consensus, or was refused
)

// judging is a task on its way to a verdict.
type judging struct {
	*facts
	verdict
	standing []standing
	groups   map[poco.Hash]poco.Amount
	total    poco.Amount // 1 + Σ groups
	agreed   bool        // there is a consensus
}

// contribute counts a contribution, or drops it.
func (j *judging) contribute(i int) {
	c := &j.contributions[i]
	consensus, err := poco.Consensus{Group: j.groups[c.result], Total: j.total}.With(&c.weight)
	agrees := false
	if err == nil {
		agrees, err = poco.Agrees(&j.trust, &consensus.Group, &consensus.Total)
	}
	if j.agreed || err != nil {
		j.standing[i] = unneeded
		return
	}
	j.standing[i] = counted
	j.groups[c.result], j.total = consensus.Group, consensus.Total
	if agrees {
		j.agreed, j.result = true, c.result
	}
}

// winner says whether a contribution stands behind the consensus.
func (j *judging) winner(i int) bool {
	return j.agreed && j.standing[i] == counted && j.contributions[i].result == j.result
}

// proved says whether a contribution won and its worker reveals.
func (j *judging) proved(i int) bool { return j.winner(i) && j.contributions[i].reveals() }

func (j *judging) anyProved() bool {
	for i := range j.contributions {
		if j.proved(i) {
			return true
		}
	}
	return false
}

// reopen rejects the winners, if all of them keep silent, and takes their weight out.
func (j *judging) reopen() {
	if !j.agreed || j.anyProved() {
		return
	}
	for i := range j.contributions {
		if j.winner(i) {
			j.standing[i] = rejected
		}
	}
	group := j.groups[j.result]
	j.total.Sub(&j.total, &group)
	delete(j.groups, j.result)
	j.agreed, j.result = false, poco.Hash{}
}

// end says how the task ends and what becomes of each contribution.
func (j *judging) end() {
	switch {
	case j.ended == Open:
		j.outcome = Open
	case !j.agreed:
		j.outcome = Undecided
	case !j.anyProved():
		j.outcome = Unrevealed
	case j.ended == Abandoned:
		j.outcome = Abandoned
	default:
		j.outcome = Completed
	}
	for i := range j.fates {
		j.fates[i] = j.fate(i)
		if c := &j.contributions[i]; j.winner(i) && !c.revealed && !c.asked {
			j.assumed++
		}
	}
}

func (j *judging) fate(i int) Fate {
	switch {
	case j.standing[i] == unneeded:
		return Dropped
	case j.outcome == Open:
		return Pending
	case j.outcome != Completed:
		return Returned
	case j.proved(i):
		return Paid
	default:
		return Seized
	}
}
