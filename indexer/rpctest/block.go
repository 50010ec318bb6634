package rpctest

import (
	"bytes"
	"encoding/binary"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"
)

// Log is what a contract emits.
type Log struct {
	Address common.Address
	Topics  []common.Hash
	Data    []byte
}

// Tx is a transaction, of which only its logs matter.
type Tx struct{ Logs []Log }

// Traffic is what happens on a chain.
type Traffic interface {
	// Play says what happens in the next block, the child of the newest, and how many
	// seconds later. The function is called whenever the block's logs are wanted. salt
	// tells branches apart.
	Play(number, salt uint64) (txs func() []Tx, seconds uint64)
	// Abandon takes back the newest block.
	Abandon()
	// Call answers eth_call; ok is false where nothing is at the address.
	Call(to common.Address, data []byte) (answer []byte, ok bool)
}

// Block is one block of a chain, canonical or not.
type Block struct {
	Number   uint64
	Hash     common.Hash
	Parent   common.Hash
	Time     uint64
	salt     uint64
	chain    uint64
	receipts common.Hash
	bloom    types.Bloom
	txs      []common.Hash // the transactions' hashes
	txRoot   common.Hash
	lie      int64 // what its transactions are said to be worth more than they are
	play     func() []Tx
}

// seal computes what depends on the block's own content.
func (b *Block) seal() {
	txs := b.play()
	b.sealTxs(txs)
	if len(txs) == 0 {
		b.receipts = types.EmptyReceiptsHash
		return
	}
	list := make(receipts, len(txs))
	for i, tx := range txs {
		list[i] = receipt{Status: []byte{1}, Gas: gasPerTx * uint64(i+1), Bloom: bloomOf(tx), Logs: tx.Logs}
		for j := range b.bloom {
			b.bloom[j] |= list[i].Bloom[j]
		}
	}
	b.receipts = types.DeriveSha(list, trie.NewStackTrie(nil))
}

// link computes the block's hash from its parent's.
func (b *Block) link(parent common.Hash) {
	b.Parent = parent
	b.Hash = b.header().Hash()
}

func (b *Block) header() *types.Header {
	extra := make([]byte, 8)
	binary.BigEndian.PutUint64(extra, b.salt)
	return &types.Header{
		ParentHash: b.Parent, UncleHash: types.EmptyUncleHash, TxHash: b.txRoot, ReceiptHash: b.receipts, Bloom: b.bloom,
		Difficulty: new(big.Int), Number: new(big.Int).SetUint64(b.Number), GasLimit: 30_000_000, Time: b.Time, Extra: extra,
		BaseFee: big.NewInt(baseFee),
	}
}

// receipt is a receipt as it is hashed into the receipts root (EIP-2718, type 2).
type receipt struct {
	Status []byte
	Gas    uint64
	Bloom  types.Bloom
	Logs   []Log
}

type receipts []receipt

func (r receipts) Len() int { return len(r) }

func (r receipts) EncodeIndex(i int, w *bytes.Buffer) {
	w.WriteByte(types.DynamicFeeTxType)
	if err := rlp.Encode(w, &r[i]); err != nil {
		panic(err) // into a buffer, of a type that RLP can encode
	}
}

func bloomOf(tx Tx) (bloom types.Bloom) {
	for _, log := range tx.Logs {
		bloom.Add(log.Address[:])
		for i := range log.Topics {
			bloom.Add(log.Topics[i][:])
		}
	}
	return bloom
}
