// Package permissions keeps what the chain tells of who may use which dataset: the orders by
// which owners offer their datasets, and the whitelists of apps under which DataProtector's
// sharing contract lets others use them.
//
// An order is a promise that its owner signed off the chain, so no chain tells of all of
// them. It tells of an order that was signed or closed on it, that was broadcast, or that was
// matched to a deal; and only what was broadcast is known whole. The signature of what was
// broadcast counts if it is that of the dataset's owner at the time: anybody may broadcast
// anything. What an owner's contract would accept (ERC-1271) cannot be told from the log.
package permissions
