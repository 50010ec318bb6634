package loadtest_test

import (
	"fmt"
	"log/slog"
	"math/rand"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"assay/graphql/loadtest"
	endpoint "assay/graphql/subgraph"
	"assay/schema/graphql/subgraph"
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

// TestPages loads the drop-in endpoint with the pages of an explorer: each kind alone, all
// that are different mixed, and few of them again and again.
func TestPages(t *testing.T) {
	conn, market := filled(t)
	if err := market.Sample(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	timed := &loadtest.Timed{Conn: conn}
	handler, err := endpoint.New(endpoint.Config{
		Database: timed, Definition: subgraph.PoCo, Tables: "subgraph", Chain: loadtest.Chain, Deployment: "load", Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	var table strings.Builder
	fmt.Fprintf(&table, "\n| page | clients | requests | per second | p50 ms | p99 ms | statements | in statements | ClickHouse's CPU ms |\n|---|---|---|---|---|---|---|---|---|\n")
	load := func(name string, clients int, bodies func(*rand.Rand) []byte) {
		r, err := loadtest.Run(t.Context(), server.URL, timed, clients, lasting(t), bodies)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.Failed > 0 {
			t.Errorf("%s: %d of %d requests fail: %v", name, r.Failed, r.Requests, r.Failure)
		}
		fmt.Fprintf(&table, "| %s | %d | %d | %.0f | %.1f | %.1f | %.1f | %.0f %% | %.1f |\n", name, clients, r.Requests, r.PerSecond,
			milliseconds(r.P50), milliseconds(r.P99), r.Statements, 100*r.Database, milliseconds(r.CPU))
	}
	for _, page := range loadtest.Pages {
		load(page.Name, 1, func(r *rand.Rand) []byte { return page.Body(market, r) })
	}
	mixed := func(r *rand.Rand) []byte { return loadtest.Pages[r.Intn(len(loadtest.Pages))].Body(market, r) }
	load("all, distinct", loadtest.Clients, mixed)
	var repeated [][]byte
	for range 200 {
		repeated = append(repeated, mixed(rand.New(rand.NewSource(int64(len(repeated))))))
	}
	load("all, repeated", loadtest.Clients, func(r *rand.Rand) []byte { return repeated[r.Intn(len(repeated))] })
	t.Log(table.String())
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
