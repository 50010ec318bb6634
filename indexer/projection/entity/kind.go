package entity

import "slices"

// Kind is all entities of one type that can change: a note N of each, by its key K, and how
// to make a row R of it. S are the rows of all tables.
type Kind[K comparable, N any, R any, P Row[R], S any] struct {
	Notes[K, N]
	Name    func(K) string // the entity's id
	Row     func(K, N) R   // of a thing that there is
	Rows    func(*S) *[]R
	History func(*S) *[]R
}

// Ledger is a Kind, whatever its type.
type Ledger[S any] interface {
	Notebook
	// Write adds the rows of all that changed since a position.
	Write(rows *S, since int, s Stamp)
	// Retract undoes what changed since a position and adds the rows that say so.
	Retract(rows *S, since int, s Stamp)
}

// Write adds the rows of all that changed since a position.
func (k *Kind[K, N, R, P, S]) Write(rows *S, since int, s Stamp) {
	for _, changed := range k.since(since) {
		k.add(rows, changed.key, s)
	}
}

// add adds the row of a thing as it is now.
func (k *Kind[K, N, R, P, S]) add(rows *S, key K, s Stamp) {
	now, _ := k.find(key)
	r := k.Row(key, now.value)
	s.Block = now.block
	P(&r).Stamp(s)
	list := k.Rows(rows)
	*list = append(*list, r)
}

// Retract undoes what changed since a position and adds the rows that say so.
func (k *Kind[K, N, R, P, S]) Retract(rows *S, since int, s Stamp) {
	changed := slices.Clone(k.since(since)) // each key once
	k.Undo(since)
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
}
