package poco

// Event is one thing that happened in the contracts. The concrete types carry the
// names and fields of the contracts' events; what no event carries but the state
// needs (a deal's body, a contribution's seal) is attached.
type Event interface{ isEvent() }

// Transfer moves stake within the escrow: from the zero address it is a deposit, to
// it a withdrawal.
type Transfer struct {
	From, To Address
	Value    Amount
}

// Approval is the staked token's ERC-20 allowance.
type Approval struct {
	Owner, Spender Address
	Value          Amount
}

// Lock puts nRLC at stake.
type Lock struct {
	Owner  Address
	Amount Amount
}

// Unlock gives nRLC at stake back.
type Unlock struct {
	Owner  Address
	Amount Amount
}

// Reward pays nRLC for a task (Ref), or into the kitty.
type Reward struct {
	Owner  Address
	Amount Amount
	Ref    Hash
}

// Seize takes nRLC at stake away because of a task (Ref).
type Seize struct {
	Owner  Address
	Amount Amount
	Ref    Hash
}

// CreateCategory adds a category; ids count from 0.
type CreateCategory struct {
	ID                Amount
	Name, Description string
	WorkClockTimeRef  Amount
}

// SchedulerNotice tells a workerpool of a deal.
type SchedulerNotice struct {
	Workerpool Address
	Deal       Hash
}

// OrdersMatched makes a deal.
type OrdersMatched struct {
	Deal                                              Hash
	AppHash, DatasetHash, WorkerpoolHash, RequestHash Hash
	Volume                                            Amount
	Body                                              *Deal // attached
}

// DealSponsored names who pays a deal in the requester's place.
type DealSponsored struct {
	Deal    Hash
	Sponsor Address
}

// TaskInitialize starts a task's clock.
type TaskInitialize struct {
	Task       Hash
	Workerpool Address
	Deal       Hash   // attached
	Index      Amount // attached
}

// TaskContribute records a worker's commitment.
type TaskContribute struct {
	Task             Hash
	Worker           Address
	ResultHash       Hash
	ResultSeal       Hash    // attached
	EnclaveChallenge Address // attached
}

// TaskConsensus says which result has enough weight behind it.
type TaskConsensus struct {
	Task      Hash
	Consensus Hash
}

// TaskReveal proves a winner's commitment.
type TaskReveal struct {
	Task   Hash
	Worker Address
	Digest Hash
}

// TaskReopen rejects the winners, who did not reveal.
type TaskReopen struct{ Task Hash }

// TaskFinalize completes a task.
type TaskFinalize struct {
	Task            Hash
	Results         []byte
	ResultsCallback []byte // attached
}

// TaskClaimed fails a task after its final deadline.
type TaskClaimed struct{ Task Hash }

// AccurateContribution raises a worker's score.
type AccurateContribution struct {
	Worker Address
	Task   Hash
}

// FaultyContribution cuts a worker's score.
type FaultyContribution struct {
	Worker Address
	Task   Hash
}

// OrderSigned is SignedAppOrder and its three sisters: the order needs no signature.
type OrderSigned struct {
	Kind   OrderKind
	Hash   Hash
	Signer Address // attached: for whom it needs none
}

// OrderClosed is ClosedAppOrder and its three sisters: the order is used up.
type OrderClosed struct {
	Kind   OrderKind
	Hash   Hash
	Volume Amount // attached: the order's whole volume, which counts as consumed
}

// ResourceTransfer moves a resource's NFT; from the zero address it is registered.
type ResourceTransfer struct {
	Kind     ResourceKind
	From, To Address
	Resource Address
	Body     *Resource // attached when registered
}

// PolicyUpdate changes what a workerpool asks of workers and keeps for itself.
type PolicyUpdate struct {
	Workerpool                                       Address
	OldWorkerStakeRatio, NewWorkerStakeRatio         Amount
	OldSchedulerRewardRatio, NewSchedulerRewardRatio Amount
}

// SchedulerNoticeBoost tells a workerpool of a Boost deal.
type SchedulerNoticeBoost struct {
	Workerpool   Address
	Deal         Hash
	App, Dataset Address
	Category     Amount
	Tag          Hash
	Params       string
	Beneficiary  Address
}

// ResultPushedBoost completes a task of a Boost deal.
type ResultPushedBoost struct {
	Deal    Hash
	Index   Amount
	Results []byte
}

// DealSponsoredBoost names who pays a Boost deal in the requester's place.
type DealSponsoredBoost struct {
	Deal    Hash
	Sponsor Address
}

func (Transfer) isEvent()             {}
func (Approval) isEvent()             {}
func (Lock) isEvent()                 {}
func (Unlock) isEvent()               {}
func (Reward) isEvent()               {}
func (Seize) isEvent()                {}
func (CreateCategory) isEvent()       {}
func (SchedulerNotice) isEvent()      {}
func (OrdersMatched) isEvent()        {}
func (DealSponsored) isEvent()        {}
func (TaskInitialize) isEvent()       {}
func (TaskContribute) isEvent()       {}
func (TaskConsensus) isEvent()        {}
func (TaskReveal) isEvent()           {}
func (TaskReopen) isEvent()           {}
func (TaskFinalize) isEvent()         {}
func (TaskClaimed) isEvent()          {}
func (AccurateContribution) isEvent() {}
func (FaultyContribution) isEvent()   {}
func (OrderSigned) isEvent()          {}
func (OrderClosed) isEvent()          {}
func (ResourceTransfer) isEvent()     {}
func (PolicyUpdate) isEvent()         {}
func (SchedulerNoticeBoost) isEvent() {}
func (ResultPushedBoost) isEvent()    {}
func (DealSponsoredBoost) isEvent()   {}
