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
	Sorted   bool // rows are kept in its order, too
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
				c.Sorted = field.Directives.ForName("sorted") != nil
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

// check refuses what would not make a table.
func (e *entity) check() error {
	if len(e.Columns) == 0 || e.Columns[0].Name != "id" || e.Columns[0].Nullable {
		return fmt.Errorf("the first field has to be id, and never null")
	}
	for _, c := range e.Columns {
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

// SortedBy are the columns by which a column that is sorted is, after the chain.
func (e *entity) SortedBy(c column) string {
	by := quoted(c.Name) + ", `id`"
	if c.Name != "timestamp" && slices.ContainsFunc(e.Columns, func(c column) bool { return c.Name == "timestamp" }) {
		by = quoted(c.Name) + ", `timestamp`, `id`"
	}
	return by
}

// Settings are those that the table's projections need.
func (e *entity) Settings() string {
	if !slices.ContainsFunc(e.Columns, func(c column) bool { return c.Sorted }) {
		return ""
	}
	return ", deduplicate_merge_projection_mode = 'rebuild', allow_nullable_key = 1"
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
