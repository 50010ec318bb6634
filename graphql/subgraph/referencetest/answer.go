package referencetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// answerer answers one document.
type answerer struct {
	world     *World
	document  *ast.QueryDocument
	variables map[string]any
	views     map[uint64]*view
}

// Ask answers a document's only operation with what data shall be: maps, lists, strings,
// json.Numbers, bools and nil. As with graph-node, a document that has an error anywhere
// has no data. Variables are JSON, an object or empty.
func (w *World) Ask(document string, variables []byte) (map[string]any, error) {
	parsed, err := parser.ParseQuery(&ast.Source{Input: document})
	if err != nil {
		return nil, err
	}
	if len(parsed.Operations) != 1 {
		return nil, errors.New("not exactly one operation")
	}
	a := &answerer{world: w, document: parsed, views: map[uint64]*view{}}
	operation := parsed.Operations[0]
	if operation.Operation != ast.Query {
		return nil, errors.New("only queries are answered")
	}
	if a.variables, err = variablesOf(operation, variables); err != nil {
		return nil, err
	}
	return a.query(operation.SelectionSet)
}

// variablesOf reads the declared variables; what else was sent is not looked at.
func variablesOf(operation *ast.OperationDefinition, sent []byte) (map[string]any, error) {
	given := map[string]any{}
	if len(sent) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(sent))
		decoder.UseNumber()
		if err := decoder.Decode(&given); err != nil {
			return nil, err
		}
	}
	variables := map[string]any{}
	for _, declared := range operation.VariableDefinitions {
		value, ok := given[declared.Variable]
		if !ok && declared.DefaultValue != nil {
			var err error
			if value, err = literal(declared.DefaultValue, nil); err != nil {
				return nil, err
			}
		}
		if value == nil && declared.Type.NonNull {
			return nil, fmt.Errorf("no value for $%s", declared.Variable)
		}
		variables[declared.Variable] = value
	}
	return variables, nil
}

// chosen is a field to answer, once for all that have its key.
type chosen struct {
	key, name  string
	arguments  ast.ArgumentList
	selections ast.SelectionSet
}

// choose collects the fields of a selection that hold for a type.
func (a *answerer) choose(set ast.SelectionSet, t *Type, into []chosen) ([]chosen, error) {
	var err error
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			if a.wanted(s.Directives) {
				into = add(into, s)
			}
		case *ast.InlineFragment:
			if a.wanted(s.Directives) && holdsFor(s.TypeCondition, t) {
				into, err = a.choose(s.SelectionSet, t, into)
			}
		case *ast.FragmentSpread:
			fragment := a.document.Fragments.ForName(s.Name)
			if fragment == nil {
				return nil, fmt.Errorf("no fragment %s", s.Name)
			}
			if a.wanted(s.Directives) && holdsFor(fragment.TypeCondition, t) {
				into, err = a.choose(fragment.SelectionSet, t, into)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return into, nil
}

func add(into []chosen, f *ast.Field) []chosen {
	i := slices.IndexFunc(into, func(c chosen) bool { return c.key == f.Alias })
	if i < 0 {
		return append(into, chosen{f.Alias, f.Name, f.Arguments, slices.Clone(f.SelectionSet)})
	}
	into[i].selections = append(into[i].selections, f.SelectionSet...)
	return into
}

func holdsFor(condition string, t *Type) bool {
	return t == nil || condition == "" || condition == t.Name || slices.Contains(t.Implements, condition)
}

// wanted obeys @skip and @include.
func (a *answerer) wanted(directives ast.DirectiveList) bool {
	for _, d := range directives {
		if d.Name != "skip" && d.Name != "include" {
			continue
		}
		value, err := literal(d.Arguments.ForName("if").Value, a.variables)
		if yes, _ := value.(bool); err != nil || yes == (d.Name == "skip") {
			return false
		}
	}
	return true
}

func (a *answerer) arguments(list ast.ArgumentList) (map[string]any, error) {
	arguments := map[string]any{}
	for _, argument := range list {
		value, err := literal(argument.Value, a.variables)
		if err != nil {
			return nil, err
		}
		arguments[argument.Name] = value
	}
	return arguments, nil
}

func (a *answerer) query(set ast.SelectionSet) (map[string]any, error) {
	fields, err := a.choose(set, nil, nil)
	if err != nil {
		return nil, err
	}
	data := map[string]any{}
	for _, f := range fields {
		if _, _, entities := a.world.Definition.root(f.name); entities && len(f.selections) == 0 {
			continue
		}
		if data[f.key], err = a.rootField(f); err != nil {
			return nil, fmt.Errorf("%s: %w", f.key, err)
		}
	}
	return data, nil
}

// ignored says whether a field that leads to entities selects nothing of them: graph-node
// leaves it out of the answer (graphql/src/execution/query.rs, expand_field).
func (a *answerer) ignored(t *Type, f chosen) bool {
	field, ok := t.Field(f.name)
	return ok && a.world.Definition.refers(field) && len(f.selections) == 0
}

func (a *answerer) rootField(f chosen) (any, error) {
	arguments, err := a.arguments(f.arguments)
	if err != nil {
		return nil, err
	}
	if f.name == "__typename" {
		return "Query", nil
	}
	block, err := a.world.constrained(arguments["block"])
	if err != nil {
		return nil, err
	}
	if f.name == "_meta" {
		return a.meta(f, block)
	}
	t, list, ok := a.world.Definition.root(f.name)
	if !ok {
		return nil, fmt.Errorf("Query has no field %s", f.name)
	}
	v := a.view(block)
	if list {
		return a.list(v, t, v.of(t), f, arguments)
	}
	return a.single(v, t, f, arguments)
}

func (a *answerer) view(block Block) *view {
	if a.views[block.Number] == nil {
		a.views[block.Number] = a.world.at(block)
	}
	return a.views[block.Number]
}

// constrained finds the block that an argument asks for.
func (w *World) constrained(argument any) (Block, error) {
	if argument == nil {
		return w.Head(), nil
	}
	object, ok := argument.(map[string]any)
	if !ok || len(object) > 1 {
		return Block{}, fmt.Errorf("block is %v", argument)
	}
	if hash, ok := object["hash"]; ok {
		return w.byHash(hash)
	}
	if number, ok := object["number_gte"]; ok {
		_, err := w.byNumber(number)
		return w.Head(), err
	}
	if number, ok := object["number"]; ok {
		block, err := w.byNumber(number)
		block.Hash = "" // graph-node does not look for it: see _Meta_.block in its meta.graphql
		return block, err
	}
	if len(object) > 0 {
		return Block{}, fmt.Errorf("block is %v", argument)
	}
	return w.Head(), nil
}

func (w *World) byHash(value any) (Block, error) {
	for _, b := range w.Blocks {
		if b.Hash == value {
			return b, nil
		}
	}
	return Block{}, fmt.Errorf("no block has the hash %v", value)
}

func (w *World) byNumber(value any) (Block, error) {
	number, _ := value.(json.Number)
	n, err := number.Int64()
	if err != nil || n < 0 || uint64(n) > w.Head().Number {
		return Block{}, fmt.Errorf("block %v is not there yet", value)
	}
	for _, b := range slices.Backward(w.Blocks) {
		if b.Number <= uint64(n) {
			b.Number = uint64(n)
			return b, nil
		}
	}
	return Block{Number: uint64(n)}, nil
}

// single finds an entity by its id.
func (a *answerer) single(v *view, t *Type, f chosen, arguments map[string]any) (any, error) {
	id, err := a.world.Definition.idOf(t, arguments["id"])
	if err != nil {
		return nil, err
	}
	if e := v.find(t, id); e != nil {
		return a.object(v, e, f.selections)
	}
	// What is not found has no fields that could be wrong, but the selection is checked.
	return nil, a.check(t, f.selections)
}

// idOf reads the id of a root that is one entity. One that is Bytes may be spelled as any.
func (d *Definition) idOf(t *Type, value any) (string, error) {
	id, err := d.coerce(value, "ID")
	if err != nil {
		return "", err
	}
	if id == nil {
		return "", errors.New("no id")
	}
	if of, _ := t.Field("id"); of.Type != "Bytes" {
		return id.(string), nil
	}
	read, err := d.coerce(id, "Bytes")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("0x%x", []byte(read.(bytesValue))), nil
}

// list answers a page of entities.
func (a *answerer) list(v *view, t *Type, all []*entity, f chosen, arguments map[string]any) (any, error) {
	page, err := a.world.Definition.pageOf(t, arguments)
	if err != nil {
		return nil, err
	}
	if err := a.check(t, f.selections); err != nil {
		return nil, err
	}
	answers := []any{}
	for _, e := range page.of(v, all) {
		answer, err := a.object(v, e, f.selections)
		if err != nil {
			return nil, err
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

// check refuses unknown fields and wrong arguments also where no entity meets them.
func (a *answerer) check(t *Type, set ast.SelectionSet) error {
	for _, concrete := range a.world.Definition.Entities(t) {
		fields, err := a.choose(set, concrete, nil)
		if err != nil {
			return err
		}
		for _, f := range fields {
			if err := a.checkField(concrete, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *answerer) checkField(t *Type, f chosen) error {
	if f.name == "__typename" {
		return nil
	}
	field, ok := t.Field(f.name)
	if !ok {
		return fmt.Errorf("%s has no field %s", t.Name, f.name)
	}
	target := a.world.Definition.Types[field.Type]
	if target == nil {
		return nil // whatever it selects (expand_field)
	}
	arguments, err := a.arguments(f.arguments)
	if err != nil {
		return err
	}
	if field.List {
		if _, err := a.world.Definition.pageOf(target, arguments); err != nil {
			return err
		}
	}
	return a.check(target, f.selections)
}

// object answers an entity's chosen fields.
func (a *answerer) object(v *view, e *entity, set ast.SelectionSet) (any, error) {
	fields, err := a.choose(set, e.of, nil)
	if err != nil {
		return nil, err
	}
	answer := map[string]any{}
	for _, f := range fields {
		if a.ignored(e.of, f) {
			continue
		}
		if answer[f.key], err = a.field(v, e, f); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", e.of.Name, f.name, err)
		}
	}
	return answer, nil
}

func (a *answerer) field(v *view, e *entity, f chosen) (any, error) {
	if f.name == "__typename" {
		return e.of.Name, nil
	}
	if err := a.checkField(e.of, f); err != nil {
		return nil, err
	}
	field, _ := e.of.Field(f.name)
	target := a.world.Definition.Types[field.Type]
	if target == nil {
		value := show(e.get(field.Name), field.Type)
		if value == nil && field.NonNull {
			return nil, errors.New("null in a field that has none")
		}
		return value, nil
	}
	reached := v.reached(e, field)
	if field.List {
		arguments, err := a.arguments(f.arguments)
		if err != nil {
			return nil, err
		}
		return a.list(v, target, reached, f, arguments)
	}
	switch {
	case len(reached) == 1:
		return a.object(v, reached[0], f.selections)
	case len(reached) > 1:
		return nil, errors.New("more than one entity refers to this one")
	case field.NonNull:
		return nil, errors.New("the entity is not there")
	default:
		return nil, nil
	}
}

// meta answers _meta about a block.
func (a *answerer) meta(f chosen, block Block) (any, error) {
	fields, err := a.choose(f.selections, nil, nil)
	if err != nil {
		return nil, err
	}
	answer := map[string]any{}
	for _, f := range fields {
		switch f.name {
		case "__typename":
			answer[f.key] = "_Meta_"
		case "deployment":
			answer[f.key] = a.world.Deployment
		case "hasIndexingErrors":
			answer[f.key] = false
		case "block":
			if answer[f.key], err = a.metaBlock(f, block); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("_Meta_ has no field %s", f.name)
		}
	}
	return answer, nil
}

func (a *answerer) metaBlock(f chosen, block Block) (any, error) {
	fields, err := a.choose(f.selections, nil, nil)
	if err != nil {
		return nil, err
	}
	answer := map[string]any{}
	for _, f := range fields {
		switch f.name {
		case "__typename":
			answer[f.key] = "_Block_"
		case "number":
			answer[f.key] = json.Number(fmt.Sprint(block.Number))
		case "timestamp":
			answer[f.key] = json.Number(fmt.Sprint(block.Time))
		case "hash":
			answer[f.key] = block.Hash
			if block.Hash == "" {
				answer[f.key] = nil
			}
		case "parentHash":
			answer[f.key] = block.Parent
		default:
			return nil, fmt.Errorf("_Block_ has no field %s", f.name)
		}
	}
	return answer, nil
}
