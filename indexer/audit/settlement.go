package audit

import (
	"fmt"

	"github.com/holiman/uint256"

	"assay/consensus/poco"
)

// payment is one Reward or Seize, as payouts should hold it.
type payment struct {
	event   int // position in the block
	seize   bool
	account poco.Address
	amount  poco.Amount
	task    poco.Hash
	role    string
	deal    poco.Hash
	pool    poco.Address
}

func (p payment) String() string {
	if p.seize {
		return fmt.Sprintf("Seize of %s from %s", p.amount.Dec(), p.account)
	}
	return fmt.Sprintf("Reward of %s to %s", p.amount.Dec(), p.account)
}

// settlement collects the payments of a block and explains them task by task, when the
// event comes that ends the task. PoCo pays for a task once, in the transaction that ends
// it, and by a fixed plan (IexecPoco2Facet: successWork and distributeRewards, or
// failedWork).
type settlement struct {
	book     *book
	block    canonical
	payments []payment
	byTask   map[poco.Hash][]int // positions in payments, until the task has ended
}

// pay takes an event of the block that has been folded.
func (s *settlement) pay(i int, event poco.Event) {
	switch e := event.(type) {
	case poco.Reward:
		s.add(payment{event: i, account: e.Owner, amount: e.Amount, task: e.Ref})
	case poco.Seize:
		s.add(payment{event: i, seize: true, account: e.Owner, amount: e.Amount, task: e.Ref})
	case poco.TaskFinalize:
		s.finalized(i, e.Task)
	case poco.TaskClaimed:
		s.claimed(i, e.Task)
	case poco.ResultPushedBoost:
		s.end(i, poco.TaskID(e.Deal, &e.Index), nil)
	}
}

func (s *settlement) add(p payment) {
	s.byTask[p.task] = append(s.byTask[p.task], len(s.payments))
	s.payments = append(s.payments, p)
}

// step is a payment that the plan foresees.
type step struct {
	seize bool
	who   poco.Address
	role  string
}

// finalized explains the payments for a completed task:
//
//	Seize the payer; Reward the app's owner and the dataset's, if they have a price;
//	if the kitty was not empty, Seize it and Reward the pool's owner;
//	of each contributor, in order, Reward who proved its result and Seize who did not;
//	Reward the pool's owner what is left.
func (s *settlement) finalized(i int, id poco.Hash) {
	task, _ := s.book.state.Task(id)
	deal, ok := s.book.state.Deal(task.Deal)
	if !ok {
		return
	}
	payer := deal.Sponsor
	if payer == (poco.Address{}) {
		payer = deal.Requester // before PoCo 5.5 nobody else could be
	}
	plan := []step{{true, payer, "PAYER"}}
	if !deal.App.Price.IsZero() {
		plan = append(plan, step{false, deal.App.Owner, "APP"})
	}
	if deal.Dataset.Pointer != (poco.Address{}) && !deal.Dataset.Price.IsZero() {
		plan = append(plan, step{false, deal.Dataset.Owner, "DATASET"})
	}
	owner := deal.Workerpool.Owner
	if s.kittyAt(id, len(plan)) {
		plan = append(plan, step{true, poco.KittyAddress, "KITTY"}, step{false, owner, "WORKERPOOL"})
	}
	for _, worker := range task.Contributors {
		c, _ := s.book.state.Contribution(id, worker)
		plan = append(plan, step{c.Status != poco.Proved, worker, "WORKER"})
	}
	s.end(i, id, append(plan, step{false, owner, "WORKERPOOL"}))
}

// kittyAt says whether the payment at a place of the plan is taken from the kitty.
func (s *settlement) kittyAt(id poco.Hash, place int) bool {
	paid := s.byTask[id]
	return place < len(paid) && s.payments[paid[place]].seize && s.payments[paid[place]].account == poco.KittyAddress
}

// claimed explains the payments for a failed task: the pool owner's stake fills the kitty.
func (s *settlement) claimed(i int, id poco.Hash) {
	plan := []step{{true, poco.Address{}, "WORKERPOOL"}, {false, poco.KittyAddress, "KITTY"}}
	if _, deal := s.book.dealOf(id); deal != nil {
		plan[0].who = deal.Workerpool.Owner
	} else if paid := s.byTask[id]; len(paid) > 0 {
		plan[0].who = s.payments[paid[0]].account // a Boost deal, of which the event does not tell
	}
	s.end(i, id, plan)
}

// end closes a task at event i: its payments must follow the plan, if there is one, and
// what was seized must be what was rewarded.
func (s *settlement) end(i int, id poco.Hash, plan []step) {
	paid := s.byTask[id]
	delete(s.byTask, id)
	s.book.report.Compared.Log.Settlements++
	s.conserve(i, id, paid)
	dealID, deal := s.book.dealOf(id)
	for n, position := range paid {
		p := &s.payments[position]
		p.deal = dealID
		if deal != nil {
			p.pool = deal.Workerpool.Pointer
		}
		if n < len(plan) {
			p.role = plan[n].role
		}
	}
	if plan == nil {
		return
	}
	for n := range max(len(plan), len(paid)) {
		if !s.fits(i, id, plan, paid, n) {
			return // the later ones are shifted
		}
	}
}

// fits compares the n-th payment with the plan.
func (s *settlement) fits(i int, id poco.Hash, plan []step, paid []int, n int) bool {
	expected, found, event := "no more payments", "no more payments", i
	if n < len(plan) {
		expected = fmt.Sprintf("Reward to %s (%s)", plan[n].who, plan[n].role)
		if plan[n].seize {
			expected = fmt.Sprintf("Seize from %s (%s)", plan[n].who, plan[n].role)
		}
	}
	if n < len(paid) {
		p := s.payments[paid[n]]
		found, event = p.String(), p.event
		if n < len(plan) && p.seize == plan[n].seize && p.account == plan[n].who {
			return true
		}
	}
	s.fault(event, id, fmt.Sprintf("payment %d", n+1), expected, found)
	return false
}

// conserve compares what was seized for a task with what was rewarded.
func (s *settlement) conserve(i int, id poco.Hash, paid []int) {
	var seized, rewarded uint256.Int
	for _, position := range paid {
		p := &s.payments[position]
		total := &rewarded
		if p.seize {
			total = &seized
		}
		if _, overflow := total.AddOverflow(total, &p.amount); overflow {
			s.fault(i, id, "amounts", "sums of 256 bits", "more")
			return
		}
	}
	if !seized.Eq(&rewarded) {
		s.fault(i, id, "amounts", fmt.Sprintf("rewards of %s nRLC, as was seized", seized.Dec()), rewarded.Dec())
	}
}

func (s *settlement) fault(event int, id poco.Hash, field, expected, found string) {
	s.book.report.add(Difference{In: inLog, Kind: "settlement of task", ID: hexOf(id[:]), Field: field,
		Expected: expected, Found: found, Cause: causeOf(s.block.Block, event)})
}

// close adds the payments up by account and returns them. Of a task that has not ended in
// the block there is no telling in what role: its Seizes count as seized.
func (s *settlement) close() []payment {
	for i := range s.payments {
		p := &s.payments[i]
		if p.deal == (poco.Hash{}) { // it has not ended
			id, deal := s.book.dealOf(p.task)
			if p.deal = id; deal != nil {
				p.pool = deal.Workerpool.Pointer
			}
		}
		a := s.book.accounts[p.account]
		if !p.seize || a == nil {
			continue
		}
		total := &a.seized
		if p.role == "PAYER" {
			total = &a.spent
		}
		total.Add(total, &p.amount)
		a.cause[ofSeized] = at(s.block.offset, p.event)
	}
	return s.payments
}

// checkPairs looks for the events that IexecEscrow emits in pairs:
//
//	_lock    Transfer to the hub, Lock          _unlock  Transfer from the hub, Unlock
//	_reward  Transfer from the hub, Reward
//
// A Transfer from the hub comes from nowhere else, nor does a Lock or an Unlock; but the
// kitty is filled by Reward and Lock alone from PoCo 5.5.1 on.
func (b *book) checkPairs(block canonical, events []poco.Event) {
	for i, event := range events {
		before, after := neighbour(block, events, i, -1), neighbour(block, events, i, 1)
		var expected string
		switch e := event.(type) {
		case poco.Transfer:
			if e.From == b.hub && e.To != b.hub && after != poco.Event(poco.Unlock{Owner: e.To, Amount: e.Value}) && !rewards(after, e.To, e.Value) {
				expected = fmt.Sprintf("an Unlock or a Reward of %s to %s after it", e.Value.Dec(), e.To)
			}
		case poco.Lock:
			if before != poco.Event(poco.Transfer{From: e.Owner, To: b.hub, Value: e.Amount}) && !(e.Owner == poco.KittyAddress && rewards(before, e.Owner, e.Amount)) {
				expected = fmt.Sprintf("a Transfer of %s from %s before it", e.Amount.Dec(), e.Owner)
			}
		case poco.Unlock:
			if before != poco.Event(poco.Transfer{From: b.hub, To: e.Owner, Value: e.Amount}) {
				expected = fmt.Sprintf("a Transfer of %s to %s before it", e.Amount.Dec(), e.Owner)
			}
		case poco.Reward:
			if before != poco.Event(poco.Transfer{From: b.hub, To: e.Owner, Value: e.Amount}) &&
				!(e.Owner == poco.KittyAddress && after == poco.Event(poco.Lock{Owner: e.Owner, Amount: e.Amount})) {
				expected = fmt.Sprintf("a Transfer of %s to %s before it", e.Amount.Dec(), e.Owner)
			}
		}
		if expected != "" {
			b.fault(block, i, expected, fmt.Sprintf("%s between %s and %s", nameOf(event), named(before), named(after)))
		}
	}
}

// neighbour is the event beside another in the same transaction, nil for none.
func neighbour(block canonical, events []poco.Event, i, step int) poco.Event {
	j := i + step
	if j < 0 || j >= len(events) || string(block.Events[j].TxHash) != string(block.Events[i].TxHash) {
		return nil
	}
	switch events[j].(type) {
	case poco.Transfer, poco.Lock, poco.Unlock, poco.Reward: // comparable
		return events[j]
	}
	return nil
}

func rewards(event poco.Event, owner poco.Address, amount poco.Amount) bool {
	reward, ok := event.(poco.Reward)
	return ok && reward.Owner == owner && reward.Amount == amount
}

func named(event poco.Event) string {
	if event == nil {
		return "none of them"
	}
	return nameOf(event)
}
