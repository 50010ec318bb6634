package projection

import (
	"bytes"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
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

// transactions spells the transaction of each event. Those of one follow each other.
func transactions(block *assaypb.Block) []string {
	txs := make([]string, len(block.Events))
	for i, event := range block.Events {
		if i > 0 && bytes.Equal(event.TxHash, block.Events[i-1].TxHash) {
			txs[i] = txs[i-1]
			continue
		}
		txs[i] = hexOf(event.TxHash)
	}
	return txs
}

// eventRows adds the events of a block and returns their log indices.
func (p *Projection) eventRows(rows *Rows, block *assaypb.Block, txs []string, version uint64) []uint32 {
	indices := make([]uint32, len(block.Events))
	hash, time := hexOf(block.Hash), at(block.Time)
	for i, event := range block.Events {
		indices[i] = event.LogIndex
		name, args := describe(event.ProtoReflect(), "body")
		rows.Events = append(rows.Events, Event{
			Chain: p.chain, BlockNumber: block.Number, LogIndex: event.LogIndex, BlockHash: hash, Time: time,
			TxHash: txs[i], TxIndex: event.TxIndex, Emitter: p.spellings.of(common.BytesToAddress(event.Emitter)),
			Name: typeName(name), Args: args, Version: version,
		})
	}
	return indices
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
