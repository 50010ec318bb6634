package sink

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"assay/indexer/projection"
	"assay/indexer/projection/table"
	"assay/internal/kafka"
)

// Records read ahead are bounded in number and in bytes.
const (
	readAhead      = 4096
	readAheadBytes = 4 << 20
)

// encodeEvery is after how many rows those of a batch are encoded. What changes again and
// again stays as it is until the batch is closed, as only its newest row is worth sending.
const encodeEvery = 2_000

// A batch is no larger than this when it is encoded, so that its two (one is written while
// the other one grows) stay small beside the rest of the program.
const maxBytes = 24 << 20

// While it catches up, a sink waits a little for a batch to grow: larger ones cost the database
// far less for each row. lingerRows is how large the last one has to be to say that it does,
// lingerGap how long no record may come, and lingerMost how old the last batch may be.
const (
	lingerRows = 20_000
	lingerGap  = 30 * time.Millisecond
	lingerMost = time.Second
)

// stream carries one partition of a log into the database.
type stream struct {
	sink      *Sink
	topic     string
	partition int
	fold      func(*projection.Rows, kafka.Message) error
	keeper    *keeper // of the fold's state; nil: it has none

	next  int64 // first offset whose rows are not in a batch
	begun plan  // newest in the database
	until int64 // last offset of a batch that was begun and perhaps not finished; -1: there is none
	ahead chan kafka.Message
	spare chan *batch         // written, to be filled again
	room  *semaphore.Weighted // bytes that may still be read ahead
	ready chan struct{}       // the writer waits for a batch
	large time.Time           // when a large batch was closed last, if that was the last; zero else

	last    kafka.Message // that was folded
	written atomic.Int64  // first offset whose rows are not in the database
}

// batch is what is written at once: the rows of a plan's records.
type batch struct {
	plan    plan
	planned bool // the plan is in the database
	records uint64
	rows    projection.Rows // not encoded yet

	blocks  map[string]*block // by table
	encoded int               // rows
	bytes   int               // that these take
	kept    int               // rows that were left when others were last encoded
}

func (b *batch) size() int { return b.encoded + b.rows.Len() }

// run writes until ctx ends.
func (s *stream) run(ctx context.Context) error {
	if err := s.resume(ctx); err != nil {
		return err
	}
	return s.follow(ctx, s.next)
}

// follow reads from an offset until ctx ends. Records before next are folded, too, but not
// written: they are the memory of a fold that has one.
func (s *stream) follow(ctx context.Context, from int64) error {
	s.written.Store(s.next)
	s.open()
	g, ctx := errgroup.WithContext(ctx)
	full := make(chan *batch)
	g.Go(func() error { return s.read(ctx, from) })
	g.Go(func() error { return s.gather(ctx, full) })
	g.Go(func() error { return s.write(ctx, full) })
	return g.Wait()
}

// open makes room for what is read ahead.
func (s *stream) open() {
	s.spare, s.ready = make(chan *batch, 2), make(chan struct{}, 1)
	s.ahead, s.room = make(chan kafka.Message, readAhead), semaphore.NewWeighted(readAheadBytes)
}

// resume finds where to go on: with the batch that was begun last, if it is not known to be
// finished, and after it else.
//
// The plan is read before the progress: another sink that is still there may finish the one
// and begin the next in between, and progress is never behind a plan that was there before it.
func (s *stream) resume(ctx context.Context) (err error) {
	if s.begun, _, err = s.sink.writer.lastPlan(ctx, s.topic, s.partition); err != nil {
		return err
	}
	if s.next, err = s.sink.writer.progress(ctx, s.topic, s.partition); err != nil {
		return err
	}
	end, err := s.sink.kafka.End(ctx, s.topic, s.partition)
	if err != nil {
		return err
	}
	s.until = -1
	switch first, last := int64(s.begun.First), int64(s.begun.Last); {
	case s.begun.Number == 0 || s.next > last:
	case s.next < first: // progress was taken away, to write all again
		return s.sink.writer.unsummed(ctx)
	default:
		s.next, s.until = first, last
	}
	if end < max(s.next, s.until+1) {
		return fmt.Errorf("the database is at offset %d of %s/%d, which ends at %d: it was filled from another log",
			max(s.next, s.until+1), s.topic, s.partition, end)
	}
	return nil
}

func (s *stream) read(ctx context.Context, from int64) error {
	return s.sink.kafka.Read(ctx, s.topic, s.partition, from, -1, func(m kafka.Message) error {
		if err := s.room.Acquire(ctx, size(m)); err != nil {
			return err
		}
		select {
		case s.ahead <- m:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

func size(m kafka.Message) int64 { return min(int64(len(m.Value)), readAheadBytes) }

// gather folds what was read ahead into batches, one whenever the writer is ready for it.
func (s *stream) gather(ctx context.Context, full chan<- *batch) error {
	for {
		b, err := s.collect(ctx)
		if err != nil {
			return err
		}
		s.close(b)
		if err := s.encode(b, true); err != nil {
			return err
		}
		select {
		case full <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// close gives a batch its plan.
func (s *stream) close(b *batch) {
	s.large = time.Time{}
	if b.size() > lingerRows {
		s.large = time.Now()
	}
	if s.until >= 0 {
		b.plan, b.planned, s.until = s.begun, true, -1
		return
	}
	s.begun.Number++
	s.begun.First, s.begun.Last, s.begun.Owner = b.plan.First, b.plan.Last, s.sink.writer.owner
	b.plan = s.begun
}

func (s *stream) write(ctx context.Context, full <-chan *batch) error {
	for {
		s.ready <- struct{}{}
		select {
		case b := <-full:
			if err := s.sink.writer.write(ctx, b); err != nil {
				return err
			}
			s.written.Store(int64(b.plan.Last) + 1)
			s.sink.written(b)
			s.recycle(b)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// collect takes records until the writer is ready for them, or they are a full batch: at once
// when live, many while catching up. A batch that was begun before is taken whole.
func (s *stream) collect(ctx context.Context) (*batch, error) {
	b := s.empty()
	for !s.full(b) {
		m, came, err := s.await(ctx, b)
		if err != nil {
			return nil, err
		}
		if !came {
			return b, nil
		}
		if err := s.add(b, m); err != nil {
			return nil, err
		}
	}
	select {
	case <-s.ready:
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// await is the next record; or none, if the writer is ready for those that came before it.
func (s *stream) await(ctx context.Context, b *batch) (m kafka.Message, came bool, err error) {
	select {
	case m = <-s.ahead:
		return m, true, nil
	default:
	}
	if s.lingers() {
		gap := time.NewTimer(lingerGap)
		defer gap.Stop()
		select {
		case m = <-s.ahead:
			return m, true, nil
		case <-gap.C:
		case <-ctx.Done():
			return m, false, ctx.Err()
		}
	}
	ready := s.ready
	if b.records == 0 || s.until >= 0 {
		ready = nil // there is nothing to hand over
	}
	select {
	case m = <-s.ahead:
		return m, true, nil
	case <-ready:
		return m, false, nil
	case <-ctx.Done():
		return m, false, ctx.Err()
	}
}

// lingers says whether the sink seems to be catching up.
func (s *stream) lingers() bool { return !s.large.IsZero() && time.Since(s.large) < lingerMost }

// recycle keeps a batch's room for another.
func (s *stream) recycle(b *batch) {
	next := &batch{rows: b.rows, blocks: b.blocks}
	next.rows.Reset()
	for _, block := range b.blocks {
		block.reset()
	}
	select {
	case s.spare <- next:
	default:
	}
}

func (s *stream) empty() *batch {
	select {
	case b := <-s.spare:
		return b
	default:
		return &batch{blocks: map[string]*block{}}
	}
}

// full says whether nothing more is to go into a batch.
func (s *stream) full(b *batch) bool {
	switch {
	case b.records == 0:
		return false
	case s.until >= 0:
		return int64(b.plan.Last) == s.until
	}
	return b.size() >= s.sink.maxRows || b.bytes >= maxBytes
}

func (s *stream) add(b *batch, m kafka.Message) error {
	s.room.Release(size(m))
	rows := &b.rows
	if m.Offset < s.next {
		rows = &projection.Rows{} // they are in the database
	}
	if err := s.fold(rows, m); err != nil {
		return fmt.Errorf("folding %s/%d at offset %d: %w", s.topic, s.partition, m.Offset, err)
	}
	if s.keeper != nil {
		if err := s.keeper.folded(s.topic, m, s.written.Load()); err != nil {
			return err
		}
		s.last = m
	}
	if m.Offset < s.next {
		return nil
	}
	if b.records == 0 {
		b.plan.First = uint64(m.Offset)
	}
	b.plan.Last = uint64(m.Offset)
	s.next = m.Offset + 1
	b.records++
	if b.rows.Len() < 2*b.kept+encodeEvery {
		return nil
	}
	return s.encode(b, false)
}

// encode moves rows of a batch into its blocks: all of them, or those that no later record
// makes superfluous.
func (s *stream) encode(b *batch, all bool) error {
	err := b.rows.Drain(all, func(t table.Table) (err error) {
		to := b.blocks[t.Name]
		if to == nil {
			if to, err = newBlock(t, s.sink.writer.columns[t.Name]); err != nil {
				return err
			}
			b.blocks[t.Name] = to
		}
		b.bytes -= to.bytes()
		b.encoded += t.Len()
		err = to.append(t)
		b.bytes += to.bytes()
		return err
	})
	b.kept = b.rows.Len()
	return err
}
