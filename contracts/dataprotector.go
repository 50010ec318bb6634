package contracts

import (
	"bytes"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"assay/schema/assaypb"
)

// WhitelistTopic is the first topic of the event by which a whitelist of apps, a contract
// of its own as workerpools are, says that it has one more.
var WhitelistTopic = newApp.ID

var newApp = event("NewAppAddedToAddOnlyAppWhitelist", unindexed("address"))

// argument is one of an event's, in the order of its declaration.
type argument struct {
	kind    string // params: the struct of a price and a duration
	indexed bool
}

func unindexed(kind string) argument { return argument{kind: kind} }
func indexed(kind string) argument   { return argument{kind: kind, indexed: true} }

// event declares an event of DataProtector as its interfaces have it (IDataProtector,
// ICollection, ISubscription, IRental, ISale, IDataProtectorSharing,
// IAddOnlyAppWhitelist).
func event(name string, arguments ...argument) abi.Event {
	inputs := make(abi.Arguments, len(arguments))
	for i, a := range arguments {
		inputs[i] = abi.Argument{Type: kindOf(a.kind), Indexed: a.indexed}
	}
	return abi.NewEvent(name, name, false, inputs)
}

func kindOf(name string) abi.Type {
	var parts []abi.ArgumentMarshaling
	if name == "params" {
		name, parts = "tuple", []abi.ArgumentMarshaling{{Name: "price", Type: "uint72"}, {Name: "duration", Type: "uint40"}}
	}
	kind, err := abi.NewType(name, "", parts)
	if err != nil {
		panic(err) // a slip in the tables below
	}
	return kind
}

// slots are an event's arguments without a string: the indexed ones, then the others, 32
// bytes each. A struct lies flat.
type slots [][]byte

func slotsOf(log *types.Log) (slots, error) {
	if len(log.Data)%common.HashLength != 0 {
		return nil, errData
	}
	var out slots
	for _, topic := range log.Topics[1:] {
		out = append(out, topic[:])
	}
	for data := common.CopyBytes(log.Data); len(data) > 0; data = data[common.HashLength:] {
		out = append(out, data[:common.HashLength:common.HashLength])
	}
	return out, nil
}

func (w slots) address(i int) []byte { return w[i][common.HashLength-common.AddressLength:] }
func (w slots) number(i int) []byte  { return bytes.TrimLeft(w[i], "\x00") }
func (w slots) small(i int) uint64   { return common.BytesToHash(w[i]).Big().Uint64() }

// fit says whether each word holds no more than its type has room for: the contract
// cannot emit more, and what is read must not be less than what was written.
func (w slots) fit(inputs abi.Arguments) bool {
	kinds := flat(inputs)
	if len(w) != len(kinds) {
		return false
	}
	for i, kind := range kinds {
		room := common.HashLength
		switch kind.T {
		case abi.AddressTy:
			room = common.AddressLength
		case abi.UintTy:
			room = kind.Size / 8
		}
		if len(bytes.TrimLeft(w[i], "\x00")) > room && kind.T != abi.FixedBytesTy {
			return false
		}
	}
	return true
}

// flat lists the types of an event's slots.
func flat(inputs abi.Arguments) (kinds []*abi.Type) {
	for _, want := range []bool{true, false} {
		for i := range inputs {
			switch kind := &inputs[i].Type; {
			case inputs[i].Indexed != want:
			case kind.T == abi.TupleTy:
				kinds = append(kinds, kind.TupleElems...)
			default:
				kinds = append(kinds, kind)
			}
		}
	}
	return kinds
}

// static makes the rule of an event whose arguments are all slots.
func static(event abi.Event, fill func(w slots, out *assaypb.Event)) rule {
	return rule{event: event, decode: func(log *types.Log, out *assaypb.Event) error {
		w, err := slotsOf(log)
		if err != nil || !w.fit(event.Inputs) {
			return errData
		}
		fill(w, out)
		return nil
	}}
}

func byTopic(rules ...rule) map[common.Hash]rule {
	out := make(map[common.Hash]rule, len(rules))
	for _, r := range rules {
		out[r.event.ID] = r
	}
	return out
}

var datasetSchema = event("DatasetSchema", indexed("address"), unindexed("string"))

var dataProtectorRules = byTopic(rule{event: datasetSchema, decode: func(log *types.Log, out *assaypb.Event) error {
	values, err := datasetSchema.Inputs.UnpackValues(log.Data)
	if err != nil {
		return err
	}
	out.Body = &assaypb.Event_DatasetSchema{DatasetSchema: &assaypb.DatasetSchema{
		Dataset: common.CopyBytes(log.Topics[1][12:]), Schema: text(values[0].(string))}}
	return nil
}})

var erc721Transfer = event("Transfer", indexed("address"), indexed("address"), indexed("uint256"))

var whitelistRegistryRules = byTopic(static(erc721Transfer, func(w slots, out *assaypb.Event) {
	out.Body = &assaypb.Event_WhitelistTransfer{WhitelistTransfer: &assaypb.WhitelistTransfer{From: w.address(0), To: w.address(1), Whitelist: w.address(2)}}
}))

var sharingRules = byTopic(
	static(erc721Transfer, func(w slots, out *assaypb.Event) {
		out.Body = &assaypb.Event_CollectionTransfer{CollectionTransfer: &assaypb.CollectionTransfer{From: w.address(0), To: w.address(1), Collection: w.number(2)}}
	}),
	static(event("ProtectedDataTransfer", unindexed("address"), unindexed("uint256"), unindexed("uint256"), unindexed("address")), func(w slots, out *assaypb.Event) {
		out.Body = &assaypb.Event_ProtectedDataTransfer{ProtectedDataTransfer: &assaypb.ProtectedDataTransfer{
			ProtectedData: w.address(0), NewCollection: w.number(1), OldCollection: w.number(2), AppWhitelist: w.address(3)}}
	}),
	static(event("ProtectedDataConsumed", unindexed("bytes32"), unindexed("address"), unindexed("uint8")), func(w slots, out *assaypb.Event) {
		out.Body = &assaypb.Event_ProtectedDataConsumed{ProtectedDataConsumed: &assaypb.ProtectedDataConsumed{
			Deal: w[0], ProtectedData: w.address(1), Mode: uint32(w.small(2))}}
	}),
	static(event("NewSubscription", unindexed("uint256"), indexed("address"), unindexed("uint48")), func(w slots, out *assaypb.Event) {
		out.Body = &assaypb.Event_NewSubscription{NewSubscription: &assaypb.NewSubscription{
			Subscriber: w.address(0), Collection: w.number(1), EndDate: w.small(2)}}
	}),
	static(event("NewSubscriptionParams", unindexed("uint256"), unindexed("params")), func(w slots, out *assaypb.Event) {
		out.Body = &assaypb.Event_NewSubscriptionParams{NewSubscriptionParams: &assaypb.NewSubscriptionParams{
			Collection: w.number(0), Price: w.number(1), Duration: w.small(2)}}
	}),
	static(event("ProtectedDataAddedForSubscription", unindexed("uint256"), unindexed("address")), func(w slots, out *assaypb.Event) {
		out.Body = &assaypb.Event_ProtectedDataAddedForSubscription{ProtectedDataAddedForSubscription: &assaypb.ProtectedDataAddedForSubscription{
			Collection: w.number(0), ProtectedData: w.address(1)}}
	}),
	static(event("ProtectedDataRemovedFromSubscription", unindexed("uint256"), unindexed("address")), func(w slots, out *assaypb.Event) {
		out.Body = &assaypb.Event_ProtectedDataRemovedFromSubscription{ProtectedDataRemovedFromSubscription: &assaypb.ProtectedDataRemovedFromSubscription{
			Collection: w.number(0), ProtectedData: w.address(1)}}
	}),
	static(event("NewRental", unindexed("uint256"), unindexed("address"), unindexed("address"), unindexed("uint48")), func(w slots, out *assaypb.Event) {
		out.Body = &assaypb.Event_NewRental{NewRental: &assaypb.NewRental{
			Collection: w.number(0), ProtectedData: w.address(1), Renter: w.address(2), EndDate: w.small(3)}}
	}),
	static(event("ProtectedDataAddedForRenting", unindexed("uint256"), unindexed("address"), unindexed("params")), func(w slots, out *assaypb.Event) {
		out.Body = &assaypb.Event_ProtectedDataAddedForRenting{ProtectedDataAddedForRenting: &assaypb.ProtectedDataAddedForRenting{
			Collection: w.number(0), ProtectedData: w.address(1), Price: w.number(2), Duration: w.small(3)}}
	}),
	static(event("ProtectedDataRemovedFromRenting", unindexed("uint256"), unindexed("address")), func(w slots, out *assaypb.Event) {
		out.Body = &assaypb.Event_ProtectedDataRemovedFromRenting{ProtectedDataRemovedFromRenting: &assaypb.ProtectedDataRemovedFromRenting{
			Collection: w.number(0), ProtectedData: w.address(1)}}
	}),
	static(event("ProtectedDataSold", unindexed("uint256"), unindexed("address"), unindexed("address")), func(w slots, out *assaypb.Event) {
		out.Body = &assaypb.Event_ProtectedDataSold{ProtectedDataSold: &assaypb.ProtectedDataSold{
			CollectionFrom: w.number(0), To: w.address(1), ProtectedData: w.address(2)}}
	}),
	static(event("ProtectedDataAddedForSale", unindexed("uint256"), unindexed("address"), unindexed("uint72")), func(w slots, out *assaypb.Event) {
		out.Body = &assaypb.Event_ProtectedDataAddedForSale{ProtectedDataAddedForSale: &assaypb.ProtectedDataAddedForSale{
			Collection: w.number(0), ProtectedData: w.address(1), Price: w.number(2)}}
	}),
	static(event("ProtectedDataRemovedFromSale", unindexed("uint256"), unindexed("address")), func(w slots, out *assaypb.Event) {
		out.Body = &assaypb.Event_ProtectedDataRemovedFromSale{ProtectedDataRemovedFromSale: &assaypb.ProtectedDataRemovedFromSale{
			Collection: w.number(0), ProtectedData: w.address(1)}}
	}),
)

// roamingRules are of events that any contract may emit. The whitelist is who emits it.
var roamingRules = map[common.Hash]rule{PolicyUpdateTopic: workerpoolRules[PolicyUpdateTopic], WhitelistTopic: {event: newApp, decode: func(log *types.Log, out *assaypb.Event) error {
	w, err := slotsOf(log)
	if err != nil || !w.fit(newApp.Inputs) {
		return errData
	}
	out.Body = &assaypb.Event_NewAppAddedToAddOnlyAppWhitelist{NewAppAddedToAddOnlyAppWhitelist: &assaypb.NewAppAddedToAddOnlyAppWhitelist{
		Whitelist: log.Address.Bytes(), App: w.address(0)}}
	return nil
}}}
