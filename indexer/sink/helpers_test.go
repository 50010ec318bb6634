package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"google.golang.org/protobuf/proto"

	"assay/indexer/internal/market"
	"assay/indexer/projection"
	"assay/internal/clickhouse"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
	migrations "assay/schema/clickhouse"
)

func TestMain(m *testing.M) {
	clickhouse.ChildMain()
	code := m.Run()
	if shared.engine != nil {
		if err := errors.Join(shared.engine.Close(), os.RemoveAll(shared.dir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

var shared struct {
	sync.Mutex
	engine *clickhouse.Engine
	dir    string
}

// database returns a migrated, empty database.
func database(t testing.TB, name string) driver.Conn {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	ctx := context.Background()
	if shared.engine == nil {
		var err error
		if shared.dir, err = os.MkdirTemp("", "sink-test-"); err != nil {
			t.Fatal(err)
		}
		shared.engine, err = clickhouse.StartEngine(ctx, shared.dir)
		if errors.Is(err, clickhouse.ErrNoLibrary) {
			t.Skip("the ClickHouse engine is not installed: run `make deps`")
		}
		ok(t, err)
	}
	config := shared.engine.Config(strings.ToLower(t.Name()) + "_" + name)
	ok(t, clickhouse.Migrate(ctx, config, migrations.Migrations))
	conn, err := clickhouse.Open(ctx, config)
	ok(t, err)
	t.Cleanup(func() {
		err := conn.Exec(ctx, "DROP DATABASE `"+config.Database+"`") // tables take memory
		if exception, is := errors.AsType[*ch.Exception](err); !is || exception.Code != 81 {
			ok(t, err)
		} // else the test asked for it twice
		ok(t, conn.Close())
	})
	return conn
}

func topicsOf(name string) schema.Topics { return schema.TopicsOf(name) }

// broker returns a client of a broker that the test has for itself.
func broker(t testing.TB) *kafka.Client {
	t.Helper()
	b, err := kafka.StartBroker(t.TempDir(), 0)
	ok(t, err)
	c := kafka.NewClient([]string{b.Addr()})
	t.Cleanup(func() { ok(t, errors.Join(c.Close(), b.Close())) })
	return c
}

const decisionPartitions = 3

// fill makes a chain's topics and appends records to the chain log, repeating some as a
// producer's retry would.
func fill(t testing.TB, c *kafka.Client, topics schema.Topics, records []*assaypb.ChainRecord, again func(i int) bool) {
	t.Helper()
	ctx := context.Background()
	ok(t, c.CreateTopic(ctx, topics.Log, 1, schema.MaxRecordBytes))
	ok(t, c.CreateTopic(ctx, topics.Decisions, decisionPartitions, schema.MaxMessageBytes))
	var messages []kafka.Message
	for i, record := range records {
		message := encode(t, "chain", record)
		messages = append(messages, message)
		if again(i) {
			messages = append(messages, messages[max(0, len(messages)-2):]...)
		}
	}
	ok(t, c.Append(ctx, topics.Log, messages...))
}

func never(int) bool { return false }

func encode(t testing.TB, key string, message proto.Message) kafka.Message {
	t.Helper()
	value, err := proto.Marshal(message)
	ok(t, err)
	return kafka.Message{Key: []byte(key), Value: value}
}

// decide appends some decisions.
func decide(t testing.TB, c *kafka.Client, topics schema.Topics, n int) {
	t.Helper()
	for i := range n {
		ok(t, c.Append(context.Background(), topics.Decisions, encode(t, fmt.Sprint(i), &assaypb.Decision{
			Id: []byte{byte(i), 1}, ChainId: market.Preset.ChainID, Task: []byte{byte(i)}, Time: 1_700_000_000,
			Body: &assaypb.Decision_Verdict{Verdict: &assaypb.Verdict{Outcome: assaypb.Verdict_ACCEPTED, Reason: assaypb.Reason_REASON_OK}},
		})))
	}
}

func newSink(c Log, db driver.Conn, topics schema.Topics) *Sink {
	s := New(Config{
		Preset: market.Preset, Topics: topics, Kafka: c, DB: db, MaxRows: 200,
		Log: slog.New(slog.DiscardHandler),
	})
	s.writer.pause = func(int) time.Duration { return time.Millisecond }
	return s
}

// start runs a sink and returns how to stop it.
func start(t testing.TB, s *Sink) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			ok(t, <-done)
		})
	}
	t.Cleanup(stop)
	return stop
}

// settle runs a sink until the database is at the end of all logs.
func settle(t testing.TB, s *Sink) {
	t.Helper()
	stop := start(t, s)
	eventually(t, "everything is written", func() bool { return atEnd(t, s) })
	stop()
}

func atEnd(t testing.TB, s *Sink) bool {
	t.Helper()
	ctx := context.Background()
	for partition := -1; partition < decisionPartitions; partition++ {
		topic, p := s.topics.Decisions, partition
		if partition < 0 {
			topic, p = s.topics.Log, 0
		}
		end, err := s.kafka.End(ctx, topic, p)
		ok(t, err)
		next, err := s.writer.progress(ctx, topic, p)
		ok(t, err)
		if next < end {
			return false
		}
	}
	return true
}

// dump lists the rows that readers see.
func dump(t testing.TB, db driver.Conn, withVersion bool) string {
	t.Helper()
	var out strings.Builder
	for _, table := range projection.Schema() {
		columns := "*"
		if !withVersion {
			columns = "* EXCEPT('^(version|written)$')"
		}
		if table.Name == "measures" {
			continue // they are in series
		}
		out.WriteString(table.Name + "\n")
		for _, row := range texts(t, db, "SELECT toString(tuple("+columns+")) FROM "+table.Name+" FINAL ORDER BY 1") {
			out.WriteString(row + "\n")
		}
	}
	out.WriteString("series\n")
	for _, row := range texts(t, db, "SELECT toString(tuple(*)) FROM series FINAL ORDER BY 1") {
		out.WriteString(row + "\n")
	}
	return out.String()
}

func texts(t testing.TB, db driver.Conn, query string) []string {
	t.Helper()
	rows, err := db.Query(context.Background(), query)
	ok(t, err)
	var out []string
	for rows.Next() {
		var s string
		ok(t, rows.Scan(&s))
		out = append(out, s)
	}
	ok(t, errors.Join(rows.Err(), rows.Close()))
	return out
}

func count(t testing.TB, db driver.Conn, table string) uint64 {
	t.Helper()
	var n uint64
	ok(t, db.QueryRow(context.Background(), "SELECT count() FROM "+table).Scan(&n))
	return n
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
