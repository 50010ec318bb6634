package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"assay/indexer/projection"
	"assay/indexer/projection/table"
)

// parallel is how many tables of a batch are written at once.
const parallel = 4

// writer inserts batches.
type writer struct {
	owner   string
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

// tables lists what a sink writes to.
func tables() []table.Table {
	return append(projection.Schema(), table.Of("progress", []progressRow(nil)), table.Of("plans", []plan(nil)))
}

// describe asks once for the types of the columns that rows of these tables have.
func (w *writer) describe(ctx context.Context, tables ...table.Table) error {
	var found []struct {
		Table string `ch:"table"`
		Name  string `ch:"name"`
		Type  string `ch:"type"`
	}
	err := w.db.Select(ctx, &found, "SELECT table, name, type FROM system.columns WHERE database = currentDatabase()")
	if err != nil {
		return fmt.Errorf("reading the columns of the tables: %w", err)
	}
	types := map[string]string{}
	for _, column := range found {
		types[column.Table+"."+column.Name] = column.Type
	}
	w.columns = map[string][]clickhouse.ColumnNameAndType{}
	for _, t := range tables {
		for _, name := range t.Columns() {
			kind, has := types[t.Name+"."+name]
			if !has {
				return fmt.Errorf("the database has no column %s.%s: migrate it first", t.Name, name)
			}
			w.columns[t.Name] = append(w.columns[t.Name], clickhouse.ColumnNameAndType{Name: name, Type: kind})
		}
	}
	return nil
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

// unsummed makes sure that no sums are left of rows that are to be written again.
func (w *writer) unsummed(ctx context.Context) error {
	var sums uint64
	if err := w.db.QueryRow(ctx, "SELECT count() FROM series WHERE chain = ?", w.chain).Scan(&sums); err != nil {
		return fmt.Errorf("looking for sums: %w", err)
	}
	if sums > 0 {
		return fmt.Errorf("the table progress is empty, so all rows are to be written again, but series holds the sums of them: empty it, too")
	}
	return nil
}

// write inserts a batch: its plan if it has none yet, then its blocks, its other rows, the head
// and its progress. What can pass is tried again, with the very same rows and tokens, until ctx ends.
func (w *writer) write(ctx context.Context, b *batch) error {
	if !b.planned {
		if err := w.begin(ctx, b.plan); err != nil {
			return err
		}
	}
	progress := progressRow{Chain: w.chain, Topic: b.plan.Topic, Partition: b.plan.Partition, NextOffset: b.plan.Last + 1}
	lowered, err := w.blocks(table.Of("heads", b.rows.Lowered))
	if err != nil {
		return err
	}
	heading, err := w.blocks(b.rows.Heading()...)
	if err != nil {
		return err
	}
	written, err := w.blocks(table.Of("progress", []progressRow{progress}))
	if err != nil {
		return err
	}
	announced, others := b.announced()
	for step, blocks := range [][]*block{lowered, announced, others, heading, written} {
		if err := w.step(ctx, b.plan, step+1, blocks); err != nil {
			return err
		}
	}
	return nil
}

// announced parts the rows that are to be written first from the others.
func (b *batch) announced() (first, others []*block) {
	for name, rows := range b.blocks {
		if name == projection.Announced {
			first = append(first, rows)
		} else {
			others = append(others, rows)
		}
	}
	return first, others
}

// blocks are the rows of tables.
func (w *writer) blocks(tables ...table.Table) ([]*block, error) {
	blocks := make([]*block, len(tables))
	for i, t := range tables {
		b, err := newBlock(t, w.columns[t.Name])
		if err != nil {
			return nil, err
		}
		if err := b.append(t); err != nil {
			return nil, err
		}
		blocks[i] = b
	}
	return blocks, nil
}

// step inserts several blocks at once, the largest first. Each is empty once it is written.
func (w *writer) step(ctx context.Context, p plan, step int, blocks []*block) error {
	slices.SortFunc(blocks, func(a, b *block) int { return cmp.Or(b.bytes()-a.bytes(), strings.Compare(a.name, b.name)) })
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, b := range blocks {
		if b.rows == 0 {
			continue
		}
		g.Go(func() error {
			if err := w.retry(ctx, func() error { return w.put(ctx, p, b, p.token(step, b.name)) }); err != nil {
				return fmt.Errorf("writing %d rows of %s (%s/%d, offsets %d to %d): %w",
					b.rows, b.name, p.Topic, p.Partition, p.First, p.Last, err)
			}
			b.reset() // the batch that is growing meanwhile takes its room
			return nil
		})
	}
	return g.Wait()
}

// sums is the table whose rows are added up. To write one twice shows, unless its token is
// remembered.
const sums = "measures"

// addSeconds is how long the database may take to add rows up. It is far less than the time of
// the thousand batches whose tokens are remembered.
const addSeconds = 60

// put inserts a block of a batch; rows that are added up only if their plan is still the newest.
// If it is not, another sink has written them, perhaps so long ago that the database has
// forgotten their token.
func (w *writer) put(ctx context.Context, p plan, b *block, token string) error {
	if b.name != sums {
		return w.insert(ctx, b, token, nil)
	}
	if err := w.newest(ctx, p); err != nil {
		return err
	}
	return w.insert(ctx, b, token, clickhouse.Settings{"max_execution_time": addSeconds})
}

func (w *writer) insist(ctx context.Context, b *block, token string) error {
	return w.retry(ctx, func() error { return w.insert(ctx, b, token, nil) })
}

// retry does what may fail for a while again and again, until ctx ends.
func (w *writer) retry(ctx context.Context, do func() error) error {
	for failures := 1; ; failures++ {
		err := do()
		if err == nil || !temporary(err) || ctx.Err() != nil {
			return err
		}
		w.failed(err)
		if err := sleep(ctx, w.pause(failures)); err != nil {
			return err
		}
	}
}

// insert sends a block. Of an insert that breaks off the database keeps nothing: it is one
// block of far less than min_insert_block_size_rows, stored whole when its end has come.
func (w *writer) insert(ctx context.Context, b *block, token string, more clickhouse.Settings) error {
	settings := clickhouse.Settings{
		"async_insert":               0,
		"insert_deduplicate":         1,
		"insert_deduplication_token": token,
		"insert_distributed_sync":    1, // on a cluster: answer when the shards have the rows
		"optimize_on_insert":         0, // older rows of the same thing are dropped when parts are merged, not before
	}
	maps.Copy(settings, more)
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(settings))
	return w.db.InsertFormat(ctx, "Native", b.statement(), b.native())
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
	var fenced *FencedError
	var refused *clickhouse.Exception
	switch {
	case errors.As(err, &row), errors.As(err, &fenced):
		return false
	case errors.As(err, &refused):
		return passing[refused.Code]
	default:
		return true
	}
}
