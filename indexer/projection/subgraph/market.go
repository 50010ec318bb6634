package subgraph

import (
	"encoding/json"

	"assay/consensus/poco"
	"assay/indexer/projection/entity"
)

// accountNote is what is known of an account beside its stake. Its being there says that
// the account has a row.
type accountNote struct {
	score uint64 // by the events that were handled
}

// resourceNote is what is known of an app, a dataset or a workerpool.
type resourceNote struct {
	transferred uint64      // seconds since 1970
	usages      poco.Amount // Σ tasks of the deals that name it; not counted of datasets
	used        uint64      // seconds since 1970: newest of these deals
}

type categoryNote struct {
	timestamp uint64 // seconds since 1970
}

type protocolNote struct {
	apps, datasets, workerpools uint64 // registered
	deals                       uint64
	tasks                       poco.Amount // of the deals
	completed, claimed          uint64
}

// keepMarket sets up the kinds of what there is before any deal.
func (f *Fold) keepMarket() {
	f.accounts = kind[poco.Address, accountNote, Account, *Account]{
		Notes: entity.NewNotes((*entity.Codec).Address, accountFields),
		Name:  address, Row: f.accountRow,
		Rows: func(r *Rows) *[]Account { return &r.Account }, History: func(r *Rows) *[]Account { return &r.AccountHistory },
	}
	f.apps = kind[poco.Address, resourceNote, App, *App]{
		Notes: entity.NewNotes((*entity.Codec).Address, resourceFields),
		Name:  address, Row: f.appRow,
		Rows: func(r *Rows) *[]App { return &r.App }, History: func(r *Rows) *[]App { return &r.AppHistory },
	}
	f.datasets = kind[poco.Address, resourceNote, Dataset, *Dataset]{
		Notes: entity.NewNotes((*entity.Codec).Address, resourceFields),
		Name:  address, Row: f.datasetRow,
		Rows: func(r *Rows) *[]Dataset { return &r.Dataset }, History: func(r *Rows) *[]Dataset { return &r.DatasetHistory },
	}
	f.workerpools = kind[poco.Address, resourceNote, Workerpool, *Workerpool]{
		Notes: entity.NewNotes((*entity.Codec).Address, resourceFields),
		Name:  address, Row: f.workerpoolRow,
		Rows: func(r *Rows) *[]Workerpool { return &r.Workerpool }, History: func(r *Rows) *[]Workerpool { return &r.WorkerpoolHistory },
	}
	f.categories = kind[uint64, categoryNote, Category, *Category]{
		Notes: entity.NewNotes((*entity.Codec).Number, categoryFields),
		Name:  decimal, Row: f.categoryRow,
		Rows: func(r *Rows) *[]Category { return &r.Category }, History: func(r *Rows) *[]Category { return &r.CategoryHistory },
	}
	f.protocol = kind[struct{}, protocolNote, Protocol, *Protocol]{
		Notes: entity.NewNotes((*entity.Codec).Nothing, protocolFields),
		Name:  func(struct{}) string { return "iExec" }, Row: f.protocolRow,
		Rows: func(r *Rows) *[]Protocol { return &r.Protocol }, History: func(r *Rows) *[]Protocol { return &r.ProtocolHistory },
	}
}

func (f *Fold) accountRow(a poco.Address, _ accountNote) Account {
	account := f.state.Account(a)
	return Account{ID: address(a), Balance: account.Stake.ToBig(), Frozen: account.Locked.ToBig(), Score: account.Score.ToBig()}
}

// resource is what the registry says, nothing of what it does not have.
func (f *Fold) resource(a poco.Address) *poco.Resource {
	if r, ok := f.state.Resource(a); ok {
		return r
	}
	return &poco.Resource{}
}

func (f *Fold) appRow(a poco.Address, n resourceNote) App {
	r := f.resource(a)
	return App{
		ID: address(a), Owner: address(r.Owner), Name: text(r.Name), Type: text(r.Type), Multiaddr: data(r.Multiaddr),
		Checksum: hash(r.Checksum), Mrenclave: data(r.MREnclave), Timestamp: n.transferred,
		UsageCount: n.usages.ToBig(), LastUsageTimestamp: n.used,
	}
}

func (f *Fold) datasetRow(a poco.Address, n resourceNote) Dataset {
	r := f.resource(a)
	return Dataset{
		ID: address(a), Owner: address(r.Owner), Name: text(r.Name), Multiaddr: data(r.Multiaddr), Checksum: hash(r.Checksum),
		Timestamp: n.transferred,
	}
}

func (f *Fold) workerpoolRow(a poco.Address, n resourceNote) Workerpool {
	r := f.resource(a)
	return Workerpool{
		ID: address(a), Owner: address(r.Owner), Description: text(r.Name),
		WorkerStakeRatio: r.WorkerStakeRatio.ToBig(), SchedulerRewardRatio: r.SchedulerRewardRatio.ToBig(),
		Timestamp: n.transferred, UsageCount: n.usages.ToBig(), LastUsageTimestamp: n.used,
	}
}

func (f *Fold) categoryRow(id uint64, n categoryNote) Category {
	c, ok := f.state.Category(id)
	if !ok {
		c = &poco.Category{}
	}
	return Category{
		ID: decimal(id), Name: text(c.Name), Description: text(c.Description), WorkClockTimeRef: c.WorkClockTimeRef,
		Timestamp: n.timestamp,
	}
}

func (f *Fold) protocolRow(_ struct{}, n protocolNote) Protocol {
	supply := f.state.Supply()
	return Protocol{
		ID: "iExec", CategoriesCount: f.state.Categories(), AppsCount: n.apps, DatasetsCount: n.datasets, WorkerpoolsCount: n.workerpools,
		DealsCount: n.deals, TasksCount: n.tasks.ToBig(), CompletedTasksCount: n.completed, ClaimedTasksCount: n.claimed,
		Tvl: supply.ToBig(),
	}
}

func (h *handler) createCategory(e poco.CreateCategory) {
	h.transaction()
	h.categories.Set(h.block.Number, e.ID.Uint64(), categoryNote{h.block.Time}) // they count from 0: the state has made sure
	h.count(func(*protocolNote) {})
}

func (h *handler) resourceTransfer(e poco.ResourceTransfer) {
	id, tx, resource := h.id(), h.transaction(), address(e.Resource)
	from, to := h.account(e.From), h.account(e.To)
	made := e.From == poco.Address{}
	switch e.Kind {
	case poco.App:
		h.hand(&h.apps, e.Resource)
		h.rows.AppTransfer = append(h.rows.AppTransfer, AppTransfer{ID: id, Transaction: tx, Timestamp: h.block.Time, App: resource, From: from, To: to})
	case poco.Dataset:
		h.hand(&h.datasets, e.Resource)
		h.rows.DatasetTransfer = append(h.rows.DatasetTransfer, DatasetTransfer{ID: id, Transaction: tx, Timestamp: h.block.Time, Dataset: resource, From: from, To: to})
	case poco.Workerpool:
		h.hand(&h.workerpools, e.Resource)
		h.rows.WorkerpoolTransfer = append(h.rows.WorkerpoolTransfer, WorkerpoolTransfer{ID: id, Transaction: tx, Timestamp: h.block.Time, Workerpool: resource, From: from, To: to})
	}
	if made {
		h.count(func(n *protocolNote) { n.register(e.Kind) })
	}
}

func (n *protocolNote) register(kind poco.ResourceKind) {
	switch kind {
	case poco.App:
		n.apps++
	case poco.Dataset:
		n.datasets++
	case poco.Workerpool:
		n.workerpools++
	}
}

// policyUpdate follows registered workerpools alone: any contract can log the same event.
func (h *handler) policyUpdate(e poco.PolicyUpdate) {
	if !h.workerpools.Has(e.Workerpool) {
		return
	}
	h.workerpools.Set(h.block.Number, e.Workerpool, h.workerpools.Get(e.Workerpool))
	h.rows.PolicyUpdate = append(h.rows.PolicyUpdate, PolicyUpdate{
		ID: h.id(), Transaction: h.transaction(), Timestamp: h.block.Time, Workerpool: address(e.Workerpool),
		OldWorkerStakeRatio: e.OldWorkerStakeRatio.ToBig(), NewWorkerStakeRatio: e.NewWorkerStakeRatio.ToBig(),
		OldSchedulerRewardRatio: e.OldSchedulerRewardRatio.ToBig(), NewSchedulerRewardRatio: e.NewSchedulerRewardRatio.ToBig(),
	})
}

func (h *handler) notice(workerpool poco.Address, deal poco.Hash) {
	h.rows.SchedulerNotice = append(h.rows.SchedulerNotice, SchedulerNotice{
		ID: h.id(), Transaction: h.transaction(), Timestamp: h.block.Time, Workerpool: address(workerpool), Deal: hash(deal),
	})
}

func (h *handler) ordersMatched(e poco.OrdersMatched) {
	d, ok := h.state.Deal(e.Deal)
	if !ok {
		return // the state has made sure that there is one
	}
	for _, a := range []poco.Address{d.Requester, d.Beneficiary, d.Callback, d.Sponsor, d.App.Owner, d.Dataset.Owner, d.Workerpool.Owner} {
		h.account(a)
	}
	h.deals.Set(h.block.Number, e.Deal, dealNote{
		timestamp: h.block.Time, app: e.AppHash, dataset: e.DatasetHash, workerpool: e.WorkerpoolHash, request: e.RequestHash,
		boost: d.Boost,
	})
	h.order(e, d)
	h.use(&h.apps, d.App.Pointer, &e.Volume)
	h.use(&h.workerpools, d.Workerpool.Pointer, &e.Volume)
	h.count(func(n *protocolNote) {
		n.deals++
		add(&n.tasks, &e.Volume)
	})
	h.rows.OrdersMatched = append(h.rows.OrdersMatched, OrdersMatched{
		ID: h.id(), Transaction: h.transaction(), Timestamp: h.block.Time, Deal: hash(e.Deal),
	})
}

// resources is a kind of resource.
type resources interface {
	Has(a poco.Address) bool
	Get(a poco.Address) resourceNote
	Set(block uint64, a poco.Address, n resourceNote)
}

// hand dates a resource that has a new owner.
func (h *handler) hand(of resources, a poco.Address) {
	now := of.Get(a)
	now.transferred = h.block.Time
	of.Set(h.block.Number, a, now)
}

// use counts the tasks of a deal that names a resource.
func (h *handler) use(of resources, a poco.Address, tasks *poco.Amount) {
	if !of.Has(a) {
		return // registered before the log begins
	}
	now := of.Get(a)
	add(&now.usages, tasks)
	now.used = h.block.Time
	of.Set(h.block.Number, a, now)
}

// add adds up numbers of tasks; 2²⁵⁶−1 stands for more.
func add(sum, n *poco.Amount) {
	if _, overflow := sum.AddOverflow(sum, n); overflow {
		sum.SetAllOne()
	}
}

// isBulk says whether a deal's parameters name a list of datasets: they are a JSON object
// with a string bulk_cid. What is JSON but no object names none.
func isBulk(params string) bool {
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(params), &object) != nil {
		return false
	}
	var cid *string
	return json.Unmarshal(object["bulk_cid"], &cid) == nil && cid != nil
}
