package source

import (
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"assay/indexer/rpctest"
	"assay/schema/chains"
)

// TestComparePreset: whatever is not as the preset says is found.
func TestComparePreset(t *testing.T) {
	for name, c := range map[string]struct {
		faults rpctest.Faults
		start  uint64
		depth  uint64
		wrong  string // the point that differs
	}{
		"as it says":       {},
		"another chain":    {faults: rpctest.Faults{ChainID: 5}, wrong: "chain id"},
		"no contract":      {faults: rpctest.Faults{NoCode: true}, wrong: "hub"},
		"no finalized tag": {faults: rpctest.Faults{NoFinal: true}, wrong: "finality"},
		"finality by depth": {
			faults: rpctest.Faults{NoFinal: true}, depth: 10,
		},
		"events before the start": {start: 30, wrong: "events before it"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 60, VerifyOff, c.faults)
			preset := tokenPreset
			preset.StartBlock, preset.FinalityDepth = c.start, c.depth
			endpoints := r.endpoints()
			findings, err := ComparePreset(t.Context(), preset, endpoints[0])
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range findings {
				if differs := f.Verdict == Differs; differs != (f.What == c.wrong || c.start > 0 && f.What == "start block") {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

// diamond is a token's traffic whose contract gets a facet now and then.
type diamond struct {
	*rpctest.ERC20
	t     *testing.T
	facet map[uint64]common.Address // by block
}

func (d *diamond) Play(number, salt uint64) (func() []rpctest.Tx, uint64) {
	play, seconds := d.ERC20.Play(number, salt)
	facet, cut := d.facet[number]
	if !cut {
		return play, seconds
	}
	type facetCut = struct {
		FacetAddress      common.Address
		Action            uint8
		FunctionSelectors [][4]byte
	}
	tuple, err := abi.NewType("tuple[]", "", []abi.ArgumentMarshaling{
		{Name: "facetAddress", Type: "address"}, {Name: "action", Type: "uint8"}, {Name: "functionSelectors", Type: "bytes4[]"}})
	if err != nil {
		d.t.Fatal(err)
	}
	address, _ := abi.NewType("address", "", nil)
	data, err := abi.Arguments{{Type: tuple}, {Type: address}}.Pack([]facetCut{{facet, 0, [][4]byte{{1, 2, 3, 4}}}}, common.BigToAddress(big.NewInt(1)))
	if err != nil {
		d.t.Fatal(err)
	}
	return func() []rpctest.Tx {
		return append(play(), rpctest.Tx{Logs: []rpctest.Log{{Address: hub, Topics: []common.Hash{diamondCut}, Data: data}}})
	}, seconds
}

// TestUpgrades: the block of an upgrade that a preset does not know is found by the event
// that brought its facet.
func TestUpgrades(t *testing.T) {
	old, facet := common.Address{1}, common.Address{2}
	for name, c := range map[string]struct {
		cut     map[uint64]common.Address
		faults  rpctest.Faults
		eras    []chains.Era
		says    string
		verdict Verdict
	}{
		"not yet":     {map[uint64]common.Address{5: old}, rpctest.Faults{}, nil, "not yet", Agrees},
		"unknown":     {map[uint64]common.Address{5: old, 17: facet, 30: old}, rpctest.Faults{}, nil, `from block 17: add to its eras {"fromBlock":17,`, Differs},
		"known":       {map[uint64]common.Address{17: facet}, rpctest.Faults{}, []chains.Era{{}, {FromBlock: 17, CallbackGas: 7}}, "from block 17", Agrees},
		"other block": {map[uint64]common.Address{17: facet}, rpctest.Faults{}, []chains.Era{{}, {FromBlock: 16, CallbackGas: 7}}, "from block 17: add", Differs},
		"not told":    {map[uint64]common.Address{17: facet}, rpctest.Faults{MaxRange: 20}, nil, "does not give", Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			chain := rpctest.NewChain(preset.ChainID, &diamond{rpctest.NewERC20(hub, 3, 2), t, c.cut})
			chain.Grow(60)
			p := tokenPreset
			p.Eras = c.eras
			p.Upgrades = []chains.Upgrade{{Version: "v9", Facet: facet.Hex(), Era: chains.Era{CallbackGas: 7}}}
			r := rigOf(t, chain, p, VerifyOff, c.faults)
			findings, err := ComparePreset(t.Context(), p, r.endpoints()[0])
			if err != nil {
				t.Fatal(err)
			}
			got := findings[len(findings)-1]
			if got.What != "upgrade to v9" || got.Verdict != c.verdict || !strings.Contains(got.Chain, c.says) {
				t.Errorf("%+v, want %s that says %q", got, c.verdict, c.says)
			}
		})
	}
}
