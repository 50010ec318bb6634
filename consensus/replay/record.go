package replay

import (
	"errors"
	"math/big"

	"assay/consensus/poco"
)

// ErrSettlement says that the rewards and seizures of a task are not those of a task
// that ended as it did: the log is not one of the contracts.
var ErrSettlement = errors.New("its rewards and seizures do not fit how it ended")

// recorded reads who got and lost what from the events of a task that ended, in their
// order. Only the order tells, because one account can be worker, scheduler and owner of
// the app at once.
func recorded(f *facts, v *verdict, money []poco.Event) (settlement, error) {
	s := newSettlement(len(f.contributions))
	r := &cursor{events: money}
	switch v.outcome {
	case Open:
	case Completed:
		r.success(f, v, &s)
	default:
		s.poolLost = r.seized()
		r.rewarded() // the same, to the kitty
	}
	if r.err == nil && len(r.events) > 0 {
		r.err = ErrSettlement
	}
	return s, r.err
}

// cursor reads events one after the other, and keeps the first error.
type cursor struct {
	events []poco.Event
	err    error
}

func (r *cursor) success(f *facts, v *verdict, s *settlement) {
	s.paid = r.seized()
	if !f.deal.App.Price.IsZero() {
		s.resources.Add(s.resources, r.rewarded())
	}
	if !f.deal.Dataset.Price.IsZero() && f.deal.Dataset.Pointer != (poco.Address{}) {
		s.resources.Add(s.resources, r.rewarded())
	}
	if r.fromKitty() {
		s.kitty = r.seized()
		r.rewarded() // the same, to the scheduler
	}
	for i, fate := range v.fates {
		if fate == Paid {
			s.earned[i] = r.rewarded()
		} else {
			s.lost[i] = r.seized()
		}
	}
	s.pool = r.rewarded()
}

func (r *cursor) fromKitty() bool {
	if len(r.events) == 0 {
		return false
	}
	seize, ok := r.events[0].(poco.Seize)
	return ok && seize.Owner == poco.KittyAddress
}

func (r *cursor) seized() *big.Int {
	if e, ok := next[poco.Seize](r); ok {
		return e.Amount.ToBig()
	}
	return new(big.Int)
}

func (r *cursor) rewarded() *big.Int {
	if e, ok := next[poco.Reward](r); ok {
		return e.Amount.ToBig()
	}
	return new(big.Int)
}

// next takes the next event, which must be of one kind.
func next[E poco.Event](r *cursor) (event E, ok bool) {
	if len(r.events) > 0 {
		event, ok = r.events[0].(E)
	}
	if !ok {
		r.err = ErrSettlement
		return event, false
	}
	r.events = r.events[1:]
	return event, true
}
