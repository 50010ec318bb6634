package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"

	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
)

// Log is what the source needs of Kafka; *kafka.Client has it.
type Log interface {
	CreateTopic(ctx context.Context, name string, partitions int) error
	End(ctx context.Context, topic string, partition int) (int64, error)
	Append(ctx context.Context, topic string, messages ...kafka.Message) error
	Read(ctx context.Context, topic string, partition int, from, to int64, handle func(kafka.Message) error) error
}

// chainLog is the end of the chain log: where it is read back and written on.
type chainLog struct {
	kafka   Log
	topic   string
	chainID uint64
	next    uint64 // sequence of the next record
}

// point is a block up to which the log was complete when it was written.
type point struct {
	number uint64
	hash   common.Hash
	block  bool // the block itself is in the log; else a mark is at it
}

// tail is what the end of the log says.
type tail struct {
	empty  bool
	next   uint64        // sequence of the next record
	mark   *assaypb.Mark // the newest; nil: none
	points []point       // above the mark's finalized block, in the order of the log
	base   bool          // the tail reaches down to where no block above finality lies before it
}

// append writes records in order and returns when they are safe. After an error it is
// not known how many of them the log took; those that it did come first.
func (l *chainLog) append(ctx context.Context, records ...*assaypb.ChainRecord) error {
	messages := make([]kafka.Message, len(records))
	for i, record := range records {
		record.ChainId, record.Sequence = l.chainID, l.next+uint64(i)
		value, err := proto.Marshal(record)
		if err != nil {
			return fmt.Errorf("encoding record %d: %w", record.Sequence, err)
		}
		if len(value) > schema.MaxMessageBytes {
			return &SizeError{Number: record.GetBlock().GetNumber(), Bytes: len(value)}
		}
		messages[i] = kafka.Message{Key: []byte(strconv.FormatUint(l.chainID, 10)), Value: value}
	}
	if err := l.kafka.Append(ctx, l.topic, messages...); err != nil {
		return &appendError{err: err}
	}
	l.next += uint64(len(records))
	return nil
}

// recover reads the end of the log, as far back as it takes to know every block that
// can still be retracted.
func (l *chainLog) recover(ctx context.Context) (*tail, error) {
	end, err := l.kafka.End(ctx, l.topic, 0)
	if err != nil {
		return nil, fmt.Errorf("reading where the chain log ends: %w", err)
	}
	for span := int64(256); ; span *= 4 {
		from := max(0, end-span)
		t, err := l.read(ctx, from, end)
		if err != nil {
			return nil, err
		}
		if from == 0 || t.base {
			l.next = t.next
			return t, nil
		}
	}
}

func (l *chainLog) read(ctx context.Context, from, end int64) (*tail, error) {
	t := &tail{empty: true}
	if from == end {
		return t, nil
	}
	err := l.kafka.Read(ctx, l.topic, 0, from, end, func(m kafka.Message) error {
		record := &assaypb.ChainRecord{}
		if err := proto.Unmarshal(m.Value, record); err != nil {
			return &LogError{Offset: m.Offset, Err: err}
		}
		if err := t.take(record, l.chainID); err != nil {
			return &LogError{Offset: m.Offset, Err: err}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the end of the chain log: %w", err)
	}
	return t, nil
}

// take adds the next record.
func (t *tail) take(record *assaypb.ChainRecord, chainID uint64) error {
	switch {
	case record.ChainId != chainID:
		return fmt.Errorf("it is of chain %d, not %d", record.ChainId, chainID)
	case !t.empty && record.Sequence < t.next:
		return nil // a retry's
	case !t.empty && record.Sequence > t.next:
		return fmt.Errorf("record %d is missing before it", t.next)
	}
	t.empty, t.next = false, record.Sequence+1
	switch body := record.Body.(type) {
	case *assaypb.ChainRecord_Block:
		t.points = append(t.points, point{number: body.Block.Number, hash: common.BytesToHash(body.Block.Hash), block: true})
	case *assaypb.ChainRecord_Retraction:
		t.drop(func(p point) bool { return p.number >= body.Retraction.Number })
	case *assaypb.ChainRecord_Mark:
		t.markAt(body.Mark)
	default:
		return errors.New("it is neither a block nor a retraction nor a mark")
	}
	return nil
}

// markAt takes a mark. What lies below finality needs no points any more. A record at or
// below it proves that the tail reaches far enough back: when it was written the log
// held nothing above it that has not been retracted since.
func (t *tail) markAt(m *assaypb.Mark) {
	t.mark = m
	t.points = append(t.points, point{number: m.HeadNumber, hash: common.BytesToHash(m.HeadHash)})
	t.base = t.base || slices.ContainsFunc(t.points, func(p point) bool { return p.number <= m.FinalizedNumber })
	t.drop(func(p point) bool { return p.number < m.FinalizedNumber })
}

func (t *tail) drop(which func(point) bool) { t.points = slices.DeleteFunc(t.points, which) }
