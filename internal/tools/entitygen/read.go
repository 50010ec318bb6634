package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"assay/schema/graphql/subgraph"
)

// entity is a type that has a table.
type entity struct {
	Name      string // as defined
	Table     string
	Doc       string // its description, one sentence a line
	Immutable bool
	Columns   []column
}

// column is a stored field.
type column struct {
	Name     string // the field's
	Go       string // name of the struct's field
	Type     string // the database's, without Nullable
	Nullable bool
	List     bool
	Lookup   bool // entities are found by it: other entities have fields derived from it
}

// read returns the entities of the definitions, in their order.
func read(name, text, prefix string) ([]entity, error) {
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: name, Input: text})
	if err != nil {
		return nil, err
	}
	lookups := lookups(schema)
	var entities []entity
	for _, definition := range schema.Types {
		directive := definition.Directives.ForName("entity")
		if directive == nil {
			continue
		}
		e := entity{Name: definition.Name, Table: subgraph.Table(prefix, definition.Name), Doc: definition.Description}
		if immutable := directive.Arguments.ForName("immutable"); immutable != nil {
			e.Immutable = immutable.Value.Raw == "true"
		}
		for _, field := range definition.Fields {
			c, stored, err := columnOf(schema, field)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", definition.Name, field.Name, err)
			}
			if stored {
				c.Lookup = lookups[definition.Name+"."+field.Name]
				e.Columns = append(e.Columns, c)
			}
		}
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", definition.Name, err)
		}
		entities = append(entities, e)
	}
	slices.SortFunc(entities, func(a, b entity) int {
		return schema.Types[a.Name].Position.Start - schema.Types[b.Name].Position.Start
	})
	if len(entities) == 0 {
		return nil, fmt.Errorf("it defines no entity")
	}
	return entities, nil
}

// added are the columns that every table has beside its entity's fields.
var added = []string{"chain", "block_number", "version", "deleted"}

// viewed are the columns of the tables that views fill.
var viewed = []string{"key", "row", "list", "time", "target"}

// check refuses what would not make a table.
func (e *entity) check() error {
	if len(e.Columns) == 0 || e.Columns[0].Name != "id" || e.Columns[0].Nullable {
		return fmt.Errorf("the first field has to be id, and never null")
	}
	for _, c := range e.Columns {
		if slices.Contains(viewed, c.Name) {
			return fmt.Errorf("the field %s has the name of a column that views make", c.Name)
		}
		if slices.Contains(added, c.Name) || slices.Contains([]string{"Chain", "Block", "Version", "Deleted"}, c.Go) {
			return fmt.Errorf("the field %s has the name of a column that every table has", c.Name)
		}
	}
	return nil
}

// lookups are the fields ("Type.field") that others are derived from. A field of an
// interface stands for that of each of its types.
func lookups(schema *ast.Schema) map[string]bool {
	found := map[string]bool{}
	for _, definition := range schema.Types {
		for _, field := range definition.Fields {
			derived := field.Directives.ForName("derivedFrom")
			if derived == nil {
				continue
			}
			for _, target := range schema.GetPossibleTypes(schema.Types[field.Type.Name()]) {
				found[target.Name+"."+derived.Arguments.ForName("field").Value.Raw] = true
			}
		}
	}
	return found
}

// columnOf returns the column of a field; stored is false for one that is derived.
func columnOf(schema *ast.Schema, field *ast.FieldDefinition) (c column, stored bool, err error) {
	if field.Directives.ForName("derivedFrom") != nil {
		return c, false, nil
	}
	c = column{Name: field.Name, Go: exported(field.Name), Nullable: !field.Type.NonNull, List: field.Type.Elem != nil}
	if c.List && c.Nullable {
		return c, false, fmt.Errorf("a list cannot be null")
	}
	if directive := field.Directives.ForName("column"); directive != nil {
		c.Type = directive.Arguments.ForName("type").Value.Raw
	} else {
		c.Type = columnType(schema.Types[field.Type.Name()])
	}
	if _, known := goTypes[c.Type]; !known {
		return c, false, fmt.Errorf("no type of column for %s (%s)", field.Type.Name(), c.Type)
	}
	return c, true, nil
}

// columnType is the database's type for values of a GraphQL type.
func columnType(of *ast.Definition) string {
	switch of.Kind {
	case ast.Enum:
		return "LowCardinality(String)"
	case ast.Object, ast.Interface:
		return "String" // its id
	}
	switch of.Name {
	case "ID", "Bytes", "String":
		return "String"
	case "BigInt", "BigDecimal":
		return "UInt256"
	case "Int":
		return "Int64"
	case "Boolean":
		return "Bool"
	default:
		return ""
	}
}

// goTypes are the types of the values of columns.
var goTypes = map[string]string{
	"String": "string", "LowCardinality(String)": "string", "UInt256": "*big.Int", "UInt64": "uint64", "Int64": "int64", "Bool": "bool",
}

// GoType is the type of the column's values. Null is nil.
func (c column) GoType() string {
	t := goTypes[c.Type]
	switch {
	case c.List:
		return "[]" + t
	case c.Nullable && !strings.HasPrefix(t, "*"):
		return "*" + t
	default:
		return t
	}
}

// SQLType is the column's type as the table declares it.
func (c column) SQLType() string {
	switch {
	case c.List:
		return "Array(" + c.Type + ")"
	case c.Nullable:
		return "Nullable(" + c.Type + ")"
	default:
		return c.Type
	}
}

// Amount says whether the column's values are numbers that Go has no zero value for.
func (c column) Amount() bool { return c.Type == "UInt256" && !c.Nullable && !c.List }

// text is the column's value as the endpoint's statements spell it.
func (c column) text() string {
	switch {
	case c.List:
		return "toJSONString(" + quoted(c.Name) + ")"
	case c.Type == "String":
		return quoted(c.Name)
	default:
		return "toString(" + quoted(c.Name) + ")"
	}
}

// packed is the column's value in a packed row.
func (c column) packed() string {
	text := "toString(length(" + c.text() + ")), ':', " + c.text()
	if c.Nullable {
		return "ifNull(concat(" + text + "), '-')"
	}
	return text
}

// Packed is a row in one text, without its id.
func (e *entity) Packed() string {
	parts := []string{"toString(version), ' ', toString(block_number), ' ', toString(deleted), ' '"}
	for _, c := range e.Columns[1:] {
		parts = append(parts, c.packed())
	}
	return "concat(" + strings.Join(parts, ", ") + ")"
}

// Time is an entity's place in lists by time: that of a signed timestamp begins at -2⁶³.
func (e *entity) Time() string {
	switch i := slices.IndexFunc(e.Columns, func(c column) bool { return c.Name == "timestamp" }); {
	case i < 0:
		return "0"
	case e.Columns[i].Type == "UInt64":
		return "timestamp"
	default:
		return "bitXor(toUInt64(timestamp), 0x8000000000000000)"
	}
}

// Links are the lists that an entity is in: that of all of its type, if they have a time, and
// those of the entities that it refers to. 0 is of references to nothing.
func (e *entity) Links() string {
	var links []string
	if e.Time() != "0" {
		links = append(links, "xxHash64(concat(toString(chain), ' "+e.Name+" '))")
	}
	for _, c := range e.Columns {
		if c.Lookup && !c.List {
			links = append(links, "ifNull(xxHash64(concat(toString(chain), ' "+c.Name+" ', "+quoted(c.Name)+")), 0)")
		}
	}
	return strings.Join(links, ", ")
}

// exported spells a field's name as Go wants it.
func exported(name string) string {
	if name == "id" {
		return "ID"
	}
	if rest, found := strings.CutSuffix(name, "Id"); found {
		name = rest + "ID"
	}
	return strings.ToUpper(name[:1]) + name[1:]
}
