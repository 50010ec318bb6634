package subgraph

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// Values of arguments are what the client wrote: string, number, bool, nil, enum, []any
// or map[string]any.
type (
	number string // as it was written
	enum   string
)

func (n number) whole() bool { return !strings.ContainsAny(string(n), ".eE") }

// literal is the value of a literal in a document. A variable without a value is null.
func literal(v *ast.Value, variables map[string]any) any {
	if v == nil {
		return nil
	}
	switch v.Kind {
	case ast.Variable:
		return variables[v.Raw]
	case ast.IntValue, ast.FloatValue:
		return number(v.Raw)
	case ast.StringValue, ast.BlockValue:
		return v.Raw
	case ast.BooleanValue:
		return v.Raw == "true"
	case ast.EnumValue:
		return enum(v.Raw)
	case ast.ListValue:
		list := make([]any, len(v.Children))
		for i, child := range v.Children {
			list[i] = literal(child.Value, variables)
		}
		return list
	case ast.ObjectValue:
		object := make(map[string]any, len(v.Children))
		for _, child := range v.Children {
			object[child.Name] = literal(child.Value, variables)
		}
		return object
	}
	return nil
}

// decoded is the value of a variable that came as JSON.
func decoded(v any) any {
	switch v := v.(type) {
	case json.Number:
		return number(v)
	case float64:
		return number(strconv.FormatFloat(v, 'f', -1, 64))
	case []any:
		list := make([]any, len(v))
		for i, element := range v {
			list[i] = decoded(element)
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, element := range v {
			object[name] = decoded(element)
		}
		return object
	}
	return v
}

// coerce makes a value one of a type, as graph-node does (graphql/src/values/coercion.rs),
// and where it is stricter than the GraphQL specification, as that does: one value is a
// list of one. It reports false if the value cannot be one.
func coerce(schema *ast.Schema, v any, t *ast.Type) (any, bool) {
	if v == nil {
		return nil, !t.NonNull
	}
	if t.Elem != nil {
		return coerceList(schema, v, t.Elem)
	}
	definition := schema.Types[t.NamedType]
	if definition == nil {
		return nil, false
	}
	switch definition.Kind {
	case ast.Enum:
		return coerceEnum(v, definition)
	case ast.Scalar:
		return coerceScalar(v, t.NamedType)
	case ast.InputObject:
		return coerceObject(schema, v, definition)
	}
	return nil, false
}

func coerceList(schema *ast.Schema, v any, of *ast.Type) (any, bool) {
	values, isList := v.([]any)
	if !isList {
		values = []any{v}
	}
	list := make([]any, len(values))
	for i, value := range values {
		element, ok := coerce(schema, value, of)
		if !ok {
			return nil, false
		}
		list[i] = element
	}
	return list, true
}

func coerceEnum(v any, definition *ast.Definition) (any, bool) {
	name, ok := v.(enum)
	if text, isText := v.(string); isText {
		name, ok = enum(text), true
	}
	return name, ok && definition.EnumValues.ForName(string(name)) != nil
}

func coerceScalar(v any, kind string) (any, bool) {
	n, isNumber := v.(number)
	text, isText := v.(string)
	switch kind {
	case "Boolean":
		_, isBool := v.(bool)
		return v, isBool
	case "Int":
		_, err := strconv.ParseInt(string(n), 10, 32)
		return v, isNumber && err == nil
	case "Int8":
		_, err := strconv.ParseInt(string(n)+text, 10, 64)
		return number(string(n) + text), err == nil
	case "Float":
		return v, isNumber
	case "BigDecimal":
		return string(n) + text, isNumber || isText
	case "ID", "BigInt":
		return string(n) + text, isText || isNumber && n.whole()
	}
	return text, isText
}

func coerceObject(schema *ast.Schema, v any, definition *ast.Definition) (any, bool) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	coerced := make(map[string]any, len(object))
	for name, value := range object {
		field := definition.Fields.ForName(name)
		if field == nil {
			return nil, false
		}
		if coerced[name], ok = coerce(schema, value, field.Type); !ok {
			return nil, false
		}
	}
	return coerced, true
}

// rustText writes a value as graph-node does in errors (Rust's form for debugging).
func rustText(v any) string {
	switch v := v.(type) {
	case nil:
		return "Null"
	case string:
		return "String(" + strconv.Quote(v) + ")"
	case enum:
		return "Enum(" + strconv.Quote(string(v)) + ")"
	case bool:
		return fmt.Sprintf("Boolean(%t)", v)
	case number:
		if v.whole() {
			return "Int(Number(" + string(v) + "))"
		}
		return "Float(" + string(v) + ")"
	case []any:
		return "List([" + join(v, rustText) + "])"
	case map[string]any:
		return "Object({" + joinObject(v, strconv.Quote, rustText) + "})"
	}
	return fmt.Sprint(v)
}

// plain writes a value as graph-node does for people.
func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case []any:
		return "[" + join(v, plain) + "]"
	case map[string]any:
		return "{" + joinObject(v, func(s string) string { return s }, plain) + "}"
	}
	return fmt.Sprint(v)
}

func join(list []any, text func(any) string) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = text(v)
	}
	return strings.Join(parts, ", ")
}

func joinObject(object map[string]any, name func(string) string, text func(any) string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(object)) {
		parts = append(parts, name(key)+": "+text(object[key]))
	}
	return strings.Join(parts, ", ")
}
