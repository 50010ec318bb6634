package analytics

import (
	"context"

	"assay/graphql/analytics/generated"
	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

// resolver answers the fields that need the database.
type resolver struct {
	reader *reader
	points *points
	feeds  *feeds
}

type reader = database.Reader

func (r *resolver) Query() generated.QueryResolver               { return query{r.reader, r.points} }
func (r *resolver) Subscription() generated.SubscriptionResolver { return streams{r.feeds} }
func (r *resolver) Account() generated.AccountResolver           { return accountFields{r.reader} }
func (r *resolver) Contribution() generated.ContributionResolver { return contributionFields{r.reader} }
func (r *resolver) Deal() generated.DealResolver                 { return dealFields{r.reader} }
func (r *resolver) Payout() generated.PayoutResolver             { return payoutFields{r.reader} }
func (r *resolver) Posting() generated.PostingResolver           { return postingFields{r.reader} }
func (r *resolver) Settlement() generated.SettlementResolver     { return settlementFields{r.reader} }
func (r *resolver) SettlementLine() generated.SettlementLineResolver {
	return lineFields{r.reader}
}
func (r *resolver) Task() generated.TaskResolver             { return taskFields{r.reader} }
func (r *resolver) Verdict() generated.VerdictResolver       { return verdictFields{r.reader} }
func (r *resolver) Workerpool() generated.WorkerpoolResolver { return workerpoolFields{r.reader} }

// query answers the fields of Query. Where a field has the argument asOf, viewOf finds it.
type query struct {
	*reader
	points *points
}

// named asks for the row that a column names, on a chain where one is given.
func named(column, value string, chain *uint64) (c conditions) {
	c.chain(chain)
	c.text(column+" = ?", &value)
	return c
}

func (q query) Meta(ctx context.Context) (*model.Meta, error) {
	indexed, err := q.Indexed(ctx)
	if err != nil {
		return nil, err
	}
	return model.MetaOf(indexed.Heads), nil
}

func (q query) Deal(ctx context.Context, id string, chain *uint64, _ *model.AsOf) (*model.Deal, error) {
	return deals.one(ctx, q.reader, named("id", id, chain))
}

func (q query) Deals(ctx context.Context, first int, after *string, filter *model.DealFilter, _ *model.AsOf) (*model.DealConnection, error) {
	return deals.read(ctx, q.reader, first, after, dealConditions(filter))
}

func (q query) Task(ctx context.Context, id string, chain *uint64, _ *model.AsOf) (*model.Task, error) {
	return tasks.one(ctx, q.reader, named("id", id, chain))
}

func (q query) Tasks(ctx context.Context, first int, after *string, filter *model.TaskFilter, _ *model.AsOf) (*model.TaskConnection, error) {
	return tasks.read(ctx, q.reader, first, after, taskConditions(filter))
}

func (q query) TaskCounts(ctx context.Context, filter *model.TaskFilter, _ *model.AsOf) ([]*model.TaskCount, error) {
	return groups[model.TaskCount](ctx, q.reader, &tasks, taskConditions(filter), "status")
}

func (q query) Contribution(ctx context.Context, task, worker string, chain *uint64, _ *model.AsOf) (*model.Contribution, error) {
	where := named("task", task, chain)
	where.text("worker = ?", &worker)
	return contributions.one(ctx, q.reader, where)
}

func (q query) Contributions(ctx context.Context, first int, after *string, filter *model.ContributionFilter, _ *model.AsOf) (*model.ContributionConnection, error) {
	return contributions.read(ctx, q.reader, first, after, contributionConditions(filter))
}

func (q query) Verdict(ctx context.Context, id string, chain *uint64, _ *model.AsOf) (*model.Verdict, error) {
	return verdicts.one(ctx, q.reader, named("id", id, chain))
}

func (q query) Verdicts(ctx context.Context, first int, after *string, filter *model.VerdictFilter, _ *model.AsOf) (*model.VerdictConnection, error) {
	return verdicts.read(ctx, q.reader, first, after, verdictConditions(filter))
}

func (q query) VerdictCounts(ctx context.Context, filter *model.VerdictFilter, _ *model.AsOf) ([]*model.VerdictCount, error) {
	return groups[model.VerdictCount](ctx, q.reader, &verdicts, verdictConditions(filter), "outcome, reason")
}

func (q query) Payout(ctx context.Context, chain, blockNumber, logIndex uint64, _ *model.AsOf) (*model.Payout, error) {
	return payouts.one(ctx, q.reader, conditions{columnIs("chain", "UInt64", chain), columnIs("block_number", "UInt64", blockNumber), columnIs("log_index", "UInt64", logIndex)})
}

func (q query) Payouts(ctx context.Context, first int, after *string, filter *model.PayoutFilter, _ *model.AsOf) (*model.PayoutConnection, error) {
	return payouts.read(ctx, q.reader, first, after, payoutConditions(filter))
}

func (q query) Postings(ctx context.Context, first int, after *string, filter *model.PostingFilter, _ *model.AsOf) (*model.PostingConnection, error) {
	return postings.read(ctx, q.reader, first, after, postingConditions(filter))
}

func (q query) BucketSums(ctx context.Context, filter *model.PostingFilter, _ *model.AsOf) ([]*model.BucketSum, error) {
	return groups[model.BucketSum](ctx, q.reader, &postings, postingConditions(filter), "bucket")
}

func (q query) Account(ctx context.Context, address string, chain *uint64, _ *model.AsOf) (*model.Account, error) {
	return accounts.one(ctx, q.reader, named("address", address, chain))
}

func (q query) Accounts(ctx context.Context, first int, after *string, filter *model.AccountFilter, _ *model.AsOf) (*model.AccountConnection, error) {
	return accounts.read(ctx, q.reader, first, after, accountConditions(filter))
}

func (q query) Workerpool(ctx context.Context, address string, chain *uint64, _ *model.AsOf) (*model.Workerpool, error) {
	return workerpools.one(ctx, q.reader, named("address", address, chain))
}

func (q query) Workerpools(ctx context.Context, first int, after *string, filter *model.WorkerpoolFilter, _ *model.AsOf) (*model.WorkerpoolConnection, error) {
	return workerpools.read(ctx, q.reader, first, after, workerpoolConditions(filter))
}
