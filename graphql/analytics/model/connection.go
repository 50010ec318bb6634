package model

import "context"

// The connections and edges of each kind of row.
type (
	DealConnection         = Connection[Deal]
	DealEdge               = Edge[Deal]
	TaskConnection         = Connection[Task]
	TaskEdge               = Edge[Task]
	ContributionConnection = Connection[Contribution]
	ContributionEdge       = Edge[Contribution]
	VerdictConnection      = Connection[Verdict]
	VerdictEdge            = Edge[Verdict]
	PayoutConnection       = Connection[Payout]
	PayoutEdge             = Edge[Payout]
	AccountConnection      = Connection[Account]
	AccountEdge            = Edge[Account]
	WorkerpoolConnection   = Connection[Workerpool]
	WorkerpoolEdge         = Edge[Workerpool]
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
