package poco

import "github.com/ethereum/go-ethereum/crypto"

// initialize starts a task's clock; anyone may. It returns the task.
func (t *call) initialize(deal Hash, index Amount) Hash {
	d := t.s.deals.get(deal)
	if !t.require(d != nil && !d.Boost, "") {
		return Hash{}
	}
	t.require(!index.Lt(&d.first), "")
	end := t.add(d.first, d.size)
	t.require(index.Lt(&end), "")
	id := TaskID(deal, &index)
	t.require(t.s.tasks.get(id) == nil, "")
	t.emit(TaskInitialize{Task: id, Workerpool: d.Workerpool.Pointer, Deal: deal, Index: index})
	return id
}

func (t *call) initializeArray(deals []Hash, indices []Amount) {
	if !t.require(len(deals) == len(indices), "") {
		return
	}
	for i, deal := range deals {
		t.initialize(deal, indices[i])
	}
}

func (t *call) initializeAndClaimArray(deals []Hash, indices []Amount) {
	if !t.require(len(deals) == len(indices), "") {
		return
	}
	for i, deal := range deals {
		t.claim(t.initialize(deal, indices[i]))
	}
}

// open returns a task that takes contributions, and its deal.
func (t *call) open(id Hash) (*task, *Deal) {
	task := t.s.tasks.get(id)
	if !t.require(task != nil && task.Status == TaskActive, "") {
		return nil, nil
	}
	t.require(task.ContributionDeadline > t.at.Time, "")
	return task, &t.s.deals.get(task.Deal).Deal
}

// contribute commits the sender to a result, with a stake. If enough weight agrees the
// reveal begins.
func (t *call) contribute(c Contribute) {
	_, deal := t.open(c.Task)
	t.require(t.s.contributions.get(contributionID{c.Task, t.sender}) == nil, "")
	if t.err != nil {
		return
	}
	t.checkSignatures(c.Task, deal, c.EnclaveChallenge, c.Authorization, c.EnclaveSign, EnclaveMessage(c.ResultHash, c.ResultSeal))
	t.lock(t.sender, deal.WorkerStake)
	weight := t.s.Weight(t.sender)
	consensus, err := t.s.Consensus(c.Task, c.ResultHash).With(&weight)
	t.panics(err != nil)
	t.emit(TaskContribute{
		Task: c.Task, Worker: t.sender, ResultHash: c.ResultHash, ResultSeal: c.ResultSeal, EnclaveChallenge: c.EnclaveChallenge,
	})
	agrees, err := Agrees(&deal.Trust, &consensus.Group, &consensus.Total)
	t.panics(err != nil)
	if agrees {
		t.emit(TaskConsensus{Task: c.Task, Consensus: c.ResultHash})
	}
}

// checkSignatures checks that the scheduler, or the TEE broker, lets the sender
// contribute with this enclave, and that the enclave stands behind the result.
func (t *call) checkSignatures(task Hash, deal *Deal, enclave Address, authorization, enclaveSign []byte, message Hash) {
	t.require(enclave != Address{} || !hasEnclaveBit(deal.Tag), "")
	t.requireSigned(t.authorizer(deal, enclave), AuthorizationMessage(t.sender, task, enclave), authorization, "")
	if enclave != (Address{}) {
		t.requireSigned(enclave, message, enclaveSign, "")
	}
}

func (t *call) authorizer(deal *Deal, enclave Address) Address {
	if enclave != (Address{}) && t.s.rules.TEEBroker != (Address{}) {
		return t.s.rules.TEEBroker
	}
	return deal.Workerpool.Owner
}

// contributeAndFinalize completes a task in one call, for deals of trust 1 that nobody
// has contributed to. The worker stakes nothing and its score stays. Money moves first.
func (t *call) contributeAndFinalize(c ContributeAndFinalize) {
	task, deal := t.open(c.Task)
	if t.err != nil {
		return
	}
	t.require(len(task.Contributors) == 0, "")
	t.require(deal.Trust.Eq(one), "")
	if t.legacy() { // it compared with a digest that was not set yet
		t.require(noCallback(deal, c.ResultsCallback), "")
	}
	t.checkCallback(deal, c.ResultsCallback, c.Digest)
	hash, seal := ResultHash(c.Task, c.Digest), ResultSeal(t.sender, c.Task, c.Digest)
	t.checkSignatures(c.Task, deal, c.EnclaveChallenge, c.Authorization, c.EnclaveSign, EnclaveMessage(hash, seal))
	t.succeed(c.Task, deal)
	t.rewardAtOnce(c.Task, deal)
	t.emit(TaskContribute{
		Task: c.Task, Worker: t.sender, ResultHash: hash, ResultSeal: seal, EnclaveChallenge: c.EnclaveChallenge,
	})
	t.emit(TaskConsensus{Task: c.Task, Consensus: hash})
	t.emit(TaskReveal{Task: c.Task, Worker: t.sender, Digest: c.Digest})
	t.emit(TaskFinalize{Task: c.Task, Results: c.Results, ResultsCallback: c.ResultsCallback})
}

// checkCallback checks that what a callback would get is the result that was agreed on.
func (t *call) checkCallback(deal *Deal, callback []byte, digest Hash) {
	t.require(noCallback(deal, callback) || crypto.Keccak256Hash(callback) == digest, "")
}

// noCallback says that the deal wants no callback and gets none.
func noCallback(deal *Deal, callback []byte) bool {
	return deal.Callback == Address{} && len(callback) == 0
}

// reveal proves that the sender knew the result it committed to.
func (t *call) reveal(c Reveal) {
	task := t.s.tasks.get(c.Task)
	contribution := t.s.contributions.get(contributionID{c.Task, t.sender})
	if !t.require(task != nil && task.Status == TaskRevealing, "") {
		return
	}
	t.require(task.RevealDeadline > t.at.Time, "")
	if !t.require(contribution != nil && contribution.Status == Contributed, "") {
		return
	}
	t.require(contribution.ResultHash == task.ConsensusValue, "")
	t.require(contribution.ResultHash == ResultHash(c.Task, c.Digest), "")
	t.require(contribution.ResultSeal == ResultSeal(t.sender, c.Task, c.Digest), "")
	t.emit(TaskReveal{Task: c.Task, Worker: t.sender, Digest: c.Digest})
}

// scheduled returns a task in the reveal whose scheduler is the sender, before its final
// deadline, and its deal.
func (t *call) scheduled(id Hash) (*task, *Deal) {
	task := t.s.tasks.get(id)
	if !t.require(task != nil && task.Status == TaskRevealing, "") {
		return nil, nil
	}
	deal := &t.s.deals.get(task.Deal).Deal
	t.require(t.sender == deal.Workerpool.Owner, "")
	t.require(task.FinalDeadline > t.at.Time, "")
	return task, deal
}

// reopen gives a task another chance when none of its winners revealed in time.
func (t *call) reopen(id Hash) {
	task, _ := t.scheduled(id)
	if t.err != nil {
		return
	}
	t.require(task.RevealDeadline <= t.at.Time && task.RevealCounter == 0, "")
	t.emit(TaskReopen{Task: id})
}

// finalize completes a task once all its winners revealed, or some and the time is over.
func (t *call) finalize(c Finalize) {
	task, deal := t.scheduled(c.Task)
	if t.err != nil {
		return
	}
	t.require(task.RevealCounter == task.WinnerCounter || task.RevealCounter > 0 && task.RevealDeadline <= t.at.Time, "")
	t.checkCallback(deal, c.ResultsCallback, task.ResultDigest)
	t.succeed(c.Task, deal)
	t.distribute(c.Task, task, deal)
	t.emit(TaskFinalize{Task: c.Task, Results: c.Results, ResultsCallback: c.ResultsCallback})
}

// claim fails a task after its final deadline; anyone may. Everybody gets the stake
// back, but for the workerpool.
func (t *call) claim(id Hash) {
	task := t.s.tasks.get(id)
	if !t.require(task != nil && (task.Status == TaskActive || task.Status == TaskRevealing), "") {
		return
	}
	t.require(task.FinalDeadline <= t.at.Time, "")
	deal := &t.s.deals.get(task.Deal).Deal
	t.fail(id, deal)
	for _, worker := range task.Contributors {
		t.unlock(worker, deal.WorkerStake)
	}
	t.emit(TaskClaimed{Task: id})
}

// succeed settles the price of a task that ended well (successWork).
func (t *call) succeed(id Hash, deal *Deal) {
	t.seize(t.payer(deal), t.taskPrice(deal), id)
	if !deal.App.Price.IsZero() {
		t.reward(deal.App.Owner, deal.App.Price, id)
	}
	if !deal.Dataset.Price.IsZero() && deal.Dataset.Pointer != (Address{}) {
		t.reward(deal.Dataset.Owner, deal.Dataset.Price, id)
	}
	t.unlock(deal.Workerpool.Owner, t.poolStake(deal))
	if share := t.kittyShare(); !share.IsZero() {
		t.seize(KittyAddress, share, id)
		t.reward(deal.Workerpool.Owner, share, id)
	}
}

// kittyShare is what a success draws from the kitty: a tenth, but at least 1 RLC if
// there is as much.
func (t *call) kittyShare() Amount {
	kitty := t.s.Account(KittyAddress).Locked
	share := t.percent(kitty, number(kittyRatio))
	if least := number(kittyMin); share.Lt(&least) {
		share = least
	}
	return lesser(share, kitty)
}

// fail settles a task that nobody completed (failedWork): the payer gets the price back,
// the workerpool's stake goes to the kitty.
func (t *call) fail(id Hash, deal *Deal) {
	stake := t.poolStake(deal)
	t.unlock(t.payer(deal), t.taskPrice(deal))
	t.seize(deal.Workerpool.Owner, stake, id)
	t.fillKitty(id, stake)
}

// fillKitty rewards the kitty and locks it there. From PoCo 5.5.1 on the stake does not
// leave the hub's account on its way.
func (t *call) fillKitty(id Hash, stake Amount) {
	if t.era.KittyTransfers {
		t.reward(KittyAddress, stake, id)
		t.lock(KittyAddress, stake)
		return
	}
	t.add(t.s.Account(KittyAddress).Locked, stake)
	t.emit(Reward{Owner: KittyAddress, Amount: stake, Ref: id})
	t.emit(Lock{Owner: KittyAddress, Amount: stake})
}

// distribute rewards the winners and punishes the others (distributeRewards). Winners
// share the workers' part by log weight; each share is rounded down, and what is left,
// to the last nRLC, is the scheduler's.
func (t *call) distribute(id Hash, task *task, deal *Deal) {
	workers := append([]Address(nil), task.Contributors...)
	total, weights := deal.Workerpool.Price, Amount{}
	for _, worker := range workers {
		c := t.s.contributions.get(contributionID{id, worker})
		if c.Status == Proved {
			weights = t.add(weights, c.Weight)
		} else {
			total = t.add(total, deal.WorkerStake)
		}
	}
	share := t.percent(total, t.sub(*hundred, deal.SchedulerRewardRatio))
	for _, worker := range workers {
		c := t.s.contributions.get(contributionID{id, worker})
		if c.Status != Proved {
			t.seize(worker, deal.WorkerStake, id)
			t.emit(FaultyContribution{Worker: worker, Task: id})
			continue
		}
		reward := t.mulDiv(share, c.Weight, weights)
		total = t.sub(total, reward)
		t.unlock(worker, deal.WorkerStake)
		t.reward(worker, reward, id)
		if len(workers) > 1 {
			t.emit(AccurateContribution{Worker: worker, Task: id})
		}
	}
	t.reward(deal.Workerpool.Owner, total, id)
}

// mulDiv is x·y/d rounded down, with an intermediate result of 512 bits.
func (t *call) mulDiv(x, y, d Amount) (quotient Amount) {
	_, overflow := quotient.MulDivOverflow(&x, &y, &d)
	t.panics(overflow)
	return quotient
}

// rewardAtOnce pays the sender and the scheduler (distributeRewardsFast).
func (t *call) rewardAtOnce(id Hash, deal *Deal) {
	worker := t.percent(deal.Workerpool.Price, t.sub(*hundred, deal.SchedulerRewardRatio))
	t.reward(t.sender, worker, id)
	t.reward(deal.Workerpool.Owner, t.sub(deal.Workerpool.Price, worker), id)
}
