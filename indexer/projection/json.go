package projection

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"sync"

	"github.com/holiman/uint256"
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

// spelling is how a field of a message is spelled.
type spelling struct {
	field  protoreflect.FieldDescriptor
	key    string // "name":
	amount bool
}

// spellingsOf are those of a message's fields, worked out once for each message.
var spellingsOf sync.Map // of protoreflect.MessageDescriptor to []spelling

func fieldsOf(message protoreflect.MessageDescriptor) []spelling {
	if known, ok := spellingsOf.Load(message); ok {
		return known.([]spelling)
	}
	fields := make([]spelling, message.Fields().Len())
	for i := range fields {
		field := message.Fields().Get(i)
		fields[i] = spelling{field: field, key: `"` + field.JSONName() + `":`, amount: amounts[field.Name()]}
	}
	spellingsOf.Store(message, fields)
	return fields
}

func appendMessage(out []byte, message protoreflect.Message) []byte {
	out = append(out, '{')
	first := true
	for _, s := range fieldsOf(message.Descriptor()) {
		if s.field.HasPresence() && !message.Has(s.field) {
			continue // what was not attached
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(out, s.key...)
		out = s.append(out, message.Get(s.field))
	}
	return append(out, '}')
}

func (s spelling) append(out []byte, value protoreflect.Value) []byte {
	if !s.field.IsList() {
		return s.appendValue(out, value)
	}
	out = append(out, '[')
	for i := range value.List().Len() {
		if i > 0 {
			out = append(out, ',')
		}
		out = s.appendValue(out, value.List().Get(i))
	}
	return append(out, ']')
}

func (s spelling) appendValue(out []byte, value protoreflect.Value) []byte {
	switch s.field.Kind() {
	case protoreflect.MessageKind:
		return appendMessage(out, value.Message())
	case protoreflect.BytesKind:
		out = append(out, '"')
		if s.amount {
			out = appendAmount(out, bigEndian(value.Bytes()))
		} else {
			out = hex.AppendEncode(append(out, "0x"...), value.Bytes())
		}
		return append(out, '"')
	case protoreflect.StringKind:
		return appendString(out, value.String())
	case protoreflect.EnumKind:
		return appendString(out, enumName(s.field.Enum(), value.Enum()))
	case protoreflect.BoolKind:
		return strconv.AppendBool(out, value.Bool())
	default: // uint32, uint64: no message has others
		return strconv.AppendUint(out, value.Uint(), 10)
	}
}

func appendAmount(out []byte, amount *uint256.Int) []byte {
	if amount.IsUint64() {
		return strconv.AppendUint(out, amount.Uint64(), 10)
	}
	return append(out, amount.Dec()...)
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
