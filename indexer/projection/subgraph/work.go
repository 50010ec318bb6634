package subgraph

import (
	"math"

	"assay/consensus/poco"
	"assay/indexer/projection/entity"
)

// dealNote is what is known of a deal that has tasks to run.
type dealNote struct {
	timestamp                         uint64    // seconds since 1970
	app, dataset, workerpool, request poco.Hash // its orders
	completed, claimed                uint64    // tasks
	boost                             bool
}

// taskNote is what is known of a task that runs.
type taskNote struct {
	timestamp uint64    // seconds since 1970: of its last step
	deal      poco.Hash // of a Boost deal's task that was claimed: the state knows but its id
	index     uint64    // of such a task
}

type contributionNote struct {
	timestamp uint64 // seconds since 1970: when it was made
	status    poco.ContributionStatus
}

// contributionID names a contribution.
type contributionID struct {
	task   poco.Hash
	worker poco.Address
}

func (id contributionID) String() string { return hash(id.task) + "-" + address(id.worker) }

// keepWork sets up the kinds of what is done for a deal.
func (f *Fold) keepWork() {
	f.deals = kind[poco.Hash, dealNote, Deal, *Deal]{
		Notes: entity.NewNotes((*entity.Codec).Hash, dealFields),
		Name:  hash, Row: f.dealRow,
		Rows: func(r *Rows) *[]Deal { return &r.Deal }, History: func(r *Rows) *[]Deal { return &r.DealHistory },
	}
	f.tasks = kind[poco.Hash, taskNote, Task, *Task]{
		Notes: entity.NewNotes((*entity.Codec).Hash, taskFields),
		Name:  hash, Row: f.taskRow,
		Rows: func(r *Rows) *[]Task { return &r.Task }, History: func(r *Rows) *[]Task { return &r.TaskHistory },
	}
	f.contributions = kind[contributionID, contributionNote, Contribution, *Contribution]{
		Notes: entity.NewNotes(contributionKey, contributionFields),
		Name:  contributionID.String, Row: f.contributionRow,
		Rows: func(r *Rows) *[]Contribution { return &r.Contribution }, History: func(r *Rows) *[]Contribution { return &r.ContributionHistory },
	}
}

func (f *Fold) dealRow(id poco.Hash, n dealNote) Deal {
	d := f.deal(id)
	row := Deal{
		ID: hash(id), App: address(d.App.Pointer), AppOwner: address(d.App.Owner), AppPrice: d.App.Price.ToBig(),
		Dataset: optional(address(d.Dataset.Pointer)), DatasetOwner: address(d.Dataset.Owner), DatasetPrice: d.Dataset.Price.ToBig(),
		Workerpool: address(d.Workerpool.Pointer), WorkerpoolOwner: address(d.Workerpool.Owner), WorkerpoolPrice: d.Workerpool.Price.ToBig(),
		Trust: d.Trust.ToBig(), Category: d.Category.Dec(), Tag: hash(d.Tag),
		Requester: address(d.Requester), Beneficiary: address(d.Beneficiary), Callback: address(d.Callback), Params: text(d.Params),
		StartTime: d.StartTime, BotFirst: d.BotFirst, BotSize: d.BotSize, CompletedTasksCount: n.completed, ClaimedTasksCount: n.claimed,
		WorkerStake: d.WorkerStake.ToBig(), SchedulerRewardRatio: d.SchedulerRewardRatio.ToBig(), Sponsor: address(d.Sponsor),
		Timestamp: n.timestamp,
		Apporder:  orderOf(n.app), Datasetorder: orderOf(n.dataset), Workerpoolorder: orderOf(n.workerpool), Requestorder: orderOf(n.request),
	}
	if d.Dataset.Pointer == (poco.Address{}) && isBulk(d.Params) {
		row.Bulk = &row.ID
	}
	return row
}

func (f *Fold) deal(id poco.Hash) *poco.Deal {
	if d, ok := f.state.Deal(id); ok {
		return d
	}
	return &poco.Deal{}
}

// orderOf is a reference to an order; none where there was none.
func orderOf(id poco.Hash) *string {
	if id == (poco.Hash{}) {
		return nil
	}
	return optional(hash(id))
}

var taskStatuses = map[poco.TaskStatus]string{
	poco.TaskUnset: "UNSET", poco.TaskActive: "ACTIVE", poco.TaskRevealing: "REVEALING",
	poco.TaskCompleted: "COMPLETED", poco.TaskFailed: "FAILLED",
}

func (f *Fold) taskRow(id poco.Hash, n taskNote) Task {
	t, ok := f.state.Task(id)
	if !ok {
		t = &poco.Task{}
	}
	deal, index := t.Deal, t.Index
	if deal == (poco.Hash{}) {
		deal, index = n.deal, n.index
	}
	d := f.deal(deal)
	row := Task{
		ID: hash(id), Status: taskStatuses[t.Status], Deal: hash(deal), Index: index, Requester: address(d.Requester),
		ContributionDeadline: t.ContributionDeadline, FinalDeadline: t.FinalDeadline, Timestamp: n.timestamp,
	}
	if d.Boost {
		row.ContributionDeadline = f.boostDeadline(d)
		row.FinalDeadline = row.ContributionDeadline
	}
	for _, worker := range t.Contributors {
		row.Contributions = append(row.Contributions, contributionID{id, worker}.String())
	}
	if t.ConsensusValue != (poco.Hash{}) {
		row.Consensus, row.RevealDeadline = optional(hash(t.ConsensusValue)), optional(t.RevealDeadline)
	}
	if t.ResultDigest != (poco.Hash{}) {
		row.ResultDigest = optional(hash(t.ResultDigest))
	}
	if t.Status == poco.TaskCompleted {
		row.Results, row.ResultsCallback = optional(data(t.Results)), optional(data(t.ResultsCallback))
	}
	return row
}

// boostDeadline is until when the result of a Boost deal's task can be pushed, and from when
// on it can be claimed: 7 clocks after the deal (IexecPocoBoostFacet._matchOrdersBoost).
func (f *Fold) boostDeadline(d *poco.Deal) uint64 {
	category, ok := f.state.Category(d.Category.Uint64())
	if !ok || category.WorkClockTimeRef > (math.MaxUint64-d.StartTime)/7 {
		return math.MaxUint64
	}
	return d.StartTime + 7*category.WorkClockTimeRef
}

var contributionStatuses = map[poco.ContributionStatus]string{
	poco.ContributionUnset: "UNSET", poco.Contributed: "CONTRIBUTED", poco.Proved: "PROVED", poco.Rejected: "REJECTED",
}

func (f *Fold) contributionRow(id contributionID, n contributionNote) Contribution {
	c, ok := f.state.Contribution(id.task, id.worker)
	if !ok {
		c = &poco.Contribution{}
	}
	return Contribution{
		ID: id.String(), Status: contributionStatuses[n.status], Timestamp: int64(min(n.timestamp, math.MaxInt64)),
		Task: hash(id.task), Worker: address(id.worker), Hash: hash(c.ResultHash), Seal: hash(c.ResultSeal),
		Challenge: address(c.EnclaveChallenge),
	}
}
