// Package rpctest is a blockchain for tests: a deterministic chain of any size in
// memory, and JSON-RPC nodes over HTTP and WebSocket that serve it, each with faults of
// its own.
//
// The chain is true where an indexer can check it: header hashes link, bloom filters and
// receipts roots are those of the logs, so that whoever verifies can tell an answer that
// was tampered with. Blocks are made of their number and a seed whenever somebody asks,
// so a million events take the memory of their headers.
//
// A Chain has a Traffic: ERC20 moves one token between accounts, Market plays PoCo as
// its rules have it. A Node serves a chain; its Faults are what real nodes do wrong.
package rpctest
