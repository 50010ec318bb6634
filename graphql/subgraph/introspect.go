package subgraph

import (
	"github.com/99designs/gqlgen/graphql/introspection"
	"github.com/vektah/gqlparser/v2/ast"
)

// introspection answers what is asked of the schema itself.
type introspector struct {
	*planner
	*answer
}

// object writes what was selected of a part of the schema; fields finds the value of one.
func (w *introspector) object(definition *ast.Definition, sets []ast.SelectionSet, fields func(g group, arguments map[string]any) any) {
	w.text = append(w.text, '{')
	for i, g := range w.collect(definition, sets...) {
		if w.over() {
			return
		}
		w.key(i, g.key)
		if g.fields[0].Name == "__typename" {
			w.string(definition.Name)
			continue
		}
		field := definition.Fields.ForName(g.fields[0].Name)
		arguments, _ := w.arguments(field, g.fields[0])
		w.part(w.schema.Types[field.Type.Name()], g, fields(g, arguments))
	}
	w.text = append(w.text, '}')
}

// part writes a value of the schema: of a type when it has fields of its own.
func (w *introspector) part(definition *ast.Definition, g group, v any) {
	switch v := v.(type) {
	case nil:
		w.text = append(w.text, "null"...)
	case bool:
		w.text = append(w.text, map[bool]string{true: "true", false: "false"}[v]...)
	case number:
		w.text = append(w.text, v...)
	case string:
		w.string(v)
	case *string:
		if v == nil {
			w.text = append(w.text, "null"...)
		} else {
			w.string(*v)
		}
	case []any:
		w.text = append(w.text, '[')
		for i, element := range v {
			if i > 0 {
				w.text = append(w.text, ',')
			}
			if w.part(definition, g, element); w.most < 0 {
				return
			}
		}
		w.text = append(w.text, ']')
	case func(group, map[string]any) any:
		w.object(definition, g.sets(), v)
	}
}

// schemaField is a field of __Schema.
func schemaField(s *introspection.Schema) func(group, map[string]any) any {
	return func(g group, _ map[string]any) any {
		switch g.fields[0].Name {
		case "description":
			return s.Description()
		case "types":
			return each(s.Types(), func(t introspection.Type) any { return typeField(&t) })
		case "queryType":
			return typeField(s.QueryType())
		case "mutationType":
			return typeField(s.MutationType())
		case "subscriptionType":
			return typeField(s.SubscriptionType())
		case "directives":
			return each(s.Directives(), directiveField)
		}
		return nil
	}
}

func each[T any](list []T, one func(T) any) []any {
	all := make([]any, len(list))
	for i, element := range list {
		all[i] = one(element)
	}
	return all
}

// typeField is a field of __Type.
func typeField(t *introspection.Type) any {
	if t == nil {
		return nil
	}
	return func(g group, arguments map[string]any) any {
		deprecated := arguments["includeDeprecated"] == true
		switch g.fields[0].Name {
		case "kind":
			return t.Kind()
		case "name":
			return t.Name()
		case "description":
			return t.Description()
		case "fields":
			if kind := t.Kind(); kind != "OBJECT" && kind != "INTERFACE" {
				return nil
			}
			return each(t.Fields(deprecated), fieldField)
		case "interfaces":
			if t.Kind() != "OBJECT" {
				return nil
			}
			return each(t.Interfaces(), func(t introspection.Type) any { return typeField(&t) })
		case "possibleTypes":
			if t.Kind() != "INTERFACE" {
				return nil
			}
			return each(t.PossibleTypes(), func(t introspection.Type) any { return typeField(&t) })
		case "enumValues":
			if t.Kind() != "ENUM" {
				return nil
			}
			return each(t.EnumValues(deprecated), enumField)
		case "inputFields":
			if t.Kind() != "INPUT_OBJECT" {
				return nil
			}
			return each(t.InputFields(), inputField)
		case "ofType":
			return typeField(t.OfType())
		case "specifiedByURL":
			return t.SpecifiedByURL()
		case "isOneOf":
			return t.IsOneOf()
		}
		return nil
	}
}

// fieldField is a field of __Field.
func fieldField(f introspection.Field) any {
	return func(g group, _ map[string]any) any {
		switch g.fields[0].Name {
		case "name":
			return f.Name
		case "description":
			return f.Description()
		case "args":
			return each(f.Args, inputField)
		case "type":
			return typeField(f.Type)
		case "isDeprecated":
			return f.IsDeprecated()
		}
		return nil
	}
}

// inputField is a field of __InputValue.
func inputField(v introspection.InputValue) any {
	return func(g group, _ map[string]any) any {
		switch g.fields[0].Name {
		case "name":
			return v.Name
		case "description":
			return v.Description()
		case "type":
			return typeField(v.Type)
		case "defaultValue":
			return v.DefaultValue
		case "isDeprecated":
			return v.IsDeprecated()
		}
		return nil
	}
}

// enumField is a field of __EnumValue.
func enumField(v introspection.EnumValue) any {
	return func(g group, _ map[string]any) any {
		switch g.fields[0].Name {
		case "name":
			return v.Name
		case "description":
			return v.Description()
		case "isDeprecated":
			return v.IsDeprecated()
		}
		return nil
	}
}

// directiveField is a field of __Directive.
func directiveField(d introspection.Directive) any {
	return func(g group, _ map[string]any) any {
		switch g.fields[0].Name {
		case "name":
			return d.Name
		case "description":
			return d.Description()
		case "locations":
			return each(d.Locations, func(l string) any { return l })
		case "args":
			return each(d.Args, inputField)
		case "isRepeatable":
			return d.IsRepeatable
		}
		return nil
	}
}
