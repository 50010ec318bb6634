package database

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// Conn is what is needed of ClickHouse; driver.Conn has it.
type Conn interface {
	// Select reads the rows of a query into dest, a pointer to a slice of structs.
	Select(ctx context.Context, dest any, query string, args ...any) error
}

// Limits bound what is read. All must be positive.
type Limits struct {
	Statements int           // read for one response
	Parallel   int           // statements under way, of all clients
	Timeout    time.Duration // of a statement
	Rows       uint64        // read by one statement
	Memory     uint64        // bytes in the database for one statement
	Result     uint64        // bytes that one statement may give
}

// ErrStatements is of a response that would need more statements than it may read.
var ErrStatements = errors.New("the response needs too many statements")

// Errors of ClickHouse that say a statement cost too much (src/Common/ErrorCodes.cpp).
var expensive = map[int32]bool{
	158: true, // TOO_MANY_ROWS
	159: true, // TIMEOUT_EXCEEDED
	160: true, // TOO_SLOW
	241: true, // MEMORY_LIMIT_EXCEEDED
	307: true, // TOO_MANY_BYTES
	396: true, // TOO_MANY_ROWS_OR_BYTES
}

// TooExpensive tells whether the database ended a statement because of its cost.
func TooExpensive(err error) bool {
	var exception *clickhouse.Exception
	return errors.As(err, &exception) && expensive[exception.Code]
}

// Reader reads the database within limits.
type Reader struct {
	conn    Conn
	limits  Limits
	slots   chan struct{} // as many statements run at once
	count   *prometheus.CounterVec
	seconds prometheus.Histogram
	heads   heads
	stands  *Gather[standing, bool]
}

// NewReader makes a reader that reports to a registry.
func NewReader(conn Conn, limits Limits, registry prometheus.Registerer) *Reader {
	r := &Reader{
		conn: conn, limits: limits, slots: make(chan struct{}, limits.Parallel),
		count: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "assay_graphql_statements_total", Help: "Statements read from the database by result (ok, error).",
		}, []string{"result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "assay_graphql_statement_seconds", Help: "Time of a statement in the database.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15), // 1 ms to 16 s
		}),
	}
	r.heads.gather, r.stands = NewGather(1, r.readHeads), NewGather(2, r.readStands)
	registry.MustRegister(r.count, r.seconds)
	return r
}

// Read reads the rows of a statement into dest, a pointer to a slice of structs. It takes
// its turn among the statements of all clients, and each its time. The statement ends
// with ctx.
func (r *Reader) Read(ctx context.Context, dest any, s *Statement) error {
	if err := spend(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.limits.Timeout)
	defer cancel()
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	// The driver would put what a deadline leaves, and five seconds, in the place of our
	// max_execution_time: it gets to know of the end only.
	timeless, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer context.AfterFunc(ctx, end)()
	start := time.Now()
	err := r.conn.Select(clickhouse.Context(timeless, clickhouse.WithSettings(r.settings())), dest, s.String(), s.Args...)
	r.observe(time.Since(start), err)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("reading the database: %w", err)
	}
	return nil
}

func (r *Reader) observe(took time.Duration, err error) {
	result := "ok"
	if err != nil {
		result = "error"
	}
	r.count.WithLabelValues(result).Inc()
	r.seconds.Observe(took.Seconds())
}

// Rows reads the rows of a statement.
func Rows[T any](ctx context.Context, r *Reader, s *Statement) ([]*T, error) {
	var rows []T
	if err := r.Read(ctx, &rows, s); err != nil {
		return nil, err
	}
	pointers := make([]*T, len(rows))
	for i := range rows {
		pointers[i] = &rows[i]
	}
	return pointers, nil
}

// settings are the limits of one statement. A column's name means the column, also where
// an expression is selected under the same name. A table that is read twice, as it was at a
// block while rows arrive, is the same both times. A statement whose client went away is
// ended by the server as well: it notices that nobody reads the answer.
func (r *Reader) settings() clickhouse.Settings {
	return clickhouse.Settings{
		"max_execution_time":                           int(max(r.limits.Timeout/time.Second, 1)),
		"max_rows_to_read":                             r.limits.Rows,
		"max_memory_usage":                             r.limits.Memory,
		"max_result_bytes":                             r.limits.Result,
		"max_query_size":                               1 << 20,
		"enable_shared_storage_snapshot_in_query":      1,
		"prefer_column_name_to_alias":                  1,
		"optimize_move_to_prewhere_if_final":           1, // conditions on a table's key: only those
		"cancel_http_readonly_queries_on_client_close": 1,
	}
}

// budget is how many statements the response may still read.
type budget struct{ left atomic.Int64 }

type budgetKey struct{}

// WithBudget gives a response its budget of statements.
func (r *Reader) WithBudget(ctx context.Context) context.Context {
	var b budget
	b.left.Store(int64(r.limits.Statements))
	return context.WithValue(ctx, budgetKey{}, &b)
}

// spend takes a statement from the budget, where there is one.
func spend(ctx context.Context) error {
	if b, ok := ctx.Value(budgetKey{}).(*budget); ok && b.left.Add(-1) < 0 {
		return ErrStatements
	}
	return nil
}
