package audit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"assay/contracts"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

// Log is what the audit needs of Kafka; *kafka.Client has it.
type Log interface {
	End(ctx context.Context, topic string, partition int) (int64, error)
	Partitions(ctx context.Context, topic string) (int, error)
	Read(ctx context.Context, topic string, partition int, from, to int64, handle func(kafka.Message) error) error
}

// DefaultSample is how many things of a kind the contracts are asked for.
const DefaultSample = 1000

// Config says what to audit, and how thoroughly.
type Config struct {
	Preset   chains.Preset
	Topics   schema.Topics
	Kafka    Log
	RPC      *rpc.Client
	DB       driver.Conn                            // of the index; read only
	At       *uint64                                // fold no later block, and ask the contracts after it; nil: fold all that is indexed, ask after the newest final block
	All      bool                                   // ask the contracts for everything
	Sample   int                                    // or for so many things of a kind, drawn at random, beside the largest and the newest
	Seed     uint64                                 // of the draw
	Progress func(stage string, done, total uint64) // nil: nobody watches

	apart bool // do not compare tables with each other: for tests of the rest, of which there are many
}

// Stages of an audit, for Config.Progress.
const (
	StageLog        = "records of the chain log"
	StageContracts  = "views of the contracts"
	StageClickHouse = "rows of ClickHouse"
	StageDerived    = "tables of what follows from them"
	StageTables     = "comparisons of tables with each other"
)

// Errors that say why there is nothing to compare.
var (
	ErrNotIndexed = errors.New("nothing of the chain is indexed in this database")
	ErrNotFinal   = errors.New("no block that is indexed is final yet: name one to compare after with --at")
	ErrTooNew     = errors.New("the block is not indexed yet")
	ErrMoved      = errors.New("the chain was reorganized while it was asked: try again, at a block that is final")
)

// auditor is an audit under way.
type auditor struct {
	cfg     Config
	report  *Report
	book    *book
	causes  *causes
	reader  *reader
	chain   *contracts.Client
	random  *rand.Rand
	samples blockSample
	derived *derived
	sums    sums

	next  int64  // offset at which the index stands
	later uint64 // rows of this version and above are of records that are not read
	at    uint64 // block after which the contracts are asked
	limit uint64 // newest block that is folded
	asked bool   // the contracts have been

	finalTime uint64 // of the newest block that is final

	chunk chunk
}

// Run audits a chain. It returns a report whether or not all is equal, and an error if it
// could not compare.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	began := time.Now()
	a := newAuditor(cfg)
	if err := a.run(ctx); err != nil {
		return nil, err
	}
	a.report.Equal = len(a.report.Differences) == 0
	a.report.Seconds = time.Since(began).Seconds()
	return a.report, nil
}

func newAuditor(cfg Config) *auditor {
	if cfg.Progress == nil {
		cfg.Progress = func(string, uint64, uint64) {}
	}
	report := &Report{
		Chain: cfg.Preset.Name, Differences: []Difference{},
		Compared: Compared{Contracts: map[string]*Count{}, ClickHouse: map[string]*Count{}, Tables: map[string]*Count{}},
	}
	a := &auditor{
		cfg: cfg, report: report, sums: sums{}, book: newBook(cfg.Preset, report), limit: math.MaxUint64,
		chain:  contracts.NewClient(cfg.RPC, common.HexToAddress(cfg.Preset.Hub)),
		random: rand.New(rand.NewPCG(cfg.Seed, 0)), //nolint:gosec // a sample that can be drawn again
	}
	a.causes = &causes{kafka: cfg.Kafka, topic: cfg.Topics.Log, book: a.book}
	a.reader = newReader(cfg.Preset.ChainID, report, func(b canonical) error { return nil })
	return a
}

func (a *auditor) run(ctx context.Context) error {
	if err := a.locate(ctx); err != nil {
		return err
	}
	before, err := a.header(ctx, a.at)
	if err != nil {
		return err
	}
	if err := a.describe(ctx); err != nil {
		return err
	}
	a.derived.restart()
	a.reader.settle = func(b canonical) error { return a.settle(ctx, b) }
	if err := a.readLog(ctx); err != nil {
		return err
	}
	if err := a.ask(ctx); err != nil {
		return err
	}
	if err := a.compareRows(ctx); err != nil {
		return err
	}
	if err := errors.Join(a.compareDerived(ctx), a.compareSeries(ctx), a.state(ctx), a.cross(ctx)); err != nil {
		return err
	}
	after, err := a.header(ctx, a.at)
	if err == nil && after.Hash != before.Hash {
		err = ErrMoved
	}
	return err
}

// locate finds out how far the chain is indexed, and where to ask the contracts.
func (a *auditor) locate(ctx context.Context) error {
	if err := a.position(ctx); err != nil {
		return err
	}
	mark, err := a.tail(ctx)
	if err != nil {
		return err
	}
	switch {
	case mark == nil:
		return ErrNotIndexed
	case a.cfg.At != nil && *a.cfg.At > mark.HeadNumber:
		return fmt.Errorf("%w: the index is at block %d", ErrTooNew, mark.HeadNumber)
	case a.cfg.At != nil:
		a.at, a.limit, a.report.Indexed = *a.cfg.At, *a.cfg.At, *a.cfg.At
	case mark.FinalizedNumber == 0:
		return ErrNotFinal
	default:
		a.at, a.report.Indexed = mark.FinalizedNumber, mark.HeadNumber
	}
	a.report.Block = a.at
	return nil
}

// position reads the offset at which the index stands in the log.
func (a *auditor) position(ctx context.Context) error {
	var next uint64
	err := a.cfg.DB.QueryRow(ctx, "SELECT max(next_offset) FROM progress WHERE chain = ? AND topic = ? AND partition = 0",
		a.cfg.Preset.ChainID, a.cfg.Topics.Log).Scan(&next)
	if err != nil {
		return fmt.Errorf("asking ClickHouse how far the chain is indexed: %w", err)
	}
	if next == 0 {
		return ErrNotIndexed
	}
	end, err := a.cfg.Kafka.End(ctx, a.cfg.Topics.Log, 0)
	if err != nil {
		return err
	}
	if int64(next) > end {
		a.report.add(Difference{In: inLog, Kind: "record", ID: fmt.Sprintf("at offset %d", end),
			Expected: fmt.Sprintf("%d records, as are indexed", next), Found: fmt.Sprint(end)})
	}
	a.next = min(int64(next), end)
	return nil
}

// tailRecords is how many records are read at first in search of the newest mark.
const tailRecords = 64

// tail finds the newest mark that is indexed, nil if there is none, and the first
// sequence that is not.
func (a *auditor) tail(ctx context.Context) (mark *assaypb.Mark, err error) {
	for n := int64(tailRecords); ; n *= 8 {
		from := max(0, a.next-n)
		err := a.cfg.Kafka.Read(ctx, a.cfg.Topics.Log, 0, from, a.next, func(m kafka.Message) error {
			record, counts, err := schema.ReadRecord(m.Value, m.Offset)
			if err != nil || !counts {
				return nil //nolint:nilerr // the reader will say so
			}
			a.later = max(a.later, record.Sequence+1)
			if record.GetMark() != nil {
				mark = record.GetMark()
			}
			return nil
		})
		if err != nil || mark != nil || from == 0 {
			return mark, err
		}
	}
}

// readLog folds all that is indexed.
func (a *auditor) readLog(ctx context.Context) error {
	err := a.cfg.Kafka.Read(ctx, a.cfg.Topics.Log, 0, 0, a.next, func(m kafka.Message) error {
		a.cfg.Progress(StageLog, uint64(m.Offset), uint64(a.next))
		a.readDerived(m)
		return a.reader.read(m)
	})
	if err != nil {
		return err
	}
	a.cfg.Progress(StageLog, uint64(a.next), uint64(a.next))
	return a.reader.end()
}

// settle folds a block that stays.
func (a *auditor) settle(ctx context.Context, b canonical) error {
	if b.Number <= a.reader.final {
		a.finalTime = b.Time
	}
	if b.Number > a.at {
		if err := a.ask(ctx); err != nil {
			return err
		}
	}
	if b.Number > a.limit {
		return nil
	}
	payments := a.book.fold(b)
	if b.Number <= a.at {
		if err := a.sampleBlock(ctx, b); err != nil {
			return err
		}
	}
	a.chunk.add(b, payments)
	if a.chunk.full() {
		return a.compareChunk(ctx, b.Number)
	}
	return nil
}

// differ notes a difference, with its cause.
func (a *auditor) differ(ctx context.Context, d Difference, cause ref) error {
	if len(a.report.Differences) >= MaxDifferences {
		a.report.Omitted++
		return nil
	}
	var err error
	d.Cause, err = a.causes.find(ctx, cause)
	a.report.add(d)
	return err
}
