// Package entity keeps entities that events make and change, and tells what rows they have.
//
// Whoever folds events into entities has a Kind for each entity that changes, a note of each
// thing by its key, and hands over rows of those that never change. A Book stands over them:
// it tells which rows a block writes, takes the block back when it leaves the chain, and lets
// go of what only undoing needed once the block is final.
//
// An entity that changes has two tables: its newest row, which the database copies into a
// history with one row for each thing and block in which it changed. What a block did is
// undone by the earlier row, and a tombstone in the history.
package entity
