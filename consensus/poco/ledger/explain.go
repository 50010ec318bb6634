package ledger

import "assay/consensus/poco"

// Explain says how a call that ended a task settled its money. The state may be that of
// any later moment: a task that has ended, its contributions and its deal stay as they
// are. Whatever the events are, every move is in the lines; if they are not what the rules
// do, Exact is false.
func Explain(state *poco.State, call Call) Settlement {
	t := &teller{
		Settlement: Settlement{Task: call.Task, Deal: call.Deal, Call: call.Kind, Last: call.Last, Exact: true},
		moves:      call.Moves,
		task:       &poco.Task{},
	}
	t.look(state)
	switch call.Kind {
	case Claim:
		t.failed()
	case PushResultBoost:
		t.pushed()
	default:
		t.succeeded(state)
	}
	t.rest()
	return t.Settlement
}

// teller tells of the moves of a call, one after the other.
type teller struct {
	Settlement
	moves []Move
	task  *poco.Task
	deal  *poco.Deal // nil: unknown
}

// look finds the task and its deal.
func (t *teller) look(state *poco.State) {
	if task, ok := state.Task(t.Task); ok {
		t.task = task
		t.Deal = task.Deal
	}
	if deal, ok := state.Deal(t.Deal); ok {
		t.deal = deal
		t.Numbers.Ratio = deal.SchedulerRewardRatio
	}
}

// expect notes whether something is as the rules have it.
func (t *teller) expect(holds bool) { t.Exact = t.Exact && holds }

// next is whether the next move is of a kind.
func (t *teller) next(kind move) bool { return len(t.moves) > 0 && t.moves[0].kind == kind }

// tell adds a line for the next move, if it is of the kind that the rules say, and returns
// it.
func (t *teller) tell(kind move, role Role, why Kind) *Line {
	if !t.next(kind) {
		t.expect(false)
		return &Line{}
	}
	m := t.moves[0]
	t.moves = t.moves[1:]
	line := Line{Account: m.Owner, Role: role, Kind: why, Amount: m.Amount, Event: m.Event}
	line.Stake, line.Locked = m.effect()
	t.Lines = append(t.Lines, line)
	return &t.Lines[len(t.Lines)-1]
}

// effect is what a move does to its owner's stake and to what it has locked.
func (m *Move) effect() (stake, locked Signed) {
	none := Signed{}
	switch m.kind {
	case lock:
		stake, locked = minus(m.Amount), plus(m.Amount)
	case unlock:
		stake, locked = plus(m.Amount), minus(m.Amount)
	case seize:
		return none, minus(m.Amount)
	case reward:
		stake = plus(m.Amount)
	}
	if m.Transfer == m.Event {
		stake = none // nothing was transferred
	}
	return stake, locked
}

// rest adds what the rules cannot explain.
func (t *teller) rest() {
	for len(t.moves) > 0 {
		t.expect(false)
		t.tell(t.moves[0].kind, "", "")
	}
}

// succeeded tells of finalize and contributeAndFinalize: successWork, then
// distributeRewards or distributeRewardsFast.
func (t *teller) succeeded(state *poco.State) {
	t.Price = t.tell(seize, Payer, PricePaid).Amount
	t.prices()
	t.poolStake()
	if t.next(seize) && t.moves[0].Owner == poco.KittyAddress {
		t.KittyDraw = t.tell(seize, TheKitty, KittyDraw).Amount
		t.expect(t.tell(reward, Workerpool, KittyDraw).Amount == t.KittyDraw)
	}
	if t.Call == ContributeAndFinalize {
		t.tell(reward, Worker, RewardShare)
	} else {
		t.contributors(state)
	}
	t.tell(reward, Workerpool, SchedulerRemainder)
	t.distribute()
}

// prices tells what the owners of app and dataset earned: the rewards before the pool's
// stake. A price of 0 is not paid out.
func (t *teller) prices() {
	app, dataset := true, true
	if t.deal != nil {
		app, dataset = !t.deal.App.Price.IsZero(), t.hasDataset()
		t.Numbers.App, t.Numbers.Workerpool = t.deal.App.Price, t.deal.Workerpool.Price
	}
	if app && t.next(reward) {
		t.expect(t.tell(reward, App, PriceEarned).Amount == t.Numbers.App)
	}
	if dataset && t.next(reward) {
		t.Numbers.Dataset = t.tell(reward, Dataset, PriceEarned).Amount
	}
	t.expect(t.deal != nil && (t.Numbers.Dataset == t.deal.Dataset.Price || !t.hasDataset()))
	t.expect(t.Price == sum(t.expect, t.Numbers.App, t.Numbers.Dataset, t.Numbers.Workerpool))
}

// hasDataset says whether the dataset's price is paid out.
func (t *teller) hasDataset() bool {
	return !t.deal.Dataset.Price.IsZero() && (t.deal.Boost || t.deal.Dataset.Pointer != poco.Address{})
}

// poolStake tells that the pool gets its stake back: 30 percent of its price, whatever its
// policy (FacetBase.WORKERPOOL_STAKE_RATIO).
func (t *teller) poolStake() {
	t.expect(t.tell(unlock, Workerpool, StakeReturned).Amount == percent(t.expect, t.Numbers.Workerpool, poolStakeRatio))
}

// contributors tells what each contributor got or lost, in the order of contribution.
func (t *teller) contributors(state *poco.State) {
	for _, worker := range t.task.Contributors {
		c, _ := state.Contribution(t.Task, worker)
		if c == nil || c.Status != poco.Proved {
			line := t.tell(seize, Worker, StakeSeized)
			t.expect(line.Account == worker && t.deal != nil && line.Amount == t.deal.WorkerStake)
			t.Numbers.Seized = sum(t.expect, t.Numbers.Seized, line.Amount)
			continue
		}
		line := t.tell(unlock, Worker, StakeReturned)
		t.expect(line.Account == worker && t.deal != nil && line.Amount == t.deal.WorkerStake)
		line = t.tell(reward, Worker, RewardShare)
		t.expect(line.Account == worker)
		line.Weight = c.Weight
		t.Numbers.Weights = sum(t.expect, t.Numbers.Weights, c.Weight)
	}
}

// distribute derives the numbers behind the shares, and compares the shares with them.
func (t *teller) distribute() {
	n := &t.Numbers
	n.Reward = sum(t.expect, n.Workerpool, n.Seized)
	n.WorkersReward = percent(t.expect, n.Reward, difference(t.expect, *hundred, n.Ratio))
	var shares poco.Amount
	for i := range t.Lines {
		line := &t.Lines[i]
		switch line.Kind {
		case RewardShare:
			t.expect(line.Amount == n.share(line.Weight))
			shares = sum(t.expect, shares, line.Amount)
		case SchedulerRemainder:
			n.Remainder = line.Amount
		}
	}
	n.Rounding = difference(t.expect, n.WorkersReward, shares)
	t.expect(n.Remainder == difference(t.expect, n.Reward, shares))
}

// share is a worker's part of the workers' reward. One that has it all has no weight.
func (n *Numbers) share(weight poco.Amount) (share poco.Amount) {
	if n.Weights.IsZero() {
		return n.WorkersReward
	}
	share.MulDivOverflow(&n.WorkersReward, &weight, &n.Weights) // no overflow: the weight is part of the weights
	return share
}

// failed tells of claim and claimBoost (failedWork): the payer and all contributors get
// back what they locked, the pool's stake goes to the kitty.
func (t *teller) failed() {
	t.Price = t.tell(unlock, Payer, PriceRefunded).Amount
	stake := t.tell(seize, Workerpool, StakeSeized).Amount
	t.fill(stake)
	t.expect(t.deal != nil && t.refundable(stake))
	for _, worker := range t.task.Contributors {
		line := t.tell(unlock, Worker, StakeReturned)
		t.expect(line.Account == worker && t.deal != nil && line.Amount == t.deal.WorkerStake)
	}
}

// fill tells that the kitty is rewarded the pool's stake and has it locked: one line for
// both, for whether it passes through the kitty's stake depends on the era.
func (t *teller) fill(stake poco.Amount) {
	if len(t.moves) < 2 || t.moves[0].kind != reward || t.moves[1].kind != lock ||
		t.moves[0].Owner != t.moves[1].Owner || t.moves[0].Amount != t.moves[1].Amount {
		t.expect(false)
		return
	}
	line := t.tell(reward, TheKitty, KittyFill)
	line.Stake, line.Locked = Signed{}, plus(line.Amount)
	t.moves = t.moves[1:]
	t.KittyFill = line.Amount
	t.expect(line.Amount == stake && line.Account == poco.KittyAddress)
}

// refundable compares what a failure refunds and seizes with the deal.
func (t *teller) refundable(stake poco.Amount) bool {
	price := sum(t.expect, t.deal.App.Price, t.deal.Workerpool.Price)
	if t.hasDataset() {
		price = sum(t.expect, price, t.deal.Dataset.Price)
	}
	return t.Price == price && stake == percent(t.expect, t.deal.Workerpool.Price, poolStakeRatio)
}

// pushed tells of pushResultBoost, which pays the worker first and rewards the pool what
// is left and what the kitty gives at once.
func (t *teller) pushed() {
	t.Price = t.tell(seize, Payer, PricePaid).Amount
	t.tell(reward, Worker, RewardShare)
	t.prices()
	t.poolStake()
	if t.next(seize) {
		t.KittyDraw = t.tell(seize, TheKitty, KittyDraw).Amount
	}
	line := t.tell(reward, Workerpool, SchedulerRemainder)
	if !t.KittyDraw.IsZero() && !line.Amount.Lt(&t.KittyDraw) {
		t.split(line)
	}
	t.distribute()
}

// split makes two lines of one reward: the remainder and what the kitty gave.
func (t *teller) split(line *Line) {
	given := *line
	given.Kind, given.Amount, given.Stake = KittyDraw, t.KittyDraw, plus(t.KittyDraw)
	line.Amount.Sub(&line.Amount, &t.KittyDraw)
	line.Stake = plus(line.Amount)
	t.Lines = append(t.Lines, given)
}
