package subgraph

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	definitions "assay/schema/graphql/subgraph"
)

// Definition is what a subgraph holds: its entities, as a file of definitions in
// graph-node's manner says it.
type Definition struct {
	Types  []*Type // in order of the file, interfaces among them
	byName map[string]*Type
	enums  map[string][]string
	source ast.DefinitionList
}

// Type is an entity, or an interface that entities implement.
type Type struct {
	Name      string
	Interface bool
	Immutable bool   // its rows never change, so they have no history
	Table     string // of an entity
	prefix    string // of all tables
	Fields    []*Field
	Concrete  []*Type // entities that it stands for: itself, or those that implement it
	byName    map[string]*Field
	columns   []string       // of the table, in its order: id is the first
	places    map[string]int // of columns
}

// Field is a field of an entity.
type Field struct {
	Name        string
	Kind        Kind
	List        bool
	NonNull     bool
	Named       string // its type without list and non-null
	Target      *Type  // that it refers to, nil for a value
	DerivedFrom string // field of the target that refers back; empty: stored
	Column      string // ClickHouse's type of the column, without Nullable
	Enum        []string
	listed      bool // there are lists of the entities that refer to one by it
}

// Kind is how values of a field are written, compared and filtered.
type Kind int

// The kinds of fields. Enums and references to other entities are kinds of their own;
// in the database both are strings.
const (
	KindID Kind = iota
	KindString
	KindBytes
	KindBigInt
	KindBigDecimal
	KindInt
	KindInt8
	KindBoolean
	KindEnum
	KindReference
)

// scalars are the kinds by the names of their types, with the column's usual type.
var scalars = map[string]struct {
	kind   Kind
	column string
}{
	"ID":         {KindID, "String"},
	"String":     {KindString, "String"},
	"Bytes":      {KindBytes, "String"},
	"BigInt":     {KindBigInt, "UInt256"},
	"BigDecimal": {KindBigDecimal, "UInt256"},
	"Int":        {KindInt, "Int32"},
	"Int8":       {KindInt8, "Int64"},
	"Boolean":    {KindBoolean, "Bool"},
}

// ParseDefinition reads a file of definitions. Tables are named prefix_<entity in snake
// case>.
func ParseDefinition(text, prefix string) (*Definition, error) {
	document, err := parser.ParseSchema(&ast.Source{Name: prefix, Input: text})
	if err != nil {
		return nil, fmt.Errorf("reading the definition of the entities: %w", err)
	}
	d := &Definition{byName: map[string]*Type{}, enums: map[string][]string{}, source: document.Definitions}
	for _, definition := range document.Definitions {
		d.declare(definition, prefix)
	}
	for _, definition := range document.Definitions {
		if err := d.fill(definition); err != nil {
			return nil, fmt.Errorf("type %s: %w", definition.Name, err)
		}
	}
	return d, d.check()
}

// declare makes a type known by its name, so that others can refer to it.
func (d *Definition) declare(definition *ast.Definition, prefix string) {
	switch definition.Kind {
	case ast.Enum:
		for _, value := range definition.EnumValues {
			d.enums[definition.Name] = append(d.enums[definition.Name], value.Name)
		}
	case ast.Object, ast.Interface:
		t := &Type{Name: definition.Name, prefix: prefix, Interface: definition.Kind == ast.Interface, byName: map[string]*Field{}, places: map[string]int{}}
		if !t.Interface {
			t.Concrete, t.Table = []*Type{t}, definitions.Table(prefix, t.Name)
		}
		if entity := definition.Directives.ForName("entity"); entity != nil {
			immutable := entity.Arguments.ForName("immutable")
			t.Immutable = immutable != nil && immutable.Value.Raw == "true"
		}
		d.Types = append(d.Types, t)
		d.byName[t.Name] = t
	}
}

func (d *Definition) fill(definition *ast.Definition) error {
	t := d.byName[definition.Name]
	if t == nil {
		return nil
	}
	for _, name := range definition.Interfaces {
		face := d.byName[name]
		if face == nil || !face.Interface {
			return fmt.Errorf("implements %s, which is no interface", name)
		}
		face.Concrete = append(face.Concrete, t)
	}
	for _, source := range definition.Fields {
		field, err := d.field(source)
		if err != nil {
			return fmt.Errorf("field %s: %w", source.Name, err)
		}
		t.Fields = append(t.Fields, field)
		t.byName[field.Name] = field
		if field.stored() {
			t.places[field.Name] = len(t.columns)
			t.columns = append(t.columns, field.Name)
		}
	}
	return nil
}

func (d *Definition) field(source *ast.FieldDefinition) (*Field, error) {
	f := &Field{Name: source.Name, Named: source.Type.Name(), List: source.Type.Elem != nil, NonNull: source.Type.NonNull}
	scalar, isScalar := scalars[f.Named]
	switch {
	case isScalar:
		f.Kind, f.Column = scalar.kind, scalar.column
	case d.enums[f.Named] != nil:
		f.Kind, f.Column, f.Enum = KindEnum, "String", d.enums[f.Named]
	case d.byName[f.Named] != nil:
		f.Kind, f.Column, f.Target = KindReference, "String", d.byName[f.Named]
	default:
		return nil, fmt.Errorf("its type %s is not defined", f.Named)
	}
	if column := source.Directives.ForName("column"); column != nil {
		kind := column.Arguments.ForName("type")
		if kind == nil {
			return nil, errors.New("@column names no type")
		}
		f.Column = kind.Value.Raw
	}
	if f.number() && !numberColumn.MatchString(f.Column) {
		return nil, fmt.Errorf("its column's type %s holds no whole numbers", f.Column)
	}
	if derived := source.Directives.ForName("derivedFrom"); derived != nil {
		from := derived.Arguments.ForName("field")
		if from == nil || f.Target == nil {
			return nil, errors.New("@derivedFrom needs the field of an entity")
		}
		f.DerivedFrom = from.Value.Raw
	}
	return f, nil
}

var numberColumn = regexp.MustCompile(`^U?Int(8|16|32|64|128|256)$`)

// number tells whether values of the field are numbers.
func (f *Field) number() bool { return f.Kind >= KindBigInt && f.Kind <= KindInt8 }

// bytes tells whether values of the field are Bytes, or references to what such ids name.
func (f *Field) bytes() bool {
	return f.Kind == KindBytes || f.Target != nil && f.Target.byName["id"].Kind == KindBytes
}

// check makes sure that the compiler can trust the definition: what it will take for
// columns is there.
func (d *Definition) check() error {
	for _, t := range d.Types {
		if id := t.byName["id"]; id == nil || id.List || !id.NonNull {
			return fmt.Errorf("type %s: it has no id", t.Name)
		}
		if len(t.Concrete) == 0 {
			return fmt.Errorf("interface %s: no entity implements it", t.Name)
		}
		for _, f := range t.Fields {
			if err := checkField(t, f); err != nil {
				return fmt.Errorf("type %s: field %s: %w", t.Name, f.Name, err)
			}
		}
	}
	return nil
}

func checkField(t *Type, f *Field) error {
	if !plainName(f.Name) || strings.HasPrefix(f.Name, "_") {
		return errors.New("its name cannot name a column")
	}
	if f.DerivedFrom != "" {
		for _, child := range f.Target.Concrete {
			back := child.byName[f.DerivedFrom]
			if back == nil || back.Target == nil || back.DerivedFrom != "" {
				return fmt.Errorf("it is derived from %s.%s, which is no stored reference", child.Name, f.DerivedFrom)
			}
			back.listed = !back.List
		}
	}
	for _, concrete := range t.Concrete {
		if own := concrete.byName[f.Name]; own == nil || own.Kind != f.Kind || own.List != f.List {
			return fmt.Errorf("%s has no such field", concrete.Name)
		}
	}
	return nil
}

// plainName tells whether a name can stand in SQL without quotes.
func plainName(name string) bool {
	for i, r := range name {
		if !(r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || i > 0 && r >= '0' && r <= '9') {
			return false
		}
	}
	return name != ""
}

// stored tells whether the field is a column.
func (f *Field) stored() bool { return f.DerivedFrom == "" }
