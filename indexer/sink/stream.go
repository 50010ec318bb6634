package sink

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"assay/indexer/projection"
	"assay/internal/kafka"
)

// Records read ahead are bounded in number and in bytes.
const (
	readAhead      = 4096
	readAheadBytes = 16 << 20
)

// stream carries one partition of a log into the database.
type stream struct {
	sink      *Sink
	topic     string
	partition int
	fold      func(kafka.Message) (projection.Rows, error)

	next  int64 // first offset whose rows are not in the database
	ahead chan kafka.Message
	room  *semaphore.Weighted // bytes that may still be read ahead
}

// batch is what is written at once: the rows of the records first to last.
type batch struct {
	topic       string
	partition   uint32
	first, last int64
	records     uint64
	rows        projection.Rows
}

// run writes until ctx ends. With refold the records before next are folded too,
// without being written: they are the memory of a fold that has one.
func (s *stream) run(ctx context.Context, refold bool) error {
	var err error
	if s.next, err = s.sink.writer.progress(ctx, s.topic, s.partition); err != nil {
		return err
	}
	end, err := s.sink.kafka.End(ctx, s.topic, s.partition)
	if err != nil {
		return err
	}
	if end < s.next {
		return fmt.Errorf("the database is at offset %d of %s/%d, which ends at %d: it was filled from another log",
			s.next, s.topic, s.partition, end)
	}
	from := s.next
	if refold {
		from = 0
	}
	s.ahead, s.room = make(chan kafka.Message, readAhead), semaphore.NewWeighted(readAheadBytes)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.read(ctx, from) })
	g.Go(func() error { return s.write(ctx) })
	return g.Wait()
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

// write folds what was read ahead and flushes when there is nothing more to fold, so at
// once when live, or when the batch is full.
func (s *stream) write(ctx context.Context) error {
	for {
		b, err := s.collect(ctx)
		if err != nil {
			return err
		}
		if b.records == 0 {
			continue
		}
		if err := s.sink.writer.write(ctx, b); err != nil {
			return err
		}
		s.next = b.last + 1
		s.sink.written(b)
	}
}

// collect waits for a record and takes those that are there after it, up to a full batch.
func (s *stream) collect(ctx context.Context) (*batch, error) {
	b := &batch{topic: s.topic, partition: uint32(s.partition)}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case m := <-s.ahead:
		if err := s.add(b, m); err != nil {
			return nil, err
		}
	}
	for b.rows.Len() < s.sink.maxRows {
		select {
		case m := <-s.ahead:
			if err := s.add(b, m); err != nil {
				return nil, err
			}
		default:
			return b, nil
		}
	}
	return b, nil
}

func (s *stream) add(b *batch, m kafka.Message) error {
	s.room.Release(size(m))
	rows, err := s.fold(m)
	if err != nil {
		return fmt.Errorf("folding %s/%d at offset %d: %w", s.topic, s.partition, m.Offset, err)
	}
	if m.Offset < s.next {
		return nil
	}
	if b.records == 0 {
		b.first = m.Offset
	}
	b.last = m.Offset
	b.records++
	b.rows.Add(rows)
	return nil
}
