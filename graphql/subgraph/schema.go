package subgraph

import (
	"fmt"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
)

// preamble is what every subgraph's schema has besides its entities (graph-node,
// graph/src/schema/meta.graphql).
const preamble = `
"Marks the GraphQL type as indexable entity.  Each type that should be an entity is required to be annotated with this directive."
directive @entity on OBJECT

"Defined a Subgraph ID for an object type"
directive @subgraphId(id: String!) on OBJECT

"creates a virtual field on the entity that may be queried but cannot be set manually through the mappings API."
directive @derivedFrom(field: String!) on FIELD_DEFINITION

scalar BigDecimal

scalar BigInt

scalar Bytes

"8 bytes signed integer"
scalar Int8

"A string representation of microseconds UNIX timestamp (16 digits)"
scalar Timestamp

"The type for the top-level _meta field"
type _Meta_ {
  "Information about a specific subgraph block. The hash of the block will be null if the _meta field has a block constraint that asks for a block number. It will be filled if the _meta field has no block constraint and therefore asks for the latest block"
  block: _Block_!
  "The deployment ID"
  deployment: String!
  "If true, the subgraph encountered indexing errors at some past block"
  hasIndexingErrors: Boolean!
}

type _Block_ {
  "The hash of the block"
  hash: Bytes
  "The block number"
  number: Int!
  "Integer representation of the timestamp stored in blocks for the chain"
  timestamp: Int
  "The hash of the parent block"
  parentHash: Bytes
}

input BlockChangedFilter {
  number_gte: Int!
}

"The block at which the query should be executed."
input Block_height {
  "Value containing a block hash"
  hash: Bytes
  "Value containing a block number"
  number: Int
  "Value containing the minimum block number. The query is executed on the latest block, if the subgraph has progressed to or past this number."
  number_gte: Int
}

enum _SubgraphErrorPolicy_ {
  "Data will be returned even if the subgraph has indexing errors"
  allow
  "If the subgraph has indexing errors, data will be omitted. The default."
  deny
}

"Defines the order direction, either ascending or descending"
enum OrderDirection {
  asc
  desc
}

enum Aggregation_interval {
  hour
  day
}
`

const (
	blockArgument = `"The block at which the query should be executed. Can either be a { hash: Bytes } value containing a block hash, a { number: Int } containing the block number, or a { number_gte: Int } containing the minimum block number. In the case of number_gte, the query will be executed on the latest block only if the subgraph has progressed to or past the minimum block number. Defaults to the latest block when omitted." block: Block_height`
	errorArgument = `"Set to allow to receive data even if the subgraph has skipped over errors while syncing." subgraphError: _SubgraphErrorPolicy_! = deny`
)

// Schema is the schema that graph-node would serve for the definition: its entities, the
// roots to ask for them, and the types of their arguments.
func (d *Definition) Schema() (*ast.Schema, error) {
	document, err := parser.ParseSchemas(validator.Prelude, &ast.Source{Name: "subgraph", Input: preamble + d.roots() + d.arguments()})
	if err != nil {
		return nil, fmt.Errorf("making the served schema: %w", err)
	}
	document.Definitions = append(document.Definitions, d.served()...)
	schema, err := validator.ValidateSchemaDocument(document)
	if err != nil {
		return nil, fmt.Errorf("making the served schema: %w", err)
	}
	return schema, nil
}

// served are the entities as clients see them: lists of entities take arguments, and what
// is ours alone (columns, scalars declared twice) is gone.
func (d *Definition) served() ast.DefinitionList {
	var list ast.DefinitionList
	for _, source := range d.source {
		if source.Kind == ast.Scalar {
			continue
		}
		definition := *source
		definition.Directives, definition.Fields = nil, nil
		for _, field := range source.Fields {
			served := *field
			served.Directives = nil
			if f := d.byName[source.Name].byName[field.Name]; f.List && f.Target != nil {
				served.Arguments = collectionArguments(f.Target.Name)
			}
			definition.Fields = append(definition.Fields, &served)
		}
		list = append(list, &definition)
	}
	return list
}

// collectionArguments are the arguments of a list of entities below another entity.
func collectionArguments(name string) ast.ArgumentDefinitionList {
	argument := func(name, kind, value string) *ast.ArgumentDefinition {
		a := &ast.ArgumentDefinition{Name: name, Type: ast.NamedType(kind, nil)}
		if value != "" {
			a.DefaultValue = &ast.Value{Kind: ast.IntValue, Raw: value}
		}
		return a
	}
	return ast.ArgumentDefinitionList{
		argument("skip", "Int", "0"), argument("first", "Int", "100"), argument("orderBy", name+"_orderBy", ""),
		argument("orderDirection", "OrderDirection", ""), argument("where", name+"_filter", ""),
	}
}

// roots is the type Query.
func (d *Definition) roots() string {
	var s strings.Builder
	s.WriteString("type Query {\n")
	for _, t := range d.entitiesFirst() {
		fmt.Fprintf(&s, "%s(id: ID!, %s, %s): %s\n", camelCase(t.Name), blockArgument, errorArgument, t.Name)
		fmt.Fprintf(&s, "%s(skip: Int = 0, first: Int = 100, orderBy: %s_orderBy, orderDirection: OrderDirection, where: %s_filter, %s, %s): [%s!]!\n",
			camelCase(plural(t.Name)), t.Name, t.Name, blockArgument, errorArgument, t.Name)
	}
	s.WriteString("\"Access to subgraph metadata\"\n_meta(block: Block_height): _Meta_\n}\n")
	return s.String()
}

// entitiesFirst are the types in the order in which graph-node names their roots.
func (d *Definition) entitiesFirst() []*Type {
	var entities, interfaces []*Type
	for _, t := range d.Types {
		if t.Interface {
			interfaces = append(interfaces, t)
		} else {
			entities = append(entities, t)
		}
	}
	return append(entities, interfaces...)
}

// arguments are the types of orderBy and where.
func (d *Definition) arguments() string {
	var s strings.Builder
	for _, t := range d.entitiesFirst() {
		fmt.Fprintf(&s, "enum %s_orderBy {\n", t.Name)
		for _, f := range t.Fields {
			fmt.Fprintf(&s, "%s\n", f.Name)
			for _, child := range f.sortable() {
				fmt.Fprintf(&s, "%s__%s\n", f.Name, child.Name)
			}
		}
		fmt.Fprintf(&s, "}\ninput %s_filter {\n", t.Name)
		for _, f := range t.Fields {
			for _, input := range f.filters() {
				fmt.Fprintf(&s, "%s: %s\n", input.name, input.kind)
			}
		}
		fmt.Fprintf(&s, "\"Filter for the block changed event.\" _change_block: BlockChangedFilter\nand: [%s_filter]\nor: [%s_filter]\n}\n", t.Name, t.Name)
	}
	return s.String()
}

// sortable are the fields of the one entity referred to by which can be sorted.
func (f *Field) sortable() []*Field {
	if f.Target == nil || f.List {
		return nil
	}
	var fields []*Field
	for _, child := range f.Target.Fields {
		if !child.List && child.Target == nil {
			fields = append(fields, child)
		}
	}
	return fields
}

// input is a field of a filter's type.
type input struct{ name, kind string }

// filters are the fields that a field makes in the filter of its entity (graph-node,
// field_filter_input_values).
func (f *Field) filters() []input {
	var inputs []input
	if f.stored() {
		for _, suffix := range f.suffixes() {
			inputs = append(inputs, input{f.Name + suffix, f.filterType(suffix)})
		}
	}
	if f.Target != nil {
		inputs = append(inputs, input{f.Name + "_", f.Target.Name + "_filter"})
	}
	return inputs
}

// filterType is the type of what a stored field is compared with.
func (f *Field) filterType(suffix string) string {
	value := f.Named
	if f.Target != nil {
		value = "String"
	}
	if f.List || suffix == "_in" || suffix == "_not_in" {
		return "[" + value + "!]"
	}
	return value
}

var (
	listSuffixes     = []string{"", "_not", "_contains", "_contains_nocase", "_not_contains", "_not_contains_nocase"}
	equalitySuffixes = []string{"", "_not", "_in", "_not_in"}
	numberSuffixes   = []string{"", "_not", "_gt", "_lt", "_gte", "_lte", "_in", "_not_in"}
	bytesSuffixes    = append(numberSuffixes[:8:8], "_contains", "_not_contains")
	stringSuffixes   = append(numberSuffixes[:8:8], "_contains", "_contains_nocase", "_not_contains", "_not_contains_nocase",
		"_starts_with", "_starts_with_nocase", "_not_starts_with", "_not_starts_with_nocase",
		"_ends_with", "_ends_with_nocase", "_not_ends_with", "_not_ends_with_nocase")
)

// suffixes are the comparisons that a stored field knows.
func (f *Field) suffixes() []string {
	switch {
	case f.List:
		return listSuffixes
	case f.Kind == KindEnum, f.Kind == KindBoolean:
		return equalitySuffixes
	case f.Kind == KindBytes:
		return bytesSuffixes
	case f.Kind == KindString, f.Kind == KindReference:
		return stringSuffixes
	}
	return numberSuffixes
}
