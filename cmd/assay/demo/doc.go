// Package demo plays a whole marketplace on one machine: it starts the embedded chain,
// Kafka and ClickHouse, deploys the real contracts, runs every role of Assay, makes deals
// that end in every way a deal can, and at last compares every account with the contract.
//
// Nothing in it is needed by a role: the roles run with the same code as in production,
// and speak to each other only through Kafka, ClickHouse and the chain.
//
// A run can be killed at any time and started again on the same folder. It finds out from
// the chain what was done: every account of the cast sends a fixed list of transactions,
// the n-th under nonce n.
package demo
