package poco

import (
	"encoding/binary"
	"hash"
	"io"
)

// writer writes fields: numbers big-endian, amounts and texts after their length. The
// first error sticks.
type writer struct {
	w      io.Writer // nil: all stays in the buffer
	buffer []byte    // what has not been written
	sum    hash.Hash32
	err    error
}

// flush writes what has not been written.
func (w *writer) flush() {
	_, _ = w.sum.Write(w.buffer) // a hash's Write returns no error
	if w.err == nil {
		_, w.err = w.w.Write(w.buffer)
	}
	w.buffer = w.buffer[:0]
}

func (w *writer) raw(b []byte) {
	if w.buffer = append(w.buffer, b...); w.w != nil && len(w.buffer) > 1<<16 {
		w.flush()
	}
}

func (w *writer) byte(b byte)     { w.buffer = append(w.buffer, b) }
func (w *writer) number(x uint64) { w.buffer = binary.BigEndian.AppendUint64(w.buffer, x) }

func (w *writer) flag(b bool) {
	if b {
		w.byte(1)
	} else {
		w.byte(0)
	}
}

func (w *writer) hash(h Hash)       { w.raw(h[:]) }
func (w *writer) address(a Address) { w.raw(a[:]) }

func (w *writer) amount(a *Amount) {
	b := a.Bytes32()
	n := a.ByteLen()
	w.byte(byte(n))
	w.raw(b[32-n:])
}

func (w *writer) bytes(b []byte) {
	w.number(uint64(len(b)))
	w.raw(b)
}

func (w *writer) text(s string) { w.bytes([]byte(s)) }

func (w *writer) amounts(as ...*Amount) {
	for _, a := range as {
		w.amount(a)
	}
}

func (w *writer) account(a *Account) { w.amounts(&a.Stake, &a.Locked, &a.Score) }

func (w *writer) allowance(id allowanceID) {
	w.address(id.owner)
	w.address(id.spender)
}

func (w *writer) contributionID(id contributionID) {
	w.hash(id.task)
	w.address(id.worker)
}

func (w *writer) groupID(id groupID) {
	w.hash(id.task)
	w.hash(id.result)
}

func (w *writer) priced(p *Priced) {
	w.address(p.Pointer)
	w.address(p.Owner)
	w.amount(&p.Price)
}

func (w *writer) deal(d *deal) {
	w.priced(&d.App)
	w.priced(&d.Dataset)
	w.priced(&d.Workerpool)
	w.amounts(&d.Trust, &d.Category)
	w.hash(d.Tag)
	w.address(d.Requester)
	w.address(d.Beneficiary)
	w.address(d.Callback)
	w.text(d.Params)
	w.number(d.StartTime)
	w.amounts(&d.first, &d.size, &d.WorkerStake, &d.SchedulerRewardRatio)
	w.address(d.Sponsor)
	w.flag(d.Boost)
	w.number(d.forgotten)
}

func (w *writer) nothing(struct{}) {}

func (w *writer) totals(t *totals) {
	w.amount(&t.supply)
	w.number(t.boosts)
}

func (w *writer) task(t *task) {
	w.byte(byte(t.Status))
	w.hash(t.Deal)
	for _, x := range []uint64{t.Index, t.TimeRef, t.ContributionDeadline, t.RevealDeadline, t.FinalDeadline, t.RevealCounter, t.WinnerCounter} {
		w.number(x)
	}
	w.hash(t.ConsensusValue)
	w.number(uint64(len(t.Contributors)))
	for _, worker := range t.Contributors {
		w.address(worker)
	}
	w.hash(t.ResultDigest)
	w.bytes(t.Results)
	w.bytes(t.ResultsCallback)
	w.amount(&t.total)
	w.flag(t.forgotten)
}

func (w *writer) contribution(c *Contribution) {
	w.byte(byte(c.Status))
	w.hash(c.ResultHash)
	w.hash(c.ResultSeal)
	w.address(c.EnclaveChallenge)
	w.amount(&c.Weight)
}

func (w *writer) category(c *Category) {
	w.text(c.Name)
	w.text(c.Description)
	w.number(c.WorkClockTimeRef)
}

func (w *writer) resource(r *Resource) {
	w.byte(byte(r.Kind))
	w.address(r.Owner)
	w.text(r.Name)
	w.text(r.Type)
	w.bytes(r.Multiaddr)
	w.hash(r.Checksum)
	w.bytes(r.MREnclave)
	w.amounts(&r.WorkerStakeRatio, &r.SchedulerRewardRatio)
}

func (w *writer) order(o *Order) {
	w.amount(&o.Consumed)
	w.flag(o.Closed)
	w.address(o.Signer)
}
