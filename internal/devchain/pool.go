package devchain

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
)

// newProbe makes a transaction of an account that has nothing to pay it with.
func newProbe(config *params.ChainConfig) (*types.Transaction, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	return types.SignNewTx(key, types.LatestSigner(config), &types.LegacyTx{
		To: new(common.Address), Gas: params.TxGas, GasPrice: big.NewInt(params.GWei),
	})
}

// drain waits until the pool has sorted in every transaction that clients have sent.
// geth sorts them in the background, all that are waiting in one go, and offers no way
// to wait for it except with a transaction; so one is offered that is refused.
func (c *Chain) drain() error {
	if err := c.eth.TxPool().Add([]*types.Transaction{c.probe}, true)[0]; !errors.Is(err, core.ErrInsufficientFunds) {
		return fmt.Errorf("waiting for the pool: %w", errors.Join(errors.New("it did not refuse a worthless transaction"), err))
	}
	return nil
}

// settle waits until the pool has followed the head. It has to before clients send
// more: of transactions that arrive while it does, geth leaves those that continue an
// account's row unsorted until the next block.
func (c *Chain) settle() error {
	if err := c.eth.TxPool().Sync(); err != nil {
		return fmt.Errorf("waiting for the pool: %w", err)
	}
	return nil
}
