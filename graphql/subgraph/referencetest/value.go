package referencetest

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// nRLC in one RLC.
var nano = big.NewInt(1_000_000_000)

// What a document or its variables say, before it is known which type is meant: nil, bool,
// string, enumName, json.Number, []any, or map[string]any.
type enumName string

// literal reads a value of a document.
func literal(v *ast.Value, variables map[string]any) (any, error) {
	switch v.Kind {
	case ast.Variable:
		return variables[v.Raw], nil
	case ast.IntValue, ast.FloatValue:
		return json.Number(v.Raw), nil
	case ast.StringValue, ast.BlockValue:
		return v.Raw, nil
	case ast.EnumValue:
		return enumName(v.Raw), nil
	case ast.BooleanValue:
		return v.Raw == "true", nil
	case ast.NullValue:
		return nil, nil
	case ast.ListValue:
		return literals(v, variables)
	default:
		object := map[string]any{}
		for _, c := range v.Children {
			value, err := literal(c.Value, variables)
			if err != nil {
				return nil, err
			}
			object[c.Name] = value
		}
		return object, nil
	}
}

func literals(v *ast.Value, variables map[string]any) (any, error) {
	list := []any{}
	for _, c := range v.Children {
		value, err := literal(c.Value, variables)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	return list, nil
}

// bytesValue is a Bytes of a filter.
type bytesValue []byte

// coerce reads a value of a filter as a type, leniently (graphql/src/values/coercion.rs):
// an enum by its name or a string, a BigInt by a string or an int, a BigDecimal by any
// number. A number becomes a *big.Rat (in RLC for a BigDecimal), a Bytes a bytesValue, all
// other texts a string.
func (d *Definition) coerce(value any, typ string) (any, error) {
	if value == nil {
		return nil, nil
	}
	refused := fmt.Errorf("%v (%T) is no %s", value, value, typ)
	if values := d.Enums[typ]; values != nil {
		name, ok := textOf(value)
		if !ok || !slices.Contains(values, name) {
			return nil, refused
		}
		return name, nil
	}
	number, isNumber := value.(json.Number)
	text, isText := value.(string)
	whole := isNumber && !strings.ContainsAny(string(number), ".eE")
	switch {
	case typ == "Boolean":
		if b, ok := value.(bool); ok {
			return b, nil
		}
	case typ == "Int" && whole:
		if i, err := number.Int64(); err == nil && i >= math.MinInt32 && i <= math.MaxInt32 {
			return new(big.Rat).SetInt64(i), nil
		}
	case typ == "BigInt" && (isText || whole):
		if i, ok := new(big.Int).SetString(text+string(number), 10); ok {
			return new(big.Rat).SetInt(i), nil
		}
	case typ == "BigDecimal" && (isText || isNumber):
		if r, ok := decimal(text + string(number)); ok {
			return r, nil
		}
	case typ == "Bytes" && isText:
		if b, err := hex.DecodeString(strings.TrimPrefix(text, "0x")); err == nil {
			return bytesValue(b), nil
		}
	case typ == "ID" && whole:
		return string(number), nil
	case (typ == "ID" || typ == "String") && isText:
		return text, nil
	}
	return nil, refused
}

func textOf(value any) (string, bool) {
	switch value := value.(type) {
	case string:
		return value, true
	case enumName:
		return string(value), true
	default:
		return "", false
	}
}

// decimal reads a decimal number, which big.Rat would also take as a fraction.
func decimal(text string) (*big.Rat, bool) {
	if strings.ContainsAny(text, "/xX_") {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// coerceList reads a list, whose elements cannot be null.
func (d *Definition) coerceList(value any, typ string) ([]any, error) {
	list, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("%v is no list", value)
	}
	out := []any{}
	for _, element := range list {
		coerced, err := d.coerce(element, typ)
		if err != nil {
			return nil, err
		}
		if coerced == nil {
			return nil, fmt.Errorf("null in a list of %s", typ)
		}
		out = append(out, coerced)
	}
	return out, nil
}

// comparable turns a stored value, not null, into what coerce makes of the same value.
func comparableOf(value any, typ string) any {
	switch value := value.(type) {
	case *big.Int:
		r := new(big.Rat).SetInt(value)
		if typ == "BigDecimal" {
			r.Quo(r, new(big.Rat).SetInt(nano))
		}
		return r
	case int64:
		return new(big.Rat).SetInt64(value)
	case string:
		if typ == "Bytes" {
			b, err := hex.DecodeString(strings.TrimPrefix(value, "0x"))
			if err != nil {
				panic(fmt.Sprintf("the state holds %q as Bytes", value))
			}
			return bytesValue(b)
		}
		return value
	default:
		return value
	}
}

// compare orders two values of the same type, neither null. Texts compare by their bytes
// (graph-node's databases have the collation C), false is less than true.
func compare(a, b any) int {
	switch a := a.(type) {
	case *big.Rat:
		return a.Cmp(b.(*big.Rat))
	case bytesValue:
		return bytes.Compare(a, b.(bytesValue))
	case string:
		return cmp.Compare(a, b.(string))
	case bool:
		return cmp.Compare(rank(a), rank(b.(bool)))
	default:
		panic(fmt.Sprintf("comparing %T", a))
	}
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// show writes a stored value as a response has it.
func show(value any, typ string) any {
	switch value := value.(type) {
	case *big.Int:
		if typ == "BigDecimal" {
			return showRLC(value)
		}
		return value.String()
	case int64:
		return json.Number(fmt.Sprint(value))
	case []string:
		list := []any{}
		for _, element := range value {
			list = append(list, element)
		}
		return list
	default:
		return value
	}
}

// showRLC writes nRLC as RLC without trailing zeros.
func showRLC(n *big.Int) string {
	whole, rest := new(big.Int).QuoRem(n, nano, new(big.Int))
	text := fmt.Sprintf("%s.%09s", whole, rest)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
