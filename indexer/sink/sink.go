package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"assay/indexer/projection"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

// Log is what the sink needs of Kafka; *kafka.Client has it.
type Log interface {
	Partitions(ctx context.Context, topic string) (int, error)
	End(ctx context.Context, topic string, partition int) (int64, error)
	Read(ctx context.Context, topic string, partition int, from, to int64, handle func(kafka.Message) error) error
}

// Config says which logs to write where.
type Config struct {
	Preset  chains.Preset
	Topics  schema.Topics
	Kafka   Log
	DB      driver.Conn  // of a migrated database
	MaxRows int          // of a batch; 0: DefaultMaxRows. One record's rows stay together whatever their number.
	Log     *slog.Logger // nil: slog.Default

	State     string // directory for the state of the fold; empty: it is in memory, and folded again at each start
	StateRows int    // of the state that stay in memory; 0: DefaultStateRows
}

// DefaultMaxRows bounds a batch, together with maxBytes. It is far below ClickHouse's block of
// about a million rows, within which an insert is atomic. Fewer cost the database more for each
// row, more take memory here: docs/performance.md.
const DefaultMaxRows = 250_000

// Status is how a sink stands.
type Status struct {
	Records   uint64 // written since the start
	Rows      uint64 // written since the start
	Head      uint64 // newest block whose rows are all written
	Errors    uint64 // inserts that failed and were tried again
	LastError error  // the newest of them; nil once things go on
}

// Sink writes the logs of one chain. Make one with New and call Run once.
type Sink struct {
	preset  chains.Preset
	topics  schema.Topics
	kafka   Log
	writer  *writer
	maxRows int
	logger  *slog.Logger

	state                 string
	stateRows, stateEvery int

	mu     sync.Mutex
	status Status
}

// New prepares to write the logs of a chain.
func New(cfg Config) *Sink {
	s := &Sink{
		preset: cfg.Preset, topics: cfg.Topics, kafka: cfg.Kafka, logger: cfg.Log, maxRows: cmp.Or(cfg.MaxRows, DefaultMaxRows),
		state: cfg.State, stateRows: cmp.Or(cfg.StateRows, DefaultStateRows), stateEvery: shelveEvery,
	}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	s.writer = &writer{owner: ownerName(), db: cfg.DB, chain: cfg.Preset.ChainID, pause: backoff, failed: s.failed}
	return s
}

// Status returns how the sink stands. It may be called from any goroutine.
func (s *Sink) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

func (s *Sink) note(edit func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	edit(&s.status)
}

func (s *Sink) failed(err error) {
	s.note(func(st *Status) { st.Errors++; st.LastError = err })
	s.logger.Warn("writing to ClickHouse: trying again", "chain", s.preset.Name, "error", err)
}

func (s *Sink) written(b *batch) {
	s.note(func(st *Status) {
		st.Records += b.records
		st.Rows += uint64(b.size())
		st.LastError = nil
		for _, head := range b.rows.Heads {
			st.Head = head.HeadNumber
		}
	})
}

// Run writes until ctx ends, and then returns nil. It fails where the database refuses,
// or a log holds what no log of ours can. A topic that does not exist yet is waited for.
func (s *Sink) Run(ctx context.Context) error {
	if err := s.writer.describe(ctx, tables()...); err != nil && ctx.Err() == nil {
		return err
	}
	g, running := errgroup.WithContext(ctx)
	g.Go(func() error { return s.chainLog(running) })
	g.Go(func() error { return s.decisions(running) })
	err := g.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// chainLog folds the chain log and writes from where the database stands. If the state on
// disk turns out to be damaged on the way, it begins anew without it.
func (s *Sink) chainLog(ctx context.Context) error {
	if _, err := s.partitions(ctx, s.topics.Log); err != nil {
		return err
	}
	for {
		err := s.followChain(ctx)
		if !errors.Is(err, errDamaged) {
			return err
		}
		s.logger.Warn("the state on disk is damaged and thrown away", "chain", s.preset.Name, "error", err)
	}
}

// errDamaged says that the state on disk was damaged, and is empty now.
var errDamaged = errors.New("folding from the state on disk")

func (s *Sink) followChain(ctx context.Context) error {
	st := &stream{sink: s, topic: s.topics.Log}
	if err := st.resume(ctx); err != nil {
		return err
	}
	k, err := s.keep(ctx, st.next)
	if err != nil {
		return err
	}
	st.keeper, st.fold = k, foldChain(k.fold)
	err = st.follow(ctx, k.fold.Offset())
	if k.shelf != nil && (k.shelf.Err() != nil || errors.Is(k.fold.Err(), projection.ErrShelf)) {
		if failed := errors.Join(k.shelf.Empty(), k.shelf.Close()); failed != nil {
			return errors.Join(err, failed)
		}
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return errors.Join(err, k.close(s.topics.Log, st.last, st.written.Load()))
}

func foldChain(fold *projection.Projection) func(*projection.Rows, kafka.Message) error {
	return func(rows *projection.Rows, m kafka.Message) error {
		record, counts, err := schema.ReadRecord(m.Value, m.Offset)
		if err != nil || !counts {
			return err
		}
		record.Offset = proto.Uint64(uint64(m.Offset)) // logs of old have none
		return fold.ApplyTo(rows, record)
	}
}

// decisions writes all partitions of the decisions log.
func (s *Sink) decisions(ctx context.Context) error {
	partitions, err := s.partitions(ctx, s.topics.Decisions)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for partition := range partitions {
		stream := &stream{sink: s, topic: s.topics.Decisions, partition: partition, fold: s.foldDecision}
		g.Go(func() error { return stream.run(ctx) })
	}
	return g.Wait()
}

func (s *Sink) foldDecision(rows *projection.Rows, m kafka.Message) error {
	decision := &assaypb.Decision{}
	if err := proto.Unmarshal(m.Value, decision); err != nil {
		return err
	}
	fold := projection.Decisions{Chain: s.preset.ChainID}
	more, err := fold.Apply(uint32(m.Partition), uint64(m.Offset), decision)
	rows.Add(more)
	return err
}

// partitions waits until a topic exists.
func (s *Sink) partitions(ctx context.Context, topic string) (int, error) {
	for {
		n, err := s.kafka.Partitions(ctx, topic)
		if !errors.Is(err, kafka.ErrUnknownTopic) {
			return n, err
		}
		if err := sleep(ctx, time.Second); err != nil {
			return 0, fmt.Errorf("waiting for the topic %s: %w", topic, err)
		}
	}
}

// backoff doubles from 100 ms to 15 s.
func backoff(failures int) time.Duration {
	return min(15*time.Second, 100*time.Millisecond<<min(failures-1, 10))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
