// Package projection folds the logs into rows.
//
// A Projection takes the records of a chain log in order and keeps the marketplace's
// state: the contract's own (poco.State, by the same rules that the engine decides
// with) and what only readers ask for, such as when a task ended or how much an
// account earned. For each record it returns the rows of everything the record
// changed, whole, so that writing them over the earlier ones is all a database has to
// do.
//
//	Block       what its events touched, one row for each event, one for each payout
//	Retraction  the same things as they were before the block, or tombstones
//	Mark        how far the chain is known; undo information below finality is dropped
//
// Things that change have two tables: one with their newest state, and its twin with what
// they were after each block that changed them (deals, deals_history). A retraction adds
// tombstones to the second for the block that is gone. Of the first only the newest row of a
// batch is worth writing (Rows.Collapse). What is summed up (table series) is handed over as measures, and taken
// back by the same with the opposite sign.
//
// Other packages make rows from the same events, too: they add them to Rows.More by table
// name (package table), and Schema lists their tables. Nothing else has to know of them.
//
// What is final is forgotten, and so are tasks that ended in it. What is left, of accounts
// above all, can lie on a shelf (Unshelve, Shelve, Unload), so that memory is bounded and a
// restart goes on from the newest final block.
//
// Decisions turns records of the decisions log into rows; it needs no state.
//
// Both are pure: no clock, no I/O, nothing random, nothing that depends on the order of
// a map. The same log gives the same rows, byte for byte.
package projection
