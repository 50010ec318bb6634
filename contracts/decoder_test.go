package contracts

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"assay/schema/assaypb"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"google.golang.org/protobuf/proto"
)

var (
	testDecoder = Decoder{
		Hub: common.HexToAddress("0x0a"), AppRegistry: common.HexToAddress("0x0b"),
		DatasetRegistry: common.HexToAddress("0x0c"), WorkerpoolRegistry: common.HexToAddress("0x0d"),
		DataProtector: common.HexToAddress("0x1a"), Sharing: common.HexToAddress("0x1b"), WhitelistRegistry: common.HexToAddress("0x1c"),
	}
	somePool = common.HexToAddress("0x0e")
)

// The first topics of the events, as iExec's own documentation and subgraph have them.
func TestTopics(t *testing.T) {
	for name, want := range map[string]string{
		"Transfer": "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef", "Approval": "0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925",
		"Lock": "0x625fed9875dada8643f2418b838ae0bc78d9a148a18eee4ee1979ff0f3f5d427", "Unlock": "0x6381d9813cabeb57471b5a7e05078e64845ccdb563146a6911d536f24ce960f1",
		"Reward": "0xc2aca55aa696938c7e95842e8939ca0fbb2120a3eeb8948cdcee2b70da566672", "Seize": "0x1bccc549c38561cd5b57f0db11ceb8dde1b0b6ee05ab5e155b51c7c5ba64becb",
		"CreateCategory": "0x62bf08360c9d561749c54eaf4f8bf8cb6c8b6f4f40607bcec39a8172e714d25c", "SchedulerNotice": "0x692ad61076dceddd0f1a861f737553dd61fc8501cf4190d29c4e90af6607f765",
		"OrdersMatched": "0xd811b592ed0899225773e8933d8df64bd0b62761a9d7aad4ed5b22735f4610a4", "DealSponsored": "0x81eec3d5401bb1693dbef61f0800bc16602905d6677d691c1262d6f08456e9a0",
		"TaskInitialize": "0x252992fb0468d68d6a5784ec03214f0d0a362083f2d7ebd157af43b017a22e06", "TaskContribute": "0x3fdb8d7797562d49a81078dbf7fa1771958ea452f8b13d1148383bd9506aecfb",
		"TaskConsensus": "0xf6d49bf3e05d33a4bc497d3c793fb5756388bb96b947cf51bb60aaecb0e022e3", "TaskReveal": "0x4b1763d473ac8fa80b4432ba90047e1b92444d8fabc55e6a002d9b1a316d7959",
		"TaskReopen": "0x3afe0f24796ce653c6ab1f3e7aba5ce564eece5e82aee724aff28253e829f07b", "TaskFinalize": "0x78ce8a8bc0fcb704e8ba3b3dbb36aa88002df8038128b4af2f27ef65db665044",
		"TaskClaimed": "0xcbc308b5f91040d2659a5201858344b0b583cd2f9e18e8470c2fa052c5b21ff8", "AccurateContribution": "0x9703f4589802246c80b822e63697180da799e363cd1b6fd9465a5e5574d53492",
		"FaultyContribution": "0xf868788948d55240774fdbad06555105ef20bbc70d1b7eccda982b65e11e79bb", "SignedAppOrder": "0x50933cf5a9c44d5ed66b895deb27212aa33d811b46a7b41093e047e213c0bcab",
		"ClosedRequestOrder": "0x582f43f2a741cbe708aae3b8d38a4efc3d09d7e81919697b3ca693f4c444cc05", "BroadcastAppOrder": "0x6fd493f856b22df174df46975d6dcf0895c7dfb3c63d20179c0dcd5563e2f565",
		"BroadcastRequestOrder": "0x54bee205d9b03332d6dc82bc907476dfef6ed4fd86058d49a72994baee781175", "SchedulerNoticeBoost": "0x90edec6d368fb8a52f3cba8ef8adbc79511b2b7a6d1df663e38ae6f4775c11a6",
		"ResultPushedBoost": "0xfbd7641f7e58d072f2d358846c1b7880d83d9293a71a4b04880b8eaf7e54306f", "DealSponsoredBoost": "0x30d8c59de5f54b676eb3410d971831f2cd83fcf445559b287cecadb1900fc454",
		"OwnershipTransferred": "0x8be0079c531659141344cd1fd0a4f28419497f9722a3daafe3b4186f6b6457e0",
	} {
		if got := hubRules[common.HexToHash(want)].event.Name; got != name {
			t.Errorf("topic %s is read as %q, want %s", want, got, name)
		}
	}
	if want := common.HexToHash("0x61f37ef3a6d587ce2d6be79492e1fac570f2745787015db7ed95ad4397b05c1e"); PolicyUpdateTopic != want {
		t.Errorf("topic of PolicyUpdate is %s, want %s", PolicyUpdateTopic, want)
	}
}

// sample is a value of an ABI type that differs by seed.
func sample(kind abi.Type, seed int) any {
	switch kind.T {
	case abi.AddressTy:
		return common.BigToAddress(big.NewInt(int64(0xa000 + seed)))
	case abi.UintTy:
		if kind.Size == 8 {
			return uint8(100 + seed)
		}
		return big.NewInt(int64(1000 + seed))
	case abi.FixedBytesTy:
		return [32]byte(common.BigToHash(big.NewInt(int64(0xb000 + seed))))
	case abi.BytesTy:
		return []byte{0xbe, byte(seed)}
	case abi.StringTy:
		return fmt.Sprint("text ", seed)
	case abi.TupleTy:
		return sampleTuple(kind, seed)
	default:
		panic("no sample of " + kind.String())
	}
}

func sampleTuple(kind abi.Type, seed int) any {
	tuple := reflect.New(kind.GetType()).Elem()
	for i, element := range kind.TupleElems {
		tuple.Field(i).Set(reflect.ValueOf(sample(*element, seed+i)))
	}
	return tuple.Interface()
}

// logOf is a log of an event whose arguments are samples.
func logOf(t testing.TB, event abi.Event, emitter common.Address) types.Log {
	t.Helper()
	log := types.Log{Address: emitter, Topics: []common.Hash{event.ID}, TxHash: common.Hash{1}, TxIndex: 2, Index: 3}
	var plain []any
	for i, input := range event.Inputs {
		value := sample(input.Type, i)
		if !input.Indexed {
			plain = append(plain, value)
			continue
		}
		topics, err := abi.MakeTopics([]any{value})
		if err != nil {
			t.Fatal(err)
		}
		log.Topics = append(log.Topics, topics[0][0])
	}
	var err error
	if log.Data, err = event.Inputs.NonIndexed().Pack(plain...); err != nil {
		t.Fatal(err)
	}
	return log
}

// everyLog is a log of every event that the decoder knows, by a name.
func everyLog(t testing.TB) map[string]types.Log {
	logs := map[string]types.Log{
		"PolicyUpdate": logOf(t, workerpool.GetABI().Events["PolicyUpdate"], somePool), newApp.Name: logOf(t, newApp, somePool),
	}
	for _, rule := range hubRules {
		logs[rule.event.Name] = logOf(t, rule.event, testDecoder.Hub)
	}
	for registry, rules := range map[common.Address]map[common.Hash]rule{
		testDecoder.AppRegistry: appRegistryRules, testDecoder.DatasetRegistry: datasetRegistryRules,
		testDecoder.WorkerpoolRegistry: workerpoolRegistryRules, testDecoder.DataProtector: dataProtectorRules,
		testDecoder.Sharing: sharingRules, testDecoder.WhitelistRegistry: whitelistRegistryRules,
	} {
		for _, rule := range rules {
			logs[fmt.Sprintf("%s of %x", rule.event.Name, registry[19:])] = logOf(t, rule.event, registry)
		}
	}
	return logs
}

// What every known log becomes, field by field, is in testdata/events.txt. The samples
// are numbered by the place of the argument in the Solidity declaration (addresses
// a000 up, hashes b000 up, numbers 3e8 up), so a pair that changed places would show.
func TestDecodeEveryEvent(t *testing.T) {
	var out strings.Builder
	logs := everyLog(t)
	for _, name := range sortedKeys(logs) {
		event, err := testDecoder.Decode(logs[name])
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString(name + ":" + line(event) + "\n")
	}
	golden(t, "events.txt", out.String())
}

// line is an event's body in one line.
func line(event *assaypb.Event) string {
	message := event.ProtoReflect()
	body := message.WhichOneof(message.Descriptor().Oneofs().ByName("body"))
	out := " " + string(body.Name())
	fields := message.Get(body).Message()
	for i := range fields.Descriptor().Fields().Len() {
		field := fields.Descriptor().Fields().Get(i)
		if fields.Has(field) {
			out += fmt.Sprintf(" %s=%s", field.Name(), short(fields.Get(field).Interface()))
		}
	}
	return out
}

// short is a field's value without the zeros that fill it up.
func short(value any) string {
	data, isBytes := value.([]byte)
	switch trimmed := bytes.TrimLeft(data, "\x00"); {
	case !isBytes:
		return fmt.Sprintf("%q", fmt.Sprint(value))
	case len(trimmed) > 32:
		return fmt.Sprintf("(%d bytes)", len(data))
	default:
		return hex.EncodeToString(trimmed)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update writes it anew); got\n%s", path, got)
	}
}

func TestTransferIsToldApartByEmitter(t *testing.T) {
	erc20 := logOf(t, hub.GetABI().Events["Transfer"], testDecoder.Hub)
	erc721 := logOf(t, appRegistry.GetABI().Events["Transfer"], testDecoder.DatasetRegistry)
	if event, err := testDecoder.Decode(erc20); err != nil || event.GetTransfer() == nil {
		t.Errorf("the hub's is %v, %v", event, err)
	}
	event, err := testDecoder.Decode(erc721)
	if err != nil || event.GetResourceTransfer().GetKind() != assaypb.ResourceKind_RESOURCE_KIND_DATASET {
		t.Errorf("the registry's is %v, %v", event, err)
	}
	erc20.Address, erc721.Address = erc721.Address, erc20.Address
	for _, log := range []types.Log{erc20, erc721} {
		if event, err := testDecoder.Decode(log); err != nil || event.GetUnknown() == nil {
			t.Errorf("from the other's emitter it is %v, %v; want unknown", event, err)
		}
	}
}

func TestDecodeOfOtherContracts(t *testing.T) {
	stranger := logOf(t, hub.GetABI().Events["Transfer"], common.HexToAddress("0xff"))
	event, err := testDecoder.Decode(stranger)
	if err != nil || event.GetUnknown() == nil {
		t.Fatalf("a stranger's Transfer is %v, %v; want unknown", event, err)
	}
	if got := len(event.GetUnknown().Topics); got != 3 || string(event.GetUnknown().Data) != string(stranger.Data) {
		t.Errorf("the unknown event holds %d topics and %x", got, event.GetUnknown().Data)
	}
	fake := logOf(t, workerpool.GetABI().Events["PolicyUpdate"], testDecoder.Hub)
	if event, err := testDecoder.Decode(fake); err != nil || event.GetUnknown() == nil {
		t.Errorf("PolicyUpdate of the hub is %v, %v; want unknown", event, err)
	}
}

func TestDecodeOfMalformedLogs(t *testing.T) {
	for name, good := range everyLog(t) {
		cases := map[string]func(*types.Log){
			"no topics": func(l *types.Log) { l.Topics = nil },
			"a topic more": func(l *types.Log) {
				l.Topics = append([]common.Hash{l.Topics[0]}, append(l.Topics[1:], common.Hash{})...)
			},
			"other first":    func(l *types.Log) { l.Topics = append([]common.Hash{{1}}, l.Topics[1:]...) },
			"data cut short": func(l *types.Log) { l.Data = l.Data[:len(l.Data)-min(len(l.Data), 33)] },
		}
		if len(good.Topics) > 1 {
			cases["a topic less"] = func(l *types.Log) { l.Topics = l.Topics[:len(l.Topics)-1] }
		}
		for what, spoil := range cases {
			if what == "data cut short" && (len(good.Data) == 0 || strings.HasPrefix(name, "Broadcast")) {
				continue // nothing to cut; or kept as it is
			}
			bad := good
			bad.Topics, bad.Data = append([]common.Hash(nil), good.Topics...), append([]byte(nil), good.Data...)
			spoil(&bad)
			if event, err := testDecoder.Decode(bad); err != nil || event.GetUnknown() == nil {
				t.Errorf("%s with %s is %v, %v; want unknown", name, what, event, err)
			}
		}
	}
}

func TestDecodeMakesTextFitForProtobuf(t *testing.T) {
	event := hub.GetABI().Events["CreateCategory"]
	data, err := event.Inputs.Pack(big.NewInt(0), "bad \xff name", "", big.NewInt(1))
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := testDecoder.Decode(types.Log{Address: testDecoder.Hub, Topics: []common.Hash{event.ID}, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proto.Marshal(decoded); err != nil {
		t.Errorf("the event cannot be written: %v", err)
	}
	if got, want := decoded.GetCreateCategory().Name, "bad \uFFFD name"; got != want {
		t.Errorf("name is %q, want %q", got, want)
	}
}

func TestDecodeRefusesLogsOfNoBlock(t *testing.T) {
	good := logOf(t, hub.GetABI().Events["Lock"], testDecoder.Hub)
	removed, far := good, good
	removed.Removed, far.Index = true, math.MaxUint32+1
	for _, log := range []types.Log{removed, far} {
		if event, err := testDecoder.Decode(log); err == nil {
			t.Errorf("decoded %v; want an error", event)
		}
	}
}

// Whatever a node answers, decoding gives an event that can be written to the log.
func FuzzDecode(f *testing.F) {
	emitters := []common.Address{
		testDecoder.Hub, testDecoder.AppRegistry, testDecoder.DatasetRegistry, testDecoder.WorkerpoolRegistry, somePool,
	}
	for _, log := range everyLog(f) {
		var topics []byte
		for _, topic := range log.Topics {
			topics = append(topics, topic[:]...)
		}
		for i, emitter := range emitters {
			if emitter == log.Address {
				f.Add(uint8(i), topics, log.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, emitter uint8, topics, data []byte) {
		log := types.Log{Address: emitters[int(emitter)%len(emitters)], Data: data}
		for ; len(topics) >= 32; topics = topics[32:] {
			log.Topics = append(log.Topics, common.BytesToHash(topics[:32]))
		}
		event, err := testDecoder.Decode(log)
		if err != nil || event.Body == nil {
			t.Fatalf("%v, %v", event, err)
		}
		if _, err := proto.Marshal(event); err != nil {
			t.Fatal(err)
		}
	})
}
