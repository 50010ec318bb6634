// Package sink writes the rows of the logs to ClickHouse, effectively once.
//
// It folds one chain's log and all partitions of its decisions log (package projection)
// and inserts what comes out in batches: many records at a time while it catches up,
// each record at once when it is live.
//
// # A batch
//
//	plans      which records it holds: first, last, number, by whom
//	heads      lowered, if blocks are taken back or replaced; it says that no row of the batch is there yet
//	blocks     which come and go: readers who see rows of theirs see that, too
//	tables     the other rows, several tables at a time
//	heads      how far the chain is now written
//	progress   the offset to go on from
//
// Every insert carries a token made of the plan's number and the step, by which the database
// recognises it if it comes again; the views that history and sums are filled by pass it on.
// After a crash the batch that was planned last is written again, the same records, rows and
// tokens: what is there is not stored twice, what is missing comes in. So even sums, to which
// adding twice would show, are exact.
//
// # Two sinks
//
// Two sinks on one database do no harm. They write the same batches until both plan one of the
// same number; the database keeps the plan that comes first, again by its token, and the sink
// that finds another's plan in place of its own stops (FencedError).
// It looks again before it adds to sums, since the database remembers only so many tokens.
//
// # State
//
// The fold of the chain log has a memory. Without a directory for it (Config.State) it is
// made anew at each start, by folding the log from its beginning without writing up to the
// offset in the database. With one it lies there as the newest final block left it, and is
// never ahead of the database; the fold goes on from there, and what does not fit into
// memory is fetched from there. See keeper. The directory is a cache: it may be deleted.
package sink
