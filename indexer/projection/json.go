package projection

import (
	"encoding/json"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// amounts are the fields of type bytes that hold a number. All other bytes are
// addresses, hashes or data.
var amounts = map[protoreflect.Name]bool{
	"value": true, "amount": true, "volume": true, "category": true, "work_clock_time_ref": true,
	"trust": true, "price": true, "worker_stake": true, "scheduler_reward_ratio": true,
	"old_worker_stake_ratio": true, "new_worker_stake_ratio": true,
	"old_scheduler_reward_ratio": true, "new_scheduler_reward_ratio": true, "index": true,
	"gas_price":  true,
	"collection": true, "new_collection": true, "old_collection": true, "collection_from": true,
}

// encode spells a message as a JSON object, its keys in the order of the message's
// fields: amounts as decimal strings, other bytes in hex, enums by name without their
// prefix. Equal messages give equal bytes, which protojson does not promise.
func encode(message protoreflect.Message) string {
	return string(appendMessage(nil, message))
}

func appendMessage(out []byte, message protoreflect.Message) []byte {
	out = append(out, '{')
	fields, first := message.Descriptor().Fields(), true
	for i := range fields.Len() {
		field := fields.Get(i)
		if field.HasPresence() && !message.Has(field) {
			continue // what was not attached
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(out, '"')
		out = append(out, field.JSONName()...)
		out = append(out, '"', ':')
		out = appendField(out, field, message.Get(field))
	}
	return append(out, '}')
}

func appendField(out []byte, field protoreflect.FieldDescriptor, value protoreflect.Value) []byte {
	if !field.IsList() {
		return appendValue(out, field, value)
	}
	out = append(out, '[')
	for i := range value.List().Len() {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendValue(out, field, value.List().Get(i))
	}
	return append(out, ']')
}

func appendValue(out []byte, field protoreflect.FieldDescriptor, value protoreflect.Value) []byte {
	switch field.Kind() {
	case protoreflect.MessageKind:
		return appendMessage(out, value.Message())
	case protoreflect.BytesKind:
		if amounts[field.Name()] {
			return appendString(out, bigEndian(value.Bytes()).Dec())
		}
		return appendString(out, hexOf(value.Bytes()))
	case protoreflect.StringKind:
		return appendString(out, value.String())
	case protoreflect.EnumKind:
		return appendString(out, enumName(field.Enum(), value.Enum()))
	case protoreflect.BoolKind:
		return strconv.AppendBool(out, value.Bool())
	default: // uint32, uint64: no message has others
		return strconv.AppendUint(out, value.Uint(), 10)
	}
}

func appendString(out []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil { // a string always has a spelling
		return append(out, `""`...)
	}
	return append(out, quoted...)
}

// enumName is the name of an enum's value without the enum's own name before it, which
// proto3 needs and a reader does not: REASON_OK of Reason is OK. A value that the
// schema does not name (a newer writer's) is spelled as its number.
func enumName(enum protoreflect.EnumDescriptor, number protoreflect.EnumNumber) string {
	value := enum.Values().ByNumber(number)
	if value == nil {
		return strconv.Itoa(int(number))
	}
	unset := string(enum.Values().Get(0).Name()) // X_UNSPECIFIED
	return strings.TrimPrefix(string(value.Name()), strings.TrimSuffix(unset, "UNSPECIFIED"))
}
