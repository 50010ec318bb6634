package subgraph

import (
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// measurer measures a document with a look at each fragment only once: fragments that
// spread others twice double with every level, and planning follows them.
type measurer struct {
	document *ast.QueryDocument
	known    map[string]size // of fragments
	begun    map[string]bool // fragments that are being measured
	cycle    string          // a fragment that spreads itself
}

// size is that of a selection, fragments spread out.
type size struct{ fields, depth, schemas int }

// ceiling is where sizes stop growing.
const ceiling = 1 << 30

// measure refuses documents that are too large for the limits, or for ever.
func measure(document *ast.QueryDocument, operation *ast.OperationDefinition, limits Limits) *gqlerror.Error {
	m := measurer{document: document, known: map[string]size{}, begun: map[string]bool{}}
	whole := m.set(operation.SelectionSet)
	switch {
	case m.cycle != "":
		return fault(nil, "query has fragment cycle including `%s`", m.cycle)
	case whole.depth > limits.Depth:
		return fault(nil, "query has a depth that exceeds the limit of `%d`", limits.Depth)
	case whole.fields > limits.Fields:
		return fault(nil, "query has more than `%d` fields, fragments spread out", limits.Fields)
	case whole.schemas > limits.Schemas:
		return fault(nil, "query asks for the schema more than `%d` times", limits.Schemas)
	}
	return nil
}

func (m *measurer) set(set ast.SelectionSet) (sum size) {
	for _, selection := range set {
		var one size
		switch s := selection.(type) {
		case *ast.Field:
			one = m.set(s.SelectionSet)
			one.fields++
			one.depth++
			if s.Name == "__schema" || s.Name == "__type" {
				one.schemas++
			}
		case *ast.InlineFragment:
			one = m.set(s.SelectionSet)
		case *ast.FragmentSpread:
			one = m.fragment(s.Name)
		}
		sum.fields = min(sum.fields+one.fields, ceiling)
		sum.depth = max(sum.depth, one.depth)
		sum.schemas = min(sum.schemas+one.schemas, ceiling)
	}
	return sum
}

func (m *measurer) fragment(name string) size {
	if m.begun[name] {
		m.cycle = name
		return size{}
	}
	known, done := m.known[name]
	if fragment := m.document.Fragments.ForName(name); !done && fragment != nil {
		m.begun[name] = true
		known = m.set(fragment.SelectionSet)
		m.begun[name] = false
		m.known[name] = known
	}
	return known
}
