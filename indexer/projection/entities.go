package projection

import (
	"math/big"

	"assay/consensus/poco"
)

// entityRows adds a row for each entity as it is now; a tombstone for what is not (any
// more). What it is goes into its history, too.
func (p *Projection) entityRows(rows *Rows, entities []thing, version uint64) {
	h := &rows.History
	for _, e := range entities {
		switch e.Kind {
		case poco.KindAccount:
			row := p.accountRow(e.Address, version)
			rows.Accounts, h.Accounts = append(rows.Accounts, row), remember(h.Accounts, row, row.Deleted)
		case poco.KindDeal:
			row := p.dealRow(e.Hash, version)
			rows.Deals, h.Deals = append(rows.Deals, row), remember(h.Deals, row, row.Deleted)
		case poco.KindTask:
			row := p.taskRow(e.Hash, version)
			rows.Tasks, h.Tasks = append(rows.Tasks, row), remember(h.Tasks, row, row.Deleted)
		case poco.KindContribution:
			row := p.contributionRow(e.Hash, e.Address, version)
			rows.Contributions, h.Contributions = append(rows.Contributions, row), remember(h.Contributions, row, row.Deleted)
		case poco.KindResource:
			row := p.resourceRow(e.Address, e.kind, version)
			rows.Resources, h.Resources = append(rows.Resources, row), remember(h.Resources, row, row.Deleted)
		case poco.KindCategory:
			row := p.categoryRow(e.Number, version)
			rows.Categories, h.Categories = append(rows.Categories, row), remember(h.Categories, row, row.Deleted)
		}
	}
}

func remember[T any](history []T, row T, deleted uint8) []T {
	if deleted == 1 {
		return history // it has no block; where it was there are tombstones
	}
	return append(history, row)
}

// historyTombstones say that things did not change in a block after all.
func (p *Projection) historyTombstones(rows *Rows, entities []thing, number, version uint64) {
	for _, e := range entities {
		switch e.Kind {
		case poco.KindAccount:
			row := p.accountRow(e.Address, version)
			row.BlockNumber, row.Deleted = number, 1
			rows.History.Accounts = append(rows.History.Accounts, row)
		case poco.KindDeal:
			row := p.dealRow(e.Hash, version)
			row.BlockNumber, row.Deleted = number, 1
			rows.History.Deals = append(rows.History.Deals, row)
		case poco.KindTask:
			row := p.taskRow(e.Hash, version)
			row.BlockNumber, row.Deleted = number, 1
			rows.History.Tasks = append(rows.History.Tasks, row)
		case poco.KindContribution:
			row := p.contributionRow(e.Hash, e.Address, version)
			row.BlockNumber, row.Deleted = number, 1
			rows.History.Contributions = append(rows.History.Contributions, row)
		case poco.KindResource:
			row := p.resourceRow(e.Address, e.kind, version)
			row.BlockNumber, row.Deleted = number, 1
			rows.History.Resources = append(rows.History.Resources, row)
		case poco.KindCategory:
			row := p.categoryRow(e.Number, version)
			row.BlockNumber, row.Deleted = number, 1
			rows.History.Categories = append(rows.History.Categories, row)
		}
	}
}

// accountRow is a tombstone where no event has named the account: then nothing is noted
// of it.
func (p *Projection) accountRow(id poco.Address, version uint64) Account {
	note, block, known := p.accounts.Dated(id)
	account := p.state.Account(id)
	return Account{
		Chain: p.chain, Address: p.spellings.of(id),
		Stake: amount(account.Stake), Locked: amount(account.Locked), Score: amount(account.Score),
		Deposited: amount(note.deposited), Withdrawn: amount(note.withdrawn),
		Earned: amount(note.earned), Spent: amount(note.spent), Seized: amount(note.seized),
		BlockNumber: block, Version: version, Deleted: deleted(!known),
	}
}

func (p *Projection) dealRow(id poco.Hash, version uint64) Deal {
	deal, ok := p.state.Deal(id)
	if !ok {
		deal = &poco.Deal{}
	}
	note, block, _ := p.deals.Dated(id)
	return Deal{
		Chain: p.chain, ID: hash(id),
		App: address(deal.App.Pointer), AppOwner: address(deal.App.Owner), AppPrice: amount(deal.App.Price),
		Dataset: address(deal.Dataset.Pointer), DatasetOwner: address(deal.Dataset.Owner), DatasetPrice: amount(deal.Dataset.Price),
		Workerpool: address(deal.Workerpool.Pointer), WorkerpoolOwner: address(deal.Workerpool.Owner), WorkerpoolPrice: amount(deal.Workerpool.Price),
		Trust: amount(deal.Trust), Category: amount(deal.Category), Tag: hash(deal.Tag),
		Requester: address(deal.Requester), Beneficiary: address(deal.Beneficiary), Callback: address(deal.Callback),
		Params: deal.Params, StartTime: at(deal.StartTime), BotFirst: deal.BotFirst, BotSize: deal.BotSize,
		WorkerStake: amount(deal.WorkerStake), SchedulerRewardRatio: amount(deal.SchedulerRewardRatio),
		Sponsor: address(deal.Sponsor), BlockNumber: block, TxHash: hash(note.tx),
		Version: version, Deleted: deleted(!ok),
	}
}

func (p *Projection) taskRow(id poco.Hash, version uint64) Task {
	task, ok := p.state.Task(id)
	if !ok {
		task = &poco.Task{}
	}
	deal := p.dealOf(task)
	note, block, _ := p.tasks.Dated(id)
	return Task{
		Chain: p.chain, ID: hash(id), Deal: hash(task.Deal), Idx: task.Index,
		Workerpool: address(deal.Workerpool.Pointer), Requester: address(deal.Requester),
		Status:               taskStatuses[task.Status],
		ContributionDeadline: at(task.ContributionDeadline), RevealDeadline: at(task.RevealDeadline), FinalDeadline: at(task.FinalDeadline),
		ConsensusValue: hash(task.ConsensusValue), RevealCounter: task.RevealCounter, WinnerCounter: task.WinnerCounter,
		Contributors: uint64(len(task.Contributors)), Reopened: note.reopened,
		ResultDigest: hash(task.ResultDigest), Results: string(task.Results), ResultsCallback: string(task.ResultsCallback),
		InitializedAt: at(note.initializedAt), EndedAt: at(note.endedAt), BlockNumber: block,
		Version: version, Deleted: deleted(!ok),
	}
}

func (p *Projection) contributionRow(id poco.Hash, worker poco.Address, version uint64) Contribution {
	contribution, ok := p.state.Contribution(id, worker)
	if !ok {
		contribution = &poco.Contribution{}
	}
	task, known := p.state.Task(id)
	if !known {
		task = &poco.Task{}
	}
	note, block, _ := p.contributions.Dated(contributionID{id, worker})
	return Contribution{
		Chain: p.chain, Task: hash(id), Worker: address(worker), Deal: hash(task.Deal),
		Workerpool: address(p.dealOf(task).Workerpool.Pointer), Status: contributionStatuses[contribution.Status],
		ResultHash: hash(contribution.ResultHash), ResultSeal: hash(contribution.ResultSeal),
		EnclaveChallenge: address(contribution.EnclaveChallenge), Weight: amount(contribution.Weight),
		Accurate: accurate(task, contribution), ContributedAt: at(note.contributedAt), RevealedAt: at(note.revealedAt),
		BlockNumber: block, TxHash: hash(note.tx), Version: version, Deleted: deleted(!ok),
	}
}

// accurate is what distributeRewards judged: who revealed the agreed result was right,
// everyone else was not. Nothing is known before a task is finalized, nor of one that
// was claimed.
func accurate(task *poco.Task, contribution *poco.Contribution) *bool {
	if task.Status != poco.TaskCompleted {
		return nil
	}
	right := contribution.Status == poco.Proved
	return &right
}

func (p *Projection) resourceRow(id poco.Address, kind poco.ResourceKind, version uint64) Resource {
	resource, ok := p.state.Resource(id)
	if !ok {
		resource = &poco.Resource{}
	}
	note, block, _ := p.resources.Dated(id)
	return Resource{
		Chain: p.chain, Kind: resourceKinds[kind], Address: address(id), Owner: address(resource.Owner),
		Name: resource.Name, Type: resource.Type, Multiaddr: string(resource.Multiaddr),
		Checksum: hash(resource.Checksum), MREnclave: string(resource.MREnclave),
		WorkerStakeRatio: amount(resource.WorkerStakeRatio), SchedulerRewardRatio: amount(resource.SchedulerRewardRatio),
		RegisteredAt: at(note.registeredAt), BlockNumber: block, Version: version, Deleted: deleted(!ok),
	}
}

func (p *Projection) categoryRow(id uint64, version uint64) Category {
	category, ok := p.state.Category(id)
	if !ok {
		category = &poco.Category{}
	}
	_, block, _ := p.categories.Dated(id)
	return Category{
		Chain: p.chain, ID: new(big.Int).SetUint64(id), Name: category.Name, Description: category.Description,
		WorkClockTimeRef: category.WorkClockTimeRef, BlockNumber: block, Version: version, Deleted: deleted(!ok),
	}
}

func (p *Projection) dealOf(task *poco.Task) *poco.Deal {
	if deal, ok := p.state.Deal(task.Deal); ok {
		return deal
	}
	return &poco.Deal{}
}

func deleted(gone bool) uint8 {
	if gone {
		return 1
	}
	return 0
}
