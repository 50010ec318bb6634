package rpctest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/trie"
)

// What every transaction costs, and may cost.
const (
	gasPerTx = 50_000
	gasLimit = 90_000
	baseFee  = 1
	gasTip   = 2
	feeCap   = 100
)

// somePoint is the x coordinate of a point of the curve. A signature that begins with it
// is somebody's, whoever that is: nobody has to sign.
var somePoint, _ = new(big.Int).SetString("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", 16)

// tx is the i-th transaction of a block.
func (b *Block) tx(i int, logs []Log) *types.Transaction {
	var to *common.Address // one that emits nothing creates a contract
	if len(logs) > 0 {
		to = &logs[0].Address
	}
	data := make([]byte, 24)
	binary.BigEndian.PutUint64(data, b.Number)
	binary.BigEndian.PutUint64(data[8:], b.salt)
	binary.BigEndian.PutUint64(data[16:], uint64(i))
	return types.NewTx(&types.DynamicFeeTx{
		ChainID: new(big.Int).SetUint64(b.chain), Nonce: b.Number, GasTipCap: big.NewInt(gasTip), GasFeeCap: big.NewInt(feeCap), Gas: gasLimit,
		To: to, Value: big.NewInt(int64(i) + b.lie), Data: data, V: new(big.Int), R: somePoint, S: new(big.Int).SetUint64(b.Number<<16 + uint64(i) + 1),
	})
}

// sealTxs computes the transactions' hashes and their root.
func (b *Block) sealTxs(txs []Tx) {
	if len(txs) == 0 {
		b.txRoot = types.EmptyTxsHash
		return
	}
	list := make(types.Transactions, len(txs))
	b.txs = make([]common.Hash, len(txs))
	for i := range txs {
		list[i] = b.tx(i, txs[i].Logs)
		b.txs[i] = list[i].Hash()
	}
	b.txRoot = types.DeriveSha(list, trie.NewStackTrie(nil))
}

// appendTxs appends the block's transactions, or only their hashes.
func (b *Block) appendTxs(out []byte, full bool) []byte {
	out = append(out, '[')
	if !full {
		for i := range b.txs {
			out = appendHex(appendField(out, ""), b.txs[i][:])
		}
		return append(out, ']')
	}
	for i, tx := range b.play() {
		out = append(appendField(out, ""), b.fullTx(i, tx.Logs)...)
	}
	return append(out, ']')
}

func (b *Block) fullTx(i int, logs []Log) []byte {
	tx := b.tx(i, logs)
	from, err := types.LatestSignerForChainID(tx.ChainId()).Sender(tx)
	if err != nil {
		panic(fmt.Errorf("transaction %d of block %d: %w", i, b.Number, err)) // somePoint is on the curve
	}
	out, err := json.Marshal(tx)
	if err != nil {
		panic(err) // it can be encoded
	}
	said := tx.Hash()
	out = bytes.Replace(out, []byte(said.Hex()), []byte(b.txs[i].Hex()), 1)[:len(out)-1]
	out = appendHex(appendField(out, "from"), from[:])
	out = appendHex(appendField(out, "blockHash"), b.Hash[:])
	out = appendNumber(appendField(out, "blockNumber"), b.Number)
	out = appendNumber(appendField(out, "transactionIndex"), uint64(i))
	return append(out, '}')
}
