package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// chunkRows is how many rows of the log's own tables are compared at once.
const chunkRows = 20_000

// chunk is the rows of some blocks as they should be, in order.
type chunk struct {
	from                    uint64 // newest block of the chunk before
	started                 bool
	blocks, events, payouts []row
}

func (c *chunk) add(b canonical, payments []payment) {
	c.blocks = append(c.blocks, blockRow(b))
	for i := range b.Events {
		c.events = append(c.events, eventRow(b, i))
	}
	for _, p := range payments {
		c.payouts = append(c.payouts, payoutRow(b, p))
	}
}

func (c *chunk) full() bool { return len(c.blocks)+len(c.events)+len(c.payouts) >= chunkRows }

// compareChunk compares the rows of the blocks since the chunk before, up to a block.
func (a *auditor) compareChunk(ctx context.Context, to uint64) error {
	c := &a.chunk
	for _, one := range []struct {
		table table
		rows  []row
	}{{blocksTable, c.blocks}, {eventsTable, c.events}, {payoutsTable, c.payouts}} {
		within := between{above: c.started, from: c.from, to: to}
		if err := a.compareTable(ctx, one.table, within, len(one.rows), values(one.rows)); err != nil {
			return err
		}
	}
	a.chunk = chunk{from: to, started: true}
	return nil
}

func values(rows []row) func(func(row) bool) {
	return func(yield func(row) bool) {
		for _, r := range rows {
			if !yield(r) {
				return
			}
		}
	}
}

// compareRows compares what is left: the last blocks, everything that the log adds up to,
// and how far the database says the chain is indexed.
func (a *auditor) compareRows(ctx context.Context) error {
	if err := a.compareChunk(ctx, a.limit); err != nil {
		return err
	}
	if a.limit != math.MaxUint64 {
		for _, t := range []table{blocksTable, eventsTable, payoutsTable} {
			if err := a.countLater(ctx, t); err != nil {
				return err
			}
		}
	}
	tables, total, done := a.book.tables(), uint64(0), uint64(0)
	for _, t := range tables {
		total += uint64(t.count)
	}
	for _, t := range tables {
		rows := func(yield func(row) bool) {
			for r := range t.rows {
				if !yield(r) {
					return
				}
				done++
				a.cfg.Progress(StageClickHouse, done, total)
			}
		}
		if err := a.compareTable(ctx, t.table, between{to: math.MaxUint64}, t.count, rows); err != nil {
			return err
		}
	}
	if err := a.compareHead(ctx); err != nil {
		return err
	}
	return a.compareLedger(ctx)
}

// countLater counts the rows of blocks after the last that was folded.
func (a *auditor) countLater(ctx context.Context, t table) error {
	var later uint64
	query := fmt.Sprintf("SELECT count() FROM %s FINAL WHERE chain = ? AND %s > ?", t.name, t.block)
	if err := a.cfg.DB.QueryRow(ctx, query, a.cfg.Preset.ChainID, a.limit).Scan(&later); err != nil {
		return fmt.Errorf("counting later rows of %s: %w", t.name, err)
	}
	count(a.report.Compared.ClickHouse, t.name).Changed += later
	return nil
}

// between bounds the blocks of a table's rows, to inclusive.
type between struct {
	above    bool // from is a bound, exclusive
	from, to uint64
}

// compareTable merges the rows of a table as they should be with those that there are,
// both in the order of the key.
func (a *auditor) compareTable(ctx context.Context, t table, within between, expected int, rows func(func(row) bool)) (err error) {
	m := &merge{auditor: a, table: t, count: count(a.report.Compared.ClickHouse, t.name)}
	m.count.Of += uint64(expected)
	query, arguments := t.query(a.cfg.Preset.ChainID, within)
	if m.rows, err = a.cfg.DB.Query(ctx, query, arguments...); err != nil {
		return fmt.Errorf("reading %s: %w", t.name, err)
	}
	defer func() { err = errors.Join(err, m.rows.Close()) }()
	if err := m.advance(); err != nil {
		return err
	}
	for r := range rows {
		if err := m.expect(ctx, r); err != nil {
			return err
		}
	}
	return m.finish(ctx)
}

// query reads all values of a table's rows as text, as readers see them.
func (t table) query(chain uint64, within between) (string, []any) {
	spelled := make([]string, len(t.columns))
	for i, column := range t.columns {
		spelled[i] = "toString(" + column + ")"
		if name, time := strings.CutSuffix(column, "@"); time {
			spelled[i] = "toString(toUInt32(" + name + "))"
		}
		if column == "accurate" {
			spelled[i] = "ifNull(toString(accurate), '')"
		}
	}
	query := fmt.Sprintf("SELECT [%s], version FROM %s FINAL WHERE chain = ?", strings.Join(spelled, ", "), t.name)
	arguments := []any{chain}
	if within.above {
		query += " AND " + t.block + " > ?"
		arguments = append(arguments, within.from)
	}
	if within.to != math.MaxUint64 {
		query += " AND " + t.block + " <= ?"
		arguments = append(arguments, within.to)
	}
	return query + " ORDER BY " + strings.Join(t.columns[:t.key], ", "), arguments
}

// names are the columns without what says how they are spelled.
func (t table) column(i int) string { return strings.TrimSuffix(t.columns[i], "@") }

// merge walks a table.
type merge struct {
	*auditor
	table   table
	count   *Count
	rows    driver.Rows
	found   []string // nil: there are no more
	version uint64
}

// advance reads the next row that there is.
func (m *merge) advance() error {
	m.found = nil
	if !m.rows.Next() {
		if err := m.rows.Err(); err != nil {
			return fmt.Errorf("reading %s: %w", m.table.name, err)
		}
		return nil
	}
	if err := m.rows.Scan(&m.found, &m.version); err != nil {
		return fmt.Errorf("reading a row of %s: %w", m.table.name, err)
	}
	return nil
}

// expect takes the next row that there should be.
func (m *merge) expect(ctx context.Context, r row) error {
	for m.found != nil && m.table.compare(m.found, r.values) < 0 {
		if err := m.extra(ctx); err != nil {
			return err
		}
	}
	if m.found == nil || m.table.compare(m.found, r.values) > 0 {
		return m.missing(ctx, r)
	}
	if m.isLater() {
		m.count.Changed++
		return m.advance()
	}
	m.count.Compared++
	before := len(m.report.Differences) + int(m.report.Omitted)
	for i := m.table.key; i < len(r.values); i++ {
		if err := m.value(ctx, r, i); err != nil {
			return err
		}
	}
	if len(m.report.Differences)+int(m.report.Omitted) > before {
		m.count.Different++
	}
	return m.advance()
}

// finish takes the rows that there are beyond the last that there should be.
func (m *merge) finish(ctx context.Context) error {
	for m.found != nil {
		if err := m.extra(ctx); err != nil {
			return err
		}
	}
	return nil
}

// isLater says whether the row is of a moment after what was folded.
func (m *merge) isLater() bool {
	if m.version >= m.later {
		return true
	}
	for i := range m.table.columns {
		if m.table.column(i) == m.table.block {
			block := number(m.limit)
			return len(m.found[i]) > len(block) || len(m.found[i]) == len(block) && m.found[i] > block
		}
	}
	return false
}

// value compares one value of the rows at hand.
func (m *merge) value(ctx context.Context, r row, i int) error {
	column, expected, found := m.table.column(i), r.values[i], m.found[i]
	if column == argsColumn {
		if column, expected, found = argsDiffer(r.event, found); column == "" {
			return nil
		}
	} else if expected == found {
		return nil
	}
	cause := r.cause
	if special, ok := r.causes[column]; ok {
		cause = special
	}
	return m.differ(ctx, Difference{In: inClickHouse, Kind: m.table.name, ID: m.id(r.values), Field: column, Expected: expected, Found: found}, cause)
}

func (m *merge) id(values []string) string { return strings.Join(values[:m.table.key], "/") }

// extra takes a row that should not be there. A category of which the log up to --at does
// not know is a later one.
func (m *merge) extra(ctx context.Context) error {
	if m.isLater() || m.table.block == "" && m.limit != math.MaxUint64 {
		m.count.Changed++
		return m.advance()
	}
	m.count.Compared++
	m.count.Different++
	err := m.differ(ctx, Difference{In: inClickHouse, Kind: m.table.name, ID: m.id(m.found), Expected: "no row",
		Found: strings.Join(m.found[m.table.key:], " ")}, ref{})
	return errors.Join(err, m.advance())
}

// missing takes a row that is not there, unless it was taken out by a later record, as by
// the retraction of its block.
func (m *merge) missing(ctx context.Context, r row) error {
	conditions := make([]string, m.table.key)
	arguments := []any{m.cfg.Preset.ChainID}
	for i := range conditions {
		conditions[i] = "toString(" + m.table.columns[i] + ") = ?"
		arguments = append(arguments, r.values[i])
	}
	var version uint64
	query := fmt.Sprintf("SELECT max(version) FROM %s WHERE chain = ? AND %s", m.table.name, strings.Join(conditions, " AND "))
	if err := m.cfg.DB.QueryRow(ctx, query, arguments...).Scan(&version); err != nil {
		return fmt.Errorf("looking for a missing row of %s: %w", m.table.name, err)
	}
	if version >= m.later {
		m.count.Changed++
		return nil
	}
	m.count.Compared++
	m.count.Different++
	return m.differ(ctx, Difference{In: inClickHouse, Kind: m.table.name, ID: m.id(r.values), Expected: "a row", Found: "none"}, r.cause)
}

// compareHead compares how far the chain is indexed with the newest mark, and with what the
// retractions after it have left of it.
func (a *auditor) compareHead(ctx context.Context) error {
	var found []string
	var version uint64
	err := a.cfg.DB.QueryRow(ctx, "SELECT [toString(head_number), head_hash, toString(toUInt32(head_time)), toString(finalized_number), finalized_hash], version FROM heads FINAL WHERE chain = ?",
		a.cfg.Preset.ChainID).Scan(&found, &version)
	return a.compareNewest("heads", []string{"head_number", "head_hash", "head_time", "finalized_number", "finalized_hash"},
		a.reader.headRow(), found, version, err)
}

// headRow is the row of heads as it should be, nil if there should be none.
func (r *reader) headRow() []string {
	if r.lastMark == nil {
		return nil
	}
	return []string{number(r.head.number), hexOf(r.head.hash), seconds(r.head.time), number(r.lastMark.FinalizedNumber), hexOf(r.lastMark.FinalizedHash)}
}

// compareNewest compares the one row that a table has of a chain. err is of reading it.
func (a *auditor) compareNewest(table string, columns, expected, found []string, version uint64, err error) error {
	c := count(a.report.Compared.ClickHouse, table)
	c.Of = 1
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("reading %s: %w", table, err)
	}
	if version >= a.later {
		c.Changed = 1
		return nil
	}
	c.Compared = 1
	different := func(column, expected, found string) {
		c.Different = 1
		a.report.add(Difference{In: inClickHouse, Kind: table, ID: number(a.cfg.Preset.ChainID), Field: column, Expected: expected, Found: found})
	}
	if err != nil || expected == nil {
		different("", "a row for the newest mark", "none")
		return nil
	}
	for i, column := range columns {
		if expected[i] != found[i] {
			different(column, expected[i], found[i])
		}
	}
	return nil
}
