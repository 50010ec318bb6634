package engine

import (
	"github.com/ethereum/go-ethereum/common"

	"assay/consensus/poco"
	"assay/schema/assaypb"
)

// task is what the engine knows of a task beside the protocol's state: what it has
// decided about it.
type task struct {
	id          poco.Hash
	dealID      poco.Hash
	deal        *poco.Deal // nil until the deal is believed
	index       uint64
	anchor      poco.Hash // hash of the block that initialized the task
	over        bool      // completed or failed
	round       uint32    // how many times it was reopened
	announced   uint32    // rounds whose consensus has been announced
	assignments []*assignment
	messages    map[poco.Hash]bool // contributions that were judged, by identity
	intents     map[step]*intent
	alerted     map[poco.Hash]bool
	sessions    map[poco.Address]*session // of workers, whose enclave's key was vouched for
	platforms   map[[32]byte]int          // contributions authorized from a physical platform
	result      []byte                    // handed over by a worker, for the deal's callback
}

// assignment is one worker's turn at a task.
type assignment struct {
	worker   poco.Address
	at       uint64      // chain time at which it was decided
	accepted bool        // its contribution was authorized
	refused  bool        // its contribution was rejected
	onChain  bool        // its contribution is in the contract
	expired  bool        // it took too long
	released bool        // its slot is free again
	promise  poco.Amount // nRLC that it is to lock
}

// pending says that a contribution may still come of it.
func (a *assignment) pending() bool { return !a.refused && !a.onChain && !a.expired }

// step is a transaction that a task may need once in each round.
type step struct {
	action assaypb.Intent_Action
	round  uint32
}

// intent is what became of a step.
type intent struct {
	id       poco.Hash // of the newest attempt
	attempts uint32
	open     bool   // no outcome yet
	done     bool   // succeeded, or no longer needed
	refused  uint64 // chain time at which the contract refused the newest attempt
}

// newTask returns an empty task, or what remains of one that is over.
func newTask(of *task) *task {
	fresh := &task{}
	if of != nil {
		*fresh = task{id: of.id, dealID: of.dealID, deal: of.deal, index: of.index, over: true}
		return fresh
	}
	fresh.messages = make(map[poco.Hash]bool)
	fresh.intents = make(map[step]*intent)
	fresh.alerted = make(map[poco.Hash]bool)
	fresh.sessions = make(map[poco.Address]*session)
	fresh.platforms = make(map[[32]byte]int)
	return fresh
}

func (t *task) assignment(worker poco.Address) *assignment {
	for _, held := range t.assignments {
		if held.worker == worker {
			return held
		}
	}
	return nil
}

// intends notes an intent that was decided. Attempts of one step come in order.
func (t *task) intends(decision *assaypb.Decision, body *assaypb.Intent) {
	if t.over {
		return
	}
	key := step{body.Action, body.Round}
	known := t.intents[key]
	if known == nil {
		known = &intent{}
		t.intents[key] = known
	}
	id := common.BytesToHash(decision.Id)
	if known.id == id {
		return
	}
	known.id, known.open = id, true
	known.attempts++
}

// concluded notes what became of an intent.
func (t *task) concluded(at uint64, outcome *assaypb.Outcome) {
	for _, known := range t.intents {
		if known.id == common.BytesToHash(outcome.Intent) {
			known.open = false
			known.done = outcome.Status != assaypb.Outcome_REVERTED
			known.refused = at
		}
	}
}
