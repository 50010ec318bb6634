package engine

import (
	"cmp"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"assay/consensus/poco"
	"assay/schema/assaypb"
)

// teeTag is the bit of a deal's tag that asks for an enclave (TeeUtils).
const teeTag = 0x01

func wantsEnclave(deal *poco.Deal) bool { return deal.Tag[31]&teeTag != 0 }

// finalizes says that one enclave's word is enough, so that its worker ends the task
// itself (contributeAndFinalize asks for trust 1 and an empty task).
func finalizes(deal *poco.Deal, known *poco.Task) bool {
	return wantsEnclave(deal) && deal.Trust.IsUint64() && deal.Trust.Uint64() == 1 && len(known.Contributors) == 0
}

// assign asks workers until those at work can bring about a consensus.
func (c *Core) assign(task *task, known *poco.Task) []*assaypb.Decision {
	if known.ContributionDeadline <= c.now {
		return nil
	}
	c.expire(task, known)
	var due []*assaypb.Decision
	for !c.enough(task, known) {
		next := c.candidate(task)
		if next == nil && c.hopeless(task) {
			return append(due, c.alert(task, "task_unassignable",
				"those at work cannot bring about a consensus, and no other worker is there whose stake would do")...)
		}
		if next == nil {
			return due // all are busy
		}
		due = append(due, c.ask(task, known, next))
		c.assigned(task, next.address, c.now)
	}
	return due
}

// expire gives up on workers that did not answer within one period of the category,
// as iExec's scheduler does, so that others can take their place in time.
func (c *Core) expire(task *task, known *poco.Task) {
	for _, held := range task.assignments {
		if held.pending() && held.at+known.TimeRef <= c.now {
			held.expired = true
			c.fail(task, held)
		}
	}
}

// fail counts a turn that came to nothing against its worker.
func (c *Core) fail(task *task, held *assignment) {
	c.release(held)
	if worker := c.workers[task.deal.Workerpool.Pointer][held.worker]; worker != nil {
		worker.failed++
	}
}

// learn notes whether a worker's contributions are worth anything, by the newest.
func (c *Core) learn(decision *assaypb.Decision, body *assaypb.Verdict) {
	worker := common.BytesToAddress(decision.Worker)
	switch {
	case c.pools[common.BytesToAddress(decision.Workerpool)] == nil:
	case spoilt(body.Reason):
		c.loadOf(worker).spoilt = true
	case len(body.Authorization) > 0:
		c.loadOf(worker).spoilt = false
	}
}

// hold takes a worker's slot for a task, and promises its stake until it is locked
// on the chain.
func (c *Core) hold(held *assignment, stake *uint256.Int) {
	load := c.loadOf(held.worker)
	load.slots++
	held.promise = *stake
	load.promised.Add(&load.promised, stake)
}

// release frees a worker's slot.
func (c *Core) release(held *assignment) {
	c.redeem(held)
	if !held.released {
		held.released = true
		c.loadOf(held.worker).slots--
	}
}

// redeem ends the promise of a stake: it is locked now, or will not be needed.
func (c *Core) redeem(held *assignment) {
	load := c.loadOf(held.worker)
	load.promised.Sub(&load.promised, &held.promise)
	held.promise.Clear()
}

func (c *Core) loadOf(worker poco.Address) *load {
	known := c.load[worker]
	if known == nil {
		known = &load{}
		c.load[worker] = known
	}
	return known
}

// enough says that a consensus follows if every pending worker agrees with the best
// result so far. Where the weights overflow the contract takes no more contributions.
func (c *Core) enough(task *task, known *poco.Task) bool {
	if finalizes(task.deal, known) {
		return slices.ContainsFunc(task.assignments, (*assignment).pending)
	}
	hoped := c.strongest(task.id, known)
	for _, held := range task.assignments {
		if !held.pending() {
			continue
		}
		weight := c.state.Weight(held.worker)
		var err error
		if hoped, err = hoped.With(&weight); err != nil {
			return true
		}
	}
	agreed, err := poco.Agrees(&task.deal.Trust, &hoped.Group, &hoped.Total)
	return agreed || err != nil
}

// strongest is what stands behind the best result of a task so far.
func (c *Core) strongest(id poco.Hash, known *poco.Task) poco.Consensus {
	best := c.state.Consensus(id, poco.Hash{})
	for _, worker := range known.Contributors {
		contribution, ok := c.state.Contribution(id, worker)
		if !ok || contribution.Status == poco.Rejected {
			continue
		}
		if here := c.state.Consensus(id, contribution.ResultHash); here.Group.Gt(&best.Group) {
			best = here
		}
	}
	return best
}

// candidate picks the worker to ask next: new to the task, free and staked. Those whose
// last contribution was worth nothing come last, for they are always idle; then the least
// loaded first, then the one that failed least, then by address so that the choice can be
// repeated.
func (c *Core) candidate(task *task) *worker {
	var best *worker
	for _, next := range c.workers[task.deal.Workerpool.Pointer] {
		if !suits(task, next) || c.loadOf(next.address).slots >= next.slots || !c.staked(next.address, task.deal) {
			continue
		}
		if best == nil || c.before(next, best) {
			best = next
		}
	}
	return best
}

// suits says that a worker is new to the task, and has the enclave that it may ask for.
func suits(task *task, next *worker) bool {
	return task.assignment(next.address) == nil && (next.enclave || !wantsEnclave(task.deal))
}

// hopeless says that not even a worker that is busy now could be asked later.
func (c *Core) hopeless(task *task) bool {
	for _, next := range c.workers[task.deal.Workerpool.Pointer] {
		account := c.state.Account(next.address)
		if next.slots > 0 && suits(task, next) && !account.Stake.Lt(&task.deal.WorkerStake) {
			return false
		}
	}
	return true
}

func (c *Core) before(a, b *worker) bool {
	ours, theirs := c.loadOf(a.address), c.loadOf(b.address)
	if ours.spoilt != theirs.spoilt {
		return theirs.spoilt
	}
	return cmp.Or(
		cmp.Compare(ours.slots, theirs.slots),
		cmp.Compare(a.failed, b.failed),
		a.address.Cmp(b.address),
	) < 0
}

// staked says that a worker's free stake covers this task and all that it was promised
// for.
func (c *Core) staked(address poco.Address, deal *poco.Deal) bool {
	need, overflow := new(uint256.Int).AddOverflow(&c.loadOf(address).promised, &deal.WorkerStake)
	account := c.state.Account(address)
	return !overflow && !account.Stake.Lt(need)
}

// ask decides on an assignment.
func (c *Core) ask(task *task, known *poco.Task, next *worker) *assaypb.Decision {
	decision := c.decision(task, identity(kindAssignment, c.config.ChainID, task.id[:], next.address[:]))
	decision.Worker = next.address.Bytes()
	deal := task.deal
	decision.Body = &assaypb.Decision_Assignment{Assignment: &assaypb.Assignment{
		Deal:                 task.dealID.Bytes(),
		Index:                task.index,
		App:                  deal.App.Pointer.Bytes(),
		Dataset:              deal.Dataset.Pointer.Bytes(),
		Tag:                  deal.Tag.Bytes(),
		Params:               deal.Params,
		Trust:                deal.Trust.Bytes(),
		ContributionDeadline: known.ContributionDeadline,
		Anchor:               task.anchor.Bytes(),
		Attempt:              uint32(len(task.assignments)),
		Finalizes:            finalizes(deal, known),
		Callback:             callsBack(task),
	}}
	return decision
}

// assigned folds an assignment.
func (c *Core) assigned(task *task, address poco.Address, at uint64) {
	if task.assignment(address) != nil {
		return
	}
	held := &assignment{worker: address, at: at}
	task.assignments = append(task.assignments, held)
	if task.deal != nil {
		c.hold(held, &task.deal.WorkerStake)
	}
	if _, ok := c.state.Contribution(task.id, address); ok {
		c.contributed(held)
	}
}

// contributed notes that a worker's contribution is in the contract.
func (c *Core) contributed(held *assignment) {
	held.onChain = true
	c.redeem(held)
}
