package deploy

import (
	"bytes"
	"fmt"
	"math/big"
	"slices"

	"assay/contracts"
	"assay/contracts/bindings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Deployment is where the contracts are.
type Deployment struct {
	Hub                common.Address // the PoCo contract
	Token              common.Address // RLC; zero in native mode
	AppRegistry        common.Address
	DatasetRegistry    common.Address
	WorkerpoolRegistry common.Address
	Native             bool   // RLC is the chain's own coin
	NextNonce          uint64 // the deployer's first nonce after the deployment
}

// Categories are those of iExec's chains: how long a task may take, times 7, 2 and 10
// for contribution, reveal and end.
var Categories = []contracts.Category{
	{Name: "XS", Description: `""`, WorkClockTimeRef: big.NewInt(300)},
	{Name: "S", Description: `""`, WorkClockTimeRef: big.NewInt(1200)},
	{Name: "M", Description: `""`, WorkClockTimeRef: big.NewInt(3600)},
	{Name: "L", Description: `""`, WorkClockTimeRef: big.NewInt(10800)},
	{Name: "XL", Description: `""`, WorkClockTimeRef: big.NewInt(36000)},
}

// step is one transaction of the deployer.
type step struct {
	name    string
	to      *common.Address // nil: creates a contract
	data    []byte
	gas     uint64
	created common.Address // where to is nil
}

// plan is all steps and what they lead to.
type plan struct {
	steps      []step
	deployment Deployment
	facets     []common.Address
}

// planner numbers the steps and knows the address that each creation will get.
type planner struct {
	plan
	dir      packageDir
	deployer common.Address
	base     uint64
	library  common.Address // IexecLibOrders_v5, which some facets are linked to
	taken    map[[4]byte]bool
}

// The facets of the hub besides the diamond's own, in the order in which they are cut
// in: the first that has a function provides it.
var facets = []string{
	"IexecAccessorsABILegacyFacet", "IexecCategoryManagerFacet", "IexecConfigurationExtraFacet",
	"IexecConfigurationFacet", "", "IexecERC20Facet", "IexecOrderManagementFacet", "IexecPoco1Facet",
	"IexecPoco2Facet", "IexecPocoAccessorsFacet", "IexecRelayFacet",
}

// escrowFacet takes the empty place in facets.
func escrowFacet(native bool) string {
	if native {
		return "IexecEscrowNativeFacet"
	}
	return "IexecEscrowTokenFacet"
}

// newPlan computes all steps; it reads nothing but the package.
func newPlan(dir packageDir, deployer common.Address, base uint64, native bool) (plan, error) {
	p := &planner{dir: dir, deployer: deployer, base: base, taken: map[[4]byte]bool{}}
	p.deployment.Native = native
	for _, part := range []func() error{p.token, p.diamond, p.hubFacets, p.registries, p.configure} {
		if err := part(); err != nil {
			return plan{}, fmt.Errorf("planning the deployment: %w", err)
		}
	}
	p.deployment.NextNonce = base + uint64(len(p.steps))
	return p.plan, nil
}

func (p *planner) token() (err error) {
	if !p.deployment.Native {
		p.deployment.Token, err = p.create("RLC", "deployments/arbitrum/RLC.json")
	}
	return err
}

// facetCut is IDiamond.FacetCut; action 0 adds.
type facetCut struct {
	FacetAddress      common.Address
	Action            uint8
	FunctionSelectors [][4]byte
}

// diamondArgs is Diamond.sol's DiamondArgs.
type diamondArgs struct {
	Owner        common.Address
	Init         common.Address
	InitCalldata []byte
}

// diamond creates the hub with the three facets that every diamond has. The package
// has their init code among what was deployed on Arbitrum only.
func (p *planner) diamond() error {
	init, err := p.create("DiamondInit", "deployments/arbitrum/DiamondInit.json")
	if err != nil {
		return err
	}
	var cuts []facetCut
	for _, name := range []string{"DiamondCutFacet", "DiamondLoupeFacet", "OwnershipFacet"} {
		cut, err := p.facet(name, "deployments/arbitrum/"+name+".json")
		if err != nil {
			return err
		}
		cuts = append(cuts, cut)
	}
	diamond, err := p.dir.artifact("artifacts/contracts/Diamond.sol/Diamond.json")
	if err != nil {
		return err
	}
	code, err := diamond.code(common.Address{})
	if err != nil {
		return err
	}
	described, err := diamond.abi()
	if err != nil {
		return err
	}
	arguments, err := described.Pack("", cuts, diamondArgs{p.deployer, init, crypto.Keccak256([]byte("init()"))[:4]})
	if err != nil {
		return err
	}
	p.deployment.Hub = p.add("Diamond", nil, append(code, arguments...))
	return nil
}

// hubFacets creates the facets of PoCo and cuts each into the hub.
func (p *planner) hubFacets() (err error) {
	p.library, err = p.create("IexecLibOrders_v5", "artifacts/contracts/libs/IexecLibOrders_v5.sol/IexecLibOrders_v5.json")
	if err != nil {
		return err
	}
	cutFacet, err := p.dir.artifact("deployments/arbitrum/DiamondCutFacet.json")
	if err != nil {
		return err
	}
	cutter, err := cutFacet.abi()
	if err != nil {
		return err
	}
	for _, name := range facets {
		if name == "" {
			name = escrowFacet(p.deployment.Native)
		}
		cut, err := p.facet(name, fmt.Sprintf("artifacts/contracts/facets/%s.sol/%s.json", name, name))
		if err != nil {
			return err
		}
		data, err := cutter.Pack("diamondCut", []facetCut{cut}, common.Address{}, []byte{})
		if err != nil {
			return err
		}
		p.add("diamondCut of "+name, &p.deployment.Hub, data)
	}
	return nil
}

// registries creates the three registries and starts them without predecessors.
func (p *planner) registries() (err error) {
	for _, r := range []struct {
		name, path string
		address    *common.Address
	}{
		{"AppRegistry", "apps", &p.deployment.AppRegistry},
		{"DatasetRegistry", "datasets", &p.deployment.DatasetRegistry},
		{"WorkerpoolRegistry", "workerpools", &p.deployment.WorkerpoolRegistry},
	} {
		*r.address, err = p.create(r.name, fmt.Sprintf("artifacts/contracts/registries/%s/%s.sol/%s.json", r.path, r.name, r.name))
		if err != nil {
			return err
		}
		p.add(r.name+".initialize", r.address, bindings.NewAppRegistry().PackInitialize(common.Address{}))
	}
	return nil
}

func (p *planner) configure() error {
	const decimals = 9
	d := &p.deployment
	p.add("configure", &d.Hub, bindings.NewHub().PackConfigure(d.Token, "Staked RLC", "SRLC", decimals,
		d.AppRegistry, d.DatasetRegistry, d.WorkerpoolRegistry, common.Address{}))
	for _, category := range Categories {
		p.add("category "+category.Name, &d.Hub, contracts.CreateCategoryCall(category))
	}
	return nil
}

// create adds the creation of a contract without constructor arguments.
func (p *planner) create(name, path string) (common.Address, error) {
	a, err := p.dir.artifact(path)
	if err != nil {
		return common.Address{}, err
	}
	code, err := a.code(p.library)
	if err != nil {
		return common.Address{}, fmt.Errorf("%s: %w", name, err)
	}
	return p.add(name, nil, code), nil
}

// facet adds the creation of a facet and says how to cut it in.
func (p *planner) facet(name, path string) (facetCut, error) {
	a, err := p.dir.artifact(path)
	if err != nil {
		return facetCut{}, err
	}
	selectors, err := p.selectors(a)
	if err != nil {
		return facetCut{}, fmt.Errorf("%s: %w", name, err)
	}
	address, err := p.create(name, path)
	p.facets = append(p.facets, address)
	return facetCut{FacetAddress: address, FunctionSelectors: selectors}, err
}

// selectors are the functions of a facet that no facet before it provides. The diamond
// passes receive and fallback on under selectors of their own (Diamond.sol).
func (p *planner) selectors(a artifact) ([][4]byte, error) {
	described, err := a.abi()
	if err != nil {
		return nil, err
	}
	var all [][4]byte
	for _, method := range described.Methods {
		all = append(all, [4]byte(method.ID))
	}
	if described.HasReceive() {
		all = append(all, [4]byte{})
	}
	if described.HasFallback() {
		all = append(all, [4]byte{0xff, 0xff, 0xff, 0xff})
	}
	all = slices.DeleteFunc(all, func(s [4]byte) bool { return p.taken[s] })
	slices.SortFunc(all, func(a, b [4]byte) int { return bytes.Compare(a[:], b[:]) })
	for _, s := range all {
		p.taken[s] = true
	}
	return all, nil
}

// add numbers a step and returns the address that it creates, if it does.
func (p *planner) add(name string, to *common.Address, data []byte) common.Address {
	s := step{name: name, to: to, data: data, gas: callGas}
	if to == nil {
		s.gas = creationGas + creationGasPerByte*uint64(len(data))
		s.created = crypto.CreateAddress(p.deployer, p.base+uint64(len(p.steps)))
	}
	p.steps = append(p.steps, s)
	return s.created
}

// Gas limits that cover every step twice over, whatever the chain's fork charges for
// new state, and stay below the limit of a transaction (EIP-7825). Fixed limits let a
// step be sent before those that it needs are in a block.
const (
	creationGas        = 1_000_000
	creationGasPerByte = 600
	callGas            = 10_000_000
)
