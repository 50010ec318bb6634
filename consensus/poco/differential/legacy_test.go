package differential

import (
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"assay/consensus/poco"
	"assay/contracts/bindings"
	"assay/schema/chains"
)

// legacyVersion is a PoCo 5: a proxy of another kind (ERC-1538) with its variables at the
// beginning of the storage.
type legacyVersion struct {
	name, variable string
	era            chains.Era
	boosts         bool
	load           func(dir, path, name string) (artifact, error)
	facets         []string
}

var (
	facets53 = []string{
		"IexecAccessorsDelegate", "IexecCategoryManagerDelegate", "IexecERC20Delegate", "IexecMaintenanceDelegate",
		"IexecOrderManagementDelegate", "IexecPoco1Delegate", "IexecPoco2Delegate",
	}
	facets55 = append([]string{"IexecPocoAccessorsDelegate", "IexecPocoBoostDelegate", "IexecPocoBoostAccessorsDelegate"}, facets53...)
)

// dir is where the package is.
func (v legacyVersion) dir() string {
	if dir := os.Getenv(v.variable); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "..", "node_modules", "poco-"+v.name)
}

// truffle loads a contract that Truffle compiled.
func truffle(dir, _, name string) (artifact, error) {
	return loadFrom(dir, "build/contracts/"+name+".json")
}

// hardhat loads a contract that Hardhat compiled; the proxy is still Truffle's.
func hardhat(dir, path, name string) (artifact, error) {
	a, err := loadFrom(dir, contract(path, name))
	if errors.Is(err, fs.ErrNotExist) {
		return truffle(dir, path, name)
	}
	return a, err
}

// deploy makes a chain with the version, and with the contracts beside it of deploy.
func (v legacyVersion) deploy(native bool) (*chain, error) {
	d, err := newDeployment()
	if err != nil {
		return nil, err
	}
	d.era, d.boosts, d.storage = v.era, v.boosts, big.NewInt(5)
	load := func(path, name string) artifact {
		a, err := v.load(v.dir(), path, name)
		if err != nil && d.err == nil {
			d.err = err
		}
		return a
	}
	d.coins(native)
	d.proxy(v, native, load)
	d.registries(load)
	d.configure()
	d.group = d.create(d.load(contract("tools/testing/", "ERC734Mock")), nil)
	return d.chain, d.err
}

// proxy creates the hub and gives it its functions.
func (d *deployment) proxy(v legacyVersion, native bool, load func(path, name string) artifact) {
	update := load("", "ERC1538UpdateDelegate")
	d.hub = d.create(load("", "ERC1538Proxy"), common.LeftPadBytes(d.create(update, nil).Bytes(), 32))
	d.library = d.create(load("libs/", "IexecLibOrders_v5"), nil)
	escrow, whole := "IexecEscrowTokenDelegate", "IexecInterfaceToken"
	if native {
		escrow, whole = "IexecEscrowNativeDelegate", "IexecInterfaceNative"
	}
	updater := d.parsed(update)
	const delegates = "modules/delegates/"
	for _, name := range append([]string{escrow}, v.facets...) {
		delegate := load(delegates, name)
		d.do(d.hub, updater, "updateContract", d.create(delegate, nil), signatures(d.parsed(delegate)), "")
	}
	d.api = d.parsed(load("", whole))
	if v.boosts {
		d.boostAPI(d.parsed(load(delegates, "IexecPocoBoostDelegate")), d.parsed(load(delegates, "IexecPocoBoostAccessorsDelegate")))
	}
	if !native {
		d.letTake(d.loadABI(contract("interfaces/", "IexecERC20")))
	}
}

// signatures lists a delegate's functions as the proxy reads them; who owns the proxy is
// the proxy's own business.
func signatures(api abi.ABI) string {
	var list strings.Builder
	if api.HasReceive() {
		list.WriteString("receive;")
	}
	if api.HasFallback() {
		list.WriteString("fallback;")
	}
	for name, method := range api.Methods {
		if name != "owner" && name != "renounceOwnership" && name != "transferOwnership" {
			list.WriteString(method.Sig + ";")
		}
	}
	return list.String()
}

// dealLegacy compares a deal of the time before there were sponsors.
func (r *run) dealLegacy(id poco.Hash, d *poco.Deal) (view, view) {
	answer, err := r.chain.view(r.chain.hub, hub.PackViewDeal(id))
	if err != nil {
		return view(err.Error()), ""
	}
	there, err := r.chain.api.Unpack("viewDeal", answer)
	if err != nil {
		return view(err.Error()), ""
	}
	here := struct {
		App, Dataset, Workerpool         bindings.IexecLibCoreV5Resource
		Trust, Category                  *big.Int
		Tag                              [32]byte
		Requester, Beneficiary, Callback common.Address
		Params                           string
		StartTime, BotFirst, BotSize     *big.Int
		WorkerStake                      *big.Int
		SchedulerRewardRatio             *big.Int
	}{
		App: priced(d.App), Dataset: priced(d.Dataset), Workerpool: priced(d.Workerpool), Trust: number(d.Trust),
		Category: number(d.Category), Tag: d.Tag, Requester: d.Requester, Beneficiary: d.Beneficiary, Callback: d.Callback,
		Params: d.Params, StartTime: small(d.StartTime), BotFirst: small(d.BotFirst), BotSize: small(d.BotSize),
		WorkerStake: number(d.WorkerStake), SchedulerRewardRatio: number(d.SchedulerRewardRatio),
	}
	return saturated(viewOf(there[0])), saturated(viewOf(here))
}

// saturated writes what the rules cut to 64 bits as they do.
func saturated(v view) view {
	most := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	return view(strings.ReplaceAll(string(v), most.String(), fmt.Sprint(uint64(1<<64-1))))
}
