package projection

import (
	"assay/consensus/poco"
	"assay/indexer/projection/entity"
)

// The contract forgets much that readers ask for: when a task ended, how much an
// account earned. Notes keep it beside poco.State, thing by thing, and when each last
// changed.

type dealNote struct{ tx poco.Hash }

type taskNote struct{ initializedAt, endedAt, reopened uint64 }

type contributionNote struct {
	contributedAt, revealedAt uint64
	tx                        poco.Hash
}

type accountNote struct{ deposited, withdrawn, earned, spent, seized poco.Amount }

type resourceNote struct{ registeredAt uint64 }

// contributionID names a contribution.
type contributionID struct {
	task   poco.Hash
	worker poco.Address
}

// notes are all of them.
type notes struct {
	deals         entity.Notes[poco.Hash, dealNote]
	tasks         entity.Notes[poco.Hash, taskNote]
	contributions entity.Notes[contributionID, contributionNote]
	accounts      entity.Notes[poco.Address, accountNote]
	resources     entity.Notes[poco.Address, resourceNote]
	categories    entity.Notes[uint64, struct{}]
}

func newNotes() notes {
	return notes{
		deals: entity.NewNotes((*entity.Codec).Hash, func(c *entity.Codec, n *dealNote) { c.Hash(&n.tx) }),
		tasks: entity.NewNotes((*entity.Codec).Hash, func(c *entity.Codec, n *taskNote) {
			c.Number(&n.initializedAt)
			c.Number(&n.endedAt)
			c.Number(&n.reopened)
		}),
		contributions: entity.NewNotes(func(c *entity.Codec, id *contributionID) {
			c.Hash(&id.task)
			c.Address(&id.worker)
		}, func(c *entity.Codec, n *contributionNote) {
			c.Number(&n.contributedAt)
			c.Number(&n.revealedAt)
			c.Hash(&n.tx)
		}),
		accounts: entity.NewNotes((*entity.Codec).Address, func(c *entity.Codec, n *accountNote) {
			for _, x := range []*poco.Amount{&n.deposited, &n.withdrawn, &n.earned, &n.spent, &n.seized} {
				c.Amount(x)
			}
		}),
		resources:  entity.NewNotes((*entity.Codec).Address, func(c *entity.Codec, n *resourceNote) { c.Number(&n.registeredAt) }),
		categories: entity.NewNotes((*entity.Codec).Number, (*entity.Codec).Nothing),
	}
}

// all lists them, always in one order.
func (n *notes) all() []entity.Notebook {
	return []entity.Notebook{&n.deals, &n.tasks, &n.contributions, &n.accounts, &n.resources, &n.categories}
}

// positions are where the next changes go.
func (n *notes) positions() []int {
	var positions []int
	for _, book := range n.all() {
		positions = append(positions, book.Position())
	}
	return positions
}

func (n *notes) undo(since []int) {
	for i, book := range n.all() {
		book.Undo(since[i])
	}
}

func (n *notes) release(before []int) {
	for i, book := range n.all() {
		book.Release(before[i])
	}
}
