package analytics

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

// maxFirst is the most rows of a page.
const maxFirst = 1000

// list is a table as a connection: which of its rows, and in which order. The order is
// total and none of its columns ever changes, so a page continues where the one before
// ended whatever was written in between, and the database skips to it by value, not by
// counting.
type list[T any] struct {
	name       string // of its cursors
	table      database.Table
	derived    func(*database.Statement, database.View) string // what to read the rows from; nil: the table
	scope      string                                          // condition for all its rows
	columns    string                                          // what to select
	order      []column
	descending bool
	most       int            // rows of a page; 0: maxFirst
	at         func(*T) []any // a row's place: its values of order, uint64 or string
}

// column is an expression to order by, and the kind of its values: a ClickHouse type,
// where String is hexadecimal, or Text for any other text.
type column struct{ sql, kind string }

func (c column) bound() string {
	if c.kind == "Text" {
		return "String"
	}
	return c.kind
}

// The tables that lists are of.
var (
	dealTable         = database.Table{Name: "deals", Key: []string{"id"}}
	taskTable         = database.Table{Name: "tasks", Key: []string{"id"}}
	contributionTable = database.Table{Name: "contributions", Key: []string{"task", "worker"}}
	verdictTable      = database.Table{Name: "verdicts", Time: "time"}
	payoutTable       = database.Table{Name: "payouts"}
	postingTable      = database.Table{Name: "postings"}
	settlementTable   = database.Table{Name: "settlements"}
	lineTable         = database.Table{Name: "settlement_lines"}
	accountTable      = database.Table{Name: "accounts", Key: []string{"address"}}
	resourceTable     = database.Table{Name: "resources", Key: []string{"kind", "address"}}
)

var (
	chainColumn = column{"chain", "UInt64"}

	deals = list[model.Deal]{
		name: "deal", table: dealTable, scope: "1", columns: database.Selection[model.Deal](), descending: true,
		order: []column{{"toUnixTimestamp(start_time)", "UInt64"}, chainColumn, {"id", "String"}},
		at:    func(d *model.Deal) []any { return []any{uint64(d.StartTime.Unix()), d.Chain, d.ID} },
	}
	tasks = list[model.Task]{
		name: "task", table: taskTable, scope: "1", columns: database.Selection[model.Task](), descending: true,
		order: []column{{"toUnixTimestamp(initialized_at)", "UInt64"}, chainColumn, {"id", "String"}},
		at:    func(t *model.Task) []any { return []any{uint64(t.InitializedAt.Unix()), t.Chain, t.ID} },
	}
	contributions = list[model.Contribution]{
		name: "contribution", table: contributionTable, scope: "1", columns: database.Selection[model.Contribution](), descending: true,
		order: []column{{"toUnixTimestamp(contributed_at)", "UInt64"}, chainColumn, {"task", "String"}, {"worker", "String"}},
		at: func(c *model.Contribution) []any {
			return []any{uint64(c.ContributedAt.Unix()), c.Chain, c.TaskID, c.Worker}
		},
	}
	verdicts = list[model.Verdict]{
		name: "verdict", table: verdictTable, scope: "1", columns: database.Selection[model.Verdict](), descending: true,
		order: []column{{"toUnixTimestamp(time)", "UInt64"}, chainColumn, {"id", "String"}},
		at:    func(v *model.Verdict) []any { return []any{uint64(v.Time.Unix()), v.Chain, v.ID} },
	}
	payouts = list[model.Payout]{
		name: "payout", table: payoutTable, scope: "1", columns: database.Selection[model.Payout](), descending: true,
		order: []column{{"toUnixTimestamp(time)", "UInt64"}, chainColumn, {"block_number", "UInt64"}, {"log_index", "UInt64"}},
		at: func(p *model.Payout) []any {
			return []any{uint64(p.Time.Unix()), p.Chain, p.BlockNumber, p.LogIndex}
		},
	}
	postings = list[model.Posting]{
		name: "posting", table: postingTable, scope: "1", columns: database.Selection[model.Posting](), descending: true,
		order: []column{{"toUnixTimestamp(time)", "UInt64"}, chainColumn, {"block_number", "UInt64"}, {"log_index", "UInt64"}, {"idx", "UInt64"}},
		at: func(p *model.Posting) []any {
			return []any{uint64(p.Time.Unix()), p.Chain, p.BlockNumber, p.LogIndex, p.Index}
		},
	}
	settlements = list[model.Settlement]{
		name: "settlement", table: settlementTable, scope: "1", columns: database.Selection[model.Settlement](),
		order: []column{chainColumn, {"task", "String"}},
		at:    func(s *model.Settlement) []any { return []any{s.Chain, s.TaskID} },
	}
	settlementLines = list[model.SettlementLine]{
		name: "line", table: lineTable, scope: "1", columns: database.Selection[model.SettlementLine](),
		order: []column{chainColumn, {"task", "String"}, {"idx", "UInt64"}},
		at:    func(l *model.SettlementLine) []any { return []any{l.Chain, l.TaskID, l.Index} },
	}
	accounts = list[model.Account]{
		name: "account", table: accountTable, scope: "1", columns: database.Selection[model.Account](),
		order: []column{chainColumn, {"address", "String"}},
		at:    func(a *model.Account) []any { return []any{a.Chain, a.Address} },
	}
)

// page is which rows of a list to answer with.
type page struct {
	first int
	after []any // place in the list; nil: from its beginning
}

// page checks what a client asked for.
func (l *list[T]) page(first int, after *string) (page, error) {
	if most := cmp.Or(l.most, maxFirst); first < 0 || first > most {
		return page{}, refuse("first must be from 0 to %d", most)
	}
	if after == nil {
		return page{first: first}, nil
	}
	place, err := decodeCursor(l.name, *after, l.kinds()...)
	if err == nil && len(place) != len(l.order) {
		err = errCursor
	}
	return page{first, place}, err
}

func (l *list[T]) kinds() []string {
	kinds := make([]string, len(l.order))
	for i, column := range l.order {
		kinds[i] = column.kind
	}
	return kinds
}

// read answers with a page of the rows that match.
func (l *list[T]) read(ctx context.Context, r *reader, first int, after *string, where []database.Condition) (*model.Connection[T], error) {
	p, err := l.page(first, after)
	if err != nil {
		return nil, err
	}
	v, err := viewOf(ctx, r, where)
	if err != nil {
		return nil, err
	}
	rows, err := database.Rows[T](ctx, r, l.rows(v, where, p))
	if err != nil {
		return nil, err
	}
	return l.connection(rows, p, func(ctx context.Context) (uint64, error) {
		return database.Count(ctx, r, l.count(v, where))
	}), nil
}

// rows selects a page and, to know whether there is a next one, a row more.
func (l *list[T]) rows(v database.View, where []database.Condition, p page) *database.Statement {
	s := l.from(v, l.columns)
	s.Where(v, where)
	l.sorted(s, p.after)
	s.Add(" LIMIT ", strconv.Itoa(p.first+1))
	return s
}

// count counts all that match.
func (l *list[T]) count(v database.View, where []database.Condition) *database.Statement {
	s := l.from(v, "count() AS count")
	s.Where(v, where)
	return s
}

func (l *list[T]) from(v database.View, columns string) *database.Statement {
	var s database.Statement
	rows := v.Rows
	if l.derived != nil {
		rows = func(s *database.Statement, _ database.Table) string { return l.derived(s, v) }
	}
	s.Add("SELECT ", columns, " FROM ", rows(&s, l.table), " WHERE ", l.scope)
	return &s
}

// sorted appends the order, and the condition to come after a place in it.
func (l *list[T]) sorted(s *database.Statement, after []any) {
	names := make([]string, len(l.order))
	places := make([]string, len(after))
	for i, column := range l.order {
		names[i] = column.sql
		if after != nil {
			places[i] = s.Bind(column.bound(), after[i])
		}
	}
	before, direction := " > ", " ASC"
	if l.descending {
		before, direction = " < ", " DESC"
	}
	if after != nil {
		s.Add(" AND (", strings.Join(names, ", "), ")", before, "(", strings.Join(places, ", "), ")")
	}
	s.Add(" ORDER BY ", strings.Join(names, direction+", "), direction)
}

// paged selects a page, and a row more, of the rows of another statement.
func (l *list[T]) paged(of *database.Statement, p page) *database.Statement {
	s := wrapped(l.columns, of)
	s.Add(" WHERE 1")
	l.sorted(s, p.after)
	return s
}

// pageOf reads a page of the rows of another statement.
func (l *list[T]) pageOf(ctx context.Context, r *reader, of *database.Statement, p page) (*model.Connection[T], error) {
	s := l.paged(of, p)
	s.Add(" LIMIT ", strconv.Itoa(p.first+1))
	rows, err := database.Rows[T](ctx, r, s)
	if err != nil {
		return nil, err
	}
	return l.connection(rows, p, totalOf(r, of)), nil
}

// totalOf counts the rows of a statement.
func totalOf(r *reader, of *database.Statement) func(context.Context) (uint64, error) {
	return func(ctx context.Context) (uint64, error) {
		return database.Count(ctx, r, wrapped("count() AS count", of))
	}
}

// pagesOf reads the pages of many parents of the rows of another statement, which say in the
// columns of_chain and of_key whose they are. name tells it from other statements.
func (l *list[T]) pagesOf(ctx context.Context, r *reader, name string, of func(context.Context, []model.Key) (*database.Statement, error), parent model.Key, parentOf func(*T) model.Key, p page) (*model.Connection[T], error) {
	rows, err := load(ctx, fmt.Sprint("pages ", name, " ", p.first, " ", p.after), parent, func(ctx context.Context, keys []model.Key) (map[model.Key][]*T, error) {
		all, err := of(ctx, keys)
		if err != nil {
			return nil, err
		}
		s := l.paged(all, p)
		s.Add(" LIMIT ", strconv.Itoa(p.first+1), " BY of_chain, of_key")
		read, err := database.Rows[T](ctx, r, s)
		found := make(map[model.Key][]*T, len(keys))
		for _, row := range read {
			found[parentOf(row)] = append(found[parentOf(row)], row)
		}
		return found, err
	})
	if err != nil {
		return nil, err
	}
	return l.connection(rows, p, func(ctx context.Context) (uint64, error) {
		return load(ctx, "count "+name, parent, func(ctx context.Context, keys []model.Key) (map[model.Key]uint64, error) {
			all, err := of(ctx, keys)
			if err != nil {
				return nil, err
			}
			s := wrapped("of_chain, of_key, count() AS count", all)
			s.Add(" GROUP BY of_chain, of_key")
			return countsOf(ctx, r, s)
		})
	}), nil
}

// countsOf reads how many rows parents have.
func countsOf(ctx context.Context, r *reader, s *database.Statement) (map[model.Key]uint64, error) {
	rows, err := database.Rows[struct {
		Chain uint64 `ch:"of_chain"`
		Key   string `ch:"of_key"`
		Count uint64 `ch:"count"`
	}](ctx, r, s)
	counts := make(map[model.Key]uint64, len(rows))
	for _, row := range rows {
		counts[model.Key{Chain: row.Chain, ID: row.Key}] = row.Count
	}
	return counts, err
}

// connection makes a page of the rows that were selected for it.
func (l *list[T]) connection(rows []*T, p page, total func(context.Context) (uint64, error)) *model.Connection[T] {
	info := &model.PageInfo{HasNextPage: len(rows) > p.first, HasPreviousPage: p.after != nil}
	rows = rows[:min(len(rows), p.first)]
	edges := make([]*model.Edge[T], len(rows))
	for i, row := range rows {
		edges[i] = &model.Edge[T]{Cursor: encodeCursor(l.name, l.at(row)), Node: row}
	}
	if len(edges) > 0 {
		info.StartCursor, info.EndCursor = &edges[0].Cursor, &edges[len(edges)-1].Cursor
	}
	return &model.Connection[T]{Edges: edges, PageInfo: info, Count: total}
}

// one answers with the row that matches, nil for none. Rows that match on several chains
// are told apart by the chain, which the client then must give.
func (l *list[T]) one(ctx context.Context, r *reader, where []database.Condition) (*T, error) {
	v, err := viewOf(ctx, r, where)
	if err != nil {
		return nil, err
	}
	rows, err := database.Rows[T](ctx, r, l.rows(v, where, page{first: 1}))
	if err != nil {
		return nil, err
	}
	switch len(rows) {
	case 0:
		return nil, nil
	case 1:
		return rows[0], nil
	}
	return nil, refuse("several chains know this %s: say which by the argument chain", l.name)
}

// groups reads what the rows that match add up to, a row for each group of columns.
func groups[Row, T any](ctx context.Context, r *reader, l *list[T], where []database.Condition, by string) ([]*Row, error) {
	v, err := viewOf(ctx, r, where)
	if err != nil {
		return nil, err
	}
	s := l.from(v, database.Selection[Row]())
	s.Where(v, where)
	s.Add(" GROUP BY ", by, " ORDER BY ", by)
	return database.Rows[Row](ctx, r, s)
}
