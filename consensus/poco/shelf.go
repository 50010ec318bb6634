package poco

// A state can be larger than memory. With a shelf, each table is a cache of its rows there:
// a row that is asked for and not in memory is fetched, and Unload lets go of those that
// are on the shelf as they are here.
//
// What is put on the shelf is what no Rollback can undo: the state as it was at the oldest
// mark. So a shelf is also where to go on after a restart.

import (
	"errors"
	"fmt"
	"iter"
)

// ErrShelf says that what lies on a shelf is not what was put there.
var ErrShelf = errors.New("a row on the shelf is damaged")

// Shelf holds rows for which there is no room in memory, by key. Who has it does the I/O,
// and keeps its own errors: a state that was told of a missing row is of no use after one.
type Shelf interface {
	// Load returns what was put for a key, good until the next call; ok is false for nothing.
	Load(key []byte) (value []byte, ok bool)
	// All yields what was put for the keys that begin so.
	All(prefix []byte) iter.Seq2[[]byte, []byte]
}

// shelf is a Shelf and what was wrong with it.
type shelf struct {
	Shelf
	key writer // of the row that is looked for
	err error
}

// Unshelve returns the state that lies on a shelf, of an empty one that of contracts that
// nothing has happened to yet. Rows are fetched when they are asked for. Forget forgets
// nothing that had ended before: call it before Shelve.
func Unshelve(rules Rules, on Shelf) (*State, error) {
	s := New(rules)
	s.shelf = &shelf{Shelf: on}
	for _, t := range s.tables() {
		t.reopen(s.shelf)
	}
	return s, s.Err()
}

// Err says what was wrong with a row on the shelf: the state is then of no more use.
func (s *State) Err() error {
	if s.shelf == nil {
		return nil
	}
	return s.shelf.err
}

// Shelve puts rows on the shelf as they were at the oldest mark, or are where none is held:
// those that have changed since they were last put there. A value of nil takes what is
// there away. All that is put has to get there together, before the state asks for a row.
func (s *State) Shelve(put func(key, value []byte)) {
	tables := s.tables()
	for _, t := range tables {
		t.recall()
	}
	for i := len(s.journal.changes) - 1; i >= 0; i-- {
		s.journal.changes[i].recall()
	}
	for _, t := range tables {
		t.shelve(put)
	}
}

// Unload lets go of the rows that are on the shelf as they are here.
func (s *State) Unload() {
	for _, t := range s.tables() {
		t.unload()
	}
}

// InMemory is how many rows are in memory.
func (s *State) InMemory() int {
	n := 0
	for _, t := range s.tables() {
		n += t.size()
	}
	return n
}

// shelved is a table, whatever its rows.
type shelved interface {
	reopen(on *shelf)
	recall()
	shelve(put func(key, value []byte))
	unload()
	size() int
}

func (s *State) tables() []shelved {
	return []shelved{
		&s.accounts, &s.allowances, &s.deals, &s.tasks, &s.contributions, &s.groups, &s.categories, &s.resources, &s.orders, &s.totals,
	}
}

// soil notes that a row may differ from the shelf's.
func (t *table[K, V]) soil(key K, r *row[V]) {
	if t.shelf != nil && !r.dirty {
		r.dirty = true
		t.dirty = append(t.dirty, key)
	}
}

// fetch gets a row from the shelf, nil if it is not there.
func (t *table[K, V]) fetch(key K) *row[V] {
	value, ok := t.shelf.Load(t.encode(&t.shelf.key, key))
	if !ok {
		return nil
	}
	r := t.fresh()
	r.value = decode(t.shelf, value, t.read)
	t.rows[key] = r
	return r
}

// encode is a row's key on the shelf.
func (t *table[K, V]) encode(w *writer, key K) []byte {
	w.buffer = append(w.buffer[:0], t.id)
	t.writeKey(w, key)
	return w.buffer
}

// decode reads a key or a row.
func decode[T any](from *shelf, b []byte, read func(*reader) T) T {
	r := reader{buffer: b, end: len(b)}
	value := read(&r)
	if (r.err != nil || r.at != r.end) && from.err == nil {
		from.err = fmt.Errorf("%w: %d bytes", ErrShelf, len(b))
	}
	return value
}

func (t *table[K, V]) reopen(on *shelf) {
	t.shelf = on
	if !t.resident {
		return
	}
	for key, value := range on.All([]byte{t.id}) {
		t.rows[decode(on, key[1:], t.readKey)] = &row[V]{value: decode(on, value, t.read)}
	}
}

func (t *table[K, V]) recall() { t.final = map[K]*row[V]{} }

// shelve puts the dirty rows on the shelf. Those that changed since the oldest mark stay
// dirty.
func (t *table[K, V]) shelve(put func(key, value []byte)) {
	var key, value writer
	for _, k := range t.dirty {
		r, changing := t.final[k]
		if !changing {
			r = t.rows[k]
		}
		if r == nil {
			put(t.encode(&key, k), nil)
		} else {
			value.buffer = value.buffer[:0]
			t.write(&value, &r.value)
			put(t.encode(&key, k), value.buffer)
		}
		switch {
		case changing:
		case r == nil:
			delete(t.rows, k)
		default:
			r.dirty = false
		}
	}
	t.dirty = t.dirty[:0]
	for k := range t.final {
		t.dirty = append(t.dirty, k)
	}
	t.final = nil
}

func (t *table[K, V]) unload() {
	if t.resident {
		return
	}
	rows := make(map[K]*row[V], len(t.dirty))
	for _, k := range t.dirty {
		if r, known := t.rows[k]; known {
			rows[k] = r
		}
	}
	t.rows, t.free = rows, nil
}

func (t *table[K, V]) size() int { return len(t.rows) }
