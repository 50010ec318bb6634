package projection

import "assay/consensus/poco"

// The contract forgets much that readers ask for: when a task ended, how much an
// account earned. Notes keep it beside poco.State, entity by entity, under the same
// discipline: what a block changed can be undone exactly.

type dealNote struct {
	block uint64
	tx    poco.Hash
}

type taskNote struct {
	initializedAt, endedAt uint64
	reopened               uint64
	block                  uint64
}

type contributionNote struct {
	contributedAt, revealedAt uint64
	tx                        poco.Hash
	block                     uint64
}

type accountNote struct {
	deposited, withdrawn, earned, spent, seized poco.Amount
	block                                       uint64
}

type resourceNote struct {
	registeredAt uint64
	block        uint64
}

// contributionID names a contribution.
type contributionID struct {
	task   poco.Hash
	worker poco.Address
}

// journal collects how to undo what was changed since the last block began.
type journal struct{ undo []func() }

// take empties the journal into the hands of who keeps it.
func (j *journal) take() []func() {
	undo := j.undo
	j.undo = nil
	return undo
}

// notes is a map whose changes go into a journal.
type notes[K comparable, V any] struct {
	values  map[K]V
	journal *journal
}

func newNotes[K comparable, V any](j *journal) notes[K, V] {
	return notes[K, V]{values: map[K]V{}, journal: j}
}

func (n *notes[K, V]) get(key K) V { return n.values[key] }

// change edits the note of key, from the zero value where there is none yet.
func (n *notes[K, V]) change(key K, edit func(*V)) {
	before, had := n.values[key]
	after := before
	edit(&after)
	n.values[key] = after
	n.journal.undo = append(n.journal.undo, func() {
		if had {
			n.values[key] = before
		} else {
			delete(n.values, key)
		}
	})
}
