package settlement

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"assay/schema/assaypb"
)

// outbox is what is owed to the chain: a fold over the decisions log.
type outbox struct {
	owners map[common.Address]common.Address // workerpool → account that sends for it
	debts  map[common.Hash]*debt             // open intents, by id
	order  []common.Hash                     // of debts, as they came
	closed map[common.Hash]bool              // intents that have an outcome
	nonces map[common.Address]uint64         // account → first nonce that no submission names
}

// debt is an intent without an outcome.
type debt struct {
	id       common.Hash
	owner    common.Address
	pool     []byte
	task     common.Hash
	intent   *assaypb.Intent
	sent     []*types.Transaction // submissions, newest last, of one nonce unless that was taken; any may be the one that is mined
	attempts int                  // polls since the newest was written down
}

// newest is the transaction that is sent now.
func (d *debt) newest() *types.Transaction { return d.sent[len(d.sent)-1] }

func newOutbox(owners map[common.Address]common.Address) *outbox {
	return &outbox{
		owners: owners,
		debts:  make(map[common.Hash]*debt),
		closed: make(map[common.Hash]bool),
		nonces: make(map[common.Address]uint64),
	}
}

// fold takes a decision of the log. Repeats change nothing.
func (o *outbox) fold(decision *assaypb.Decision) error {
	switch body := decision.Body.(type) {
	case *assaypb.Decision_Intent:
		o.owe(decision, body.Intent)
	case *assaypb.Decision_Submission:
		return o.submitted(body.Submission)
	case *assaypb.Decision_Outcome:
		id := common.BytesToHash(body.Outcome.Intent)
		o.closed[id] = true
		delete(o.debts, id)
	}
	return nil
}

func (o *outbox) owe(decision *assaypb.Decision, intent *assaypb.Intent) {
	id := common.BytesToHash(decision.Id)
	owner, ours := o.owners[common.BytesToAddress(decision.Workerpool)]
	if !ours || o.closed[id] || o.debts[id] != nil {
		return
	}
	o.debts[id] = &debt{
		id:     id,
		owner:  owner,
		pool:   decision.Workerpool,
		task:   common.BytesToHash(decision.Task),
		intent: intent,
	}
	o.order = append(o.order, id)
}

// submitted notes a transaction. Whatever becomes of it, its nonce is taken.
func (o *outbox) submitted(submission *assaypb.Submission) error {
	sender := common.BytesToAddress(submission.Sender)
	o.nonces[sender] = max(o.nonces[sender], submission.Nonce+1)
	owed := o.debts[common.BytesToHash(submission.Intent)]
	if owed == nil {
		return nil
	}
	transaction := new(types.Transaction)
	if err := transaction.UnmarshalBinary(submission.Raw); err != nil {
		return fmt.Errorf("submission of intent %x: %w", submission.Intent, err)
	}
	if len(owed.sent) == 0 || owed.newest().Hash() != transaction.Hash() {
		owed.sent = append(owed.sent, transaction)
	}
	owed.attempts = 0
	return nil
}

// open lists the debts in the order in which they came, those that satisfy a condition.
func (o *outbox) open(condition func(*debt) bool) []*debt {
	var found []*debt
	kept := o.order[:0]
	for _, id := range o.order {
		owed := o.debts[id]
		if owed == nil {
			continue
		}
		kept = append(kept, id)
		if condition(owed) {
			found = append(found, owed)
		}
	}
	o.order = kept
	return found
}

func unsent(owed *debt) bool { return len(owed.sent) == 0 }
func sent(owed *debt) bool   { return len(owed.sent) > 0 }
