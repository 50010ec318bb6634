package audit

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"assay/consensus/poco"
	"assay/consensus/poco/wire"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

// account is what the log says of an address beside its poco.Account.
type account struct {
	deposited, withdrawn, earned, spent, seized poco.Amount
	block                                       uint64 // of the last change
	last                                        ref
	cause                                       [aspects]ref
}

// What of an account an event changed.
const (
	ofStake = iota
	ofLocked
	ofScore
	ofDeposited
	ofWithdrawn
	ofEarned
	ofSeized // and spent
	aspects
)

// thing is what the log says of anything else beside the rules' state. Which fields are
// used depends on the kind.
type thing struct {
	block    uint64 // of the last change
	cause    ref
	tx       poco.Hash
	began    uint64 // seconds since 1970: initialized, contributed, registered
	ended    uint64 // ended, revealed
	reopened uint64
	kind     poco.ResourceKind
}

type contributionID struct {
	task   poco.Hash
	worker poco.Address
}

// book is everything that the canonical blocks of a log add up to.
type book struct {
	hub    poco.Address
	report *Report
	state  *poco.State

	accounts      map[poco.Address]*account
	deals         map[poco.Hash]*thing
	tasks         map[poco.Hash]*thing
	contributions map[contributionID]*thing
	orders        map[poco.Hash]*thing
	resources     map[poco.Address]*thing
	categories    map[uint64]*thing
}

func newBook(preset chains.Preset, report *Report) *book {
	rules := poco.RulesOf(preset)
	return &book{
		hub: rules.Hub, report: report, state: poco.New(rules),
		accounts: map[poco.Address]*account{}, deals: map[poco.Hash]*thing{}, tasks: map[poco.Hash]*thing{},
		contributions: map[contributionID]*thing{}, orders: map[poco.Hash]*thing{},
		resources: map[poco.Address]*thing{}, categories: map[uint64]*thing{},
	}
}

// fold enters a block and returns what was paid in it. An event that cannot have happened
// after those before it is a difference, and left out.
func (b *book) fold(block canonical) []payment {
	events := make([]poco.Event, len(block.Events))
	s := settlement{book: b, block: block, byTask: map[poco.Hash][]int{}}
	for i, message := range block.Events {
		event, err := wire.FromProto(message)
		if err != nil {
			b.fault(block, i, "an event that can be read", err.Error())
			continue
		}
		if event == nil {
			continue // it means nothing to the rules
		}
		if err := b.state.Evolve(poco.Block{Number: block.Number, Time: block.Time}, event); err != nil {
			b.fault(block, i, "an event that can follow those before it", reasonOf(err))
			continue
		}
		events[i] = event
		b.enter(block, i, event)
		s.pay(i, event)
	}
	b.checkPairs(block, events)
	return s.close()
}

// reasonOf is why the rules refuse an event.
func reasonOf(err error) string {
	if refused := (*poco.EventError)(nil); errors.As(err, &refused) {
		return fmt.Sprintf("%s: %s", nameOf(refused.Event), refused.Err)
	}
	return err.Error()
}

func (b *book) fault(block canonical, event int, expected, found string) {
	id := fmt.Sprintf("%d of block %d", block.Events[event].LogIndex, block.Number)
	b.report.add(Difference{In: inLog, Kind: "event", ID: id, Expected: expected, Found: found, Cause: causeOf(block.Block, event)})
}

// enter notes what an event changes.
func (b *book) enter(block canonical, i int, event poco.Event) {
	here := entry{book: b, block: block, at: at(block.offset, i), tx: common.BytesToHash(block.Events[i].TxHash)}
	switch e := event.(type) {
	case poco.Transfer:
		here.transfer(&e)
	case poco.Lock:
		here.account(e.Owner, ofLocked)
	case poco.Unlock:
		here.account(e.Owner, ofLocked)
	case poco.Seize:
		here.account(e.Owner, ofLocked)
	case poco.Reward:
		a := here.account(e.Owner, ofEarned)
		a.earned.Add(&a.earned, &e.Amount)
	case poco.AccurateContribution:
		here.account(e.Worker, ofScore)
	case poco.FaultyContribution:
		here.account(e.Worker, ofScore)
	case poco.OrdersMatched:
		here.matched(&e)
	case poco.OrderSigned:
		note(here, b.orders, e.Hash)
	case poco.OrderClosed:
		note(here, b.orders, e.Hash)
	case poco.CreateCategory:
		note(here, b.categories, e.ID.Uint64())
	case poco.ResourceTransfer:
		here.resource(&e)
	case poco.PolicyUpdate:
		if r := b.resources[e.Workerpool]; r != nil && r.kind == poco.Workerpool {
			note(here, b.resources, e.Workerpool)
		}
	default:
		here.task(event)
	}
}

// entry is an event on its way into the book.
type entry struct {
	*book
	block canonical
	at    ref
	tx    poco.Hash
}

// note dates a thing.
func note[K comparable](e entry, things map[K]*thing, key K) *thing {
	t := things[key]
	if t == nil {
		t = &thing{}
		things[key] = t
	}
	t.block, t.cause = e.block.Number, e.at
	return t
}

// account dates an account. The zero address is nobody's: what is noted of it is dropped.
func (e entry) account(address poco.Address, aspect int) *account {
	if address == (poco.Address{}) {
		return &account{}
	}
	a := e.accounts[address]
	if a == nil {
		a = &account{}
		e.accounts[address] = a
	}
	a.block, a.last, a.cause[aspect] = e.block.Number, e.at, e.at
	return a
}

func (e entry) transfer(t *poco.Transfer) {
	from, to := e.account(t.From, ofStake), e.account(t.To, ofStake)
	nobody := poco.Address{}
	if t.From == nobody {
		to.deposited.Add(&to.deposited, &t.Value)
		to.cause[ofDeposited] = e.at
	}
	if t.To == nobody {
		from.withdrawn.Add(&from.withdrawn, &t.Value)
		from.cause[ofWithdrawn] = e.at
	}
}

func (e entry) matched(m *poco.OrdersMatched) {
	note(e, e.deals, m.Deal).tx = e.tx
	for _, hash := range []poco.Hash{m.AppHash, m.DatasetHash, m.WorkerpoolHash, m.RequestHash} {
		if hash != (poco.Hash{}) {
			note(e, e.orders, hash)
		}
	}
}

func (e entry) resource(t *poco.ResourceTransfer) {
	r := note(e, e.resources, t.Resource)
	if t.From == (poco.Address{}) {
		r.began, r.kind = e.block.Time, t.Kind
	}
}

// task notes what happens to a task and its contributions.
func (e entry) task(event poco.Event) {
	switch t := event.(type) {
	case poco.TaskInitialize:
		note(e, e.tasks, t.Task).began = e.block.Time
	case poco.TaskContribute:
		note(e, e.tasks, t.Task)
		c := note(e, e.contributions, contributionID{t.Task, t.Worker})
		c.began, c.tx = e.block.Time, e.tx
	case poco.TaskConsensus:
		note(e, e.tasks, t.Task)
	case poco.TaskReveal:
		note(e, e.tasks, t.Task)
		note(e, e.contributions, contributionID{t.Task, t.Worker}).ended = e.block.Time
	case poco.TaskReopen:
		note(e, e.tasks, t.Task).reopened++
		e.ofTask(t.Task, func(c *poco.Contribution) bool { return c.Status == poco.Rejected })
	case poco.TaskFinalize:
		e.end(t.Task)
		e.ofTask(t.Task, func(*poco.Contribution) bool { return true })
	case poco.TaskClaimed:
		e.end(t.Task)
	case poco.ResultPushedBoost:
		e.end(poco.TaskID(t.Deal, &t.Index))
	}
}

// end notes when a task ended; one that was not initialized, of PoCo Boost, began then, too.
func (e entry) end(task poco.Hash) {
	t := note(e, e.tasks, task)
	if t.ended = e.block.Time; t.began == 0 {
		t.began = t.ended
	}
}

// ofTask dates those contributions to a task that the event changed.
func (e entry) ofTask(id poco.Hash, changed func(*poco.Contribution) bool) {
	task, _ := e.state.Task(id)
	for _, worker := range task.Contributors {
		if c, ok := e.state.Contribution(id, worker); ok && changed(c) {
			note(e, e.contributions, contributionID{id, worker})
		}
	}
}

// dealOf is the deal of a task; zero for none.
func (b *book) dealOf(id poco.Hash) (poco.Hash, *poco.Deal) {
	task, ok := b.state.Task(id)
	if !ok {
		return poco.Hash{}, nil
	}
	deal, _ := b.state.Deal(task.Deal)
	return task.Deal, deal
}

// nameOf is the contracts' name of an event.
func nameOf(event poco.Event) string {
	message := wire.ToProto(event)
	return nameOfMessage(message)
}

func nameOfMessage(message *assaypb.Event) string {
	m := message.ProtoReflect()
	field := m.WhichOneof(m.Descriptor().Oneofs().ByName("body"))
	if field == nil {
		return ""
	}
	return string(field.Message().Name())
}
