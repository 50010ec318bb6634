package deploy

import (
	"context"
	"fmt"
	"math/big"
	"slices"

	"assay/contracts"

	"github.com/ethereum/go-ethereum/common"
)

// RegisterApp registers an app for the wallet's account and returns its address. An
// app with the same metadata that the account has registered before is returned again.
func RegisterApp(ctx context.Context, client *contracts.Client, wallet *contracts.Wallet, registry common.Address, app contracts.App) (common.Address, error) {
	address, err := client.PredictApp(ctx, registry, wallet.Address(), app)
	if err != nil {
		return common.Address{}, err
	}
	return address, register(ctx, client, wallet, registry, address, contracts.CreateAppCall(wallet.Address(), app))
}

// RegisterDataset registers a dataset as RegisterApp does an app.
func RegisterDataset(ctx context.Context, client *contracts.Client, wallet *contracts.Wallet, registry common.Address, dataset contracts.Dataset) (common.Address, error) {
	address, err := client.PredictDataset(ctx, registry, wallet.Address(), dataset)
	if err != nil {
		return common.Address{}, err
	}
	return address, register(ctx, client, wallet, registry, address, contracts.CreateDatasetCall(wallet.Address(), dataset))
}

// RegisterWorkerpool registers a workerpool as RegisterApp does an app.
func RegisterWorkerpool(ctx context.Context, client *contracts.Client, wallet *contracts.Wallet, registry common.Address, description string) (common.Address, error) {
	address, err := client.PredictWorkerpool(ctx, registry, wallet.Address(), description)
	if err != nil {
		return common.Address{}, err
	}
	return address, register(ctx, client, wallet, registry, address, contracts.CreateWorkerpoolCall(wallet.Address(), description))
}

func register(ctx context.Context, client *contracts.Client, wallet *contracts.Wallet, registry, address common.Address, call []byte) error {
	known, err := client.Registered(ctx, registry, address, contracts.Latest)
	if err != nil || known {
		return err
	}
	if _, err := wallet.Send(ctx, contracts.Call{To: registry, Data: call}); err != nil {
		return fmt.Errorf("registering %s: %w", address, err)
	}
	return nil
}

// Grant is nRLC for an account.
type Grant struct {
	Owner common.Address
	NRLC  *big.Int
}

// Stake deposits nRLC of the wallet, which the deployer's has plenty of, for others.
func Stake(ctx context.Context, wallet *contracts.Wallet, d Deployment, grants ...Grant) error {
	total := new(big.Int)
	for _, grant := range grants {
		total.Add(total, grant.NRLC)
	}
	if !d.Native {
		approve := contracts.Call{To: d.Token, Data: contracts.ApproveCall(d.Hub, total)}
		if _, err := wallet.Send(ctx, approve); err != nil {
			return fmt.Errorf("letting PoCo take %s nRLC: %w", total, err)
		}
	}
	var calls []contracts.Call
	for part := range slices.Chunk(grants, stakesPerCall) {
		calls = append(calls, stakeCall(d, part))
	}
	if _, err := wallet.Send(ctx, calls...); err != nil {
		return fmt.Errorf("staking for %d accounts: %w", len(grants), err)
	}
	return nil
}

// stakesPerCall keeps a transaction below the gas limit of one (EIP-7825).
const stakesPerCall = 30

func stakeCall(d Deployment, grants []Grant) contracts.Call {
	value := new(big.Int)
	nRLC := make([]*big.Int, len(grants))
	owners := make([]common.Address, len(grants))
	for i, grant := range grants {
		nRLC[i], owners[i] = grant.NRLC, grant.Owner
		value.Add(value, grant.NRLC)
	}
	call := contracts.Call{To: d.Hub, Data: contracts.DepositForArrayCall(nRLC, owners)}
	if d.Native {
		call.Value = contracts.Wei(value)
	}
	return call
}

// Fund sends RLC of the wallet to others, outside PoCo: the token, or the chain's own
// coin in native mode.
func Fund(ctx context.Context, wallet *contracts.Wallet, d Deployment, grants ...Grant) error {
	calls := make([]contracts.Call, len(grants))
	for i, grant := range grants {
		calls[i] = contracts.Call{To: d.Token, Data: contracts.TransferCall(grant.Owner, grant.NRLC)}
		if d.Native {
			calls[i] = contracts.Call{To: grant.Owner, Value: contracts.Wei(grant.NRLC)}
		}
	}
	if _, err := wallet.Send(ctx, calls...); err != nil {
		return fmt.Errorf("sending RLC to %d accounts: %w", len(grants), err)
	}
	return nil
}

// Deposit stakes RLC that the wallet holds, in one transaction.
func Deposit(ctx context.Context, wallet *contracts.Wallet, d Deployment, nRLC *big.Int) error {
	call := contracts.Call{To: d.Token, Data: contracts.ApproveAndDepositCall(d.Hub, nRLC)}
	if d.Native {
		call = contracts.Call{To: d.Hub, Data: contracts.NativeDepositCall(), Value: contracts.Wei(nRLC)}
	}
	if _, err := wallet.Send(ctx, call); err != nil {
		return fmt.Errorf("depositing %s nRLC of %s: %w", nRLC, wallet.Address(), err)
	}
	return nil
}
