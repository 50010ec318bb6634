package conformance_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"assay/indexer/sink"
	"assay/indexer/source"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/chains"
)

// broker returns a client of a broker that the test has for itself.
func broker(t testing.TB) *kafka.Client {
	t.Helper()
	b, err := kafka.StartBroker(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	c := kafka.NewClient([]string{b.Addr()})
	t.Cleanup(func() {
		if err := errors.Join(c.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// run runs a role until the test ends.
func run(t testing.TB, role func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- role(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

var quiet = slog.New(slog.DiscardHandler)

// index takes a market's chain into the database as in production: the source writes the
// chain log, the sink folds it into rows.
func index(t testing.TB, m *market, db driver.Conn) {
	t.Helper()
	log, topics := broker(t), schema.TopicsOf(m.preset().Name)
	s := source.New(source.Config{
		Preset: m.preset(), Endpoints: []source.Endpoint{{Name: "dev", RPC: m.dial(m.chain.WSURL())}}, Kafka: log, Topic: topics.Log, Log: quiet,
	})
	run(t, s.Run)
	write(t, log, m.preset(), db)
}

// write lets the real sink write a chain's log into the database.
func write(t testing.TB, log *kafka.Client, preset chains.Preset, db driver.Conn) {
	t.Helper()
	topics := schema.TopicsOf(preset.Name)
	if err := log.CreateTopic(t.Context(), topics.Decisions, 1, schema.MaxMessageBytes); err != nil {
		t.Fatal(err)
	}
	run(t, sink.New(sink.Config{Preset: preset, Topics: topics, Kafka: log, DB: db, Log: quiet}).Run)
}

// indexed waits until a chain's head in the database is the given one.
func indexed(t testing.TB, db driver.Conn, chain uint64, hash string) {
	t.Helper()
	var head string
	for deadline := time.Now().Add(2 * time.Minute); head != hash; time.Sleep(5 * time.Millisecond) {
		var heads []struct {
			Hash string `ch:"head_hash"`
		}
		if err := db.Select(t.Context(), &heads, "SELECT head_hash FROM heads FINAL WHERE chain = ?", chain); err != nil {
			t.Fatal(err)
		}
		if len(heads) > 0 {
			head = heads[0].Hash
		}
		if time.Now().After(deadline) {
			t.Fatalf("the head is %s, not %s", head, hash)
		}
	}
}
