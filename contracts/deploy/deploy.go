package deploy

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"slices"
	"time"

	"assay/contracts"
	"assay/contracts/bindings"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

// Config says what to deploy, and how.
type Config struct {
	Client    *rpc.Client
	Key       *ecdsa.PrivateKey // the deployer: pays, gets all RLC, owns hub and registries
	BaseNonce uint64            // of the first step: 0 for an account that has sent nothing
	Packages  string            // a node_modules folder with @iexec/poco
	Native    bool              // RLC is the chain's own coin
}

// ErrFailed says that a step's nonce is spent but what it should have made is not
// there: the step reverted, or the account sent something else. Start again with
// another deployer, or another base nonce.
var ErrFailed = errors.New("the deployment is broken")

// Deploy sends the steps that are not done yet, waits until all are in blocks and
// checks what stands. Called again after a crash, or after success, it goes on and
// returns the same addresses.
func Deploy(ctx context.Context, cfg Config) (Deployment, error) {
	dir, err := openPackage(cfg.Packages)
	if err != nil {
		return Deployment{}, err
	}
	eth := ethclient.NewClient(cfg.Client)
	chainID, err := eth.ChainID(ctx)
	if err != nil {
		return Deployment{}, fmt.Errorf("asking for the chain id: %w", err)
	}
	wallet := contracts.NewWallet(cfg.Client, cfg.Key, chainID.Uint64())
	plan, err := newPlan(dir, wallet.Address(), cfg.BaseNonce, cfg.Native)
	if err != nil {
		return Deployment{}, err
	}
	d := deployer{wallet: wallet, eth: eth, base: cfg.BaseNonce, plan: plan, sent: map[int]*types.Transaction{}}
	if err := d.run(ctx); err != nil {
		return Deployment{}, fmt.Errorf("deploying PoCo: %w", err)
	}
	return plan.deployment, d.check(ctx, contracts.NewClient(cfg.Client, plan.deployment.Hub), chainID.Uint64())
}

type deployer struct {
	wallet *contracts.Wallet
	eth    *ethclient.Client
	base   uint64
	plan   plan
	sent   map[int]*types.Transaction // by step, of this run
}

// How often the deployer looks, and how long nothing may move before it sends again
// what a node may have forgotten.
const (
	pollInterval   = 100 * time.Millisecond
	resendInterval = 5 * time.Second
)

// run sends all steps whose nonce is not spent, again and again, until all are.
func (d *deployer) run(ctx context.Context) error {
	for {
		done, err := d.done(ctx)
		if err != nil || done == len(d.plan.steps) {
			return err
		}
		if err := d.send(ctx, done); err != nil {
			return err
		}
		if err := d.await(ctx, done); err != nil {
			return err
		}
	}
}

// done counts the steps whose nonce is spent.
func (d *deployer) done(ctx context.Context) (int, error) {
	nonce, err := d.wallet.MinedNonce(ctx)
	if err != nil {
		return 0, err
	}
	if nonce < d.base {
		return 0, fmt.Errorf("the deployer has nonce %d, before the base nonce %d", nonce, d.base)
	}
	return int(min(nonce-d.base, uint64(len(d.plan.steps)))), nil
}

// send hands steps from first on to the node. A transaction that is there already,
// perhaps from an earlier run with other fees, is as good.
func (d *deployer) send(ctx context.Context, first int) error {
	fees, err := d.wallet.Fees(ctx)
	if err != nil {
		return err
	}
	for i := first; i < len(d.plan.steps); i++ {
		s := d.plan.steps[i]
		tx, err := d.wallet.SignWith(contracts.Tx{To: s.to, Data: s.data, Nonce: d.base + uint64(i), Gas: s.gas}, fees)
		if err != nil {
			return err
		}
		err = d.wallet.Submit(ctx, tx)
		switch {
		case err == nil:
			d.sent[i] = tx
		case errors.Is(err, contracts.ErrUnderpriced), errors.Is(err, contracts.ErrNonceTooLow):
		default:
			return fmt.Errorf("step %q: %w", s.name, err)
		}
	}
	return nil
}

// await returns when all steps are done, or when none was for a while.
func (d *deployer) await(ctx context.Context, before int) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for quiet := time.Duration(0); quiet < resendInterval; quiet += pollInterval {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d steps are done: %w", before, len(d.plan.steps), ctx.Err())
		case <-ticker.C:
		}
		done, err := d.done(ctx)
		if err != nil || done == len(d.plan.steps) {
			return err
		}
		if done > before {
			before, quiet = done, 0
		}
	}
	return nil
}

// check looks at what the steps were to make: this run's transactions succeeded, and
// the state is as planned, whichever run made it.
func (d *deployer) check(ctx context.Context, client *contracts.Client, chainID uint64) error {
	for _, check := range []func() error{
		func() error { return d.checkSent(ctx) },
		func() error { return d.checkCode(ctx) },
		func() error { return d.checkFacets(ctx) },
		func() error { return d.checkConfigured(ctx, client, chainID) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (d *deployer) checkSent(ctx context.Context) error {
	for i, s := range d.plan.steps {
		tx, ours := d.sent[i]
		if !ours {
			continue
		}
		receipt, err := d.wallet.Receipt(ctx, tx.Hash())
		if err != nil {
			return err
		}
		if receipt == nil { // replaced by one with other fees; the state will tell
			continue
		}
		if err := d.wallet.RevertOf(ctx, tx, receipt); err != nil {
			return fmt.Errorf("%w: step %q: %w", ErrFailed, s.name, err)
		}
	}
	return nil
}

func (d *deployer) checkCode(ctx context.Context) error {
	for _, s := range d.plan.steps {
		if s.to != nil {
			continue
		}
		code, err := d.eth.CodeAt(ctx, s.created, nil)
		if err != nil {
			return fmt.Errorf("reading the code of %s: %w", s.name, err)
		}
		if len(code) == 0 {
			return fmt.Errorf("%w: %s has no code at %s", ErrFailed, s.name, s.created)
		}
	}
	return nil
}

// checkFacets asks the hub for its facets (IDiamondLoupe.facetAddresses).
func (d *deployer) checkFacets(ctx context.Context) error {
	facetAddresses := common.FromHex("0x52ef6b2c")
	answer, err := d.eth.CallContract(ctx, ethereum.CallMsg{To: &d.plan.deployment.Hub, Data: facetAddresses}, nil)
	if err != nil {
		return fmt.Errorf("reading the facets of the hub: %w", err)
	}
	for _, facet := range d.plan.facets {
		if !slices.ContainsFunc(words(answer), func(w common.Hash) bool { return common.BytesToAddress(w[:]) == facet }) {
			return fmt.Errorf("%w: the hub lacks facet %s", ErrFailed, facet)
		}
	}
	return nil
}

func words(data []byte) []common.Hash {
	var out []common.Hash
	for ; len(data) >= common.HashLength; data = data[common.HashLength:] {
		out = append(out, common.BytesToHash(data[:common.HashLength]))
	}
	return out
}

func (d *deployer) checkConfigured(ctx context.Context, client *contracts.Client, chainID uint64) error {
	want := d.plan.deployment
	found, err := client.Addresses(ctx, chainID, contracts.Latest)
	if err != nil {
		return err
	}
	if found != (contracts.Addresses{AppRegistry: want.AppRegistry, DatasetRegistry: want.DatasetRegistry,
		WorkerpoolRegistry: want.WorkerpoolRegistry, Token: want.Token}) {
		return fmt.Errorf("%w: the hub is configured with other contracts", ErrFailed)
	}
	categories, err := client.Categories(ctx, contracts.Latest)
	if err != nil {
		return err
	}
	if len(categories) < len(Categories) || !slices.EqualFunc(categories[:len(Categories)], Categories, sameCategory) {
		return fmt.Errorf("%w: the hub has other categories", ErrFailed)
	}
	for _, registry := range []common.Address{want.AppRegistry, want.DatasetRegistry, want.WorkerpoolRegistry} {
		if err := d.checkInitialized(ctx, registry); err != nil {
			return err
		}
	}
	return nil
}

func (d *deployer) checkInitialized(ctx context.Context, registry common.Address) error {
	binding := bindings.NewAppRegistry()
	answer, err := d.eth.CallContract(ctx, ethereum.CallMsg{To: &registry, Data: binding.PackInitialized()}, nil)
	if err != nil {
		return fmt.Errorf("reading registry %s: %w", registry, err)
	}
	initialized, err := binding.UnpackInitialized(answer)
	if err != nil || !initialized {
		return fmt.Errorf("%w: registry %s is not initialized", ErrFailed, registry)
	}
	return nil
}

func sameCategory(a, b contracts.Category) bool {
	return a.Name == b.Name && a.Description == b.Description && a.WorkClockTimeRef.Cmp(b.WorkClockTimeRef) == 0
}
