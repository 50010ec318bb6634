package projection

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"assay/consensus/poco"
	"assay/consensus/poco/ledger"
	"assay/schema/assaypb"
)

// observe notes what a block's events say that the contract does not keep.
func (p *Projection) observe(block *assaypb.Block, events []poco.Event, payments []payment) {
	for i, event := range events {
		p.note(block, block.Events[i], event)
	}
	for _, paid := range payments {
		p.accounts.Edit(block.Number, paid.account, func(n *accountNote) { n.pay(paid) })
	}
}

// pay adds a payment to an account's totals.
func (n *accountNote) pay(p payment) {
	total := &n.seized
	switch {
	case !p.seize:
		total = &n.earned
	case p.role == ledger.Payer:
		total = &n.spent
	}
	total.Add(total, &p.amount)
}

// end notes when a task ended. One of PoCo Boost begins then: there is no task before.
func (n *taskNote) end(time uint64) {
	n.endedAt = time
	if n.initializedAt == 0 {
		n.initializedAt = time
	}
}

func (p *Projection) note(block *assaypb.Block, message *assaypb.Event, event poco.Event) {
	switch e := event.(type) {
	case poco.Transfer:
		p.noteTransfer(block.Number, e)
	case poco.OrdersMatched:
		p.deals.Edit(block.Number, e.Deal, func(n *dealNote) { n.tx = common.BytesToHash(message.TxHash) })
	case poco.TaskInitialize:
		p.tasks.Edit(block.Number, e.Task, func(n *taskNote) { n.initializedAt = block.Time })
	case poco.TaskReopen:
		p.tasks.Edit(block.Number, e.Task, func(n *taskNote) { n.reopened++ })
	case poco.TaskFinalize:
		p.tasks.Edit(block.Number, e.Task, func(n *taskNote) { n.end(block.Time) })
	case poco.TaskClaimed:
		p.tasks.Edit(block.Number, e.Task, func(n *taskNote) { n.end(block.Time) })
	case poco.ResultPushedBoost:
		p.tasks.Edit(block.Number, poco.TaskID(e.Deal, &e.Index), func(n *taskNote) { n.end(block.Time) })
	case poco.TaskContribute:
		p.contributions.Edit(block.Number, contributionID{e.Task, e.Worker}, func(n *contributionNote) {
			n.contributedAt, n.tx = block.Time, common.BytesToHash(message.TxHash)
		})
	case poco.TaskReveal:
		p.contributions.Edit(block.Number, contributionID{e.Task, e.Worker}, func(n *contributionNote) { n.revealedAt = block.Time })
	case poco.ResourceTransfer:
		if e.From == (poco.Address{}) {
			p.resources.Edit(block.Number, e.Resource, func(n *resourceNote) { n.registeredAt = block.Time })
		}
	}
}

// noteTransfer counts deposits and withdrawals: stake minted and burnt (IexecEscrow*).
func (p *Projection) noteTransfer(block uint64, e poco.Transfer) {
	nobody := poco.Address{}
	if e.From == nobody && e.To != nobody {
		p.accounts.Edit(block, e.To, func(n *accountNote) { n.deposited.Add(&n.deposited, &e.Value) })
	}
	if e.To == nobody && e.From != nobody {
		p.accounts.Edit(block, e.From, func(n *accountNote) { n.withdrawn.Add(&n.withdrawn, &e.Value) })
	}
}

// thing names something that has a row.
type thing struct {
	poco.Key
	kind poco.ResourceKind // of a resource: part of its row's key
}

// touched lists the entities whose rows a block changed, each once, in the order of
// its events: what changed in the contract's state, then what only our notes or a
// task's end changed.
func (p *Projection) touched(since poco.Mark, events []poco.Event) ([]thing, error) {
	keys, err := p.state.Changed(since)
	if err != nil {
		return nil, fmt.Errorf("listing what the block changed: %w", err)
	}
	for _, event := range events {
		keys = p.implied(keys, event)
	}
	if clear(p.seen); len(keys) > 1000 || p.seen == nil {
		p.seen = make(map[poco.Key]bool, len(keys)) // clearing takes as long as the largest block ever did
	}
	out := make([]thing, 0, len(keys))
	for _, key := range keys {
		if p.seen[key] || !hasRow(key) {
			continue
		}
		p.seen[key] = true
		e := thing{Key: key}
		if resource, ok := p.resourceOf(key); ok {
			e.kind = resource.Kind
		}
		out = append(out, e)
	}
	return out, nil
}

// hasRow says whether a thing of the state has a row. Nobody (the zero address) is no
// account, whatever was sent to it.
func hasRow(key poco.Key) bool {
	return key.Kind != poco.KindOrder && (key.Kind != poco.KindAccount || key.Address != poco.Address{})
}

func (p *Projection) resourceOf(key poco.Key) (*poco.Resource, bool) {
	if key.Kind != poco.KindResource {
		return nil, false
	}
	return p.state.Resource(key.Address)
}

// implied adds to keys what an event changes in rows though perhaps not in the contract's
// state: totals of accounts, and what a task's end says of its contributions.
func (p *Projection) implied(keys []poco.Key, event poco.Event) []poco.Key {
	switch e := event.(type) {
	case poco.Reward:
		return append(keys, poco.Key{Kind: poco.KindAccount, Address: e.Owner})
	case poco.Seize:
		return append(keys, poco.Key{Kind: poco.KindAccount, Address: e.Owner})
	case poco.Transfer:
		return append(keys, poco.Key{Kind: poco.KindAccount, Address: e.From}, poco.Key{Kind: poco.KindAccount, Address: e.To})
	case poco.TaskFinalize:
		return append(keys, p.contributionsOf(e.Task)...)
	}
	return keys
}

func (p *Projection) contributionsOf(id poco.Hash) []poco.Key {
	task, ok := p.state.Task(id)
	if !ok {
		return nil
	}
	keys := make([]poco.Key, len(task.Contributors))
	for i, worker := range task.Contributors {
		keys[i] = poco.Key{Kind: poco.KindContribution, Hash: id, Address: worker}
	}
	return keys
}

// date notes the block of each entity's last change.
func (p *Projection) date(touched []thing, number uint64) {
	for _, e := range touched {
		switch e.Kind {
		case poco.KindAccount:
			p.accounts.Touch(number, e.Address)
		case poco.KindDeal:
			p.deals.Touch(number, e.Hash)
		case poco.KindTask:
			p.tasks.Touch(number, e.Hash)
		case poco.KindContribution:
			p.contributions.Touch(number, contributionID{e.Hash, e.Address})
		case poco.KindResource:
			p.resources.Touch(number, e.Address)
		case poco.KindCategory:
			p.categories.Touch(number, e.Number)
		}
	}
}
