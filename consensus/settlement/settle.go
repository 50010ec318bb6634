package settlement

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"assay/consensus/poco"
	"assay/contracts"
	"assay/schema/assaypb"
)

// resendAfter is how many polls a transaction may stay unmined before it is sent again:
// the node may have dropped it, a reorg thrown it out, or the fees have risen.
const resendAfter = 10

// maxInFlight bounds the transactions of one account that wait to be mined: nodes keep
// only so many.
const maxInFlight = 1000

// Chain is what settlement asks of the chain.
type Chain interface {
	// Head is the newest block's number and time.
	Head(ctx context.Context) (number, time uint64, err error)
	// Nonce is the first nonce of an account that no mined transaction has used.
	Nonce(ctx context.Context, account common.Address) (uint64, error)
	// Statuses are tasks' states as the contract has them now.
	Statuses(ctx context.Context, tasks []common.Hash) ([]poco.TaskStatus, error)
	// Receipts are of transactions on the canonical chain, nil where there is none.
	Receipts(ctx context.Context, transactions []common.Hash) ([]*types.Receipt, error)
	// Build makes and signs the transaction of an intent. It fails with a
	// *contracts.RevertError where the contract would refuse it.
	Build(ctx context.Context, owner common.Address, nonce uint64, intent *assaypb.Intent) (*types.Transaction, error)
	// Reprice signs a waiting transaction again to pay what the network asks for now; nil
	// where it pays that already.
	Reprice(ctx context.Context, transaction *types.Transaction) (*types.Transaction, error)
	// Send hands a transaction to the network; one that is known already is no error.
	// It fails with contracts.ErrNonceTooLow where the nonce was used.
	Send(ctx context.Context, transaction *types.Transaction) error
}

// settler moves the debts of an outbox on, one step at each poll.
type settler struct {
	outbox        *outbox
	chain         Chain
	chainID       uint64
	confirmations uint64
	write         func(ctx context.Context, decisions []*assaypb.Decision) error // to the log, then folded
}

// poll asks the chain what became of what was sent, then sends what is owed.
func (s *settler) poll(ctx context.Context) error {
	head, time, err := s.chain.Head(ctx)
	if err != nil {
		return fmt.Errorf("asking for the chain's head: %w", err)
	}
	if err := s.collect(ctx, head, time); err != nil {
		return err
	}
	return s.pay(ctx, time)
}

// collect closes the intents whose transactions are deep enough, and sends again those
// that were lost or pay too little.
func (s *settler) collect(ctx context.Context, head, time uint64) error {
	pending := s.outbox.open(sent)
	receipts, err := s.receipts(ctx, pending)
	if err != nil {
		return err
	}
	var outcomes []*assaypb.Decision
	for i, owed := range pending {
		receipt := receipts[i]
		switch {
		case receipt == nil:
			if err := s.remind(ctx, owed, time); err != nil {
				return err
			}
		case receipt.BlockNumber.Uint64()+s.confirmations <= head:
			outcomes = append(outcomes, s.mined(owed, receipt, time))
		}
	}
	return s.write(ctx, outcomes)
}

// receipts finds for each debt the receipt of the one of its transactions that was mined;
// nil where none was.
func (s *settler) receipts(ctx context.Context, pending []*debt) ([]*types.Receipt, error) {
	var hashes []common.Hash
	for _, owed := range pending {
		for _, transaction := range owed.sent {
			hashes = append(hashes, transaction.Hash())
		}
	}
	if len(hashes) == 0 {
		return nil, nil
	}
	all, err := s.chain.Receipts(ctx, hashes)
	if err != nil {
		return nil, fmt.Errorf("asking what became of %d transactions: %w", len(hashes), err)
	}
	found := make([]*types.Receipt, len(pending))
	for i, owed := range pending {
		for range owed.sent {
			found[i], all = cmp.Or(found[i], all[0]), all[1:]
		}
	}
	return found, nil
}

// remind sends a transaction again that has not been mined for a while: the same, or one
// that pays more if the network asks for more by now.
func (s *settler) remind(ctx context.Context, owed *debt, time uint64) error {
	owed.attempts++
	if owed.attempts%resendAfter != 0 {
		return nil
	}
	replacement, err := s.chain.Reprice(ctx, owed.newest())
	if err != nil {
		return fmt.Errorf("asking what %s of task %s has to pay: %w", owed.intent.Action, owed.task, err)
	}
	if replacement != nil {
		submission, err := s.submitted(owed, replacement, time)
		if err != nil {
			return err
		}
		if err := s.write(ctx, []*assaypb.Decision{submission}); err != nil {
			return err
		}
	}
	err = s.chain.Send(ctx, owed.newest())
	if errors.Is(err, contracts.ErrNonceTooLow) {
		return s.outrun(ctx, owed)
	}
	return err
}

// outrun lets a new transaction be made where another one took the nonce, unless that was
// an earlier one of the debt itself.
func (s *settler) outrun(ctx context.Context, owed *debt) error {
	receipts, err := s.receipts(ctx, []*debt{owed})
	if err == nil && receipts[0] == nil {
		owed.sent = nil
	}
	return err
}

// pay signs, writes down and sends what is owed, as far as it is still needed.
func (s *settler) pay(ctx context.Context, time uint64) error {
	owed := s.outbox.open(unsent)
	if len(owed) == 0 {
		return nil
	}
	owed = owed[:min(len(owed), maxInFlight)]
	tasks := make([]common.Hash, len(owed))
	for i := range owed {
		tasks[i] = owed[i].task
	}
	statuses, err := s.chain.Statuses(ctx, tasks)
	if err != nil {
		return fmt.Errorf("asking for the state of %d tasks: %w", len(tasks), err)
	}
	var decisions []*assaypb.Decision
	var fresh []*debt
	nonces := make(map[common.Address]uint64)
	for i, debt := range owed {
		if !needed(debt.intent.Action, statuses[i]) {
			decisions = append(decisions, s.outcome(debt, assaypb.Outcome_OBSOLETE, time, "the task has moved on"))
			continue
		}
		submission, err := s.submission(ctx, debt, nonces, time)
		if err != nil {
			return err
		}
		decisions = append(decisions, submission)
		if submission.GetSubmission() != nil {
			fresh = append(fresh, debt)
		}
	}
	if err := s.write(ctx, decisions); err != nil {
		return err
	}
	return s.send(ctx, fresh)
}

// submission signs the transaction of a debt under the account's next nonce. Where the
// contract would refuse it, it is the outcome instead.
func (s *settler) submission(ctx context.Context, owed *debt, nonces map[common.Address]uint64, time uint64) (*assaypb.Decision, error) {
	nonce, known := nonces[owed.owner]
	if !known {
		mined, err := s.chain.Nonce(ctx, owed.owner)
		if err != nil {
			return nil, fmt.Errorf("asking for the nonce of %s: %w", owed.owner, err)
		}
		nonce = max(mined, s.outbox.nonces[owed.owner])
	}
	transaction, err := s.chain.Build(ctx, owed.owner, nonce, owed.intent)
	if refused := (*contracts.RevertError)(nil); errors.As(err, &refused) {
		nonces[owed.owner] = nonce
		return s.outcome(owed, assaypb.Outcome_REVERTED, time, refused.Error()), nil
	}
	if err != nil {
		return nil, fmt.Errorf("building %s of task %s: %w", owed.intent.Action, owed.task, err)
	}
	nonces[owed.owner] = nonce + 1
	return s.submitted(owed, transaction, time)
}

// submitted is the decision to send a transaction for a debt.
func (s *settler) submitted(owed *debt, transaction *types.Transaction, time uint64) (*assaypb.Decision, error) {
	raw, err := transaction.MarshalBinary()
	if err != nil {
		return nil, err
	}
	hash := transaction.Hash()
	decision := s.decision(owed, time, hash)
	decision.Body = &assaypb.Decision_Submission{Submission: &assaypb.Submission{
		Intent: owed.id.Bytes(),
		Sender: owed.owner.Bytes(),
		Nonce:  transaction.Nonce(),
		TxHash: hash.Bytes(),
		Raw:    raw,
	}}
	return decision, nil
}

func (s *settler) send(ctx context.Context, fresh []*debt) error {
	for _, owed := range fresh {
		if err := s.chain.Send(ctx, owed.newest()); err != nil && !errors.Is(err, contracts.ErrNonceTooLow) {
			return fmt.Errorf("sending %s of task %s: %w", owed.intent.Action, owed.task, err)
		}
	}
	return nil
}

// mined is the outcome of a transaction that is deep enough.
func (s *settler) mined(owed *debt, receipt *types.Receipt, time uint64) *assaypb.Decision {
	status, detail := assaypb.Outcome_SUCCEEDED, ""
	if receipt.Status != types.ReceiptStatusSuccessful {
		status, detail = assaypb.Outcome_REVERTED, "mined, and refused by the contract"
	}
	decision := s.outcome(owed, status, time, detail)
	decision.GetOutcome().TxHash = receipt.TxHash.Bytes()
	decision.GetOutcome().BlockNumber = receipt.BlockNumber.Uint64()
	return decision
}

func (s *settler) outcome(owed *debt, status assaypb.Outcome_Status, time uint64, detail string) *assaypb.Decision {
	decision := s.decision(owed, time, common.Hash{byte(status)})
	decision.Body = &assaypb.Decision_Outcome{Outcome: &assaypb.Outcome{
		Intent: owed.id.Bytes(),
		Status: status,
		Detail: detail,
	}}
	return decision
}

// decision starts a decision about a debt, with an identity of the intent and what was
// done about it.
func (s *settler) decision(owed *debt, time uint64, done common.Hash) *assaypb.Decision {
	return &assaypb.Decision{
		Id:         crypto.Keccak256([]byte("settlement"), owed.id[:], done[:]),
		ChainId:    s.chainID,
		Workerpool: owed.pool,
		Task:       owed.task.Bytes(),
		Time:       time,
	}
}
