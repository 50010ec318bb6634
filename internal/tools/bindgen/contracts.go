package main

import "strings"

// contracts are the bindings to generate.
var contracts = []contract{
	{
		name: "Hub",
		sources: []string{
			"IexecInterfaceToken.sol/IexecInterfaceToken.json",
			"facets/IexecPoco2Facet.sol/IexecPoco2Facet.json",
			"facets/IexecPocoBoostFacet.sol/IexecPocoBoostFacet.json",
		},
		functions: strings.Fields(`
			appregistry datasetregistry workerpoolregistry token teebroker callbackgas owner
			viewDeal viewTask viewContribution viewAccount viewScore viewConsumed viewPresigned
			viewCategory countCategory eip712domain_separator computeDealVolume
			kitty_ratio kitty_min kitty_address workerpool_stake_ratio
			contribution_deadline_ratio reveal_deadline_ratio final_deadline_ratio
			balanceOf frozenOf totalSupply
			deposit depositFor depositForArray withdraw withdrawTo transfer approve
			manageAppOrder manageDatasetOrder manageWorkerpoolOrder manageRequestOrder
			broadcastAppOrder broadcastDatasetOrder broadcastWorkerpoolOrder broadcastRequestOrder
			matchOrders sponsorMatchOrders
			initialize contribute reveal reopen finalize claim contributeAndFinalize
			initializeArray claimArray initializeAndClaimArray
			configure createCategory setTeeBroker setCallbackGas`),
	},
	{
		name:      "NativeEscrow", // what differs where RLC is the chain's own coin
		sources:   []string{"facets/IexecEscrowNativeFacet.sol/IexecEscrowNativeFacet.json"},
		functions: []string{"deposit", "depositFor", "depositForArray"},
	},
	{
		name:      "Token", // RLC; the package has no ABI of it, but the staked token's ERC-20 interface is the same
		sources:   []string{"interfaces/IexecERC20.sol/IexecERC20.json", "interfaces/IexecPocoAccessors.sol/IexecPocoAccessors.json"},
		functions: []string{"transfer", "approve", "approveAndCall", "transferFrom", "balanceOf", "allowance", "totalSupply"},
	},
	{
		name:      "AppRegistry",
		sources:   []string{"registries/apps/AppRegistry.sol/AppRegistry.json"},
		functions: append([]string{"createApp", "predictApp"}, registryFunctions...),
	},
	{
		name:      "DatasetRegistry",
		sources:   []string{"registries/datasets/DatasetRegistry.sol/DatasetRegistry.json"},
		functions: append([]string{"createDataset", "predictDataset"}, registryFunctions...),
	},
	{
		name:      "WorkerpoolRegistry",
		sources:   []string{"registries/workerpools/WorkerpoolRegistry.sol/WorkerpoolRegistry.json"},
		functions: append([]string{"createWorkerpool", "predictWorkerpool"}, registryFunctions...),
	},
	{
		name:      "App",
		sources:   []string{"registries/apps/App.sol/App.json"},
		functions: []string{"owner", "m_appName", "m_appType", "m_appMultiaddr", "m_appChecksum", "m_appMREnclave"},
	},
	{
		name:      "Dataset",
		sources:   []string{"registries/datasets/Dataset.sol/Dataset.json"},
		functions: []string{"owner", "m_datasetName", "m_datasetMultiaddr", "m_datasetChecksum"},
	},
	{
		name:    "Workerpool",
		sources: []string{"registries/workerpools/Workerpool.sol/Workerpool.json"},
		functions: []string{
			"owner", "changePolicy", "m_workerpoolDescription", "m_workerStakeRatioPolicy", "m_schedulerRewardRatioPolicy",
		},
	},
}

var registryFunctions = []string{"isRegistered", "initialized", "ownerOf", "initialize", "owner", "transferFrom"}
