// Package database is how the GraphQL endpoints read ClickHouse: statements whose values
// are always bound (statement.go), read within limits of time, rows and memory and a
// budget for each response (reader.go), and all of one response at one indexed head
// (head.go, view.go), however many rows arrive meanwhile.
//
// Rows come to the database while it is read. A response therefore reads the heads once,
// and in every statement only what was there at them: the newest state of a thing where
// its block is not beyond the head, and otherwise the newest of its history that is not.
// Before it is sent, the response makes sure that no block it was read from has been
// retracted meanwhile; if one was, it is made again.
package database
