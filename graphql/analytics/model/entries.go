package model

import (
	"math/big"
	"time"
)

// App is a row of the table resources whose kind is APP.
type App struct {
	Chain        uint64    `ch:"chain"`
	Address      string    `ch:"address"`
	Owner        string    `ch:"owner"`
	Name         string    `ch:"name" sql:"toValidUTF8(name)"`
	Type         string    `ch:"type" sql:"toValidUTF8(type)"`
	Multiaddr    string    `ch:"multiaddr" sql:"concat('0x', lower(hex(multiaddr)))"`
	Checksum     string    `ch:"checksum"`
	Mrenclave    string    `ch:"mrenclave" sql:"concat('0x', lower(hex(mrenclave)))"`
	RegisteredAt time.Time `ch:"registered_at"`
	BlockNumber  uint64    `ch:"block_number"`
}

// Dataset is a row of the table resources whose kind is DATASET.
type Dataset struct {
	Chain        uint64    `ch:"chain"`
	Address      string    `ch:"address"`
	Owner        string    `ch:"owner"`
	Name         string    `ch:"name" sql:"toValidUTF8(name)"`
	Multiaddr    string    `ch:"multiaddr" sql:"concat('0x', lower(hex(multiaddr)))"`
	Checksum     string    `ch:"checksum"`
	RegisteredAt time.Time `ch:"registered_at"`
	BlockNumber  uint64    `ch:"block_number"`
}

// EntryState is a row of the table resources_history.
type EntryState struct {
	Chain                uint64 `ch:"chain"`
	Address              string `ch:"address"`
	BlockNumber          uint64 `ch:"block_number"`
	Owner                string `ch:"owner"`
	WorkerStakeRatio     string `ch:"worker_stake_ratio" sql:"toString(worker_stake_ratio)"`
	SchedulerRewardRatio string `ch:"scheduler_reward_ratio" sql:"toString(scheduler_reward_ratio)"`
}

// AccountState is a row of the table accounts_history.
type AccountState struct {
	Chain       uint64 `ch:"chain"`
	Address     string `ch:"address"`
	BlockNumber uint64 `ch:"block_number"`
	Stake       string `ch:"stake" sql:"toString(stake)"`
	Locked      string `ch:"locked" sql:"toString(locked)"`
	Score       string `ch:"score" sql:"toString(score)"`
	Earned      string `ch:"earned" sql:"toString(earned)"`
	Spent       string `ch:"spent" sql:"toString(spent)"`
	Seized      string `ch:"seized" sql:"toString(seized)"`
}

// Category is a row of the table categories.
type Category struct {
	Chain            uint64 `ch:"chain"`
	ID               string `ch:"id" sql:"toString(id)"`
	Name             string `ch:"name" sql:"toValidUTF8(name)"`
	Description      string `ch:"description" sql:"toValidUTF8(description)"`
	WorkClockTimeRef uint64 `ch:"work_clock_time_ref"`
	BlockNumber      uint64 `ch:"block_number"`
}

// CategoryPrice is what deals of a category cost.
type CategoryPrice struct {
	Chain    uint64 `ch:"chain"`
	Category string `ch:"category" sql:"toString(category)"`
	Deals    uint64 `ch:"deals" sql:"count()"`
	Tasks    uint64 `ch:"tasks" sql:"sum(bot_size)"`
	Min      string `ch:"min" sql:"toString(min(workerpool_price))"`
	Median   string `ch:"median" sql:"toString(arraySort(groupArray(workerpool_price))[intDiv(count() + 1, 2)])"`
	Mean     string `ch:"mean" sql:"toString(intDiv(sum(workerpool_price * bot_size), toUInt256(greatest(sum(bot_size), 1))))"`
	Max      string `ch:"max" sql:"toString(max(workerpool_price))"`
}

// MinRLC is the lowest price in RLC.
func (c *CategoryPrice) MinRLC() string { return RLC(c.Min) }

// MedianRLC is the median in RLC.
func (c *CategoryPrice) MedianRLC() string { return RLC(c.Median) }

// MaxRLC is the highest price in RLC.
func (c *CategoryPrice) MaxRLC() string { return RLC(c.Max) }

// MeanRLC is the mean in RLC.
func (c *CategoryPrice) MeanRLC() string { return RLC(c.Mean) }

// DatasetUse is what a requester used a dataset for.
type DatasetUse struct {
	Chain     uint64 `ch:"of_chain"`
	Dataset   string `ch:"of_key"`
	Requester string `ch:"requester"`
	App       string `ch:"app"`
	Deals     uint64 `ch:"deals"`
	Tasks     uint64 `ch:"tasks"`
	Paid      string `ch:"paid" sql:"toString(paid)"`
}

// PaidRLC is what was paid, in RLC.
func (d *DatasetUse) PaidRLC() string { return RLC(d.Paid) }

// DatasetEarning is what a dataset earned one owner.
type DatasetEarning struct {
	Chain   uint64 `ch:"of_chain"`
	Dataset string `ch:"of_key"`
	Owner   string `ch:"owner"`
	Amount  string `ch:"amount" sql:"toString(amount)"`
}

// AmountRLC is the amount in RLC.
func (d *DatasetEarning) AmountRLC() string { return RLC(d.Amount) }

// Event is a row of the table events.
type Event struct {
	Chain       uint64    `ch:"chain"`
	BlockNumber uint64    `ch:"block_number"`
	LogIndex    uint64    `ch:"log_index" sql:"toUInt64(log_index)"`
	BlockHash   string    `ch:"block_hash"`
	Time        time.Time `ch:"time"`
	TxHash      string    `ch:"tx_hash"`
	TxIndex     uint64    `ch:"tx_index" sql:"toUInt64(tx_index)"`
	Contract    string    `ch:"emitter"`
	Name        string    `ch:"name"`
	Args        string    `ch:"args"`
}

// OrderEvent is what an event says of one order.
type OrderEvent struct {
	Chain       uint64    `ch:"chain"`
	BlockNumber uint64    `ch:"block_number"`
	LogIndex    uint64    `ch:"log_index" sql:"toUInt64(log_index)"`
	Time        time.Time `ch:"time"`
	TxHash      string    `ch:"tx_hash"`
	Kind        string    `ch:"kind"`
	Action      string    `ch:"action"`
	Hash        *string   `ch:"hash" sql:"nullIf(hash, '')"`
	Volume      *string   `ch:"volume" sql:"nullIf(volume, '')"`
	DealID      *string   `ch:"deal" sql:"nullIf(deal, '')"`
}

// Latency is how long tasks took, in seconds.
type Latency struct {
	Tasks uint64 `ch:"tasks"`
	Total uint64 `ch:"total"`
	Min   uint64 `ch:"min"`
	P50   uint64 `ch:"p50"`
	P90   uint64 `ch:"p90"`
	P95   uint64 `ch:"p95"`
	P99   uint64 `ch:"p99"`
	Max   uint64 `ch:"max"`
}

// Mean is the mean of at least one task.
func (l *Latency) Mean() string { return *quotient(l.Total, l.Tasks, thousandths) }

const thousandths = 3

// Utilisation is how busy a pool was.
type Utilisation struct {
	TaskSeconds string
	Seconds     uint64 // of the time asked for; not 0
	Workers     uint64
}

// AverageTasks is how many tasks were under way on average.
func (u *Utilisation) AverageTasks() string {
	busy, _ := new(big.Int).SetString(u.TaskSeconds, 10)
	return Quotient(busy, new(big.Int).SetUint64(u.Seconds), thousandths)
}

// RoleEarning is what an account earned and lost in a role.
type RoleEarning struct {
	Chain   uint64 `ch:"chain"`
	Account string `ch:"account"`
	Role    string `ch:"role"`
	Earned  string `ch:"earned" sql:"toString(sumIf(amount, kind = 'REWARD'))"`
	Seized  string `ch:"seized" sql:"toString(sumIf(amount, kind = 'SEIZE'))"`
	Payouts uint64 `ch:"payouts" sql:"count()"`
}

// EarnedRLC is what was earned, in RLC.
func (e *RoleEarning) EarnedRLC() string { return RLC(e.Earned) }

// SeizedRLC is what was lost, in RLC.
func (e *RoleEarning) SeizedRLC() string { return RLC(e.Seized) }

// Risk is what is locked for tasks that have not ended.
type Risk struct {
	Payers    string `ch:"payers"`
	Scheduler string `ch:"scheduler"`
	Workers   string `ch:"workers"`
}

// TeeFramework is the framework for trusted execution that the deal's tag asks for.
func (d *Deal) TeeFramework() string { return FrameworkOf(d.Tag) }

// FrameworkOf is the framework that a tag asks for (iexec-commons TeeUtils: the lowest four bits
// name it, of which the lowest says that there is one).
func FrameworkOf(tag string) string {
	if tag == "" {
		return "NONE"
	}
	switch tag[len(tag)-1] {
	case '3':
		return "SCONE"
	case '5':
		return "GRAMINE"
	case '9':
		return "TDX"
	case '1', '7', 'b', 'd', 'f':
		return "OTHER"
	}
	return "NONE"
}
