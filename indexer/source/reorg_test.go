package source_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand"
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"

	"assay/indexer/projection"
	"assay/indexer/rpctest"
	"assay/indexer/sink"
	"assay/indexer/source"
	"assay/internal/clickhouse"
	"assay/internal/clickhouse/dump"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
	migrations "assay/schema/clickhouse"
)

func TestMain(m *testing.M) {
	clickhouse.ChildMain()
	os.Exit(m.Run())
}

// reorgs is a chain that forks, a node of it, a broker, and the sources that read one into
// the other.
type reorgs struct {
	*testing.T
	rng   *rand.Rand
	chain *rpctest.Chain
	url   string
	log   *kafka.Client

	engine *clickhouse.Engine
	db     map[string]driver.Conn // by topic
}

// start runs a source on a topic; the function it returns abandons it at once.
func (r *reorgs) start(topic string, verify source.Verify) (stop func()) {
	r.Helper()
	endpoints, err := source.Dial(r.Context(), []string{r.url}, slog.New(slog.DiscardHandler))
	r.ok(err)
	s := source.New(source.Config{
		Preset: rpctest.MarketPreset(), Endpoints: endpoints, Verify: verify, Kafka: r.log, Topic: topic, Poll: time.Millisecond,
		Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			r.Error(err)
		}
	}
}

func (r *reorgs) ok(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// read hands over the records of a topic, from an offset to its end, which it returns.
func (r *reorgs) read(topic string, from int64, take func(*assaypb.ChainRecord)) int64 {
	r.Helper()
	end, err := r.log.End(r.Context(), topic, 0)
	if errors.Is(err, kafka.ErrUnknownTopic) {
		return from
	}
	r.ok(err)
	r.ok(r.log.Read(r.Context(), topic, 0, from, end, func(m kafka.Message) error {
		record, counts, err := schema.ReadRecord(m.Value, m.Offset)
		if counts {
			take(record)
		}
		return err
	}))
	return end
}

// awaitHead waits until a topic's newest mark is at the chain's head.
func (r *reorgs) awaitHead(topic string) {
	r.Helper()
	var at common.Hash
	next := int64(0)
	for deadline := time.Now().Add(2 * time.Minute); at != r.chain.Head().Hash; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("%s does not reach block %d", topic, r.chain.Head().Number)
		}
		next = r.read(topic, next, func(record *assaypb.ChainRecord) {
			if mark := record.GetMark(); mark != nil {
				at = common.BytesToHash(mark.HeadHash)
			}
		})
	}
}

// sink writes a topic's rows to a database of its own; the function it returns stops it
// wherever it is.
func (r *reorgs) sink(topic string) (stop func()) {
	r.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	if r.db[topic] == nil {
		config := r.engine.Config(topic)
		r.ok(clickhouse.Migrate(ctx, config, migrations.Migrations))
		db, err := clickhouse.Open(ctx, config)
		r.ok(err)
		r.Cleanup(func() { r.ok(db.Close()) })
		r.db[topic] = db
	}
	s := sink.New(sink.Config{
		Preset: rpctest.MarketPreset(), Topics: schema.Topics{Log: topic, Decisions: "none"}, Kafka: r.log, DB: r.db[topic], Log: slog.New(slog.DiscardHandler),
	})
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			r.Error(err)
		}
	}
}

// awaitRows waits until a topic's rows are at the chain's head.
func (r *reorgs) awaitRows(topic string) {
	r.Helper()
	var there bool
	for deadline := time.Now().Add(10 * time.Minute); !there; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("the rows of %s do not reach block %d", topic, r.chain.Head().Number)
		}
		r.ok(r.db[topic].QueryRow(r.Context(), "SELECT count() > 0 FROM heads FINAL WHERE head_hash = ?", r.chain.Head().Hash.Hex()).Scan(&there))
	}
}

// rows are all rows of a topic but their versions: those are the records' places in the log,
// which forks move. Of the ledger of ranges it depends on the levels that were asked for.
func (r *reorgs) rows(topic string) map[string][]string {
	r.Helper()
	rows, err := dump.Rows(r.Context(), r.db[topic], "plans", "progress", "coverage")
	r.ok(err)
	return rows
}

// folded is what a log comes to: the canonical blocks, and rows that nothing replaced.
type folded struct {
	blocks   [][]byte
	rows     map[string]any
	retracts int
}

// fold folds a log as every reader does.
func (r *reorgs) fold(topic string) folded {
	r.Helper()
	f := folded{rows: map[string]any{}}
	p := projection.New(rpctest.MarketPreset())
	r.read(topic, 0, func(record *assaypb.ChainRecord) {
		switch {
		case record.GetRetraction() != nil:
			f.blocks = f.blocks[:len(f.blocks)-1]
			f.retracts++
		case record.GetBlock() != nil:
			data, err := proto.MarshalOptions{Deterministic: true}.Marshal(record.GetBlock())
			r.ok(err)
			f.blocks = append(f.blocks, data)
		}
		rows, err := p.Apply(record)
		r.ok(err)
		f.take(rows)
	})
	return f
}

// take keeps the newest row of each key, without its version: that is the record's place
// in the log, which forks move.
func (f *folded) take(rows projection.Rows) {
	for _, row := range rows.Deals {
		f.put("deal "+row.ID, row)
	}
	for _, row := range rows.Tasks {
		f.put("task "+row.ID, row)
	}
	for _, row := range rows.Accounts {
		f.put("account "+row.Address, row)
	}
	for _, row := range rows.Resources {
		f.put("resource "+row.Address, row)
	}
	for _, row := range rows.Contributions {
		f.put("contribution "+row.Task+row.Worker, row)
	}
}

func (f *folded) put(key string, row any) {
	value := reflect.New(reflect.TypeOf(row)).Elem()
	value.Set(reflect.ValueOf(row))
	value.FieldByName("Version").SetUint(0)
	if value.FieldByName("Deleted").Uint() != 0 {
		delete(f.rows, key)
		return
	}
	f.rows[key] = value.Interface()
}

// TestReorgsLeaveNoTrace: seeded forks of random depth, before sources that are abandoned
// at random moments, some while they append, and sinks that are stopped now and then. In the
// end the log folds to the same blocks, bit for bit, and to the same rows as that of a source
// that sees only the final chain; and so do the rows in ClickHouse, of all tables.
// ASSAY_REORGS says how many forks.
func TestReorgsLeaveNoTrace(t *testing.T) {
	forks := 250
	if n, err := strconv.Atoi(os.Getenv("ASSAY_REORGS")); err == nil {
		forks = n
	}
	broker, err := kafka.StartBroker(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	r := &reorgs{T: t, rng: rand.New(rand.NewSource(1)), chain: rpctest.NewChain(rpctest.MarketPreset().ChainID, rpctest.NewMarket(7, 4)),
		log: kafka.NewClient([]string{broker.Addr()}), db: map[string]driver.Conn{}}
	t.Cleanup(func() { r.ok(errors.Join(r.log.Close(), broker.Close())) })
	r.chain.Grow(20)
	node, err := rpctest.Serve(r.chain, rpctest.Faults{})
	r.ok(err)
	t.Cleanup(func() { r.ok(node.Close()) })
	r.url = node.URL()

	r.engine, err = clickhouse.StartEngine(t.Context(), t.TempDir())
	if errors.Is(err, clickhouse.ErrNoLibrary) {
		t.Skip("the ClickHouse engine is not installed: run `make deps`")
	}
	r.ok(err)
	t.Cleanup(func() { r.ok(r.engine.Close()) })

	levels := []source.Verify{source.VerifyLive, source.VerifyReceipts, source.VerifyBloom}
	stop, stopSink, sinks := r.start("forked", source.VerifyLive), r.sink("forked"), 1
	for range forks {
		if r.rng.Intn(1+forks/10) == 0 {
			stopSink()
			stopSink, sinks = r.sink("forked"), sinks+1
		}
		depth := r.chain.Fork(r.rng.Intn(9))
		r.chain.Grow(depth + 1 + r.rng.Intn(2))
		switch r.rng.Intn(4) {
		case 0:
			r.awaitHead("forked")
		case 1:
			time.Sleep(time.Duration(r.rng.Intn(20)) * time.Millisecond) // wherever it is then
			stop()
			stop = r.start("forked", levels[r.rng.Intn(len(levels))])
		}
	}
	r.awaitHead("forked")
	stop()
	r.awaitRows("forked")
	stopSink()
	stop, stopSink = r.start("fresh", source.VerifyLive), r.sink("fresh")
	r.awaitHead("fresh")
	stop()
	r.awaitRows("fresh")
	stopSink()

	got, want := r.fold("forked"), r.fold("fresh")
	if len(got.blocks) != len(want.blocks) || want.retracts != 0 || got.retracts < forks/4 {
		t.Fatalf("%d blocks after %d retractions, a fresh sync has %d", len(got.blocks), got.retracts, len(want.blocks))
	}
	for i := range want.blocks {
		if !bytes.Equal(got.blocks[i], want.blocks[i]) {
			t.Fatalf("block %d of the log differs", i)
		}
	}
	if len(got.rows) != len(want.rows) || len(want.rows) < 50 {
		t.Errorf("%d rows, a fresh sync has %d", len(got.rows), len(want.rows))
	}
	for key, row := range want.rows {
		if !reflect.DeepEqual(got.rows[key], row) {
			t.Errorf("%s is\n%+v, a fresh sync has\n%+v", key, got.rows[key], row)
		}
	}
	stored, fresh := r.rows("forked"), r.rows("fresh")
	if differences := dump.Differences(stored, fresh); differences != "" || dump.Count(fresh) < 10*forks {
		t.Errorf("ClickHouse has %d rows, want %d:\n%.5000s", dump.Count(stored), dump.Count(fresh), differences)
	}
	t.Logf("%d forks, %d blocks retracted, %d left; %d rows in %d tables, written by %d sinks",
		forks, got.retracts, len(got.blocks), dump.Count(fresh), len(fresh), sinks)
}
