package projection

import (
	"encoding/json"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"assay/schema/assaypb"
)

// notAmounts are the fields of type bytes that are written in hex.
var notAmounts = map[protoreflect.Name]bool{
	"hash": true, "parent_hash": true, "head_hash": true, "finalized_hash": true, "tx_hash": true, "emitter": true,
	"from": true, "to": true, "owner": true, "spender": true, "ref": true, "workerpool": true, "deal": true, "task": true,
	"app_hash": true, "dataset_hash": true, "workerpool_hash": true, "request_hash": true, "sponsor": true, "worker": true,
	"result_hash": true, "result_seal": true, "enclave_challenge": true, "consensus": true, "digest": true, "results": true,
	"results_callback": true, "signer": true, "data": true, "resource": true, "app": true, "dataset": true, "tag": true,
	"beneficiary": true, "topics": true, "requester": true, "callback": true, "pointer": true, "multiaddr": true,
	"checksum": true, "mrenclave": true, "id": true, "anchor": true, "message": true, "authorization": true,
	"account": true, "enclave_signature": true, "quote_hash": true, "winners": true, "intent": true, "sender": true, "raw": true,
	"mrsigner": true, "fmspc": true, "platform_id": true, "collateral_hash": true, "policy_hash": true, "quote": true, "report_data": true,
	"protected_data": true, "app_whitelist": true, "subscriber": true, "renter": true, "whitelist": true,
}

// TestEveryFieldHasASpelling makes whoever adds a field of type bytes to the schema decide
// whether it is a number.
func TestEveryFieldHasASpelling(t *testing.T) {
	for _, file := range []protoreflect.FileDescriptor{assaypb.File_chain_proto, assaypb.File_decision_proto} {
		for i := range file.Messages().Len() {
			fields := file.Messages().Get(i).Fields()
			for j := range fields.Len() {
				field := fields.Get(j)
				if field.Kind() == protoreflect.BytesKind && amounts[field.Name()] == notAmounts[field.Name()] {
					t.Errorf("%s: is it a number? say so in amounts or notAmounts", field.FullName())
				}
			}
		}
	}
}

func TestEncode(t *testing.T) {
	cases := map[string]proto.Message{
		`{"from":"0x01","to":"0x","value":"256"}`: &assaypb.Transfer{From: []byte{1}, Value: []byte{1, 0}},
		`{"deal":"0x02","appHash":"0x","datasetHash":"0x","workerpoolHash":"0x","requestHash":"0x","volume":"0"}`: &assaypb.OrdersMatched{Deal: []byte{2}},
		`{"kind":"REQUEST","hash":"0x","signer":"0x"}`:                                                            &assaypb.OrderSigned{Kind: assaypb.OrderKind_ORDER_KIND_REQUEST},
		`{"topics":["0x01","0x02"],"data":"0x"}`:                                                                  &assaypb.UnknownEvent{Topics: [][]byte{{1}, {2}}},
		`{"name":"a","detail":"\"\u003c\\ \ufffd"}`:                                                               &assaypb.Alert{Name: "a", Detail: "\"<\\ \xff"},
		`{"intent":"0x","status":"7","txHash":"0x","blockNumber":18446744073709551615,"detail":""}`:               &assaypb.Outcome{Status: 7, BlockNumber: 1<<64 - 1},
	}
	for want, message := range cases {
		got := encode(message.ProtoReflect())
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("not JSON: %s", got)
		}
	}
	body := &assaypb.OrdersMatched{Body: &assaypb.Deal{Trust: []byte{3}, App: &assaypb.Priced{Price: []byte{1}}, BotSize: 2, Boost: true}}
	var read struct {
		Body struct {
			Trust   string
			App     struct{ Pointer, Price string }
			BotSize uint64
			Boost   bool
		}
	}
	if err := json.Unmarshal([]byte(encode(body.ProtoReflect())), &read); err != nil {
		t.Fatal(err)
	}
	if read.Body.Trust != "3" || read.Body.App.Price != "1" || read.Body.BotSize != 2 || !read.Body.Boost {
		t.Errorf("the deal's body reads %+v", read.Body)
	}
}

// FuzzEncode: whatever a message holds, it is spelled as JSON, always the same way.
func FuzzEncode(f *testing.F) {
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		event := &assaypb.Event{}
		if proto.Unmarshal(data, event) != nil {
			return
		}
		first := encode(event.ProtoReflect())
		if !json.Valid([]byte(first)) {
			t.Fatalf("not JSON: %s", first)
		}
		if second := encode(proto.Clone(event).ProtoReflect()); second != first {
			t.Fatalf("%s, then %s", first, second)
		}
	})
}

func TestAtEndsWithDateTime(t *testing.T) {
	for seconds, want := range map[uint64]int64{0: 0, 1_700_000_000: 1_700_000_000, 1 << 32: 1<<32 - 1, 1<<64 - 1: 1<<32 - 1} {
		if got := at(seconds).Unix(); got != want {
			t.Errorf("at(%d) is %d, want %d", seconds, got, want)
		}
	}
}
