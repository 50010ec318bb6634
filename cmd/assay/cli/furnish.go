package cli

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"assay/contracts"
	"assay/contracts/deploy"
)

// furnishing is what a development marketplace needs beside the contracts, so that a pool
// and a worker can start at once: a workerpool, gas and stake.
type furnishing struct {
	deployment deploy.Deployment
	client     *rpc.Client
	chainID    uint64
	deployer   *contracts.Wallet
}

// What an account is given: RLC to stake, in nRLC, and the chain's coin for gas, in wei.
var (
	devStake = big.NewInt(1_000_000 * 1_000_000_000)
	devGas   = new(big.Int).Exp(big.NewInt(10), big.NewInt(20), nil)
)

// pool endows the owner of a workerpool, registers the pool, and returns its address.
// What was done before is not done again.
func (f furnishing) pool(ctx context.Context, keyFile string) (common.Address, error) {
	owner, err := f.endow(ctx, keyFile)
	if err != nil {
		return common.Address{}, err
	}
	client := contracts.NewClient(f.client, f.deployment.Hub)
	pool, err := deploy.RegisterWorkerpool(ctx, client, owner, f.deployment.WorkerpoolRegistry, "development pool")
	if err != nil {
		return common.Address{}, fmt.Errorf("registering the workerpool: %w", err)
	}
	return pool, nil
}

// endow gives an account gas and stake, unless it has stake.
func (f furnishing) endow(ctx context.Context, keyFile string) (*contracts.Wallet, error) {
	key, err := Config{KeyFile: keyFile}.key()
	if err != nil {
		return nil, usage(err)
	}
	wallet := contracts.NewWallet(f.client, key, f.chainID)
	client := contracts.NewClient(f.client, f.deployment.Hub)
	account, err := client.Account(ctx, wallet.Address(), contracts.Latest)
	if err != nil {
		return nil, err
	}
	if account.Stake.Sign() > 0 || account.Locked.Sign() > 0 {
		return wallet, nil
	}
	if _, err := f.deployer.Send(ctx, contracts.Call{To: wallet.Address(), Value: devGas, Gas: 21_000}); err != nil {
		return nil, fmt.Errorf("giving %s coins for gas: %w", wallet.Address(), err)
	}
	grant := deploy.Grant{Owner: wallet.Address(), NRLC: devStake}
	return wallet, deploy.Stake(ctx, f.deployer, f.deployment, grant)
}
