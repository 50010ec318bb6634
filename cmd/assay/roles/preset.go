package roles

import (
	"assay/contracts/deploy"
	"assay/schema/chains"
)

// DevConfirmations is how deep a block is before a pool acts on it, on a chain of one
// node.
const DevConfirmations = 2

// DevPreset describes a development chain with the contracts of @iexec/poco 6.1.0.
func DevPreset(name string, chainID uint64, deployed deploy.Deployment) chains.Preset {
	return chains.Preset{
		Name:               name,
		ChainID:            chainID,
		Hub:                deployed.Hub.Hex(),
		AppRegistry:        deployed.AppRegistry.Hex(),
		DatasetRegistry:    deployed.DatasetRegistry.Hex(),
		WorkerpoolRegistry: deployed.WorkerpoolRegistry.Hex(),
		Native:             deployed.Native,
		Development:        true,
		Confirmations:      DevConfirmations,
		Eras:               []chains.Era{{CallbackGas: 100_000}},
	}
}
