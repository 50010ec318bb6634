package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/ethereum/go-ethereum/trie"

	"assay/contracts"
	"assay/schema/assaypb"
)

// Verify says how much of what nodes answer is proven before it is believed.
type Verify string

// The levels of proof. A header is proven by its hash, which its children name; it holds
// a bloom filter, in which every log of the block is, and the root of its receipts.
const (
	VerifyLive     Verify = "live"     // new blocks by their receipts, history not at all; the default
	VerifyReceipts Verify = "receipts" // every block by its receipts
	VerifyBloom    Verify = "bloom"    // every block by its bloom filter: it tells when all logs of a contract are missing
	VerifyOff      Verify = "off"      // nothing
)

// ParseVerify reads a level by its name; none is VerifyLive.
func ParseVerify(name string) (Verify, error) {
	switch v := Verify(name); v {
	case "":
		return VerifyLive, nil
	case VerifyLive, VerifyReceipts, VerifyBloom, VerifyOff:
		return v, nil
	}
	return "", fmt.Errorf("%q is no level of verification: use receipts, bloom, live or off", name)
}

// past is the level for history, present the one for new blocks.
func (v Verify) past() assaypb.Verification {
	if v == VerifyLive {
		return assaypb.Verification_VERIFICATION_FETCHED
	}
	return v.present()
}

func (v Verify) present() assaypb.Verification {
	switch v {
	case VerifyOff:
		return assaypb.Verification_VERIFICATION_FETCHED
	case VerifyBloom:
		return assaypb.Verification_VERIFICATION_BLOOM
	default:
		return assaypb.Verification_VERIFICATION_RECEIPTS
	}
}

// proveHeader computes a header's hash.
func proveHeader(h sealed) error {
	var full types.Header
	if err := json.Unmarshal(h.raw, &full); err != nil {
		return doubt(h.Number, "its header cannot be read: %v", err)
	}
	if hash := full.Hash(); hash != h.Hash {
		return doubt(h.Number, "its header's hash is %s, not %s", hash, h.Hash)
	}
	return nil
}

// bits are the three bits of a value in a bloom filter.
type bits []struct {
	at   int
	mask byte
}

func bitsOf(value []byte) (out bits) {
	var bloom types.Bloom
	bloom.Add(value)
	for i, mask := range bloom {
		if mask != 0 {
			out = append(out, struct {
				at   int
				mask byte
			}{i, mask})
		}
	}
	return out
}

func (b bits) in(bloom *types.Bloom) bool {
	for _, bit := range b {
		if bloom[bit.at]&bit.mask != bit.mask {
			return false
		}
	}
	return true
}

// wantedBits are those of which a block with events of ours has at least one.
func wantedBits(d contracts.Decoder) (out []bits) {
	for _, address := range d.Watched() {
		out = append(out, bitsOf(address[:]))
	}
	for topic := range d.Roaming() {
		out = append(out, bitsOf(topic[:]))
	}
	return out
}

// mayHold says whether by its bloom filter a block may have events of ours.
func (s *Source) mayHold(h *sealed) bool {
	for _, b := range s.bits {
		if b.in(&h.bloom) {
			return true
		}
	}
	return false
}

// content is what a block holds, as far as it was asked for.
type content struct {
	logs     []types.Log // those that may be ours
	receipts receipts    // all of the block's, if they prove the logs and are wanted
	read     int         // logs that were read for it, others' too
}

func contents(groups [][]types.Log) []content {
	out := make([]content, len(groups))
	for i, logs := range groups {
		out[i].logs, out[i].read = logs, len(logs)
	}
	return out
}

// proven returns what blocks hold whose headers are linked, after proving it at a level.
func (s *Source) proven(ctx context.Context, headers []sealed, level assaypb.Verification) ([]content, error) {
	var asked []sealed
	var places []int
	for i, h := range headers {
		if !s.preset.OtherHeaders {
			if err := proveHeader(h); err != nil {
				return nil, err
			}
		}
		if s.mayHold(&h) {
			asked, places = append(asked, h), append(places, i)
		}
	}
	out := make([]content, len(headers))
	if len(asked) == 0 {
		return out, nil
	}
	fetch := s.bloomed
	if level == assaypb.Verification_VERIFICATION_RECEIPTS {
		fetch = s.byReceipts
	}
	some, err := fetch(ctx, asked)
	if err != nil {
		return nil, err
	}
	for i, c := range some {
		out[places[i]] = c
	}
	return out, nil
}

// byReceipts returns what blocks hold, proven by their receipts roots.
func (s *Source) byReceipts(ctx context.Context, headers []sealed) ([]content, error) {
	lists, err := s.receipts(ctx, headers)
	out := make([]content, len(lists))
	for i, list := range lists {
		all := list.logs(headers[i].header)
		out[i].logs, out[i].read = s.ours(all), len(all)
		if s.preset.Registries() {
			out[i].receipts = list
		}
	}
	return out, err
}

// receipts returns the receipts of blocks, which make the roots in their headers.
func (s *Source) receipts(ctx context.Context, headers []sealed) ([]receipts, error) {
	lists, err := askEach(ctx, s.nodes, headers, func(ctx context.Context, n *node, part []sealed) ([]receipts, error) {
		return n.receipts(ctx, part)
	})
	if errors.As(err, new(*lacksReceipts)) && s.nodes.allLackReceipts() {
		return nil, &ReceiptsError{Err: err}
	}
	return lists, err
}

// ours are the logs that logCalls asks for.
func (s *Source) ours(logs []types.Log) (out []types.Log) {
	for _, log := range logs {
		if s.watches[log.Address] || len(log.Topics) > 0 && s.roaming[log.Topics[0]] != (common.Address{}) {
			out = append(out, log)
		}
	}
	return out
}

// bloomed returns the wanted logs of blocks whose bloom filters say that they may have
// some. Where there are none it asks again, another endpoint if it can: filters can be
// wrong about what is there, never about what is not.
func (s *Source) bloomed(ctx context.Context, headers []sealed) ([]content, error) {
	blocks := plain(headers)
	groups, err := askEach(ctx, s.nodes, blocks, logsOf)
	if err != nil {
		return nil, err
	}
	for i, logs := range groups {
		for _, log := range logs {
			if bit := bitsOf(log.Address[:]); !bit.in(&headers[i].bloom) {
				return nil, doubt(headers[i].Number, "it has a log of %s, which is not in its bloom filter", log.Address)
			}
		}
		if len(logs) > 0 {
			continue
		}
		again, err := askEach(ctx, s.nodes, blocks[i:i+1], logsOf)
		if err != nil {
			return nil, err
		}
		groups[i] = again[0]
	}
	return contents(groups), nil
}

func logsOf(ctx context.Context, n *node, blocks []header) ([][]types.Log, error) {
	return n.logsOf(ctx, blocks)
}

// receipts returns the receipts of blocks, which make the roots in their headers.
func (n *node) receipts(ctx context.Context, headers []sealed) ([]receipts, error) {
	calls := make([]*call, len(headers))
	for i, h := range headers {
		calls[i] = &call{method: "eth_getBlockReceipts", args: []any{h.Hash}}
	}
	if err := n.batch(ctx, calls); err != nil {
		var refused rpc.Error
		if errors.As(err, &refused) && (refused.ErrorCode() == -32601 || mentions(err, "does not exist", "not supported", "unsupported", "not found")) {
			n.count(func(h *health) { h.noReceipts = true })
			return nil, &lacksReceipts{err}
		}
		return nil, fmt.Errorf("asking for the receipts of blocks %d to %d: %w", headers[0].Number, headers[len(headers)-1].Number, err)
	}
	lists := make([]receipts, len(headers))
	for i, c := range calls {
		list, err := readReceipts(c.raw)
		if err != nil {
			return nil, doubt(headers[i].Number, "%v", err)
		}
		root := types.EmptyReceiptsHash
		if len(list) > 0 {
			root = types.DeriveSha(list, trie.NewStackTrie(nil))
		}
		if root != headers[i].receipts {
			return nil, doubt(headers[i].Number, "the receipts that endpoint %s gives make the root %s, its header says %s", n.name, root, headers[i].receipts)
		}
		list.countGas()
		lists[i] = list
	}
	return lists, nil
}

// lacksReceipts says that an endpoint does not serve receipts by block.
type lacksReceipts struct{ error }

func (e *lacksReceipts) Unwrap() error { return e.error }

// receipt is what of a receipt is hashed into the receipts root (EIP-2718), its body and
// kind, and what is not.
type receipt struct {
	kind  uint64
	tx    common.Hash
	block common.Hash
	used  uint64 // gas
	price []byte // of a unit of gas, in wei; nil: not told
	body  struct {
		Status []byte // or, before Byzantium, a state root
		Gas    uint64
		Bloom  types.Bloom
		Logs   []*types.Log
	}
}

type receipts []receipt

// Len is how many receipts there are.
func (r receipts) Len() int { return len(r) }

// EncodeIndex writes a receipt as it is hashed. Chains have kinds of their own, and they
// are written alike.
func (r receipts) EncodeIndex(i int, w *bytes.Buffer) {
	if r[i].kind != types.LegacyTxType {
		w.WriteByte(byte(r[i].kind))
	}
	if err := rlp.Encode(w, &r[i].body); err != nil {
		panic(err) // into a buffer, of a type that RLP can encode
	}
}

// countGas computes what each transaction used of what all used together, which the
// receipts root proves.
func (r receipts) countGas() {
	before := uint64(0)
	for i := range r {
		r[i].used, before = r[i].body.Gas-before, r[i].body.Gas
	}
}

// logs are the receipts' logs, in place.
func (r receipts) logs(h header) (out []types.Log) {
	for i := range r {
		for _, log := range r[i].body.Logs {
			log.BlockNumber, log.BlockHash, log.TxHash, log.TxIndex, log.Index = h.Number, h.Hash, r[i].tx, uint(i), uint(len(out))
			log.Removed = false
			out = append(out, *log)
		}
	}
	return out
}

// readReceipts reads what eth_getBlockReceipts answers.
func readReceipts(raw []byte) (list receipts, err error) {
	c := &cursor{data: raw}
	if len(raw) == 0 || c.null() {
		return nil, errors.New("the node does not have its receipts")
	}
	err = c.elements(func() error {
		var r receipt
		if err := c.receipt(&r); err != nil {
			return err
		}
		list = append(list, r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading receipts: %w", err)
	}
	return list, nil
}

func (c *cursor) receipt(r *receipt) error {
	return c.fields(func(key []byte) (err error) {
		switch string(key) {
		case "type":
			return c.number(&r.kind)
		case "transactionHash":
			return c.fixed(r.tx[:])
		case "blockHash":
			return c.fixed(r.block[:])
		case "gasUsed":
			return c.number(&r.used)
		case "effectiveGasPrice":
			r.price, err = c.amount()
			return err
		case "cumulativeGasUsed":
			return c.number(&r.body.Gas)
		case "logsBloom":
			return c.fixed(r.body.Bloom[:])
		case "root":
			if c.null() {
				return nil
			}
			root, err := c.bytes()
			if len(root) > 0 {
				r.body.Status = root
			}
			return err
		case "status":
			if c.null() {
				return nil
			}
			var status uint64
			if err = c.number(&status); err == nil && len(r.body.Status) == 0 && status == 1 {
				r.body.Status = []byte{1}
			}
			return err
		case "logs":
			return c.elements(func() error {
				log := &types.Log{}
				r.body.Logs = append(r.body.Logs, log)
				return c.log(log)
			})
		default:
			return c.ignore()
		}
	})
}
