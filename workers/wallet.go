package workers

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"assay/contracts"
)

const (
	// resendAfter is how many blocks a transaction may take before it is sent again,
	// in case the node forgot it or the fees have risen.
	resendAfter = 5
	// patience is how many blocks a worker that starts waits for transactions of an
	// earlier run before it takes their places: what they pay may be too little by now.
	patience = 20
	// maxSetbacks is how often a job is tried in vain. The pause doubles each time, in blocks.
	maxSetbacks = 8
)

// wallet sends one worker's transactions, in the order of their nonces.
type wallet struct {
	agent   *agent
	settled bool   // next is right
	waiting uint64 // block until which a start waits to settle
	next    uint64 // nonce of the next transaction
	mined   uint64 // transactions up to the head
	sent    []*sent
	owed    []owed
}

// sent is a transaction that was submitted. It is kept until its block cannot vanish.
type sent struct {
	job    *job
	step   step
	tx     *types.Transaction
	at     uint64 // block at which it was submitted last
	mined  uint64 // block by which it was mined; 0: on its way
	failed bool   // mined without effect
}

type owed struct {
	job  *job
	step step
}

// find returns the newest transaction for a step that may still have an effect.
func (w *wallet) find(j *job, s step) *sent {
	for i := len(w.sent) - 1; i >= 0; i-- {
		if known := w.sent[i]; known.job == j && known.step == s && !known.failed {
			return known
		}
	}
	return nil
}

// confirm compares what was sent with how many transactions the chain has, and says
// which to send again and which jobs have news. A block that vanished takes its transactions out of the count.
func (w *wallet) confirm(count, head, depth uint64, reorged bool) (again []*sent, news []*job) {
	w.mined = count
	kept := w.sent[:0]
	for _, known := range w.sent {
		if known.tx.Nonce() >= count {
			known.mined = 0
			if reorged || head >= known.at+resendAfter {
				known.at = head
				again = append(again, known)
			}
		} else if known.mined == 0 {
			known.mined = head
			news = append(news, known.job)
		}
		if known.mined == 0 || known.mined+depth >= head {
			kept = append(kept, known)
		}
	}
	clear(w.sent[len(kept):])
	w.sent = kept
	return again, news
}

// forget drops a transaction that the node refuses to take again.
func (w *wallet) forget(lost *sent) {
	kept := w.sent[:0]
	for _, known := range w.sent {
		if known != lost {
			kept = append(kept, known)
		}
	}
	w.sent, w.settled = kept, false
}

// settle finds the next nonce. After a start there may be transactions of an earlier
// run on their way: to act before they are mined would be to do their work again.
func (f *Fleet) settle(ctx context.Context, w *wallet) (bool, error) {
	if w.settled {
		return true, nil
	}
	pending, err := f.chain.pending(ctx, w.agent.address)
	if err != nil {
		return false, err
	}
	counts, err := f.chain.mined(ctx, f.head.hash, []common.Address{w.agent.address})
	if err != nil {
		return false, err
	}
	if w.waiting == 0 {
		w.waiting = f.head.number + patience
	}
	if pending > counts[0] && f.head.number < w.waiting {
		return false, nil
	}
	w.mined, w.next, w.settled, w.waiting = counts[0], counts[0], true, 0
	return true, nil
}

// pay sends what a wallet owes. It returns the jobs that it could not serve now.
func (f *Fleet) pay(ctx context.Context, w *wallet) (left []*job, err error) {
	due := w.owed
	w.owed = nil
	for i, o := range due {
		ready, err := f.settle(ctx, w)
		if err == nil && ready {
			err = f.transact(ctx, w, o)
		}
		if err != nil || !ready {
			for _, unserved := range due[i:] {
				left = append(left, unserved.job)
			}
			return left, err
		}
		if o.job.resume > f.head.number || o.job.dropped {
			left = append(left, o.job)
		}
	}
	return left, nil
}

// transact sends one transaction, unless it is on its way. What the contract refuses is
// the job's trouble; an error is the wallet's.
func (f *Fleet) transact(ctx context.Context, w *wallet, o owed) error {
	if known := w.find(o.job, o.step); known != nil {
		if known.tx.Nonce() < w.mined {
			known.failed = true
			f.setback(o.job, errors.New("its transaction was mined without effect"))
		}
		return nil
	}
	if err := o.check(); err != nil {
		f.setback(o.job, err)
		return nil
	}
	tx, err := f.chain.sign(ctx, w.agent, f.call(o), w.next)
	var refusal *contracts.RevertError
	if errors.As(err, &refusal) {
		f.setback(o.job, err)
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.chain.submit(ctx, w.agent, tx); err != nil {
		w.settled = false // it may have arrived all the same
		return err
	}
	w.sent = append(w.sent, &sent{job: o.job, step: o.step, tx: tx, at: f.head.number})
	w.next++
	f.counters.sent.Add(1)
	return nil
}

// check says that the answer is still the one that the pool authorized and, for a
// reveal, that the contract holds. It is not if the Runner does not repeat itself, or
// the enclave lost its secret.
func (o owed) check() error {
	j, a := o.job, o.job.answer
	switch {
	case o.step == reveal && a.resultHash != j.view.resultHash:
		return errors.New("the result is no longer the one that was contributed")
	case o.step != reveal && (a.resultHash != common.BytesToHash(j.verdict.ResultHash) ||
		a.challenge != common.BytesToAddress(j.verdict.EnclaveChallenge)):
		return errors.New("the result is no longer the one that the pool authorized")
	}
	return nil
}

// call is the calldata of a step.
func (f *Fleet) call(o owed) []byte {
	j, a := o.job, o.job.answer
	switch o.step {
	case reveal:
		return contracts.RevealCall(j.task, a.digest)
	case contribute:
		return contracts.ContributeCall(j.task, a.resultHash, a.resultSeal,
			a.challenge, a.enclaveSignature, j.verdict.Authorization)
	}
	var forCallback []byte
	if j.asked.Callback {
		forCallback = a.result // its hash is the digest, as the contract asks
	}
	return contracts.ContributeAndFinalizeCall(j.task, a.digest, a.result, forCallback,
		a.challenge, a.enclaveSignature, j.verdict.Authorization)
}

// confirm compares what was sent with the newest block: what is mined has its job
// looked at, what got lost is sent again.
func (f *Fleet) confirm(ctx context.Context, newest header, reorged bool) error {
	var busy []*wallet
	var senders []common.Address
	for _, agent := range f.order {
		if len(agent.wallet.sent) > 0 {
			busy, senders = append(busy, agent.wallet), append(senders, agent.address)
		}
	}
	counts, err := f.chain.mined(ctx, newest.hash, senders)
	if err != nil {
		return err
	}
	for i, w := range busy {
		again, news := w.confirm(counts[i], newest.number, f.config.Depth, reorged)
		for _, j := range news {
			j.stale = true
		}
		f.mark(news...)
		for _, lost := range again {
			f.resend(ctx, w, lost)
		}
	}
	return nil
}

// resend hands a transaction to the node again, or one that pays more in its place if the
// network asks for more by now: whichever is mined spends the nonce. If the node does not
// want it, the step is taken anew.
func (f *Fleet) resend(ctx context.Context, w *wallet, lost *sent) {
	dearer, err := f.chain.reprice(ctx, w.agent, lost.tx)
	if dearer != nil {
		lost.tx = dearer
	}
	if err == nil {
		err = f.chain.submit(ctx, w.agent, lost.tx)
	}
	if err != nil && ctx.Err() == nil {
		f.config.Log.Warn("a transaction is not accepted again; its step starts anew",
			"worker", w.agent.address, "task", lost.job.task, "error", err)
		w.forget(lost)
		lost.job.stale = true
		f.mark(lost.job)
	}
}
