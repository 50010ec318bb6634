package analytics

import (
	"time"

	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

// conditions collects what a filter asks for. A nil value asks for nothing.
type conditions []database.Condition

// columnIs asks that a column has one value.
func columnIs(column, kind string, value any) database.Condition {
	return database.Condition{SQL: column + " = ?", Kind: kind, Value: value}
}

func (c *conditions) chain(chain *uint64) {
	if chain != nil {
		*c = append(*c, columnIs(chainColumn.sql, "UInt64", *chain))
	}
}

// text asks that an expression with one ? holds for a value.
func (c *conditions) text(sql string, value *string) {
	if value != nil {
		*c = append(*c, database.Condition{SQL: sql, Kind: "String", Value: *value})
	}
}

// through asks that rows of another table, for which an expression with one ? holds, name
// the row: their columns are the row's.
func (c *conditions) through(columns string, t database.Table, theirs, sql string, value *string) {
	if value != nil {
		*c = append(*c, database.Condition{SQL: "(" + columns + ") IN (SELECT " + theirs + " FROM {rows} WHERE " + sql + ")", Kind: "String", Value: *value, Of: &t})
	}
}

// among asks that a column has one of some values. An empty list has none.
func (c *conditions) among(column string, values []string) {
	if values != nil {
		*c = append(*c, database.Condition{SQL: column + " IN ?", Kind: "Array(String)", Value: values})
	}
}

// during asks for a time of at least since and before until, both rounded up to whole
// seconds, as all times of a chain are.
func (c *conditions) during(column string, since, until *time.Time) {
	if since != nil {
		*c = append(*c, database.Condition{SQL: "toUnixTimestamp(" + column + ") >= ?", Kind: "Int64", Value: seconds(*since)})
	}
	if until != nil {
		*c = append(*c, database.Condition{SQL: "toUnixTimestamp(" + column + ") < ?", Kind: "Int64", Value: seconds(*until)})
	}
}

func seconds(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}

func dealConditions(f *model.DealFilter) (c conditions) {
	if f == nil {
		return nil
	}
	c.chain(f.Chain)
	c.text("workerpool = ?", f.Workerpool)
	c.through("chain, id", contributionTable, "chain, deal", "worker = ?", f.Worker)
	c.text("requester = ?", f.Requester)
	c.text("app = ?", f.App)
	c.text("dataset = ?", f.Dataset)
	c.during("start_time", f.Since, f.Until)
	return c
}

func taskConditions(f *model.TaskFilter) (c conditions) {
	if f == nil {
		return nil
	}
	c.chain(f.Chain)
	c.text("deal = ?", f.Deal)
	c.text("workerpool = ?", f.Workerpool)
	c.through("chain, id", contributionTable, "chain, task", "worker = ?", f.Worker)
	c.text("requester = ?", f.Requester)
	c.among("status", f.Status)
	c.during("initialized_at", f.Since, f.Until)
	return c
}

func contributionConditions(f *model.ContributionFilter) (c conditions) {
	if f == nil {
		return nil
	}
	c.chain(f.Chain)
	c.text("task = ?", f.Task)
	c.text("deal = ?", f.Deal)
	c.text("workerpool = ?", f.Workerpool)
	c.text("worker = ?", f.Worker)
	c.through("chain, deal", dealTable, "chain, id", "requester = ?", f.Requester)
	c.among("status", f.Status)
	c.during("contributed_at", f.Since, f.Until)
	return c
}

func verdictConditions(f *model.VerdictFilter) (c conditions) {
	if f == nil {
		return nil
	}
	c.chain(f.Chain)
	c.text("task = ?", f.Task)
	c.text("workerpool = ?", f.Workerpool)
	c.text("worker = ?", f.Worker)
	c.through("chain, task", taskTable, "chain, id", "requester = ?", f.Requester)
	c.among("outcome", f.Outcome)
	c.among("reason", f.Reason)
	c.during("time", f.Since, f.Until)
	return c
}

func payoutConditions(f *model.PayoutFilter) (c conditions) {
	if f == nil {
		return nil
	}
	c.chain(f.Chain)
	c.text("account = ?", f.Account)
	c.text("task = ?", f.Task)
	c.text("deal = ?", f.Deal)
	c.text("workerpool = ?", f.Workerpool)
	c.text("role = 'WORKER' AND account = ?", f.Worker)
	c.through("chain, deal", dealTable, "chain, id", "requester = ?", f.Requester)
	c.among("kind", f.Kind)
	c.among("role", f.Role)
	c.during("time", f.Since, f.Until)
	return c
}

func postingConditions(f *model.PostingFilter) (c conditions) {
	if f == nil {
		return nil
	}
	c.chain(f.Chain)
	c.text("account = ?", f.Account)
	c.among("bucket", f.Bucket)
	c.text("task = ?", f.Task)
	c.text("deal = ?", f.Deal)
	c.during("time", f.Since, f.Until)
	return c
}

func streamConditions(f *model.PayoutStreamFilter) conditions {
	if f == nil {
		return nil
	}
	return payoutConditions(&model.PayoutFilter{
		Chain: f.Chain, Account: f.Account, Task: f.Task, Deal: f.Deal,
		Workerpool: f.Workerpool, Kind: f.Kind, Role: f.Role,
	})
}

func accountConditions(f *model.AccountFilter) (c conditions) {
	if f == nil {
		return nil
	}
	c.chain(f.Chain)
	c.among("address", f.Addresses)
	return c
}

func workerpoolConditions(f *model.WorkerpoolFilter) (c conditions) {
	if f == nil {
		return nil
	}
	c.chain(f.Chain)
	c.text("owner = ?", f.Owner)
	c.during("registered_at", f.Since, f.Until)
	return c
}
