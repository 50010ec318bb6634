package poco

import "math"

// State is everything the rules need to know of one chain's PoCo, folded from its
// events. It is not safe for concurrent use. What its methods return by pointer must
// not be changed and is good until the next Evolve, Decide or Rollback; copy what is
// to be kept.
type State struct {
	rules   Rules
	journal journal

	accounts      table[Address, Account]
	allowances    table[allowanceID, Amount]
	deals         table[Hash, deal]
	tasks         table[Hash, task]
	contributions table[contributionID, Contribution]
	groups        table[groupID, Amount]
	categories    table[uint64, Category]
	resources     table[Address, Resource]
	orders        table[Hash, Order]
	totals        table[struct{}, totals]

	shelf     *shelf // nil: all is in memory
	orderless bool   // orders are not kept, see ForgetOrders

	// What the last event says about the next one, within a transaction.
	locked bool                  // it was Lock: a TaskContribute now is a contribution with a stake
	notice *SchedulerNoticeBoost // it was this: an OrdersMatched of its deal now is Boost
}

// deal is a Deal with the exact range of its task indices.
type deal struct {
	Deal
	first, size Amount
	forgotten   uint64 // how many of its tasks are
}

// task is a Task with what consensus needs.
type task struct {
	Task
	total     Amount // 1 + Σ groups
	forgotten bool   // what is left is that it ended
}

// totals are numbers that there is one of.
type totals struct {
	supply Amount
	boosts uint64 // how many deals are Boost
}

type allowanceID struct{ owner, spender Address }

type contributionID struct {
	task   Hash
	worker Address
}

type groupID struct{ task, result Hash }

// New returns the state of contracts that nothing has happened to yet.
func New(rules Rules) *State {
	s := &State{rules: rules, journal: journal{first: 1}}
	j := &s.journal
	s.accounts = newTable(j, accountRows, func(a Address) Key { return Key{Kind: KindAccount, Address: a} })
	s.allowances = newTable(j, allowanceRows, nil)
	s.deals = newTable(j, dealRows, func(h Hash) Key { return Key{Kind: KindDeal, Hash: h} })
	s.tasks = newTable(j, taskRows, func(h Hash) Key { return Key{Kind: KindTask, Hash: h} })
	s.contributions = newTable(j, contributionRows, func(id contributionID) Key {
		return Key{Kind: KindContribution, Hash: id.task, Address: id.worker}
	})
	s.groups = newTable(j, groupRows, nil)
	s.categories = newTable(j, categoryRows, func(n uint64) Key { return Key{Kind: KindCategory, Number: n} })
	s.resources = newTable(j, resourceRows, func(a Address) Key { return Key{Kind: KindResource, Address: a} })
	s.orders = newTable(j, orderRows, func(h Hash) Key { return Key{Kind: KindOrder, Hash: h} })
	s.totals = newTable(j, totalRows, nil)
	s.totals.make(struct{}{})
	return s
}

// Rules returns the rules the state folds by.
func (s *State) Rules() Rules { return s.rules }

// Mark holds the present moment, between two transactions, until Rollback or Release gives
// it up.
func (s *State) Mark() Mark {
	s.forgetLast()
	return s.journal.mark()
}

// Rollback returns to the moment of the mark and gives up the mark and all newer ones.
// The error is ErrMark where the mark is not held; then nothing changes.
func (s *State) Rollback(m Mark) error {
	s.forgetLast()
	return s.journal.rollback(m)
}

// Release gives up the mark and all older ones, and with them the memory that only they
// needed. The error is ErrMark where the mark is not held.
func (s *State) Release(m Mark) error { return s.journal.release(m) }

// Changed lists what events changed since the mark, each thing once, in order of first
// change; it may list a thing that was changed back. The error is ErrMark where the mark
// is not held.
func (s *State) Changed(since Mark) ([]Key, error) { return s.journal.changed(since) }

// forgetLast forgets the last event, as a transaction begins.
func (s *State) forgetLast() { s.locked, s.notice = false, nil }

// Deal returns a deal.
func (s *State) Deal(id Hash) (*Deal, bool) {
	if d := s.deals.get(id); d != nil {
		return &d.Deal, true
	}
	return nil, false
}

// Task returns a task that has been initialized. Of a task of a Boost deal only the
// status, the deal and the results are known, and these once it has ended; if it was
// claimed, only the status.
func (s *State) Task(id Hash) (*Task, bool) {
	if t := s.tasks.get(id); t != nil {
		return &t.Task, true
	}
	return nil, false
}

// Contribution returns what a worker contributed to a task.
func (s *State) Contribution(task Hash, worker Address) (*Contribution, bool) {
	c := s.contributions.get(contributionID{task, worker})
	return c, c != nil
}

// Account returns an account; one that was never heard of is all zero.
func (s *State) Account(address Address) Account {
	if a := s.accounts.get(address); a != nil {
		return *a
	}
	return Account{}
}

// Allowance returns how much of the owner's stake the spender may move.
func (s *State) Allowance(owner, spender Address) Amount {
	if a := s.allowances.get(allowanceID{owner, spender}); a != nil {
		return *a
	}
	return Amount{}
}

// Category returns a category.
func (s *State) Category(id uint64) (*Category, bool) {
	c := s.categories.get(id)
	return c, c != nil
}

// Categories returns how many categories there are; their ids count from 0.
func (s *State) Categories() uint64 { return uint64(len(s.categories.rows)) }

// Resource returns a registered app, dataset or workerpool.
func (s *State) Resource(address Address) (*Resource, bool) {
	r := s.resources.get(address)
	return r, r != nil
}

// Order returns what is known of an order; one never heard of is all zero.
func (s *State) Order(hash Hash) Order {
	if o := s.orders.get(hash); o != nil {
		return *o
	}
	return Order{}
}

// Consumed returns how much of an order's volume is used up.
func (s *State) Consumed(order Hash) Amount { return s.Order(order).Consumed }

// Supply returns the nRLC in the escrow: all that was deposited and not withdrawn.
func (s *State) Supply() Amount { return s.totals.get(struct{}{}).supply }

// Weight returns how much a contribution by the worker would count now.
func (s *State) Weight(worker Address) Amount {
	score := s.Account(worker).Score
	return Weight(&score)
}

// Consensus returns what stands behind a result of a task.
func (s *State) Consensus(task, result Hash) Consensus {
	var c Consensus
	if t := s.tasks.get(task); t != nil {
		c.Total = t.total
	}
	if group := s.groups.get(groupID{task, result}); group != nil {
		c.Group = *group
	}
	return c
}

// saturate turns a uint256 into a uint64; 2⁶⁴−1 stands for more.
func saturate(x *Amount) uint64 {
	if u, overflow := x.Uint64WithOverflow(); !overflow {
		return u
	}
	return math.MaxUint64
}
