package projection

import (
	"math/big"

	"google.golang.org/protobuf/reflect/protoreflect"

	"assay/schema/assaypb"
)

func (p *Projection) blockRow(block *assaypb.Block, version uint64) Block {
	return Block{
		Chain: p.chain, Number: block.Number, Hash: hexOf(block.Hash), ParentHash: hexOf(block.ParentHash),
		Time: at(block.Time), Version: version,
	}
}

func (p *Projection) blockTombstone(number, version uint64) Block {
	return Block{Chain: p.chain, Number: number, Time: at(0), Version: version, Deleted: 1}
}

func (p *Projection) eventRow(block *assaypb.Block, event *assaypb.Event, version uint64) Event {
	name, args := describe(event.ProtoReflect(), "body")
	return Event{
		Chain: p.chain, BlockNumber: block.Number, LogIndex: event.LogIndex, BlockHash: hexOf(block.Hash),
		Time: at(block.Time), TxHash: hexOf(event.TxHash), TxIndex: event.TxIndex, Emitter: hexOf(event.Emitter),
		Name: typeName(name), Args: args, Version: version,
	}
}

func (p *Projection) eventTombstone(number uint64, index uint32, version uint64) Event {
	return Event{Chain: p.chain, BlockNumber: number, LogIndex: index, Time: at(0), Version: version, Deleted: 1}
}

func (p *Projection) payoutRow(block *assaypb.Block, event *assaypb.Event, s payment, version uint64) Payout {
	return Payout{
		Chain: p.chain, BlockNumber: block.Number, LogIndex: event.LogIndex, TxHash: hexOf(event.TxHash),
		Time: at(block.Time), Kind: s.kind(), Role: string(s.role), Account: address(s.account), Amount: amount(s.amount),
		Task: hash(s.task), Deal: hash(s.deal), Workerpool: address(s.pool), Version: version,
	}
}

func (p *Projection) payoutTombstone(number uint64, index uint32, version uint64) Payout {
	return Payout{
		Chain: p.chain, BlockNumber: number, LogIndex: index, Time: at(0), Amount: new(big.Int),
		Version: version, Deleted: 1,
	}
}

// describe returns which field of a oneof is set, nil for none, and what it holds as
// JSON.
func describe(message protoreflect.Message, oneof protoreflect.Name) (protoreflect.FieldDescriptor, string) {
	field := message.WhichOneof(message.Descriptor().Oneofs().ByName(oneof))
	if field == nil {
		return nil, "{}"
	}
	return field, encode(message.Get(field).Message())
}

// typeName is the name of the message a field holds, which for an event is the
// contract's name for it.
func typeName(field protoreflect.FieldDescriptor) string {
	if field == nil {
		return ""
	}
	return string(field.Message().Name())
}
