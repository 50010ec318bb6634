// Command entitygen turns the definitions of a subgraph's entities into what keeps them:
// a migration with their tables, and Go structs of their rows.
//
//	entitygen DEFINITIONS PREFIX MIGRATION ROWS
//
// DEFINITIONS is a file of GraphQL types with the directives of schema/graphql/subgraph.
// Tables are named PREFIX_<entity>. The files MIGRATION (SQL) and ROWS (Go, in the package
// that is named as its folder) are written.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: entitygen DEFINITIONS PREFIX MIGRATION ROWS")
		os.Exit(2)
	}
	if err := generate(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, "entitygen:", err)
		os.Exit(1)
	}
}

func generate(definitions, prefix, migration, rows string) error {
	text, err := os.ReadFile(definitions)
	if err != nil {
		return err
	}
	entities, err := read(definitions, string(text), prefix)
	if err != nil {
		return fmt.Errorf("reading %s: %w", definitions, err)
	}
	job := job{Definitions: definitions, Package: filepath.Base(filepath.Dir(rows)), Entities: entities}
	sql, err := job.migration()
	if err != nil {
		return fmt.Errorf("writing the migration: %w", err)
	}
	code, err := job.rows()
	if err != nil {
		return fmt.Errorf("writing the rows: %w", err)
	}
	if err := os.WriteFile(migration, sql, 0o644); err != nil {
		return err
	}
	return os.WriteFile(rows, code, 0o644)
}
