package referencetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Document makes a random document: a root with arguments, as literals or variables, at any
// block, and a selection some levels deep with aliases and fragments.
func (w *World) Document(choose Choose) Case {
	c := &caser{w, w.at(w.Head()), choose, 1}
	t := w.Definition.Types[w.Definition.Names[choose(len(w.Definition.Names))]]
	arguments := c.page(t, 1)
	name := Plural(t.Name)
	if choose(4) == 0 {
		arguments, name = map[string]any{"id": "nobody"}, Singular(t.Name)
		if all := c.view.of(t); len(all) > 0 {
			arguments["id"] = all[choose(len(all))].id
		}
	}
	if choose(3) == 0 {
		arguments["block"] = c.blockArgument()
	}
	selection := c.selection(t, 3)
	if choose(2) == 0 {
		return Case{About: "random", Document: fmt.Sprintf("{ %s%s { %s } }", name, Arguments(arguments), selection)}
	}
	return c.withVariables(t, name, arguments, selection)
}

func (c *caser) blockArgument() map[string]any {
	b := c.world.Blocks[c.choose(len(c.world.Blocks))]
	switch c.choose(3) {
	case 0:
		return map[string]any{"hash": b.Hash}
	case 1:
		return map[string]any{"number_gte": json.Number(fmt.Sprint(b.Number))}
	default:
		return map[string]any{"number": json.Number(fmt.Sprint(b.Number))}
	}
}

// withVariables sends all arguments as variables, among others that nobody declared.
func (c *caser) withVariables(t *Type, name string, arguments map[string]any, selection string) Case {
	types := map[string]string{
		"first": "Int", "skip": "Int", "orderBy": t.Name + "_orderBy", "orderDirection": "OrderDirection",
		"where": t.Name + "_filter", "block": "Block_height", "id": "ID!",
	}
	var declared, passed []string
	for _, argument := range sortedKeys(arguments) {
		declared = append(declared, fmt.Sprintf("$%s: %s", argument, types[argument]))
		passed = append(passed, fmt.Sprintf("%s: $%s", argument, argument))
	}
	sent := maps.Clone(arguments)
	sent["undeclared"] = true
	variables, err := json.Marshal(sent)
	if err != nil {
		panic(err) // strings and numbers
	}
	head, list := "query Random", ""
	if len(declared) > 0 {
		head += "(" + strings.Join(declared, ", ") + ")"
		list = "(" + strings.Join(passed, ", ") + ")"
	}
	return Case{About: "random", Document: fmt.Sprintf("%s { %s%s { %s } }", head, name, list, selection), Variables: string(variables)}
}

// selection chooses some fields, deeper ones with arguments.
func (c *caser) selection(t *Type, depth int) string {
	parts := []string{[]string{"id", "__typename", "key: id"}[c.choose(3)]}
	for range 1 + c.choose(4) {
		f := t.Fields[c.choose(len(t.Fields))]
		target := c.world.Definition.Types[f.Type]
		switch {
		case target == nil:
			parts = append(parts, f.Name)
		case depth > 0:
			arguments := ""
			if f.List {
				arguments = Arguments(c.page(target, 0))
			}
			alias := fmt.Sprintf("f%d", len(parts))
			parts = append(parts, fmt.Sprintf("%s: %s%s { %s }", alias, f.Name, arguments, c.selection(target, depth-1)))
		}
	}
	if entities := c.world.Definition.Entities(t); t.Interface && c.choose(2) == 0 {
		e := entities[c.choose(len(entities))]
		parts = append(parts, "... on "+e.Name+" { "+c.world.Definition.flat(e)+" }")
	}
	return strings.Join(parts, " ")
}

// Arguments writes arguments with their parentheses, nothing if there are none.
func Arguments(arguments map[string]any) string {
	if len(arguments) == 0 {
		return ""
	}
	var parts []string
	for _, name := range sortedKeys(arguments) {
		parts = append(parts, name+": "+Literal(arguments[name]))
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// Literal writes a value in GraphQL.
func Literal(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case string:
		return quote(v)
	case enumName:
		return string(v)
	case json.Number:
		return string(v)
	case bool:
		return fmt.Sprint(v)
	case []any:
		var parts []string
		for _, element := range v {
			parts = append(parts, Literal(element))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		return "{" + strings.TrimSuffix(strings.TrimPrefix(Arguments(v), "("), ")") + "}"
	default:
		panic(fmt.Sprintf("no literal of %T", value))
	}
}

// quote writes a string in GraphQL, whose escapes are JSON's.
func quote(text string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range text {
		switch {
		case slices.Contains([]rune{'"', '\\'}, r):
			out.WriteString(`\` + string(r))
		case r < 0x20:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
	}
	out.WriteByte('"')
	return out.String()
}
