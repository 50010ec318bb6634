// Package audit recomputes what is indexed and compares it, with the rows in ClickHouse
// and with the contracts themselves.
//
// It reads the chain log as far as it is indexed and folds it anew. For the tables that money
// and its causes are in it uses nothing of the indexer: entities come from poco.State, totals
// and times from a plain second bookkeeping (book.go), roles of payouts from a second
// derivation (settlement.go), so that a mistake of package projection shows. All other tables
// are compared with what package projection itself makes of the logs (derived.go, series.go):
// there a row that was lost or changed shows, but no mistake of the fold. What is compared
// with what:
//
//	the log with itself       log.go         sequence, repeats, parents, retractions, marks
//	                          settlement.go  money moves in the contracts' pairs, in their order, and
//	                                         what a task seizes is what it rewards
//	the log with the rows     tables.go      what each table should hold
//	                          rows.go        merged with what it holds, both in order of the key
//	                          ledger.go      the ledger of ranges
//	                          derived.go     all other tables with the index's own fold
//	                          series.go      and the sums by the hour
//	the rows with each other  cross.go       what the first tables imply for the others, in plain SQL
//	the log with the chain    views.go       state of the contracts, by views at one block
//	                          blocks.go      headers and logs of blocks
//
// The log is folded once. A block is folded when it cannot be retracted any more, or when
// the log ends, so nothing is ever undone; on the way, where the fold has come to the block
// that the contracts are asked at, they are asked. Rows are streamed. Memory therefore
// grows with the accounts, tasks and deals there are, and by two hashes for each row of a
// derived table.
//
// A difference names the event that made the expected value. Only its place in the log
// (ref) is kept; the event is read again when a difference is found.
package audit
