package ledger

import "assay/consensus/poco"

// Role says as what an account takes part in a task.
type Role string

// The roles. The empty role is of what the rules do not know.
const (
	Payer      Role = "PAYER" // the requester or a sponsor
	Worker     Role = "WORKER"
	Workerpool Role = "WORKERPOOL" // the pool's owner: the scheduler
	App        Role = "APP"        // the app's owner
	Dataset    Role = "DATASET"    // the dataset's owner
	TheKitty   Role = "KITTY"
)

// Kind says why money moved. In brackets what it does to the account: its stake, and what
// it has locked.
type Kind string

// The kinds of lines. The empty kind is of what the rules do not know.
const (
	PricePaid          Kind = "PRICE_PAID"          // by the payer (locked −)
	PriceEarned        Kind = "PRICE_EARNED"        // by the owners of app and dataset (stake +)
	PriceRefunded      Kind = "PRICE_REFUNDED"      // to the payer (locked −, stake +)
	StakeReturned      Kind = "STAKE_RETURNED"      // to the pool or a worker (locked −, stake +)
	StakeSeized        Kind = "STAKE_SEIZED"        // from the pool or a worker (locked −)
	RewardShare        Kind = "REWARD_SHARE"        // of a worker (stake +)
	SchedulerRemainder Kind = "SCHEDULER_REMAINDER" // what is left of the reward (stake +)
	KittyDraw          Kind = "KITTY_DRAW"          // from the kitty (locked −) to the pool (stake +): two lines
	KittyFill          Kind = "KITTY_FILL"          // into the kitty (locked +)
)

// Line is one account's part in a settlement.
type Line struct {
	Account poco.Address
	Role    Role
	Kind    Kind
	Amount  poco.Amount // nRLC
	Stake   Signed      // what the line adds to the account's stake, nRLC
	Locked  Signed      // and to what it has locked, nRLC
	Weight  poco.Amount // of a share: log2 of the worker's weight; 0: no share by weight
	Event   int         // position of the event that moves it, among those that Calls was given
}

// Numbers are what the rules derive the amounts of a success from, in nRLC where nothing
// else is said. Of a failure there are only the parts of the price; of a deal whose body
// the log does not have (Boost) there are none.
//
//	Reward        = Workerpool + Seized
//	WorkersReward = ⌊Reward · (100 − Ratio) / 100⌋
//	a share       = ⌊WorkersReward · Weight / Weights⌋
//	Rounding      = WorkersReward − the sum of the shares
//	Remainder     = Reward − WorkersReward + Rounding
type Numbers struct {
	App, Dataset, Workerpool poco.Amount // parts of the price
	Seized                   poco.Amount // stakes of workers that did not prove their contributions
	Reward                   poco.Amount // what workers and scheduler share
	Ratio                    poco.Amount // percent of it that the scheduler keeps
	WorkersReward            poco.Amount // what the workers share
	Weights                  poco.Amount // sum of the log weights of those that share; 0: one worker has it all
	Rounding                 poco.Amount // of WorkersReward, what rounding down the shares left
	Remainder                poco.Amount // the scheduler's
}

// Settlement is how a task's money was settled.
type Settlement struct {
	Task, Deal poco.Hash // Deal is zero of a claimed Boost task: its event does not tell
	Call       CallKind
	Price      poco.Amount // what was paid, or refunded, nRLC
	KittyDraw  poco.Amount // drawn from the kitty, nRLC
	KittyFill  poco.Amount // put into the kitty, nRLC
	Numbers    Numbers
	Lines      []Line // in the order of the events
	Exact      bool   // every amount is what the rules derive from deal and contributions
	Last       int    // position of the event that ends the task
}
