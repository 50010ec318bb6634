package rpctest

import (
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"assay/contracts/multicall"
)

// result appends the answer to a call.
func (s *session) result(out []byte, c call) ([]byte, *rpcError) {
	switch c.Method {
	case "eth_chainId":
		id := s.node.chain.ID
		if s.faults.ChainID != 0 {
			id = s.faults.ChainID
		}
		return appendNumber(out, id), nil
	case "eth_blockNumber":
		return appendNumber(out, s.view.head), nil
	case "eth_getCode":
		if s.faults.NoCode {
			return append(out, `"0x"`...), nil
		}
		return append(out, `"0x01"`...), nil
	case "eth_getBlockByNumber", "eth_getBlockByHash":
		b, err := s.block(c)
		if err != nil {
			return out, err
		}
		return s.header(out, b, len(c.Params) > 1 && string(c.Params[1]) == "true"), nil
	case "eth_getBlockReceipts":
		return s.receipts(out, c)
	case "eth_getTransactionReceipt":
		return s.receipt(out, c)
	case "eth_getLogs":
		return s.logs(out, c)
	case "eth_call":
		return s.call(out, c)
	default:
		return out, refuse(-32601, "the method %s does not exist/is not available", c.Method)
	}
}

// block finds the block that a call's first parameter names: a tag, a number or a hash.
func (s *session) block(c call) (*Block, *rpcError) {
	if len(c.Params) == 0 {
		return nil, refuse(-32602, "missing value for required argument 0")
	}
	var name string
	if json.Unmarshal(c.Params[0], &name) != nil {
		var byHash struct {
			BlockHash common.Hash `json:"blockHash"` // EIP-1898
		}
		if err := json.Unmarshal(c.Params[0], &byHash); err != nil {
			return nil, refuse(-32602, "invalid argument 0: %v", err)
		}
		name = byHash.BlockHash.Hex()
	}
	if one(s.number, uint64(s.faults.NullEvery)) && name != "latest" && name != "finalized" {
		return nil, nil
	}
	switch {
	case name == "latest":
		return s.view.at(s.view.head), nil
	case name == "finalized" && s.faults.NoFinal:
		return nil, refuse(-32602, "unknown block tag")
	case name == "finalized":
		return s.view.final(), nil
	case len(name) == 2+2*common.HashLength:
		return s.view.of(common.HexToHash(name)), nil
	}
	number, err := hexutil.DecodeUint64(name)
	if err != nil {
		return nil, refuse(-32602, "invalid argument 0: %v", err)
	}
	return s.view.at(number), nil
}

func (s *session) header(out []byte, b *Block, full bool) []byte {
	if b == nil {
		return append(out, "null"...)
	}
	if one(b.Number, s.faults.FalseHeader) && b.Number > 0 {
		empty := *b
		empty.bloom, empty.receipts = types.Bloom{}, types.EmptyReceiptsHash
		b = &empty
	}
	if full && one(b.Number, s.faults.FalseTx) {
		other := *b
		other.lie = 1
		b = &other
	}
	return b.appendHeader(out, full)
}

func (s *session) receipts(out []byte, c call) ([]byte, *rpcError) {
	if s.faults.NoReceipts {
		return out, refuse(-32601, "the method eth_getBlockReceipts does not exist/is not available")
	}
	b, err := s.block(c)
	if err != nil {
		return out, err
	}
	if b == nil {
		return append(out, "null"...), nil
	}
	if s.faults.DamageToo {
		return b.appendReceipts(out, s.faults.hidden), nil
	}
	return b.appendReceipts(out, never), nil
}

// receipt answers eth_getTransactionReceipt: of a canonical transaction, which names its
// block itself.
func (s *session) receipt(out []byte, c call) ([]byte, *rpcError) {
	var hash common.Hash
	if len(c.Params) == 0 || json.Unmarshal(c.Params[0], &hash) != nil {
		return out, refuse(-32602, "invalid argument 0")
	}
	b, i := s.view.find(hash)
	if b == nil {
		return append(out, "null"...), nil
	}
	txs := b.play()
	at := place{tx: i, log: countLogs(txs[:i])}
	return b.appendReceipt(out, txs[i], at, func(int) bool { return true }), nil
}

// filter is what eth_getLogs is asked for.
type filter struct {
	BlockHash *common.Hash     `json:"blockHash"`
	FromBlock hexutil.Uint64   `json:"fromBlock"`
	ToBlock   hexutil.Uint64   `json:"toBlock"`
	Address   []common.Address `json:"address"`
	Topics    [][]common.Hash  `json:"topics"`
}

func (f *filter) anyTopic(i int, is func([]byte) bool) bool {
	if i >= len(f.Topics) || len(f.Topics[i]) == 0 {
		return true
	}
	for j := range f.Topics[i] {
		if is(f.Topics[i][j][:]) {
			return true
		}
	}
	return false
}

func (f *filter) wants(log *Log) bool {
	match := len(f.Address) == 0
	for _, address := range f.Address {
		match = match || address == log.Address
	}
	for i := range f.Topics {
		match = match && i < len(log.Topics) && f.anyTopic(i, func(topic []byte) bool { return common.Hash(topic) == log.Topics[i] })
	}
	return match
}

// logs appends what eth_getLogs answers. What lies beyond the node's head is not there.
func (s *session) logs(out []byte, c call) ([]byte, *rpcError) {
	var f filter
	if len(c.Params) == 0 || json.Unmarshal(c.Params[0], &f) != nil {
		return out, refuse(-32602, "invalid argument 0")
	}
	count := 0
	out = append(out, '[')
	if f.BlockHash != nil {
		if b := s.view.of(*f.BlockHash); b != nil {
			out, _ = s.logsOf(out, b, &f)
		}
		return append(out, ']'), nil
	}
	if f.ToBlock < f.FromBlock {
		return out, refuse(-32000, "invalid block range params")
	}
	if s.faults.MaxRange > 0 && uint64(f.ToBlock-f.FromBlock) >= s.faults.MaxRange {
		return out, refuse(-32600, "exceed maximum block range: %d", s.faults.MaxRange)
	}
	for number := uint64(f.FromBlock); number <= uint64(f.ToBlock); number++ {
		b := s.view.at(number)
		if b == nil {
			break
		}
		var n int
		out, n = s.logsOf(out, b, &f)
		if count += n; s.faults.MaxResults > 0 && count > s.faults.MaxResults {
			return out, refuse(-32005, "query returned more than %d results", s.faults.MaxResults)
		}
	}
	return append(out, ']'), nil
}

// logsOf appends those logs of a block that a filter wants.
func (s *session) logsOf(out []byte, b *Block, f *filter) ([]byte, int) {
	if !couldHold(b.bloom, f) {
		return out, 0
	}
	shown := b
	if one(b.Number, s.faults.WrongHash) {
		other := *b
		other.Hash[0]++
		shown = &other
	}
	txs := b.play()
	total, index, found := countLogs(txs), 0, 0
	for i, tx := range txs {
		for j := range tx.Logs {
			if f.wants(&tx.Logs[j]) && !s.faults.hidden(b, index, total) {
				at := place{tx: i, log: index, removed: one(b.Number, s.faults.Removed)}
				out = shown.appendLog(appendField(out, ""), &tx.Logs[j], at)
				found++
			}
			index++
		}
	}
	return out, found
}

// call answers eth_call: of a contract, or of the init code that makes many calls.
func (s *session) call(out []byte, c call) ([]byte, *rpcError) {
	var asked struct {
		To   *common.Address `json:"to"`
		Data hexutil.Bytes   `json:"data"`
	}
	if len(c.Params) == 0 || json.Unmarshal(c.Params[0], &asked) != nil {
		return out, refuse(-32602, "invalid argument 0")
	}
	if asked.To == nil {
		answer, err := multicall.Emulate(asked.Data, s.node.chain.call)
		if err != nil || s.faults.NoMulticall {
			return out, refuse(-32000, "invalid opcode: %v", err)
		}
		return appendHex(out, answer), nil
	}
	answer, ok := s.node.chain.call(*asked.To, asked.Data)
	if !ok {
		return append(out, `"0x"`...), nil
	}
	return appendHex(out, answer), nil
}
