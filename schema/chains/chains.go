// Package chains describes the chains that Assay knows: where PoCo lives on each and
// which of its rules hold from which block.
package chains

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"sort"
)

// Preset is one chain. Addresses are hex with 0x.
type Preset struct {
	Name               string    `json:"name"`    // names the chain's topics and endpoints
	ChainID            uint64    `json:"chainId"` //
	Hub                string    `json:"hub"`     // the PoCo contract
	AppRegistry        string    `json:"appRegistry"`
	DatasetRegistry    string    `json:"datasetRegistry"`
	WorkerpoolRegistry string    `json:"workerpoolRegistry"`
	DataProtector      Sharing   `json:"dataProtector,omitzero"` // the marketplace of permissions to use data, where there is one
	Subgraphs          Hosted    `json:"subgraphs,omitzero"`     // where The Graph hosts the official subgraphs, if it does
	StartBlock         uint64    `json:"startBlock"`             // of the hub's deployment
	Native             bool      `json:"native"`                 // RLC is the chain's own coin
	Confirmations      uint64    `json:"confirmations"`          // how deep a block is before a pool acts on it
	FinalityDepth      uint64    `json:"finalityDepth"`          // how deep a block cannot vanish; 0: ask for the finalized tag
	OtherHeaders       bool      `json:"otherHeaders,omitempty"` // a header's hash is not made as Ethereum makes it, so it is taken as the node says
	Notes              []string  `json:"notes,omitempty"`        // what is not known for sure about the chain, for people
	Eras               []Era     `json:"eras"`                   // in order of FromBlock, the first from 0
	Upgrades           []Upgrade `json:"upgrades,omitempty"`     // eras that are not among Eras, because their block is not known
	Development        bool      `json:"development,omitempty"`  // nothing on it is worth anything, so that tests' own roots may vouch for enclaves
	Workerpools        []string  `json:"workerpools,omitempty"`  // of a development chain: what --workerpool means there where it is not given
}

// Hosted is the ids of the official subgraphs, as they stand in their addresses. Clients that
// have only the host of such an address changed find Assay's.
type Hosted struct {
	PoCo          string `json:"poco"`
	DataProtector string `json:"dataProtector,omitempty"`
}

// Sharing names the contracts of DataProtector. Each is optional.
type Sharing struct {
	Core              string `json:"core,omitempty"`              // DatasetSchema: which datasets are protected data
	Sharing           string `json:"sharing,omitempty"`           // collections, subscriptions, rentals, sales
	WhitelistRegistry string `json:"whitelistRegistry,omitempty"` // of the whitelists of apps
}

// Era is the set of rules that the contracts follow from a block on. They were
// upgraded in place, so the same call has other effects before and after.
type Era struct {
	FromBlock      uint64 `json:"fromBlock"`
	CeilLogWeight  bool   `json:"ceilLogWeight"`  // to v5.4 a contribution's weight is ceil(log2), then floor(log2)
	KittyTransfers bool   `json:"kittyTransfers"` // to v5.5.0 filling the kitty emits Transfers
	NoSponsor      bool   `json:"noSponsor"`      // before v5.5 the requester pays, always
	MaskDatasetTag bool   `json:"maskDatasetTag"` // from v6.2.0 a dataset's TEE framework bits stay out of the deal's tag
	CallbackGas    uint64 `json:"callbackGas"`    // gas for a deal's callback
}

// Upgrade is an era of which it is known what it brought, but not from which block: it began
// when the hub, a diamond (ERC-2535), got this facet. `assay chain presets --rpc` asks a node.
type Upgrade struct {
	Version string `json:"version"` // of PoCo
	Facet   string `json:"facet"`
	Era     Era    `json:"era"` // FromBlock is not looked at
}

//go:embed *.json
var files embed.FS

// All returns the presets shipped with Assay, by name.
func All() ([]Preset, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	presets := make([]Preset, 0, len(entries))
	for _, entry := range entries {
		data, err := files.ReadFile(entry.Name())
		if err != nil {
			return nil, err
		}
		preset, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("preset %s: %w", entry.Name(), err)
		}
		presets = append(presets, preset)
	}
	sort.Slice(presets, func(i, j int) bool { return presets[i].Name < presets[j].Name })
	return presets, nil
}

// Parse reads one preset file. It refuses one that would lead astray: a field that it
// does not know, an address that is none, a name that cannot name a topic, a chain with
// real money that calls itself one for development.
func Parse(data []byte) (Preset, error) {
	preset, err := parse(data)
	if err != nil || !preset.Development {
		return preset, err
	}
	shipped, err := All()
	if err != nil {
		return preset, err
	}
	for _, known := range shipped {
		if known.ChainID == preset.ChainID {
			return preset, fmt.Errorf("chain %d is %s, not a development chain", preset.ChainID, known.Name)
		}
	}
	return preset, nil
}

func parse(data []byte) (Preset, error) {
	var preset Preset
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&preset); err != nil {
		return Preset{}, err
	}
	return preset, preset.check()
}

// Registries says whether the preset names any of PoCo's registries. One that does not is
// of a plain token.
func (p Preset) Registries() bool {
	return p.AppRegistry != "" || p.DatasetRegistry != "" || p.WorkerpoolRegistry != ""
}

var (
	nameForm    = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
	addressForm = regexp.MustCompile(`^0x[0-9a-fA-F]{40}$`)
)

func (p *Preset) check() error {
	switch {
	case !nameForm.MatchString(p.Name):
		return fmt.Errorf("name %q: want lower-case letters, digits and dashes", p.Name)
	case p.ChainID == 0:
		return errors.New("chainId is missing")
	case p.Hub == "":
		return errors.New("hub is missing")
	}
	for _, address := range append([]string{p.Hub, p.AppRegistry, p.DatasetRegistry, p.WorkerpoolRegistry,
		p.DataProtector.Core, p.DataProtector.Sharing, p.DataProtector.WhitelistRegistry}, p.Workerpools...) {
		if address != "" && !addressForm.MatchString(address) {
			return fmt.Errorf("%q is no address: want 0x and 40 hex digits", address)
		}
	}
	for _, upgrade := range p.Upgrades {
		if !addressForm.MatchString(upgrade.Facet) {
			return fmt.Errorf("the facet %q of the upgrade to %s is no address: want 0x and 40 hex digits", upgrade.Facet, upgrade.Version)
		}
	}
	for i, era := range p.Eras {
		if i == 0 && era.FromBlock != 0 || i > 0 && era.FromBlock <= p.Eras[i-1].FromBlock {
			return fmt.Errorf("era %d begins at block %d: the first begins at 0, each later than the one before", i, era.FromBlock)
		}
	}
	return nil
}
