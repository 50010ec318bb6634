package engine

import (
	"errors"
	"fmt"

	"assay/schema/assaypb"
)

// ErrForkBelowConfirmations says that the chain abandoned a block that the engine had
// already acted on. The engine has to fold the logs again.
var ErrForkBelowConfirmations = errors.New("the chain abandoned a block deeper than the confirmations a pool waits for")

// buried holds the chain log's blocks back until they are deep enough: a pool never
// acts, let alone pays, because of a block that can vanish.
type buried struct {
	confirmations uint64
	waiting       []*assaypb.Block // ascending by number
	marks         []*assaypb.Mark  // ascending by head number, from the newest safe one on
	released      uint64           // number of the newest block given out
	next          uint64           // sequence of the next record; earlier ones are repeats
}

// push takes the next record of the chain log.
func (b *buried) push(record *assaypb.ChainRecord) error {
	if record.Sequence < b.next {
		return nil // a producer's retry
	}
	if record.Sequence > b.next {
		return fmt.Errorf("chain log: record %d follows %d: records are missing", record.Sequence, b.next-1)
	}
	b.next++
	switch body := record.Body.(type) {
	case *assaypb.ChainRecord_Block:
		b.waiting = append(b.waiting, body.Block)
	case *assaypb.ChainRecord_Retraction:
		return b.retract(body.Retraction)
	case *assaypb.ChainRecord_Mark:
		b.mark(body.Mark)
	}
	return nil
}

func (b *buried) retract(gone *assaypb.Retraction) error {
	last := len(b.waiting) - 1
	if last < 0 || string(b.waiting[last].Hash) != string(gone.Hash) {
		return fmt.Errorf("block %d: %w", gone.Number, ErrForkBelowConfirmations)
	}
	b.waiting = b.waiting[:last]
	return nil
}

// mark keeps marks ascending: a fork may bring the head back a little.
func (b *buried) mark(mark *assaypb.Mark) {
	for len(b.marks) > 0 && b.marks[len(b.marks)-1].HeadNumber >= mark.HeadNumber {
		b.marks = b.marks[:len(b.marks)-1]
	}
	b.marks = append(b.marks, mark)
}

// final returns the blocks that are final. It is what a replay may release before it
// has seen the whole log, where a retraction may still follow.
func (b *buried) final() []*assaypb.Block {
	if len(b.marks) == 0 {
		return nil
	}
	return b.release(b.marks[len(b.marks)-1].FinalizedNumber)
}

// safe returns the blocks that have become deep enough, oldest first, and the chain's
// time there (0 before the first mark that deep).
func (b *buried) safe() ([]*assaypb.Block, uint64) {
	if len(b.marks) == 0 {
		return nil, 0
	}
	head := b.marks[len(b.marks)-1].HeadNumber
	if head < b.confirmations {
		return nil, 0
	}
	height := head - b.confirmations
	return b.release(height), b.timeAt(height)
}

// newest is the time of the chain's head. A deadline that has passed there is passed,
// whatever becomes of the head.
func (b *buried) newest() uint64 {
	if len(b.marks) == 0 {
		return 0
	}
	return b.marks[len(b.marks)-1].HeadTime
}

func (b *buried) release(height uint64) []*assaypb.Block {
	n := 0
	for n < len(b.waiting) && b.waiting[n].Number <= height {
		n++
	}
	ready := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	if n > 0 {
		b.released = ready[n-1].Number
	}
	return ready
}

// timeAt is the time of the newest mark at or below a height; older marks are dropped.
func (b *buried) timeAt(height uint64) uint64 {
	n := 0
	for n+1 < len(b.marks) && b.marks[n+1].HeadNumber <= height {
		n++
	}
	b.marks = b.marks[n:]
	if b.marks[0].HeadNumber > height {
		return 0
	}
	return b.marks[0].HeadTime
}
