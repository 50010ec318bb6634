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
	job := job{Definitions: definitions, Prefix: prefix, Package: filepath.Base(filepath.Dir(rows)), Entities: entities}
	if err := job.write(migration, writeMigration); err != nil {
		return err
	}
	return job.write(rows, writeRows)
}
