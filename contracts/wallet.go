package contracts

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

// ErrNonceTooLow says that another transaction with this nonce is already in a block.
var ErrNonceTooLow = errors.New("the transaction's nonce is already spent")

// ErrUnderpriced says that another transaction with this nonce waits in the node's
// pool, and that this one does not pay enough more to take its place.
var ErrUnderpriced = errors.New("another transaction with this nonce is waiting")

// Wallet signs, sends and follows the transactions of one key. The caller chooses the
// nonces, so many transactions can be in flight. It may be used by many goroutines.
type Wallet struct {
	eth     *ethclient.Client
	key     *ecdsa.PrivateKey
	signer  types.Signer
	chainID *big.Int
	address common.Address
}

// NewWallet uses a key on the chain with this id, through a node.
func NewWallet(client *rpc.Client, key *ecdsa.PrivateKey, chainID uint64) *Wallet {
	id := new(big.Int).SetUint64(chainID)
	return &Wallet{
		eth:     ethclient.NewClient(client),
		key:     key,
		signer:  types.LatestSignerForChainID(id),
		chainID: id,
		address: crypto.PubkeyToAddress(key.PublicKey),
	}
}

// Address is the account of the key.
func (w *Wallet) Address() common.Address { return w.address }

// Nonce is the next unused nonce, counting transactions that wait in the node's pool.
func (w *Wallet) Nonce(ctx context.Context) (uint64, error) {
	nonce, err := w.eth.PendingNonceAt(ctx, w.address)
	if err != nil {
		return 0, fmt.Errorf("reading the nonce of %s: %w", w.address, err)
	}
	return nonce, nil
}

// MinedNonce is the next nonce counting only transactions in blocks.
func (w *Wallet) MinedNonce(ctx context.Context) (uint64, error) {
	nonce, err := w.eth.NonceAt(ctx, w.address, nil)
	if err != nil {
		return 0, fmt.Errorf("reading the nonce of %s: %w", w.address, err)
	}
	return nonce, nil
}

// Tx is a transaction to sign. To is nil where it creates a contract.
type Tx struct {
	To    *common.Address
	Data  []byte
	Value *big.Int // wei
	Nonce uint64
	Gas   uint64
}

// SignWith signs a transaction whose gas and fees are known; it asks nobody. The same
// input gives the same transaction.
func (w *Wallet) SignWith(tx Tx, fees Fees) (*types.Transaction, error) {
	var inner types.TxData = &types.LegacyTx{
		Nonce: tx.Nonce, GasPrice: fees.Max, Gas: tx.Gas, To: tx.To, Value: amount(tx.Value), Data: tx.Data,
	}
	if fees.Tip != nil {
		inner = &types.DynamicFeeTx{
			ChainID: w.chainID, Nonce: tx.Nonce, GasTipCap: fees.Tip, GasFeeCap: fees.Max,
			Gas: tx.Gas, To: tx.To, Value: amount(tx.Value), Data: tx.Data,
		}
	}
	signed, err := types.SignNewTx(w.key, w.signer, inner)
	if err != nil {
		return nil, fmt.Errorf("signing a transaction: %w", err)
	}
	return signed, nil
}

// Sign asks the node for gas and fees and signs. A call that the contract would refuse
// now is a *RevertError. What depends on a transaction still in flight must be signed
// by SignWith, since the node estimates on the newest block.
func (w *Wallet) Sign(ctx context.Context, to common.Address, data []byte, value *big.Int, nonce uint64) (*types.Transaction, error) {
	gas, err := w.Estimate(ctx, to, data, value)
	if err != nil {
		return nil, err
	}
	fees, err := w.Fees(ctx)
	if err != nil {
		return nil, err
	}
	return w.SignWith(Tx{To: &to, Data: data, Value: value, Nonce: nonce, Gas: gas}, fees)
}

// Estimate is a gas limit for a call: half again what it takes now, since others'
// transactions before it can make it dearer (the contribution that turns out to make
// the consensus counts all winners). A call that the contract would refuse now is a
// *RevertError.
func (w *Wallet) Estimate(ctx context.Context, to common.Address, data []byte, value *big.Int) (uint64, error) {
	gas, err := w.eth.EstimateGas(ctx, ethereum.CallMsg{From: w.address, To: &to, Data: data, Value: amount(value)})
	if err != nil {
		return 0, fmt.Errorf("estimating a call of %s: %w", to, revertOf(err))
	}
	return min(gas+gas/2+spareGas, max(gas, maxTxGas)), nil
}

const (
	spareGas = 50_000  // a storage slot or two that another transaction cleared meanwhile
	maxTxGas = 1 << 24 // what a transaction may ask for (EIP-7825)
)

// Submit hands a signed transaction to the node. It succeeds too where the node has
// it already, in its pool or in a block, so it can be repeated after a crash. Else
// ErrNonceTooLow, ErrUnderpriced, a *RevertError or what the node says.
func (w *Wallet) Submit(ctx context.Context, tx *types.Transaction) error {
	err := w.eth.SendTransaction(ctx, tx)
	switch {
	case err == nil || says(err, "already known"):
		return nil
	case says(err, "nonce too low"):
		return w.spent(ctx, tx)
	case says(err, "replacement transaction underpriced"):
		return fmt.Errorf("sending transaction %s: %w", tx.Hash(), ErrUnderpriced)
	default:
		return fmt.Errorf("sending transaction %s: %w", tx.Hash(), revertOf(err))
	}
}

// spent finds out whether it was this very transaction that spent the nonce.
func (w *Wallet) spent(ctx context.Context, tx *types.Transaction) error {
	receipt, err := w.Receipt(ctx, tx.Hash())
	if err != nil {
		return err
	}
	if receipt == nil {
		return fmt.Errorf("sending transaction %s: %w", tx.Hash(), ErrNonceTooLow)
	}
	return nil
}

// says looks for the words of a node's error: they reach us as text only.
func says(err error, words string) bool { return strings.Contains(err.Error(), words) }

// Receipt returns a transaction's receipt, nil where it is in no block yet.
func (w *Wallet) Receipt(ctx context.Context, hash common.Hash) (*types.Receipt, error) {
	receipt, err := w.eth.TransactionReceipt(ctx, hash)
	switch {
	case err == nil:
		return receipt, nil
	case errors.Is(err, ethereum.NotFound) || says(err, "transaction indexing is in progress"):
		return nil, nil
	default:
		return nil, fmt.Errorf("reading the receipt of %s: %w", hash, err)
	}
}

// Wait asks for the receipt at intervals that grow from the first to the last.
const (
	firstReceiptInterval = 10 * time.Millisecond
	lastReceiptInterval  = 200 * time.Millisecond
)

// Wait returns a transaction's receipt once it is in a block, whether or not it
// reverted there; RevertOf tells why it did. By then the node's newest state has the block:
// go-ethereum knows a receipt a moment before, and what is asked of it in that moment is
// answered as if the transaction had not been.
func (w *Wallet) Wait(ctx context.Context, hash common.Hash) (*types.Receipt, error) {
	for interval := firstReceiptInterval; ; interval = min(2*interval, lastReceiptInterval) {
		receipt, err := w.Receipt(ctx, hash)
		if err != nil {
			return nil, err
		}
		if receipt != nil {
			head, err := w.eth.BlockNumber(ctx)
			if err != nil {
				return nil, fmt.Errorf("asking for the newest block: %w", err)
			}
			if head >= receipt.BlockNumber.Uint64() {
				return receipt, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for transaction %s: %w", hash, ctx.Err())
		case <-time.After(interval):
		}
	}
}

// RevertOf makes a reverted transaction's call again and returns why the contract
// refuses it, nil where it succeeded. It calls on the state after the transaction's
// block, whose time is the transaction's own and where it left nothing itself; only
// those after it in the block can make the reason another one, or none.
func (w *Wallet) RevertOf(ctx context.Context, tx *types.Transaction, receipt *types.Receipt) error {
	if receipt.Status == types.ReceiptStatusSuccessful {
		return nil
	}
	call := ethereum.CallMsg{From: w.address, To: tx.To(), Gas: tx.Gas(), Value: tx.Value(), Data: tx.Data()}
	if _, err := w.eth.CallContract(ctx, call, receipt.BlockNumber); err != nil {
		return revertOf(err)
	}
	return &RevertError{}
}
