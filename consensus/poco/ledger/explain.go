package ledger

import (
	"github.com/holiman/uint256"

	"assay/consensus/poco"
)

// poolStakeRatio is the percentage of its price that a workerpool stakes per task, whatever
// its policy (FacetBase.WORKERPOOL_STAKE_RATIO).
const poolStakeRatio = 30

var hundred = uint256.NewInt(100)

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
	t.people()
	return t.Settlement
}

// teller tells of the moves of a call, one after the other.
type teller struct {
	Settlement
	moves []Move
	task  *poco.Task
	deal  *poco.Deal // nil: unknown, or without its body
}

// look finds the task and its deal.
func (t *teller) look(state *poco.State) {
	if task, ok := state.Task(t.Task); ok {
		t.task = task
		t.Deal = task.Deal
	}
	if deal, ok := state.Deal(t.Deal); ok && deal.Workerpool.Owner != (poco.Address{}) {
		t.deal = deal
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
	switch m.kind {
	case lock:
		return minus(m.Amount), plus(m.Amount)
	case unlock:
		return plus(m.Amount), minus(m.Amount)
	case seize:
		return Signed{}, minus(m.Amount)
	default: // reward
		return plus(m.Amount), Signed{}
	}
}

// rest adds what the rules cannot explain.
func (t *teller) rest() {
	for len(t.moves) > 0 {
		t.expect(false)
		t.tell(t.moves[0].kind, "", "")
	}
}

// people compares the accounts of the lines with those that the deal froze. Workers are
// compared one by one, with their contributions.
func (t *teller) people() {
	if t.deal == nil {
		return
	}
	for _, line := range t.Lines {
		switch line.Role {
		case Payer: // PoCo before 5.5, and Boost when a result is pushed, charge the requester whoever sponsors
			t.expect(line.Account == t.deal.Sponsor || line.Account == t.deal.Requester)
		case App:
			t.expect(line.Account == t.deal.App.Owner)
		case Dataset:
			t.expect(line.Account == t.deal.Dataset.Owner)
		case Workerpool:
			t.expect(line.Account == t.deal.Workerpool.Owner)
		case TheKitty:
			t.expect(line.Account == poco.KittyAddress)
		}
	}
}

// succeeded tells of finalize and contributeAndFinalize: successWork, then
// distributeRewards or distributeRewardsFast.
func (t *teller) succeeded(state *poco.State) {
	t.Price = t.tell(seize, Payer, PricePaid).Amount
	t.prices()
	t.expect(t.tell(unlock, Workerpool, StakeReturned).Amount == t.poolStake())
	if t.next(seize) && t.moves[0].Owner == poco.KittyAddress {
		t.KittyDraw = t.tell(seize, TheKitty, KittyDraw).Amount
		t.expect(t.tell(reward, Workerpool, KittyDraw).Amount == t.KittyDraw)
	}
	if t.Call == ContributeAndFinalize {
		line := t.tell(reward, Worker, RewardShare)
		t.expect(len(t.task.Contributors) == 1 && line.Account == t.task.Contributors[0])
	} else {
		t.contributors(state)
	}
	t.tell(reward, Workerpool, SchedulerRemainder)
	t.distribute()
}

// prices tells what the owners of app and dataset earned.
func (t *teller) prices() {
	price := t.price()
	t.expect(t.deal != nil && t.Price == price)
	for _, role := range t.owners() {
		line := t.tell(reward, role, PriceEarned)
		t.expect(role != App || line.Amount == t.Numbers.App)
		t.expect(role != Dataset || line.Amount == t.Numbers.Dataset)
	}
}

// owners are those that are paid a price, which is told by the deal: none is paid 0. Of a
// deal without body the number of rewards before the pool's stake tells, if it is not one.
func (t *teller) owners() (owners []Role) {
	if t.deal == nil {
		rewards := 0
		for rewards < len(t.moves) && t.moves[rewards].kind == reward {
			rewards++
		}
		return [][]Role{{}, {""}, {App, Dataset}}[min(rewards, 2)]
	}
	if !t.deal.App.Price.IsZero() {
		owners = append(owners, App)
	}
	if t.hasDataset() {
		owners = append(owners, Dataset)
	}
	return owners
}

func (t *teller) hasDataset() bool {
	return !t.deal.Dataset.Price.IsZero() && t.deal.Dataset.Pointer != poco.Address{}
}

// price notes the parts of the deal's price and returns their sum.
func (t *teller) price() poco.Amount {
	if t.deal == nil {
		return poco.Amount{}
	}
	n := &t.Numbers
	n.App, n.Workerpool = t.deal.App.Price, t.deal.Workerpool.Price
	if t.hasDataset() {
		n.Dataset = t.deal.Dataset.Price
	}
	return t.sum(t.sum(n.App, n.Dataset), n.Workerpool)
}

// poolStake is what the pool staked for the task.
func (t *teller) poolStake() poco.Amount {
	return t.percent(t.Numbers.Workerpool, *uint256.NewInt(poolStakeRatio))
}

// workerStake compares a worker's stake with the deal.
func (t *teller) workerStake(line *Line, worker poco.Address) {
	t.expect(line.Account == worker && t.deal != nil && line.Amount == t.deal.WorkerStake)
}

// contributors tells what each contributor got or lost, in the order of contribution.
func (t *teller) contributors(state *poco.State) {
	n := &t.Numbers
	for _, worker := range t.task.Contributors {
		c, known := state.Contribution(t.Task, worker)
		if !known || c.Status != poco.Proved {
			line := t.tell(seize, Worker, StakeSeized)
			t.workerStake(line, worker)
			n.Seized = t.sum(n.Seized, line.Amount)
			continue
		}
		t.workerStake(t.tell(unlock, Worker, StakeReturned), worker)
		line := t.tell(reward, Worker, RewardShare)
		t.expect(line.Account == worker)
		line.Weight = c.Weight
		n.Weights = t.sum(n.Weights, c.Weight)
	}
}

// distribute derives the numbers behind the shares, and compares the shares with them.
func (t *teller) distribute() {
	if t.deal == nil {
		return
	}
	n := &t.Numbers
	n.Ratio = t.deal.SchedulerRewardRatio
	n.Reward = t.sum(n.Workerpool, n.Seized)
	n.WorkersReward = t.percent(n.Reward, t.difference(*hundred, n.Ratio))
	var shares poco.Amount
	for _, line := range t.Lines {
		switch line.Kind {
		case RewardShare:
			t.expect(line.Amount == n.share(line.Weight))
			shares = t.sum(shares, line.Amount)
		case SchedulerRemainder:
			n.Remainder = line.Amount
		}
	}
	n.Rounding = t.difference(n.WorkersReward, shares)
	t.expect(n.Remainder == t.difference(n.Reward, shares))
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
	t.expect(t.deal != nil && t.Price == t.price())
	t.expect(stake == t.poolStake())
	for _, worker := range t.task.Contributors {
		t.workerStake(t.tell(unlock, Worker, StakeReturned), worker)
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
	t.expect(line.Amount == stake)
}

// pushed tells of pushResultBoost, which pays the worker first and rewards the pool what
// is left and what the kitty gives at once.
func (t *teller) pushed() {
	t.Price = t.tell(seize, Payer, PricePaid).Amount
	t.tell(reward, Worker, RewardShare)
	t.prices()
	t.expect(t.tell(unlock, Workerpool, StakeReturned).Amount == t.poolStake())
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

// The rules' arithmetic, as package poco checks it. What does not fit cannot have come
// from the contracts, and counts as 0.

func (t *teller) sum(x, y poco.Amount) (sum poco.Amount) {
	_, overflow := sum.AddOverflow(&x, &y)
	return t.fitting(sum, overflow)
}

func (t *teller) difference(x, y poco.Amount) (difference poco.Amount) {
	_, overflow := difference.SubOverflow(&x, &y)
	return t.fitting(difference, overflow)
}

// percent is x·ratio/100, rounded down.
func (t *teller) percent(x, ratio poco.Amount) (part poco.Amount) {
	_, overflow := part.MulOverflow(&x, &ratio)
	return t.fitting(*part.Div(&part, hundred), overflow)
}

func (t *teller) fitting(result poco.Amount, overflow bool) poco.Amount {
	if overflow {
		t.expect(false)
		return poco.Amount{}
	}
	return result
}
