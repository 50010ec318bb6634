package audit

import (
	"bytes"
	"fmt"
	"hash/maphash"

	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
)

// ref is the place of an event in the log. Event is its position in the block; -1 stands
// for the record as a whole, and the zero ref for nothing.
type ref struct {
	next  int64 // offset of the record + 1
	event int32
}

func at(offset int64, event int) ref { return ref{next: offset + 1, event: int32(event)} }

// canonical is a block of the log that was not retracted.
type canonical struct {
	*assaypb.Block
	offset int64
}

// maxRepeat is how far back a producer's second try can reach.
const maxRepeat = 1 << 12

// reader takes the records of a chain log in order, checks that they are what a source
// writes, and hands over the blocks that stay.
type reader struct {
	chain  uint64
	report *Report
	// settle gets each canonical block, in order, when it is final or the log ends.
	settle func(canonical) error

	next     uint64            // sequence of the next record
	seed     maphash.Seed      //
	recent   [maxRepeat]uint64 // hashes of the newest records, by sequence
	pending  []canonical       // above finality, oldest first
	final    uint64            // newest final block of any mark
	newest   *assaypb.Block    // newest canonical block, pending or settled
	before   *assaypb.Block    // newest settled block
	lastMark *assaypb.Mark
	markAt   uint64 // sequence of lastMark
	head     *head  // nil: there was no mark yet
}

// head is how far readers may believe the chain to be indexed: the newest mark, or what a
// retraction since then has left of it.
type head struct {
	number, time uint64
	hash         []byte
}

func newReader(chain uint64, report *Report, settle func(canonical) error) *reader {
	return &reader{chain: chain, report: report, settle: settle, seed: maphash.MakeSeed()}
}

// fault notes that the log is not what it should be.
func (r *reader) fault(cause *Cause, kind, id, expected, found string) {
	r.report.add(Difference{In: inLog, Kind: kind, ID: id, Expected: expected, Found: found, Cause: cause})
}

// read takes the record at an offset.
func (r *reader) read(m kafka.Message) error {
	r.report.Compared.Log.Records++
	id := fmt.Sprintf("at offset %d", m.Offset)
	record, counts, err := schema.ReadRecord(m.Value, m.Offset)
	if err != nil {
		r.fault(nil, "record", id, "a ChainRecord", err.Error())
		return nil
	}
	if !counts {
		r.report.Compared.Log.Repeated++
		return nil
	}
	if record.ChainId != r.chain {
		r.fault(nil, "record", id, fmt.Sprintf("one of chain %d", r.chain), fmt.Sprintf("one of chain %d", record.ChainId))
		return nil
	}
	if !r.follows(record.Sequence, m) {
		return nil
	}
	switch body := record.Body.(type) {
	case *assaypb.ChainRecord_Block:
		return r.block(canonical{body.Block, m.Offset})
	case *assaypb.ChainRecord_Retraction:
		r.retract(body.Retraction, id)
		return nil
	case *assaypb.ChainRecord_Mark:
		return r.mark(body.Mark, record.Sequence)
	}
	r.fault(nil, "record", id, "a block, a retraction or a mark", "none of them")
	return nil
}

// follows says whether a record is new. One that repeats an earlier one is what a
// producer's second try leaves behind, if it is the same record.
func (r *reader) follows(sequence uint64, m kafka.Message) bool {
	hash := maphash.Bytes(r.seed, m.Value)
	id := fmt.Sprintf("at offset %d", m.Offset)
	if sequence < r.next {
		r.report.Compared.Log.Repeated++
		switch {
		case r.next-sequence > maxRepeat:
			r.fault(nil, "sequence", id, fmt.Sprint(r.next), fmt.Sprintf("%d, too far back to be a second try", sequence))
		case r.recent[sequence%maxRepeat] != hash:
			r.fault(nil, "sequence", id, fmt.Sprintf("%d, or an earlier record again", r.next), fmt.Sprintf("%d with another record than before", sequence))
		}
		return false
	}
	if sequence > r.next {
		r.fault(nil, "sequence", id, fmt.Sprint(r.next), fmt.Sprintf("%d: %d records are missing", sequence, sequence-r.next))
	}
	r.next = sequence + 1
	r.recent[sequence%maxRepeat] = hash
	return true
}

func (r *reader) block(b canonical) error {
	r.checkBlock(b)
	r.newest = b.Block
	r.pending = append(r.pending, b)
	return nil
}

// checkBlock compares a block with the one before it.
func (r *reader) checkBlock(b canonical) {
	cause := causeOf(b.Block, -1)
	id := fmt.Sprint(b.Number)
	if len(b.Hash) != 32 || len(b.ParentHash) != 32 {
		r.fault(cause, "block", id, "hashes of 32 bytes", fmt.Sprintf("hash %x, parent %x", b.Hash, b.ParentHash))
	}
	if b.Number <= r.final && r.lastMark != nil {
		r.fault(cause, "block", id, fmt.Sprintf("a block above %d, which is final", r.final), id)
	}
	if before := r.newest; before != nil {
		switch {
		case b.Number <= before.Number:
			r.fault(cause, "block", id, fmt.Sprintf("a block above %d", before.Number), id)
		case b.Number == before.Number+1 && !bytes.Equal(b.ParentHash, before.Hash):
			r.fault(cause, "parent of block", id, hexOf(before.Hash), hexOf(b.ParentHash))
		case b.Time < before.Time:
			r.fault(cause, "time of block", id, fmt.Sprintf("at least %d", before.Time), fmt.Sprint(b.Time))
		}
	}
	r.checkEvents(b)
}

// checkEvents looks at the order of a block's events.
func (r *reader) checkEvents(b canonical) {
	if len(b.Events) == 0 {
		r.fault(causeOf(b.Block, -1), "block", fmt.Sprint(b.Number), "events", "none")
	}
	for i := 1; i < len(b.Events); i++ {
		before, event := b.Events[i-1], b.Events[i]
		id := fmt.Sprintf("%d of block %d", event.LogIndex, b.Number)
		if event.LogIndex <= before.LogIndex {
			r.fault(causeOf(b.Block, i), "log", id, fmt.Sprintf("a log after %d", before.LogIndex), fmt.Sprint(event.LogIndex))
		}
		if event.TxIndex < before.TxIndex {
			r.fault(causeOf(b.Block, i), "log", id, fmt.Sprintf("one of transaction %d or later", before.TxIndex), fmt.Sprint(event.TxIndex))
		}
	}
}

// retract drops the newest block.
func (r *reader) retract(retraction *assaypb.Retraction, id string) {
	r.report.Compared.Log.Retractions++
	n := len(r.pending)
	found := fmt.Sprintf("block %d (%x)", retraction.Number, retraction.Hash)
	if n == 0 {
		r.fault(nil, "retraction", id, fmt.Sprintf("a block above %d, which is final", r.final), found)
		return
	}
	if newest := r.pending[n-1]; !bytes.Equal(newest.Hash, retraction.Hash) || newest.Number != retraction.Number {
		r.fault(nil, "retraction", id, fmt.Sprintf("the newest block, %d (%x)", newest.Number, newest.Hash), found)
		return
	}
	gone := r.pending[n-1].Block
	r.pending = r.pending[:n-1]
	r.newest = r.before
	if n > 1 {
		r.newest = r.pending[n-2].Block
	}
	r.lower(gone)
}

// lower takes the head back below a block that was retracted, if it is not there yet. The
// block below may be in no log: its hash is known from its child, and its time counts as
// that of the newest block of the log below.
func (r *reader) lower(gone *assaypb.Block) {
	if r.head == nil || r.head.number < gone.Number {
		return
	}
	r.head = &head{number: gone.Number - 1, hash: gone.ParentHash, time: r.newest.GetTime()}
}

// mark settles what is final now.
func (r *reader) mark(mark *assaypb.Mark, sequence uint64) error {
	r.report.Compared.Log.Marks++
	r.checkMark(mark, fmt.Sprint(sequence))
	r.lastMark, r.markAt = mark, sequence
	r.head = &head{number: mark.HeadNumber, hash: mark.HeadHash, time: mark.HeadTime}
	r.final = max(r.final, mark.FinalizedNumber)
	n := 0
	for n < len(r.pending) && r.pending[n].Number <= r.final {
		n++
	}
	return r.hand(n)
}

func (r *reader) checkMark(mark *assaypb.Mark, sequence string) {
	id := "with sequence " + sequence
	if mark.FinalizedNumber > mark.HeadNumber {
		r.fault(nil, "mark", id, fmt.Sprintf("a final block up to the head, %d", mark.HeadNumber), fmt.Sprint(mark.FinalizedNumber))
	}
	if mark.FinalizedNumber < r.final {
		r.fault(nil, "mark", id, fmt.Sprintf("finality at %d or later", r.final), fmt.Sprint(mark.FinalizedNumber))
	}
	if r.newest == nil {
		return
	}
	if mark.HeadNumber < r.newest.Number {
		r.fault(nil, "mark", id, fmt.Sprintf("a head at %d or later", r.newest.Number), fmt.Sprint(mark.HeadNumber))
	}
	if mark.HeadNumber == r.newest.Number && !bytes.Equal(mark.HeadHash, r.newest.Hash) {
		r.fault(nil, "mark", id, "head "+hexOf(r.newest.Hash), hexOf(mark.HeadHash))
	}
	for _, block := range r.pending {
		if block.Number == mark.FinalizedNumber && !bytes.Equal(block.Hash, mark.FinalizedHash) {
			r.fault(nil, "mark", id, "final block "+hexOf(block.Hash), hexOf(mark.FinalizedHash))
		}
	}
}

// hand settles the oldest n pending blocks.
func (r *reader) hand(n int) error {
	for _, b := range r.pending[:n] {
		r.before = b.Block
		r.report.Compared.Log.Blocks++
		r.report.Compared.Log.Events += uint64(len(b.Events))
		if err := r.settle(b); err != nil {
			return err
		}
	}
	r.pending = append([]canonical(nil), r.pending[n:]...)
	return nil
}

// end settles what is left: the log holds nothing more that is indexed.
func (r *reader) end() error { return r.hand(len(r.pending)) }
