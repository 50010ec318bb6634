package analytics

import (
	"context"
	"strconv"
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

// from begins a statement about the sums. The rows of the table have no block: those
// that are being written cannot be left out, and none are kept of the past.
func (h hourly) from(ctx context.Context, columns string) (*database.Statement, error) {
	if asOfIn(ctx) != nil {
		return nil, refuse("sums by the hour are kept at the newest block only: ask for them without asOf")
	}
	for _, limit := range []*time.Time{h.since, h.until} {
		if limit != nil && !limit.Equal(limit.Truncate(time.Hour)) {
			return nil, refuse("sums are kept by the hour: give since and until as full hours")
		}
	}
	database.Quiet(ctx)
	var s database.Statement
	s.Add("SELECT ", columns, " FROM series WHERE 1")
	where := conditions{columnIs("dimension", "String", h.dimension)}
	where.chain(h.chain)
	where.text("key = ?", h.key)
	where.during("hour", h.since, h.until)
	s.Where(database.View{}, where)
	return &s, nil
}

// keyed checks the key that a client gave.
func keyed(dimension string, key *string) (*string, error) {
	switch {
	case dimension == dimensionAll && key != nil:
		return nil, refuse("the whole marketplace has no key")
	case dimension == dimensionAll:
		return nil, nil
	case key == nil:
		return nil, refuse("say which one by the argument key")
	case dimension == "CATEGORY":
		return key, nil
	}
	address, err := model.UnmarshalAddress(*key)
	return &address, err
}

func (q query) Overview(ctx context.Context, chain *uint64, since, until *time.Time) (*model.Measures, error) {
	return total(ctx, q.reader, hourly{dimensionAll, nil, chain, since, until})
}

// total adds up all hours.
func total(ctx context.Context, r *reader, h hourly) (*model.Measures, error) {
	s, err := h.from(ctx, database.Selection[model.Measures]())
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
	h := hourly{dimension: dimension, since: since, until: until}
	name := "measures " + dimension + " " + printed(since) + " " + printed(until)
	m, err := load(ctx, name, of, func(ctx context.Context, keys []model.Key) (map[model.Key]*model.Measures, error) {
		type row struct {
			Chain uint64 `ch:"chain"`
			Key   string `ch:"key"`
			model.Measures
		}
		s, err := h.from(ctx, "chain, key, "+database.Selection[model.Measures]())
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

func (q query) Series(ctx context.Context, dimension string, key *string, chain *uint64, step string, since, until *time.Time, first int) ([]*model.SeriesPoint, error) {
	key, err := keyed(dimension, key)
	if err != nil {
		return nil, err
	}
	return points(ctx, q.reader, hourly{dimension, key, chain, since, until}, step, first)
}

// points adds up hours period by period.
func points(ctx context.Context, r *reader, h hourly, step string, first int) ([]*model.SeriesPoint, error) {
	if first < 0 || first > maxPoints {
		return nil, refuse("first must be from 0 to %d", maxPoints)
	}
	type row struct {
		Start time.Time `ch:"start"`
		model.Measures
	}
	s, err := h.from(ctx, steps[step].sql+" AS start, "+database.Selection[model.Measures]())
	if err != nil {
		return nil, err
	}
	s.Add(" GROUP BY start ORDER BY start LIMIT ", strconv.Itoa(first))
	rows, err := database.Rows[row](ctx, r, s)
	found := make([]*model.SeriesPoint, len(rows))
	for i, row := range rows {
		found[i] = &model.SeriesPoint{Start: row.Start, End: steps[step].next(row.Start), Measures: &row.Measures}
	}
	return found, err
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

func (q query) Kitty(ctx context.Context, chain *uint64, step string, since, until *time.Time, first int) ([]*model.KittyPoint, error) {
	if first < 0 || first > maxPoints {
		return nil, refuse("first must be from 0 to %d", maxPoints)
	}
	from := time.Unix(0, 0)
	if since != nil {
		from = *since
	}
	// The balance needs all hours before, too.
	hours, err := hourly{dimension: dimensionAll, chain: chain, until: until}.from(ctx, "hour, sum(kitty_in) AS taken, sum(kitty_out) AS given")
	if err != nil {
		return nil, err
	}
	hours.Add(" GROUP BY hour")
	begin := hours.Bind("Int64", seconds(from))
	periods := wrapped(steps[step].sql+" AS start, sumIf(h.taken, toUnixTimestamp(hour) >= "+begin+") AS taken, sumIf(h.given, toUnixTimestamp(hour) >= "+begin+") AS given, "+
		"sum(sum(h.taken - h.given)) OVER (ORDER BY start) AS balance", hours)
	periods.Add(" AS h GROUP BY start")
	s := wrapped(database.Selection[model.KittyPoint](), periods)
	s.Add(" WHERE taken != 0 OR given != 0 ORDER BY start LIMIT ", strconv.Itoa(first))
	points, err := database.Rows[model.KittyPoint](ctx, q.reader, s)
	for _, point := range points {
		point.End = steps[step].next(point.Start)
	}
	return points, err
}
