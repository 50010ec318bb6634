package poco

import (
	"errors"
	"fmt"
	"math"
)

// Reasons why an event cannot have come from the contracts after the events before it:
// one of them is missing, was changed or came twice.
var (
	ErrUnknown   = errors.New("it names something no event has made")
	ErrDuplicate = errors.New("it makes something that exists")
	ErrStatus    = errors.New("its task or contribution is not in the state for it")
	ErrMoney     = errors.New("it takes more nRLC than there is")
	ErrMismatch  = errors.New("it contradicts an earlier event")
	ErrAttached  = errors.New("it lacks what has to be attached to it")
	ErrNotEvent  = errors.New("it is no event of the protocol")
)

// EventError says which event broke an invariant. Nothing of the event was folded.
// Err is one of the errors above, or ErrOverflow.
type EventError struct {
	At    Block
	Event Event
	Err   error
}

func (e *EventError) Error() string {
	return fmt.Sprintf("folding %T at block %d: %v", e.Event, e.At.Number, e.Err)
}

// Unwrap returns Err.
func (e *EventError) Unwrap() error { return e.Err }

// Evolve folds an event that happened, in the order of the chain. On an error, which is
// an *EventError, nothing that can be seen of the state has changed.
func (s *State) Evolve(at Block, event Event) error {
	locked, notice := s.locked, s.notice
	s.forgetLast()
	if err := s.apply(at, event, locked, notice); err != nil {
		return &EventError{At: at, Event: event, Err: err}
	}
	return nil
}

// apply is Evolve. After Lock, locked is true; after SchedulerNoticeBoost, notice is
// that. Money first: it is most of what happens.
func (s *State) apply(at Block, event Event, locked bool, notice *SchedulerNoticeBoost) error {
	switch e := event.(type) {
	case Transfer:
		return s.transfer(&e)
	case Lock:
		s.locked = true
		return s.lock(e.Owner, &e.Amount)
	case Unlock:
		return s.unlock(e.Owner, &e.Amount)
	case Seize:
		return s.unlock(e.Owner, &e.Amount)
	case Reward:
		return nil // the Transfer or Lock beside it moves the money
	case Approval:
		*s.allowances.make(allowanceID{e.Owner, e.Spender}) = e.Value
		return nil
	case TaskInitialize:
		return s.initialize(&e)
	case TaskContribute:
		return s.contribute(s.rules.era(at.Number), &e, locked)
	case TaskConsensus:
		return s.agree(at, &e)
	case TaskReveal:
		return s.reveal(&e)
	case TaskReopen:
		return s.reopen(&e)
	case TaskFinalize:
		return s.finalize(&e)
	case TaskClaimed:
		return s.claim(&e)
	case AccurateContribution:
		return s.praise(e.Worker)
	case FaultyContribution:
		return s.punish(e.Worker)
	default:
		return s.applyMarket(event, notice)
	}
}

// applyMarket is apply for what happens before tasks run, and for Boost.
func (s *State) applyMarket(event Event, notice *SchedulerNoticeBoost) error {
	switch e := event.(type) {
	case OrdersMatched:
		return s.match(&e, notice)
	case SchedulerNotice:
		return nil
	case SchedulerNoticeBoost:
		s.notice = &e
		return nil
	case DealSponsored:
		return s.known(e.Deal)
	case DealSponsoredBoost:
		return s.known(e.Deal)
	case ResultPushedBoost:
		return s.push(&e)
	case OrderSigned:
		s.order(e.Hash).Signer = e.Signer
		return nil
	case OrderClosed:
		return s.close(&e)
	case CreateCategory:
		return s.createCategory(&e)
	case ResourceTransfer:
		return s.transferResource(&e)
	case PolicyUpdate:
		return s.changePolicy(&e)
	default:
		return ErrNotEvent
	}
}

// transfer moves stake: IexecEscrow._transfer, and mint and burn.
func (s *State) transfer(e *Transfer) error {
	var zero Address
	switch {
	case e.From == zero:
		return s.mint(e.To, &e.Value)
	case e.To == zero:
		return s.burn(e.From, &e.Value)
	}
	return s.move(e)
}

func (s *State) move(e *Transfer) error {
	sender := s.payer(e.From, &e.Value)
	if sender == nil || sender.Stake.Lt(&e.Value) {
		return ErrMoney
	}
	sender.Stake.Sub(&sender.Stake, &e.Value)
	receiver := s.accounts.make(e.To)
	receiver.Stake.Add(&receiver.Stake, &e.Value) // no overflow: stakes add up to the supply
	return nil
}

// payer returns an account that is to pay, nil if it was never heard of and so cannot.
func (s *State) payer(owner Address, value *Amount) *Account {
	if account := s.accounts.edit(owner); account != nil || !value.IsZero() {
		return account
	}
	return s.accounts.make(owner)
}

func (s *State) mint(to Address, value *Amount) error {
	totals := s.totals.edit(struct{}{})
	var supply Amount
	if _, overflow := supply.AddOverflow(&totals.supply, value); overflow {
		return ErrOverflow
	}
	totals.supply = supply
	account := s.accounts.make(to)
	account.Stake.Add(&account.Stake, value)
	return nil
}

func (s *State) burn(from Address, value *Amount) error {
	account := s.payer(from, value)
	if account == nil || account.Stake.Lt(value) {
		return ErrMoney
	}
	account.Stake.Sub(&account.Stake, value)
	totals := s.totals.edit(struct{}{})
	totals.supply.Sub(&totals.supply, value)
	return nil
}

func (s *State) lock(owner Address, value *Amount) error {
	account := s.accounts.make(owner)
	var locked Amount
	if _, overflow := locked.AddOverflow(&account.Locked, value); overflow {
		return ErrOverflow
	}
	account.Locked = locked
	return nil
}

// unlock also serves Seize: where the money goes is told by the Transfers.
func (s *State) unlock(owner Address, value *Amount) error {
	account := s.payer(owner, value)
	if account == nil || account.Locked.Lt(value) {
		return ErrMoney
	}
	account.Locked.Sub(&account.Locked, value)
	return nil
}

// praise is score policy 2: one point for a result that was right.
func (s *State) praise(worker Address) error {
	account := s.accounts.make(worker)
	account.Score.AddUint64(&account.Score, 1)
	return nil
}

// punish is score policy 3: a third off, and the fraction, for one that was not.
func (s *State) punish(worker Address) error {
	account := s.accounts.make(worker)
	account.Score.MulDivOverflow(&account.Score, two, three)
	return nil
}

func (s *State) known(deal Hash) error {
	if s.deals.get(deal) == nil {
		return ErrUnknown
	}
	return nil
}

// match makes a deal and consumes the orders it comes from.
func (s *State) match(e *OrdersMatched, notice *SchedulerNoticeBoost) error {
	body, err := dealBody(e, notice)
	if err != nil {
		return err
	}
	if s.deals.get(e.Deal) != nil {
		return ErrDuplicate
	}
	first, known := s.firstIndex(e)
	if known && e.Deal != DealID(e.RequestHash, &first) {
		return ErrMismatch
	}
	if err := s.consume(e); err != nil {
		return err
	}
	d := s.deals.make(e.Deal)
	d.Deal, d.first, d.size = body, first, e.Volume
	d.BotFirst, d.BotSize = saturate(&d.first), saturate(&d.size)
	if d.Boost {
		s.totals.edit(struct{}{}).boosts++
	}
	return nil
}

// firstIndex is where a deal's tasks begin: at what was consumed of the request before.
// Where orders are not kept the body tells, if there is one and it fits.
func (s *State) firstIndex(e *OrdersMatched) (first Amount, known bool) {
	if !s.orderless {
		return s.Consumed(e.RequestHash), true
	}
	if e.Body != nil {
		first.SetUint64(e.Body.BotFirst)
	}
	return first, e.Body != nil && e.Body.BotFirst < math.MaxUint64
}

// consume uses up so much of the orders that a deal comes from, or of none.
func (s *State) consume(e *OrdersMatched) error {
	orders := [...]Hash{e.AppHash, e.DatasetHash, e.WorkerpoolHash, e.RequestHash}
	for _, hash := range orders {
		consumed := s.Consumed(hash)
		if _, overflow := new(Amount).AddOverflow(&consumed, &e.Volume); overflow {
			return ErrOverflow
		}
	}
	for _, hash := range orders {
		if hash != (Hash{}) { // no dataset
			order := s.order(hash)
			order.Consumed.Add(&order.Consumed, &e.Volume)
		}
	}
	return nil
}

// order returns an order to change; where orders are not kept, one that is lost.
func (s *State) order(hash Hash) *Order {
	if s.orderless {
		return &Order{}
	}
	return s.orders.make(hash)
}

// dealBody is what is attached to the event. Of a Boost deal, whose body no accessor of
// every chain shows, the notice before it will do; it lacks owners and prices.
func dealBody(e *OrdersMatched, notice *SchedulerNoticeBoost) (Deal, error) {
	boost := notice != nil && notice.Deal == e.Deal
	switch {
	case e.Body != nil:
		body := *e.Body
		body.Boost = body.Boost || boost
		return body, nil
	case boost:
		return Deal{
			App: Priced{Pointer: notice.App}, Dataset: Priced{Pointer: notice.Dataset},
			Workerpool: Priced{Pointer: notice.Workerpool}, Category: notice.Category, Tag: notice.Tag,
			Params: notice.Params, Beneficiary: notice.Beneficiary, Boost: true,
		}, nil
	default:
		return Deal{}, ErrAttached
	}
}

func (s *State) close(e *OrderClosed) error {
	order := s.order(e.Hash)
	order.Closed = true
	if order.Consumed.Lt(&e.Volume) {
		order.Consumed = e.Volume
	}
	return nil
}

func (s *State) createCategory(e *CreateCategory) error {
	id := s.Categories()
	switch {
	case e.ID.CmpUint64(id) < 0:
		return ErrDuplicate
	case e.ID.CmpUint64(id) > 0:
		return ErrUnknown // the category before it
	}
	*s.categories.make(id) = Category{
		Name: e.Name, Description: e.Description, WorkClockTimeRef: saturate(&e.WorkClockTimeRef),
	}
	return nil
}

// transferResource registers a resource or gives it to another owner.
func (s *State) transferResource(e *ResourceTransfer) error {
	if e.From != (Address{}) {
		return s.giveResource(e)
	}
	if e.Body == nil {
		return ErrAttached
	}
	if s.resources.get(e.Resource) != nil {
		return ErrDuplicate
	}
	r := s.resources.make(e.Resource)
	*r = *e.Body
	r.Kind, r.Owner = e.Kind, e.To
	if e.Kind == Workerpool {
		r.WorkerStakeRatio.SetUint64(defaultWorkerStakeRatio)
		r.SchedulerRewardRatio.SetUint64(defaultSchedulerRewardRatio)
	}
	return nil
}

func (s *State) giveResource(e *ResourceTransfer) error {
	r := s.resources.get(e.Resource)
	switch {
	case r == nil:
		return ErrUnknown
	case r.Owner != e.From || r.Kind != e.Kind:
		return ErrMismatch
	}
	s.resources.edit(e.Resource).Owner = e.To
	return nil
}

// changePolicy follows a workerpool. Any contract can log the same event: what is no
// registered workerpool says nothing to the rules.
func (s *State) changePolicy(e *PolicyUpdate) error {
	r := s.resources.get(e.Workerpool)
	switch {
	case r == nil || r.Kind != Workerpool:
		return nil
	case !r.WorkerStakeRatio.Eq(&e.OldWorkerStakeRatio), !r.SchedulerRewardRatio.Eq(&e.OldSchedulerRewardRatio):
		return ErrMismatch
	}
	r = s.resources.edit(e.Workerpool)
	r.WorkerStakeRatio, r.SchedulerRewardRatio = e.NewWorkerStakeRatio, e.NewSchedulerRewardRatio
	return nil
}
