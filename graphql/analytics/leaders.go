package analytics

import (
	"context"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

const (
	maxParticipants = 200_000 // whose concentration is computed
	maxTops         = 10      // numbers of those with the most
)

// leaders are all who take part, in order of a measure.
var leaders = list[model.Leader]{
	name: "leader", columns: database.Selection[model.Leader](),
	order: []column{{"-value", "Int256"}, chainColumn, {"key", "Text"}},
	at:    func(l *model.Leader) []any { return []any{negated(l.Value), l.Chain, l.Key} },
}

func negated(number string) string {
	if positive, negative := strings.CutPrefix(number, "-"); negative {
		return positive
	}
	return "-" + number
}

// columnOf is the column of the table series that holds a measure.
func columnOf(measure string) (string, error) {
	name := strings.ToLower(measure)
	_, known := reflect.TypeFor[model.Measures]().FieldByNameFunc(func(field string) bool {
		return strings.EqualFold(field, strings.ReplaceAll(name, "_", ""))
	})
	if !known {
		return "", refuse("there is no measure %s", measure)
	}
	return name, nil
}

// each begins a statement about what each of a dimension has of a measure, that is not
// nothing.
func (h hourly) each(ctx context.Context, r *reader, measure string) (*database.Statement, error) {
	if h.dimension == dimensionAll {
		return nil, refuse("the whole marketplace is one: ask of those who take part")
	}
	column, err := columnOf(measure)
	if err != nil {
		return nil, err
	}
	s, err := h.from(ctx, r, "chain, key, sum("+column+") AS value")
	if err == nil {
		s.Add(" GROUP BY chain, key HAVING value > 0")
	}
	return s, err
}

func (q query) Leaderboard(ctx context.Context, dimension, by string, chain *uint64, since, until *time.Time, first int, after *string, _ *model.AsOf) (*model.LeaderConnection, error) {
	p, err := leaders.page(first, after)
	if err != nil {
		return nil, err
	}
	all, err := hourly{dimension, nil, chain, since, until}.each(ctx, q.reader, by)
	if err != nil {
		return nil, err
	}
	ranked := wrapped("*, sum(value) OVER () AS total, row_number() OVER (ORDER BY value DESC, chain, key) AS rank", all)
	return leaders.pageOf(ctx, q.reader, ranked, p)
}

func (q query) Concentration(ctx context.Context, dimension, by string, chain *uint64, since, until *time.Time, top []uint64, _ *model.AsOf) (*model.Concentration, error) {
	if len(top) > maxTops {
		return nil, refuse("top has at most %d numbers", maxTops)
	}
	s, err := hourly{dimension, nil, chain, since, until}.each(ctx, q.reader, by)
	if err != nil {
		return nil, err
	}
	s.Add(" ORDER BY value LIMIT ", strconv.Itoa(maxParticipants+1))
	rows, err := database.Rows[struct {
		Value string `ch:"value"`
	}](ctx, q.reader, wrapped("toString(value) AS value", s))
	if err != nil {
		return nil, err
	}
	if len(rows) > maxParticipants {
		return nil, refuse("more than %d have some of it: ask of a shorter time", maxParticipants)
	}
	values := make([]*big.Int, len(rows))
	for i, row := range rows {
		values[i], _ = new(big.Int).SetString(row.Value, 10)
	}
	return concentration(values, top), nil
}

// concentration computes how much few of the values make up. They are positive and in
// rising order.
func concentration(values []*big.Int, top []uint64) *model.Concentration {
	total, weighted, squares := new(big.Int), new(big.Int), new(big.Int)
	for i, value := range values {
		total.Add(total, value)
		weighted.Add(weighted, new(big.Int).Mul(big.NewInt(int64(i+1)), value))
		squares.Add(squares, new(big.Int).Mul(value, value))
	}
	n := big.NewInt(int64(len(values)))
	c := &model.Concentration{Participants: n.Uint64(), Total: total.String()}
	if total.Sign() > 0 {
		unequal := new(big.Int).Lsh(weighted, 1)
		unequal.Sub(unequal, new(big.Int).Mul(new(big.Int).Add(n, big.NewInt(1)), total))
		c.Gini = model.NewRatio(unequal, new(big.Int).Mul(n, total))
		c.HHI = model.NewRatio(squares, new(big.Int).Mul(total, total))
	}
	slices.Sort(top)
	for _, count := range top {
		c.Top = append(c.Top, &model.TopShare{Count: count, Share: topShare(values, total, count)})
	}
	return c
}

func topShare(values []*big.Int, total *big.Int, count uint64) *model.Ratio {
	if total.Sign() == 0 {
		return nil
	}
	most := new(big.Int)
	for _, value := range values[len(values)-int(min(count, uint64(len(values)))):] {
		most.Add(most, value)
	}
	return model.NewRatio(most, total)
}
