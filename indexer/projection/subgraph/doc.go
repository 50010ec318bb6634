// Package subgraph folds the chain log into the entities of iExec's PoCo subgraph.
//
// The entities are defined in schema/graphql/subgraph/poco.graphql, from which their tables
// and the rows in this package are generated. What each event does to them is told by the
// handlers (handle.go, market.go, orders.go), which correspond to the official subgraph's
// one by one; where that one is wrong they are not, see docs/subgraph.md.
//
// A Fold stands beside a poco.State that somebody else evolves, and is told of each block
// after its events have been folded there:
//
//	Block    rows of the block's events, which never change, and of each thing they changed
//	Retract  tombstones for the former; for the latter the earlier row again, or a tombstone
//	Final    nothing: what only undoing needed is let go of, and what ended for good
//
// What an entity's row needs and poco.State does not keep is a note: when the thing last
// changed, how often it was used. Notes of deals, tasks and contributions live as long as
// their deals have tasks to run; those of accounts, resources and orders are small.
//
// Two promises hold in every table. A reference that is never null names an entity that
// exists: whoever is mentioned as an account has a row. And an entity's row says in which
// block it last changed, so that its history is one row for each of these blocks.
package subgraph
