package poco

// Command is a call of the contracts. The concrete types carry the names and arguments
// of the functions; Decide says what they do.
type Command interface{ isCommand() }

// Deposit puts the sender's RLC into the escrow: deposit, and receive with the native
// coin. Whether the sender has it is for the wallet to know, not for these rules.
type Deposit struct {
	Amount Amount // nRLC; with the native coin wei, of which a remainder below 1e9 goes back
}

// DepositFor is Deposit into another account.
type DepositFor struct {
	Amount Amount // as in Deposit
	Target Address
}

// DepositForArray deposits into several accounts.
type DepositForArray struct {
	Value   Amount   // wei sent along, with the native coin only; what is left over goes back
	Amounts []Amount // nRLC
	Targets []Address
}

// Withdraw takes the sender's stake out of the escrow.
type Withdraw struct {
	Amount Amount // nRLC
}

// WithdrawTo takes the sender's stake out of the escrow into another wallet.
type WithdrawTo struct {
	Amount Amount // nRLC
	Target Address
}

// TransferStake gives the sender's stake to another account (ERC-20 transfer).
type TransferStake struct {
	To     Address
	Amount Amount // nRLC
}

// Approve sets how much of the sender's stake a spender may move.
type Approve struct {
	Spender Address
	Amount  Amount // nRLC
}

// IncreaseAllowance adds to what a spender may move.
type IncreaseAllowance struct {
	Spender Address
	Amount  Amount // nRLC
}

// DecreaseAllowance takes from what a spender may move.
type DecreaseAllowance struct {
	Spender Address
	Amount  Amount // nRLC
}

// TransferStakeFrom moves stake that the sender may move (ERC-20 transferFrom).
type TransferStakeFrom struct {
	From, To Address
	Amount   Amount // nRLC
}

// AddCategory creates a category; only the hub's owner can (createCategory).
type AddCategory struct {
	Name, Description string
	WorkClockTimeRef  Amount // seconds
}

// Register makes a resource: createApp, createDataset, createWorkerpool. At is the
// address that the registry's CREATE2 gives it; predictApp and its sisters tell.
type Register struct {
	At       Address
	Resource Resource // Kind, Owner and the metadata; the registry sets the policy
}

// TransferResource gives a resource's NFT to another owner (transferFrom of the registry).
type TransferResource struct {
	Kind     ResourceKind
	Resource Address
	From, To Address
}

// ChangePolicy sets what a workerpool asks of workers and keeps for itself.
type ChangePolicy struct {
	Workerpool           Address
	WorkerStakeRatio     Amount // percent of the price, without limit
	SchedulerRewardRatio Amount // percent of the reward, at most 100
}

// ManageOrder signs an order on chain, or closes it: manageAppOrder and its sisters.
type ManageOrder struct {
	Order AnyOrder
	Close bool
	Sign  []byte // the owner's, over OperationHash, where another sends
}

// Orders are what makes a deal. A zero Dataset.Dataset stands for no dataset; the rest
// of the dataset order counts all the same.
type Orders struct {
	App        AppOrder
	Dataset    DatasetOrder
	Workerpool WorkerpoolOrder
	Request    RequestOrder
}

// MatchOrders makes a deal that the requester pays.
type MatchOrders struct{ Orders }

// SponsorMatchOrders makes a deal that the sender pays.
type SponsorMatchOrders struct{ Orders }

// MatchOrdersBoost makes a Boost deal that the requester pays.
type MatchOrdersBoost struct{ Orders }

// SponsorMatchOrdersBoost makes a Boost deal that the sender pays; its results cannot be
// pushed, because pushing seizes the requester.
type SponsorMatchOrdersBoost struct{ Orders }

// Initialize starts a task's clock.
type Initialize struct {
	Deal  Hash
	Index Amount
}

// Contribute commits the sender to a result.
type Contribute struct {
	Task             Hash
	ResultHash       Hash
	ResultSeal       Hash
	EnclaveChallenge Address // zero: no enclave
	EnclaveSign      []byte
	Authorization    []byte
}

// ContributeAndFinalize commits the sender to a result, reveals it and completes the
// task, for deals of trust 1.
type ContributeAndFinalize struct {
	Task             Hash
	Digest           Hash
	Results          []byte
	ResultsCallback  []byte
	EnclaveChallenge Address // zero: no enclave
	EnclaveSign      []byte
	Authorization    []byte
}

// Reveal proves the sender's contribution.
type Reveal struct {
	Task   Hash
	Digest Hash
}

// Reopen rejects the winners of a task, who did not reveal in time.
type Reopen struct{ Task Hash }

// Finalize completes a task.
type Finalize struct {
	Task            Hash
	Results         []byte
	ResultsCallback []byte
}

// Claim fails a task after its final deadline.
type Claim struct{ Task Hash }

// InitializeArray starts the clocks of several tasks, all or none.
type InitializeArray struct {
	Deals   []Hash
	Indices []Amount
}

// ClaimArray fails several tasks, all or none.
type ClaimArray struct{ Tasks []Hash }

// InitializeAndClaimArray fails several tasks that were never initialized, all or none.
type InitializeAndClaimArray struct {
	Deals   []Hash
	Indices []Amount
}

// PushResultBoost completes a task of a Boost deal. The index counts from 0 within the
// deal, whatever the deal's first index is.
type PushResultBoost struct {
	Deal             Hash
	Index            Amount
	Results          []byte
	ResultsCallback  []byte
	Authorization    []byte
	EnclaveChallenge Address // zero: no enclave
	EnclaveSign      []byte
}

// ClaimBoost fails a task of a Boost deal after the deal's deadline.
type ClaimBoost struct {
	Deal  Hash
	Index Amount
}

func (Deposit) isCommand()                 {}
func (DepositFor) isCommand()              {}
func (DepositForArray) isCommand()         {}
func (Withdraw) isCommand()                {}
func (WithdrawTo) isCommand()              {}
func (TransferStake) isCommand()           {}
func (Approve) isCommand()                 {}
func (IncreaseAllowance) isCommand()       {}
func (DecreaseAllowance) isCommand()       {}
func (TransferStakeFrom) isCommand()       {}
func (AddCategory) isCommand()             {}
func (Register) isCommand()                {}
func (TransferResource) isCommand()        {}
func (ChangePolicy) isCommand()            {}
func (ManageOrder) isCommand()             {}
func (MatchOrders) isCommand()             {}
func (SponsorMatchOrders) isCommand()      {}
func (MatchOrdersBoost) isCommand()        {}
func (SponsorMatchOrdersBoost) isCommand() {}
func (Initialize) isCommand()              {}
func (Contribute) isCommand()              {}
func (ContributeAndFinalize) isCommand()   {}
func (Reveal) isCommand()                  {}
func (Reopen) isCommand()                  {}
func (Finalize) isCommand()                {}
func (Claim) isCommand()                   {}
func (InitializeArray) isCommand()         {}
func (ClaimArray) isCommand()              {}
func (InitializeAndClaimArray) isCommand() {}
func (PushResultBoost) isCommand()         {}
func (ClaimBoost) isCommand()              {}
