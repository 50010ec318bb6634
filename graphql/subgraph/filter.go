package subgraph

import (
	"encoding/hex"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// filter is a condition on the rows of an entity, as SQL in which the entity's columns
// stand without a table's name. Values that a client gave are bound to the statement.
type filter func(c *compiler, t *Type) string

// always holds for every row.
func always(*compiler, *Type) string { return "1" }

// never holds for none.
func never(*compiler, *Type) string { return "0" }

// filterOf makes a filter of the argument where, which was coerced (graph-node,
// build_filter_from_object).
func filterOf(t *Type, where map[string]any) (filter, *gqlerror.Error) {
	if err := checkOr(where); err != nil {
		return nil, err
	}
	var parts []filter
	for _, name := range slices.Sorted(maps.Keys(where)) {
		part, err := condition(t, name, where[name])
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return joined(parts, " AND ", always), nil
}

// narrowed finds a condition on id that holds for all entities that a filter holds for, and
// for few others: they refer to certain others, and lists tell which do. Nil: there is none.
func narrowed(t *Type, where map[string]any) filter {
	for _, name := range slices.Sorted(maps.Keys(where)) {
		for _, suffix := range []string{"", "_in", "_"} {
			own, fits := strings.CutSuffix(name, suffix)
			if f := t.byName[own]; fits && f != nil && t.refers(own) && where[name] != nil {
				return narrow(f, where[name])
			}
		}
	}
	return nil
}

func narrow(f *Field, value any) filter {
	if object, isFilter := value.(map[string]any); isFilter {
		inner, err := filterOf(f.Target, object)
		if err != nil {
			return nil // which whoever makes the filter says
		}
		return func(c *compiler, t *Type) string {
			var lists []string
			for _, target := range f.Target.Concrete {
				lists = append(lists, "SELECT xxHash64(concat(toString("+c.chain+"), "+literalText(" "+f.Name+" ")+", id)) FROM ("+c.rows(target, []string{"id"}, inner(c, target), "")+")")
			}
			return "id IN (" + c.linked(t, "("+strings.Join(lists, " UNION ALL ")+")") + ")"
		}
	}
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	}
	ids, err := textsOf(f, list)
	if err != nil || len(ids) > maxKeys {
		return nil
	}
	return func(c *compiler, t *Type) string { return "id IN (" + c.linked(t, c.listsOf(f.Name, ids)) + ")" }
}

// looksElsewhere tells whether a filter has one of other entities in it.
func looksElsewhere(where map[string]any) bool {
	for name, value := range where {
		switch value := value.(type) {
		case map[string]any:
			if name != "_change_block" {
				return true
			}
		case []any:
			for _, element := range value {
				if inner, isFilter := element.(map[string]any); isFilter && looksElsewhere(inner) {
					return true
				}
			}
		}
	}
	return false
}

// checkOr refuses an or beside filters of fields: does the or include them?
func checkOr(where map[string]any) *gqlerror.Error {
	if _, given := where["or"]; !given {
		return nil
	}
	var columns []string
	for _, name := range slices.Sorted(maps.Keys(where)) {
		if strings.HasSuffix(name, "_") {
			return noFilter()
		}
		if name != "or" && name != "and" && name != "_change_block" {
			columns = append(columns, "'"+name+"'")
		}
	}
	if len(columns) == 0 {
		return nil
	}
	list := strings.Join(columns, ", ")
	return fault(nil, "Cannot mix column filters with 'or' operator at the same level. Found column filter(s) %s alongside 'or' operator.\n\n"+
		"Instead of:\nwhere: { %s, or: [...] }\n\nUse:\nwhere: { or: [{ %s, ... }, { %s, ... }] }", list, list, list, list)
}

func joined(parts []filter, with string, none filter) filter {
	switch len(parts) {
	case 0:
		return none
	case 1:
		return parts[0]
	}
	return func(c *compiler, t *Type) string {
		conditions := make([]string, len(parts))
		for i, part := range parts {
			conditions[i] = part(c, t)
		}
		return "(" + strings.Join(conditions, with) + ")"
	}
}

func condition(t *Type, name string, value any) (filter, *gqlerror.Error) {
	switch name {
	case "_change_block":
		return changedSince(value)
	case "and":
		return combined(t, value, " AND ", always)
	case "or":
		return combined(t, value, " OR ", never)
	}
	for _, f := range t.Fields {
		suffix, fits := strings.CutPrefix(name, f.Name)
		switch {
		case !fits:
		case suffix == "_" && f.Target != nil:
			return child(f, value)
		case f.stored() && slices.Contains(f.suffixes(), suffix):
			return compare(f, strings.TrimPrefix(suffix, "_"), value)
		}
	}
	return nil, fault(nil, "Entity `%s` has no attribute `%s`", t.Name, name)
}

func changedSince(value any) (filter, *gqlerror.Error) {
	object, _ := value.(map[string]any)
	since, ok := object["number_gte"].(number)
	if !ok {
		return nil, noFilter()
	}
	return func(c *compiler, _ *Type) string {
		return "block_number >= toInt64(" + c.Bind("String", string(since)) + ")"
	}, nil
}

func combined(t *Type, value any, with string, none filter) (filter, *gqlerror.Error) {
	list, ok := value.([]any)
	if !ok {
		return nil, noFilter()
	}
	var parts []filter
	for _, element := range list {
		object, ok := element.(map[string]any)
		if !ok {
			return nil, noFilter()
		}
		part, err := filterOf(t, object)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return joined(parts, with, none), nil
}

// child holds for rows for which the field leads to an entity that its own filter holds
// for.
func child(f *Field, value any) (filter, *gqlerror.Error) {
	object, ok := value.(map[string]any)
	if !ok {
		return nil, fault(nil, "Query contains value with invalid type `%s`: `%s`", f.Named, plain(value))
	}
	inner, err := filterOf(f.Target, object)
	if err != nil {
		return nil, err
	}
	return func(c *compiler, t *Type) string {
		own := t.byName[f.Name]
		var any []string
		for _, target := range f.Target.Concrete {
			any = append(any, c.leadsTo(t, own, target, inner(c, target)))
		}
		return "(" + strings.Join(any, " OR ") + ")"
	}, nil
}

// leadsTo holds for rows for which the field leads to an entity with the condition.
func (c *compiler) leadsTo(t *Type, f *Field, target *Type, condition string) string {
	switch {
	case !f.stored() && target.byName[f.DerivedFrom].List:
		return "id IN (SELECT arrayJoin(" + name(f.DerivedFrom) + ") FROM (" + c.rows(target, []string{f.DerivedFrom}, condition, "") + "))"
	case !f.stored():
		return "id IN (" + c.rows(target, []string{f.DerivedFrom}, condition, "") + ")"
	case f.List:
		return "id IN (SELECT id FROM (SELECT id, arrayJoin(" + name(f.Name) + ") AS __child FROM (" + c.rows(t, []string{"id", f.Name}, "1", "") + ")) WHERE __child IN (" +
			c.rows(target, []string{"id"}, condition, "") + "))"
	}
	return name(f.Name) + " IN (" + c.rows(target, []string{"id"}, condition, "") + ")"
}

// compare holds for rows whose column compares with a value as the operator says. As in
// any SQL, nothing is known of null but that it is null.
func compare(f *Field, operator string, value any) (filter, *gqlerror.Error) {
	column := name(f.Name)
	switch {
	case operator == "in" || operator == "not_in":
		return among(f, operator, value)
	case value == nil && !f.List && operator == "":
		return func(*compiler, *Type) string { return column + " IS NULL" }, nil
	case value == nil && !f.List && operator == "not":
		return func(*compiler, *Type) string { return column + " IS NOT NULL" }, nil
	case value == nil:
		return nil, unsupportedFilter(symbol(operator), value)
	case f.List:
		return lists(f, operator, value)
	}
	switch {
	case f.number():
		return compareNumber(f, operator, value)
	case f.Kind == KindBoolean:
		return func(c *compiler, _ *Type) string {
			return column + symbol(operator) + c.Bind("Bool", value)
		}, nil
	}
	text, err := textOf(f, value)
	if err != nil {
		return nil, err
	}
	if f.bytes() && likeText(operator) {
		return nil, unsupportedFilter(operator, value) // of a reference: Bytes themselves do not have it
	}
	return compareText(f, operator, text), nil
}

// likeText tells whether an operator takes text for a pattern at one of its ends.
func likeText(operator string) bool {
	return strings.Contains(operator, "starts_with") || strings.Contains(operator, "ends_with")
}

// symbols are the operators that SQL has a sign for.
var symbols = map[string]string{"": " = ", "not": " != ", "gt": " > ", "lt": " < ", "gte": " >= ", "lte": " <= "}

func symbol(operator string) string {
	if sign, ok := symbols[operator]; ok {
		return sign
	}
	return operator
}

func compareText(f *Field, operator, text string) filter {
	column := name(f.Name)
	if sign, ok := symbols[operator]; ok {
		return func(c *compiler, _ *Type) string { return column + sign + c.Bind("String", text) }
	}
	not, positive := "", operator
	if rest, negated := strings.CutPrefix(operator, "not_"); negated {
		not, positive = "NOT ", rest
	}
	if f.bytes() {
		return func(c *compiler, _ *Type) string {
			return not + "position(unhex(substring(" + column + ", 3)), unhex(" + c.Bind("String", text[2:]) + ")) > 0"
		}
	}
	like := " LIKE "
	if rest, nocase := strings.CutSuffix(positive, "_nocase"); nocase {
		like, positive = " ILIKE ", rest
	}
	pattern := patternOf(positive, text)
	return func(c *compiler, _ *Type) string { return not + column + like + c.Bind("String", pattern) }
}

// patternOf is the pattern that graph-node gives to PostgreSQL, in which the client's % and
// _ keep their meaning (relational_queries.rs), written as ClickHouse reads it: there a
// backslash before an ordinary character stands for itself, in PostgreSQL for nothing.
func patternOf(operator, text string) string {
	var clean strings.Builder
	escaped := false
	for _, r := range text {
		switch {
		case escaped && !strings.ContainsRune(`%_\`, r):
			clean.WriteRune(r)
			escaped = false
		case escaped:
			clean.WriteRune('\\')
			clean.WriteRune(r)
			escaped = false
		case r == '\\':
			escaped = true
		default:
			clean.WriteRune(r)
		}
	}
	if escaped {
		clean.WriteString(`\\`)
	}
	switch operator {
	case "starts_with":
		return clean.String() + "%"
	case "ends_with":
		return "%" + clean.String()
	}
	if strings.HasPrefix(text, "%") || strings.HasSuffix(text, "%") {
		return clean.String()
	}
	return "%" + clean.String() + "%"
}

// among holds for rows whose column is, or is not, one of a list. Neither holds for an
// empty list (relational_queries.rs, in_array).
func among(f *Field, operator string, value any) (filter, *gqlerror.Error) {
	list, ok := value.([]any)
	if !ok {
		return nil, fault(nil, "Non-list value passed to `_%s` filter", operator)
	}
	if len(list) == 0 {
		return never, nil
	}
	column, not := name(f.Name), ""
	if operator == "not_in" {
		not = "NOT "
	}
	switch {
	case f.number():
		numbers, err := numbersOf(f, list)
		if err != nil {
			return nil, err
		}
		return func(c *compiler, _ *Type) string {
			return "(" + column + " IS NOT NULL AND " + not + "has(arrayMap(x -> CAST(x AS " + f.Column + "), " + c.Bind("Array(String)", numbers) + "), " + column + "))"
		}, nil
	case f.Kind == KindBoolean:
		texts := make([]string, len(list))
		for i, v := range list {
			texts[i] = fmt.Sprint(v)
		}
		return func(c *compiler, _ *Type) string {
			return "toString(" + column + ") " + not + "IN " + c.Bind("Array(String)", texts)
		}, nil
	}
	texts, err := textsOf(f, list)
	if err != nil {
		return nil, err
	}
	return func(c *compiler, _ *Type) string { return column + " " + not + "IN " + c.Bind("Array(String)", texts) }, nil
}

// lists compares a column that is a list: whether it is the same, has all, or none. Case
// is never ignored, whatever the operator says (relational_queries.rs, contains).
func lists(f *Field, operator string, value any) (filter, *gqlerror.Error) {
	list, ok := value.([]any)
	if !ok {
		return nil, noFilter()
	}
	texts, err := textsOf(f, list)
	if err != nil {
		return nil, err
	}
	column := name(f.Name)
	return func(c *compiler, _ *Type) string {
		given := c.Bind("Array(String)", texts)
		switch strings.TrimSuffix(operator, "_nocase") {
		case "contains":
			return "hasAll(" + column + ", " + given + ")"
		case "not_contains":
			return "NOT hasAny(" + column + ", " + given + ")"
		}
		return column + symbol(operator) + given
	}, nil
}

func textsOf(f *Field, list []any) ([]string, *gqlerror.Error) {
	texts := make([]string, len(list))
	for i, v := range list {
		text, err := textOf(f, v)
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	return texts, nil
}

// textOf is a value as the column holds it. Bytes are hex with 0x in lower case, and may
// be given without 0x and in any case.
func textOf(f *Field, value any) (string, *gqlerror.Error) {
	text := fmt.Sprint(value)
	if !f.bytes() {
		return text, nil
	}
	digits := strings.ToLower(strings.TrimPrefix(text, "0x"))
	if _, err := hex.DecodeString(digits); err != nil {
		return "", undecodable("Bytes", strings.TrimPrefix(err.Error(), "encoding/hex: "))
	}
	return "0x" + digits, nil
}

// compareNumber compares exactly, whatever the number: one that the column's type cannot
// hold, or a fraction of a nRLC, is less or greater than all or lies between two values.
func compareNumber(f *Field, operator string, value any) (filter, *gqlerror.Error) {
	exact, err := numberOf(f, value)
	if err != nil {
		return nil, err
	}
	column := name(f.Name)
	floor, fraction := floorOf(exact)
	if fraction {
		switch operator { // x > 1.5 is x > 1, x >= 1.5 too; x < 1.5 is x <= 1, x <= 1.5 too
		case "":
			return never, nil
		case "not":
			return func(*compiler, *Type) string { return column + " IS NOT NULL" }, nil
		case "gte":
			operator = "gt"
		case "lt":
			operator = "lte"
		}
	}
	if side := outside(f, floor); side != 0 {
		return beyond(column, operator, side), nil
	}
	return func(c *compiler, _ *Type) string {
		return column + symbol(operator) + c.Bind(f.Column, floor.String())
	}, nil
}

// beyond compares a column with a number that is less (side -1) or greater (1) than any
// that it can hold.
func beyond(column, operator string, side int) filter {
	holds := operator == "not" || side < 0 && strings.HasPrefix(operator, "gt") || side > 0 && strings.HasPrefix(operator, "lt")
	if !holds {
		return never
	}
	return func(*compiler, *Type) string { return column + " IS NOT NULL" }
}

// numbersOf are the numbers that the column can be; the others it is not.
func numbersOf(f *Field, list []any) ([]string, *gqlerror.Error) {
	numbers := []string{}
	for _, v := range list {
		exact, err := numberOf(f, v)
		if err != nil {
			return nil, err
		}
		if floor, fraction := floorOf(exact); !fraction && outside(f, floor) == 0 {
			numbers = append(numbers, floor.String())
		}
	}
	return numbers, nil
}

// maxDigits bounds numbers that clients write: more than any that a contract can hold.
const maxDigits = 200

// numberOf is a number in the column's unit: a BigDecimal is of RLC, the column of nRLC.
func numberOf(f *Field, value any) (*big.Rat, *gqlerror.Error) {
	text := fmt.Sprint(value)
	digits, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	if len(text) > maxDigits || len(exponent) > 3 || strings.ContainsAny(digits, "/_xob") {
		return nil, undecodable(f.Named, "invalid digit found in string")
	}
	exact, ok := new(big.Rat).SetString(text)
	if !ok || f.Kind != KindBigDecimal && !number(text).whole() {
		return nil, undecodable(f.Named, "invalid digit found in string")
	}
	if f.Kind == KindBigDecimal {
		exact.Mul(exact, nanos)
	}
	return exact, nil
}

// nanos is how many nRLC are a RLC.
var nanos = big.NewRat(1_000_000_000, 1)

// floorOf is the greatest whole number that is not greater, and whether it is less.
func floorOf(exact *big.Rat) (*big.Int, bool) {
	return new(big.Int).Div(exact.Num(), exact.Denom()), !exact.IsInt() // Div is Euclidean, and denominators are positive
}

// outside tells whether a number is less (-1) or greater (1) than any the column holds.
func outside(f *Field, n *big.Int) int {
	bits, signed := columnBits(f.Column)
	least, most := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(bits))
	if signed {
		most.Rsh(most, 1)
		least.Neg(most)
	}
	switch {
	case n.Cmp(least) < 0:
		return -1
	case n.Cmp(most) >= 0:
		return 1
	}
	return 0
}

func columnBits(column string) (bits int, signed bool) {
	signed = strings.HasPrefix(column, "Int")
	_, _ = fmt.Sscanf(strings.TrimPrefix(column, "U"), "Int%d", &bits) // check made sure that it is one
	return bits, signed
}

// name is a column in SQL. Names come from the definition, which allows no others than
// plain ones.
func name(column string) string { return "`" + column + "`" }
