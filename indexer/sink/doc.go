// Package sink writes the rows of the logs to ClickHouse, effectively once.
//
// It folds one chain's log and all partitions of its decisions log (package projection)
// and inserts what comes out in batches: many records at a time while it catches up,
// each record at once when it is live. After the rows of a batch it writes the offset
// to go on from (table progress), so a crash in between repeats rows and never loses
// any; and since equal logs give equal rows, and the newest version of a row wins, a
// repeated row changes nothing. Inserts carry a deduplication token made of the batch's
// offsets, so that trying again after an uncertain failure does not even store twice.
//
// There is no local state. On start the chain log is folded again from its beginning,
// without writing up to the offset in the database.
package sink
