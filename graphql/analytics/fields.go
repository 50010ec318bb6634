package analytics

import (
	"context"

	"assay/graphql/analytics/model"
)

// The fields of each type that are other rows, below it or beside it.
type (
	accountFields      struct{ *reader }
	contributionFields struct{ *reader }
	dealFields         struct{ *reader }
	payoutFields       struct{ *reader }
	postingFields      struct{ *reader }
	settlementFields   struct{ *reader }
	lineFields         struct{ *reader }
	taskFields         struct{ *reader }
	verdictFields      struct{ *reader }
	workerpoolFields   struct{ *reader }
)

func (f accountFields) Payouts(ctx context.Context, a *model.Account, first int, after *string, _ *model.AsOf) (*model.PayoutConnection, error) {
	return payoutsOfAccount.read(ctx, f.reader, model.Key{Chain: a.Chain, ID: a.Address}, first, after)
}

func (f accountFields) Postings(ctx context.Context, a *model.Account, first int, after *string, _ *model.AsOf) (*model.PostingConnection, error) {
	return postingsOfAccount.read(ctx, f.reader, model.Key{Chain: a.Chain, ID: a.Address}, first, after)
}

func (f accountFields) Contributions(ctx context.Context, a *model.Account, first int, after *string, _ *model.AsOf) (*model.ContributionConnection, error) {
	return contributionsOfWorker.read(ctx, f.reader, model.Key{Chain: a.Chain, ID: a.Address}, first, after)
}

func (f accountFields) Verdicts(ctx context.Context, a *model.Account, first int, after *string, _ *model.AsOf) (*model.VerdictConnection, error) {
	return verdictsOfWorker.read(ctx, f.reader, model.Key{Chain: a.Chain, ID: a.Address}, first, after)
}

func (f accountFields) Deals(ctx context.Context, a *model.Account, first int, after *string, _ *model.AsOf) (*model.DealConnection, error) {
	return dealsOfRequester.read(ctx, f.reader, model.Key{Chain: a.Chain, ID: a.Address}, first, after)
}

func (f contributionFields) Task(ctx context.Context, c *model.Contribution) (*model.Task, error) {
	return taskOf.one(ctx, f.reader, model.Key{Chain: c.Chain, ID: c.TaskID})
}

func (f contributionFields) Deal(ctx context.Context, c *model.Contribution) (*model.Deal, error) {
	return dealOf.one(ctx, f.reader, model.Key{Chain: c.Chain, ID: c.DealID})
}

func (f contributionFields) Workerpool(ctx context.Context, c *model.Contribution) (*model.Workerpool, error) {
	return workerpoolOf.one(ctx, f.reader, model.Key{Chain: c.Chain, ID: c.WorkerpoolAddress})
}

func (f dealFields) Tasks(ctx context.Context, d *model.Deal, first int, after *string, _ *model.AsOf) (*model.TaskConnection, error) {
	return tasksOfDeal.read(ctx, f.reader, model.Key{Chain: d.Chain, ID: d.ID}, first, after)
}

func (f dealFields) Payouts(ctx context.Context, d *model.Deal, first int, after *string, _ *model.AsOf) (*model.PayoutConnection, error) {
	return payoutsOfDeal.read(ctx, f.reader, model.Key{Chain: d.Chain, ID: d.ID}, first, after)
}

func (f dealFields) Workerpool(ctx context.Context, d *model.Deal) (*model.Workerpool, error) {
	return workerpoolOf.one(ctx, f.reader, model.Key{Chain: d.Chain, ID: d.WorkerpoolAddress})
}

func (f payoutFields) Account(ctx context.Context, p *model.Payout) (*model.Account, error) {
	return accountOf.one(ctx, f.reader, model.Key{Chain: p.Chain, ID: p.AccountAddress})
}

func (f payoutFields) Task(ctx context.Context, p *model.Payout) (*model.Task, error) {
	return taskOf.one(ctx, f.reader, model.Key{Chain: p.Chain, ID: p.TaskID})
}

func (f payoutFields) Deal(ctx context.Context, p *model.Payout) (*model.Deal, error) {
	return dealOf.one(ctx, f.reader, model.Key{Chain: p.Chain, ID: p.DealID})
}

func (f payoutFields) Workerpool(ctx context.Context, p *model.Payout) (*model.Workerpool, error) {
	return workerpoolOf.one(ctx, f.reader, model.Key{Chain: p.Chain, ID: p.WorkerpoolAddress})
}

func (f postingFields) Account(ctx context.Context, p *model.Posting) (*model.Account, error) {
	return accountOf.one(ctx, f.reader, model.Key{Chain: p.Chain, ID: p.AccountAddress})
}

func (f postingFields) Task(ctx context.Context, p *model.Posting) (*model.Task, error) {
	if p.TaskID == nil {
		return nil, nil
	}
	return taskOf.one(ctx, f.reader, model.Key{Chain: p.Chain, ID: *p.TaskID})
}

func (f postingFields) Deal(ctx context.Context, p *model.Posting) (*model.Deal, error) {
	if p.DealID == nil {
		return nil, nil
	}
	return dealOf.one(ctx, f.reader, model.Key{Chain: p.Chain, ID: *p.DealID})
}

func (f settlementFields) Lines(ctx context.Context, s *model.Settlement, first int, after *string, _ *model.AsOf) (*model.SettlementLineConnection, error) {
	return linesOfSettlement.read(ctx, f.reader, model.Key{Chain: s.Chain, ID: s.TaskID}, first, after)
}

func (f lineFields) Account(ctx context.Context, l *model.SettlementLine) (*model.Account, error) {
	return accountOf.one(ctx, f.reader, model.Key{Chain: l.Chain, ID: l.AccountAddress})
}

func (f taskFields) Contributions(ctx context.Context, t *model.Task, first int, after *string, _ *model.AsOf) (*model.ContributionConnection, error) {
	return contributionsOfTask.read(ctx, f.reader, model.Key{Chain: t.Chain, ID: t.ID}, first, after)
}

func (f taskFields) Verdicts(ctx context.Context, t *model.Task, first int, after *string, _ *model.AsOf) (*model.VerdictConnection, error) {
	return verdictsOfTask.read(ctx, f.reader, model.Key{Chain: t.Chain, ID: t.ID}, first, after)
}

func (f taskFields) Payouts(ctx context.Context, t *model.Task, first int, after *string, _ *model.AsOf) (*model.PayoutConnection, error) {
	return payoutsOfTask.read(ctx, f.reader, model.Key{Chain: t.Chain, ID: t.ID}, first, after)
}

func (f taskFields) Settlement(ctx context.Context, t *model.Task) (*model.Settlement, error) {
	return settlementOf.one(ctx, f.reader, model.Key{Chain: t.Chain, ID: t.ID})
}

func (f taskFields) Deal(ctx context.Context, t *model.Task) (*model.Deal, error) {
	return dealOf.one(ctx, f.reader, model.Key{Chain: t.Chain, ID: t.DealID})
}

func (f taskFields) Workerpool(ctx context.Context, t *model.Task) (*model.Workerpool, error) {
	return workerpoolOf.one(ctx, f.reader, model.Key{Chain: t.Chain, ID: t.WorkerpoolAddress})
}

func (f verdictFields) Workerpool(ctx context.Context, v *model.Verdict) (*model.Workerpool, error) {
	return workerpoolOf.one(ctx, f.reader, model.Key{Chain: v.Chain, ID: v.WorkerpoolAddress})
}

func (f verdictFields) Task(ctx context.Context, v *model.Verdict) (*model.Task, error) {
	if v.TaskID == nil {
		return nil, nil
	}
	return taskOf.one(ctx, f.reader, model.Key{Chain: v.Chain, ID: *v.TaskID})
}

func (f workerpoolFields) Deals(ctx context.Context, w *model.Workerpool, first int, after *string, _ *model.AsOf) (*model.DealConnection, error) {
	return dealsOfPool.read(ctx, f.reader, model.Key{Chain: w.Chain, ID: w.Address}, first, after)
}

func (f workerpoolFields) Tasks(ctx context.Context, w *model.Workerpool, first int, after *string, _ *model.AsOf) (*model.TaskConnection, error) {
	return tasksOfPool.read(ctx, f.reader, model.Key{Chain: w.Chain, ID: w.Address}, first, after)
}

func (f workerpoolFields) Contributions(ctx context.Context, w *model.Workerpool, first int, after *string, _ *model.AsOf) (*model.ContributionConnection, error) {
	return contributionsOfPool.read(ctx, f.reader, model.Key{Chain: w.Chain, ID: w.Address}, first, after)
}

func (f workerpoolFields) Verdicts(ctx context.Context, w *model.Workerpool, first int, after *string, _ *model.AsOf) (*model.VerdictConnection, error) {
	return verdictsOfPool.read(ctx, f.reader, model.Key{Chain: w.Chain, ID: w.Address}, first, after)
}

func (f workerpoolFields) Payouts(ctx context.Context, w *model.Workerpool, first int, after *string, _ *model.AsOf) (*model.PayoutConnection, error) {
	return payoutsOfPool.read(ctx, f.reader, model.Key{Chain: w.Chain, ID: w.Address}, first, after)
}
