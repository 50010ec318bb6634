package ledger

import "assay/consensus/poco"

// CallKind says which function of the contracts a call was.
type CallKind string

// The calls that move money for a deal or a task, by their functions' names. The last
// five end a task.
const (
	MatchOrders           CallKind = "MATCH_ORDERS" // and its sponsored and Boost forms
	Contribute            CallKind = "CONTRIBUTE"
	Finalize              CallKind = "FINALIZE"
	ContributeAndFinalize CallKind = "CONTRIBUTE_AND_FINALIZE"
	Claim                 CallKind = "CLAIM" // claimBoost, too, where the task is known
	PushResultBoost       CallKind = "PUSH_RESULT_BOOST"
)

// Ends says whether the call ends a task.
func (k CallKind) Ends() bool { return k != MatchOrders && k != Contribute }

// Call is what one call of the protocol did with money.
type Call struct {
	Kind  CallKind
	Deal  poco.Hash // zero: the task tells
	Task  poco.Hash // zero: the call is for the deal
	Moves []Move
	Last  int // position of the event that ends it
}

// move is what IexecEscrow does with money.
type move uint8

const (
	lock move = iota
	unlock
	seize
	reward
)

// Move is one movement of money: a Lock, an Unlock, a Seize or a Reward, with the Transfer
// before it.
type Move struct {
	kind     move
	Owner    poco.Address
	Amount   poco.Amount // nRLC
	Event    int         // position of the event that names it
	Transfer int         // position of its Transfer, which is before it; Event itself: it has none
}

// Calls finds the calls in the events of one transaction, those from one position to
// before another, in their order. Events that mean nothing to the rules may stand among
// them as nil.
//
// All money that a call moves comes in moves without anything in between but words about
// scores and notices to schedulers; then an event says what they were for. Of
// contributeAndFinalize that is TaskFinalize, and its TaskContribute, unlike that of
// contribute, comes after no Lock. Transfers that belong to no move are somebody's
// deposits, withdrawals and gifts: they are in no call.
func Calls(events []poco.Event, from, to int) []Call {
	r := callReader{events: events, held: -1}
	for i := from; i < to; i++ {
		r.read(i, events[i])
	}
	return r.calls
}

// callReader reads a transaction's events.
type callReader struct {
	events []poco.Event
	calls  []Call
	moves  []Move
	held   int  // position of a Transfer that may belong to the next move; -1: none
	locked bool // the last event was a Lock
	fast   bool // the last TaskContribute was contributeAndFinalize's
}

func (r *callReader) read(i int, event poco.Event) {
	locked := r.locked
	r.locked = false
	switch e := event.(type) {
	case nil:
		r.locked = locked
	case poco.Transfer:
		r.held = i
	case poco.Lock:
		r.locked = true
		r.move(Move{lock, e.Owner, e.Amount, i, i})
	case poco.Unlock:
		r.move(Move{unlock, e.Owner, e.Amount, i, i})
	case poco.Seize:
		r.move(Move{seize, e.Owner, e.Amount, i, i})
	case poco.Reward:
		r.move(Move{reward, e.Owner, e.Amount, i, i})
	case poco.OrdersMatched:
		r.end(Call{Kind: MatchOrders, Deal: e.Deal, Last: i})
	case poco.TaskContribute:
		if r.fast = !locked; locked {
			r.end(Call{Kind: Contribute, Task: e.Task, Last: i})
		}
	default:
		r.readEnd(i, event)
	}
}

// readEnd reads what ends a task.
func (r *callReader) readEnd(i int, event poco.Event) {
	switch e := event.(type) {
	case poco.TaskFinalize:
		kind := Finalize
		if r.fast {
			kind = ContributeAndFinalize
		}
		r.end(Call{Kind: kind, Task: e.Task, Last: i})
	case poco.TaskClaimed:
		r.end(Call{Kind: Claim, Task: e.Task, Last: i})
	case poco.ResultPushedBoost:
		r.end(Call{Kind: PushResultBoost, Deal: e.Deal, Task: poco.TaskID(e.Deal, &e.Index), Last: i})
	}
}

// move adds a movement, with the Transfer before it if that is its own.
func (r *callReader) move(m Move) {
	if r.held >= 0 && m.owns(r.events[r.held]) {
		m.Transfer = r.held
	}
	r.held = -1
	r.moves = append(r.moves, m)
}

// owns says whether a Transfer is the move's. The account at its other end is the hub's.
func (m *Move) owns(event poco.Event) bool {
	t, ok := event.(poco.Transfer)
	switch {
	case !ok || t.Value != m.Amount || m.kind == seize:
		return false
	case m.kind == lock:
		return t.From == m.Owner
	}
	return t.To == m.Owner
}

func (r *callReader) end(call Call) {
	call.Moves = r.moves
	r.calls = append(r.calls, call)
	r.moves, r.held, r.fast = nil, -1, false
}
