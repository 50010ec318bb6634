// Package engine decides, for one or more workerpools, what a pool owes its deals:
// which task to initialize, which worker to ask, whether a contribution is good, when
// to reopen, finalize or claim.
//
// It reads two logs and writes a third:
//
//	chain log ──────► Core ──► decisions log ──► settlement (transactions)
//	contributions ──►                        └─► workers (assignments, verdicts)
//
// Core is a fold without I/O, clock or randomness. What it knows comes from blocks
// that are deep enough not to vanish (buried.go), from workers' messages, and from its
// own decisions. Plan compares what the protocol asks for with what has been decided
// and returns the difference; judge answers one worker's message. A decision's id is
// the hash of its causes, so deciding twice is harmless.
//
// Run is the shell: it replays the logs, then follows them. It keeps no state of its
// own: after a crash the logs are folded again, and what had been decided is found
// decided.
package engine
