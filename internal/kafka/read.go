package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
)

// A fetch returns as soon as there is anything, or after maxWait, with about
// maxFetchBytes at most.
const (
	maxWait       = time.Second
	maxFetchBytes = 4 << 20
)

// Read hands the records of a partition to handle, one by one, each once and in order.
// With to < 0 it follows the log from offset from for ever, over restarts of brokers,
// until ctx ends, and returns ctx.Err(); else it reads the offsets from ≤ o < to and
// returns nil. An error of handle ends it and is returned as it is.
//
// If the log does not hold the offsets, because they were deleted, or were lost with
// the log's end, or are not written yet, it returns ErrOutOfRange; the one exception is
// to follow from the log's very end. If offsets are missing in between, ErrGap.
func (c *Client) Read(ctx context.Context, topic string, partition int, from, to int64, handle func(Message) error) error {
	r := reader{client: c, topic: topic, partition: partition, next: from, to: to, handle: handle}
	if err := r.check(ctx); err != nil {
		return r.explain(ctx, err)
	}
	for to < 0 || r.next < to {
		if err := r.step(ctx); err != nil {
			return r.explain(ctx, err)
		}
	}
	return nil
}

// reader is the state of one Read.
type reader struct {
	client    *Client
	topic     string
	partition int
	next, to  int64 // next is the offset to deliver next
	handle    func(Message) error
}

// check refuses offsets that the log does not hold. Kafka itself would let a reader
// wait for the end of a range that will never be written.
func (r *reader) check(ctx context.Context) error {
	if r.to >= 0 && r.next >= r.to {
		return nil
	}
	first, end, err := r.client.bounds(ctx, r.topic, r.partition)
	if err != nil {
		return err
	}
	if r.next < first || r.next > end {
		return fmt.Errorf("%w: it begins at %d and ends before %d", ErrOutOfRange, first, end)
	}
	if r.to > end {
		return fmt.Errorf("%w: %d is to be the last, and it ends before %d", ErrOutOfRange, r.to-1, end)
	}
	return nil
}

// step fetches once and delivers what came.
func (r *reader) step(ctx context.Context) error {
	records, err := r.fetch(ctx)
	if err != nil {
		return err
	}
	for r.to < 0 || r.next < r.to {
		if err := ctx.Err(); err != nil {
			return err
		}
		record, err := records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.deliver(record); err != nil {
			return err
		}
	}
	return nil
}

// fetch waits for records at or after the next offset; there may be none.
func (r *reader) fetch(ctx context.Context) (records kafka.RecordReader, err error) {
	err = r.client.retry(ctx, place{r.topic, r.partition}, func(ctx context.Context) error {
		response, err := r.client.kafka.Fetch(ctx, &kafka.FetchRequest{
			Topic: r.topic, Partition: r.partition, Offset: r.next,
			MinBytes: 1, MaxBytes: maxFetchBytes, MaxWait: maxWait,
		})
		if err != nil {
			return err
		}
		records = response.Records
		return response.Error
	})
	return records, err
}

// deliver hands over one record. A batch may begin before the offset that was asked for.
func (r *reader) deliver(record *kafka.Record) error {
	message, err := read(record)
	switch {
	case err != nil:
		return err
	case record.Offset < r.next:
		return nil
	case record.Offset > r.next:
		return fmt.Errorf("%w: %d follows after %d", ErrGap, record.Offset, r.next-1)
	}
	message.Partition, message.Offset = r.partition, record.Offset
	if err := r.handle(message); err != nil {
		return handlerError{err}
	}
	r.next++
	return nil
}

// read takes key and value out of kafka-go's buffers.
func read(record *kafka.Record) (Message, error) {
	key, err := readBytes(record.Key)
	if err != nil {
		return Message{}, err
	}
	value, err := readBytes(record.Value)
	return Message{Key: key, Value: value}, err
}

func readBytes(b kafka.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	data, err := kafka.ReadAll(b)
	return data, errors.Join(err, b.Close())
}

// handlerError marks an error that is the caller's own.
type handlerError struct{ error }

// explain words the error that ended a read.
func (r *reader) explain(ctx context.Context, err error) error {
	var own handlerError
	if errors.As(err, &own) {
		return own.error
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("reading %s/%d at offset %d: %w", r.topic, r.partition, r.next, err)
}
