package contracts

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/core/types"
)

// Fees are what a transaction pays per gas, in wei.
type Fees struct {
	Tip *big.Int // to the block's maker; nil on a chain without base fee
	Max *big.Int // tip and base fee together, or the gas price
}

// Fees asks the node what to pay now. Max leaves room for the base fee to double.
func (w *Wallet) Fees(ctx context.Context) (Fees, error) {
	head, err := w.eth.HeaderByNumber(ctx, nil)
	if err != nil {
		return Fees{}, fmt.Errorf("reading the base fee: %w", err)
	}
	if head.BaseFee == nil {
		price, err := w.eth.SuggestGasPrice(ctx)
		if err != nil {
			return Fees{}, fmt.Errorf("reading the gas price: %w", err)
		}
		return Fees{Max: price}, nil
	}
	tip, err := w.eth.SuggestGasTipCap(ctx)
	if err != nil {
		return Fees{}, fmt.Errorf("reading the usual tip: %w", err)
	}
	double := new(big.Int).Lsh(head.BaseFee, 1)
	return Fees{Tip: tip, Max: double.Add(double, tip)}, nil
}

// Reprice signs a waiting transaction again, under the same nonce, to pay what the network
// asks for now. It is nil where the old one pays that already, so a caller that asks again and
// again outbids the network by no more than what a replacement has to add.
func (w *Wallet) Reprice(ctx context.Context, old *types.Transaction) (*types.Transaction, error) {
	now, err := w.Fees(ctx)
	if err != nil {
		return nil, err
	}
	// Of a transaction without tip go-ethereum says its gas price for both.
	fees, more := raised(Fees{Tip: old.GasTipCap(), Max: old.GasFeeCap()}, now)
	if !more {
		return nil, nil
	}
	return w.SignWith(Tx{To: old.To(), Data: old.Data(), Value: old.Value(), Nonce: old.Nonce(), Gas: old.Gas()}, fees)
}

// raised are the fees by which a transaction takes its own place, if the network asks for
// more than it pays.
func raised(paid, now Fees) (Fees, bool) {
	if now.Tip == nil {
		return Fees{Max: larger(now.Max, raise(paid.Max))}, paid.Max.Cmp(now.Max) < 0
	}
	// Max has the base fee twice and the tip once: half of both is what the next block takes.
	enough := new(big.Int).Add(now.Max, now.Tip)
	enough.Rsh(enough, 1)
	fees := Fees{Tip: larger(now.Tip, raise(paid.Tip)), Max: larger(now.Max, raise(paid.Max))}
	return fees, paid.Max.Cmp(enough) < 0 || paid.Tip.Cmp(now.Tip) < 0
}

// raise adds an eighth: to take the place of one that waits, a transaction has to pay a
// tenth more, both as tip and in all (go-ethereum, legacypool.Config.PriceBump).
func raise(fee *big.Int) *big.Int {
	more := new(big.Int).Rsh(fee, 3)
	return more.Add(more, fee).Add(more, big.NewInt(1))
}

func larger(a, b *big.Int) *big.Int {
	if a.Cmp(b) > 0 {
		return a
	}
	return b
}
