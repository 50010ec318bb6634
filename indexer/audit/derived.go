package audit

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"assay/indexer/projection"
	rowtable "assay/indexer/projection/table"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

// derived is all tables that the audit has no second bookkeeping for. What they should hold
// is what the index's own fold (package projection) makes of the same logs. That finds every
// row that was lost, changed or made up since, but no mistake of the fold itself.
//
// Of each row only two hashes are kept, of its key and of all of it. Where something
// differs, the logs are folded once more for the rows in question (explain).
type derived struct {
	preset  chains.Preset
	tables  []*derivedTable
	named   map[string]*derivedTable
	fold    *projection.Projection
	rows    projection.Rows // of the record at hand
	failed  bool            // the fold refused a record: nothing can be said
	decided []uint64        // by partition of the decisions log, the first offset that is not indexed
}

// derivedTable is one of them.
type derivedTable struct {
	name     string
	kind     reflect.Type // of a row
	columns  []string
	nullable []bool
	key      []int // places of the key among the columns, without the chain
	version  int   // place of the version
	deleted  int   // place of what marks a tombstone
	history  *derivedTable
	logs     bool // it is made of the decisions log
	rows     map[uint64]uint64
}

// bookkept are the tables whose rows the audit makes itself (tables.go, rows.go, ledger.go).
// Of measures nothing is kept in the database: series.go.
func bookkept() []string {
	names := []string{"heads", "coverage", "measures"}
	for _, t := range []table{blocksTable, eventsTable, payoutsTable, accountsTable, dealsTable, tasksTable, contributionsTable, resourcesTable, categoriesTable} {
		names = append(names, t.name)
	}
	return names
}

// hashSeed makes hashes that nobody who writes rows can foresee.
var hashSeed = maphash.MakeSeed()

// describe finds out about the tables from the projection and from the database.
func (a *auditor) describe(ctx context.Context) error {
	var found []struct {
		Table string `ch:"table"`
		Name  string `ch:"name"`
		Type  string `ch:"type"`
		Key   uint8  `ch:"is_in_sorting_key"`
	}
	// On a cluster the sorting key is that of the local table.
	query := "SELECT replaceRegexpOne(table, '_local$', '') AS table, name, any(type) AS type, max(is_in_sorting_key) AS is_in_sorting_key FROM system.columns WHERE database = currentDatabase() GROUP BY table, name"
	if err := a.cfg.DB.Select(ctx, &found, query); err != nil {
		return fmt.Errorf("reading the columns of the tables: %w", err)
	}
	types, keys := map[string]string{}, map[string]bool{}
	for _, c := range found {
		types[c.Table+"."+c.Name], keys[c.Table+"."+c.Name] = c.Type, c.Key == 1
	}
	d := &derived{preset: a.cfg.Preset, named: map[string]*derivedTable{}}
	own := bookkept()
	for _, t := range projection.Schema() {
		if slices.Contains(own, t.Name) {
			continue
		}
		described, err := describeTable(t, types, keys)
		if err != nil {
			return err
		}
		d.tables, d.named[t.Name] = append(d.tables, described), described
	}
	for _, t := range d.tables {
		t.history = d.named[t.name+"_history"] // which a view of the database fills
		t.logs = slices.Contains([]string{"decisions", "verdicts", "attestations"}, t.name)
	}
	a.derived = d
	return nil
}

func describeTable(of rowtable.Table, types map[string]string, keys map[string]bool) (*derivedTable, error) {
	t := &derivedTable{name: of.Name, kind: of.Rows().Type().Elem(), columns: of.Columns(), rows: map[uint64]uint64{}}
	for i, column := range t.columns {
		kind, has := types[t.name+"."+column]
		if !has {
			return nil, fmt.Errorf("the database has no column %s.%s: migrate it first", t.name, column)
		}
		t.nullable = append(t.nullable, strings.HasPrefix(kind, "Nullable"))
		if column != "chain" && keys[t.name+"."+column] {
			t.key = append(t.key, i)
		}
	}
	t.version, t.deleted = slices.Index(t.columns, "version"), slices.Index(t.columns, "deleted")
	if len(t.key) == 0 || t.version < 0 || t.deleted < 0 {
		return nil, fmt.Errorf("the table %s has no key, version or tombstones: its rows cannot be compared", t.name)
	}
	return t, nil
}

// visitor takes a row of a table as it should be, with its hashes; a tombstone, too.
type visitor func(t *derivedTable, key, hash uint64, row reflect.Value, cause ref)

// restart begins a fold.
func (d *derived) restart() { d.fold = projection.New(d.preset) }

// keep is the visitor that remembers what each table should hold.
func keep(t *derivedTable, key, hash uint64, row reflect.Value, _ ref) {
	if row.Field(t.deleted).Uint() != 0 {
		delete(t.rows, key)
		return
	}
	t.rows[key] = hash
}

// chain folds a record of the chain log.
func (d *derived) chain(m kafka.Message, visit visitor, measure func(*projection.Measure)) error {
	record, counts, err := schema.ReadRecord(m.Value, m.Offset)
	if err != nil || !counts {
		return err
	}
	d.rows.Reset()
	if err := d.fold.ApplyTo(&d.rows, record); err != nil {
		return err
	}
	var cause ref
	if record.GetBlock() != nil {
		cause = at(m.Offset, -1)
	}
	d.visit(visit, cause)
	for i := range d.rows.Measures {
		measure(&d.rows.Measures[i])
	}
	return nil
}

// decision folds a record of the decisions log.
func (d *derived) decision(m kafka.Message, visit visitor) error {
	decision := &assaypb.Decision{}
	if err := proto.Unmarshal(m.Value, decision); err != nil {
		return err
	}
	rows, err := projection.Decisions{Chain: d.preset.ChainID}.Apply(uint32(m.Partition), uint64(m.Offset), decision)
	d.rows = rows
	d.visit(visit, ref{})
	return err
}

func (d *derived) visit(visit visitor, cause ref) {
	for _, rows := range d.rows.Tables() {
		t := d.named[rows.Name]
		if t == nil {
			continue
		}
		all := rows.Rows()
		for i := range rows.Len() {
			row := all.Index(i)
			key, hash := t.hashes(row)
			visit(t, key, hash, row, cause)
			if t.history != nil {
				key, hash = t.history.hashes(row)
				visit(t.history, key, hash, row, cause)
			}
		}
	}
}

// hashes are of a row's key, and of all that is compared of it.
func (t *derivedTable) hashes(row reflect.Value) (key, all uint64) {
	var text []byte
	for _, i := range t.key {
		text = append(t.spell(text, row, i), 0)
	}
	key = maphash.Bytes(hashSeed, text)
	text = text[:0]
	for i := range t.columns {
		if i != t.version && i != t.deleted {
			text = append(t.spell(text, row, i), 0)
		}
	}
	return key, maphash.Bytes(hashSeed, text)
}

// spell appends a value of a row as text.
func (t *derivedTable) spell(to []byte, row reflect.Value, column int) []byte {
	switch value := row.Field(column).Addr().Interface().(type) {
	case *string:
		return strconv.AppendQuote(to, *value)
	case *uint64:
		return strconv.AppendUint(to, *value, 10)
	case *uint32:
		return strconv.AppendUint(to, uint64(*value), 10)
	case *bool:
		return strconv.AppendBool(to, *value)
	case *time.Time:
		return strconv.AppendInt(to, value.Unix(), 10)
	case **big.Int:
		switch {
		case *value != nil:
			return (*value).Append(to, 10)
		case !t.nullable[column]:
			return append(to, '0') // as the sink writes it
		}
		return append(to, "NULL"...)
	default:
		return spellOther(to, row.Field(column))
	}
}

// spellOther appends what there is little of: what can be null, and lists.
func spellOther(to []byte, value reflect.Value) []byte {
	switch value.Kind() {
	case reflect.Pointer:
		if value.IsNil() {
			return append(to, "NULL"...)
		}
		return fmt.Appendf(to, "%#v", value.Elem().Interface())
	case reflect.Slice:
		to = append(to, '[')
		for i := range value.Len() {
			to = fmt.Appendf(to, "%#v,", value.Index(i).Interface())
		}
		return append(to, ']')
	default:
		return fmt.Append(to, value.Interface())
	}
}

// readDerived folds a record of the chain log for the derived tables, too.
func (a *auditor) readDerived(m kafka.Message) {
	if a.derived.failed {
		return
	}
	if err := a.derived.chain(m, keep, a.sums.add); err != nil {
		a.derived.failed = true
		a.reader.fault(nil, "fold", fmt.Sprintf("at offset %d", m.Offset), "a record that the index can fold, so that all its tables can be compared", err.Error())
	}
}

// decisionsIndexed finds out how far each partition of the decisions log is indexed.
func (a *auditor) decisionsIndexed(ctx context.Context) error {
	partitions, err := a.cfg.Kafka.Partitions(ctx, a.cfg.Topics.Decisions)
	if err != nil && !errors.Is(err, kafka.ErrUnknownTopic) { // else nothing was decided yet
		return err
	}
	a.derived.decided = make([]uint64, partitions)
	for partition := range partitions {
		err := a.cfg.DB.QueryRow(ctx, "SELECT max(next_offset) FROM progress WHERE chain = ? AND topic = ? AND partition = ?",
			a.cfg.Preset.ChainID, a.cfg.Topics.Decisions, uint32(partition)).Scan(&a.derived.decided[partition])
		if err != nil {
			return fmt.Errorf("asking ClickHouse how far decisions are indexed: %w", err)
		}
	}
	return nil
}

// readDecisions folds the decisions log as far as it is indexed.
func (a *auditor) readDecisions(ctx context.Context, visit visitor, refused func(m kafka.Message, err error)) error {
	for partition, next := range a.derived.decided {
		err := a.cfg.Kafka.Read(ctx, a.cfg.Topics.Decisions, partition, 0, int64(next), func(m kafka.Message) error {
			if err := a.derived.decision(m, visit); err != nil {
				refused(m, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// refusedDecision notes that a record of the decisions log is not what it should be.
func (a *auditor) refusedDecision(m kafka.Message, err error) {
	a.reader.fault(nil, "decision", fmt.Sprintf("at offset %d of partition %d", m.Offset, m.Partition), "a decision that the index can fold", err.Error())
}

// suspect is a row that is not as it should be.
type suspect struct {
	id              []string // values of the key
	expected, found []string // values of all columns; nil: there is none
	cause           ref
}

// suspects are rows of a table, by the hash of the key.
type suspects map[uint64]*suspect

// compareDerived compares the derived tables.
func (a *auditor) compareDerived(ctx context.Context) error {
	if a.derived.failed {
		return nil
	}
	if err := a.decisionsIndexed(ctx); err != nil {
		return err
	}
	if err := a.readDecisions(ctx, keep, a.refusedDecision); err != nil {
		return err
	}
	all, differ := map[*derivedTable]suspects{}, false
	for i, t := range a.derived.tables {
		found, err := a.compareDerivedTable(ctx, t)
		if err != nil {
			return err
		}
		all[t], differ = found, differ || len(found) > 0
		a.cfg.Progress(StageDerived, uint64(i+1), uint64(len(a.derived.tables)))
	}
	if !differ {
		return nil
	}
	return a.explain(ctx, all)
}

// isLaterRow says whether a row's version may be of a record that is not read. The version of
// a decision's row is an offset, of a partition that the row need not name.
func (a *auditor) isLaterRow(t *derivedTable, version uint64) bool {
	if t.logs {
		return len(a.derived.decided) > 0 && version >= slices.Min(a.derived.decided)
	}
	return version >= a.later
}

// compareDerivedTable streams the rows that there are past those that there should be. It
// consumes what should be there.
func (a *auditor) compareDerivedTable(ctx context.Context, t *derivedTable) (found suspects, err error) {
	c, found := count(a.report.Compared.ClickHouse, t.name), suspects{}
	c.Of += uint64(len(t.rows))
	rows, err := a.cfg.DB.Query(ctx, fmt.Sprintf("SELECT `%s` FROM %s FINAL WHERE chain = ?", strings.Join(t.columns, "`, `"), t.name), a.cfg.Preset.ChainID)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", t.name, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		row := reflect.New(t.kind)
		if err := rows.ScanStruct(row.Interface()); err != nil {
			return nil, fmt.Errorf("reading a row of %s: %w", t.name, err)
		}
		key, hash := t.hashes(row.Elem())
		expected, wanted := t.rows[key]
		delete(t.rows, key)
		switch {
		case a.isLaterRow(t, row.Elem().Field(t.version).Uint()):
			c.Changed++
			continue
		case !wanted || expected != hash:
			found[key] = &suspect{id: t.id(row.Elem()), found: t.values(row.Elem())}
			c.Different++
		}
		c.Compared++
	}
	for key := range t.rows {
		found[key] = &suspect{}
	}
	t.rows = nil
	return found, rows.Err()
}

func (t *derivedTable) values(row reflect.Value) []string {
	out := make([]string, len(t.columns))
	for i := range out {
		out[i] = string(t.spell(nil, row, i))
	}
	return out
}

// id is a row's key as it is shown.
func (t *derivedTable) id(row reflect.Value) []string {
	var out []string
	for _, i := range t.key {
		out = append(out, fmt.Sprint(row.Field(i).Interface()))
	}
	return out
}

// explain folds the logs again, for what rows should be that are not.
func (a *auditor) explain(ctx context.Context, all map[*derivedTable]suspects) error {
	visit := func(t *derivedTable, key, _ uint64, row reflect.Value, cause ref) {
		s := all[t][key]
		switch {
		case s == nil:
		case row.Field(t.deleted).Uint() != 0:
			s.expected = nil
		default:
			s.id, s.expected, s.cause = t.id(row), t.values(row), cause
		}
	}
	a.derived.restart()
	err := a.cfg.Kafka.Read(ctx, a.cfg.Topics.Log, 0, 0, a.next, func(m kafka.Message) error {
		return a.derived.chain(m, visit, func(*projection.Measure) {})
	})
	if err != nil {
		return err
	}
	if err := a.readDecisions(ctx, visit, func(kafka.Message, error) {}); err != nil {
		return err
	}
	for _, t := range a.derived.tables {
		found := slices.SortedFunc(maps.Values(all[t]), func(x, y *suspect) int { return slices.Compare(x.id, y.id) })
		for _, s := range found {
			if err := a.compareSuspect(ctx, t, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// compareSuspect reports how a row differs, column by column.
func (a *auditor) compareSuspect(ctx context.Context, t *derivedTable, s *suspect) error {
	d := Difference{In: inClickHouse, Kind: t.name, ID: strings.Join(s.id, "/")}
	switch {
	case s.found == nil:
		return a.missingDerived(ctx, t, s, d)
	case s.expected == nil:
		d.Expected, d.Found = "no row", strings.Join(s.found, " ")
		return a.differ(ctx, d, ref{})
	}
	for i, column := range t.columns {
		if i == t.version || i == t.deleted || s.expected[i] == s.found[i] {
			continue
		}
		d.Field, d.Expected, d.Found = column, s.expected[i], s.found[i]
		if err := a.differ(ctx, d, s.cause); err != nil {
			return err
		}
	}
	return nil
}

// missingDerived takes a row that is not there, unless a later record took it out.
func (a *auditor) missingDerived(ctx context.Context, t *derivedTable, s *suspect, d Difference) error {
	conditions, arguments := []string{"chain = ?"}, []any{a.cfg.Preset.ChainID}
	for i, place := range t.key {
		conditions = append(conditions, "toString(`"+t.columns[place]+"`) = ?")
		arguments = append(arguments, s.id[i])
	}
	var version uint64
	query := fmt.Sprintf("SELECT max(version) FROM %s WHERE %s", t.name, strings.Join(conditions, " AND "))
	if err := a.cfg.DB.QueryRow(ctx, query, arguments...).Scan(&version); err != nil {
		return fmt.Errorf("looking for a missing row of %s: %w", t.name, err)
	}
	c := count(a.report.Compared.ClickHouse, t.name)
	if a.isLaterRow(t, version) {
		c.Changed++
		return nil
	}
	c.Compared++
	c.Different++
	d.Expected, d.Found = "a row", "none"
	return a.differ(ctx, d, s.cause)
}
