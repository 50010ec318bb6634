package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"assay/contracts"
)

const (
	// maxBatch is how many calls go into one JSON-RPC request.
	maxBatch = 50
	// patience is how long one request may take.
	patience = 30 * time.Second
)

// node asks a JSON-RPC endpoint for what the source needs, and checks that answers are
// about what was asked.
type node struct {
	rpc     *rpc.Client
	watched []common.Address // hub and registries
}

// rpcHeader is a header as JSON-RPC spells it.
type rpcHeader struct {
	Number     hexutil.Uint64 `json:"number"`
	Hash       common.Hash    `json:"hash"`
	ParentHash common.Hash    `json:"parentHash"`
	Timestamp  hexutil.Uint64 `json:"timestamp"`
}

func (h *rpcHeader) header() header {
	return header{Number: uint64(h.Number), Hash: h.Hash, Parent: h.ParentHash, Time: uint64(h.Timestamp)}
}

// check fails unless the node serves the chain and there is a contract at hub.
func (n *node) check(ctx context.Context, chainID uint64, hub common.Address) error {
	var id hexutil.Uint64
	if err := n.call(ctx, &id, "eth_chainId"); err != nil {
		return fmt.Errorf("asking the node for its chain: %w", err)
	}
	if uint64(id) != chainID {
		return &ChainError{Want: chainID, Got: uint64(id)}
	}
	var code hexutil.Bytes
	if err := n.call(ctx, &code, "eth_getCode", hub, "latest"); err != nil {
		return fmt.Errorf("asking the node for the hub's code: %w", err)
	}
	if len(code) == 0 {
		return &HubError{Hub: hub}
	}
	return nil
}

// head returns the newest block.
func (n *node) head(ctx context.Context) (header, error) {
	h, err := n.header(ctx, "latest")
	if err != nil || h == nil {
		return header{}, fmt.Errorf("asking for the newest block: %w", absent(err))
	}
	return *h, nil
}

// finalized returns the newest block that cannot vanish: depth blocks behind the head,
// or, for depth 0, what the node says is final. On a chain where nothing is final yet
// it is the genesis.
func (n *node) finalized(ctx context.Context, head header, depth uint64) (header, error) {
	var tag any = "finalized"
	if depth > 0 {
		tag = hexutil.Uint64(head.Number - min(depth, head.Number))
	}
	h, err := n.header(ctx, tag)
	if (err != nil || h == nil) && depth == 0 && notYet(err) {
		h, err = n.header(ctx, hexutil.Uint64(0))
	}
	if err != nil || h == nil {
		return header{}, fmt.Errorf("asking for the finalized block: %w", absent(err))
	}
	return *h, nil
}

// notYet says whether the answer for the finalized tag is that there is none yet: null,
// or an error of the node's own as go-ethereum gives ("finalized block not found").
func notYet(err error) bool {
	var refused rpc.Error
	return err == nil || errors.As(err, &refused)
}

// absent is the error for a block that a node should have.
func absent(err error) error {
	if err == nil {
		return fmt.Errorf("%w: it does not have the block", errMoved)
	}
	return err
}

func (n *node) header(ctx context.Context, tag any) (*header, error) {
	var raw *rpcHeader
	if err := n.call(ctx, &raw, "eth_getBlockByNumber", tag, false); err != nil || raw == nil {
		return nil, err
	}
	h := raw.header()
	return &h, nil
}

// headers returns the headers with numbers from to to. It fails with errMoved if one is
// missing; whether they are linked is for the caller to see.
func (n *node) headers(ctx context.Context, from, to uint64) ([]header, error) {
	var calls []rpc.BatchElem
	for number := from; number <= to; number++ {
		calls = append(calls, blockCall("eth_getBlockByNumber", hexutil.Uint64(number)))
	}
	headers, err := n.blocks(ctx, calls)
	if err != nil {
		return nil, fmt.Errorf("asking for the headers of blocks %d to %d: %w", from, to, err)
	}
	for i, h := range headers {
		if h.Number != from+uint64(i) {
			return nil, fmt.Errorf("asking for block %d: %w: it is block %d", from+uint64(i), errMoved, h.Number)
		}
	}
	return headers, nil
}

// headersOf returns the headers with these hashes.
func (n *node) headersOf(ctx context.Context, hashes []common.Hash) ([]header, error) {
	calls := make([]rpc.BatchElem, len(hashes))
	for i, hash := range hashes {
		calls[i] = blockCall("eth_getBlockByHash", hash)
	}
	headers, err := n.blocks(ctx, calls)
	if err != nil {
		return nil, fmt.Errorf("asking for headers by hash: %w", err)
	}
	for i, h := range headers {
		if h.Hash != hashes[i] {
			return nil, fmt.Errorf("asking for block %s: %w: it is block %s", hashes[i], errMoved, h.Hash)
		}
	}
	return headers, nil
}

func blockCall(method string, id any) rpc.BatchElem {
	return rpc.BatchElem{Method: method, Args: []any{id, false}, Result: new(*rpcHeader)}
}

func (n *node) blocks(ctx context.Context, calls []rpc.BatchElem) ([]header, error) {
	if err := n.batch(ctx, calls); err != nil {
		return nil, err
	}
	headers := make([]header, len(calls))
	for i, call := range calls {
		raw := *call.Result.(**rpcHeader)
		if raw == nil {
			return nil, fmt.Errorf("%v: %w", call.Args[0], absent(nil))
		}
		headers[i] = raw.header()
	}
	return headers, nil
}

// logsOf returns the logs of each block, asked for by hash.
func (n *node) logsOf(ctx context.Context, blocks []header) ([][]types.Log, error) {
	var calls []rpc.BatchElem
	for _, block := range blocks {
		calls = append(calls, n.logCalls(map[string]any{"blockHash": block.Hash})...)
	}
	if err := n.batch(ctx, calls); err != nil {
		return nil, fmt.Errorf("asking for the logs of blocks %d to %d: %w", blocks[0].Number, blocks[len(blocks)-1].Number, err)
	}
	out := make([][]types.Log, len(blocks))
	for i, block := range blocks {
		out[i] = logsFrom(calls[2*i : 2*i+2])
		for _, log := range out[i] {
			if log.BlockHash != block.Hash || log.BlockNumber != block.Number || log.Removed {
				return nil, fmt.Errorf("asking for the logs of block %s: %w: a log is of block %s", block.Hash, errMoved, log.BlockHash)
			}
		}
	}
	return out, nil
}

// logsBetween returns the logs of all blocks with numbers from to to, which are final.
func (n *node) logsBetween(ctx context.Context, from, to uint64) ([]types.Log, error) {
	calls := n.logCalls(map[string]any{"fromBlock": hexutil.Uint64(from), "toBlock": hexutil.Uint64(to)})
	if err := n.batch(ctx, calls); err != nil {
		return nil, fmt.Errorf("asking for the logs of blocks %d to %d: %w", from, to, err)
	}
	logs := logsFrom(calls)
	for _, log := range logs {
		if log.BlockNumber < from || log.BlockNumber > to || log.Removed {
			return nil, fmt.Errorf("asking for the logs of blocks %d to %d: %w: a log is of block %d", from, to, errMoved, log.BlockNumber)
		}
	}
	return logs, nil
}

// logCalls asks for what hub and registries emit, and for changes of policy by whomever:
// workerpools are contracts of their own, born at any time.
func (n *node) logCalls(where map[string]any) []rpc.BatchElem {
	call := func(key string, value any) rpc.BatchElem {
		filter := map[string]any{key: value}
		for k, v := range where {
			filter[k] = v
		}
		return rpc.BatchElem{Method: "eth_getLogs", Args: []any{filter}, Result: new([]types.Log)}
	}
	return []rpc.BatchElem{
		call("address", n.watched),
		call("topics", [][]common.Hash{{contracts.PolicyUpdateTopic}}),
	}
}

// logsFrom joins the answers of logCalls in the order of the chain, each log once.
func logsFrom(calls []rpc.BatchElem) []types.Log {
	var logs []types.Log
	for _, call := range calls {
		logs = append(logs, *call.Result.(*[]types.Log)...)
	}
	slices.SortStableFunc(logs, compareLogs)
	return slices.CompactFunc(logs, func(a, b types.Log) bool { return compareLogs(a, b) == 0 })
}

func compareLogs(a, b types.Log) int {
	if a.BlockNumber != b.BlockNumber {
		return compare(a.BlockNumber, b.BlockNumber)
	}
	return compare(a.Index, b.Index)
}

func compare[T uint | uint64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

func (n *node) call(ctx context.Context, result any, method string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return n.rpc.CallContext(ctx, result, method, args...)
}

// batch makes the calls, maxBatch in a request. The first call that failed fails all.
func (n *node) batch(ctx context.Context, calls []rpc.BatchElem) error {
	for chunk := range slices.Chunk(calls, maxBatch) {
		if err := n.request(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) request(ctx context.Context, calls []rpc.BatchElem) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := n.rpc.BatchCallContext(ctx, calls); err != nil {
		return err
	}
	for _, call := range calls {
		if call.Error != nil {
			return call.Error
		}
	}
	return nil
}
