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
	CreateTopic(ctx context.Context, name string, partitions, maxBytes int) error
	End(ctx context.Context, topic string, partition int) (int64, error)
	AppendAt(ctx context.Context, topic string, partition int, offset int64, messages ...kafka.Message) error
	Read(ctx context.Context, topic string, partition int, from, to int64, handle func(kafka.Message) error) error
}

// chainLog is the end of the chain log: where it is read back and written on.
type chainLog struct {
	kafka   Log
	topic   string
	chainID uint64
	writer  uint64 // this run
	next    uint64 // sequence of the next record
	end     int64  // where the log ended when it was last looked at
	owned   bool   // a record of this run is in the log, and counts
	lost    int    // appends that came too late, since the log was last owned
}

// maxLost is how many appends of a new run may come too late: what its predecessor sent
// before it was killed may still be on its way, but does not go on for ever.
const maxLost = 5

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
	writer uint64        // of the last record
	mark   *assaypb.Mark // the newest; nil: none
	points []point       // above the mark's finalized block, in the order of the log
	base   bool          // the tail reaches down to where no block above finality lies before it
}

// append writes records in order and returns when they are safe. After an error it is
// not known how many of them the log took; those that it did come first.
func (l *chainLog) append(ctx context.Context, records ...*assaypb.ChainRecord) error {
	if len(records) == 0 {
		return nil
	}
	messages := make([]kafka.Message, len(records))
	for i, record := range records {
		record.ChainId, record.Sequence, record.Writer = l.chainID, l.next+uint64(i), l.writer
		record.Offset = proto.Uint64(uint64(l.end) + uint64(i))
		value, err := proto.Marshal(record)
		if err != nil {
			return fmt.Errorf("encoding record %d: %w", record.Sequence, err)
		}
		if len(value) > schema.MaxRecordBytes {
			return &SizeError{Number: record.GetBlock().GetNumber(), Bytes: len(value)}
		}
		messages[i] = kafka.Message{Key: []byte(strconv.FormatUint(l.chainID, 10)), Value: value}
	}
	if err := l.kafka.AppendAt(ctx, l.topic, 0, l.end, messages...); err != nil {
		if errors.Is(err, kafka.ErrElsewhere) {
			l.lost++
		}
		return &appendError{err: err}
	}
	l.next, l.end = l.next+uint64(len(records)), l.end+int64(len(records))
	l.owned, l.lost = true, 0
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
			l.next, l.end = t.next, end
			return t, l.fenced(t)
		}
	}
}

// fenced fails if another run writes to the log: it wrote after this one, or was faster
// again and again.
func (l *chainLog) fenced(t *tail) error {
	if t.empty || t.writer == l.writer {
		l.owned = l.owned || !t.empty
		return nil
	}
	if l.owned || l.lost >= maxLost {
		return &FencedError{Topic: l.topic, Own: l.writer, Other: t.writer, Record: t.next - 1}
	}
	return nil
}

func (l *chainLog) read(ctx context.Context, from, end int64) (*tail, error) {
	t := &tail{empty: true}
	if from == end {
		return t, nil
	}
	err := l.kafka.Read(ctx, l.topic, 0, from, end, func(m kafka.Message) error {
		record, counts, err := schema.ReadRecord(m.Value, m.Offset)
		if err == nil && counts {
			err = t.take(record, l.chainID)
		}
		if err != nil {
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
	t.empty, t.next, t.writer = false, record.Sequence+1, record.Writer
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
