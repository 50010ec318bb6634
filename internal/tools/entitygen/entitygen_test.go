package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const head = `
directive @entity(immutable: Boolean! = false) on OBJECT
directive @derivedFrom(field: String!) on FIELD_DEFINITION
directive @column(type: String!) on FIELD_DEFINITION
scalar BigInt
scalar Unheard
enum Colour { RED }
type Query { none: Int }
`

func TestTablesAndRows(t *testing.T) {
	dir := t.TempDir()
	definitions, migration, rows := filepath.Join(dir, "d.graphql"), filepath.Join(dir, "m.sql"), filepath.Join(dir, "zoo", "rows.go")
	write(t, definitions, head+`
"A house."
type BigHouse @entity { id: ID! colour: Colour! index: BigInt timestamp: BigInt! @column(type: "UInt64") street: Street! dogs: [Dog!]! @derivedFrom(field: "house") }
"A street."
type Street @entity { id: ID! houses: [BigHouse!]! @derivedFrom(field: "street") }
"A dog."
type Dog @entity(immutable: true) { id: ID! house: BigHouse friends: [Dog!]! age: Int! good: Boolean! }
`)
	if err := os.Mkdir(filepath.Dir(rows), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := generate(definitions, "zoo", migration, rows); err != nil {
		t.Fatal(err)
	}
	contains(t, migration,
		"CREATE TABLE IF NOT EXISTS zoo_big_house (\n    chain UInt64,\n    `id` String,\n    `colour` LowCardinality(String),\n    `index` Nullable(UInt256),",
		"CREATE TABLE IF NOT EXISTS zoo_big_house_history AS zoo_big_house\n    ENGINE = ReplacingMergeTree(version, deleted) ORDER BY (chain, id, block_number)",
		"SELECT concat(toString(chain), ' Street ', id) AS key, concat(toString(version), ' ', toString(block_number), ' ', toString(deleted), ' ') AS row, chain, version FROM zoo_street;",
		"':', toString(`colour`), ifNull(concat(toString(length(toString(`index`))), ':', toString(`index`)), '-'), ",
		"ARRAY JOIN [xxHash64(concat(toString(chain), ' BigHouse ')), ifNull(xxHash64(concat(toString(chain), ' street ', `street`)), 0)] AS list WHERE",
		"SELECT list, 0 AS time, concat(id, ' Dog') AS target, chain, version\n    FROM zoo_dog ARRAY JOIN [ifNull(xxHash64(concat(toString(chain), ' house ', `house`)), 0)] AS list",
		"`friends` Array(String),\n    `age` Int64,\n    `good` Bool,")
	contains(t, rows, "package zoo\n", "Index     *big.Int `ch:\"index\"`", "House   *string", "Friends []string", "entity.ListOf(&r.Dog)",
		`table.Of("zoo_big_house_history", r.BigHouseHistory)`)
	if text := textOf(t, migration); strings.Contains(text, "zoo_dog_history") || strings.Contains(text, "`dogs`") {
		t.Error("what never changes has a history, or what is derived a column")
	}
}

// TestWhatMakesNoTableIsRefused lists definitions that look right to GraphQL.
func TestWhatMakesNoTableIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ definition, want string }{
		"nothing":         {``, "no entity"},
		"no id":           {`type A @entity { name: ID! }`, "first field has to be id"},
		"an id to come":   {`type A @entity { id: ID }`, "first field has to be id"},
		"a taken name":    {`type A @entity { id: ID! version: Int! }`, "every table has"},
		"a taken field":   {`type A @entity { id: ID! block: Int! }`, "every table has"},
		"a list or null":  {`type A @entity { id: ID! of: [ID!] }`, "a list cannot be null"},
		"unknown scalar":  {`type A @entity { id: ID! x: Unheard! }`, "no type of column"},
		"unknown type":    {`type A @entity { id: ID! x: Int! @column(type: "Decimal") }`, "no type of column"},
		"not even a type": {`type A @entity { id: IDEA! }`, "Undefined type"},
	} {
		if _, err := read(name, head+c.definition, "p"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func textOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func contains(t *testing.T, path string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if text := textOf(t, path); !strings.Contains(text, part) {
			t.Errorf("%s has no\n%s\nin\n%s", filepath.Base(path), part, text)
		}
	}
}
