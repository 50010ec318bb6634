package model

import (
	"math/big"
	"strings"
	"time"
)

// Measures are sums of rows of the table series.
type Measures struct {
	Deals            uint64 `ch:"deals" sql:"toUInt64(sum(deals))"`
	Tasks            uint64 `ch:"tasks" sql:"toUInt64(sum(tasks))"`
	Initialized      uint64 `ch:"initialized" sql:"toUInt64(sum(initialized))"`
	Completed        uint64 `ch:"completed" sql:"toUInt64(sum(completed))"`
	Claimed          uint64 `ch:"claimed" sql:"toUInt64(sum(claimed))"`
	Contributions    uint64 `ch:"contributions" sql:"toUInt64(sum(contributions))"`
	Accurate         uint64 `ch:"accurate" sql:"toUInt64(sum(accurate))"`
	Faulty           uint64 `ch:"faulty" sql:"toUInt64(sum(faulty))"`
	Latency          uint64 `ch:"latency" sql:"toUInt64(sum(latency))"` // seconds of all completed tasks
	Volume           string `ch:"volume" sql:"toString(sum(volume))"`
	Refunded         string `ch:"refunded" sql:"toString(sum(refunded))"`
	EarnedWorkers    string `ch:"earned_workers" sql:"toString(sum(earned_workers))"`
	EarnedWorkerpool string `ch:"earned_workerpool" sql:"toString(sum(earned_workerpool))"`
	EarnedApp        string `ch:"earned_app" sql:"toString(sum(earned_app))"`
	EarnedDataset    string `ch:"earned_dataset" sql:"toString(sum(earned_dataset))"`
	Seized           string `ch:"seized" sql:"toString(sum(seized))"`
	KittyIn          string `ch:"kitty_in" sql:"toString(sum(kitty_in))"`
	KittyOut         string `ch:"kitty_out" sql:"toString(sum(kitty_out))"`
}

// VolumeRLC is Volume in RLC.
func (m *Measures) VolumeRLC() string { return RLC(m.Volume) }

// RefundedRLC is Refunded in RLC.
func (m *Measures) RefundedRLC() string { return RLC(m.Refunded) }

// EarnedWorkersRLC is EarnedWorkers in RLC.
func (m *Measures) EarnedWorkersRLC() string { return RLC(m.EarnedWorkers) }

// EarnedWorkerpoolRLC is EarnedWorkerpool in RLC.
func (m *Measures) EarnedWorkerpoolRLC() string { return RLC(m.EarnedWorkerpool) }

// EarnedAppRLC is EarnedApp in RLC.
func (m *Measures) EarnedAppRLC() string { return RLC(m.EarnedApp) }

// EarnedDatasetRLC is EarnedDataset in RLC.
func (m *Measures) EarnedDatasetRLC() string { return RLC(m.EarnedDataset) }

// SeizedRLC is Seized in RLC.
func (m *Measures) SeizedRLC() string { return RLC(m.Seized) }

// KittyInRLC is KittyIn in RLC.
func (m *Measures) KittyInRLC() string { return RLC(m.KittyIn) }

// KittyOutRLC is KittyOut in RLC.
func (m *Measures) KittyOutRLC() string { return RLC(m.KittyOut) }

// SuccessRate is the part of ended tasks that was completed, nil if none ended.
func (m *Measures) SuccessRate() *string { return quotient(m.Completed, m.Completed+m.Claimed, 6) }

// Accuracy is the part of judged contributions that was right, nil if none was judged.
func (m *Measures) Accuracy() *string { return quotient(m.Accurate, m.Accurate+m.Faulty, 6) }

// MeanLatency is that of completed tasks in seconds, nil if there is none.
func (m *Measures) MeanLatency() *string { return quotient(m.Latency, m.Completed, 3) }

func quotient(above, below uint64, decimals int) *string {
	if below == 0 {
		return nil
	}
	text := Quotient(new(big.Int).SetUint64(above), new(big.Int).SetUint64(below), decimals)
	return &text
}

// Quotient is a fraction of whole numbers that are not negative, rounded down to as many
// decimals.
func Quotient(above, below *big.Int, decimals int) string {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	digits := scale.Quo(scale.Mul(scale, above), below).String()
	if pad := decimals + 1 - len(digits); pad > 0 {
		digits = strings.Repeat("0", pad) + digits
	}
	return digits[:len(digits)-decimals] + "." + digits[len(digits)-decimals:]
}

// NewRatio is an exact fraction in lowest terms.
func NewRatio(above, below *big.Int) *Ratio {
	fraction := new(big.Rat).SetFrac(above, below)
	return &Ratio{fraction.Num().String(), fraction.Denom().String(), Quotient(above, below, ratioDecimals)}
}

// ratioDecimals are those of a ratio.
const ratioDecimals = 6

// Ratio is an exact fraction.
type Ratio struct{ Numerator, Denominator, Decimal string }

// SeriesPoint is what was counted in a period.
type SeriesPoint struct {
	Chain uint64    `ch:"of_chain"` // of one of many; else 0
	Key   string    `ch:"of_key"`
	Start time.Time `ch:"start"`
	End   time.Time
	Measures
}

// KittyPoint is what the kitty did in a period.
type KittyPoint struct {
	Start   time.Time `ch:"start"`
	End     time.Time
	In      string `ch:"taken" sql:"toString(taken)"`
	Out     string `ch:"given" sql:"toString(given)"`
	Balance string `ch:"balance" sql:"toString(balance)"`
}

// InRLC is In in RLC.
func (k *KittyPoint) InRLC() string { return RLC(k.In) }

// OutRLC is Out in RLC.
func (k *KittyPoint) OutRLC() string { return RLC(k.Out) }

// BalanceRLC is the balance in RLC.
func (k *KittyPoint) BalanceRLC() string { return RLC(k.Balance) }

// Leader is one who takes part, in order of a measure.
type Leader struct {
	Rank  uint64 `ch:"rank"`
	Chain uint64 `ch:"chain"`
	Key   string `ch:"key"`
	Value string `ch:"value" sql:"toString(value)"`
	Total string `ch:"total" sql:"toString(total)"`
}

// Share is the part of the total.
func (l *Leader) Share() string {
	value, _ := new(big.Int).SetString(l.Value, 10)
	total, _ := new(big.Int).SetString(l.Total, 10)
	return Quotient(value, total, ratioDecimals)
}

// Concentration is how much of a measure few have.
type Concentration struct {
	Participants uint64
	Total        string
	Gini, HHI    *Ratio
	Top          []*TopShare
}

// TopShare is what those with the most have.
type TopShare struct {
	Count uint64
	Share *Ratio
}

// Cohort is all whose first activity was in the same month.
type Cohort struct {
	Month  time.Time
	Size   uint64
	Months []*CohortMonth
}

// CohortMonth is a cohort in one month.
type CohortMonth struct {
	Month        time.Time
	Active, Size uint64
}

// Share is the part of the cohort that was active.
func (c *CohortMonth) Share() string { return *quotient(c.Active, c.Size, ratioDecimals) }

// Churn is who came, stayed and left in one month.
type Churn struct {
	Month    time.Time `ch:"month"`
	Active   uint64    `ch:"active"`
	New      uint64    `ch:"new"`
	Retained uint64    `ch:"retained"`
	Returned uint64
	Lost     uint64
}
