package poco

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// Address is an account or a contract.
type Address = common.Address

// Hash is a 32-byte identity: a deal, a task, an order, a result.
type Hash = common.Hash

// Amount is an exact number of nRLC (1 RLC = 1e9 nRLC), or another uint256 of the
// contracts. Arithmetic that overflows reverts, as in Solidity 0.8.
type Amount = uint256.Int

// Block is what a rule may know of the block that a command or an event is in.
type Block struct {
	Number uint64
	Time   uint64 // seconds since 1970
}

// TaskStatus is IexecLibCore_v5.TaskStatusEnum.
type TaskStatus uint8

// The states of a task.
const (
	TaskUnset TaskStatus = iota
	TaskActive
	TaskRevealing
	TaskCompleted
	TaskFailed
)

// ContributionStatus is IexecLibCore_v5.ContributionStatusEnum.
type ContributionStatus uint8

// The states of a contribution.
const (
	ContributionUnset ContributionStatus = iota
	Contributed
	Proved
	Rejected
)

// ResourceKind says what a registered resource is.
type ResourceKind uint8

// The kinds of resource, numbered as in the schema.
const (
	App ResourceKind = iota + 1
	Dataset
	Workerpool
)

// OrderKind says what an order offers or asks for.
type OrderKind uint8

// The kinds of order, numbered as in the schema.
const (
	AppOrderKind OrderKind = iota + 1
	DatasetOrderKind
	WorkerpoolOrderKind
	RequestOrderKind
)

// Priced is a resource as a deal froze it: later transfers of its NFT change nothing.
type Priced struct {
	Pointer Address
	Owner   Address
	Price   Amount // nRLC per task
}

// Deal is IexecLibCore_v5.Deal. It never changes after the orders matched.
type Deal struct {
	App, Dataset, Workerpool Priced
	Trust                    Amount
	Category                 Amount
	Tag                      Hash
	Requester                Address
	Beneficiary              Address
	Callback                 Address
	Params                   string
	StartTime                uint64 // seconds since 1970
	BotFirst, BotSize        uint64 // indices of the deal's tasks: BotFirst ≤ i < BotFirst+BotSize; 2⁶⁴−1 stands for more
	WorkerStake              Amount // nRLC per contribution
	SchedulerRewardRatio     Amount // percent
	Sponsor                  Address
	Boost                    bool // matched by matchOrdersBoost: no contributions, one result per task
}

// Task is IexecLibCore_v5.Task.
type Task struct {
	Status               TaskStatus
	Deal                 Hash
	Index                uint64 // within the request order; 2⁶⁴−1 stands for more
	TimeRef              uint64 // seconds
	ContributionDeadline uint64 // seconds since 1970; a contribution must come before it
	RevealDeadline       uint64 // 0 until there is a consensus
	FinalDeadline        uint64 // from here on the task can be claimed
	ConsensusValue       Hash
	RevealCounter        uint64
	WinnerCounter        uint64
	Contributors         []Address // in order of contribution
	ResultDigest         Hash
	Results              []byte
	ResultsCallback      []byte
}

// Contribution is IexecLibCore_v5.Contribution.
type Contribution struct {
	Status           ContributionStatus
	ResultHash       Hash
	ResultSeal       Hash
	EnclaveChallenge Address
	Weight           Amount // log2 of the worker's weight, rounded as the era says
}

// Account is what the contract keeps of an address: viewAccount and viewScore.
type Account struct {
	Stake  Amount // balanceOf: nRLC free to use or withdraw
	Locked Amount // frozenOf: nRLC at stake
	Score  Amount // accurate contributions, cut by a third by a faulty one
}

// Category is IexecLibCore_v5.Category.
type Category struct {
	Name, Description string
	WorkClockTimeRef  uint64 // seconds; deadlines are 7, 2 and 10 times this; 2⁶⁴−1 stands for more
}

// Resource is a registered app, dataset or workerpool.
type Resource struct {
	Kind                 ResourceKind
	Owner                Address
	Name                 string // a workerpool's description
	Type                 string // app
	Multiaddr            []byte // app, dataset
	Checksum             Hash   // app, dataset
	MREnclave            []byte // app
	WorkerStakeRatio     Amount // workerpool: percent of the price a worker stakes
	SchedulerRewardRatio Amount // workerpool: percent of the reward the scheduler keeps
}

// Order is what the contract keeps of an order, by the order's hash.
type Order struct {
	Consumed Amount  // how much of the volume deals have used: viewConsumed
	Closed   bool    // closed by its signer: nothing is left of it
	Signer   Address // who signed it on chain, zero if nobody did: viewPresigned
}
