package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"assay/contracts"
	"assay/schema/chains"
)

// Finding is one point in which a preset was compared with its chain.
type Finding struct {
	What          string
	Preset, Chain string
	Verdict       Verdict
}

// Verdict is what a comparison came to.
type Verdict string

// Unknown is for what an endpoint does not tell, such as the state of long ago.
const (
	Agrees  Verdict = "ok"
	Differs Verdict = "DIFFERS"
	Unknown Verdict = "not told"
)

// ChainID asks an endpoint which chain it serves.
func ChainID(ctx context.Context, endpoint Endpoint) (uint64, error) {
	n := newNodes([]Endpoint{endpoint}, contracts.Decoder{}).nodes[0]
	var id hexutil.Uint64
	if err := n.call(ctx, &id, "eth_chainId"); err != nil {
		return 0, fmt.Errorf("asking endpoint %s for its chain: %w", n.name, err)
	}
	return uint64(id), nil
}

// ComparePreset compares a preset with the chain that an endpoint serves: the chain's id,
// code at the addresses, the registries and the token that the hub names, the start block,
// the finalized tag, and upgrades whose block the preset does not know. It fails only if the endpoint does not answer.
func ComparePreset(ctx context.Context, preset chains.Preset, endpoint Endpoint) ([]Finding, error) {
	id, err := ChainID(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	c := &comparison{node: newNodes([]Endpoint{endpoint}, DecoderOf(preset)).nodes[0], preset: preset}
	c.same("chain id", fmt.Sprint(preset.ChainID), fmt.Sprint(id))
	if id != preset.ChainID {
		return c.findings, nil
	}
	if err := c.addresses(ctx); err != nil {
		return nil, err
	}
	c.hub(ctx)
	c.startBlock(ctx)
	c.finality(ctx)
	c.upgrades(ctx)
	return c.findings, nil
}

type comparison struct {
	node     *node
	preset   chains.Preset
	findings []Finding
}

func (c *comparison) add(what, preset, chain string, verdict Verdict) {
	c.findings = append(c.findings, Finding{what, preset, chain, verdict})
}

func (c *comparison) same(what, preset, chain string) {
	verdict := Agrees
	if preset != chain {
		verdict = Differs
	}
	c.add(what, preset, chain, verdict)
}

// code is how many bytes of code there are at an address.
func (c *comparison) code(ctx context.Context, address common.Address, block any) (int, error) {
	var code hexutil.Bytes
	err := c.node.call(ctx, &code, "eth_getCode", address, block)
	return len(code), err
}

// addresses looks for a contract at each address.
func (c *comparison) addresses(ctx context.Context) error {
	for _, a := range []struct{ what, address string }{
		{"hub", c.preset.Hub}, {"app registry", c.preset.AppRegistry},
		{"dataset registry", c.preset.DatasetRegistry}, {"workerpool registry", c.preset.WorkerpoolRegistry},
	} {
		if a.address == "" {
			continue
		}
		size, err := c.code(ctx, common.HexToAddress(a.address), "latest")
		if err != nil {
			return fmt.Errorf("asking for the code at %s: %w", a.address, err)
		}
		verdict := Agrees
		if size == 0 {
			verdict = Differs
		}
		c.add(a.what, a.address, fmt.Sprintf("%d bytes of code", size), verdict)
	}
	return nil
}

// hub asks the hub for its registries, its token and the chain that it signs for.
func (c *comparison) hub(ctx context.Context) {
	if !c.preset.Registries() {
		return
	}
	found, err := c.node.client.Addresses(ctx, c.preset.ChainID, contracts.Latest)
	if err != nil {
		c.add("hub's configuration", "PoCo for this chain", err.Error(), Differs)
		if !errors.Is(err, contracts.ErrNotConfigured) {
			return
		}
	}
	c.same("hub's app registry", common.HexToAddress(c.preset.AppRegistry).Hex(), found.AppRegistry.Hex())
	c.same("hub's dataset registry", common.HexToAddress(c.preset.DatasetRegistry).Hex(), found.DatasetRegistry.Hex())
	c.same("hub's workerpool registry", common.HexToAddress(c.preset.WorkerpoolRegistry).Hex(), found.WorkerpoolRegistry.Hex())
	c.same("RLC", mode(c.preset.Native), mode(found.Token == (common.Address{})))
}

func mode(native bool) string {
	if native {
		return "the chain's own coin"
	}
	return "a token"
}

// before is how many blocks before the preset's first are searched for events.
const before = 1_000

// startBlock makes sure that nothing happened before the preset's first block: there was
// no hub, or at least it emitted nothing in the thousand blocks before.
func (c *comparison) startBlock(ctx context.Context) {
	start := c.preset.StartBlock
	if start == 0 {
		c.add("start block", "0", "the chain's first", Agrees)
		return
	}
	said := fmt.Sprint(start)
	if size, err := c.code(ctx, common.HexToAddress(c.preset.Hub), hexutil.Uint64(start-1)); err == nil {
		verdict := Agrees
		if size > 0 {
			verdict = Differs
		}
		c.add("start block", said, fmt.Sprintf("%d bytes of the hub's code before it", size), verdict)
	} else {
		c.add("start block", said, "the endpoint keeps no state of then", Unknown)
	}
	first := start - min(start, before)
	logs, _, err := c.node.logsBetween(ctx, first, start-1)
	switch {
	case err != nil:
		c.add("events before it", "none", err.Error(), Unknown)
	case len(logs) > 0:
		c.add("events before it", "none", fmt.Sprintf("one in block %d", logs[0].BlockNumber), Differs)
	default:
		c.add("events before it", "none", fmt.Sprintf("none in %d blocks", start-first), Agrees)
	}
}

// finality asks for the finalized tag, if the preset relies on it.
func (c *comparison) finality(ctx context.Context) {
	h, err := c.node.header(ctx, "finalized")
	chain := "none"
	if err == nil && h != nil {
		chain = fmt.Sprintf("block %d", h.Number)
	}
	switch {
	case c.preset.FinalityDepth > 0:
		c.add("finality", fmt.Sprintf("%d blocks deep", c.preset.FinalityDepth), "finalized tag: "+chain, Agrees)
	case chain != "none":
		c.add("finality", "finalized tag", chain, Agrees)
	case err == nil || errors.As(err, new(rpc.Error)):
		c.add("finality", "finalized tag", chain, Differs)
	default:
		c.add("finality", "finalized tag", err.Error(), Unknown)
	}
}

// diamondCut is the event of a diamond whose facets change (ERC-2535).
var diamondCut = crypto.Keccak256Hash([]byte("DiamondCut((address,uint8,bytes4[])[],address,bytes)"))

// upgrades looks for the blocks from which on the upgrades are in force, that the preset
// should have as eras.
func (c *comparison) upgrades(ctx context.Context) {
	if len(c.preset.Upgrades) == 0 {
		return
	}
	cuts, err := c.cuts(ctx)
	for _, upgrade := range c.preset.Upgrades {
		what, said := "upgrade to "+upgrade.Version, "from no block"
		if err != nil {
			c.add(what, said, "the endpoint does not give the hub's upgrades: "+err.Error(), Unknown)
			continue
		}
		c.upgrade(what, said, upgrade, cuts)
	}
}

// cuts are the logs of all changes of the hub's facets: few, so that many endpoints give them
// for the whole chain at once.
func (c *comparison) cuts(ctx context.Context) (cuts []types.Log, err error) {
	head, err := c.node.header(ctx, "latest")
	if err == nil && head == nil {
		err = errors.New("it has no newest block")
	}
	if err != nil {
		return nil, err
	}
	err = c.node.call(ctx, &cuts, "eth_getLogs", map[string]any{
		"fromBlock": hexutil.Uint64(c.preset.StartBlock), "toBlock": hexutil.Uint64(head.Number),
		"address": []string{c.preset.Hub}, "topics": [][]common.Hash{{diamondCut}},
	})
	return cuts, err
}

// upgrade compares one with what changed the hub's facets.
func (c *comparison) upgrade(what, said string, upgrade chains.Upgrade, cuts []types.Log) {
	facet := common.LeftPadBytes(common.HexToAddress(upgrade.Facet).Bytes(), common.HashLength)
	for _, cut := range cuts {
		if !bytes.Contains(cut.Data, facet) {
			continue
		}
		era := upgrade.Era
		era.FromBlock = cut.BlockNumber
		if slices.Contains(c.preset.Eras, era) {
			c.add(what, fmt.Sprintf("from block %d", era.FromBlock), fmt.Sprintf("from block %d", era.FromBlock), Agrees)
			return
		}
		spelled, err := json.Marshal(era)
		if err != nil {
			spelled = []byte(err.Error()) // numbers and truth values always can be
		}
		c.add(what, said, fmt.Sprintf("from block %d: add to its eras %s", era.FromBlock, spelled), Differs)
		return
	}
	c.add(what, said, "not yet", Agrees)
}
