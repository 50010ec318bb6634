package subgraph

import (
	"assay/consensus/poco"
	"assay/schema/assaypb"
)

// handler handles the events of one block, one after the other. The state is the one after
// the block; what has to be known as of an event is in the notes.
type handler struct {
	*Fold
	rows    *Rows
	block   *assaypb.Block
	message *assaypb.Event // the event's
	ended   ended

	txHash []byte // of the last transaction that has a row
	tx     string
	place  int // where in the block's transactions it is
}

func (h *handler) handle(event poco.Event) {
	switch e := event.(type) {
	case nil:
		h.other()
	case poco.Transfer:
		h.transfer(e)
	case poco.Reward:
		h.reward(e)
	case poco.Seize:
		h.seize(e)
	case poco.Lock:
		h.lock(e)
	case poco.Unlock:
		h.unlock(e)
	case poco.AccurateContribution:
		h.accurate(e)
	case poco.FaultyContribution:
		h.faulty(e)
	case poco.TaskInitialize:
		h.initialize(e)
	case poco.TaskContribute:
		h.contribute(e)
	case poco.TaskConsensus:
		h.consensus(e)
	case poco.TaskReveal:
		h.reveal(e)
	case poco.TaskReopen:
		h.reopen(e)
	case poco.TaskFinalize:
		h.finalize(e)
	case poco.TaskClaimed:
		h.claimed(e)
	case poco.ResultPushedBoost:
		h.pushed(e)
	default:
		h.handleMarket(event)
	}
}

// handleMarket is handle for what happens before tasks run.
func (h *handler) handleMarket(event poco.Event) {
	switch e := event.(type) {
	case poco.CreateCategory:
		h.createCategory(e)
	case poco.ResourceTransfer:
		h.resourceTransfer(e)
	case poco.PolicyUpdate:
		h.policyUpdate(e)
	case poco.SchedulerNotice:
		h.notice(e.Workerpool, e.Deal)
	case poco.SchedulerNoticeBoost:
		h.notice(e.Workerpool, e.Deal)
	case poco.OrdersMatched:
		h.ordersMatched(e)
	}
}

// other handles what means nothing to the rules.
func (h *handler) other() {
	if broadcast := h.message.GetBroadcastOrder(); broadcast != nil {
		h.broadcast(broadcast)
	}
}

// account returns the id of an account that an entity mentions, which has a row from then on.
func (h *handler) account(a poco.Address) string {
	if !h.accounts.Has(a) {
		h.accounts.Set(h.block.Number, a, accountNote{})
	}
	return address(a)
}

// touch is account for one whose stake changes; nobody (the zero address) has none.
func (h *handler) touch(a poco.Address) string {
	if a == (poco.Address{}) {
		return h.account(a)
	}
	h.accounts.Set(h.block.Number, a, h.accounts.Get(a))
	return address(a)
}

// count changes the totals of the market.
func (h *handler) count(edit func(*protocolNote)) {
	now := h.protocol.Get(struct{}{})
	edit(&now)
	h.protocol.Set(h.block.Number, struct{}{}, now)
}

func (h *handler) transfer(e poco.Transfer) {
	h.rows.Transfer = append(h.rows.Transfer, Transfer{
		ID: h.id(), Transaction: h.transaction(), Timestamp: h.block.Time,
		From: h.touch(e.From), To: h.touch(e.To), Value: e.Value.ToBig(),
	})
	if nobody := (poco.Address{}); e.From == nobody || e.To == nobody {
		h.count(func(*protocolNote) {}) // the supply changes
	}
}

func (h *handler) reward(e poco.Reward) {
	h.rows.Reward = append(h.rows.Reward, Reward{
		ID: h.id(), Transaction: h.transaction(), Timestamp: h.block.Time,
		Account: h.account(e.Owner), Value: e.Amount.ToBig(), Task: hash(e.Ref),
	})
}

func (h *handler) seize(e poco.Seize) {
	h.rows.Seize = append(h.rows.Seize, Seize{
		ID: h.id(), Transaction: h.transaction(), Timestamp: h.block.Time,
		Account: h.touch(e.Owner), Value: e.Amount.ToBig(), Task: hash(e.Ref),
	})
}

func (h *handler) lock(e poco.Lock) {
	h.rows.Lock = append(h.rows.Lock, Lock{
		ID: h.id(), Transaction: h.transaction(), Timestamp: h.block.Time, Account: h.touch(e.Owner), Value: e.Amount.ToBig(),
	})
}

func (h *handler) unlock(e poco.Unlock) {
	h.rows.Unlock = append(h.rows.Unlock, Unlock{
		ID: h.id(), Transaction: h.transaction(), Timestamp: h.block.Time, Account: h.touch(e.Owner), Value: e.Amount.ToBig(),
	})
}

// accurate follows the score from event to event (IexecPoco2Facet.distributeRewards: one
// point more): poco.State has but the one after the block.
func (h *handler) accurate(e poco.AccurateContribution) {
	score := h.accounts.Get(e.Worker).score + 1
	h.accounts.Set(h.block.Number, e.Worker, accountNote{score})
	h.rows.AccurateContribution = append(h.rows.AccurateContribution, AccurateContribution{
		ID: h.id(), Transaction: h.transaction(), Timestamp: h.block.Time, Account: address(e.Worker),
		Contribution: contributionID{e.Task, e.Worker}.String(), Score: counted(score),
	})
}

// faulty is accurate for a third less.
func (h *handler) faulty(e poco.FaultyContribution) {
	score := h.accounts.Get(e.Worker).score * 2 / 3
	h.accounts.Set(h.block.Number, e.Worker, accountNote{score})
	h.rows.FaultyContribution = append(h.rows.FaultyContribution, FaultyContribution{
		ID: h.id(), Transaction: h.transaction(), Timestamp: h.block.Time, Account: address(e.Worker),
		Contribution: contributionID{e.Task, e.Worker}.String(), Score: counted(score),
	})
}

func (h *handler) initialize(e poco.TaskInitialize) {
	h.tasks.Set(h.block.Number, e.Task, taskNote{timestamp: h.block.Time})
	h.rows.TaskInitialize = append(h.rows.TaskInitialize, TaskInitialize{
		ID: h.id(), Transaction: h.transaction(), Timestamp: h.block.Time, Task: hash(e.Task), Workerpool: address(e.Workerpool),
	})
}

// step dates a task.
func (h *handler) step(task poco.Hash) {
	now := h.tasks.Get(task)
	now.timestamp = h.block.Time
	h.tasks.Set(h.block.Number, task, now)
}

func (h *handler) contribute(e poco.TaskContribute) {
	h.step(e.Task)
	h.contributions.Set(h.block.Number, contributionID{e.Task, e.Worker}, contributionNote{h.block.Time, poco.Contributed})
	h.rows.TaskContribute = append(h.rows.TaskContribute, TaskContribute{
		ID: h.id(), Transaction: h.transaction(), Timestamp: h.block.Time, Task: hash(e.Task),
		Worker: h.account(e.Worker), Hash: hash(e.ResultHash),
	})
}

func (h *handler) consensus(e poco.TaskConsensus) {
	h.step(e.Task)
	h.rows.TaskConsensus = append(h.rows.TaskConsensus, TaskConsensus{
		ID: h.id(), Transaction: h.transaction(), Timestamp: h.block.Time, Task: hash(e.Task), Consensus: hash(e.Consensus),
	})
}

func (h *handler) reveal(e poco.TaskReveal) {
	h.step(e.Task)
	id := contributionID{e.Task, e.Worker}
	now := h.contributions.Get(id)
	now.status = poco.Proved
	h.contributions.Set(h.block.Number, id, now)
	h.rows.TaskReveal = append(h.rows.TaskReveal, TaskReveal{
		ID: h.id(), Transaction: h.transaction(), Timestamp: h.block.Time, Task: hash(e.Task),
		Worker: h.account(e.Worker), Digest: hash(e.Digest),
	})
}

// reopen rejects the winners, who did not reveal. The state knows which these were.
func (h *handler) reopen(e poco.TaskReopen) {
	h.step(e.Task)
	h.reject(e.Task, func(worker poco.Address) bool {
		c, ok := h.state.Contribution(e.Task, worker)
		return ok && c.Status == poco.Rejected
	})
	h.rows.TaskReopen = append(h.rows.TaskReopen, TaskReopen{
		ID: h.id(), Transaction: h.transaction(), Timestamp: h.block.Time, Task: hash(e.Task),
	})
}

// reject changes the contributions of a task that lost.
func (h *handler) reject(task poco.Hash, lost func(worker poco.Address) bool) {
	t, ok := h.state.Task(task)
	if !ok {
		return
	}
	for _, worker := range t.Contributors {
		id := contributionID{task, worker}
		now := h.contributions.Get(id)
		if now.status != poco.Contributed || !lost(worker) {
			continue
		}
		now.status = poco.Rejected
		h.contributions.Set(h.block.Number, id, now)
	}
}

// finalize also rejects what was not proved: distributeRewards seizes it all alike, though
// the contracts keep the status as it was.
func (h *handler) finalize(e poco.TaskFinalize) {
	h.step(e.Task)
	h.reject(e.Task, func(poco.Address) bool { return true })
	if t, ok := h.state.Task(e.Task); ok {
		h.completed(e.Task, t.Deal)
	}
	h.finalized(e.Task, e.Results)
}

func (h *handler) finalized(task poco.Hash, results []byte) {
	h.rows.TaskFinalize = append(h.rows.TaskFinalize, TaskFinalize{
		ID: h.id(), Transaction: h.transaction(), Timestamp: h.block.Time, Task: hash(task), Results: data(results),
	})
}

// completed counts a task that ended well.
func (h *handler) completed(task, deal poco.Hash) {
	now := h.deals.Get(deal)
	now.completed++
	h.deals.Set(h.block.Number, deal, now)
	h.count(func(n *protocolNote) { n.completed++ })
	h.end(task, deal)
}

// end notes what will never change again.
func (h *handler) end(task, deal poco.Hash) {
	h.ended.tasks = append(h.ended.tasks, task)
	if t, ok := h.state.Task(task); ok {
		for _, worker := range t.Contributors {
			h.ended.contributions = append(h.ended.contributions, contributionID{task, worker})
		}
	}
	now := h.deals.Get(deal)
	if d, ok := h.state.Deal(deal); ok && now.completed+now.claimed == d.BotSize {
		h.ended.deals = append(h.ended.deals, deal)
	}
}

func (h *handler) claimed(e poco.TaskClaimed) {
	deal, known := h.dealOf(e.Task)
	if !known {
		return // of a Boost deal that no event made
	}
	h.step(e.Task)
	now := h.deals.Get(deal)
	now.claimed++
	h.deals.Set(h.block.Number, deal, now)
	h.count(func(n *protocolNote) { n.claimed++ })
	h.end(e.Task, deal)
	h.rows.TaskClaimed = append(h.rows.TaskClaimed, TaskClaimed{
		ID: h.id(), Transaction: h.transaction(), Timestamp: h.block.Time, Task: hash(e.Task),
	})
}

// pushed completes a task of a Boost deal, which no event has initialized.
func (h *handler) pushed(e poco.ResultPushedBoost) {
	task := poco.TaskID(e.Deal, &e.Index)
	h.step(task)
	h.completed(task, e.Deal)
	h.finalized(task, e.Results)
}

// dealOf returns the deal of a task. A task of a Boost deal that is claimed is named by its
// id alone: then its deal is one of those that have tasks left.
func (h *handler) dealOf(task poco.Hash) (deal poco.Hash, known bool) {
	if t, ok := h.state.Task(task); ok && t.Deal != (poco.Hash{}) {
		return t.Deal, true
	}
	for id, n := range h.deals.All() {
		d, ok := h.state.Deal(id)
		if !n.boost || !ok {
			continue
		}
		for index := range min(d.BotSize, mostBoosts) {
			if poco.TaskID(id, new(poco.Amount).SetUint64(index)) == task {
				h.tasks.Set(h.block.Number, task, taskNote{deal: id, index: index})
				return id, true
			}
		}
	}
	return deal, false
}

// mostBoosts is how many tasks a Boost deal can have (IexecLibCore_v5.DealBoost: uint16).
const mostBoosts = 1 << 16
