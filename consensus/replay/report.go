package replay

import (
	"math/big"

	"assay/consensus/poco"
)

// Change is something in the record, and under the policy.
type Change[T any] struct{ Before, After T }

// Report is what a policy would have changed. Workers and pools stand in the order in
// which they first appear in the log, tasks in that in which they were initialized.
type Report struct {
	Workers []*Worker
	Pools   []*Pool
	Tasks   []*Task
	Totals  []*Total
}

// Fates counts contributions by what became of them.
type Fates [Dropped + 1]uint64

// Worker is an account that contributed. Amounts are in nRLC.
type Worker struct {
	Address       poco.Address
	Contributions uint64 // in the record
	Fates         Change[Fates]
	Earned        Change[*big.Int] // rewards for results
	Lost          Change[*big.Int] // stakes seized
	Score         Change[*big.Int] // at the end of the log
}

// Pool is a workerpool; what it earned and lost went to and from the account that owned
// it when the deal was made. Amounts are in nRLC.
type Pool struct {
	Address   poco.Address
	Tasks     uint64
	Completed Change[uint64]
	Earned    Change[*big.Int] // the scheduler's part of rewards
	Kitty     Change[*big.Int] // drawn from the kitty
	Lost      Change[*big.Int] // stakes lost to the kitty
}

// Task is one task. Amounts are in nRLC.
type Task struct {
	ID, Deal      poco.Hash
	Pool          poco.Address
	Contributions uint64 // in the record
	Needed        uint64 // of them, under the policy; the others are dropped
	Assumed       uint64 // winners under the policy who are only taken to have revealed
	Trust         Change[poco.Amount]
	Stake         Change[*big.Int] // of each contribution
	Outcome       Change[Outcome]
	Result        Change[poco.Hash] // the one agreed on, zero without; accepted if the task completed
	Paid          Change[*big.Int]  // by the requester, or the sponsor
	Earned        Change[*big.Int]  // by its workers together
	Lost          Change[*big.Int]  // by its workers together
	PoolEarned    Change[*big.Int]  // the scheduler's part
}

// Total is one sum over the whole log.
type Total struct {
	Name          string // what is summed; amounts in nRLC end in _nrlc
	Before, After *big.Int
}

func zeros() Change[*big.Int] { return Change[*big.Int]{new(big.Int), new(big.Int)} }

// addTo adds what happened before and after to a sum.
func addTo(sum, what Change[*big.Int]) {
	sum.Before.Add(sum.Before, what.Before)
	sum.After.Add(sum.After, what.After)
}

// books are the report as it comes about.
type books struct {
	report  Report
	workers map[poco.Address]*Worker
	pools   map[poco.Address]*Pool
	totals  map[string]*Total
}

func newBooks() books {
	b := books{workers: map[poco.Address]*Worker{}, pools: map[poco.Address]*Pool{}, totals: map[string]*Total{}}
	for _, outcome := range outcomes {
		b.total("tasks_" + outcome)
	}
	b.total("results_changed")
	for _, fate := range fates {
		b.total("contributions_" + fate)
	}
	for _, name := range []string{
		"reveals_assumed", "requesters_paid_nrlc", "apps_and_datasets_earned_nrlc", "workers_earned_nrlc", "workers_lost_nrlc",
		"pools_earned_nrlc", "pools_lost_nrlc", "kitty_paid_nrlc",
	} {
		b.total(name)
	}
	return b
}

var fates = [...]string{"pending", "paid", "seized", "returned", "dropped"}

func (f Fate) String() string { return fates[f] }

func (b *books) total(name string) *Total {
	if b.totals[name] == nil {
		b.totals[name] = &Total{Name: name, Before: new(big.Int), After: new(big.Int)}
		b.report.Totals = append(b.report.Totals, b.totals[name])
	}
	return b.totals[name]
}

func (b *books) count(name string, before, after uint64) {
	total := b.total(name)
	total.Before.Add(total.Before, new(big.Int).SetUint64(before))
	total.After.Add(total.After, new(big.Int).SetUint64(after))
}

func (b *books) sum(name string, what Change[*big.Int]) {
	total := b.total(name)
	addTo(Change[*big.Int]{total.Before, total.After}, what)
}

func (b *books) worker(address poco.Address) *Worker {
	if b.workers[address] == nil {
		w := &Worker{Address: address, Earned: zeros(), Lost: zeros(), Score: zeros()}
		b.workers[address] = w
		b.report.Workers = append(b.report.Workers, w)
	}
	return b.workers[address]
}

func (b *books) pool(address poco.Address) *Pool {
	if b.pools[address] == nil {
		p := &Pool{Address: address, Earned: zeros(), Kitty: zeros(), Lost: zeros()}
		b.pools[address] = p
		b.report.Pools = append(b.report.Pools, p)
	}
	return b.pools[address]
}

// open enters a task that was initialized.
func (b *books) open(f *facts) *Task {
	task := &Task{ID: f.id, Deal: f.dealID, Pool: f.deal.Workerpool.Pointer}
	b.report.Tasks = append(b.report.Tasks, task)
	b.pool(task.Pool).Tasks++
	return task
}

// enter books how a task ended, before and after.
func (b *books) enter(task *Task, f *facts, v Change[verdict], s Change[settlement]) {
	task.Contributions = uint64(len(f.contributions))
	task.Needed = task.Contributions - count(v.After.fates)[Dropped]
	task.Assumed = v.After.assumed
	task.Trust = Change[poco.Amount]{v.Before.trust, v.After.trust}
	task.Stake = Change[*big.Int]{v.Before.stake, v.After.stake}
	task.Outcome = Change[Outcome]{v.Before.outcome, v.After.outcome}
	task.Result = Change[poco.Hash]{v.Before.result, v.After.result}
	task.Paid = Change[*big.Int]{s.Before.paid, s.After.paid}
	task.Earned, task.Lost = zeros(), zeros()
	task.PoolEarned = Change[*big.Int]{s.Before.pool, s.After.pool}
	for i := range f.contributions {
		w := b.worker(f.contributions[i].worker)
		w.Contributions++
		w.Fates.Before[v.Before.fates[i]]++
		w.Fates.After[v.After.fates[i]]++
		earned, lost := Change[*big.Int]{s.Before.earned[i], s.After.earned[i]}, Change[*big.Int]{s.Before.lost[i], s.After.lost[i]}
		addTo(w.Earned, earned)
		addTo(w.Lost, lost)
		addTo(task.Earned, earned)
		addTo(task.Lost, lost)
	}
	b.enterPool(task, v, s)
	b.enterTotals(task, v, s)
}

func (b *books) enterPool(task *Task, v Change[verdict], s Change[settlement]) {
	pool := b.pool(task.Pool)
	if v.Before.outcome == Completed {
		pool.Completed.Before++
	}
	if v.After.outcome == Completed {
		pool.Completed.After++
	}
	addTo(pool.Earned, task.PoolEarned)
	addTo(pool.Kitty, Change[*big.Int]{s.Before.kitty, s.After.kitty})
	addTo(pool.Lost, Change[*big.Int]{s.Before.poolLost, s.After.poolLost})
}

func (b *books) enterTotals(task *Task, v Change[verdict], s Change[settlement]) {
	b.count("tasks_"+v.Before.outcome.String(), 1, 0)
	b.count("tasks_"+v.After.outcome.String(), 0, 1)
	if v.Before.outcome == Completed && v.After.outcome == Completed && v.Before.result != v.After.result {
		b.count("results_changed", 0, 1)
	}
	before, after := count(v.Before.fates), count(v.After.fates)
	for fate, name := range fates {
		b.count("contributions_"+name, before[fate], after[fate])
	}
	b.count("reveals_assumed", 0, v.After.assumed)
	b.sum("requesters_paid_nrlc", task.Paid)
	b.sum("apps_and_datasets_earned_nrlc", Change[*big.Int]{s.Before.resources, s.After.resources})
	b.sum("workers_earned_nrlc", task.Earned)
	b.sum("workers_lost_nrlc", task.Lost)
	b.sum("pools_earned_nrlc", task.PoolEarned)
	b.sum("pools_lost_nrlc", Change[*big.Int]{s.Before.poolLost, s.After.poolLost})
	b.sum("kitty_paid_nrlc", Change[*big.Int]{s.Before.kitty, s.After.kitty})
}

func count(of []Fate) (n Fates) {
	for _, fate := range of {
		n[fate]++
	}
	return n
}
