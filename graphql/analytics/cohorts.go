package analytics

import (
	"context"
	"time"

	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

// activities are the measures that show that somebody was active.
var activities = map[string]string{"REQUESTER": "deals", "WORKER": "contributions"}

// months begins a statement about the months in which each was active: with the first
// of them, and the one before.
func months(ctx context.Context, r *reader, columns, of string, chain *uint64) (*database.Statement, error) {
	s, err := hourly{dimension: of, chain: chain}.from(ctx, r, "chain, key, "+steps["MONTH"].sql+" AS month")
	if err != nil {
		return nil, err
	}
	s.Add(" GROUP BY chain, key, month HAVING sum(", activities[of], ") > 0")
	// Of the first row the one before is 1970.
	s = wrapped("month, min(month) OVER (PARTITION BY chain, key) AS first, "+
		"lagInFrame(month) OVER (PARTITION BY chain, key ORDER BY month ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS before", s)
	return wrapped(columns, s), nil
}

func (q query) Cohorts(ctx context.Context, of string, chain *uint64, _ *model.AsOf) ([]*model.Cohort, error) {
	s, err := months(ctx, q.reader, "first, month, count() AS active", of, chain)
	if err != nil {
		return nil, err
	}
	s.Add(" GROUP BY first, month ORDER BY first, month")
	rows, err := database.Rows[struct {
		First  time.Time `ch:"first"`
		Month  time.Time `ch:"month"`
		Active uint64    `ch:"active"`
	}](ctx, q.reader, s)
	if err != nil {
		return nil, err
	}
	var cohorts []*model.Cohort
	for _, row := range rows {
		if row.Month.Equal(row.First) {
			cohorts = append(cohorts, &model.Cohort{Month: row.First, Size: row.Active})
		}
		cohort := cohorts[len(cohorts)-1]
		cohort.Months = append(cohort.Months, &model.CohortMonth{Month: row.Month, Active: row.Active, Size: cohort.Size})
	}
	return cohorts, nil
}

func (q query) Churn(ctx context.Context, of string, chain *uint64, _ *model.AsOf) ([]*model.Churn, error) {
	s, err := months(ctx, q.reader, "month, count() AS active, countIf(month = first) AS new, "+
		"countIf(month != first AND before = addMonths(month, -1)) AS retained", of, chain)
	if err != nil {
		return nil, err
	}
	s.Add(" GROUP BY month ORDER BY month")
	rows, err := database.Rows[model.Churn](ctx, q.reader, s)
	if err != nil {
		return nil, err
	}
	var all []*model.Churn
	for _, row := range rows {
		row.Returned = row.Active - row.New - row.Retained
		for len(all) > 0 && all[len(all)-1].Month.AddDate(0, 1, 0).Before(row.Month) {
			last := all[len(all)-1]
			all = append(all, &model.Churn{Month: last.Month.AddDate(0, 1, 0), Lost: last.Active})
		}
		if len(all) > 0 {
			row.Lost = all[len(all)-1].Active - row.Retained
		}
		all = append(all, row)
	}
	return all, nil
}
