package sink

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"assay/indexer/projection"
	"assay/indexer/projection/table"
)

// writer inserts batches.
type writer struct {
	db      driver.Conn
	chain   uint64
	columns map[string][]clickhouse.ColumnNameAndType // of each table's rows
	pause   func(failures int) time.Duration
	failed  func(error)
}

// progressRow is a row of progress.
type progressRow struct {
	Chain      uint64 `ch:"chain"`
	Topic      string `ch:"topic"`
	Partition  uint32 `ch:"partition"`
	NextOffset uint64 `ch:"next_offset"`
}

// describe asks once for the types of the columns that rows have, which the driver
// would else ask for with every insert.
func (w *writer) describe(ctx context.Context) error {
	w.columns = map[string][]clickhouse.ColumnNameAndType{}
	for _, t := range append(projection.Schema(), progressTable(progressRow{})) {
		columns, err := w.columnsOf(ctx, t)
		if err != nil {
			return err
		}
		w.columns[t.Name] = columns
	}
	return nil
}

func (w *writer) columnsOf(ctx context.Context, t table.Table) ([]clickhouse.ColumnNameAndType, error) {
	var found []struct {
		Name string `ch:"name"`
		Type string `ch:"type"`
	}
	err := w.db.Select(ctx, &found, "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = ?", t.Name)
	if err != nil {
		return nil, fmt.Errorf("reading the columns of %s: %w", t.Name, err)
	}
	types := map[string]string{}
	for _, column := range found {
		types[column.Name] = column.Type
	}
	var out []clickhouse.ColumnNameAndType
	for _, name := range t.Columns() {
		if types[name] == "" {
			return nil, fmt.Errorf("the database has no column %s.%s: migrate it first", t.Name, name)
		}
		out = append(out, clickhouse.ColumnNameAndType{Name: name, Type: types[name]})
	}
	return out, nil
}

// progress reads the first offset of a partition whose rows are not in the database.
func (w *writer) progress(ctx context.Context, topic string, partition int) (int64, error) {
	var next uint64
	err := w.db.QueryRow(ctx, "SELECT max(next_offset) FROM progress WHERE chain = ? AND topic = ? AND partition = ?",
		w.chain, topic, uint32(partition)).Scan(&next)
	if err != nil {
		return 0, fmt.Errorf("reading how far %s/%d is written: %w", topic, partition, err)
	}
	return int64(next), nil
}

// write inserts a batch, its progress last. What can pass is tried again, with the very
// same rows and tokens, until ctx ends.
func (w *writer) write(ctx context.Context, b *batch) error {
	progress := progressTable(progressRow{Chain: w.chain, Topic: b.topic, Partition: b.partition, NextOffset: uint64(b.last + 1)})
	for step, t := range append(append([]table.Table{table.Of("heads", b.rows.Lowered)}, b.rows.Tables()...), progress) {
		if t.Len() == 0 {
			continue
		}
		if err := w.insist(ctx, t, token(w.chain, b, step, t.Name)); err != nil {
			return fmt.Errorf("writing %d rows of %s (%s/%d, offsets %d to %d): %w",
				t.Len(), t.Name, b.topic, b.partition, b.first, b.last, err)
		}
	}
	return nil
}

func progressTable(row progressRow) table.Table {
	return table.Of("progress", []progressRow{row})
}

func (w *writer) insist(ctx context.Context, t table.Table, token string) error {
	for failures := 1; ; failures++ {
		err := w.insert(ctx, t, token)
		if err == nil || !temporary(err) || ctx.Err() != nil {
			return err
		}
		w.failed(err)
		if err := sleep(ctx, w.pause(failures)); err != nil {
			return err
		}
	}
}

func (w *writer) insert(ctx context.Context, t table.Table, token string) (err error) {
	columns := w.columns[t.Name]
	ctx = clickhouse.Context(ctx, clickhouse.WithColumnNamesAndTypes(columns), clickhouse.WithSettings(clickhouse.Settings{
		"async_insert":               0,
		"insert_deduplicate":         1,
		"insert_deduplication_token": token,
	}))
	insert, err := w.db.PrepareBatch(ctx, statement(t.Name, columns))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, insert.Close()) }()
	for i := range t.Len() {
		if err := insert.AppendStruct(t.Row(i)); err != nil {
			return &rowError{err}
		}
	}
	return insert.Send()
}

func statement(table string, columns []clickhouse.ColumnNameAndType) string {
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i] = "`" + column.Name + "`"
	}
	return "INSERT INTO " + table + " (" + strings.Join(names, ", ") + ")"
}

// token names the rows of one step of a batch: the same records give the same rows. Its
// first number changes with what a batch writes: a database that is filled anew after a
// migration may still remember the tokens of what it was filled with before.
func token(chain uint64, b *batch, step int, table string) string {
	return fmt.Sprintf("3/%d/%s/%d/%d-%d/%d/%s", chain, b.topic, b.partition, b.first, b.last, step, table)
}

// rowError says that a row does not fit its table.
type rowError struct{ err error }

func (e *rowError) Error() string { return e.err.Error() }
func (e *rowError) Unwrap() error { return e.err }

// passing are ClickHouse's exceptions that say "not now": too many queries or parts,
// memory, time, a table that is read-only while its replica starts, a lost connection.
var passing = map[int32]bool{
	159: true, 202: true, 209: true, 210: true, 241: true, 242: true, 252: true, 319: true, 394: true, 425: true, 999: true,
}

// temporary says whether an insert may succeed when it is tried again: unless the rows do
// not fit or the database refused them, nobody answered.
func temporary(err error) bool {
	var row *rowError
	var refused *clickhouse.Exception
	switch {
	case errors.As(err, &row):
		return false
	case errors.As(err, &refused):
		return passing[refused.Code]
	default:
		return true
	}
}
