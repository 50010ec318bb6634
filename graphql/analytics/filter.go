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
	c = append(c, dealParts{f.App, f.Dataset, f.Category, f.Tag, f.Tee}.conditions()...)
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
	c.ofDeal(dealParts{f.App, f.Dataset, f.Category, f.Tag, f.Tee})
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
	c.ofDeal(dealParts{f.App, f.Dataset, f.Category, f.Tag, f.Tee})
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
	for _, part := range (dealParts{f.App, f.Dataset, f.Category, f.Tag, f.Tee}).conditions() {
		part.SQL, part.Of, part.By = "(chain, task) IN (SELECT chain, id FROM {rows} WHERE (chain, deal) IN (SELECT chain, id FROM {by} WHERE "+part.SQL+"))", &taskTable, &dealTable
		c = append(c, part)
	}
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
	c.ofDeal(dealParts{f.App, f.Dataset, f.Category, f.Tag, f.Tee})
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
	c.through("chain, task", contributionTable, "chain, task", "worker = ?", f.Worker)
	c.partyTo(f.Workerpool, f.Requester)
	c.during("time", f.Since, f.Until)
	c.ofDeal(dealParts{f.App, f.Dataset, f.Category, f.Tag, f.Tee})
	return c
}

// partyTo asks for things of deals with a pool and a requester.
func (c *conditions) partyTo(workerpool, requester *string) {
	c.through("chain, deal", dealTable, "chain, id", "workerpool = ?", workerpool)
	c.through("chain, deal", dealTable, "chain, id", "requester = ?", requester)
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

func entryConditions(chain *uint64, owner *string, since, until *time.Time) (c conditions) {
	c.chain(chain)
	c.text("owner = ?", owner)
	c.during("registered_at", since, until)
	return c
}

func workerpoolConditions(f *model.WorkerpoolFilter) conditions {
	if f == nil {
		return nil
	}
	return entryConditions(f.Chain, f.Owner, f.Since, f.Until)
}

func appConditions(f *model.AppFilter) conditions {
	if f == nil {
		return nil
	}
	c := entryConditions(f.Chain, f.Owner, f.Since, f.Until)
	c.through("chain, address", whitelistedTable, "chain, id", "has(addOnlyAppWhitelists, ?)", f.Whitelist)
	return c
}

func datasetConditions(f *model.DatasetFilter) conditions {
	if f == nil {
		return nil
	}
	return entryConditions(f.Chain, f.Owner, f.Since, f.Until)
}

func categoryConditions(f *model.CategoryFilter) (c conditions) {
	if f != nil {
		c.chain(f.Chain)
	}
	return c
}

func eventConditions(f *model.EventFilter) (c conditions) {
	if f == nil {
		return nil
	}
	c.chain(f.Chain)
	c.text("emitter = ?", f.Contract)
	c.among("name", f.Name)
	c.number("block_number = ?", f.Block)
	c.number("block_number >= ?", f.FromBlock)
	c.number("block_number <= ?", f.ToBlock)
	c.text("tx_hash = ?", f.Tx)
	c.during("time", f.Since, f.Until)
	return c
}

func orderEventConditions(f *model.OrderEventFilter) (c conditions) {
	if f == nil {
		return nil
	}
	c.chain(f.Chain)
	c.among("kind", f.Kind)
	c.among("action", f.Action)
	c.text("hash = ?", f.Hash)
	c.text("deal = ?", f.Deal)
	c.through("chain, deal", contributionTable, "chain, deal", "worker = ?", f.Worker)
	c.partyTo(f.Workerpool, f.Requester)
	c.ofDeal(dealParts{f.App, f.Dataset, f.Category, f.Tag, f.Tee})
	c.during("time", f.Since, f.Until)
	return c
}

// dealParts is what a filter asks of a deal, or of the deal of something.
type dealParts struct {
	app, dataset, category, tag *string
	tee                         []string
}

// frameworkColumn says of a deal's tag what model.FrameworkOf does.
const frameworkColumn = "transform(substring(tag, -1), ['1', '3', '5', '7', '9', 'b', 'd', 'f'], ['OTHER', 'SCONE', 'GRAMINE', 'OTHER', 'TDX', 'OTHER', 'OTHER', 'OTHER'], 'NONE')"

func (d dealParts) conditions() (c conditions) {
	c.text("app = ?", d.app)
	c.text("dataset = ?", d.dataset)
	if d.category != nil {
		c = append(c, columnIs("category", "UInt256", *d.category))
	}
	c.text("tag = ?", d.tag)
	c.among(frameworkColumn, d.tee)
	return c
}

// ofDeal asks for things whose deal has some parts.
func (c *conditions) ofDeal(d dealParts) {
	for _, part := range d.conditions() {
		part.SQL, part.Of = "(chain, deal) IN (SELECT chain, id FROM {rows} WHERE "+part.SQL+")", &dealTable
		*c = append(*c, part)
	}
}

// number asks that an expression with one ? holds for a number.
func (c *conditions) number(sql string, value *uint64) {
	if value != nil {
		*c = append(*c, database.Condition{SQL: sql, Kind: "UInt64", Value: *value})
	}
}
