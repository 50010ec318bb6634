// Package loadtest measures the GraphQL endpoints on a market of many events.
//
// Fill makes such a market inside the database, by INSERT … SELECT from numbers with
// deterministic hashes: a year of tasks, each with its deal, contributions, payouts and
// transactions, in the tables of all endpoints, their history and their series, consistent
// with each other. Pages are what an explorer asks of it.
package loadtest
