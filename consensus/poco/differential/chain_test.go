package differential

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"assay/consensus/poco"
	"assay/consensus/poco/pocotest"
	"assay/schema/chains"
)

// chain runs contracts in go-ethereum's virtual machine, without blocks around it: each
// call is a transaction of its own at a time that the caller sets. Copying it is how a
// history begins anew.
type chain struct {
	state  *state.StateDB
	config *params.ChainConfig
	now    poco.Block
	calls  uint64

	hub, token                    common.Address
	apps, datasets, pools         common.Address
	group, signer                 common.Address // ERC734Mock, ERC1271Mock
	library                       common.Address
	era                           chains.Era
	boosts                        bool     // has Boost's functions
	storage                       *big.Int // slot of the first variable of PoCo's storage
	api, boost, registry, poolAPI abi.ABI
}

const chainID = 1337

// copy returns the chain as it is, to go on from twice.
func (c *chain) copy() *chain {
	other := *c
	other.state = c.state.Copy()
	return &other
}

func (c *chain) environment(sender common.Address, value *big.Int) *runtime.Config {
	return &runtime.Config{
		ChainConfig: c.config, Origin: sender, State: c.state, Value: value, Time: c.now.Time,
		BlockNumber: new(big.Int).SetUint64(c.now.Number), BaseFee: new(big.Int), Random: &common.Hash{},
	}
}

func (c *chain) finish(cfg *runtime.Config) {
	c.state.Finalise(c.config.Rules(cfg.BlockNumber, true, cfg.Time))
}

// send is a transaction. Its error is a *poco.Revert if the contract reverts.
func (c *chain) send(sender, to common.Address, data []byte, value *big.Int) ([]*types.Log, error) {
	c.calls++
	hash := common.BigToHash(new(big.Int).SetUint64(c.calls))
	c.state.SetTxContext(hash, 0, 0)
	cfg := c.environment(sender, value)
	answer, _, err := runtime.Call(to, data, cfg)
	c.finish(cfg)
	if err != nil {
		return nil, c.revert(answer, err)
	}
	return c.state.GetLogs(hash, c.now.Number, common.Hash{}, c.now.Time), nil
}

// view asks a contract without changing anything.
func (c *chain) view(to common.Address, data []byte) ([]byte, error) {
	snapshot := c.state.Snapshot()
	answer, _, err := runtime.Call(to, data, c.environment(common.Address{}, nil))
	c.state.RevertToSnapshot(snapshot)
	if err != nil {
		return nil, c.revert(answer, err)
	}
	return answer, nil
}

// revert turns what a call answered into what the rules say.
func (c *chain) revert(answer []byte, err error) error {
	if !errors.Is(err, vm.ErrExecutionReverted) {
		return err
	}
	const sizes = "\x6d\xfc\xc6\x50" // SafeCastOverflowedUintDowncast(uint8,uint256)
	panicked := crypto.Keccak256([]byte("Panic(uint256)"))[:4]
	switch {
	case len(answer) == 0:
		return &poco.Revert{}
	case strings.HasPrefix(string(answer), sizes):
		return &poco.Revert{Reason: "SafeCastOverflowedUintDowncast"}
	case strings.HasPrefix(string(answer), string(panicked)):
		return &poco.Revert{Reason: fmt.Sprintf("panic 0x%x", answer[len(answer)-1])}
	}
	reason, err := abi.UnpackRevert(answer)
	if err != nil {
		return fmt.Errorf("reverted with %x: %w", answer, err)
	}
	return &poco.Revert{Reason: reason}
}

// modules is where npm put the contracts.
var modules = filepath.Join("..", "..", "..", "node_modules", "@iexec", "poco")

// artifact is a compiled contract.
type artifact struct {
	Raw            json.RawMessage `json:"abi"` // a library's may hold types that no caller can name
	Bytecode       string
	LinkReferences map[string]map[string][]struct{ Start, Length int }
}

// parsed is the artifact's ABI.
func (a artifact) parsed() (abi.ABI, error) { return abi.JSON(bytes.NewReader(a.Raw)) }

func load(path string) (artifact, error) { return loadFrom(modules, path) }

func loadFrom(dir, path string) (artifact, error) {
	var a artifact
	data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(data, &a)
}

func contract(path, name string) string {
	return "artifacts/contracts/" + path + name + ".sol/" + name + ".json"
}

func deployed(name string) string { return "deployments/arbitrum/" + name + ".json" }

// deployment puts the contracts on a chain; the first error sticks.
type deployment struct {
	*chain
	owner common.Address
	taken map[[4]byte]bool
	err   error
}

func (d *deployment) load(path string) artifact {
	a, err := load(path)
	if err != nil && d.err == nil {
		d.err = err
	}
	return a
}

func (d *deployment) parsed(a artifact) abi.ABI {
	parsed, err := a.parsed()
	if err != nil && d.err == nil {
		d.err = err
	}
	return parsed
}

// loadABI loads only an ABI.
func (d *deployment) loadABI(path string) abi.ABI { return d.parsed(d.load(path)) }

// truffleLink is where PoCo 5 wants the address of its library.
const truffleLink = "__IexecLibOrders_v5_____________________"

// create creates a contract whose library is linked, and returns its address.
func (d *deployment) create(a artifact, arguments []byte) common.Address {
	linked := strings.ReplaceAll(a.Bytecode, truffleLink, hex.EncodeToString(d.library[:]))
	text := []byte(strings.TrimPrefix(linked, "0x"))
	for _, libraries := range a.LinkReferences {
		for _, places := range libraries {
			for _, place := range places {
				hex.Encode(text[2*place.Start:], d.library[:])
			}
		}
	}
	code, err := hex.DecodeString(string(text))
	if err != nil && d.err == nil {
		d.err = err
	}
	cfg := d.environment(d.owner, nil)
	_, address, _, err := runtime.Create(append(code, arguments...), cfg)
	d.finish(cfg)
	if err != nil && d.err == nil {
		d.err = fmt.Errorf("creating a contract: %w", err)
	}
	return address
}

func (d *deployment) do(to common.Address, api abi.ABI, method string, arguments ...any) {
	data, err := api.Pack(method, arguments...)
	if err == nil {
		_, err = d.send(d.owner, to, data, nil)
	}
	if err != nil && d.err == nil {
		d.err = fmt.Errorf("%s: %w", method, err)
	}
}

// facetCut is IDiamond.FacetCut, diamondArgs Diamond.sol's DiamondArgs.
type (
	facetCut struct {
		FacetAddress      common.Address
		Action            uint8
		FunctionSelectors [][4]byte
	}
	diamondArgs struct {
		Owner        common.Address
		Init         common.Address
		InitCalldata []byte
	}
)

// cut creates a facet and says how to cut it in; what a facet before it has is left out.
func (d *deployment) cut(a artifact) facetCut {
	cut := facetCut{FacetAddress: d.create(a, nil)}
	add := func(selector [4]byte) {
		if !d.taken[selector] {
			d.taken[selector] = true
			cut.FunctionSelectors = append(cut.FunctionSelectors, selector)
		}
	}
	parsed := d.parsed(a)
	for _, method := range parsed.Methods {
		add([4]byte(method.ID))
	}
	if parsed.HasReceive() {
		add([4]byte{})
	}
	if parsed.HasFallback() {
		add([4]byte{0xff, 0xff, 0xff, 0xff})
	}
	return cut
}

func newDeployment() (*deployment, error) {
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		return nil, err
	}
	config := *params.AllDevChainProtocolChanges
	config.ChainID = big.NewInt(chainID)
	c := &chain{state: db, config: &config, now: poco.Block{Number: 1, Time: start}}
	// PocoStorageLib.POCO_STORAGE_LOCATION
	c.storage = common.HexToHash("0x5862653c6982c162832160cf30593645e8487b257e44d77cdd6b51eee2651b00").Big()
	return &deployment{chain: c, owner: pocotest.Address("hubOwner"), taken: map[[4]byte]bool{}}, nil
}

// deploy makes a chain with PoCo 6.1.0, its Boost facets included, and two contracts
// for restrictions and signatures. Everybody has RLC and lets the hub take it.
func deploy(native bool) (*chain, error) {
	d, err := newDeployment()
	if err != nil {
		return nil, err
	}
	d.boosts = true
	d.coins(native)
	d.diamond(native)
	d.registries(func(path, name string) artifact { return d.load(contract(path, name)) })
	d.configure()
	d.group = d.create(d.load(contract("tools/testing/", "ERC734Mock")), nil)
	d.signer = d.create(d.load(contract("tools/testing/", "ERC1271Mock")), nil)
	return d.chain, d.err
}

// coins gives everybody the RLC of the mode.
func (d *deployment) coins(native bool) {
	if native {
		for _, person := range pocotest.People() {
			d.state.AddBalance(person, new(uint256.Int).Mul(uint256.NewInt(1e15), uint256.NewInt(1e9)), tracing.BalanceChangeUnspecified)
		}
		return
	}
	d.token = d.create(d.load(deployed("RLC")), nil)
	erc20 := d.loadABI(contract("interfaces/", "IexecERC20"))
	for _, person := range pocotest.People() {
		if person != d.owner {
			d.do(d.token, erc20, "transfer", person, big.NewInt(1e15))
		}
	}
}

// letTake lets the hub take everybody's RLC.
func (d *deployment) letTake(erc20 abi.ABI) {
	owner := d.owner
	for _, person := range pocotest.People() {
		d.owner = person
		d.do(d.token, erc20, "approve", d.hub, big.NewInt(1e15))
	}
	d.owner = owner
}

func (d *deployment) diamond(native bool) {
	first := d.create(d.load(deployed("DiamondInit")), nil)
	var cuts []facetCut
	for _, name := range []string{"DiamondCutFacet", "DiamondLoupeFacet", "OwnershipFacet"} {
		cuts = append(cuts, d.cut(d.load(deployed(name))))
	}
	diamond := d.load(contract("", "Diamond"))
	arguments, err := d.parsed(diamond).Pack("", cuts, diamondArgs{d.owner, first, crypto.Keccak256([]byte("init()"))[:4]})
	if err != nil {
		d.err = err
		return
	}
	d.hub = d.create(diamond, arguments)
	d.library = d.create(d.load(contract("libs/", "IexecLibOrders_v5")), nil)
	escrow, whole := "IexecEscrowTokenFacet", "IexecInterfaceToken"
	if native {
		escrow, whole = "IexecEscrowNativeFacet", "IexecInterfaceNative"
	}
	cutter := d.loadABI(deployed("DiamondCutFacet"))
	for _, name := range []string{
		"IexecAccessorsABILegacyFacet", "IexecCategoryManagerFacet", "IexecConfigurationExtraFacet", "IexecConfigurationFacet",
		escrow, "IexecERC20Facet", "IexecOrderManagementFacet", "IexecPoco1Facet", "IexecPoco2Facet", "IexecPocoAccessorsFacet",
		"IexecPocoBoostFacet", "IexecPocoBoostAccessorsFacet", "IexecRelayFacet",
	} {
		cut := d.cut(d.load(contract("facets/", name)))
		d.do(d.hub, cutter, "diamondCut", []facetCut{cut}, common.Address{}, []byte{})
	}
	d.api = d.loadABI(contract("", whole))
	d.boostAPI(d.loadABI(contract("facets/", "IexecPocoBoostFacet")), d.loadABI(contract("facets/", "IexecPocoBoostAccessorsFacet")))
	if !native {
		d.letTake(d.loadABI(contract("interfaces/", "IexecERC20")))
	}
}

func (d *deployment) boostAPI(calls, accessors abi.ABI) {
	d.boost = calls
	for name, method := range accessors.Methods {
		d.boost.Methods[name] = method
	}
}

// registries creates the registries, whose artifacts load finds.
func (d *deployment) registries(load func(path, name string) artifact) {
	for _, r := range []struct {
		path, name string
		address    *common.Address
	}{
		{"registries/apps/", "AppRegistry", &d.apps}, {"registries/datasets/", "DatasetRegistry", &d.datasets},
		{"registries/workerpools/", "WorkerpoolRegistry", &d.pools},
	} {
		a := load(r.path, r.name)
		*r.address = d.create(a, nil)
		parsed := d.parsed(a)
		d.do(*r.address, parsed, "initialize", common.Address{})
		if d.registry.Methods == nil {
			d.registry = parsed
		}
		for name, method := range parsed.Methods {
			d.registry.Methods[name] = method
		}
	}
	d.poolAPI = d.parsed(load("registries/workerpools/", "Workerpool"))
}

// clocks are the categories that stand in the beginning, in seconds.
var clocks = []uint64{300, 1200, 3600, 10800, 36000}

func (d *deployment) configure() {
	d.do(d.hub, d.api, "configure", d.token, "Staked RLC", "SRLC", uint8(9), d.apps, d.datasets, d.pools, common.Address{})
	for _, clock := range clocks {
		d.do(d.hub, d.api, "createCategory", "", "", new(big.Int).SetUint64(clock))
	}
}
