package subgraph

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// selection is one field of an answer, planned: what it is called there, what of the
// parent it is, and for entities which of them and what of each.
type selection struct {
	key    string // in the answer
	field  *Field // of the parent; nil for roots and __typename
	kind   selectionKind
	at     *ast.Position
	target *Type // entities that it leads to; nil: a value
	list   bool
	page   page
	id     string                 // of a root that is one entity
	block  block                  // at which a root is read
	below  map[*Type][]*selection // what to answer of each of the target's concrete types
	bare   bool                   // nothing but the target's id is asked for, which a reference tells
	other  []group                // what to answer of what is no entity: _meta and the schema
	within *ast.Definition        // type of other
	name   map[string]any         // arguments of other
}

type selectionKind int

const (
	ofEntity   selectionKind = iota // a field of an entity, or a root that leads to entities
	ofTypename                      // __typename
	ofMeta                          // _meta
	ofSchema                        // __schema and __type
)

// page is which of a list's entities are asked for.
type page struct {
	filter      filter
	narrow      filter // a condition on id that the filter's entities fulfil, and few others; nil: none
	own         bool   // the filter looks at no other entities
	order       *Field // nil: by id
	through     *Field // reference whose target order is a field of; nil: order is the entity's own
	descending  bool
	first, skip int

	// What a filter asks for that a run of candidates can hold (run.go).
	plain     bool       // nothing else
	reference *reference // nil: whatever they refer to
	low, high uint64     // of timestamp
	beyond    *string    // in order of ids: those after it
}

// reference is an entity that others refer to by a field.
type reference struct{ field, id string }

// block is at which block a root asks to be read: at most one is given.
type block struct {
	number, least *uint64
	hash          string
}

// Limits of graph-node (graphql/src/store/query.rs).
const (
	maxFirst = 1000
	maxSkip  = 1<<32 - 1
)

// planner plans one operation. It validates no more than graph-node does, for there are
// clients whose documents are wrong and work: variables may be undeclared or of another
// type, arguments unknown, strings stand for enums.
type planner struct {
	*Definition
	schema    *ast.Schema
	document  *ast.QueryDocument
	variables map[string]any
	faults    gqlerror.List
	planned   map[string]*selection
	left      int // selections that may still be planned
}

// maxSelections bounds a plan: of a document within the limits, fragments on interfaces
// spread out, it is never reached.
const maxSelections = 20_000

// prepare plans an operation.
func (d *Definition) prepare(schema *ast.Schema, document *ast.QueryDocument, operation *ast.OperationDefinition, given map[string]any) *prepared {
	p := &planner{Definition: d, schema: schema, document: document, planned: map[string]*selection{}, left: maxSelections}
	roots := p.plan(operation, given)
	return &prepared{p, roots, p.faults}
}

// plan plans an operation's roots.
func (p *planner) plan(operation *ast.OperationDefinition, given map[string]any) []*selection {
	if operation.Operation != ast.Query {
		p.fail(notSupported(operation))
		return nil
	}
	p.declare(operation, given)
	p.validate("Query", operation.SelectionSet, map[string]bool{})
	if len(p.faults) > 0 {
		return nil
	}
	var roots []*selection
	for _, g := range p.collect(p.schema.Query, operation.SelectionSet) {
		if root := p.root(g); root != nil {
			roots = append(roots, root)
		}
	}
	return roots
}

func (p *planner) fail(err *gqlerror.Error) { p.faults = append(p.faults, err) }

// declare takes the values of the declared variables.
func (p *planner) declare(operation *ast.OperationDefinition, given map[string]any) {
	p.variables = make(map[string]any, len(operation.VariableDefinitions))
	for _, declared := range operation.VariableDefinitions {
		definition := p.schema.Types[declared.Type.Name()]
		if definition == nil || !definition.IsInputType() {
			p.fail(fault(declared.Position, "Variable `%s` must have an input type", declared.Variable))
			continue
		}
		value, isGiven := given[declared.Variable]
		value = decoded(value)
		if !isGiven && declared.DefaultValue == nil {
			if declared.Type.NonNull {
				p.fail(fault(declared.Position, "No value provided for required variable `%s`", declared.Variable))
			}
			continue
		}
		if !isGiven {
			value = literal(declared.DefaultValue, nil)
		}
		coerced, ok := coerce(p.schema, value, declared.Type)
		if !ok {
			p.fail(invalidArgument(declared.Position, declared.Variable, value))
			continue
		}
		p.variables[declared.Variable] = coerced
	}
}

// validate finds fields, fragments and types that are not there.
func (p *planner) validate(typeName string, set ast.SelectionSet, seen map[string]bool) {
	definition := p.schema.Types[typeName]
	if definition == nil || !definition.IsCompositeType() {
		p.fail(unknownType(typeName))
		return
	}
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			p.validateField(definition, s, seen)
		case *ast.InlineFragment:
			condition := s.TypeCondition
			if condition == "" {
				condition = typeName
			}
			p.validate(condition, s.SelectionSet, seen)
		case *ast.FragmentSpread:
			fragment := p.document.Fragments.ForName(s.Name)
			if fragment == nil {
				p.fail(fault(nil, "fragment `%s` is not defined", s.Name))
			} else if !seen[s.Name] {
				seen[s.Name] = true
				p.validate(fragment.TypeCondition, fragment.SelectionSet, seen)
			}
		}
	}
}

func (p *planner) validateField(of *ast.Definition, f *ast.Field, seen map[string]bool) {
	if f.Name == "__typename" {
		return
	}
	field := of.Fields.ForName(f.Name)
	if field == nil {
		p.fail(unknownField(f.Position, of.Name, f.Name))
		return
	}
	if target := p.schema.Types[field.Type.Name()]; target.IsCompositeType() {
		p.validate(target.Name, f.SelectionSet, seen)
	}
}

// group is the fields that share a key of the answer.
type group struct {
	key    string
	fields []*ast.Field
}

// collect finds the fields that apply to a concrete type, in order, those that are to be
// skipped left out.
func (p *planner) collect(of *ast.Definition, sets ...ast.SelectionSet) []group {
	c := collector{planner: p, of: of, at: map[string]int{}, seen: map[string]bool{}}
	for _, set := range sets {
		c.add(set)
	}
	return c.groups
}

type collector struct {
	*planner
	of     *ast.Definition
	groups []group
	at     map[string]int
	seen   map[string]bool // fragments
}

func (c *collector) add(set ast.SelectionSet) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if !c.skipped(s.Directives) {
				c.take(s)
			}
		case *ast.InlineFragment:
			if !c.skipped(s.Directives) && c.applies(s.TypeCondition) {
				c.add(s.SelectionSet)
			}
		case *ast.FragmentSpread:
			fragment := c.document.Fragments.ForName(s.Name)
			if !c.skipped(s.Directives) && !c.seen[s.Name] && c.applies(fragment.TypeCondition) {
				c.seen[s.Name] = true
				c.add(fragment.SelectionSet)
			}
		}
	}
}

func (c *collector) take(f *ast.Field) {
	i, known := c.at[f.Alias]
	if !known {
		i = len(c.groups)
		c.at[f.Alias] = i
		c.groups = append(c.groups, group{key: f.Alias})
	}
	if g := &c.groups[i]; !known || g.fields[0].Name == f.Name {
		g.fields = append(g.fields, f)
	}
}

func (c *collector) applies(condition string) bool {
	return condition == "" || condition == c.of.Name || slices.Contains(c.of.Interfaces, condition)
}

func (p *planner) skipped(directives ast.DirectiveList) bool {
	is := func(name string) any {
		d := directives.ForName(name)
		if d == nil || d.Arguments.ForName("if") == nil {
			return nil
		}
		return literal(d.Arguments.ForName("if").Value, p.variables)
	}
	return is("skip") == true || is("include") == false
}

// sets are the selection sets of a group's fields.
func (g group) sets() []ast.SelectionSet {
	sets := make([]ast.SelectionSet, len(g.fields))
	for i, f := range g.fields {
		sets[i] = f.SelectionSet
	}
	return sets
}

func (g group) empty() bool {
	return !slices.ContainsFunc(g.fields, func(f *ast.Field) bool { return len(f.SelectionSet) > 0 })
}

// root plans a root field. Nil: graph-node leaves it out, as it selects nothing.
func (p *planner) root(g group) *selection {
	f := g.fields[0]
	s := &selection{key: g.key, at: f.Position}
	if f.Name == "__typename" {
		s.kind = ofTypename
		return s
	}
	field := p.schema.Query.Fields.ForName(f.Name)
	if g.empty() {
		return nil
	}
	arguments, ok := p.arguments(field, f)
	if !ok {
		return nil
	}
	s.block = p.blockOf(f, arguments["block"])
	switch definition := p.schema.Types[field.Type.Name()]; {
	case strings.HasPrefix(f.Name, "__"):
		s.kind, s.within, s.name = ofSchema, definition, arguments
		s.other = []group{g}
		return s
	case f.Name == "_meta":
		s.kind, s.within = ofMeta, definition
		s.other = []group{g}
		return s
	default:
		s.target, s.list = p.byName[definition.Name], field.Type.Elem != nil
	}
	if s.list {
		s.page = p.pageOf(s.target, arguments)
	} else {
		s.id = p.idOf(s.target, arguments["id"])
	}
	p.plunge(s, g)
	return s
}

// idOf reads the id of a root that is one entity.
func (p *planner) idOf(t *Type, value any) string {
	id, err := textOf(t.byName["id"], value)
	if err != nil {
		p.fail(err)
	}
	return id
}

// plunge plans what to answer of each concrete type that a selection leads to.
func (p *planner) plunge(s *selection, g group) {
	s.below = make(map[*Type][]*selection, len(s.target.Concrete))
	for _, t := range s.target.Concrete {
		for _, inner := range p.collect(p.schema.Types[t.Name], g.sets()...) {
			if planned := p.entityField(t, inner); planned != nil {
				s.below[t] = append(s.below[t], planned)
			}
		}
	}
	s.bare = !s.target.Interface && !slices.ContainsFunc(s.below[s.target], func(each *selection) bool {
		return each.kind != ofTypename && each.field.Name != "id"
	})
}

// entityField plans a field of an entity. The same fields of several entities that share
// an interface are planned once, so that they are read at once.
func (p *planner) entityField(t *Type, g group) *selection {
	f := g.fields[0]
	if f.Name == "__typename" {
		return &selection{key: g.key, kind: ofTypename}
	}
	field := t.byName[f.Name]
	if field.Target != nil && g.empty() {
		return nil // as graph-node does
	}
	signature := field.Named + " " + field.DerivedFrom
	for _, each := range g.fields {
		signature += fmt.Sprintf(" %p", each)
	}
	if known, ok := p.planned[signature]; ok {
		return known
	}
	if p.left--; p.left < 0 {
		return nil // never, within the limits of documents
	}
	s := &selection{key: g.key, field: field, at: f.Position, target: field.Target, list: field.List}
	p.planned[signature] = s
	if s.target == nil {
		return s
	}
	if s.list {
		arguments, ok := p.arguments(p.schema.Types[t.Name].Fields.ForName(f.Name), f)
		if !ok {
			return nil
		}
		s.page = p.pageOf(s.target, arguments)
	}
	p.plunge(s, g)
	return s
}

// arguments are a field's, coerced. Those that it does not have are left out.
func (p *planner) arguments(of *ast.FieldDefinition, f *ast.Field) (map[string]any, bool) {
	arguments, ok := map[string]any{}, true
	for _, definition := range of.Arguments {
		given := f.Arguments.ForName(definition.Name)
		switch {
		case given != nil:
			value := literal(given.Value, p.variables)
			coerced, fits := coerce(p.schema, value, definition.Type)
			if !fits {
				p.fail(invalidArgument(f.Position, definition.Name, value))
				ok = false
			}
			arguments[definition.Name] = coerced
		case definition.DefaultValue != nil:
			arguments[definition.Name] = literal(definition.DefaultValue, nil)
		case definition.Type.NonNull:
			p.fail(missingArgument(f.Position, definition.Name))
			ok = false
		}
	}
	return arguments, ok
}

// pageOf reads the arguments of a list.
func (p *planner) pageOf(t *Type, arguments map[string]any) page {
	pg := page{first: p.count("first", arguments["first"], 100, 1, maxFirst), skip: p.count("skip", arguments["skip"], 0, 0, maxSkip)}
	where, _ := arguments["where"].(map[string]any)
	filter, err := filterOf(t, where)
	if err != nil {
		p.fail(err)
	}
	pg.filter, pg.narrow, pg.own = filter, narrowed(t, where), !looksElsewhere(where)
	if order, given := arguments["orderBy"].(enum); given {
		p.order(&pg, t, string(order))
		pg.descending = arguments["orderDirection"] == enum("desc")
	}
	pg.plainly(t, where)
	return pg
}

// plainly looks whether a filter asks for no more than a run of candidates can hold.
func (p *page) plainly(t *Type, where map[string]any) {
	p.plain, p.high = true, math.MaxUint64
	for name, value := range where {
		text, isText := value.(string)
		f := t.byName[name]
		switch {
		case f != nil && f.Target != nil && isText && p.reference == nil && t.refers(name):
			id, _ := textOf(f, text)
			p.reference = &reference{name, id}
		case strings.HasPrefix(name, "timestamp_") && t.timed("UInt64"):
			p.plain = p.plain && p.bound(strings.TrimPrefix(name, "timestamp_"), value)
		case (name == "id_gt" && !p.descending || name == "id_lt" && p.descending) && len(where) == 1 && isText && p.ordering(t) == byID:
			id, err := textOf(t.byName["id"], text)
			p.beyond, p.plain = &id, p.plain && err == nil
		default:
			p.plain = false
		}
	}
}

// bound narrows the time that entities of a page have.
func (p *page) bound(operator string, value any) bool {
	text, isNumber := value.(number)
	n, err := strconv.ParseUint(string(text), 10, 63)
	if !isNumber || err != nil || n == 0 {
		return false
	}
	switch operator {
	case "gt":
		p.low = max(p.low, n+1)
	case "gte":
		p.low = max(p.low, n)
	case "lt":
		p.high = min(p.high, n-1)
	case "lte":
		p.high = min(p.high, n)
	default:
		return false
	}
	return true
}

func (p *planner) count(name string, value any, missing, least, most int64) int {
	given, isNumber := value.(number)
	if !isNumber {
		return int(missing)
	}
	n, err := strconv.ParseInt(string(given), 10, 64)
	if err != nil || n < least || n > most {
		p.fail(outOfRange(name, most, string(given)))
	}
	return int(n)
}

// order reads orderBy: a field of the entity, or one of the entity that a field refers to.
func (p *planner) order(pg *page, t *Type, name string) {
	own, of, isChild := strings.Cut(name, "__")
	pg.order = t.byName[own]
	if isChild {
		pg.through = pg.order
		pg.order = pg.through.Target.byName[of]
	}
	if pg.order.List || !pg.order.stored() {
		p.fail(fault(nil, "Ordering by `%s` is not supported for type `%s`", own, t.Name))
	}
}

// blockOf reads the argument block.
func (p *planner) blockOf(f *ast.Field, value any) (b block) {
	object, isObject := value.(map[string]any)
	if !isObject {
		return b
	}
	if hash, ok := object["hash"].(string); ok {
		text, err := textOf(&Field{Kind: KindBytes}, hash)
		if err != nil {
			p.fail(err)
		}
		b.hash = text
		return b
	}
	for name, place := range map[string]**uint64{"number": &b.number, "number_gte": &b.least} {
		if given, ok := object[name].(number); ok && (name == "number" || object["number"] == nil) {
			n, err := strconv.ParseUint(string(given), 10, 32)
			if err != nil {
				p.fail(invalidArgument(f.Position, "block", value))
			}
			*place = &n
		}
	}
	if b.number == nil && b.least == nil {
		p.fail(invalidArgument(f.Position, "block", value))
	}
	return b
}
