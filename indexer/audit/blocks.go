package audit

import (
	"bytes"
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
	"google.golang.org/protobuf/proto"

	"assay/contracts"
	"assay/schema/assaypb"
)

// header is what is compared of a block's header.
type header struct {
	Hash   common.Hash    `json:"hash"`
	Parent common.Hash    `json:"parentHash"`
	Time   hexutil.Uint64 `json:"timestamp"`
}

// header asks the node for a canonical block.
func (a *auditor) header(ctx context.Context, number uint64) (*header, error) {
	var found *header
	if err := a.cfg.RPC.CallContext(ctx, &found, "eth_getBlockByNumber", hexutil.Uint64(number), false); err != nil {
		return nil, fmt.Errorf("asking the node for block %d: %w", number, err)
	}
	if found == nil {
		return nil, fmt.Errorf("the node does not have block %d", number)
	}
	return found, nil
}

// blockSample is the blocks of the log to compare with the chain: all of them as they
// come, or as many as are wanted, each block with the same chance (reservoir sampling).
type blockSample struct {
	blocks []canonical
	seen   uint64
}

// blocksAtOnce bounds how many blocks are under way.
const blocksAtOnce = 50

// sampleBlock takes a canonical block up to the one that the contracts are asked after.
func (a *auditor) sampleBlock(ctx context.Context, b canonical) error {
	s := &a.samples
	s.seen++
	switch {
	case a.cfg.All:
		s.blocks = append(s.blocks, b)
		if len(s.blocks) >= blocksAtOnce {
			return a.compareBlocks(ctx)
		}
	case len(s.blocks) < a.cfg.Sample:
		s.blocks = append(s.blocks, b)
	default:
		if i := a.random.Uint64N(s.seen); i < uint64(len(s.blocks)) {
			s.blocks[i] = b
		}
	}
	return nil
}

// finishBlocks compares what is left of the sample.
func (a *auditor) finishBlocks(ctx context.Context) error {
	all := a.samples.blocks
	for len(all) > 0 {
		n := min(len(all), blocksAtOnce)
		a.samples.blocks = all[:n]
		if err := a.compareBlocks(ctx); err != nil {
			return err
		}
		all = all[n:]
	}
	a.count("blocks").Of = a.samples.seen
	return nil
}

// compareBlocks compares the sample's blocks with the chain's, header and logs.
func (a *auditor) compareBlocks(ctx context.Context) error {
	blocks := a.samples.blocks
	a.samples.blocks = nil
	headers := make([]*header, len(blocks))
	logs := make([][]types.Log, len(blocks))
	calls := make([]rpc.BatchElem, 0, 2*len(blocks))
	for i, b := range blocks {
		filter := map[string]any{"fromBlock": hexutil.Uint64(b.Number), "toBlock": hexutil.Uint64(b.Number)}
		calls = append(calls,
			rpc.BatchElem{Method: "eth_getBlockByNumber", Args: []any{hexutil.Uint64(b.Number), false}, Result: &headers[i]},
			rpc.BatchElem{Method: "eth_getLogs", Args: []any{filter}, Result: &logs[i]})
	}
	if err := a.cfg.RPC.BatchCallContext(ctx, calls); err != nil {
		return fmt.Errorf("asking the node for blocks: %w", err)
	}
	for i, call := range calls {
		if call.Error != nil {
			return fmt.Errorf("asking the node for block %d: %w", blocks[i/2].Number, call.Error)
		}
	}
	for i, b := range blocks {
		if err := a.compareBlock(ctx, b, headers[i], logs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (a *auditor) compareBlock(ctx context.Context, b canonical, found *header, logs []types.Log) error {
	cause := at(b.offset, -1)
	v := view{kind: "blocks", id: number(b.Number)}
	if found == nil {
		return a.compareView(ctx, v, []field{{"", hexOf(b.Hash), "no such block", cause}})
	}
	fields := []field{
		{"hash", hexOf(b.Hash), hexOf(found.Hash[:]), cause},
		{"parent_hash", hexOf(b.ParentHash), hexOf(found.Parent[:]), cause},
		{"time", number(b.Time), number(uint64(found.Time)), cause},
	}
	return a.compareView(ctx, v, append(fields, a.logFields(b, logs)...))
}

// logFields compares the events of a block with the chain's logs, one for one.
func (a *auditor) logFields(b canonical, logs []types.Log) []field {
	var fields []field
	chain := map[uint32]*assaypb.Event{}
	for i := range logs {
		if event := a.watched(b, &logs[i]); event != nil {
			chain[event.LogIndex] = event
		}
	}
	for i, event := range b.Events {
		there := chain[event.LogIndex]
		delete(chain, event.LogIndex)
		name, cause := fmt.Sprintf("log %d", event.LogIndex), at(b.offset, i)
		switch {
		case there == nil:
			fields = append(fields, field{name, spell(event), "no log that is not in the block's events already", cause})
		case !proto.Equal(bare(event), there):
			fields = append(fields, field{name, spell(bare(event)), spell(there), cause})
		}
	}
	for i := range logs {
		if missing := chain[uint32(logs[i].Index)]; missing != nil {
			fields = append(fields, field{fmt.Sprintf("log %d", missing.LogIndex), "no such log", spell(missing), at(b.offset, -1)})
		}
	}
	return fields
}

// watched decodes a log if it is one that a source takes into the chain log: of the hub or
// a registry, or a change of policy of any contract.
func (a *auditor) watched(b canonical, log *types.Log) *assaypb.Event {
	preset := a.cfg.Preset
	decoder := contracts.Decoder{Hub: common.HexToAddress(preset.Hub), AppRegistry: common.HexToAddress(preset.AppRegistry),
		DatasetRegistry: common.HexToAddress(preset.DatasetRegistry), WorkerpoolRegistry: common.HexToAddress(preset.WorkerpoolRegistry)}
	event, err := decoder.Decode(*log)
	if err != nil || !bytes.Equal(b.Hash, log.BlockHash[:]) {
		return nil
	}
	switch log.Address {
	case decoder.Hub, decoder.AppRegistry, decoder.DatasetRegistry, decoder.WorkerpoolRegistry:
		return event
	}
	if len(log.Topics) > 0 && log.Topics[0] == contracts.PolicyUpdateTopic {
		return event
	}
	return nil
}

// bare is an event without what was attached to it, which is not in the log.
func bare(event *assaypb.Event) *assaypb.Event {
	event = proto.CloneOf(event)
	switch body := event.Body.(type) {
	case *assaypb.Event_OrdersMatched:
		body.OrdersMatched.Body = nil
	case *assaypb.Event_TaskInitialize:
		body.TaskInitialize.Deal, body.TaskInitialize.Index = nil, nil
	case *assaypb.Event_TaskContribute:
		body.TaskContribute.ResultSeal, body.TaskContribute.EnclaveChallenge = nil, nil
	case *assaypb.Event_TaskFinalize:
		body.TaskFinalize.ResultsCallback = nil
	case *assaypb.Event_OrderSigned:
		body.OrderSigned.Signer = nil
	case *assaypb.Event_OrderClosed:
		body.OrderClosed.Volume = nil
	case *assaypb.Event_ResourceTransfer:
		body.ResourceTransfer.Body = nil
	}
	return event
}

// spell is an event as a person reads it.
func spell(event *assaypb.Event) string {
	body := bodyOf(event)
	if body == nil {
		return "an empty event"
	}
	text := nameOfMessage(event)
	fields := body.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if value := body.Get(f); f.Kind().String() == "bytes" && !f.IsList() {
			text += fmt.Sprintf(" %s %s", f.Name(), hexOf(value.Bytes()))
		}
	}
	return text + " in " + hexOf(event.TxHash)
}
