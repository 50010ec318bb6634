package wire_test

import (
	"errors"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"assay/consensus/poco"
	"assay/consensus/poco/wire"
	"assay/schema/assaypb"
)

// events are one event of each type, all zero.
var events = []poco.Event{
	poco.Transfer{}, poco.Approval{}, poco.Lock{}, poco.Unlock{}, poco.Reward{}, poco.Seize{}, poco.CreateCategory{},
	poco.SchedulerNotice{}, poco.OrdersMatched{}, poco.DealSponsored{}, poco.TaskInitialize{}, poco.TaskContribute{},
	poco.TaskConsensus{}, poco.TaskReveal{}, poco.TaskReopen{}, poco.TaskFinalize{}, poco.TaskClaimed{},
	poco.AccurateContribution{}, poco.FaultyContribution{}, poco.OrderSigned{}, poco.OrderClosed{},
	poco.ResourceTransfer{}, poco.PolicyUpdate{}, poco.SchedulerNoticeBoost{}, poco.ResultPushedBoost{},
	poco.DealSponsoredBoost{},
}

// fill sets every field of a value to something drawn.
func fill(t *rapid.T, v reflect.Value) {
	switch v.Interface().(type) {
	case poco.OrderKind:
		v.SetUint(rapid.Uint64Range(1, 4).Draw(t, "order kind"))
		return
	case poco.ResourceKind:
		v.SetUint(rapid.Uint64Range(1, 3).Draw(t, "resource kind"))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "attached") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem())
		}
	case reflect.Slice:
		if b := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes"); len(b) > 0 {
			v.SetBytes(b)
		}
	case reflect.String:
		v.SetString(rapid.String().Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(rapid.Uint64().Draw(t, "number") & (1<<v.Type().Bits() - 1))
	}
}

// onWire clears what a message does not carry: a resource's owner and policy, which
// follow from events.
func onWire(event poco.Event) poco.Event {
	if e, ok := event.(poco.ResourceTransfer); ok && e.Body != nil {
		body := *e.Body
		body.Kind, body.Owner = 0, poco.Address{}
		body.WorkerStakeRatio, body.SchedulerRewardRatio = poco.Amount{}, poco.Amount{}
		e.Body = &body
		return e
	}
	return event
}

func TestEveryEventSurvivesTheWire(t *testing.T) {
	for _, zero := range events {
		t.Run(reflect.TypeOf(zero).Name(), rapid.MakeCheck(func(t *rapid.T) {
			v := reflect.New(reflect.TypeOf(zero)).Elem()
			fill(t, v)
			filled, ok := v.Interface().(poco.Event)
			if !ok {
				t.Fatalf("%v is no event", v.Type())
			}
			event := onWire(filled)
			data, err := proto.Marshal(wire.ToProto(event))
			if err != nil {
				t.Fatal(err)
			}
			var message assaypb.Event
			if err := proto.Unmarshal(data, &message); err != nil {
				t.Fatal(err)
			}
			back, err := wire.FromProto(&message)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(back, event) {
				t.Fatalf("got %+v, want %+v", back, event)
			}
		}))
	}
}

func TestEveryEventTypeHasAMessage(t *testing.T) {
	for _, event := range events {
		if wire.ToProto(event).Body == nil {
			t.Errorf("%T has no message", event)
		}
	}
}

func TestWhatRulesDoNotReadIsNoEvent(t *testing.T) {
	for _, message := range []*assaypb.Event{
		nil, {}, {Body: &assaypb.Event_Unknown{}}, {Body: &assaypb.Event_BroadcastOrder{}}, {Body: &assaypb.Event_OwnershipTransferred{}},
	} {
		if event, err := wire.FromProto(message); event != nil || err != nil {
			t.Errorf("%v: got %v, %v", message, event, err)
		}
	}
}

func TestBadFieldsAreNamed(t *testing.T) {
	good := func() *assaypb.Event { return wire.ToProto(poco.Reward{Amount: poco.Amount{5}}) }
	for name, test := range map[string]struct {
		spoil func(*assaypb.Reward)
		field string
	}{
		"short address": {func(r *assaypb.Reward) { r.Owner = r.Owner[1:] }, "reward.owner"},
		"long address":  {func(r *assaypb.Reward) { r.Owner = append(r.Owner, 0) }, "reward.owner"},
		"no address":    {func(r *assaypb.Reward) { r.Owner = nil }, "reward.owner"},
		"short hash":    {func(r *assaypb.Reward) { r.Ref = r.Ref[1:] }, "reward.ref"},
		"leading zero":  {func(r *assaypb.Reward) { r.Amount = []byte{0, 1} }, "reward.amount"},
		"33 bytes":      {func(r *assaypb.Reward) { r.Amount = append([]byte{1}, make([]byte, 32)...) }, "reward.amount"},
	} {
		t.Run(name, func(t *testing.T) {
			message := good()
			test.spoil(message.GetReward())
			_, err := wire.FromProto(message)
			var field *wire.FieldError
			if !errors.As(err, &field) || field.Field != test.field {
				t.Errorf("got %v, want a FieldError of %s", err, test.field)
			}
		})
	}
}

func TestTextThatIsNotUTF8CanBeSent(t *testing.T) {
	message := wire.ToProto(poco.SchedulerNoticeBoost{Params: "a\xffb"})
	if _, err := proto.Marshal(message); err != nil {
		t.Fatal(err)
	}
	if got := message.GetSchedulerNoticeBoost().Params; got != "a\uFFFDb" {
		t.Errorf("got %q", got)
	}
}

// FuzzFromProto: no message breaks the reader, and what it takes for an event it gives
// back as it was.
func FuzzFromProto(f *testing.F) {
	for _, event := range events {
		data, err := proto.Marshal(wire.ToProto(event))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var message assaypb.Event
		if proto.Unmarshal(data, &message) != nil {
			return
		}
		event, err := wire.FromProto(&message)
		if err != nil || event == nil {
			return
		}
		again, err := wire.FromProto(wire.ToProto(event))
		if err != nil || !reflect.DeepEqual(again, event) {
			t.Fatalf("%+v became %+v, %v", event, again, err)
		}
	})
}
