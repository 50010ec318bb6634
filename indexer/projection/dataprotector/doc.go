// Package dataprotector folds the chain log into the entities of iExec's DataProtector
// subgraph, the marketplace of permissions to use data.
//
// The entities are defined in schema/graphql/subgraph/dataprotector.graphql, from which their
// tables and the rows in this package are generated; what each event does to them is told in
// handle.go. The official subgraph asks contracts for owners and metadata; here they come
// from a poco.State that somebody else evolves, since protected data and whitelisted apps are
// datasets and apps of PoCo's registries.
//
// A reference that is never null names an entity that exists: an event that speaks of
// protected data, a collection or a whitelist that no event has made is passed over. It is
// among the raw events all the same.
package dataprotector
