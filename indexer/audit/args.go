package audit

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"assay/schema/assaypb"
)

// argsDiffer compares the JSON of an event's arguments with the event. It returns where
// they differ first, with what should be there and what is; field is "" if nowhere.
// Bytes may be spelled in hex or, where they are a number, in decimals.
func argsDiffer(event *assaypb.Event, args string) (field, expected, found string) {
	decoder := json.NewDecoder(strings.NewReader(args))
	decoder.UseNumber()
	var value map[string]any
	if err := decoder.Decode(&value); err != nil {
		return argsColumn, "a JSON object", args
	}
	body := bodyOf(event)
	if body == nil {
		if len(value) > 0 {
			return argsColumn, "{}", args
		}
		return "", "", ""
	}
	return messageDiffers(argsColumn, body, value)
}

func messageDiffers(path string, m protoreflect.Message, value any) (field, expected, found string) {
	object, ok := value.(map[string]any)
	if !ok {
		return path, "an object", fmt.Sprint(value)
	}
	fields, present := m.Descriptor().Fields(), 0
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.HasPresence() && !m.Has(f) {
			continue
		}
		present++
		name := path + "." + f.JSONName()
		held, there := object[f.JSONName()]
		if !there {
			return name, "a value", "nothing"
		}
		if field, expected, found = fieldDiffers(name, f, m.Get(f), held); field != "" {
			return field, expected, found
		}
	}
	if len(object) != present {
		return path, fmt.Sprintf("%d fields", present), fmt.Sprintf("%d fields", len(object))
	}
	return "", "", ""
}

func fieldDiffers(path string, f protoreflect.FieldDescriptor, value protoreflect.Value, held any) (field, expected, found string) {
	if !f.IsList() {
		return valueDiffers(path, f, value, held)
	}
	list, ok := held.([]any)
	if !ok || len(list) != value.List().Len() {
		return path, fmt.Sprintf("%d values", value.List().Len()), fmt.Sprint(held)
	}
	for i, one := range list {
		if field, expected, found = valueDiffers(fmt.Sprintf("%s[%d]", path, i), f, value.List().Get(i), one); field != "" {
			return field, expected, found
		}
	}
	return "", "", ""
}

func valueDiffers(path string, f protoreflect.FieldDescriptor, value protoreflect.Value, held any) (field, expected, found string) {
	found = fmt.Sprint(held)
	switch f.Kind() {
	case protoreflect.MessageKind:
		return messageDiffers(path, value.Message(), held)
	case protoreflect.BytesKind:
		expected = hexOf(value.Bytes())
		if decimal := new(big.Int).SetBytes(value.Bytes()).String(); found == decimal {
			return "", "", ""
		} else if !strings.HasPrefix(found, "0x") {
			expected = decimal
		}
	case protoreflect.EnumKind:
		expected = fmt.Sprint(value.Enum())
		if named := f.Enum().Values().ByNumber(value.Enum()); named != nil && strings.HasSuffix(string(named.Name()), "_"+found) {
			return "", "", ""
		}
	default:
		expected = fmt.Sprint(value.Interface())
	}
	if expected == found {
		return "", "", ""
	}
	return path, expected, found
}
