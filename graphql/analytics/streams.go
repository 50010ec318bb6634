package analytics

import (
	"context"

	"assay/graphql/analytics/generated"
	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

var (
	payoutNews = news[model.Payout]{
		name: "payouts", marks: chainMarks, rows: "SELECT " + payouts.columns + " FROM payouts FINAL", order: [3]string{"version", "block_number", "log_index"},
		at: func(p *model.Payout) (lane, place) { return lane{chain: p.Chain}, placeOf(p) },
	}
	taskNews = news[model.TaskChange]{
		name: "tasks", marks: chainMarks, rows: "SELECT " + database.Selection[model.TaskChange]() + " FROM tasks_history FINAL", order: [3]string{"version", "block_number", "cityHash64(id)"},
		at: func(t *model.TaskChange) (lane, place) {
			return lane{chain: t.Chain}, place{t.Version, t.BlockNumber, t.Place}
		},
	}
	headNews = news[model.Mark]{
		name: "head", marks: chainMarks, rows: "SELECT " + database.Selection[model.Mark]() + " FROM heads FINAL", order: [3]string{"version", "toUInt64(0)", "toUInt64(0)"},
		at: func(m *model.Mark) (lane, place) { return lane{chain: m.Chain}, place{version: m.Version} },
	}
	// Each partition of the decisions log has its own offsets.
	alertNews = news[model.Alert]{
		name: "alerts", marks: "SELECT chain, toUInt64(partition) AS lane_partition, max(version) AS version FROM decisions WHERE kind = 'alert' GROUP BY chain, lane_partition",
		rows: "SELECT " + database.Selection[model.Alert]() + " FROM (SELECT * FROM decisions FINAL WHERE kind = 'alert')", lane: "partition",
		order: [3]string{"version", "toUInt64(0)", "toUInt64(0)"},
		at:    func(a *model.Alert) (lane, place) { return lane{a.Chain, a.Partition}, place{version: a.Version} },
	}
)

func placeOf(p *model.Payout) place { return place{p.Version, p.BlockNumber, p.LogIndex} }

// feeds are what can be subscribed to.
type feeds struct {
	payouts *feed[model.Payout]
	tasks   *feed[model.TaskChange]
	heads   *feed[model.Mark]
	alerts  *feed[model.Alert]
}

func newFeeds(r *reader, config Config, m *metrics) *feeds {
	return &feeds{
		payouts: newFeed(&payoutNews, r, config, m), tasks: newFeed(&taskNews, r, config, m),
		heads: newFeed(&headNews, r, config, m), alerts: newFeed(&alertNews, r, config, m),
	}
}

// runs are what keeps the feeds going, until ctx ends.
func (f *feeds) runs() []func(context.Context) {
	return []func(context.Context){f.payouts.run, f.tasks.run, f.heads.run, f.alerts.run}
}

// streams answers the fields of Subscription.
type streams struct{ *feeds }

func (s streams) Payouts(ctx context.Context, filter *model.PayoutStreamFilter, after *string) (<-chan *model.PayoutEvent, error) {
	return subscribe(ctx, s.payouts, after, streamConditions(filter), func(p *model.Payout) bool { return wants(filter, p) },
		func(cursor string, p *model.Payout) *model.PayoutEvent {
			return &model.PayoutEvent{Cursor: cursor, Payout: p}
		})
}

// wants tells whether a payout passes a filter, as streamConditions do for the database.
func wants(f *model.PayoutStreamFilter, p *model.Payout) bool {
	return f == nil ||
		is(f.Chain, p.Chain) && is(f.Account, p.AccountAddress) && is(f.Task, p.TaskID) && is(f.Deal, p.DealID) &&
			is(f.Workerpool, p.WorkerpoolAddress) && in(f.Kind, p.Kind) && in(f.Role, p.Role)
}

func (s streams) TaskStatus(ctx context.Context, filter *model.TaskStreamFilter, after *string) (<-chan *model.TaskEvent, error) {
	if filter == nil {
		filter = &model.TaskStreamFilter{}
	}
	var where conditions
	where.chain(filter.Chain)
	where.text("id = ?", filter.Task)
	where.text("deal = ?", filter.Deal)
	where.text("workerpool = ?", filter.Workerpool)
	where.text("requester = ?", filter.Requester)
	where.among("status", filter.Status)
	return subscribe(ctx, s.tasks, after, where, func(t *model.TaskChange) bool {
		return is(filter.Chain, t.Chain) && is(filter.Task, t.ID) && is(filter.Deal, t.DealID) && is(filter.Workerpool, t.WorkerpoolAddress) &&
			is(filter.Requester, t.Requester) && in(filter.Status, t.Status)
	}, func(cursor string, t *model.TaskChange) *model.TaskEvent {
		return &model.TaskEvent{Cursor: cursor, Chain: t.Chain, TaskID: t.ID, DealID: t.DealID, Status: t.Status, BlockNumber: t.BlockNumber}
	})
}

func (s streams) Head(ctx context.Context, chain *uint64) (<-chan *model.HeadEvent, error) {
	var where conditions
	where.chain(chain)
	return subscribe(ctx, s.heads, nil, where, func(m *model.Mark) bool { return is(chain, m.Chain) }, func(_ string, m *model.Mark) *model.HeadEvent {
		return &model.HeadEvent{Chain: m.Chain, Number: m.Number, Hash: m.Hash, Time: m.Time, FinalizedNumber: m.FinalizedNumber}
	})
}

func (s streams) Alerts(ctx context.Context, filter *model.AlertFilter, after *string) (<-chan *model.AlertEvent, error) {
	if filter == nil {
		filter = &model.AlertFilter{}
	}
	var where conditions
	where.chain(filter.Chain)
	where.text("workerpool = ?", filter.Workerpool)
	where.text("task = ?", filter.Task)
	return subscribe(ctx, s.alerts, after, where, func(a *model.Alert) bool {
		return is(filter.Chain, a.Chain) && is(filter.Workerpool, a.WorkerpoolAddress) && (filter.Task == nil || a.TaskID != nil && *filter.Task == *a.TaskID)
	}, func(cursor string, a *model.Alert) *model.AlertEvent {
		return &model.AlertEvent{Cursor: cursor, Alert: a}
	})
}

type taskEventFields struct{ *reader }

func (r *resolver) TaskEvent() generated.TaskEventResolver { return taskEventFields{r.reader} }

func (f taskEventFields) Task(ctx context.Context, e *model.TaskEvent) (*model.Task, error) {
	return taskOf.one(ctx, f.reader, model.Key{Chain: e.Chain, ID: e.TaskID})
}
