package poco

import (
	"github.com/ethereum/go-ethereum/common"

	"assay/schema/chains"
)

// The protocol's constants (FacetBase.sol).
const (
	contributionDeadlineRatio = 7   // work clocks from the deal's start
	revealDeadlineRatio       = 2   // work clocks from the consensus
	finalDeadlineRatio        = 10  // work clocks from the deal's start
	workerpoolStakeRatio      = 30  // percent of the price that a workerpool stakes per task
	kittyRatio                = 10  // percent of the kitty that a success pays out
	kittyMin                  = 1e9 // nRLC that it pays out at least, if there is as much
)

// The policy a workerpool starts with (Workerpool.initialize).
const (
	defaultWorkerStakeRatio     = 30 // percent of the price
	defaultSchedulerRewardRatio = 1  // percent of the reward
)

// KittyAddress holds what workerpools lost on tasks they failed, locked, until
// workerpools that succeed are paid from it.
var KittyAddress = common.HexToAddress("0x99c2268479b93fDe36232351229815DF80837e23")

// Rules are the rules of one chain's PoCo: the same code as everywhere, and the data in
// which chains and their upgrades differ.
type Rules struct {
	ChainID   uint64       // signs the orders, with Hub (EIP-712 domain)
	Hub       Address      // the PoCo contract; its own account holds all that is locked
	Native    bool         // RLC is the chain's coin: deposits are in wei and leave a remainder
	Owner     Address      // of the hub, who alone creates categories; no event of ours tells
	TEEBroker Address      // signs authorizations for enclaves in the scheduler's place; zero: nobody
	Eras      []chains.Era // in order of FromBlock; none: the rules of PoCo 6.1.0 for ever
	Contracts Contracts    // other contracts that PoCo asks; nil: there are none
}

// Contracts answers what PoCo asks of contracts that are not its own.
type Contracts interface {
	// Member says whether a restriction in an order is an ERC-734 contract and, if so,
	// whether it has the account in its group (keyHasPurpose(account, 4)).
	Member(restriction, account Address) (member, group bool)
	// Signed says whether the account is a contract and, if so, whether the signature
	// is valid to it (ERC-1271).
	Signed(account Address, hash Hash, signature []byte) (valid, contract bool)
}

// RulesOf are the rules of a chain that Assay knows.
func RulesOf(preset chains.Preset) Rules {
	return Rules{
		ChainID: preset.ChainID,
		Hub:     common.HexToAddress(preset.Hub),
		Native:  preset.Native,
		Eras:    preset.Eras,
	}
}

// era returns the rules' era at a block.
func (r *Rules) era(block uint64) chains.Era {
	for i := len(r.Eras) - 1; i >= 0; i-- {
		if r.Eras[i].FromBlock <= block {
			return r.Eras[i]
		}
	}
	return chains.Era{}
}
