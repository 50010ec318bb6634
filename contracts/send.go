package contracts

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Call is a transaction to send, of which the wallet chooses nonce and fees.
type Call struct {
	To    common.Address
	Data  []byte
	Value *big.Int // wei
	Gas   uint64   // limit; 0: estimated, which calls that depend on an earlier one cannot be
}

// Send signs the calls in order from the wallet's next nonce, sends them all at once
// and waits until they are in blocks. It fails where one is refused or reverts. Nobody
// else may use the key meanwhile.
func (w *Wallet) Send(ctx context.Context, calls ...Call) ([]*types.Receipt, error) {
	sent, err := w.sendAll(ctx, calls)
	if err != nil {
		return nil, err
	}
	receipts := make([]*types.Receipt, len(sent))
	for i, tx := range sent {
		if receipts[i], err = w.Wait(ctx, tx.Hash()); err != nil {
			return nil, err
		}
		if err := w.RevertOf(ctx, tx, receipts[i]); err != nil {
			return nil, fmt.Errorf("transaction %s to %s: %w", tx.Hash(), tx.To(), err)
		}
	}
	return receipts, nil
}

func (w *Wallet) sendAll(ctx context.Context, calls []Call) ([]*types.Transaction, error) {
	fees, err := w.Fees(ctx)
	if err != nil {
		return nil, err
	}
	nonce, err := w.Nonce(ctx)
	if err != nil {
		return nil, err
	}
	sent := make([]*types.Transaction, len(calls))
	for i, call := range calls {
		if call.Gas == 0 {
			if call.Gas, err = w.Estimate(ctx, call.To, call.Data, call.Value); err != nil {
				return nil, err
			}
		}
		tx := Tx{To: &call.To, Data: call.Data, Value: call.Value, Nonce: nonce + uint64(i), Gas: call.Gas}
		if sent[i], err = w.SignWith(tx, fees); err != nil {
			return nil, err
		}
		if err := w.Submit(ctx, sent[i]); err != nil {
			return nil, err
		}
	}
	return sent, nil
}
