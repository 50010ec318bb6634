// Package model holds what the analytics API answers with: the rows of the database's
// tables, connections of them, and the scalars. Inputs are generated from the SDL in
// schema/graphql/analytics, where every field is described.
//
// A row's tags say how to read it: `ch` names the column, and `sql`, where there is one,
// is the expression to select under that name.
package model

import "time"

// Key names a thing of a chain: a deal, a task, an account, a pool, or a block by its number.
type Key struct {
	Chain uint64
	ID    string
	Block uint64
}

// Deal is a row of the table deals.
type Deal struct {
	Chain                uint64    `ch:"chain"`
	ID                   string    `ch:"id"`
	App                  string    `ch:"app"`
	AppOwner             string    `ch:"app_owner"`
	AppPrice             string    `ch:"app_price" sql:"toString(app_price)"`
	Dataset              *string   `ch:"dataset" sql:"nullIf(nullIf(dataset, ''), '0x0000000000000000000000000000000000000000')"`
	DatasetOwner         *string   `ch:"dataset_owner" sql:"nullIf(nullIf(dataset_owner, ''), '0x0000000000000000000000000000000000000000')"`
	DatasetPrice         string    `ch:"dataset_price" sql:"toString(dataset_price)"`
	WorkerpoolAddress    string    `ch:"workerpool"`
	WorkerpoolOwner      string    `ch:"workerpool_owner"`
	WorkerpoolPrice      string    `ch:"workerpool_price" sql:"toString(workerpool_price)"`
	Trust                string    `ch:"trust" sql:"toString(trust)"`
	Category             string    `ch:"category" sql:"toString(category)"`
	Tag                  string    `ch:"tag"`
	Requester            string    `ch:"requester"`
	Beneficiary          string    `ch:"beneficiary"`
	Callback             *string   `ch:"callback" sql:"nullIf(nullIf(callback, ''), '0x0000000000000000000000000000000000000000')"`
	Params               string    `ch:"params" sql:"toValidUTF8(params)"`
	StartTime            time.Time `ch:"start_time"`
	BotFirst             string    `ch:"bot_first" sql:"toString(bot_first)"`
	BotSize              string    `ch:"bot_size" sql:"toString(bot_size)"`
	WorkerStake          string    `ch:"worker_stake" sql:"toString(worker_stake)"`
	SchedulerRewardRatio string    `ch:"scheduler_reward_ratio" sql:"toString(scheduler_reward_ratio)"`
	Sponsor              string    `ch:"sponsor"`
	BlockNumber          uint64    `ch:"block_number"`
	TxHash               string    `ch:"tx_hash"`
}

// Task is a row of the table tasks.
type Task struct {
	Chain                uint64     `ch:"chain"`
	ID                   string     `ch:"id"`
	DealID               string     `ch:"deal"`
	Index                string     `ch:"idx" sql:"toString(idx)"`
	WorkerpoolAddress    string     `ch:"workerpool"`
	Requester            string     `ch:"requester"`
	Status               string     `ch:"status"`
	ContributionDeadline time.Time  `ch:"contribution_deadline"`
	RevealDeadline       *time.Time `ch:"reveal_deadline" sql:"nullIf(reveal_deadline, toDateTime(0, 'UTC'))"`
	FinalDeadline        time.Time  `ch:"final_deadline"`
	ConsensusValue       *string    `ch:"consensus_value" sql:"nullIf(nullIf(consensus_value, ''), '0x0000000000000000000000000000000000000000000000000000000000000000')"`
	RevealCounter        uint64     `ch:"reveal_counter"`
	WinnerCounter        uint64     `ch:"winner_counter"`
	Contributors         uint64     `ch:"contributors"`
	Reopened             uint64     `ch:"reopened"`
	ResultDigest         *string    `ch:"result_digest" sql:"nullIf(nullIf(result_digest, ''), '0x0000000000000000000000000000000000000000000000000000000000000000')"`
	Results              string     `ch:"results" sql:"concat('0x', lower(hex(results)))"`
	ResultsCallback      string     `ch:"results_callback" sql:"concat('0x', lower(hex(results_callback)))"`
	InitializedAt        time.Time  `ch:"initialized_at"`
	EndedAt              *time.Time `ch:"ended_at" sql:"nullIf(ended_at, toDateTime(0, 'UTC'))"`
	BlockNumber          uint64     `ch:"block_number"`
}

// Contribution is a row of the table contributions.
type Contribution struct {
	Chain             uint64     `ch:"chain"`
	TaskID            string     `ch:"task"`
	DealID            string     `ch:"deal"`
	Worker            string     `ch:"worker"`
	WorkerpoolAddress string     `ch:"workerpool"`
	Status            string     `ch:"status"`
	ResultHash        string     `ch:"result_hash"`
	ResultSeal        string     `ch:"result_seal"`
	EnclaveChallenge  *string    `ch:"enclave_challenge" sql:"nullIf(nullIf(enclave_challenge, ''), '0x0000000000000000000000000000000000000000')"`
	Weight            string     `ch:"weight" sql:"toString(weight)"`
	Accurate          *bool      `ch:"accurate"`
	ContributedAt     time.Time  `ch:"contributed_at"`
	RevealedAt        *time.Time `ch:"revealed_at" sql:"nullIf(revealed_at, toDateTime(0, 'UTC'))"`
	BlockNumber       uint64     `ch:"block_number"`
	TxHash            string     `ch:"tx_hash"`
}

// Verdict is a row of the table verdicts.
type Verdict struct {
	Chain             uint64    `ch:"chain"`
	ID                string    `ch:"id"`
	WorkerpoolAddress string    `ch:"workerpool"`
	TaskID            *string   `ch:"task" sql:"nullIf(task, '')"`
	Worker            *string   `ch:"worker" sql:"nullIf(worker, '')"`
	Time              time.Time `ch:"time"`
	Outcome           string    `ch:"outcome"`
	Reason            string    `ch:"reason"`
	Detail            string    `ch:"detail" sql:"toValidUTF8(detail)"`
	Message           *string   `ch:"message" sql:"nullIf(message, '')"`
	ResultHash        *string   `ch:"result_hash" sql:"nullIf(result_hash, '')"`
	EnclaveChallenge  *string   `ch:"enclave_challenge" sql:"nullIf(nullIf(enclave_challenge, ''), '0x0000000000000000000000000000000000000000')"`
	Agreement         string    `ch:"agreement" sql:"toValidUTF8(agreement)"`
	QuoteHash         *string   `ch:"quote_hash" sql:"nullIf(quote_hash, '')"`
	Mrenclave         *string   `ch:"mrenclave" sql:"nullIf(if(mrenclave = '' OR startsWith(mrenclave, '0x'), mrenclave, concat('0x', mrenclave)), '')"`
	SourcePartition   uint64    `ch:"source_partition" sql:"toUInt64(source_partition)"`
	SourceOffset      uint64    `ch:"source_offset"`
}

// Payout is a row of the table payouts.
type Payout struct {
	Chain             uint64    `ch:"chain"`
	BlockNumber       uint64    `ch:"block_number"`
	LogIndex          uint64    `ch:"log_index" sql:"toUInt64(log_index)"`
	TxHash            string    `ch:"tx_hash"`
	Time              time.Time `ch:"time"`
	Kind              string    `ch:"kind"`
	Role              string    `ch:"role"`
	AccountAddress    string    `ch:"account"`
	Amount            string    `ch:"amount" sql:"toString(amount)"`
	TaskID            string    `ch:"task"`
	DealID            string    `ch:"deal"`
	WorkerpoolAddress string    `ch:"workerpool"`
	Version           uint64    `ch:"version"` // sequence of its chain log record
}

// AmountRLC is the amount in RLC.
func (p *Payout) AmountRLC() string { return RLC(p.Amount) }

// Posting is a row of the table postings.
type Posting struct {
	Chain          uint64    `ch:"chain"`
	BlockNumber    uint64    `ch:"block_number"`
	LogIndex       uint64    `ch:"log_index" sql:"toUInt64(log_index)"`
	Index          uint64    `ch:"idx" sql:"toUInt64(idx)"`
	TxHash         string    `ch:"tx_hash"`
	Time           time.Time `ch:"time"`
	Event          string    `ch:"event"`
	AccountAddress string    `ch:"account"`
	Bucket         string    `ch:"bucket"`
	Amount         string    `ch:"amount" sql:"toString(amount)"`
	TaskID         *string   `ch:"task" sql:"nullIf(task, '')"`
	DealID         *string   `ch:"deal" sql:"nullIf(deal, '')"`
}

// BucketSum is what the postings of a bucket add up to.
type BucketSum struct {
	Bucket string `ch:"bucket"`
	Sum    string `ch:"sum" sql:"toString(sum(amount))"`
	Count  uint64 `ch:"count" sql:"count()"`
}

// Settlement is a row of the table settlements.
type Settlement struct {
	Chain                uint64    `ch:"chain"`
	TaskID               string    `ch:"task"`
	DealID               *string   `ch:"deal" sql:"nullIf(nullIf(deal, ''), '0x0000000000000000000000000000000000000000000000000000000000000000')"`
	WorkerpoolAddress    *string   `ch:"workerpool" sql:"nullIf(nullIf(workerpool, ''), '0x0000000000000000000000000000000000000000')"`
	Call                 string    `ch:"call"`
	Price                string    `ch:"price" sql:"toString(price)"`
	AppPrice             string    `ch:"app_price" sql:"toString(app_price)"`
	DatasetPrice         string    `ch:"dataset_price" sql:"toString(dataset_price)"`
	WorkerpoolPrice      string    `ch:"workerpool_price" sql:"toString(workerpool_price)"`
	Seized               string    `ch:"seized" sql:"toString(seized)"`
	Reward               string    `ch:"reward" sql:"toString(reward)"`
	SchedulerRewardRatio string    `ch:"scheduler_reward_ratio" sql:"toString(scheduler_reward_ratio)"`
	WorkersReward        string    `ch:"workers_reward" sql:"toString(workers_reward)"`
	Weights              string    `ch:"weights" sql:"toString(weights)"`
	Rounding             string    `ch:"rounding" sql:"toString(rounding)"`
	Remainder            string    `ch:"remainder" sql:"toString(remainder)"`
	KittyDraw            string    `ch:"kitty_draw" sql:"toString(kitty_draw)"`
	KittyFill            string    `ch:"kitty_fill" sql:"toString(kitty_fill)"`
	Exact                bool      `ch:"exact"`
	BlockNumber          uint64    `ch:"block_number"`
	LogIndex             uint64    `ch:"log_index" sql:"toUInt64(log_index)"`
	TxHash               string    `ch:"tx_hash"`
	Time                 time.Time `ch:"time"`
}

// PriceRLC is the price in RLC.
func (s *Settlement) PriceRLC() string { return RLC(s.Price) }

// SettlementLine is a row of the table settlement_lines.
type SettlementLine struct {
	Chain          uint64  `ch:"chain"`
	TaskID         string  `ch:"task"`
	Index          uint64  `ch:"idx" sql:"toUInt64(idx)"`
	BlockNumber    uint64  `ch:"block_number"`
	LogIndex       uint64  `ch:"log_index" sql:"toUInt64(log_index)"`
	AccountAddress string  `ch:"account"`
	Role           *string `ch:"role" sql:"nullIf(toString(role), '')"`
	Kind           *string `ch:"kind" sql:"nullIf(toString(kind), '')"`
	Amount         string  `ch:"amount" sql:"toString(amount)"`
	Stake          string  `ch:"stake" sql:"toString(stake)"`
	Locked         string  `ch:"locked" sql:"toString(locked)"`
	Weight         *string `ch:"weight" sql:"nullIf(toString(weight), '0')"`
}

// AmountRLC is the amount in RLC.
func (l *SettlementLine) AmountRLC() string { return RLC(l.Amount) }

// Account is a row of the table accounts.
type Account struct {
	Chain       uint64 `ch:"chain"`
	Address     string `ch:"address"`
	Stake       string `ch:"stake" sql:"toString(stake)"`
	Locked      string `ch:"locked" sql:"toString(locked)"`
	Score       string `ch:"score" sql:"toString(score)"`
	Deposited   string `ch:"deposited" sql:"toString(deposited)"`
	Withdrawn   string `ch:"withdrawn" sql:"toString(withdrawn)"`
	Earned      string `ch:"earned" sql:"toString(earned)"`
	Spent       string `ch:"spent" sql:"toString(spent)"`
	Seized      string `ch:"seized" sql:"toString(seized)"`
	BlockNumber uint64 `ch:"block_number"`
}

// StakeRLC is the free stake in RLC.
func (a *Account) StakeRLC() string { return RLC(a.Stake) }

// LockedRLC is the locked stake in RLC.
func (a *Account) LockedRLC() string { return RLC(a.Locked) }

// EarnedRLC is all rewards in RLC.
func (a *Account) EarnedRLC() string { return RLC(a.Earned) }

// SeizedRLC is all stakes lost in RLC.
func (a *Account) SeizedRLC() string { return RLC(a.Seized) }

// Workerpool is a row of the table resources whose kind is WORKERPOOL.
type Workerpool struct {
	Chain                uint64    `ch:"chain"`
	Address              string    `ch:"address"`
	Owner                string    `ch:"owner"`
	Description          string    `ch:"name" sql:"toValidUTF8(name)"`
	WorkerStakeRatio     string    `ch:"worker_stake_ratio" sql:"toString(worker_stake_ratio)"`
	SchedulerRewardRatio string    `ch:"scheduler_reward_ratio" sql:"toString(scheduler_reward_ratio)"`
	RegisteredAt         time.Time `ch:"registered_at"`
	BlockNumber          uint64    `ch:"block_number"`
}

// Meta says how far the data reaches.
type Meta struct {
	Chains []*ChainMeta
}

// ChainMeta is how far a chain is indexed.
type ChainMeta struct {
	Chain           uint64    `json:"chain"`
	HeadNumber      uint64    `json:"headNumber"`
	HeadHash        string    `json:"headHash"`
	HeadTime        time.Time `json:"headTime"`
	FinalizedNumber uint64    `json:"finalizedNumber"`
	FinalizedHash   *string   `json:"finalizedHash"`
	Verification    *string   `json:"verification"`

	Coverage []*Coverage `json:"-"`
}

// Coverage is a range of blocks that was looked through.
type Coverage struct {
	FromBlock    uint64
	ToBlock      uint64
	Verification string
	Failure      *string
}

// TaskCount is how many tasks are in a status.
type TaskCount struct {
	Status string `ch:"status"`
	Count  uint64 `ch:"count" sql:"count()"`
}

// VerdictCount is how many verdicts have an outcome and a reason.
type VerdictCount struct {
	Outcome string `ch:"outcome"`
	Reason  string `ch:"reason"`
	Count   uint64 `ch:"count" sql:"count()"`
}

// TaskChange is a row of the table tasks_history, as far as streams tell of it.
type TaskChange struct {
	Chain             uint64 `ch:"chain"`
	ID                string `ch:"id"`
	DealID            string `ch:"deal"`
	WorkerpoolAddress string `ch:"workerpool"`
	Requester         string `ch:"requester"`
	Status            string `ch:"status"`
	BlockNumber       uint64 `ch:"block_number"`
	Version           uint64 `ch:"version"`
	Place             uint64 `ch:"place" sql:"cityHash64(id)"` // among those of its block
}

// Mark is a row of the table heads, as far as streams tell of it.
type Mark struct {
	Chain           uint64    `ch:"chain"`
	Number          uint64    `ch:"head_number"`
	Hash            string    `ch:"head_hash"`
	Time            time.Time `ch:"head_time"`
	FinalizedNumber uint64    `ch:"finalized_number"`
	Version         uint64    `ch:"version"`
}

// Alert is a row of the table decisions whose kind is alert.
type Alert struct {
	Chain             uint64    `ch:"chain"`
	ID                string    `ch:"id"`
	WorkerpoolAddress string    `ch:"workerpool"`
	TaskID            *string   `ch:"task" sql:"nullIf(task, '')"`
	Time              time.Time `ch:"time"`
	Name              string    `ch:"name" sql:"JSONExtractString(body, 'name')"`
	Detail            string    `ch:"detail" sql:"JSONExtractString(body, 'detail')"`
	Partition         uint64    `ch:"partition" sql:"toUInt64(partition)"`
	Version           uint64    `ch:"version"`
}

// TaskEvent is a status of a task in a stream.
type TaskEvent struct {
	Cursor      string
	Chain       uint64
	TaskID      string
	DealID      string
	Status      string
	BlockNumber uint64
}
