package source

import (
	"google.golang.org/protobuf/proto"

	"assay/schema/assaypb"
)

// Ledger says which blocks' events are in the chain log and what proves that none is
// missing: ranges in order, neighbours of one level joined. Every mark of the log carries
// it whole, so the newest mark tells all. It is the only statement of completeness.
type Ledger []*assaypb.Coverage

// maxLedger bounds a ledger: what does not fit is joined, at the weaker level.
const maxLedger = 1_000

// cover returns the ledger with a range added on top.
func (l Ledger) cover(from, to uint64, level assaypb.Verification) Ledger {
	l = l.cut(from)
	if n := len(l); n > 0 && l[n-1].ToNumber+1 == from && l[n-1].Verification == level {
		last := proto.CloneOf(l[n-1])
		last.ToNumber = to
		return append(l[:n-1:n-1], last)
	}
	l = append(l[:len(l):len(l)], &assaypb.Coverage{FromNumber: from, ToNumber: to, Verification: level})
	if len(l) > maxLedger {
		l = l.join()
	}
	return l
}

// join joins the oldest ranges that touch.
func (l Ledger) join() Ledger {
	for i := 1; i < len(l); i++ {
		if l[i-1].ToNumber+1 != l[i].FromNumber {
			continue
		}
		joined := &assaypb.Coverage{FromNumber: l[i-1].FromNumber, ToNumber: l[i].ToNumber, Verification: min(l[i-1].Verification, l[i].Verification)}
		return append(append(append(Ledger{}, l[:i-1]...), joined), l[i+1:]...)
	}
	return l
}

// fail returns the ledger with a block that is not believed.
func (l Ledger) fail(number uint64, why string) Ledger {
	l = l.cut(number)
	return append(l[:len(l):len(l)], &assaypb.Coverage{
		FromNumber: number, ToNumber: number, Verification: assaypb.Verification_VERIFICATION_FAILED, Failure: why,
	})
}

// cut returns the ledger below a block: what is above was retracted or is known anew.
func (l Ledger) cut(from uint64) Ledger {
	for i, c := range l {
		switch {
		case c.FromNumber >= from:
			return l[:i:i]
		case c.ToNumber >= from:
			last := proto.CloneOf(c)
			last.ToNumber = from - 1
			return append(l[:i:i], last)
		}
	}
	return l
}

// Blocks counts the blocks that are covered at least at a level.
func (l Ledger) Blocks(level assaypb.Verification) (n uint64) {
	for _, c := range l {
		if c.Verification >= level && c.Verification != assaypb.Verification_VERIFICATION_FAILED {
			n += c.ToNumber - c.FromNumber + 1
		}
	}
	return n
}

// Failed are the ranges that are not believed.
func (l Ledger) Failed() []*assaypb.Coverage {
	var out []*assaypb.Coverage
	for _, c := range l {
		if c.Verification == assaypb.Verification_VERIFICATION_FAILED {
			out = append(out, c)
		}
	}
	return out
}

// Owed are the ranges between two blocks that are not covered at a level.
func (l Ledger) Owed(from, to uint64, level assaypb.Verification) []*assaypb.Coverage {
	var out []*assaypb.Coverage
	for _, c := range l {
		if c.Verification < level || c.Verification == assaypb.Verification_VERIFICATION_FAILED || c.ToNumber < from {
			continue
		}
		if c.FromNumber > from {
			out = append(out, &assaypb.Coverage{FromNumber: from, ToNumber: min(to, c.FromNumber-1)})
		}
		if from = c.ToNumber + 1; from > to {
			return out
		}
	}
	if from > to {
		return out
	}
	return append(out, &assaypb.Coverage{FromNumber: from, ToNumber: to})
}

// ledgerOf reads the ledger of a log's newest mark, cut to the blocks that still hold.
// Logs from before there were ledgers, and blocks that reached the log without the mark
// that was to follow them, count as fetched.
func ledgerOf(mark *assaypb.Mark, start, top uint64) Ledger {
	l := Ledger(mark.GetLedger()).cut(top + 1)
	next := start
	if n := len(l); n > 0 {
		if l[n-1].Verification == assaypb.Verification_VERIFICATION_FAILED {
			l = l[:n-1]
			return ledgerOf(&assaypb.Mark{Ledger: l}, start, top)
		}
		next = l[n-1].ToNumber + 1
	}
	if next <= top {
		l = l.cover(next, top, assaypb.Verification_VERIFICATION_FETCHED)
	}
	return l
}
