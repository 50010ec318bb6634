package loadtest_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"assay/graphql/analytics"
	"assay/graphql/loadtest"
	endpoint "assay/graphql/subgraph"
)

// lasting is how long each load lasts: ASSAY_BENCH_SECONDS, by default so short that it
// only shows that the load works.
func lasting(t testing.TB) time.Duration {
	t.Helper()
	text := os.Getenv("ASSAY_BENCH_SECONDS")
	if text == "" {
		return 300 * time.Millisecond
	}
	d, err := time.ParseDuration(text + "s")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// bench is a filled database, and what was measured on it.
type bench struct {
	conn   *loadtest.Timed
	market loadtest.Market
	table  strings.Builder
}

func newBench(t *testing.T) *bench {
	t.Helper()
	conn, market := filled(t)
	if err := market.Sample(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	// What was filled a moment ago is not to be merged meanwhile.
	if err := conn.Exec(t.Context(), "SYSTEM STOP MERGES"); err != nil {
		t.Fatal(err)
	}
	b := &bench{conn: &loadtest.Timed{Conn: conn}, market: market}
	b.table.WriteString("\n| page | clients | requests | per second | p50 ms | p99 ms | statements | in statements | ClickHouse's CPU ms |\n|---|---|---|---|---|---|---|---|---|\n")
	t.Cleanup(func() { t.Log(b.table.String()) })
	return b
}

// load asks an endpoint, and fails the test where it cannot answer.
func (b *bench) load(t *testing.T, name, url string, clients int, bodies func(*rand.Rand) []byte) {
	t.Helper()
	r, err := loadtest.Run(t.Context(), url, b.conn, clients, lasting(t), bodies)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if r.Failed > 0 {
		t.Errorf("%s: %d of %d requests fail: %v", name, r.Failed, r.Requests, r.Failure)
	}
	fmt.Fprintf(&b.table, "| %s | %d | %d | %.0f | %.1f | %.1f | %.1f | %.0f %% | %.1f |\n", name, clients, r.Requests, r.PerSecond,
		milliseconds(r.P50), milliseconds(r.P99), r.Statements, 100*r.Database, milliseconds(r.CPU))
}

// TestPages loads the endpoints, as `assay serve` has them, with the pages of an explorer: each
// kind alone, all that are different mixed, and few of them again and again; then with a
// year's series.
func TestPages(t *testing.T) {
	b := newBench(t)
	kept, site := freely(), fmt.Sprintf("/subgraphs/name/%d/poco-v5", loadtest.Chain)
	none := kept
	none.Largest = 1 // byte of an answer that is kept
	for _, page := range loadtest.Pages {
		b.load(t, page.Name, b.serve(t, none)+site, 1, func(r *rand.Rand) []byte { return page.Body(b.market, r) })
	}
	mixed := func(r *rand.Rand) []byte { return loadtest.Pages[r.Intn(len(loadtest.Pages))].Body(b.market, r) }
	b.load(t, "all, distinct", b.serve(t, none)+site, loadtest.Clients, mixed)
	var repeated [][]byte
	for range 20 {
		repeated = append(repeated, mixed(rand.New(rand.NewSource(int64(len(repeated))))))
	}
	again := func(r *rand.Rand) []byte { return repeated[r.Intn(len(repeated))] }
	b.load(t, "all, repeated, no answer kept", b.serve(t, none)+site, loadtest.Clients, again)
	b.load(t, "all, repeated, answers kept", b.serve(t, kept)+site, loadtest.Clients, again)
	year := func(r *rand.Rand) []byte { return loadtest.Series.Body(b.market, r) }
	series := b.serve(t, kept) + "/graphql"
	b.load(t, "a year by the day", series, 1, year)
	b.load(t, "a year by the day", series, loadtest.Clients, year)
	b.load(t, "a year by the day, no answer kept", b.serve(t, none)+"/graphql", loadtest.Clients, year)
}

// freely are the default limits for clients that all have one address.
func freely() analytics.Limits {
	limits := analytics.DefaultLimits()
	limits.Rate, limits.Burst = 1e6, 1e6
	return limits
}

// serve starts all endpoints: the address of their server.
func (b *bench) serve(t *testing.T, limits analytics.Limits) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	subgraphs, err := endpoint.Site(log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- analytics.Serve(ctx, listener, analytics.Config{Database: b.conn, Log: log, Limits: limits, Beside: subgraphs})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + listener.Addr().String()
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
