package whatif

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"assay/consensus/replay"
)

// The rows of a report. Amounts are exact: decimal text, in nRLC where the name says so.
// Names are the columns in all formats.

// Tables is a report as rows.
type Tables struct {
	Totals  []TotalRow  `json:"totals"`
	Workers []WorkerRow `json:"workers"`
	Pools   []PoolRow   `json:"pools"`
	Tasks   []TaskRow   `json:"tasks"`
}

// TotalRow is one sum over the whole log.
type TotalRow struct {
	Name       string `json:"name" parquet:"name"`
	Before     string `json:"before" parquet:"before"`
	After      string `json:"after" parquet:"after"`
	Difference string `json:"difference" parquet:"difference"`
}

// WorkerRow is one worker.
type WorkerRow struct {
	Worker           string `json:"worker" parquet:"worker"`
	Contributions    uint64 `json:"contributions" parquet:"contributions"`
	PaidBefore       uint64 `json:"paid_before" parquet:"paid_before"`
	PaidAfter        uint64 `json:"paid_after" parquet:"paid_after"`
	SeizedBefore     uint64 `json:"seized_before" parquet:"seized_before"`
	SeizedAfter      uint64 `json:"seized_after" parquet:"seized_after"`
	ReturnedBefore   uint64 `json:"returned_before" parquet:"returned_before"`
	ReturnedAfter    uint64 `json:"returned_after" parquet:"returned_after"`
	Dropped          uint64 `json:"dropped" parquet:"dropped"`
	EarnedBefore     string `json:"earned_before_nrlc" parquet:"earned_before_nrlc"`
	EarnedAfter      string `json:"earned_after_nrlc" parquet:"earned_after_nrlc"`
	EarnedDifference string `json:"earned_difference_nrlc" parquet:"earned_difference_nrlc"`
	LostBefore       string `json:"lost_before_nrlc" parquet:"lost_before_nrlc"`
	LostAfter        string `json:"lost_after_nrlc" parquet:"lost_after_nrlc"`
	LostDifference   string `json:"lost_difference_nrlc" parquet:"lost_difference_nrlc"`
	ScoreBefore      string `json:"score_before" parquet:"score_before"`
	ScoreAfter       string `json:"score_after" parquet:"score_after"`
	ScoreDifference  string `json:"score_difference" parquet:"score_difference"`
}

// PoolRow is one workerpool.
type PoolRow struct {
	Workerpool       string `json:"workerpool" parquet:"workerpool"`
	Tasks            uint64 `json:"tasks" parquet:"tasks"`
	CompletedBefore  uint64 `json:"completed_before" parquet:"completed_before"`
	CompletedAfter   uint64 `json:"completed_after" parquet:"completed_after"`
	EarnedBefore     string `json:"earned_before_nrlc" parquet:"earned_before_nrlc"`
	EarnedAfter      string `json:"earned_after_nrlc" parquet:"earned_after_nrlc"`
	EarnedDifference string `json:"earned_difference_nrlc" parquet:"earned_difference_nrlc"`
	KittyBefore      string `json:"kitty_before_nrlc" parquet:"kitty_before_nrlc"`
	KittyAfter       string `json:"kitty_after_nrlc" parquet:"kitty_after_nrlc"`
	KittyDifference  string `json:"kitty_difference_nrlc" parquet:"kitty_difference_nrlc"`
	LostBefore       string `json:"lost_before_nrlc" parquet:"lost_before_nrlc"`
	LostAfter        string `json:"lost_after_nrlc" parquet:"lost_after_nrlc"`
	LostDifference   string `json:"lost_difference_nrlc" parquet:"lost_difference_nrlc"`
}

// TaskRow is one task. A result is the hash of what was agreed on, empty where nothing
// was; it was accepted if the outcome is completed.
type TaskRow struct {
	Task                 string `json:"task" parquet:"task"`
	Deal                 string `json:"deal" parquet:"deal"`
	Workerpool           string `json:"workerpool" parquet:"workerpool"`
	TrustBefore          string `json:"trust_before" parquet:"trust_before"`
	TrustAfter           string `json:"trust_after" parquet:"trust_after"`
	Contributions        uint64 `json:"contributions" parquet:"contributions"`
	Needed               uint64 `json:"needed" parquet:"needed"`
	Assumed              uint64 `json:"reveals_assumed" parquet:"reveals_assumed"`
	OutcomeBefore        string `json:"outcome_before" parquet:"outcome_before"`
	OutcomeAfter         string `json:"outcome_after" parquet:"outcome_after"`
	ResultBefore         string `json:"result_before" parquet:"result_before"`
	ResultAfter          string `json:"result_after" parquet:"result_after"`
	StakeBefore          string `json:"stake_before_nrlc" parquet:"stake_before_nrlc"`
	StakeAfter           string `json:"stake_after_nrlc" parquet:"stake_after_nrlc"`
	PaidBefore           string `json:"paid_before_nrlc" parquet:"paid_before_nrlc"`
	PaidAfter            string `json:"paid_after_nrlc" parquet:"paid_after_nrlc"`
	PaidDifference       string `json:"paid_difference_nrlc" parquet:"paid_difference_nrlc"`
	EarnedBefore         string `json:"workers_earned_before_nrlc" parquet:"workers_earned_before_nrlc"`
	EarnedAfter          string `json:"workers_earned_after_nrlc" parquet:"workers_earned_after_nrlc"`
	EarnedDifference     string `json:"workers_earned_difference_nrlc" parquet:"workers_earned_difference_nrlc"`
	LostBefore           string `json:"workers_lost_before_nrlc" parquet:"workers_lost_before_nrlc"`
	LostAfter            string `json:"workers_lost_after_nrlc" parquet:"workers_lost_after_nrlc"`
	LostDifference       string `json:"workers_lost_difference_nrlc" parquet:"workers_lost_difference_nrlc"`
	PoolEarnedBefore     string `json:"pool_earned_before_nrlc" parquet:"pool_earned_before_nrlc"`
	PoolEarnedAfter      string `json:"pool_earned_after_nrlc" parquet:"pool_earned_after_nrlc"`
	PoolEarnedDifference string `json:"pool_earned_difference_nrlc" parquet:"pool_earned_difference_nrlc"`
}

// TablesOf turns a report into rows.
func TablesOf(report *replay.Report) Tables {
	tables := Tables{Totals: []TotalRow{}, Workers: []WorkerRow{}, Pools: []PoolRow{}, Tasks: []TaskRow{}}
	for _, t := range report.Totals {
		row := TotalRow{Name: t.Name}
		row.Before, row.After, row.Difference = texts(replay.Change[*big.Int]{Before: t.Before, After: t.After})
		tables.Totals = append(tables.Totals, row)
	}
	for _, w := range report.Workers {
		tables.Workers = append(tables.Workers, workerRow(w))
	}
	for _, p := range report.Pools {
		row := PoolRow{
			Workerpool: p.Address.Hex(), Tasks: p.Tasks, CompletedBefore: p.Completed.Before, CompletedAfter: p.Completed.After,
		}
		row.EarnedBefore, row.EarnedAfter, row.EarnedDifference = texts(p.Earned)
		row.KittyBefore, row.KittyAfter, row.KittyDifference = texts(p.Kitty)
		row.LostBefore, row.LostAfter, row.LostDifference = texts(p.Lost)
		tables.Pools = append(tables.Pools, row)
	}
	for _, t := range report.Tasks {
		tables.Tasks = append(tables.Tasks, taskRow(t))
	}
	return tables
}

func workerRow(w *replay.Worker) WorkerRow {
	before, after := w.Fates.Before, w.Fates.After
	row := WorkerRow{
		Worker: w.Address.Hex(), Contributions: w.Contributions,
		PaidBefore: before[replay.Paid], PaidAfter: after[replay.Paid],
		SeizedBefore: before[replay.Seized], SeizedAfter: after[replay.Seized],
		ReturnedBefore: before[replay.Returned], ReturnedAfter: after[replay.Returned],
		Dropped: after[replay.Dropped],
	}
	row.EarnedBefore, row.EarnedAfter, row.EarnedDifference = texts(w.Earned)
	row.LostBefore, row.LostAfter, row.LostDifference = texts(w.Lost)
	row.ScoreBefore, row.ScoreAfter, row.ScoreDifference = texts(w.Score)
	return row
}

func taskRow(t *replay.Task) TaskRow {
	row := TaskRow{
		Task: t.ID.Hex(), Deal: t.Deal.Hex(), Workerpool: t.Pool.Hex(),
		TrustBefore: t.Trust.Before.Dec(), TrustAfter: t.Trust.After.Dec(),
		Contributions: t.Contributions, Needed: t.Needed, Assumed: t.Assumed,
		OutcomeBefore: t.Outcome.Before.String(), OutcomeAfter: t.Outcome.After.String(),
		ResultBefore: result(t.Result.Before), ResultAfter: result(t.Result.After),
	}
	row.StakeBefore, row.StakeAfter, _ = texts(t.Stake)
	row.PaidBefore, row.PaidAfter, row.PaidDifference = texts(t.Paid)
	row.EarnedBefore, row.EarnedAfter, row.EarnedDifference = texts(t.Earned)
	row.LostBefore, row.LostAfter, row.LostDifference = texts(t.Lost)
	row.PoolEarnedBefore, row.PoolEarnedAfter, row.PoolEarnedDifference = texts(t.PoolEarned)
	return row
}

func texts(c replay.Change[*big.Int]) (before, after, difference string) {
	return c.Before.String(), c.After.String(), new(big.Int).Sub(c.After, c.Before).String()
}

func result(hash common.Hash) string {
	if hash == (common.Hash{}) {
		return ""
	}
	return hash.Hex()
}
