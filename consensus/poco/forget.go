package poco

import "errors"

// ErrForgotten says that a state which has let go of its orders is asked about orders.
var ErrForgotten = errors.New("the state has forgotten its orders")

// Forget lets go of what has ended before the oldest mark that is held: of each such
// task its contributors, contributions, groups and results, and of each deal all of
// whose tasks have ended, deal and tasks. Decide still answers as the contracts do: they
// refuse a task that ended, and one that never was, without a reason. What is left of a
// Boost deal stays, since there the reasons differ.
//
// Whoever keeps rows of what ended reads them first. Nobody has to forget: a state that
// never does answers for all of history, and grows with it.
func (s *State) Forget() {
	for _, id := range s.journal.forget() {
		s.forgetTask(id)
	}
}

// forgetTask also counts in its deal, without the journal: that a final task is
// forgotten is never undone.
func (s *State) forgetTask(id Hash) {
	t := s.tasks.get(id)
	d := s.deals.get(t.Deal)
	if d == nil || d.Boost {
		return
	}
	for _, worker := range t.Contributors {
		contribution := contributionID{id, worker}
		if c := s.contributions.get(contribution); c != nil {
			s.groups.drop(groupID{id, c.ResultHash})
		}
		s.contributions.drop(contribution)
	}
	*t = task{Task: Task{Status: t.Status, Deal: t.Deal, Index: t.Index}, forgotten: true}
	s.tasks.soil(id, s.tasks.rows[id])
	s.deals.soil(t.Deal, s.deals.rows[t.Deal])
	if d.forgotten++; d.size.CmpUint64(d.forgotten) == 0 {
		s.forgetDeal(t.Deal, d)
	}
}

func (s *State) forgetDeal(id Hash, d *deal) {
	index := d.first
	for range d.forgotten {
		s.tasks.drop(TaskID(id, &index))
		index.AddUint64(&index, 1)
	}
	s.deals.drop(id)
}

// ForgetOrders lets go of all orders and keeps none from now on. How much of an order is
// used up counts for ever, as it does in the contracts' storage; without it a state grows
// with what lives alone. It folds as before, but believes a deal's body where its tasks
// begin, and Decide fails with ErrForgotten on commands that name orders: MatchOrders,
// its sisters, and ManageOrder. No Rollback brings the orders back.
func (s *State) ForgetOrders() {
	s.orderless = true
	s.orders.rows = map[Hash]*row[Order]{}
}

// aboutOrders says whether a command is about orders.
func aboutOrders(command Command) bool {
	switch command.(type) {
	case MatchOrders, SponsorMatchOrders, MatchOrdersBoost, SponsorMatchOrdersBoost, ManageOrder:
		return true
	default:
		return false
	}
}
