package referencetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// filter decides about an entity.
type filter func(v *view, e *entity) bool

// filterOf reads a where argument about a type.
func (d *Definition) filterOf(t *Type, where any) (filter, error) {
	if where == nil {
		return func(*view, *entity) bool { return true }, nil
	}
	object, ok := where.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("where is no object: %v", where)
	}
	if err := orAlone(object); err != nil {
		return nil, err
	}
	var all []filter
	for name, value := range object {
		one, err := d.condition(t, name, value)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return every(all), nil
}

// orAlone refuses an or beside filters by fields: graph-node's InvalidOrFilterStructure.
func orAlone(object map[string]any) error {
	if _, ok := object["or"]; !ok {
		return nil
	}
	for name := range object {
		if name != "or" && name != "and" && name != "_change_block" {
			return fmt.Errorf("the filter %s stands beside an or", name)
		}
	}
	return nil
}

func every(all []filter) filter {
	return func(v *view, e *entity) bool {
		return !slices.ContainsFunc(all, func(f filter) bool { return !f(v, e) })
	}
}

func some(any []filter) filter {
	return func(v *view, e *entity) bool {
		return slices.ContainsFunc(any, func(f filter) bool { return f(v, e) })
	}
}

func (d *Definition) condition(t *Type, name string, value any) (filter, error) {
	switch name {
	case "and", "or":
		return d.combined(t, name, value)
	case "_change_block":
		return changed(value)
	}
	field, suffix, ok := d.splitFilter(t, name)
	if !ok {
		return nil, fmt.Errorf("%s has no filter %s", t.Name, name)
	}
	if suffix == child && d.refers(field) {
		return d.byChild(field, value)
	}
	if !slices.Contains(d.Suffixes(field), suffix) {
		return nil, fmt.Errorf("%s has no filter %s", t.Name, name)
	}
	if field.List {
		return d.byList(field, suffix, value)
	}
	return d.byValue(field, suffix, value)
}

// combined: an empty and holds, an empty or does not.
func (d *Definition) combined(t *Type, name string, value any) (filter, error) {
	list, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("%s is no list: %v", name, value)
	}
	var parts []filter
	for _, element := range list {
		part, err := d.filterOf(t, element)
		if err != nil || element == nil {
			return nil, fmt.Errorf("in %s: %v: %w", name, element, err)
		}
		parts = append(parts, part)
	}
	if name == "or" {
		return some(parts), nil
	}
	return every(parts), nil
}

// changed: entities that changed in a block or later.
func changed(value any) (filter, error) {
	object, _ := value.(map[string]any)
	number, ok := object["number_gte"].(json.Number)
	if !ok {
		return nil, fmt.Errorf("_change_block has no number_gte: %v", value)
	}
	from, err := number.Int64()
	if err != nil {
		return nil, err
	}
	return func(_ *view, e *entity) bool { return int64(e.changed) >= from }, nil
}

// byChild: some entity that the field leads to fulfils a filter.
func (d *Definition) byChild(field Field, value any) (filter, error) {
	if value == nil {
		return nil, fmt.Errorf("%s_ is null", field.Name)
	}
	inner, err := d.filterOf(d.Types[field.Type], value)
	if err != nil {
		return nil, err
	}
	return func(v *view, e *entity) bool {
		return slices.ContainsFunc(v.reached(e, field), func(c *entity) bool { return inner(v, c) })
	}, nil
}

// byList: equality is that of arrays, contains means all of them, not_contains none of
// them; case is never ignored (relational_queries.rs: contains, with @> and &&).
func (d *Definition) byList(field Field, suffix string, value any) (filter, error) {
	if value == nil {
		return nil, fmt.Errorf("%s_%s is null", field.Name, suffix)
	}
	list, err := d.coerceList(value, d.kindOf(field))
	if err != nil {
		return nil, err
	}
	var want []string
	for _, element := range list {
		want = append(want, element.(string))
	}
	return func(_ *view, e *entity) bool {
		have, _ := e.get(field.Name).([]string)
		in := func(id string) bool { return slices.Contains(have, id) }
		switch suffix {
		case "":
			return slices.Equal(have, want)
		case "not":
			return !slices.Equal(have, want)
		case "contains", "contains_nocase":
			return !slices.ContainsFunc(want, func(id string) bool { return !in(id) })
		default:
			return !slices.ContainsFunc(want, in)
		}
	}, nil
}

// byValue: null is only found by asking for null, as in SQL.
func (d *Definition) byValue(field Field, suffix string, value any) (filter, error) {
	if suffix == "in" || suffix == "not_in" {
		return d.byMembership(field, suffix == "in", value)
	}
	want, err := d.coerce(value, d.kindOf(field))
	if err != nil {
		return nil, err
	}
	if want == nil {
		return byNull(field, suffix)
	}
	if _, isBytes := want.(bytesValue); isBytes && strings.Contains(suffix, "s_with") {
		return nil, fmt.Errorf("%s holds Bytes, which neither start nor end with text", field.Name)
	}
	return func(_ *view, e *entity) bool {
		have := e.get(field.Name)
		return have != nil && fulfils(comparableOf(have, d.kindOf(field)), suffix, want)
	}, nil
}

func byNull(field Field, suffix string) (filter, error) {
	switch suffix {
	case "":
		return func(_ *view, e *entity) bool { return e.get(field.Name) == nil }, nil
	case "not":
		return func(_ *view, e *entity) bool { return e.get(field.Name) != nil }, nil
	default:
		return nil, fmt.Errorf("%s_%s is null", field.Name, suffix)
	}
}

// byMembership: neither finds null, and nothing is in or not in an empty list
// (relational_queries.rs: in_array).
func (d *Definition) byMembership(field Field, in bool, value any) (filter, error) {
	list, err := d.coerceList(value, d.kindOf(field))
	if err != nil {
		return nil, err
	}
	return func(_ *view, e *entity) bool {
		stored := e.get(field.Name)
		if stored == nil || len(list) == 0 {
			return false
		}
		have := comparableOf(stored, d.kindOf(field))
		return in == slices.ContainsFunc(list, func(want any) bool { return compare(have, want) == 0 })
	}, nil
}

func fulfils(have any, suffix string, want any) bool {
	switch suffix {
	case "":
		return compare(have, want) == 0
	case "not":
		return compare(have, want) != 0
	case "gt":
		return compare(have, want) > 0
	case "lt":
		return compare(have, want) < 0
	case "gte":
		return compare(have, want) >= 0
	case "lte":
		return compare(have, want) <= 0
	}
	positive, negated := strings.CutPrefix(suffix, "not_")
	if b, ok := have.(bytesValue); ok { // only contains, by whole bytes
		return bytes.Contains(b, want.(bytesValue)) != negated
	}
	return textual(have.(string), positive, want.(string)) != negated
}

// textual matches as PostgreSQL's LIKE does the patterns that graph-node makes: a client's
// own % and _ are not escaped, and contains takes a text that begins or ends with % for the
// whole pattern (relational_queries.rs: contains, starts_or_ends_with).
func textual(have, suffix, want string) bool {
	if kept, nocase := strings.CutSuffix(suffix, "_nocase"); nocase {
		return textual(strings.ToLower(have), kept, strings.ToLower(want))
	}
	pattern := tokens(want)
	anything := token{any: true}
	switch {
	case suffix == "starts_with":
		pattern = append(pattern, anything)
	case suffix == "ends_with":
		pattern = append([]token{anything}, pattern...)
	case !strings.HasPrefix(want, "%") && !strings.HasSuffix(want, "%"):
		pattern = append(append([]token{anything}, pattern...), anything)
	}
	return like([]rune(have), pattern)
}

// token is an element of a pattern: %, _ or a character.
type token struct {
	any, one bool
	is       rune
}

// tokens reads a pattern. A backslash makes the next character an ordinary one; at the end,
// where PostgreSQL refuses it, it stands for itself.
func tokens(pattern string) []token {
	var out []token
	runes := []rune(pattern)
	for i := 0; i < len(runes); i++ {
		switch {
		case runes[i] == '\\' && i+1 < len(runes):
			i++
			out = append(out, token{is: runes[i]})
		case runes[i] == '%':
			out = append(out, token{any: true})
		case runes[i] == '_':
			out = append(out, token{one: true})
		default:
			out = append(out, token{is: runes[i]})
		}
	}
	return out
}

func like(text []rune, pattern []token) bool {
	if len(pattern) == 0 {
		return len(text) == 0
	}
	first, rest := pattern[0], pattern[1:]
	if first.any {
		for i := range len(text) + 1 {
			if like(text[i:], rest) {
				return true
			}
		}
		return false
	}
	return len(text) > 0 && (first.one || first.is == text[0]) && like(text[1:], rest)
}
