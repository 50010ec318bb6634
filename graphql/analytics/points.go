package analytics

import (
	"context"
	"strconv"
	"time"

	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

// pointsAsked is a question for the newest state of a series of one of many.
type pointsAsked struct {
	pointsKind
	of model.Key
}

// pointsKind is what questions have in common that one statement answers.
type pointsKind struct {
	dimension, step, columns string
	since, until             time.Time // zero: without
	first                    int
	after                    string // cursor; empty: from the beginning
}

// points reads series for all responses together that ask at the same time: a statement costs
// several times what one more of its keys does.
type points = database.Gather[pointsAsked, []*model.SeriesPoint]

// pointsTogether is how many such statements are under way. While they are, others' keys gather.
const pointsTogether = 2

func newPoints(r *reader) *points {
	return database.NewGather(pointsTogether, func(ctx context.Context, asked []pointsAsked) (map[pointsAsked][]*model.SeriesPoint, error) {
		byKind := map[pointsKind][]model.Key{}
		for _, a := range asked {
			byKind[a.pointsKind] = append(byKind[a.pointsKind], a.of)
		}
		found := make(map[pointsAsked][]*model.SeriesPoint, len(asked))
		for kind, keys := range byKind {
			if err := kind.read(ctx, r, keys, found); err != nil {
				return nil, err
			}
		}
		return found, nil
	})
}

func (k pointsKind) read(ctx context.Context, r *reader, keys []model.Key, found map[pointsAsked][]*model.SeriesPoint) error {
	p, err := periods.page(k.first, optional(k.after))
	if err != nil {
		return err
	}
	s, err := hourly{dimension: k.dimension, since: optional(k.since), until: optional(k.until)}.perKey(ctx, r, k.columns, keys)
	if err != nil {
		return err
	}
	s = periods.paged(s, p)
	s.Add(" LIMIT ", strconv.Itoa(p.first+1), " BY of_chain, of_key")
	rows, err := database.Rows[model.SeriesPoint](ctx, r, s)
	for _, row := range rows {
		row.End = steps[k.step].next(row.Start)
		asked := pointsAsked{k, model.Key{Chain: row.Chain, ID: row.Key}}
		found[asked] = append(found[asked], row)
	}
	return err
}

// perKey begins a statement that adds up periods, each of one of many keys.
func (h hourly) perKey(ctx context.Context, r *reader, columns string, keys []model.Key) (*database.Statement, error) {
	s, err := h.from(ctx, r, "chain AS of_chain, key AS of_key, "+columns)
	if err == nil {
		s.Add(" AND (chain, key) IN ", pairs(s, keys), " GROUP BY chain, key, start")
	}
	return s, err
}

// optional is nil for nothing.
func optional[T comparable](value T) *T {
	var nothing T
	if value == nothing {
		return nil
	}
	return &value
}

// orNothing is what a pointer points to: for nil, nothing.
func orNothing[T any](value *T) (v T) {
	if value != nil {
		v = *value
	}
	return v
}
