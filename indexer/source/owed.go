package source

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"assay/contracts"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
)

// debts proves, beside the following, what the log holds at a lower level than is asked
// for now. What is proven is told to the source, which owns the ledger.
type debts struct {
	paid chan *assaypb.Coverage
	done chan error // nil when nothing is owed any more
}

// payDebts starts to prove what the ledger owes up to the final block that the log holds.
// Since the whole log is read for it, what was not final yet waits until all of it is.
func (s *Source) payDebts(ctx context.Context) {
	level, first := s.verify.past(), max(s.preset.StartBlock, 1)
	if s.debts != nil || level == assaypb.Verification_VERIFICATION_FETCHED {
		return
	}
	final := s.trail.anchor().Number
	owed := s.ledger.Owed(first, final, level)
	if later := final < s.trail.top().Number && len(s.ledger.Owed(final+1, s.trail.top().Number, level)) > 0; len(owed) == 0 || later && s.settled {
		return
	}
	s.settled = true
	s.debts = &debts{paid: make(chan *assaypb.Coverage, 64), done: make(chan error, 1)}
	s.logger.Info("verifying what the log holds unverified", "chain", s.preset.Name, "ranges", len(owed),
		"from", owed[0].FromNumber, "to", owed[len(owed)-1].ToNumber)
	end := s.log.end
	go func(d *debts) { d.done <- s.pay(ctx, d, owed, end, level) }(s.debts)
}

// collect puts what was proven since into the ledger, which the next mark will carry. It
// fails where the log was found wrong.
func (s *Source) collect(ctx context.Context) error {
	for s.debts != nil {
		select {
		case c := <-s.debts.paid:
			s.setLedger(s.ledger.raise(c))
			continue
		default:
		}
		select {
		case err := <-s.debts.done:
			for len(s.debts.paid) > 0 {
				s.setLedger(s.ledger.raise(<-s.debts.paid))
			}
			s.debts = nil
			return s.conclude(ctx, err)
		default:
			return nil
		}
	}
	return nil
}

func (s *Source) setLedger(ledger Ledger) {
	s.ledger = ledger
	s.note(func(st *Status) { st.Ledger = ledger })
}

// conclude notes for ever what was proven, or which block could not be.
func (s *Source) conclude(ctx context.Context, err error) error {
	failed := &assaypb.Coverage{Verification: assaypb.Verification_VERIFICATION_FAILED}
	var wrong *IncompleteError
	var doubted *DoubtError
	switch {
	case errors.As(err, &wrong):
		failed.FromNumber, failed.Failure = wrong.Number, wrong.Reason
	case errors.As(err, &doubted):
		failed.FromNumber, failed.Failure = doubted.Number, doubted.Reason
	case err != nil:
		return err
	}
	if failed.ToNumber = failed.FromNumber; err != nil {
		s.setLedger(s.ledger.raise(failed))
	}
	return errors.Join(err, s.log.append(ctx, mark(s.trail.top(), s.final, s.ledger)))
}

// pay reads the log up to an offset and proves those of its blocks that are owed.
func (s *Source) pay(ctx context.Context, d *debts, owed []*assaypb.Coverage, end int64, level assaypb.Verification) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.workers)
	var held []*assaypb.Block // in the log, above the last range that was given out
	give := func(r *assaypb.Coverage) {
		n := 0
		for n < len(held) && held[n].Number <= r.ToNumber {
			n++
		}
		own := held[:n:n]
		held = held[n:]
		group.Go(func() error { return s.proveRange(ctx, d, r, own, level) })
	}
	ranges := strides(owed)
	err := s.log.kafka.Read(ctx, s.log.topic, 0, 0, end, func(m kafka.Message) error {
		record, counts, err := schema.ReadRecord(m.Value, m.Offset)
		if err != nil || !counts {
			return err
		}
		switch body := record.Body.(type) {
		case *assaypb.ChainRecord_Block:
			held = append(held, body.Block)
		case *assaypb.ChainRecord_Retraction:
			held = held[:max(len(held), 1)-1]
		case *assaypb.ChainRecord_Mark:
			for len(ranges) > 0 && ranges[0].ToNumber <= body.Mark.FinalizedNumber && ranges[0].ToNumber <= body.Mark.HeadNumber {
				held = from(held, ranges[0].FromNumber)
				give(ranges[0])
				ranges = ranges[1:]
			}
			if len(ranges) == 0 {
				held = nil
			} else {
				held = from(held, min(ranges[0].FromNumber, body.Mark.FinalizedNumber))
			}
		}
		return nil
	})
	if failed := group.Wait(); failed != nil {
		return failed
	}
	return err
}

// from are the blocks from a number on.
func from(blocks []*assaypb.Block, number uint64) []*assaypb.Block {
	for len(blocks) > 0 && blocks[0].Number < number {
		blocks = blocks[1:]
	}
	return blocks
}

// strides cuts ranges into such as are proven at once.
func strides(ranges []*assaypb.Coverage) (out []*assaypb.Coverage) {
	for _, r := range ranges {
		for from := r.FromNumber; from <= r.ToNumber; from += provenStride {
			out = append(out, &assaypb.Coverage{FromNumber: from, ToNumber: min(r.ToNumber, from+provenStride-1)})
		}
	}
	return out
}

// proveRange compares the blocks that the log holds of a range with what the chain proves.
// A node's failure is tried again for as long as it takes.
func (s *Source) proveRange(ctx context.Context, d *debts, r *assaypb.Coverage, held []*assaypb.Block, level assaypb.Verification) error {
	var doubted doubts
	for failures := 1; ; failures++ {
		err := s.compareRange(ctx, r, held, level)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			r.Verification = level
			select {
			case d.paid <- r:
			case <-ctx.Done():
			}
			return nil
		}
		if doubted.add(err) {
			return &stopError{err}
		}
		if gradeOf(err) == critical {
			return err
		}
		s.note(func(st *Status) { st.Errors++; st.LastError = err })
		sleep(ctx, s.pause(failures))
	}
}

func (s *Source) compareRange(ctx context.Context, r *assaypb.Coverage, held []*assaypb.Block, level assaypb.Verification) error {
	headers, contents, err := s.fetchProven(ctx, r.FromNumber, r.ToNumber, level)
	if err != nil {
		return err
	}
	entries, err := s.assemble(ctx, headers, contents, func(header) contracts.At { return contracts.Latest })
	if err != nil {
		return err
	}
	for _, e := range entries {
		if len(held) == 0 || held[0].Number > e.block.Number {
			return &IncompleteError{e.block.Number, fmt.Sprintf("the chain proves %d events of ours, the log does not hold the block", len(e.block.Events))}
		}
		if held[0].Number == e.block.Number {
			if why := differs(held[0], e.block); why != "" {
				return &IncompleteError{e.block.Number, why}
			}
			held = held[1:]
			continue
		}
		break
	}
	if len(held) > 0 {
		return &IncompleteError{held[0].Number, "the log holds events of it, and the chain proves none there"}
	}
	return nil
}

// differs says in what a block of the log is not the one that was proven.
func differs(held, proven *assaypb.Block) string {
	switch {
	case string(held.Hash) != string(proven.Hash):
		return fmt.Sprintf("its hash is %s in the log, %s on the chain", common.BytesToHash(held.Hash), common.BytesToHash(proven.Hash))
	case len(held.Events) != len(proven.Events):
		return fmt.Sprintf("the log holds %d events of it, the chain proves %d", len(held.Events), len(proven.Events))
	}
	for i, e := range proven.Events {
		if !holds(held.Events[i].ProtoReflect(), e.ProtoReflect()) {
			return fmt.Sprintf("its event with index %d is not what the chain proves", e.LogIndex)
		}
	}
	return ""
}

// holds says whether a message has all that a part of it has. What the log has beside it
// was attached.
func holds(whole, part protoreflect.Message) bool {
	same := true
	part.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if field.Message() != nil && !field.IsList() {
			same = whole.Has(field) && holds(whole.Get(field).Message(), value.Message())
		} else {
			same = value.Equal(whole.Get(field))
		}
		return same
	})
	return same
}

// raise returns the ledger with what is known about a range replaced.
func (l Ledger) raise(c *assaypb.Coverage) Ledger {
	var out Ledger
	put := func(part *assaypb.Coverage) {
		if n := len(out); n > 0 && out[n-1].ToNumber+1 == part.FromNumber && out[n-1].Verification == part.Verification && out[n-1].Failure == part.Failure {
			out[n-1] = proto.CloneOf(out[n-1])
			out[n-1].ToNumber = part.ToNumber
			return
		}
		out = append(out, part)
	}
	placed := false
	for _, old := range l {
		if old.FromNumber < c.FromNumber {
			left := proto.CloneOf(old)
			left.ToNumber = min(old.ToNumber, c.FromNumber-1)
			put(left)
		}
		if old.ToNumber <= c.ToNumber {
			continue
		}
		if !placed {
			put(c)
			placed = true
		}
		right := proto.CloneOf(old)
		right.FromNumber = max(old.FromNumber, c.ToNumber+1)
		put(right)
	}
	if !placed {
		put(c)
	}
	for len(out) > maxLedger {
		out = out.join()
	}
	return out
}
