package entity

// Book is the ledgers of a fold, block by block. S are the rows of all tables. It is not
// safe for concurrent use.
type Book[S any] struct {
	chain     uint64
	ledgers   []Ledger[S]
	immutable func(*S) []List
	past      []past // blocks that can still be retracted, oldest first
}

// past is what it takes to retract a block, and what to do once that cannot happen.
type past struct {
	number    uint64
	positions []int  // of each ledger, before the block
	made      []made // rows that never change
	final     func()
}

// made is a row of an immutable entity.
type made struct {
	list int
	id   string
}

// NewBook opens a book of a chain. immutable lists the rows of entities that never change,
// always in one order, as the ledgers are.
func NewBook[S any](chain uint64, immutable func(*S) []List, ledgers ...Ledger[S]) *Book[S] {
	return &Book[S]{chain: chain, immutable: immutable, ledgers: ledgers}
}

// Block returns the rows of a block. handle makes rows of what never changes, and changes
// the rest; it returns what is to be done once the block is final, nil for nothing.
func (b *Book[S]) Block(number, version uint64, handle func(rows *S) (final func())) S {
	p := past{number: number}
	for _, l := range b.ledgers {
		p.positions = append(p.positions, l.Position())
	}
	var rows S
	p.final = handle(&rows)
	s := Stamp{Chain: b.chain, Block: number, Version: version}
	for i, l := range b.immutable(&rows) {
		l.Stamp(s, func(id string) { p.made = append(p.made, made{i, id}) })
	}
	for i, l := range b.ledgers {
		l.Write(&rows, p.positions[i], s)
	}
	b.past = append(b.past, p)
	return rows
}

// Retract returns the rows that take back the newest block.
func (b *Book[S]) Retract(version uint64) S {
	p := b.past[len(b.past)-1]
	b.past = b.past[:len(b.past)-1]
	var rows S
	s := Stamp{Chain: b.chain, Block: p.number, Version: version}
	lists := b.immutable(&rows)
	for _, m := range p.made {
		lists[m.list].Bury(m.id, s)
	}
	for i, l := range b.ledgers {
		l.Retract(&rows, p.positions[i], s)
	}
	return rows
}

// Final lets go of what only undoing blocks up to a number needed.
func (b *Book[S]) Final(number uint64) {
	n := 0
	for n < len(b.past) && b.past[n].number <= number {
		if final := b.past[n].final; final != nil {
			final()
		}
		n++
	}
	if n == 0 {
		return
	}
	for i, l := range b.ledgers {
		before := l.Position()
		if n < len(b.past) {
			before = b.past[n].positions[i]
		}
		l.Release(before)
	}
	clear(b.past[:n])
	b.past = b.past[n:]
}

// Unshelve has all notes of the book lie on a shelf, in tables from that number on.
func (b *Book[S]) Unshelve(on *Shelf, first byte) {
	for i, l := range b.ledgers {
		l.Unshelve(on, first+byte(i))
	}
}

// Shelve puts all notes on the shelf as they were when the newest final block was.
func (b *Book[S]) Shelve(put func(key, value []byte)) {
	for _, l := range b.ledgers {
		l.Shelve(put)
	}
}

// Unload lets go of the notes that are on the shelf as they are here.
func (b *Book[S]) Unload() {
	for _, l := range b.ledgers {
		l.Unload()
	}
}

// InMemory is how many notes are in memory.
func (b *Book[S]) InMemory() int {
	n := 0
	for _, l := range b.ledgers {
		n += l.InMemory()
	}
	return n
}
