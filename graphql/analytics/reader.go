package analytics

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Database is what the API needs of ClickHouse; driver.Conn has it.
type Database interface {
	// Select reads the rows of a query into dest, a pointer to a slice of structs.
	Select(ctx context.Context, dest any, query string, args ...any) error
}

// reader reads the database within the limits.
type reader struct {
	db      Database
	limits  Limits
	slots   chan struct{} // as many statements run at once
	metrics *metrics
}

func newReader(db Database, limits Limits, m *metrics) *reader {
	return &reader{db: db, limits: limits, slots: make(chan struct{}, limits.Parallel), metrics: m}
}

// read reads the rows of a statement into dest, a pointer to a slice of structs. It takes its turn
// among the statements of all clients, and each its time.
func (r *reader) read(ctx context.Context, dest any, s *statement) error {
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
	start := time.Now()
	err := r.db.Select(clickhouse.Context(ctx, clickhouse.WithSettings(r.settings())), dest, s.String(), s.args...)
	r.metrics.statement(time.Since(start), err)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("reading the database: %w", err)
	}
	return nil
}

// rowsOf reads the rows of a statement.
func rowsOf[T any](ctx context.Context, r *reader, s *statement) ([]*T, error) {
	var rows []T
	if err := r.read(ctx, &rows, s); err != nil {
		return nil, err
	}
	pointers := make([]*T, len(rows))
	for i := range rows {
		pointers[i] = &rows[i]
	}
	return pointers, nil
}

// settings are the limits of one statement. A column's name means the column, also where
// an expression is selected under the same name.
func (r *reader) settings() clickhouse.Settings {
	return clickhouse.Settings{
		"max_execution_time":          int(max(r.limits.Timeout/time.Second, 1)),
		"max_rows_to_read":            r.limits.Rows,
		"max_memory_usage":            r.limits.Memory,
		"prefer_column_name_to_alias": 1,
		"max_query_size":              1 << 20,
	}
}

// budget is how many statements the response may still read.
type budget struct{ left atomic.Int64 }

type budgetKey struct{}

func withBudget(ctx context.Context, statements int) context.Context {
	var b budget
	b.left.Store(int64(statements))
	return context.WithValue(ctx, budgetKey{}, &b)
}

// spend takes a statement from the budget, where there is one.
func spend(ctx context.Context) error {
	if b, ok := ctx.Value(budgetKey{}).(*budget); ok && b.left.Add(-1) < 0 {
		return errStatements
	}
	return nil
}
