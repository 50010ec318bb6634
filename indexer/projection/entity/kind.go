package entity

import "iter"

// Kind is all entities of one type that can change: a note N of each, by its key K, and how
// to make a row R of it. S are the rows of all tables.
type Kind[K comparable, N any, R any, P Row[R], S any] struct {
	Name    func(K) string // the entity's id
	Row     func(K, N) R   // of a thing that there is
	Rows    func(*S) *[]R
	History func(*S) *[]R

	notes map[K]note[N]
	undo  []former[K, N] // one for each thing and block in which it changed, oldest first
	gone  int            // how many of undo have been let go of
}

// note is what is known of a thing beside what poco.State keeps.
type note[N any] struct {
	block uint64 // of the last change
	value N
}

// former is a note as it was before a block.
type former[K comparable, N any] struct {
	key K
	was note[N]
	had bool // false: there was none
}

// Ledger is a Kind, whatever its type.
type Ledger[S any] interface {
	// Position is where the next change goes.
	Position() int
	// Write adds the rows of all that changed since a position.
	Write(rows *S, since int, s Stamp)
	// Retract undoes what changed since a position and adds the rows that say so.
	Retract(rows *S, since int, s Stamp)
	// Release lets go of what undoes changes before a position.
	Release(before int)
}

// Has says whether there is a thing.
func (k *Kind[K, N, R, P, S]) Has(key K) bool {
	_, ok := k.notes[key]
	return ok
}

// Get returns the note of a thing, the zero note of one that is not there.
func (k *Kind[K, N, R, P, S]) Get(key K) N { return k.notes[key].value }

// All yields all things, in no order.
func (k *Kind[K, N, R, P, S]) All() iter.Seq2[K, N] {
	return func(yield func(K, N) bool) {
		for key, note := range k.notes {
			if !yield(key, note.value) {
				return
			}
		}
	}
}

// Forget lets go of a thing that will not change any more.
func (k *Kind[K, N, R, P, S]) Forget(key K) { delete(k.notes, key) }

// Set changes a thing in a block, or makes it.
func (k *Kind[K, N, R, P, S]) Set(block uint64, key K, value N) {
	was, had := k.notes[key]
	if !had || was.block != block { // else it has changed in this block before
		k.undo = append(k.undo, former[K, N]{key, was, had})
	}
	if k.notes == nil {
		k.notes = map[K]note[N]{}
	}
	k.notes[key] = note[N]{block, value}
}

// Position is where the next change goes.
func (k *Kind[K, N, R, P, S]) Position() int { return k.gone + len(k.undo) }

func (k *Kind[K, N, R, P, S]) since(position int) []former[K, N] { return k.undo[position-k.gone:] }

func (k *Kind[K, N, R, P, S]) Write(rows *S, since int, s Stamp) {
	for _, changed := range k.since(since) {
		k.add(rows, changed.key, s)
	}
}

// add adds the row of a thing as it is now.
func (k *Kind[K, N, R, P, S]) add(rows *S, key K, s Stamp) {
	now := k.notes[key]
	r := k.Row(key, now.value)
	s.Block = now.block
	P(&r).Stamp(s)
	list := k.Rows(rows)
	*list = append(*list, r)
}

// Retract undoes what changed since a position and adds the rows that say so.
func (k *Kind[K, N, R, P, S]) Retract(rows *S, since int, s Stamp) {
	changed := k.since(since)
	for _, f := range changed { // each key once
		if f.had {
			k.notes[f.key] = f.was
		} else {
			delete(k.notes, f.key)
		}
	}
	for _, f := range changed {
		gone := tombstone[R, P](k.Name(f.key), s)
		if !f.had { // the database copies it into the history
			list := k.Rows(rows)
			*list = append(*list, gone)
			continue
		}
		history := k.History(rows)
		*history = append(*history, gone)
		k.add(rows, f.key, s)
	}
	k.undo = k.undo[:len(k.undo)-len(changed)]
}

// Release lets go of what undoes changes before a position.
func (k *Kind[K, N, R, P, S]) Release(before int) {
	n := before - k.gone
	clear(k.undo[:n])
	k.undo, k.gone = k.undo[n:], before
}
