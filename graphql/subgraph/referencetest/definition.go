package referencetest

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// Definition is what a subgraph's entity definition says.
type Definition struct {
	Types map[string]*Type
	Names []string            // of Types, in the order of the definition
	Enums map[string][]string // values in the order of the definition
}

// Type is an entity or an interface of entities.
type Type struct {
	Name       string
	Interface  bool
	Immutable  bool // never changes once it is there
	Implements []string
	Fields     []Field
}

// Field is a field of an entity.
type Field struct {
	Name        string
	Type        string // named type
	List        bool
	NonNull     bool
	DerivedFrom string // field of Type that refers to this entity; empty: stored
	Column      string // @column's type; empty: as the type says
}

// Parse reads an entity definition, which must be right.
func Parse(sdl string) (*Definition, error) {
	document, err := parser.ParseSchema(&ast.Source{Input: sdl})
	if err != nil {
		return nil, fmt.Errorf("reading the entity definition: %w", err)
	}
	d := &Definition{Types: map[string]*Type{}, Enums: map[string][]string{}}
	for _, definition := range document.Definitions {
		switch definition.Kind {
		case ast.Enum:
			for _, value := range definition.EnumValues {
				d.Enums[definition.Name] = append(d.Enums[definition.Name], value.Name)
			}
		case ast.Object, ast.Interface:
			d.Names = append(d.Names, definition.Name)
			d.Types[definition.Name] = typeOf(definition)
		}
	}
	return d, nil
}

func typeOf(definition *ast.Definition) *Type {
	t := &Type{Name: definition.Name, Interface: definition.Kind == ast.Interface, Implements: definition.Interfaces}
	if entity := definition.Directives.ForName("entity"); entity != nil {
		immutable := entity.Arguments.ForName("immutable")
		t.Immutable = immutable != nil && immutable.Value.Raw == "true"
	}
	for _, f := range definition.Fields {
		field := Field{Name: f.Name, Type: f.Type.Name(), List: f.Type.Elem != nil, NonNull: f.Type.NonNull}
		field.DerivedFrom = argument(f, "derivedFrom", "field")
		field.Column = argument(f, "column", "type")
		t.Fields = append(t.Fields, field)
	}
	return t
}

func argument(field *ast.FieldDefinition, directive, name string) string {
	if d := field.Directives.ForName(directive); d != nil {
		if a := d.Arguments.ForName(name); a != nil {
			return a.Value.Raw
		}
	}
	return ""
}

// Field finds a field.
func (t *Type) Field(name string) (Field, bool) {
	i := slices.IndexFunc(t.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{}, false
	}
	return t.Fields[i], true
}

// Entities are the entities that a type stands for: itself, or those that implement it.
func (d *Definition) Entities(t *Type) []*Type {
	if !t.Interface {
		return []*Type{t}
	}
	var found []*Type
	for _, name := range d.Names {
		if slices.Contains(d.Types[name].Implements, t.Name) {
			found = append(found, d.Types[name])
		}
	}
	return found
}

// refers says whether a field leads to entities.
func (d *Definition) refers(f Field) bool { return d.Types[f.Type] != nil }

// kindOf is the type of a field's values, of a reference's that of the ids: they are Bytes
// or compare as strings do.
func (d *Definition) kindOf(f Field) string {
	target := d.Types[f.Type]
	if target == nil {
		return f.Type
	}
	if id, _ := target.Field("id"); id.Type == "Bytes" {
		return "Bytes"
	}
	return "String"
}

// plurals are the collections whose names do not simply get an s. graph-node makes them
// with the crate Inflector, whose rules give bulkSliceice.
var plurals = map[string]string{
	"category": "categories", "bulkSlice": "bulkSliceice", "taskConsensus": "taskConsensuses",
	"schemaEntry": "schemaEntries",
}

// Singular is the root field that finds one entity of a type.
func Singular(name string) string {
	first := []rune(name)
	first[0] = unicode.ToLower(first[0])
	return string(first)
}

// Plural is the root field that lists entities of a type.
func Plural(name string) string {
	singular := Singular(name)
	if plural, ok := plurals[singular]; ok {
		return plural
	}
	return singular + "s"
}

// root finds the type that a root field is about.
func (d *Definition) root(field string) (t *Type, list, ok bool) {
	for _, name := range d.Names {
		switch field {
		case Singular(name):
			return d.Types[name], false, true
		case Plural(name):
			return d.Types[name], true, true
		}
	}
	return nil, false, false
}

// Suffixes are the filters of a stored field, by graph-node's table (graph/src/schema/api.rs:
// field_scalar_filter_input_values, field_enum_filter_input_values,
// field_list_filter_input_values).
func (d *Definition) Suffixes(f Field) []string {
	plain := []string{"", "not", "in", "not_in"}
	compared := []string{"", "not", "gt", "lt", "gte", "lte", "in", "not_in"}
	text := []string{
		"contains", "contains_nocase", "not_contains", "not_contains_nocase", "starts_with", "starts_with_nocase",
		"not_starts_with", "not_starts_with_nocase", "ends_with", "ends_with_nocase", "not_ends_with", "not_ends_with_nocase",
	}
	switch {
	case f.DerivedFrom != "":
		return nil
	case f.List:
		return []string{"", "not", "contains", "contains_nocase", "not_contains", "not_contains_nocase"}
	case f.Type == "Boolean" || d.Enums[f.Type] != nil:
		return plain
	case f.Type == "Bytes":
		return append(compared, "contains", "not_contains")
	case f.Type == "String" || d.refers(f):
		return append(compared, text...)
	default:
		return compared
	}
}

// splitFilter takes a filter's name apart. The longest field that fits wins, so that a
// field whose own name ends like a suffix is found.
func (d *Definition) splitFilter(t *Type, name string) (f Field, suffix string, ok bool) {
	if f, ok := t.Field(name); ok {
		return f, "", true
	}
	for i := len(name) - 1; i > 0; i-- {
		if name[i] != '_' {
			continue
		}
		if f, ok := t.Field(name[:i]); ok {
			suffix := strings.TrimPrefix(name[i:], "_")
			if suffix == "" {
				suffix = child
			}
			return f, suffix, true
		}
	}
	return Field{}, "", false
}

// child is the suffix of a filter by the entities that a field leads to: field_: {...}.
const child = "_"
