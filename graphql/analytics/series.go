package analytics

import (
	"context"
	"strconv"
	"strings"
	"time"

	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

// maxPoints is the most periods of a series.
const maxPoints = 10_000

// dimensionAll is the whole marketplace.
const dimensionAll = "ALL"

// hourly is which sums by the hour to read.
type hourly struct {
	dimension    string
	key          *string
	chain        *uint64
	since, until *time.Time
}

// from begins a statement about the sums. The rows of the table have no block: those that are
// being written cannot be left out, and as of an earlier block there are those of the hours
// in which nothing happened after it.
func (h hourly) from(ctx context.Context, r *reader, columns string) (*database.Statement, error) {
	for _, limit := range []*time.Time{h.since, h.until} {
		if limit != nil && !limit.Equal(limit.Truncate(time.Hour)) {
			return nil, refuse("sums are kept by the hour: give since and until as full hours")
		}
	}
	if err := r.Quiet(ctx); err != nil {
		return nil, err
	}
	var s database.Statement
	s.Add("SELECT ", columns, " FROM series WHERE 1")
	where := conditions{columnIs("dimension", "String", h.dimension)}
	where.chain(h.chain)
	where.text("key = ?", h.key)
	where.during("hour", h.since, h.until)
	s.Where(database.View{}, where)
	asOf := asOfIn(ctx)
	if asOf == nil {
		return &s, nil
	}
	if h.chain != nil && *h.chain != asOf.Chain {
		return nil, refuse("asOf names a block of chain %d, and this is of chain %d", asOf.Chain, *h.chain)
	}
	block, err := blockOf(ctx, r, asOf)
	note(ctx, model.Key{Chain: asOf.Chain, Block: block})
	chain, number := s.Bind("UInt64", asOf.Chain), s.Bind("UInt64", block)
	s.Add(" AND chain = ", chain, " AND hour < (SELECT if(count() = 0, toDateTime(", lastSecond, ", 'UTC'), toStartOfHour(min(time))) FROM blocks FINAL WHERE chain = ", chain, " AND number > ", number, ")")
	return &s, err
}

// lastSecond is the last that a DateTime can be.
const lastSecond = "4294967295"

// keyed checks the key that a client gave.
func keyed(dimension string, key *string) (*string, error) {
	switch {
	case dimension == dimensionAll && key != nil:
		return nil, refuse("the whole marketplace has no key")
	case dimension == dimensionAll:
		return nil, nil
	case key == nil:
		return nil, refuse("say which one by the argument key")
	case dimension == "CATEGORY", dimension == "TEE":
		return key, nil
	case dimension == "TAG":
		tag, err := model.UnmarshalHash(*key)
		return &tag, err
	}
	address, err := model.UnmarshalAddress(*key)
	return &address, err
}

func (q query) Overview(ctx context.Context, chain *uint64, since, until *time.Time, _ *model.AsOf) (*model.Measures, error) {
	return total(ctx, q.reader, hourly{dimensionAll, nil, chain, since, until})
}

// total adds up all hours.
func total(ctx context.Context, r *reader, h hourly) (*model.Measures, error) {
	s, err := h.from(ctx, r, sumsAsked(ctx))
	if err != nil {
		return nil, err
	}
	rows, err := database.Rows[model.Measures](ctx, r, s)
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// measures adds up all hours of one of many, who are read together.
func measures(ctx context.Context, r *reader, dimension string, of model.Key, since, until *time.Time) (*model.Measures, error) {
	h, sums := hourly{dimension: dimension, since: since, until: until}, sumsAsked(ctx)
	v, err := viewBelow(ctx, r, of)
	if err != nil {
		return nil, err
	}
	name := "measures " + dimension + " " + printed(since) + " " + printed(until) + " " + v.Name() + " " + sums
	m, err := load(ctx, name, of, func(ctx context.Context, keys []model.Key) (map[model.Key]*model.Measures, error) {
		type row struct {
			Chain uint64 `ch:"chain"`
			Key   string `ch:"key"`
			model.Measures
		}
		s, err := h.from(ctx, r, "chain, key, "+sums)
		if err != nil {
			return nil, err
		}
		s.Add(" AND (chain, key) IN ", pairs(s, keys), " GROUP BY chain, key")
		rows, err := database.Rows[row](ctx, r, s)
		found := make(map[model.Key]*model.Measures, len(rows))
		for _, row := range rows {
			found[model.Key{Chain: row.Chain, ID: row.Key}] = &row.Measures
		}
		return found, err
	})
	if err == nil && m == nil {
		return nothing(), nil
	}
	return m, err
}

// nothing is what was hourly where nothing happened.
func nothing() *model.Measures {
	return &model.Measures{
		Volume: "0", Refunded: "0", EarnedWorkers: "0", EarnedWorkerpool: "0", EarnedApp: "0", EarnedDataset: "0",
		Seized: "0", KittyIn: "0", KittyOut: "0",
	}
}

func printed(t *time.Time) string {
	if t == nil {
		return ""
	}
	return strconv.FormatInt(t.Unix(), 10)
}

func (q query) Series(ctx context.Context, dimension string, key *string, chain *uint64, step string, since, until *time.Time, first int, after *string, _ *model.AsOf) (*model.SeriesPointConnection, error) {
	key, err := keyed(dimension, key)
	if err != nil {
		return nil, err
	}
	p, err := periods.page(first, after)
	if err != nil {
		return nil, err
	}
	columns := pointColumns(ctx, step)
	s, err := hourly{dimension, key, chain, since, until}.from(ctx, q.reader, "toUInt64(0) AS of_chain, '' AS of_key, "+columns)
	if err != nil {
		return nil, err
	}
	s.Add(" GROUP BY start")
	if key == nil || chain == nil || asOfIn(ctx) != nil {
		page, err := periods.pageOf(ctx, q.reader, s, p)
		return ended(page, step), err
	}
	asked := pointsAsked{pointsKind{dimension, step, columns, orNothing(since).UTC(), orNothing(until).UTC(), first, orNothing(after)}, model.Key{Chain: *chain, ID: *key}}
	rows, err := q.points.Get(ctx, asked)
	if err != nil {
		return nil, err
	}
	return periods.connection(rows[asked], p, totalOf(q.reader, s)), nil
}

// periods are the points of a series.
var periods = list[model.SeriesPoint]{
	name: "period", columns: "*", most: maxPoints, order: []column{{"toUnixTimestamp(start)", "UInt64"}},
	at: func(p *model.SeriesPoint) []any { return []any{uint64(p.Start.Unix())} },
}

func pointColumns(ctx context.Context, step string) string {
	return steps[step].sql + " AS start, " + sumsAsked(ctx)
}

// ended says of each period when it ends.
func ended(page *model.SeriesPointConnection, step string) *model.SeriesPointConnection {
	if page != nil {
		for _, edge := range page.Edges {
			edge.Node.End = steps[step].next(edge.Node.Start)
		}
	}
	return page
}

// pointsOf adds up the hours of one of many period by period.
func pointsOf(ctx context.Context, r *reader, h hourly, of model.Key, step string, first int, after *string) (*model.SeriesPointConnection, error) {
	p, err := periods.page(first, after)
	if err != nil {
		return nil, err
	}
	v, err := viewBelow(ctx, r, of)
	if err != nil {
		return nil, err
	}
	columns := pointColumns(ctx, step)
	name := strings.Join([]string{"series", h.dimension, columns, printed(h.since), printed(h.until), v.Name()}, " ")
	page, err := periods.pagesOf(ctx, r, name, func(ctx context.Context, keys []model.Key) (*database.Statement, error) {
		return h.perKey(ctx, r, columns, keys)
	}, of, func(point *model.SeriesPoint) model.Key { return model.Key{Chain: point.Chain, ID: point.Key} }, p)
	return ended(page, step), err
}

// steps are the lengths of periods: how to find the beginning of an hour's, and the next.
var steps = map[string]struct {
	sql  string
	next func(time.Time) time.Time
}{
	"HOUR":  {"hour", func(t time.Time) time.Time { return t.Add(time.Hour) }},
	"DAY":   {"toStartOfDay(hour)", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
	"WEEK":  {"toDateTime(toMonday(hour), 'UTC')", func(t time.Time) time.Time { return t.AddDate(0, 0, 7) }},
	"MONTH": {"toDateTime(toStartOfMonth(hour), 'UTC')", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
}

// wrapped begins a statement about the rows of another.
func wrapped(columns string, of *database.Statement) *database.Statement {
	var s database.Statement
	s.Add("SELECT ", columns, " FROM (", of.String(), ")")
	s.Args = of.Args
	return &s
}

// kittyPeriods are what the kitty did.
var kittyPeriods = list[model.KittyPoint]{
	name: "kitty", columns: database.Selection[model.KittyPoint](), most: maxPoints, order: periods.order,
	at: func(k *model.KittyPoint) []any { return []any{uint64(k.Start.Unix())} },
}

func (q query) Kitty(ctx context.Context, chain *uint64, step string, since, until *time.Time, first int, after *string, _ *model.AsOf) (*model.KittyPointConnection, error) {
	p, err := kittyPeriods.page(first, after)
	if err != nil {
		return nil, err
	}
	from := time.Unix(0, 0)
	if since != nil {
		from = *since
	}
	// The balance needs all hours before, too.
	hours, err := hourly{dimension: dimensionAll, chain: chain, until: until}.from(ctx, q.reader, "hour, sum(kitty_in) AS taken, sum(kitty_out) AS given")
	if err != nil {
		return nil, err
	}
	hours.Add(" GROUP BY hour")
	begin := hours.Bind("Int64", seconds(from))
	sums := wrapped(steps[step].sql+" AS start, sumIf(h.taken, toUnixTimestamp(hour) >= "+begin+") AS taken, sumIf(h.given, toUnixTimestamp(hour) >= "+begin+") AS given, "+
		"sum(sum(h.taken - h.given)) OVER (ORDER BY start) AS balance", hours)
	sums.Add(" AS h GROUP BY start")
	moved := wrapped("*", sums)
	moved.Add(" WHERE taken != 0 OR given != 0")
	page, err := kittyPeriods.pageOf(ctx, q.reader, moved, p)
	if err != nil {
		return nil, err
	}
	for _, edge := range page.Edges {
		edge.Node.End = steps[step].next(edge.Node.Start)
	}
	return page, nil
}
