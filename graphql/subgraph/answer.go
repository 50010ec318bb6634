package subgraph

import (
	"encoding/json"
	"strings"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// answer is JSON under construction, of a bounded size.
type answer struct {
	text   []byte
	most   int
	faults gqlerror.List
}

// over tells whether the answer has become too large, and says so once.
func (a *answer) over() bool {
	if len(a.text) <= a.most {
		return false
	}
	if a.text = a.text[:0]; a.most >= 0 {
		a.faults = gqlerror.List{fault(nil, "the result size is larger than the allowed limit of %d", a.most)}
		a.most = -1
	}
	return true
}

func (a *answer) key(i int, key string) {
	if i > 0 {
		a.text = append(a.text, ',')
	}
	a.string(key)
	a.text = append(a.text, ':')
}

// string writes text as JSON does. What needs no escapes is the rule.
func (a *answer) string(text string) {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			quoted, _ := json.Marshal(text) // strings always can be
			a.text = append(a.text, quoted...)
			return
		}
	}
	a.text = append(append(append(a.text, '"'), text...), '"')
}

// entity writes what was selected of an entity.
func (a *answer) entity(n *node, selected []*selection) {
	a.text = append(a.text, '{')
	for i, s := range selected {
		if a.over() {
			return
		}
		a.key(i, s.key)
		switch {
		case s.kind == ofTypename:
			a.string(n.of.Name)
		case s.target == nil:
			a.value(s.field, n.value(s.field.Name))
		default:
			a.entities(s, n.below[s])
		}
	}
	a.text = append(a.text, '}')
}

// entities writes those that a field leads to.
func (a *answer) entities(s *selection, found []*node) {
	if s.list {
		a.text = append(a.text, '[')
		for i, n := range found {
			if i > 0 {
				a.text = append(a.text, ',')
			}
			a.entity(n, s.below[n.of])
			if a.most < 0 {
				return
			}
		}
		a.text = append(a.text, ']')
		return
	}
	switch {
	case len(found) == 1:
		a.entity(found[0], s.below[found[0].of])
	case len(found) > 1:
		a.fail(ambiguous(s.at, s.field.Name, s.target.Name, s.field.DerivedFrom))
	case s.field != nil && s.field.NonNull:
		a.fail(nullValue(s.at, s.field.Name))
	default:
		a.text = append(a.text, "null"...)
	}
}

// maxFaults is how many errors one response tells of.
const maxFaults = 100

func (a *answer) fail(err *gqlerror.Error) {
	if len(a.faults) < maxFaults {
		a.faults = append(a.faults, err)
	}
	a.text = append(a.text, "null"...)
}

// value writes a stored value, which came as text.
func (a *answer) value(f *Field, text *string) {
	switch {
	case text == nil:
		a.text = append(a.text, "null"...)
	case f.List, f.Kind == KindInt, f.Kind == KindBoolean:
		a.text = append(a.text, *text...) // as JSON writes them
	case f.Kind == KindBigDecimal:
		a.string(rlc(*text))
	default:
		a.string(*text)
	}
}

// rlc is an amount of nRLC in RLC, exactly and without trailing zeros.
func rlc(nrlc string) string {
	const decimals = 9
	if len(nrlc) <= decimals {
		nrlc = strings.Repeat("0", decimals+1-len(nrlc)) + nrlc
	}
	whole, fraction := nrlc[:len(nrlc)-decimals], strings.TrimRight(nrlc[len(nrlc)-decimals:], "0")
	if fraction == "" {
		return whole
	}
	return whole + "." + fraction
}
