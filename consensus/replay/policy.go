package replay

import (
	"math/big"

	"github.com/holiman/uint256"

	"assay/consensus/poco"
)

// Policy is what would be different. The zero Policy changes nothing.
type Policy struct {
	Trust  Trust
	Weight Weight
	Stake  *uint64 // percent of the workerpool's price that a worker stakes; nil: the deal's stake
	Reward Reward
}

// Trust replaces the trust of deals. At most one of the three is set; 0 is not set. Trust
// t accepts a result that is right with a probability above 1 − 1/t, by the protocol's
// own estimate.
type Trust struct {
	Fixed    uint64 // every deal's
	Minimum  uint64 // of deals that ask for less
	Multiply uint64 // the deal's own, times this
}

// Curve names a function from a worker's score to its weight.
type Curve uint8

// The curves. Whatever the curve, a consensus multiplies weights: a worker of weight 1
// adds nothing.
const (
	PoCo     Curve = iota // max(⌊score/3⌋, 3) − 1, as the contracts have it
	Constant              // Weight.Value, whatever the score
	Linear                // 2 + score
	Log                   // 2 + ⌊log2(1 + score)⌋
)

// Weight replaces the weight of workers.
type Weight struct {
	Curve Curve
	Value uint64 // of Constant, at least 1
	Cap   uint64 // no weight is above it; 0: no cap
}

// Split names how winners share.
type Split uint8

// The splits: each winner's part of what the winners get together, rounded down.
const (
	ByLogWeight Split = iota // as the contracts have it
	ByWeight
	Equal
)

// Rounding says how the log2 of a weight becomes an integer.
type Rounding uint8

// The roundings.
const (
	ByEra Rounding = iota // as the chain did at that block: up to PoCo 5.4, then down
	Down
	Up
)

// Reward replaces how a task's reward is split.
type Reward struct {
	Scheduler *uint64 // percent for the workerpool's owner, at most 100; nil: the deal's
	Split     Split
	Log       Rounding
}

// trust is the deal's trust under the policy, at least 1.
func (p *Policy) trust(asked poco.Amount) poco.Amount {
	switch least := uint256.NewInt(p.Trust.Minimum); {
	case p.Trust.Fixed > 0:
		return *uint256.NewInt(p.Trust.Fixed)
	case asked.Lt(least):
		return *least
	case p.Trust.Multiply > 0:
		return times(asked, p.Trust.Multiply)
	}
	return asked
}

// times saturates; a trust of 2²⁵⁶−1 is never reached.
func times(x poco.Amount, factor uint64) (product poco.Amount) {
	if _, overflow := product.MulOverflow(&x, uint256.NewInt(factor)); overflow {
		product.SetAllOne()
	}
	return product
}

// weight is a worker's weight at a score.
func (p *Policy) weight(score poco.Amount) (weight poco.Amount) {
	switch p.Weight.Curve {
	case Constant:
		weight.SetUint64(p.Weight.Value)
	case Linear:
		weight.AddUint64(&score, 2)
	case Log:
		weight.SetUint64(2 + floorLog(new(poco.Amount).AddUint64(&score, 1)))
	default:
		weight = poco.Weight(&score)
	}
	if limit := uint256.NewInt(p.Weight.Cap); p.Weight.Cap > 0 && weight.Gt(limit) {
		return *limit
	}
	return weight
}

// share is what a weight counts when the reward is split. Up says how this block's era
// rounds.
func (p *Policy) share(weight *poco.Amount, up bool) *big.Int {
	switch p.Reward.Split {
	case Equal:
		return big.NewInt(1)
	case ByWeight:
		return weight.ToBig()
	}
	if p.Reward.Log != ByEra {
		up = p.Reward.Log == Up
	}
	log := floorLog(weight)
	if powerOfTwo := new(poco.Amount).Lsh(uint256.NewInt(1), uint(log)); up && powerOfTwo.Lt(weight) {
		log++
	}
	return new(big.Int).SetUint64(log)
}

// floorLog is ⌊log2(x)⌋, and 0 of 0.
func floorLog(x *poco.Amount) uint64 { return uint64(max(x.BitLen()-1, 0)) }

// stake is what a contribution to a deal stakes, in nRLC.
func (p *Policy) stake(deal *poco.Deal) *big.Int {
	if p.Stake == nil {
		return deal.WorkerStake.ToBig()
	}
	return percent(deal.Workerpool.Price.ToBig(), new(big.Int).SetUint64(*p.Stake))
}

// scheduler is the percentage of a reward that the pool's owner keeps.
func (p *Policy) scheduler(deal *poco.Deal) *big.Int {
	if p.Reward.Scheduler == nil {
		return deal.SchedulerRewardRatio.ToBig()
	}
	return new(big.Int).SetUint64(*p.Reward.Scheduler)
}

var (
	hundred    = big.NewInt(100)
	two, three = uint256.NewInt(2), uint256.NewInt(3)
)

// percent is x·ratio/100, rounded down.
func percent(x, ratio *big.Int) *big.Int {
	product := new(big.Int).Mul(x, ratio)
	return product.Quo(product, hundred)
}
