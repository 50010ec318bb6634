package entity

import (
	"iter"
	"slices"

	"assay/consensus/poco"
)

// Notes are values N by key K that blocks change, each with the block of its last change.
// What blocks did can be undone until it is let go of. With a shelf, notes that are not in
// memory may lie there: see poco.State.Shelve, whose tables do the same.
type Notes[K comparable, N any] struct {
	key   func(*Codec, *K)
	value func(*Codec, *N)

	notes map[K]note[N]
	undo  []former[K, N] // one for each key and block in which it changed, oldest first
	gone  int            // how many of undo have been let go of

	shelf *Shelf // nil: all notes are in memory
	table byte   // first byte of the keys on the shelf
	dirty []K    // notes that may differ from the shelf's, some of them twice
	spare []byte // a key on the shelf
}

// Shelf is where notes lie that there is no room for in memory, and what was wrong with one
// of them: then nothing that was made of them counts.
type Shelf struct {
	poco.Shelf
	Err error
}

// Notebook is Notes, whatever their type.
type Notebook interface {
	Shelved
	Position() int
	Undo(since int)
	Release(before int)
	Unshelve(on *Shelf, table byte)
}

// Shelved is what can lie on a shelf in part.
type Shelved interface {
	Shelve(put func(key, value []byte))
	Unload()
	InMemory() int
}

// NewNotes makes notes whose keys and values are written down so.
func NewNotes[K comparable, N any](key func(*Codec, *K), value func(*Codec, *N)) Notes[K, N] {
	return Notes[K, N]{key: key, value: value, notes: map[K]note[N]{}}
}

// note is what is known of a thing beside what poco.State keeps.
type note[N any] struct {
	block  uint64 // of the last change
	value  N
	absent bool // there is none; the shelf may still have one
	dirty  bool // the key is among the dirty ones
}

// former is a note as it was before a block.
type former[K comparable, N any] struct {
	key K
	was note[N]
	had bool // false: there was none
}

// find returns the note of a key.
func (n *Notes[K, N]) find(key K) (found note[N], has bool) {
	found, known := n.notes[key]
	if !known && n.shelf != nil {
		return n.fetch(key)
	}
	return found, known && !found.absent
}

// fetch gets a note from the shelf.
func (n *Notes[K, N]) fetch(key K) (found note[N], has bool) {
	n.spare = Write(append(n.spare[:0], n.table), key, n.key)
	value, has := n.shelf.Load(n.spare)
	if !has {
		return found, false
	}
	found = n.read(value)
	n.notes[key] = found
	return found, true
}

func (n *Notes[K, N]) read(value []byte) note[N] {
	read, err := Read(value, n.fields)
	if err != nil && n.shelf.Err == nil {
		n.shelf.Err = err
	}
	return read
}

func (n *Notes[K, N]) fields(c *Codec, note *note[N]) {
	c.Number(&note.block)
	n.value(c, &note.value)
}

// Has says whether there is a note of a key.
func (n *Notes[K, N]) Has(key K) bool {
	_, has := n.find(key)
	return has
}

// Get returns the note of a key, the zero note where there is none.
func (n *Notes[K, N]) Get(key K) N {
	found, _ := n.find(key)
	return found.value
}

// Dated is Get and Has, and the block of the last change.
func (n *Notes[K, N]) Dated(key K) (value N, block uint64, has bool) {
	found, has := n.find(key)
	return found.value, found.block, has
}

// All yields all notes, in no order.
func (n *Notes[K, N]) All() iter.Seq2[K, N] {
	return func(yield func(K, N) bool) {
		for key, note := range n.notes {
			if !note.absent && !yield(key, note.value) {
				return
			}
		}
		if n.shelf == nil {
			return
		}
		for b, value := range n.shelf.All([]byte{n.table}) {
			key, err := Read(b[1:], n.key)
			if err != nil {
				n.shelf.Err = err
				return
			}
			if _, known := n.notes[key]; !known && !yield(key, n.read(value).value) {
				return
			}
		}
	}
}

// Forget lets go of a note that will not change any more.
func (n *Notes[K, N]) Forget(key K) { n.remove(key) }

// remove takes a note out of memory, and the shelf's when notes are next shelved.
func (n *Notes[K, N]) remove(key K) {
	if n.shelf == nil {
		delete(n.notes, key)
		return
	}
	n.notes[key] = note[N]{absent: true, dirty: true}
	n.dirty = append(n.dirty, key)
}

// Set changes a note in a block, or makes it.
func (n *Notes[K, N]) Set(block uint64, key K, value N) {
	was, had := n.find(key)
	n.set(block, key, was, had, value)
}

// set is Set of a note that was found so.
func (n *Notes[K, N]) set(block uint64, key K, was note[N], had bool, value N) {
	if !had || was.block != block { // else it has changed in this block before
		if len(n.undo) == cap(n.undo) { // as much again: Release cuts off what append would make room with
			n.undo = slices.Grow(n.undo, len(n.undo)+1)
		}
		n.undo = append(n.undo, former[K, N]{key, was, had})
	}
	if n.shelf != nil && !(had && was.dirty) {
		n.dirty = append(n.dirty, key)
	}
	n.notes[key] = note[N]{block: block, value: value, dirty: n.shelf != nil}
}

// Edit is Set of what edit makes of the note.
func (n *Notes[K, N]) Edit(block uint64, key K, edit func(*N)) {
	was, had := n.find(key)
	value := was.value
	edit(&value)
	n.set(block, key, was, had, value)
}

// Touch is Set of what the note is already: it dates its last change.
func (n *Notes[K, N]) Touch(block uint64, key K) {
	if was, had := n.find(key); !had || was.block != block {
		n.set(block, key, was, had, was.value)
	}
}

// Position is where the next change goes.
func (n *Notes[K, N]) Position() int { return n.gone + len(n.undo) }

func (n *Notes[K, N]) since(position int) []former[K, N] { return n.undo[position-n.gone:] }

// Undo undoes what changed since a position.
func (n *Notes[K, N]) Undo(since int) {
	changed := n.since(since)
	for i := len(changed) - 1; i >= 0; i-- {
		if f := changed[i]; f.had {
			n.notes[f.key] = f.was
		} else {
			n.remove(f.key)
		}
	}
	clear(changed)
	n.undo = n.undo[:len(n.undo)-len(changed)]
}

// Release lets go of what undoes changes before a position.
func (n *Notes[K, N]) Release(before int) {
	m := before - n.gone
	n.gone = before
	if m < len(n.undo)/2 {
		clear(n.undo[:m])
		n.undo = n.undo[m:]
		return
	}
	kept := copy(n.undo, n.undo[m:]) // rather than to move on, and need more room for what comes
	clear(n.undo[kept:])
	n.undo = n.undo[:kept]
}

// Unshelve has the notes lie on a shelf, in the table of that number, where there may be
// some already.
func (n *Notes[K, N]) Unshelve(on *Shelf, table byte) { n.shelf, n.table = on, table }

// Shelve puts notes on the shelf as they were before the changes that can be undone: those
// that changed since they were last put there. A value of nil takes what is there away.
func (n *Notes[K, N]) Shelve(put func(key, value []byte)) {
	final := make(map[K]former[K, N], len(n.undo))
	for _, f := range n.undo {
		if _, known := final[f.key]; !known {
			final[f.key] = f
		}
	}
	var b []byte
	for _, key := range n.dirty {
		f, changing := final[key]
		if !changing {
			f.was, f.had = n.notes[key]
			f.had = f.had && !f.was.absent
		}
		n.spare = Write(append(n.spare[:0], n.table), key, n.key)
		if b = nil; f.had {
			b = Write(b, f.was, n.fields)
		}
		put(n.spare, b)
		switch {
		case changing:
		case !f.had:
			delete(n.notes, key)
		default:
			f.was.dirty = false
			n.notes[key] = f.was
		}
	}
	n.dirty = n.dirty[:0]
	for key := range final {
		n.dirty = append(n.dirty, key)
	}
}

// Unload lets go of the notes that are on the shelf as they are here.
func (n *Notes[K, N]) Unload() {
	notes := make(map[K]note[N], len(n.dirty))
	for _, key := range n.dirty {
		if found, known := n.notes[key]; known {
			notes[key] = found
		}
	}
	n.notes = notes
}

// InMemory is how many notes are in memory.
func (n *Notes[K, N]) InMemory() int { return len(n.notes) }
