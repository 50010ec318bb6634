package poco

import (
	"math"
	"slices"

	"github.com/holiman/uint256"

	"assay/schema/chains"
)

// initialize starts a task's clock. Deadlines count from the deal's start, not from now.
func (s *State) initialize(e *TaskInitialize) error {
	if s.tasks.get(e.Task) != nil {
		return ErrDuplicate
	}
	if e.Deal == (Hash{}) {
		return ErrAttached
	}
	d := s.deals.get(e.Deal)
	if d == nil {
		return ErrUnknown
	}
	if e.Task != TaskID(e.Deal, &e.Index) || e.Workerpool != d.Workerpool.Pointer {
		return ErrMismatch
	}
	category := s.categories.get(saturate(&d.Category))
	if category == nil {
		return ErrUnknown
	}
	clock := category.WorkClockTimeRef
	t := s.tasks.make(e.Task)
	t.Status, t.Deal, t.Index, t.TimeRef = TaskActive, e.Deal, saturate(&e.Index), clock
	t.ContributionDeadline = deadline(d.StartTime, clock, contributionDeadlineRatio)
	t.FinalDeadline = deadline(d.StartTime, clock, finalDeadlineRatio)
	t.total.Set(one)
	return nil
}

// deadline is start + clock·ratio in seconds; 2⁶⁴−1 stands for more.
func deadline(start, clock, ratio uint64) uint64 {
	span, overflow := new(Amount).MulOverflow(uint256.NewInt(clock), uint256.NewInt(ratio))
	if overflow {
		return math.MaxUint64
	}
	return saturate(span.AddUint64(span, start))
}

// contribute records a worker's commitment. One that comes with a stake enters the
// consensus with the worker's weight; one without is the beginning of
// contributeAndFinalize, where the worker decides alone.
func (s *State) contribute(era chains.Era, e *TaskContribute, staked bool) error {
	t := s.tasks.get(e.Task)
	if t == nil {
		return ErrUnknown
	}
	id := contributionID{e.Task, e.Worker}
	if t.Status != TaskActive {
		return ErrStatus
	}
	if s.contributions.get(id) != nil {
		return ErrDuplicate
	}
	c := Contribution{
		Status: Contributed, ResultHash: e.ResultHash, ResultSeal: e.ResultSeal, EnclaveChallenge: e.EnclaveChallenge,
	}
	if staked {
		weight := s.Weight(e.Worker)
		c.Weight = logWeight(&weight, era.CeilLogWeight)
		consensus, err := s.Consensus(e.Task, e.ResultHash).With(&weight)
		if err != nil {
			return err
		}
		s.tasks.edit(e.Task).total = consensus.Total
		*s.groups.make(groupID{e.Task, e.ResultHash}) = consensus.Group
	}
	t = s.tasks.edit(e.Task)
	t.Contributors = append(t.Contributors, e.Worker)
	*s.contributions.make(id) = c
	return nil
}

// agree starts the reveal of the result that the event names. Whether enough weight
// stands behind it is the contract's word: the scores of some chains came partly from an
// older contract, without events.
func (s *State) agree(at Block, e *TaskConsensus) error {
	t := s.tasks.get(e.Task)
	if t == nil {
		return ErrUnknown
	}
	if t.Status != TaskActive {
		return ErrStatus
	}
	winners := s.winners(e.Task, t, e.Consensus)
	if winners == 0 {
		return ErrMismatch
	}
	t = s.tasks.edit(e.Task)
	t.Status, t.ConsensusValue = TaskRevealing, e.Consensus
	t.RevealDeadline = deadline(at.Time, t.TimeRef, revealDeadlineRatio)
	t.RevealCounter, t.WinnerCounter = 0, winners
	return nil
}

// winners counts the contributions of a result that have not been rejected.
func (s *State) winners(id Hash, t *task, result Hash) uint64 {
	var winners uint64
	for _, worker := range t.Contributors {
		c := s.contributions.get(contributionID{id, worker})
		if c.ResultHash == result && c.Status == Contributed {
			winners++
		}
	}
	return winners
}

// reveal proves that a winner knew the result when it contributed.
func (s *State) reveal(e *TaskReveal) error {
	t := s.tasks.get(e.Task)
	id := contributionID{e.Task, e.Worker}
	c := s.contributions.get(id)
	switch {
	case t == nil || c == nil:
		return ErrUnknown
	case t.Status != TaskRevealing || c.Status != Contributed:
		return ErrStatus
	case c.ResultHash != t.ConsensusValue:
		return ErrMismatch
	}
	s.contributions.edit(id).Status = Proved
	t = s.tasks.edit(e.Task)
	t.RevealCounter++
	t.ResultDigest = e.Digest
	return nil
}

// reopen rejects the winners, of whom none revealed, and takes their weight out.
func (s *State) reopen(e *TaskReopen) error {
	t := s.tasks.get(e.Task)
	if t == nil {
		return ErrUnknown
	}
	if t.Status != TaskRevealing {
		return ErrStatus
	}
	for _, worker := range t.Contributors {
		id := contributionID{e.Task, worker}
		if s.contributions.get(id).ResultHash == t.ConsensusValue {
			s.contributions.edit(id).Status = Rejected
		}
	}
	t = s.tasks.edit(e.Task)
	if group := s.groups.edit(groupID{e.Task, t.ConsensusValue}); group != nil {
		t.total.Sub(&t.total, group)
		group.Clear()
	}
	t.Status, t.ConsensusValue, t.RevealDeadline, t.WinnerCounter = TaskActive, Hash{}, 0, 0
	return nil
}

// finalize completes a task; the money has moved and the scores are set by the events before.
func (s *State) finalize(e *TaskFinalize) error {
	t := s.tasks.get(e.Task)
	if t == nil {
		return ErrUnknown
	}
	if t.Status != TaskRevealing {
		return ErrStatus
	}
	t = s.tasks.edit(e.Task)
	t.Status = TaskCompleted
	t.Results, t.ResultsCallback = slices.Clone(e.Results), slices.Clone(e.ResultsCallback)
	s.journal.ended = append(s.journal.ended, e.Task)
	return nil
}

// claim fails a task. One that is not known may be a Boost deal's: these are never
// initialized, and the event does not tell whose they are.
func (s *State) claim(e *TaskClaimed) error {
	t := s.tasks.get(e.Task)
	switch {
	case t == nil && s.totals.get(struct{}{}).boosts == 0:
		return ErrUnknown
	case t != nil && t.Status != TaskActive && t.Status != TaskRevealing:
		return ErrStatus
	}
	s.tasks.make(e.Task).Status = TaskFailed
	s.journal.ended = append(s.journal.ended, e.Task)
	return nil
}

// push completes a task of a Boost deal.
func (s *State) push(e *ResultPushedBoost) error {
	d := s.deals.get(e.Deal)
	if d == nil || !d.Boost {
		return ErrUnknown
	}
	id := TaskID(e.Deal, &e.Index)
	if s.tasks.get(id) != nil {
		return ErrStatus
	}
	t := s.tasks.make(id)
	t.Status, t.Deal, t.Index, t.Results = TaskCompleted, e.Deal, saturate(&e.Index), slices.Clone(e.Results)
	return nil
}
