package projection

import (
	"bytes"

	"assay/consensus/poco"
	"assay/consensus/poco/ledger"
	"assay/schema/assaypb"
)

// book is what a block's events did with money, and why.
type book struct {
	causes      []cause // of each event
	settlements []ledger.Settlement
	payments    []payment
}

// cause is what an event that moves money was for. Events that moved it for no deal have
// none.
type cause struct {
	deal, task poco.Hash
	role       ledger.Role // of its account, where a task was settled
}

// payment is one Reward or Seize.
type payment struct {
	seize   bool
	account poco.Address
	amount  poco.Amount
	task    poco.Hash
	event   int // position in the block
	role    ledger.Role
	deal    poco.Hash // zero: unknown
	pool    poco.Address
}

func (p payment) kind() string {
	if p.seize {
		return "SEIZE"
	}
	return "REWARD"
}

// book finds out why money moved, transaction by transaction. The state is the one after
// the block: each task that was settled is in it, and ended.
func (p *Projection) book(block *assaypb.Block, events []poco.Event) book {
	b := book{causes: make([]cause, len(events))}
	for from := 0; from < len(events); {
		to := from + 1
		for to < len(events) && bytes.Equal(block.Events[to].TxHash, block.Events[from].TxHash) {
			to++
		}
		for _, call := range ledger.Calls(events, from, to) {
			p.enter(&b, call)
		}
		from = to
	}
	for i, event := range events {
		if paid, ok := paymentOf(event, i); ok {
			paid.role, paid.deal = b.causes[i].role, b.causes[i].deal
			paid.pool = p.pool(paid.deal)
			b.payments = append(b.payments, paid)
		}
	}
	return b
}

// enter notes what a call's moves were for and in which roles.
func (p *Projection) enter(b *book, call ledger.Call) {
	why := cause{deal: call.Deal, task: call.Task}
	if task, ok := p.state.Task(call.Task); ok {
		why.deal = task.Deal
	}
	for _, move := range call.Moves {
		b.causes[move.Event], b.causes[move.Transfer] = why, why
	}
	if !call.Kind.Ends() {
		return
	}
	settlement := ledger.Explain(p.state, call)
	for _, line := range settlement.Lines {
		b.causes[line.Event].role = line.Role
	}
	b.settlements = append(b.settlements, settlement)
}

func (p *Projection) pool(deal poco.Hash) poco.Address {
	if d, ok := p.state.Deal(deal); ok {
		return d.Workerpool.Pointer
	}
	return poco.Address{}
}

// paymentOf reads a Reward or a Seize; ok is false for any other event.
func paymentOf(event poco.Event, position int) (payment, bool) {
	switch e := event.(type) {
	case poco.Reward:
		return payment{account: e.Owner, amount: e.Amount, task: e.Ref, event: position}, true
	case poco.Seize:
		return payment{seize: true, account: e.Owner, amount: e.Amount, task: e.Ref, event: position}, true
	}
	return payment{}, false
}
