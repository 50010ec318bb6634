package subgraph

// kind is all entities of one type that can change: a note of each, by its key, and how to
// make a row of it.
type kind[K comparable, N any, R any, P row[R]] struct {
	notes   map[K]note[N]
	undo    []former[K, N] // one for each thing and block in which it changed, oldest first
	gone    int            // how many of undo have been let go of
	name    func(K) string // the entity's id
	row     func(K, N) R   // of a thing that there is
	rows    func(*Rows) *[]R
	history func(*Rows) *[]R
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

// ledger is a kind, whatever its type.
type ledger interface {
	// position is where the next change goes.
	position() int
	// write adds the rows of all that changed since a position.
	write(rows *Rows, since int, s stamp)
	// retract undoes what changed since a position and adds the rows that say so.
	retract(rows *Rows, since int, s stamp)
	// release lets go of what undoes changes before a position.
	release(before int)
}

func (k *kind[K, N, R, P]) has(key K) bool {
	_, ok := k.notes[key]
	return ok
}

func (k *kind[K, N, R, P]) get(key K) N { return k.notes[key].value }

// set changes a thing in a block, or makes it.
func (k *kind[K, N, R, P]) set(block uint64, key K, value N) {
	was, had := k.notes[key]
	if !had || was.block != block { // else it has changed in this block before
		k.undo = append(k.undo, former[K, N]{key, was, had})
	}
	k.notes[key] = note[N]{block, value}
}

func (k *kind[K, N, R, P]) position() int { return k.gone + len(k.undo) }

func (k *kind[K, N, R, P]) since(position int) []former[K, N] { return k.undo[position-k.gone:] }

func (k *kind[K, N, R, P]) write(rows *Rows, since int, s stamp) {
	for _, changed := range k.since(since) {
		k.add(rows, changed.key, s)
	}
}

// add adds the row of a thing as it is now.
func (k *kind[K, N, R, P]) add(rows *Rows, key K, s stamp) {
	now := k.notes[key]
	r := k.row(key, now.value)
	s.block = now.block
	P(&r).stamp(s)
	list := k.rows(rows)
	*list = append(*list, r)
}

func (k *kind[K, N, R, P]) retract(rows *Rows, since int, s stamp) {
	changed := k.since(since)
	for _, f := range changed { // each key once
		if f.had {
			k.notes[f.key] = f.was
		} else {
			delete(k.notes, f.key)
		}
	}
	for _, f := range changed {
		gone := tombstone[R, P](k.name(f.key), s)
		if !f.had { // the database copies it into the history
			list := k.rows(rows)
			*list = append(*list, gone)
			continue
		}
		history := k.history(rows)
		*history = append(*history, gone)
		k.add(rows, f.key, s)
	}
	k.undo = k.undo[:len(k.undo)-len(changed)]
}

func (k *kind[K, N, R, P]) release(before int) {
	n := before - k.gone
	clear(k.undo[:n])
	k.undo, k.gone = k.undo[n:], before
}
