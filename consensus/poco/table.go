package poco

// table keeps the rows of one kind. Rows change in place, so that a pointer to one
// stays good; edit saves the row to the journal first. With a shelf (shelf.go) rows that
// are not in memory may lie there, and one that is nil in memory is known not to exist.
type table[K comparable, V any] struct {
	layout[K, V]
	rows    map[K]*row[V]
	name    func(K) Key // nil: the rows have no name outside
	journal *journal
	free    []*row[V] // dropped, to be used again

	shelf *shelf        // nil: all rows are in memory
	dirty []K           // rows that may differ from the shelf's, some of them twice
	final map[K]*row[V] // while rows are shelved: those that changed since the oldest mark, as they were then
}

// row is a value and the position in the journal where it was last saved.
type row[V any] struct {
	value V
	saved uint64
	dirty bool // it is among the table's dirty rows
}

func newTable[K comparable, V any](j *journal, l layout[K, V], name func(K) Key) table[K, V] {
	return table[K, V]{layout: l, rows: make(map[K]*row[V]), name: name, journal: j}
}

// find returns a row, nil if there is none.
func (t *table[K, V]) find(key K) *row[V] {
	r, known := t.rows[key]
	if known || t.shelf == nil || t.resident {
		return r
	}
	return t.fetch(key)
}

// get returns a row to read, nil if there is none.
func (t *table[K, V]) get(key K) *V {
	if r := t.find(key); r != nil {
		return &r.value
	}
	return nil
}

// edit returns a row to change, nil if there is none.
func (t *table[K, V]) edit(key K) *V {
	r := t.find(key)
	if r == nil {
		return nil
	}
	t.save(key, r)
	return &r.value
}

// make returns a row to change, made if there is none.
func (t *table[K, V]) make(key K) *V {
	r := t.find(key)
	if r == nil {
		r = t.fresh()
		t.rows[key] = r
		t.soil(key, r)
		if t.journal.floor != 0 {
			r.saved = t.journal.next()
			t.journal.changes = append(t.journal.changes, &creation[K, V]{table: t, id: key})
		}
		return &r.value
	}
	t.save(key, r)
	return &r.value
}

// fresh returns an empty row that is in no table.
func (t *table[K, V]) fresh() *row[V] {
	n := len(t.free)
	if n == 0 {
		return &row[V]{}
	}
	r := t.free[n-1]
	t.free = t.free[:n-1]
	return r
}

// drop takes a row out that the journal knows nothing of and never will again.
func (t *table[K, V]) drop(key K) {
	if r := t.find(key); r != nil {
		t.remove(key)
		*r = row[V]{}
		t.free = append(t.free, r)
	}
}

// remove takes a row out.
func (t *table[K, V]) remove(key K) {
	if t.shelf == nil || t.resident {
		delete(t.rows, key)
	} else {
		t.rows[key] = nil
	}
	if t.shelf != nil {
		t.dirty = append(t.dirty, key)
	}
}

// save writes the row as it is to the journal, unless it has been since the newest mark.
func (t *table[K, V]) save(key K, r *row[V]) {
	t.soil(key, r)
	if r.saved >= t.journal.floor {
		return
	}
	old := *r
	r.saved = t.journal.next()
	t.journal.changes = append(t.journal.changes, &edition[K, V]{table: t, id: key, row: r, old: old})
}

func (t *table[K, V]) keyOf(key K) (Key, bool) {
	if t.name == nil {
		return Key{}, false
	}
	return t.name(key), true
}

// creation is a row that was made.
type creation[K comparable, V any] struct {
	table *table[K, V]
	id    K
}

func (c *creation[K, V]) undo()            { c.table.remove(c.id) }
func (c *creation[K, V]) recall()          { c.table.final[c.id] = nil }
func (c *creation[K, V]) key() (Key, bool) { return c.table.keyOf(c.id) }

// edition is a row that was changed.
type edition[K comparable, V any] struct {
	table *table[K, V]
	id    K
	row   *row[V]
	old   row[V]
}

func (e *edition[K, V]) undo()            { *e.row = e.old }
func (e *edition[K, V]) recall()          { e.table.final[e.id] = &e.old }
func (e *edition[K, V]) key() (Key, bool) { return e.table.keyOf(e.id) }
