// Package analytics serves the marketplace over GraphQL, all indexed chains at once. The
// SDL in schema/graphql/analytics is its documentation; gqlgen turns it into generated/.
//
// A field that is a column is read with its row (package model). A page of rows is one
// statement (list.go), filtered by bound values (filter.go) and continued by a cursor
// that holds the last row's place (cursor.go). Rows below or beside other rows are read
// for all their parents at once (nested.go), so the number of statements follows the
// shape of a query and not the size of its answer.
//
// Subscribers to payouts share one reader (feed.go, subscription.go). What clients may
// ask for is bounded (limits.go, guard.go, session.go, wire.go), and what they are told
// of errors is said in errors.go.
//
// It sees the database only, as any outside reader would.
package analytics

//go:generate go run github.com/99designs/gqlgen generate
