// Package clickhouse holds the database's migrations, numbered SQL in goose's format.
package clickhouse

import "embed"

// Migrations are the files to apply, in the order of their numbers.
//
//go:embed *.sql
var Migrations embed.FS
