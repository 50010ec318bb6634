package rpctest

import (
	"encoding/hex"
	"strconv"

	"github.com/ethereum/go-ethereum/core/types"
)

// JSON is written by hand: a benchmark shares its processors with the node.

func appendHex(out, data []byte) []byte {
	out = append(out, `"0x`...)
	out = hex.AppendEncode(out, data)
	return append(out, '"')
}

func appendNumber(out []byte, n uint64) []byte {
	out = append(out, `"0x`...)
	out = strconv.AppendUint(out, n, 16)
	return append(out, '"')
}

func appendField(out []byte, name string) []byte {
	if last := out[len(out)-1]; last != '{' && last != '[' {
		out = append(out, ',')
	}
	if name == "" {
		return out
	}
	out = append(out, '"')
	out = append(out, name...)
	return append(out, '"', ':')
}

// appendHeader appends the block as eth_getBlockByHash answers, full or not.
func (b *Block) appendHeader(out []byte, full bool) []byte {
	h := b.header()
	out = append(out, '{')
	for _, f := range []struct {
		name string
		data []byte
	}{
		{"hash", b.Hash[:]}, {"parentHash", h.ParentHash[:]}, {"sha3Uncles", h.UncleHash[:]}, {"miner", h.Coinbase[:]},
		{"stateRoot", h.Root[:]}, {"transactionsRoot", h.TxHash[:]}, {"receiptsRoot", h.ReceiptHash[:]}, {"logsBloom", h.Bloom[:]},
		{"extraData", h.Extra}, {"mixHash", h.MixDigest[:]}, {"nonce", h.Nonce[:]},
	} {
		out = appendHex(appendField(out, f.name), f.data)
	}
	for _, f := range []struct {
		name  string
		value uint64
	}{
		{"number", b.Number}, {"timestamp", h.Time}, {"gasLimit", h.GasLimit}, {"gasUsed", h.GasUsed}, {"difficulty", 0},
		{"baseFeePerGas", h.BaseFee.Uint64()}, {"size", 600},
	} {
		out = appendNumber(appendField(out, f.name), f.value)
	}
	out = append(out, `,"uncles":[],"transactions":`...)
	return append(b.appendTxs(out, full), '}')
}

// place is where in its block a log is.
type place struct {
	tx, log int
	removed bool
}

func (b *Block) appendLog(out []byte, log *Log, at place) []byte {
	out = appendField(append(out, '{'), "address")
	out = append(appendHex(out, log.Address[:]), `,"topics":[`...)
	for i := range log.Topics {
		out = appendHex(appendField(out, ""), log.Topics[i][:])
	}
	out = appendHex(append(out, `],"data":`...), log.Data)
	out = appendNumber(append(out, `,"blockNumber":`...), b.Number)
	out = appendHex(append(out, `,"transactionHash":`...), b.txs[at.tx][:])
	out = appendNumber(append(out, `,"transactionIndex":`...), uint64(at.tx))
	out = appendHex(append(out, `,"blockHash":`...), b.Hash[:])
	out = appendNumber(append(out, `,"blockTimestamp":`...), b.Time)
	out = appendNumber(append(out, `,"logIndex":`...), uint64(at.log))
	out = append(out, `,"removed":`...)
	out = strconv.AppendBool(out, at.removed)
	return append(out, '}')
}

func (b *Block) appendReceipts(out []byte, hidden func(*Block, int, int) bool) []byte {
	out = append(out, '[')
	index := 0
	txs := b.play()
	total := countLogs(txs)
	for i, tx := range txs {
		shown := func(log int) bool { return !hidden(b, log, total) }
		out = b.appendReceipt(appendField(out, ""), tx, place{tx: i, log: index}, shown)
		index += len(tx.Logs)
	}
	return append(out, ']')
}

// appendReceipt appends the receipt of one transaction, whose first log is at a place.
func (b *Block) appendReceipt(out []byte, tx Tx, at place, shown func(log int) bool) []byte {
	out = append(out, `{"status":"0x1","type":"0x2"`...)
	out = appendHex(appendField(out, "transactionHash"), b.txs[at.tx][:])
	out = appendNumber(appendField(out, "transactionIndex"), uint64(at.tx))
	out = appendHex(appendField(out, "blockHash"), b.Hash[:])
	out = appendNumber(appendField(out, "blockNumber"), b.Number)
	out = appendNumber(appendField(out, "cumulativeGasUsed"), gasPerTx*uint64(at.tx+1))
	out = appendNumber(appendField(out, "gasUsed"), gasPerTx)
	out = appendNumber(appendField(out, "effectiveGasPrice"), baseFee+gasTip)
	bloom := bloomOf(tx)
	out = appendHex(appendField(out, "logsBloom"), bloom[:])
	out = append(appendField(out, "logs"), '[')
	for j := range tx.Logs {
		if shown(at.log) {
			out = b.appendLog(appendField(out, ""), &tx.Logs[j], at)
		}
		at.log++
	}
	return append(out, ']', '}')
}

func countLogs(txs []Tx) (n int) {
	for _, tx := range txs {
		n += len(tx.Logs)
	}
	return n
}

// couldHold says whether by its bloom filter a block may have logs that a filter wants.
func couldHold(bloom types.Bloom, f *filter) bool {
	for _, address := range f.Address {
		if bloom.Test(address[:]) {
			return true
		}
	}
	if len(f.Address) > 0 {
		return false
	}
	return len(f.Topics) == 0 || f.anyTopic(0, func(topic []byte) bool { return bloom.Test(topic) })
}
