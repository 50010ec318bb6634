package rpctest

import (
	"encoding/binary"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// ERC20 is a token's traffic: first every account gets Endowment, then they pay each
// other.
type ERC20 struct {
	Token    common.Address
	PerBlock int // transfers in a block
	PerTx    int // transfers in a transaction
	Every    int // one block of so many has transfers
	Seed     uint64
	accounts []common.Hash // addresses, as topics
}

// Endowment is what every account gets; no payment is above MaxPayment.
const (
	Endowment  = 1_000_000_000_000_000_000
	MaxPayment = 1_000_000
)

// TransferTopic is the first topic of an ERC-20 transfer.
var TransferTopic = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))

// bystander is a contract that nobody watches.
var bystander = common.HexToAddress("0x00000000000000000000000000000000000b1570")

// NewERC20 is a token between so many accounts.
func NewERC20(token common.Address, accounts, perBlock int) *ERC20 {
	e := &ERC20{Token: token, PerBlock: perBlock, PerTx: 5, Every: 1, accounts: make([]common.Hash, accounts)}
	for i := range e.accounts {
		hash := crypto.Keccak256Hash([]byte("account"), binary.BigEndian.AppendUint64(nil, uint64(i)))
		copy(e.accounts[i][12:], hash[12:])
	}
	return e
}

// Play returns a block's transfers.
func (e *ERC20) Play(number, salt uint64) (func() []Tx, uint64) {
	return func() []Tx { return e.txs(number, salt) }, blockTime
}

func (e *ERC20) txs(number, salt uint64) []Tx {
	var txs []Tx
	if number%3 == 0 { // somebody else's log comes first
		txs = append(txs, Tx{Logs: []Log{{Address: bystander, Topics: []common.Hash{TransferTopic}, Data: []byte{1}}}})
	}
	if number%uint64(e.Every) != 0 {
		return txs
	}
	first := (number/uint64(e.Every) - min(1, number/uint64(e.Every))) * uint64(e.PerBlock)
	logs := make([]Log, e.PerBlock)
	topics := make([]common.Hash, 3*e.PerBlock)
	data := make([]byte, 32*e.PerBlock)
	for i := range logs {
		own := topics[3*i : 3*i+3 : 3*i+3]
		logs[i] = Log{Address: e.Token, Topics: own, Data: data[32*i : 32*i+32 : 32*i+32]}
		var value uint64
		own[0] = TransferTopic
		own[1], own[2], value = e.transfer(first+uint64(i), salt)
		binary.BigEndian.PutUint64(logs[i].Data[24:], value)
	}
	for start := 0; start < len(logs); start += e.PerTx {
		txs = append(txs, Tx{Logs: logs[start:min(len(logs), start+e.PerTx)]})
	}
	return txs
}

// transfer is the k-th: a gift to each account first, then payments.
func (e *ERC20) transfer(k, salt uint64) (from, to common.Hash, value uint64) {
	n := uint64(len(e.accounts))
	if k < n {
		return common.Hash{}, e.accounts[k], Endowment
	}
	h := mix(k ^ mix(salt+e.Seed<<20))
	return e.accounts[h%n], e.accounts[(h>>24)%n], 1 + (h>>40)%MaxPayment
}

// mix scatters a number (splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Abandon has nothing to take back.
func (e *ERC20) Abandon() {}

// Call answers nothing: a token has nothing that its events do not carry.
func (e *ERC20) Call(to common.Address, _ []byte) ([]byte, bool) { return nil, to == e.Token }

// Balances are what the canonical chain says that everybody has.
func (c *Chain) Balances(token common.Address) map[common.Address]*big.Int {
	balances := map[common.Address]*big.Int{}
	add := func(account common.Hash, value *big.Int) {
		address := common.BytesToAddress(account[:])
		if address == (common.Address{}) {
			return
		}
		if balances[address] == nil {
			balances[address] = new(big.Int)
		}
		balances[address].Add(balances[address], value)
	}
	c.Logs(func(_ *Block, log Log) {
		if log.Address != token || len(log.Topics) != 3 || log.Topics[0] != TransferTopic {
			return
		}
		value := new(big.Int).SetBytes(log.Data)
		add(log.Topics[2], value)
		add(log.Topics[1], new(big.Int).Neg(value))
	})
	return balances
}
