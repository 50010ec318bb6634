package contracts

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"assay/contracts/bindings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
)

// What the contract keeps (IexecLibCore_v5), field by field as in Solidity. Who was
// never heard of reads as zero.
type (
	// Deal never changes after the orders matched.
	Deal = bindings.IexecLibCoreV5Deal
	// Task has status 0 unset, 1 active, 2 revealing, 3 completed, 4 failed.
	Task = bindings.IexecLibCoreV5Task
	// Contribution has status 0 unset, 1 contributed, 2 proved, 3 rejected.
	Contribution = bindings.IexecLibCoreV5Contribution
	// Account is an address's stake, free and locked.
	Account = bindings.IexecLibCoreV5Account
	// Category sets the clock of its deals.
	Category = bindings.IexecLibCoreV5Category
)

// App is what an app's contract says of it.
type App struct {
	Name, Type           string
	Multiaddr, MREnclave []byte
	Checksum             common.Hash
}

// Dataset is what a dataset's contract says of it.
type Dataset struct {
	Name      string
	Multiaddr []byte
	Checksum  common.Hash
}

// Policy is what a workerpool asks of workers and keeps for itself, in percent of the
// price and of the reward.
type Policy struct{ WorkerStakeRatio, SchedulerRewardRatio *big.Int }

// Client reads one PoCo deployment. Every read is at a block or at the newest one. It
// may be used by many goroutines.
type Client struct {
	rpc Batcher
	hub common.Address
}

// Batcher makes JSON-RPC calls as *rpc.Client does.
type Batcher interface {
	BatchCallContext(ctx context.Context, calls []rpc.BatchElem) error
}

// NewClient reads the PoCo contract at hub through a node.
func NewClient(client Batcher, hub common.Address) *Client {
	return &Client{rpc: client, hub: hub}
}

// Hub is the address of the PoCo contract.
func (c *Client) Hub() common.Address { return c.hub }

// name says what is being read, for an error.
type name string

func (n name) String() string { return string(n) }

func named(format string, args ...any) fmt.Stringer { return name(fmt.Sprintf(format, args...)) }

// ReadDeal reads a deal's body in a batch.
func (c *Client) ReadDeal(id common.Hash, into *Deal) *Read {
	return read(c.hub, hub.PackViewDeal(id), hub.UnpackViewDeal, into)
}

// Deal reads a deal's body.
func (c *Client) Deal(ctx context.Context, id common.Hash, at At) (deal Deal, err error) {
	err = c.one(ctx, at, named("deal %s", id), c.ReadDeal(id, &deal))
	return deal, err
}

// ReadTask reads a task in a batch.
func (c *Client) ReadTask(id common.Hash, into *Task) *Read {
	return read(c.hub, hub.PackViewTask(id), hub.UnpackViewTask, into)
}

// Task reads a task.
func (c *Client) Task(ctx context.Context, id common.Hash, at At) (task Task, err error) {
	err = c.one(ctx, at, named("task %s", id), c.ReadTask(id, &task))
	return task, err
}

// ReadContribution reads a worker's contribution in a batch.
func (c *Client) ReadContribution(task common.Hash, worker common.Address, into *Contribution) *Read {
	return read(c.hub, hub.PackViewContribution(task, worker), hub.UnpackViewContribution, into)
}

// Contribution reads a worker's contribution to a task.
func (c *Client) Contribution(ctx context.Context, task common.Hash, worker common.Address, at At) (contribution Contribution, err error) {
	err = c.one(ctx, at, named("contribution of %s to task %s", worker, task), c.ReadContribution(task, worker, &contribution))
	return contribution, err
}

// ReadAccount reads an address's stake in a batch.
func (c *Client) ReadAccount(owner common.Address, into *Account) *Read {
	return read(c.hub, hub.PackViewAccount(owner), hub.UnpackViewAccount, into)
}

// Account reads an address's stake: free to use, and locked.
func (c *Client) Account(ctx context.Context, owner common.Address, at At) (account Account, err error) {
	err = c.one(ctx, at, named("account %s", owner), c.ReadAccount(owner, &account))
	return account, err
}

// ReadScore reads a worker's score in a batch.
func (c *Client) ReadScore(worker common.Address, into **big.Int) *Read {
	return read(c.hub, hub.PackViewScore(worker), hub.UnpackViewScore, into)
}

// Score reads a worker's score.
func (c *Client) Score(ctx context.Context, worker common.Address, at At) (score *big.Int, err error) {
	err = c.one(ctx, at, named("score of %s", worker), c.ReadScore(worker, &score))
	return score, err
}

// ReadConsumed reads how much of an order's volume is used up, in a batch.
func (c *Client) ReadConsumed(order common.Hash, into **big.Int) *Read {
	return read(c.hub, hub.PackViewConsumed(order), hub.UnpackViewConsumed, into)
}

// Consumed reads how much of an order's volume is used up.
func (c *Client) Consumed(ctx context.Context, order common.Hash, at At) (volume *big.Int, err error) {
	err = c.one(ctx, at, named("volume used of order %s", order), c.ReadConsumed(order, &volume))
	return volume, err
}

// ReadPresigned reads who signed an order on the chain, in a batch; nobody is zero.
func (c *Client) ReadPresigned(order common.Hash, into *common.Address) *Read {
	return read(c.hub, hub.PackViewPresigned(order), hub.UnpackViewPresigned, into)
}

// ReadCategory reads a category in a batch.
func (c *Client) ReadCategory(id uint64, into *Category) *Read {
	return read(c.hub, hub.PackViewCategory(new(big.Int).SetUint64(id)), hub.UnpackViewCategory, into)
}

// Categories reads all categories, in the order of their numbers.
func (c *Client) Categories(ctx context.Context, at At) ([]Category, error) {
	var count *big.Int
	what := name("categories")
	if err := c.one(ctx, at, what, read(c.hub, hub.PackCountCategory(), hub.UnpackCountCategory, &count)); err != nil {
		return nil, err
	}
	if !count.IsUint64() || count.Uint64() > maxCategories {
		return nil, fmt.Errorf("reading categories: there are said to be %s", count)
	}
	categories := make([]Category, count.Uint64())
	reads := make([]*Read, len(categories))
	for i := range categories {
		reads[i] = c.ReadCategory(uint64(i), &categories[i])
	}
	return categories, c.one(ctx, at, what, reads...)
}

// maxCategories bounds what a node can make us ask for; the real chains have five.
const maxCategories = 1000

// ReadSupply reads how much nRLC is staked in all, in a batch.
func (c *Client) ReadSupply(into **big.Int) *Read {
	return read(c.hub, hub.PackTotalSupply(), hub.UnpackTotalSupply, into)
}

// ReadApp reads an app's metadata in a batch. The app's own functions are as old as
// PoCo v5; viewApp of the hub came with v6.1.
func (c *Client) ReadApp(address common.Address, into *App) []*Read {
	return []*Read{
		read(address, app.PackMAppName(), app.UnpackMAppName, &into.Name),
		read(address, app.PackMAppType(), app.UnpackMAppType, &into.Type),
		read(address, app.PackMAppMultiaddr(), app.UnpackMAppMultiaddr, &into.Multiaddr),
		read(address, app.PackMAppChecksum(), app.UnpackMAppChecksum, (*[32]byte)(&into.Checksum)),
		read(address, app.PackMAppMREnclave(), app.UnpackMAppMREnclave, &into.MREnclave),
	}
}

// App reads an app's metadata.
func (c *Client) App(ctx context.Context, address common.Address, at At) (app App, err error) {
	err = c.one(ctx, at, named("app %s", address), c.ReadApp(address, &app)...)
	return app, err
}

// ReadDataset reads a dataset's metadata in a batch.
func (c *Client) ReadDataset(address common.Address, into *Dataset) []*Read {
	return []*Read{
		read(address, dataset.PackMDatasetName(), dataset.UnpackMDatasetName, &into.Name),
		read(address, dataset.PackMDatasetMultiaddr(), dataset.UnpackMDatasetMultiaddr, &into.Multiaddr),
		read(address, dataset.PackMDatasetChecksum(), dataset.UnpackMDatasetChecksum, (*[32]byte)(&into.Checksum)),
	}
}

// Dataset reads a dataset's metadata.
func (c *Client) Dataset(ctx context.Context, address common.Address, at At) (dataset Dataset, err error) {
	err = c.one(ctx, at, named("dataset %s", address), c.ReadDataset(address, &dataset)...)
	return dataset, err
}

// ReadWorkerpool reads a workerpool's description in a batch.
func (c *Client) ReadWorkerpool(address common.Address, description *string) *Read {
	return read(address, workerpool.PackMWorkerpoolDescription(), workerpool.UnpackMWorkerpoolDescription, description)
}

// ReadPolicy reads a workerpool's policy in a batch.
func (c *Client) ReadPolicy(pool common.Address, into *Policy) []*Read {
	return []*Read{
		read(pool, workerpool.PackMWorkerStakeRatioPolicy(), workerpool.UnpackMWorkerStakeRatioPolicy, &into.WorkerStakeRatio),
		read(pool, workerpool.PackMSchedulerRewardRatioPolicy(), workerpool.UnpackMSchedulerRewardRatioPolicy, &into.SchedulerRewardRatio),
	}
}

// Policy reads a workerpool's policy.
func (c *Client) Policy(ctx context.Context, pool common.Address, at At) (policy Policy, err error) {
	err = c.one(ctx, at, named("policy of workerpool %s", pool), c.ReadPolicy(pool, &policy)...)
	return policy, err
}

// ReadOwner reads who owns a registered app, dataset or workerpool, in a batch.
func (c *Client) ReadOwner(resource common.Address, into *common.Address) *Read {
	return read(resource, app.PackOwner(), app.UnpackOwner, into)
}

// Owner reads who owns a registered app, dataset or workerpool.
func (c *Client) Owner(ctx context.Context, resource common.Address, at At) (owner common.Address, err error) {
	err = c.one(ctx, at, named("owner of %s", resource), c.ReadOwner(resource, &owner))
	return owner, err
}

// Balance reads how much RLC an address holds outside PoCo, in nRLC (token mode).
func (c *Client) Balance(ctx context.Context, rlc, owner common.Address, at At) (balance *big.Int, err error) {
	err = c.one(ctx, at, named("RLC of %s", owner), read(rlc, token.PackBalanceOf(owner), token.UnpackBalanceOf, &balance))
	return balance, err
}

// Addresses are the contracts around the hub.
type Addresses struct {
	AppRegistry, DatasetRegistry, WorkerpoolRegistry common.Address
	Token                                            common.Address // zero where RLC is the chain's own coin
}

// ErrNotConfigured says that the contract is PoCo, or looks like it, but not set up
// for this chain.
var ErrNotConfigured = errors.New("PoCo is not configured")

// Addresses reads where registries and token are. It is also how to find out that the
// hub's address is right: ErrNoContract where no contract answers, a *RevertError
// where it is another contract, ErrNotConfigured where it signs for another chain.
func (c *Client) Addresses(ctx context.Context, chainID uint64, at At) (Addresses, error) {
	var found Addresses
	var separator common.Hash
	err := c.one(ctx, at, named("PoCo contract %s", c.hub),
		read(c.hub, hub.PackAppregistry(), hub.UnpackAppregistry, &found.AppRegistry),
		read(c.hub, hub.PackDatasetregistry(), hub.UnpackDatasetregistry, &found.DatasetRegistry),
		read(c.hub, hub.PackWorkerpoolregistry(), hub.UnpackWorkerpoolregistry, &found.WorkerpoolRegistry),
		read(c.hub, hub.PackToken(), hub.UnpackToken, &found.Token),
		read(c.hub, hub.PackEip712domainSeparator(), hub.UnpackEip712domainSeparator, (*[32]byte)(&separator)),
	)
	if err == nil && separator != (Domain{chainID, c.hub}).Separator() {
		err = fmt.Errorf("%w at %s for chain %d", ErrNotConfigured, c.hub, chainID)
	}
	return found, err
}

// KittyAddress holds the stakes that pools lost, until a later success takes from it
// (FacetBase.KITTY_ADDRESS).
var KittyAddress = common.HexToAddress("0x99c2268479b93fDe36232351229815DF80837e23")

// Predicted addresses: where a registry would put a resource, which depends on owner
// and metadata alone (Registry._mintPredict).

// PredictApp returns where a registry puts, or has put, an app of this owner.
func (c *Client) PredictApp(ctx context.Context, registry, owner common.Address, a App) (address common.Address, err error) {
	data := appRegistry.PackPredictApp(owner, a.Name, a.Type, a.Multiaddr, a.Checksum, a.MREnclave)
	err = c.one(ctx, Latest, name("address of an app"), read(registry, data, appRegistry.UnpackPredictApp, &address))
	return address, err
}

// PredictDataset returns where a registry puts, or has put, a dataset of this owner.
func (c *Client) PredictDataset(ctx context.Context, registry, owner common.Address, d Dataset) (address common.Address, err error) {
	data := datasetRegistry.PackPredictDataset(owner, d.Name, d.Multiaddr, d.Checksum)
	err = c.one(ctx, Latest, name("address of a dataset"), read(registry, data, datasetRegistry.UnpackPredictDataset, &address))
	return address, err
}

// PredictWorkerpool returns where a registry puts, or has put, a workerpool of this owner.
func (c *Client) PredictWorkerpool(ctx context.Context, registry, owner common.Address, description string) (address common.Address, err error) {
	data := workerpoolRegistry.PackPredictWorkerpool(owner, description)
	err = c.one(ctx, Latest, name("address of a workerpool"), read(registry, data, workerpoolRegistry.UnpackPredictWorkerpool, &address))
	return address, err
}

// Registered tells whether a registry knows an address.
func (c *Client) Registered(ctx context.Context, registry, resource common.Address, at At) (known bool, err error) {
	err = c.one(ctx, at, named("registration of %s", resource), read(registry, appRegistry.PackIsRegistered(resource), appRegistry.UnpackIsRegistered, &known))
	return known, err
}
