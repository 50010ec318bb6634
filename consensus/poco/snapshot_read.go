package poco

import (
	"encoding/binary"
	"errors"
	"hash"
	"io"
)

// reader reads what writer wrote. The first error sticks, and what is read after it is
// zero.
type reader struct {
	r       io.Reader // nil: all is in the buffer
	buffer  []byte
	at, end int // what is left of the buffer
	summed  int // what of the buffer is in the sum
	sum     hash.Hash32
	scratch [32]byte
	err     error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// fill reads exactly so much.
func (r *reader) fill(b []byte) {
	for len(b) > 0 && r.err == nil {
		if r.at == r.end {
			r.refill()
		}
		n := copy(b, r.buffer[r.at:r.end])
		r.at += n
		b = b[n:]
	}
	clear(b)
}

func (r *reader) refill() {
	if r.r == nil {
		r.fail(ErrSnapshot)
		return
	}
	r.checksum()
	r.at, r.summed = 0, 0
	var err error
	r.end, err = io.ReadAtLeast(r.r, r.buffer, 1)
	if errors.Is(err, io.EOF) {
		r.fail(ErrSnapshot)
	} else if err != nil {
		r.fail(err)
	}
}

// checksum is of all that has been read.
func (r *reader) checksum() []byte {
	_, _ = r.sum.Write(r.buffer[r.summed:r.at]) // a hash's Write returns no error
	r.summed = r.at
	return r.sum.Sum(nil)
}

// raw reads n bytes, in pieces so that a length that lies cannot ask for memory that the
// input does not fill.
func (r *reader) raw(n int) []byte {
	const piece = 1 << 16
	var b []byte
	for n > 0 && r.err == nil {
		part := make([]byte, min(n, piece))
		r.fill(part)
		b = append(b, part...)
		n -= len(part)
	}
	return b
}

func (r *reader) number() uint64 {
	b := r.scratch[:8]
	r.fill(b)
	return binary.BigEndian.Uint64(b)
}

func (r *reader) byte() byte {
	r.fill(r.scratch[:1])
	return r.scratch[0]
}

func (r *reader) flag() bool {
	b := r.byte()
	if b > 1 {
		r.fail(ErrSnapshot)
	}
	return b == 1
}

func (r *reader) hash() (h Hash) {
	r.fill(h[:])
	return h
}

func (r *reader) address() (a Address) {
	r.fill(a[:])
	return a
}

func (r *reader) amount() (a Amount) {
	n := int(r.byte())
	if n > 32 {
		r.fail(ErrSnapshot)
		return a
	}
	b := r.scratch[:n]
	r.fill(b)
	a.SetBytes(b)
	if a.ByteLen() != n {
		r.fail(ErrSnapshot)
	}
	return a
}

func (r *reader) bytes() []byte {
	n := r.number()
	if n > 1<<31 {
		r.fail(ErrSnapshot)
		return nil
	}
	return r.raw(int(n))
}

func (r *reader) text() string { return string(r.bytes()) }

func (r *reader) account() Account {
	return Account{Stake: r.amount(), Locked: r.amount(), Score: r.amount()}
}

func (r *reader) allowance() allowanceID {
	return allowanceID{owner: r.address(), spender: r.address()}
}

func (r *reader) contributionID() contributionID {
	return contributionID{task: r.hash(), worker: r.address()}
}

func (r *reader) groupID() groupID { return groupID{task: r.hash(), result: r.hash()} }

func (r *reader) priced() Priced {
	return Priced{Pointer: r.address(), Owner: r.address(), Price: r.amount()}
}

func (r *reader) deal() deal {
	d := deal{Deal: Deal{
		App: r.priced(), Dataset: r.priced(), Workerpool: r.priced(), Trust: r.amount(), Category: r.amount(), Tag: r.hash(),
		Requester: r.address(), Beneficiary: r.address(), Callback: r.address(), Params: r.text(), StartTime: r.number(),
	}}
	d.first, d.size = r.amount(), r.amount()
	d.BotFirst, d.BotSize = saturate(&d.first), saturate(&d.size)
	d.WorkerStake, d.SchedulerRewardRatio, d.Sponsor, d.Boost = r.amount(), r.amount(), r.address(), r.flag()
	d.forgotten = r.number()
	return d
}

func (r *reader) task() task {
	t := task{Task: Task{Status: TaskStatus(r.byte()), Deal: r.hash()}}
	for _, x := range []*uint64{&t.Index, &t.TimeRef, &t.ContributionDeadline, &t.RevealDeadline, &t.FinalDeadline, &t.RevealCounter, &t.WinnerCounter} {
		*x = r.number()
	}
	t.ConsensusValue = r.hash()
	for i, n := uint64(0), r.number(); i < n && r.err == nil; i++ {
		t.Contributors = append(t.Contributors, r.address())
	}
	t.ResultDigest, t.Results, t.ResultsCallback, t.total = r.hash(), r.bytes(), r.bytes(), r.amount()
	t.forgotten = r.flag()
	return t
}

func (r *reader) contribution() Contribution {
	return Contribution{
		Status: ContributionStatus(r.byte()), ResultHash: r.hash(), ResultSeal: r.hash(), EnclaveChallenge: r.address(), Weight: r.amount(),
	}
}

func (r *reader) category() Category {
	return Category{Name: r.text(), Description: r.text(), WorkClockTimeRef: r.number()}
}

func (r *reader) resource() Resource {
	return Resource{
		Kind: ResourceKind(r.byte()), Owner: r.address(), Name: r.text(), Type: r.text(), Multiaddr: r.bytes(), Checksum: r.hash(),
		MREnclave: r.bytes(), WorkerStakeRatio: r.amount(), SchedulerRewardRatio: r.amount(),
	}
}

func (r *reader) nothing() (n struct{}) { return n }

func (r *reader) totals() totals { return totals{supply: r.amount(), boosts: r.number()} }

func (r *reader) order() Order {
	return Order{Consumed: r.amount(), Closed: r.flag(), Signer: r.address()}
}
