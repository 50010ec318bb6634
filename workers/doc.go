// Package workers runs the machines of a workerpool: they take assignments, compute,
// contribute and reveal.
//
// A worker knows two things, the decisions log and the chain, and remembers nothing
// itself:
//
//	heartbeat ────────────────────► contributions log
//	decisions log ── Assignment ──► compute, sign (and quote) ──► contributions log
//	decisions log ── Verdict ─────► contribute on-chain, or contributeAndFinalize
//	decisions log ── Consensus ───► reveal on-chain
//
// What is to be done next for a task is a pure function (next) of what the logs said
// and what the contract says now. It is asked again whenever either changed: after a
// crash, a reorg or a lost transaction the same question gets the right answer, so
// there is nothing to repair. Results, keys and signatures are deterministic, so what
// a worker computes after a restart is what it computed before.
//
// A Fleet runs any number of workers over one reader of the decisions log and one
// follower of the chain. Workers are honest, lying, silent, late or shy (Behaviour):
// the last four are there for demos and studies.
package workers
