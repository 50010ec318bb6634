package referencetest

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// Case is a document to ask, and what it is about.
type Case struct {
	About     string
	Document  string
	Variables string // JSON, or empty
}

// Cases enumerates the definition: every root and field, every filter of every field, every
// order, every nested list and reference. What is free to choose, such as the values of
// filters, is chosen from the world and at random, tries times for each filter.
func (w *World) Cases(choose Choose, tries int) iter.Seq[Case] {
	c := &caser{w, w.at(w.Head()), choose, tries}
	return func(yield func(Case) bool) {
		for _, name := range w.Definition.Names {
			t := w.Definition.Types[name]
			for _, cases := range []iter.Seq[Case]{c.roots(t), c.filters(t), c.children(t), c.orders(t), c.nested(t), c.bools(t)} {
				for one := range cases {
					if !yield(one) {
						return
					}
				}
			}
		}
	}
}

type caser struct {
	world  *World
	view   *view
	choose Choose
	tries  int
}

// Selection chooses all fields of a type: of entities they lead to, the id.
func (d *Definition) Selection(t *Type) string {
	fields := []string{"__typename"}
	for _, f := range t.Fields {
		if d.refers(f) {
			fields = append(fields, f.Name+" { id }")
		} else {
			fields = append(fields, f.Name)
		}
	}
	if t.Interface {
		for _, e := range d.Entities(t) {
			fields = append(fields, "... on "+e.Name+" { "+d.flat(e)+" }")
		}
	}
	return strings.Join(fields, " ")
}

// flat chooses the stored fields that are no references.
func (d *Definition) flat(t *Type) string {
	fields := []string{"id"}
	for _, f := range t.Fields {
		if f.Name != "id" && !d.refers(f) {
			fields = append(fields, f.Name)
		}
	}
	return strings.Join(fields, " ")
}

func (c *caser) roots(t *Type) iter.Seq[Case] {
	return func(yield func(Case) bool) {
		all := c.world.Definition.Selection(t)
		if !yield(Case{About: Plural(t.Name), Document: fmt.Sprintf("{ %s { %s } }", Plural(t.Name), all)}) {
			return
		}
		ids := []string{"nobody", ""}
		for _, e := range c.view.of(t) {
			ids = append(ids, e.id)
		}
		for _, id := range ids[:min(len(ids), 2+c.tries)] {
			if !yield(Case{About: Singular(t.Name), Document: fmt.Sprintf("{ %s(id: %s) { %s } }", Singular(t.Name), Literal(id), all)}) {
				return
			}
		}
	}
}

func (c *caser) list(t *Type, about string, arguments map[string]any) Case {
	return Case{About: about, Document: fmt.Sprintf("{ %s%s { id } }", Plural(t.Name), Arguments(arguments))}
}

func (c *caser) filters(t *Type) iter.Seq[Case] {
	return func(yield func(Case) bool) {
		for _, f := range t.Fields {
			for _, suffix := range c.world.Definition.Suffixes(f) {
				for range c.tries {
					where := map[string]any{f.Name + underscored(suffix): c.operand(t, f, suffix)}
					if !yield(c.list(t, t.Name+" by "+f.Name+" "+suffix, map[string]any{"where": where})) {
						return
					}
				}
			}
			if nullable := map[string]any{f.Name: nil}; f.DerivedFrom == "" && !f.List {
				if !yield(c.list(t, t.Name+" by null", map[string]any{"where": nullable})) ||
					!yield(c.list(t, t.Name+" by not null", map[string]any{"where": map[string]any{f.Name + "_not": nil}})) {
					return
				}
			}
		}
	}
}

func underscored(suffix string) string {
	if suffix == "" {
		return ""
	}
	return "_" + suffix
}

// operand makes a value to compare a field with: one that some entity has, part of it, or
// another.
func (c *caser) operand(t *Type, f Field, suffix string) any {
	if f.List || suffix == "in" || suffix == "not_in" {
		list := []any{}
		for range c.choose(4) {
			list = append(list, c.one(t, f))
		}
		if have := c.some(t, f.Name); f.List && c.choose(2) == 0 && have != nil {
			list = []any{}
			for _, id := range have.([]string) {
				list = append(list, id)
			}
		}
		return list
	}
	value := c.one(t, f)
	if text, ok := value.(string); ok && !slices.Contains([]string{"", "not", "gt", "lt", "gte", "lte"}, suffix) {
		return c.part(f, text)
	}
	return value
}

// some finds a stored value that is not null, if any.
func (c *caser) some(t *Type, field string) any {
	var have []any
	for _, e := range c.view.of(t) {
		if value := e.get(field); value != nil {
			have = append(have, value)
		}
	}
	if len(have) == 0 {
		return nil
	}
	return have[c.choose(len(have))]
}

func (c *caser) one(t *Type, f Field) any {
	value := c.some(t, f.Name)
	if list, ok := value.([]string); ok {
		value = nil
		if len(list) > 0 {
			value = list[c.choose(len(list))]
		}
	}
	if value == nil || c.choose(3) == 0 {
		value = c.another(f)
	}
	return c.written(value, f.Type)
}

func (c *caser) another(f Field) any {
	if c.world.Definition.refers(f) || f.Name == "id" {
		ids := []string{zeroID, "", "1-1", "0x"}
		return ids[c.choose(len(ids))]
	}
	return c.world.Definition.scalar(f, c.choose)
}

// written shows a value as a client would send it.
func (c *caser) written(value any, typ string) any {
	switch v := value.(type) {
	case *big.Int:
		text := show(v, typ).(string)
		if whole := !strings.Contains(text, "."); (typ == "BigDecimal" || whole) && len(text) < 10 && c.choose(2) == 0 {
			return json.Number(text)
		}
		return text
	case int64:
		return json.Number(fmt.Sprint(v))
	case string:
		if c.world.Definition.Enums[typ] != nil && c.choose(2) == 0 {
			return enumName(v)
		}
		if typ == "Bytes" && c.choose(4) == 0 {
			return "0x" + strings.ToUpper(strings.TrimPrefix(v, "0x"))
		}
		return v
	default:
		return value
	}
}

// part cuts a piece out of a text, of Bytes whole ones or halves of two neighbours.
func (c *caser) part(f Field, text string) any {
	if c.world.Definition.kindOf(f) == "Bytes" {
		hex := strings.TrimPrefix(text, "0x")
		from := c.choose(len(hex) + 1)
		length := (len(hex) - from) / 2
		return "0x" + hex[from:from+2*c.choose(length+1)]
	}
	runes := []rune(text)
	from := c.choose(len(runes) + 1)
	return string(runes[from : from+c.choose(len(runes)-from+1)])
}

// children filters by the entities that fields lead to.
func (c *caser) children(t *Type) iter.Seq[Case] {
	return func(yield func(Case) bool) {
		for _, f := range t.Fields {
			if !c.world.Definition.refers(f) {
				continue
			}
			for range c.tries {
				where := map[string]any{f.Name + "_": c.plain(c.world.Definition.Types[f.Type])}
				if !yield(c.list(t, t.Name+" by child "+f.Name, map[string]any{"where": where})) {
					return
				}
			}
		}
	}
}

// plain makes a filter of one stored field.
func (c *caser) plain(t *Type) map[string]any {
	var stored []Field
	for _, f := range t.Fields {
		if f.DerivedFrom == "" {
			stored = append(stored, f)
		}
	}
	f := stored[c.choose(len(stored))]
	suffixes := c.world.Definition.Suffixes(f)
	suffix := suffixes[c.choose(len(suffixes))]
	return map[string]any{f.Name + underscored(suffix): c.operand(t, f, suffix)}
}

// Orders lists what a type can be ordered by.
func (d *Definition) Orders(t *Type) []string {
	var names []string
	for _, f := range t.Fields {
		if f.List {
			continue
		}
		if f.DerivedFrom == "" {
			names = append(names, f.Name)
		}
		if target := d.Types[f.Type]; target != nil {
			for _, of := range target.Fields {
				if !of.List && !d.refers(of) {
					names = append(names, f.Name+"__"+of.Name)
				}
			}
		}
	}
	return names
}

func (c *caser) orders(t *Type) iter.Seq[Case] {
	return func(yield func(Case) bool) {
		for _, order := range c.world.Definition.Orders(t) {
			for _, direction := range []string{"asc", "desc"} {
				arguments := map[string]any{"orderBy": enumName(order), "orderDirection": enumName(direction)}
				if !yield(c.list(t, t.Name+" ordered by "+order, arguments)) {
					return
				}
			}
		}
	}
}

// nested asks for each list and reference of a type, with arguments where they can be.
func (c *caser) nested(t *Type) iter.Seq[Case] {
	return func(yield func(Case) bool) {
		for _, f := range t.Fields {
			target := c.world.Definition.Types[f.Type]
			if target == nil {
				continue
			}
			arguments := ""
			if f.List {
				arguments = Arguments(c.page(target, 0))
			}
			document := fmt.Sprintf("{ %s { id %s%s { %s } } }", Plural(t.Name), f.Name, arguments, c.world.Definition.Selection(target))
			if !yield(Case{About: t.Name + " with " + f.Name, Document: document}) {
				return
			}
		}
	}
}

// bools joins filters: and, or.
func (c *caser) bools(t *Type) iter.Seq[Case] {
	return func(yield func(Case) bool) {
		for _, joined := range []string{"and", "or"} {
			for count := range 3 {
				list := []any{}
				for range count {
					list = append(list, c.plain(t))
				}
				if !yield(c.list(t, t.Name+" by "+joined, map[string]any{"where": map[string]any{joined: list}})) {
					return
				}
			}
		}
		changed := map[string]any{"_change_block": map[string]any{"number_gte": json.Number(fmt.Sprint(c.someBlock()))}}
		maps.Copy(changed, c.plain(t))
		yield(c.list(t, t.Name+" by _change_block", map[string]any{"where": changed}))
	}
}

func (c *caser) someBlock() uint64 {
	return c.world.Blocks[c.choose(len(c.world.Blocks))].Number
}

// page makes arguments of a list.
func (c *caser) page(t *Type, depth int) map[string]any {
	arguments := map[string]any{}
	if c.choose(2) == 0 {
		arguments["first"] = json.Number(fmt.Sprint(1 + c.choose(4)))
	}
	if c.choose(3) == 0 {
		arguments["skip"] = json.Number(fmt.Sprint(c.choose(3)))
	}
	if c.choose(2) == 0 {
		orders := slices.DeleteFunc(c.world.Definition.Orders(t), func(o string) bool { return depth == 0 && strings.Contains(o, "__") })
		arguments["orderBy"] = enumName(orders[c.choose(len(orders))])
	}
	if c.choose(2) == 0 {
		arguments["orderDirection"] = enumName([]string{"asc", "desc"}[c.choose(2)])
	}
	if c.choose(2) == 0 {
		arguments["where"] = c.where(t, 2)
	}
	return arguments
}

// where makes a filter of some depth.
func (c *caser) where(t *Type, depth int) map[string]any {
	where := map[string]any{}
	for range c.choose(3) {
		maps.Copy(where, c.plain(t))
	}
	if depth == 0 {
		return where
	}
	switch c.choose(5) {
	case 0:
		where["and"] = []any{c.where(t, depth-1), c.where(t, depth-1)}
	case 1:
		where = map[string]any{"or": []any{c.where(t, depth-1), c.where(t, depth-1)}}
	case 2:
		if f, ok := c.relation(t); ok {
			where[f.Name+"_"] = c.where(c.world.Definition.Types[f.Type], 0)
		}
	}
	return where
}

func (c *caser) relation(t *Type) (Field, bool) {
	var found []Field
	for _, f := range t.Fields {
		if c.world.Definition.refers(f) {
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		return Field{}, false
	}
	return found[c.choose(len(found))], true
}
