package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
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

// node asks one JSON-RPC endpoint for what the source needs, and checks that answers
// are about what was asked.
type node struct {
	name     string
	url      string // of an HTTP endpoint; over WebSocket rpc is used
	http     *http.Client
	rpc      *rpc.Client
	client   *contracts.Client
	patience time.Duration
	watched  []common.Address // hub and registries
	roaming  []common.Hash    // first topics of events that are wanted whoever emits them

	mu     sync.Mutex
	health health
}

// rpcHeader is a header as JSON-RPC spells it.
type rpcHeader struct {
	Number     hexutil.Uint64 `json:"number"`
	Hash       common.Hash    `json:"hash"`
	ParentHash common.Hash    `json:"parentHash"`
	Timestamp  hexutil.Uint64 `json:"timestamp"`
	Bloom      types.Bloom    `json:"logsBloom"`
	Receipts   common.Hash    `json:"receiptsRoot"`
	Txs        common.Hash    `json:"transactionsRoot"`
}

// sealed is a header with what proves the block's logs.
type sealed struct {
	header
	bloom    types.Bloom
	receipts common.Hash
	txs      common.Hash
	raw      []byte // the node's answer
}

func (h *rpcHeader) sealed(raw []byte) sealed {
	return sealed{
		header: header{Number: uint64(h.Number), Hash: h.Hash, Parent: h.ParentHash, Time: uint64(h.Timestamp)},
		bloom:  h.Bloom, receipts: h.Receipts, txs: h.Txs, raw: raw,
	}
}

// check fails unless the node serves the chain and there is a contract at hub.
func (n *node) check(ctx context.Context, chainID uint64, hub common.Address) error {
	var id hexutil.Uint64
	if err := n.call(ctx, &id, "eth_chainId"); err != nil {
		return fmt.Errorf("asking the node for its chain: %w", err)
	}
	if uint64(id) != chainID {
		return &ChainError{Endpoint: n.name, Want: chainID, Got: uint64(id)}
	}
	var code hexutil.Bytes
	if err := n.call(ctx, &code, "eth_getCode", hub, "latest"); err != nil {
		return fmt.Errorf("asking the node for the hub's code: %w", err)
	}
	if len(code) == 0 {
		return &HubError{Endpoint: n.name, Hub: hub}
	}
	return nil
}

// head returns the newest block.
func (n *node) head(ctx context.Context) (sealed, error) {
	h, err := n.header(ctx, "latest")
	if err != nil || h == nil {
		return sealed{}, fmt.Errorf("asking for the newest block: %w", absent(err))
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
	return h.header, nil
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

func (n *node) header(ctx context.Context, tag any) (*sealed, error) {
	calls := []*call{headerCall("eth_getBlockByNumber", tag)}
	if err := n.batch(ctx, calls); err != nil {
		return nil, err
	}
	return readHeader(calls[0].raw)
}

func headerCall(method string, id any) *call {
	return &call{method: method, args: []any{id, false}}
}

// readHeader reads a block's header; nil if the node does not have it.
func readHeader(raw []byte) (*sealed, error) {
	c := &cursor{data: raw}
	if len(raw) == 0 || c.null() {
		return nil, nil
	}
	var h rpcHeader
	err := c.fields(func(key []byte) error {
		switch string(key) {
		case "number":
			return c.number((*uint64)(&h.Number))
		case "timestamp":
			return c.number((*uint64)(&h.Timestamp))
		case "hash":
			return c.fixed(h.Hash[:])
		case "parentHash":
			return c.fixed(h.ParentHash[:])
		case "logsBloom":
			return c.fixed(h.Bloom[:])
		case "receiptsRoot":
			return c.fixed(h.Receipts[:])
		case "transactionsRoot":
			return c.fixed(h.Txs[:])
		default:
			return c.ignore()
		}
	})
	if err != nil {
		return nil, fmt.Errorf("reading a header: %w", err)
	}
	s := h.sealed(raw)
	return &s, nil
}

// headers returns the headers with numbers from to to. It fails with errMoved if one is
// missing; whether they are linked is for the caller to see.
func (n *node) headers(ctx context.Context, from, to uint64) ([]sealed, error) {
	var calls []*call
	for number := from; number <= to; number++ {
		calls = append(calls, headerCall("eth_getBlockByNumber", hexutil.Uint64(number)))
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
func (n *node) headersOf(ctx context.Context, hashes []common.Hash) ([]sealed, error) {
	calls := make([]*call, len(hashes))
	for i, hash := range hashes {
		calls[i] = headerCall("eth_getBlockByHash", hash)
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

// absentBlock says that a node does not have a block that it spoke of, by number or hash.
type absentBlock struct{ asked any }

func (e *absentBlock) Error() string { return fmt.Sprintf("%v: %v", e.asked, absent(nil)) }
func (e *absentBlock) Unwrap() error { return errMoved }

func (n *node) blocks(ctx context.Context, calls []*call) ([]sealed, error) {
	if err := n.batch(ctx, calls); err != nil {
		return nil, err
	}
	headers := make([]sealed, len(calls))
	for i, c := range calls {
		h, err := readHeader(c.raw)
		if err != nil {
			return nil, err
		}
		if h == nil {
			return nil, &absentBlock{c.args[0]}
		}
		headers[i] = *h
	}
	return headers, nil
}

// logsOf returns the logs of each block, asked for by hash. The same request asks for the
// block: a node that lags behind may say that a block it does not have has no logs.
func (n *node) logsOf(ctx context.Context, blocks []header) ([][]types.Log, error) {
	var calls []*call
	for _, block := range blocks {
		calls = append(calls, n.logCalls(map[string]any{"blockHash": block.Hash})...)
		calls = append(calls, headerCall("eth_getBlockByHash", block.Hash))
	}
	per := len(calls) / len(blocks)
	if err := n.groups(ctx, calls, per); err != nil {
		return nil, fmt.Errorf("asking for the logs of blocks %d to %d: %w", blocks[0].Number, blocks[len(blocks)-1].Number, err)
	}
	out := make([][]types.Log, len(blocks))
	for i, block := range blocks {
		own := calls[per*i : per*(i+1)]
		if h, err := readHeader(own[per-1].raw); err != nil || h == nil {
			return nil, fmt.Errorf("asking for the logs of block %s: %w", block.Hash, absent(err))
		}
		logs, err := logsFrom(own[:per-1])
		if err != nil {
			return nil, err
		}
		for _, log := range logs {
			if log.BlockHash != block.Hash || log.BlockNumber != block.Number || log.Removed {
				return nil, doubt(block.Number, "asked for the logs of %s it answered with one of %s%s", block.Hash, log.BlockHash, removed(log))
			}
		}
		out[i] = logs
	}
	return out, nil
}

func removed(log types.Log) string {
	if log.Removed {
		return ", removed"
	}
	return ""
}

// logsBetween returns the logs of all blocks with numbers from to to, which are final,
// and the header of the last. It is asked for in the same request: a node that lags
// behind answers that there are no logs where it has no blocks yet.
func (n *node) logsBetween(ctx context.Context, from, to uint64) ([]types.Log, *sealed, error) {
	calls := n.logCalls(map[string]any{"fromBlock": hexutil.Uint64(from), "toBlock": hexutil.Uint64(to)})
	calls = append(calls, headerCall("eth_getBlockByNumber", hexutil.Uint64(to)))
	if err := n.groups(ctx, calls, len(calls)); err != nil {
		return nil, nil, fmt.Errorf("asking for the logs of blocks %d to %d: %w", from, to, err)
	}
	top, err := readHeader(calls[len(calls)-1].raw)
	if err != nil {
		return nil, nil, err
	}
	if top == nil || top.Number != to {
		return nil, nil, doubt(to, "it does not have the block, which is final")
	}
	logs, err := logsFrom(calls[:len(calls)-1])
	if err != nil {
		return nil, nil, err
	}
	for _, log := range logs {
		if log.BlockNumber < from || log.BlockNumber > to || log.Removed {
			return nil, nil, doubt(min(max(from, log.BlockNumber), to), "asked for the logs of blocks %d to %d it answered with one of block %d%s", from, to, log.BlockNumber, removed(log))
		}
	}
	return logs, top, nil
}

// topicsOf lists what is wanted whoever emits it, always in the same order.
func topicsOf(d contracts.Decoder) []common.Hash {
	return slices.SortedFunc(maps.Keys(d.Roaming()), common.Hash.Cmp)
}

// logCalls asks for what the watched contracts emit, and for the events of workerpools and
// whitelists by whomever: these are contracts of their own, born at any time.
func (n *node) logCalls(where map[string]any) []*call {
	with := func(key string, value any) *call {
		filter := maps.Clone(where)
		filter[key] = value
		return &call{method: "eth_getLogs", args: []any{filter}}
	}
	calls := []*call{with("address", n.watched)}
	if len(n.roaming) > 0 {
		calls = append(calls, with("topics", [][]common.Hash{n.roaming}))
	}
	return calls
}

// logsFrom joins the answers of logCalls in the order of the chain, each log once.
func logsFrom(calls []*call) ([]types.Log, error) {
	var logs []types.Log
	for i, c := range calls {
		some, err := readLogs(c.raw)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			logs = some
		} else {
			logs = append(logs, some...)
		}
	}
	if !slices.IsSortedFunc(logs, compareLogs) {
		slices.SortStableFunc(logs, compareLogs)
	}
	return slices.CompactFunc(logs, func(a, b types.Log) bool { return compareLogs(a, b) == 0 }), nil
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
	c := &call{method: method, args: args}
	if err := n.batch(ctx, []*call{c}); err != nil {
		return err
	}
	return json.Unmarshal(c.raw, result)
}

// batch makes the calls, maxBatch in a request, or as many as the endpoint takes. The
// first call that failed fails all.
func (n *node) batch(ctx context.Context, calls []*call) error { return n.groups(ctx, calls, 1) }

// groups makes the calls, so many of which belong into one request at a time.
func (n *node) groups(ctx context.Context, calls []*call, per int) error {
	if err := n.each(ctx, calls, per); err != nil {
		return err
	}
	for _, c := range calls {
		if c.err != nil {
			return c.err
		}
	}
	return nil
}

// each makes the calls as groups does, and leaves to each what the node says about it.
func (n *node) each(ctx context.Context, calls []*call, per int) error {
	for len(calls) > 0 {
		size := n.batchSize()
		size = min(len(calls), max(per, size-size%per))
		err := n.send(ctx, calls[:size])
		if err != nil && size > per && tooMuch(err) && !errors.Is(err, context.DeadlineExceeded) {
			n.count(func(h *health) { h.batch = size / 2 })
			continue
		}
		if err != nil {
			return err
		}
		calls = calls[size:]
	}
	return nil
}

// BatchCallContext makes calls for contracts.Client: in requests of the size that the
// endpoint takes, counted and bounded like all others.
func (n *node) BatchCallContext(ctx context.Context, elements []rpc.BatchElem) error {
	calls := make([]*call, len(elements))
	for i, e := range elements {
		calls[i] = &call{method: e.Method, args: e.Args}
	}
	if err := n.each(ctx, calls, 1); err != nil {
		return err
	}
	for i, c := range calls {
		if elements[i].Error = c.err; c.err == nil {
			elements[i].Error = json.Unmarshal(c.raw, elements[i].Result)
		}
	}
	return nil
}
