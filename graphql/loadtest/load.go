package loadtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"
)

// Clients is how many ask at the same time.
const Clients = 32

// Timed is a database connection that adds up the time its statements take.
type Timed struct {
	driver.Conn
	Statements, Nanoseconds atomic.Int64
}

// Select reads rows.
func (t *Timed) Select(ctx context.Context, dest any, query string, args ...any) error {
	began := time.Now()
	defer func() {
		t.Statements.Add(1)
		t.Nanoseconds.Add(int64(time.Since(began)))
	}()
	return t.Conn.Select(ctx, dest, query, args...)
}

// Result is what a load was like.
type Result struct {
	Requests  int
	Failed    int // of them; the first failure is
	Failure   error
	PerSecond float64
	P50, P99  time.Duration
	// Of a request, on average.
	Statements float64
	Database   float64       // share of the time that a statement was under way; several can be at once
	CPU        time.Duration // of ClickHouse
}

// Run lets so many clients ask for a time, each the next request as soon as it has an
// answer. bodies makes the requests; each client has a random source of its own.
func Run(ctx context.Context, url string, conn *Timed, clients int, lasting time.Duration, bodies func(*rand.Rand) []byte) (Result, error) {
	var mutex sync.Mutex
	var took []time.Duration
	var failed int
	var failure error
	statements, inside := conn.Statements.Load(), conn.Nanoseconds.Load()
	cpu, err := processor(ctx, conn)
	if err != nil {
		return Result{}, err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for i := range clients {
		random := rand.New(rand.NewSource(int64(i))) //nolint:gosec // the same requests in every run
		group.Go(func() error {
			for time.Since(began) < lasting {
				asked := time.Now()
				err := post(ctx, client, url, bodies(random))
				mutex.Lock()
				took = append(took, time.Since(asked))
				if err != nil {
					failed, failure = failed+1, err
				}
				mutex.Unlock()
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return Result{}, err
	}
	elapsed := time.Since(began)
	after, err := processor(context.WithoutCancel(ctx), conn)
	if err != nil {
		return Result{}, err
	}
	n := len(took)
	slices.Sort(took)
	var total time.Duration
	for _, t := range took {
		total += t
	}
	return Result{
		Requests: n, Failed: failed, Failure: failure, PerSecond: float64(n) / elapsed.Seconds(), P50: took[n/2], P99: took[n*99/100],
		Statements: float64(conn.Statements.Load()-statements) / float64(n),
		Database:   float64(conn.Nanoseconds.Load()-inside) / float64(total),
		CPU:        (after - cpu) / time.Duration(n),
	}, nil
}

// processor is the CPU time that ClickHouse has spent so far.
func processor(ctx context.Context, conn driver.Conn) (time.Duration, error) {
	var micro uint64
	err := conn.QueryRow(ctx, "SELECT sum(value) FROM system.events WHERE event = 'OSCPUVirtualTimeMicroseconds'").Scan(&micro)
	return time.Duration(micro) * time.Microsecond, err
}

// post sends a request, which must be answered without errors.
func post(ctx context.Context, client *http.Client, url string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var reply struct {
		Data   map[string]json.RawMessage
		Errors []struct{ Message string }
	}
	if err := json.Unmarshal(text, &reply); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	if len(reply.Errors) > 0 || len(reply.Data) == 0 {
		return fmt.Errorf("%s answers %s", body, text[:min(len(text), 500)])
	}
	for name, value := range reply.Data {
		if string(value) == "null" || string(value) == "[]" && name != "more" {
			return fmt.Errorf("%s answers nothing: %s", body, text)
		}
	}
	return nil
}
