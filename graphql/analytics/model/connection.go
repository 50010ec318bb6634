package model

import "context"

// The SDL has a connection and an edge of each kind of row.
type (
	// DealConnection is a page of deals.
	DealConnection = Connection[Deal]
	// DealEdge is a deal in a list.
	DealEdge = Edge[Deal]
	// TaskConnection is a page of tasks.
	TaskConnection = Connection[Task]
	// TaskEdge is a task in a list.
	TaskEdge = Edge[Task]
	// ContributionConnection is a page of contributions.
	ContributionConnection = Connection[Contribution]
	// ContributionEdge is a contribution in a list.
	ContributionEdge = Edge[Contribution]
	// VerdictConnection is a page of verdicts.
	VerdictConnection = Connection[Verdict]
	// VerdictEdge is a verdict in a list.
	VerdictEdge = Edge[Verdict]
	// PayoutConnection is a page of payouts.
	PayoutConnection = Connection[Payout]
	// PayoutEdge is a payout in a list.
	PayoutEdge = Edge[Payout]
	// PostingConnection is a page of postings.
	PostingConnection = Connection[Posting]
	// PostingEdge is a posting in a list.
	PostingEdge = Edge[Posting]
	// SettlementLineConnection is a page of a settlement's lines.
	SettlementLineConnection = Connection[SettlementLine]
	// SettlementLineEdge is a line in a list.
	SettlementLineEdge = Edge[SettlementLine]
	// AccountConnection is a page of accounts.
	AccountConnection = Connection[Account]
	// AccountEdge is an account in a list.
	AccountEdge = Edge[Account]
	// AppConnection is a page of apps.
	AppConnection = Connection[App]
	// AppEdge is an app in a list.
	AppEdge = Edge[App]
	// DatasetConnection is a page of datasets.
	DatasetConnection = Connection[Dataset]
	// DatasetEdge is a dataset in a list.
	DatasetEdge = Edge[Dataset]
	// CategoryConnection is a page of categories.
	CategoryConnection = Connection[Category]
	// CategoryEdge is a category in a list.
	CategoryEdge = Edge[Category]
	// EventConnection is a page of events.
	EventConnection = Connection[Event]
	// EventEdge is an event in a list.
	EventEdge = Edge[Event]
	// OrderEventConnection is a page of events of orders.
	OrderEventConnection = Connection[OrderEvent]
	// OrderEventEdge is an event of an order in a list.
	OrderEventEdge = Edge[OrderEvent]
	// EntryStateConnection is a page of states of a registry entry.
	EntryStateConnection = Connection[EntryState]
	// EntryStateEdge is a state of a registry entry in a list.
	EntryStateEdge = Edge[EntryState]
	// AccountStateConnection is a page of states of an account.
	AccountStateConnection = Connection[AccountState]
	// AccountStateEdge is a state of an account in a list.
	AccountStateEdge = Edge[AccountState]
	// LeaderConnection is a page of leaders.
	LeaderConnection = Connection[Leader]
	// LeaderEdge is a leader in an order.
	LeaderEdge = Edge[Leader]
	// DatasetPermissionConnection is a page of permissions.
	DatasetPermissionConnection = Connection[DatasetPermission]
	// DatasetPermissionEdge is a permission in a list.
	DatasetPermissionEdge = Edge[DatasetPermission]
	// DatasetSaleConnection is a page of sales.
	DatasetSaleConnection = Connection[DatasetSale]
	// DatasetSaleEdge is a sale in a list.
	DatasetSaleEdge = Edge[DatasetSale]
	// DatasetUseConnection is a page of uses of a dataset.
	DatasetUseConnection = Connection[DatasetUse]
	// DatasetUseEdge is a use in a list.
	DatasetUseEdge = Edge[DatasetUse]
	// DatasetEarningConnection is a page of what a dataset earned.
	DatasetEarningConnection = Connection[DatasetEarning]
	// DatasetEarningEdge is an earning in a list.
	DatasetEarningEdge = Edge[DatasetEarning]
	// SeriesPointConnection is a page of periods.
	SeriesPointConnection = Connection[SeriesPoint]
	// SeriesPointEdge is a period in a list.
	SeriesPointEdge = Edge[SeriesPoint]
	// KittyPointConnection is a page of the kitty's periods.
	KittyPointConnection = Connection[KittyPoint]
	// KittyPointEdge is a period of the kitty in a list.
	KittyPointEdge = Edge[KittyPoint]
	// WorkerpoolConnection is a page of worker pools.
	WorkerpoolConnection = Connection[Workerpool]
	// WorkerpoolEdge is a worker pool in a list.
	WorkerpoolEdge = Edge[Workerpool]
)

// Connection is a page of a list.
type Connection[T any] struct {
	Edges    []*Edge[T]
	PageInfo *PageInfo
	Count    func(context.Context) (uint64, error) // counts the whole list
}

// Edge is a row of a page.
type Edge[T any] struct {
	Cursor string
	Node   *T
}

// Nodes are the rows of the page.
func (c *Connection[T]) Nodes() []*T {
	nodes := make([]*T, len(c.Edges))
	for i, edge := range c.Edges {
		nodes[i] = edge.Node
	}
	return nodes
}

// TotalCount counts the whole list. It asks the database, so only a query that selects
// it pays for it.
func (c *Connection[T]) TotalCount(ctx context.Context) (uint64, error) {
	return c.Count(ctx)
}
