package poco

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// ErrSnapshot says that what Restore reads is no whole snapshot of this chain's state.
var ErrSnapshot = errors.New("not a whole snapshot of this chain's PoCo state")

// snapshotMagic begins every snapshot; its end is the version of the format.
const snapshotMagic = "assay poco state 2\n"

// Snapshot writes the state as it is: equal states give equal bytes. Marks and what they
// could undo are not part of it.
func (s *State) Snapshot(w io.Writer) error {
	if s.shelf != nil {
		return errors.New("writing a snapshot: a part of the state is on a shelf")
	}
	out := &writer{w: w, sum: crc32.New(castagnoli)}
	out.raw([]byte(snapshotMagic))
	out.number(s.rules.ChainID)
	out.address(s.rules.Hub)
	save(out, &s.accounts)
	save(out, &s.allowances)
	save(out, &s.deals)
	save(out, &s.tasks)
	save(out, &s.contributions)
	save(out, &s.groups)
	save(out, &s.categories)
	save(out, &s.resources)
	save(out, &s.orders)
	out.flag(s.orderless)
	out.totals(s.totals.get(struct{}{}))
	out.flush()
	out.raw(out.sum.Sum(nil))
	out.flush()
	if out.err != nil {
		return fmt.Errorf("writing a snapshot: %w", out.err)
	}
	return nil
}

// Restore reads the state that Snapshot wrote, to go on with it under the rules of the
// same chain. The error is ErrSnapshot, or the reader's.
func Restore(rules Rules, r io.Reader) (*State, error) {
	in := &reader{sum: crc32.New(castagnoli), r: r, buffer: make([]byte, 1<<16)}
	s := New(rules)
	if magic := in.raw(len(snapshotMagic)); string(magic) != snapshotMagic {
		in.fail(ErrSnapshot)
	}
	if in.number() != rules.ChainID || in.address() != rules.Hub {
		in.fail(ErrSnapshot)
	}
	restore(in, &s.accounts)
	restore(in, &s.allowances)
	restore(in, &s.deals)
	restore(in, &s.tasks)
	restore(in, &s.contributions)
	restore(in, &s.groups)
	restore(in, &s.categories)
	restore(in, &s.resources)
	restore(in, &s.orders)
	if s.orderless = in.flag(); s.orderless && len(s.orders.rows) > 0 {
		in.fail(ErrSnapshot)
	}
	*s.totals.make(struct{}{}) = in.totals()
	want := in.checksum()
	if got := in.raw(len(want)); !bytes.Equal(got, want) {
		in.fail(ErrSnapshot)
	}
	if err := s.whole(); err != nil {
		in.fail(err)
	}
	if in.err != nil {
		return nil, fmt.Errorf("reading a snapshot: %w", in.err)
	}
	return s, nil
}

// whole checks that what rows point to is there, as the rules take for granted, and
// finds the tasks that can be forgotten.
func (s *State) whole() error {
	forgotten := map[Hash]uint64{} // tasks, by deal
	for id, r := range s.tasks.rows {
		if err := s.wholeTask(id, &r.value); err != nil {
			return err
		}
		if r.value.forgotten {
			forgotten[r.value.Deal]++
		}
	}
	slices.SortFunc(s.journal.ended, compareHashes)
	for id, r := range s.deals.rows {
		d := &r.value
		if d.forgotten != forgotten[id] || d.forgotten > 0 && d.size.CmpUint64(d.forgotten) <= 0 {
			return ErrSnapshot // with its last task it would have been forgotten itself
		}
	}
	for id := range s.categories.rows {
		if id >= s.Categories() {
			return ErrSnapshot
		}
	}
	return nil
}

func (s *State) wholeTask(id Hash, t *task) error {
	d := s.deals.get(t.Deal)
	ended := t.Status == TaskCompleted || t.Status == TaskFailed
	live := t.Status == TaskActive || t.Status == TaskRevealing
	switch {
	case !ended && !live, live && d == nil, t.forgotten && (live || d == nil || d.Boost || len(t.Contributors) > 0):
		return ErrSnapshot
	case ended && !t.forgotten:
		s.journal.ended = append(s.journal.ended, id)
	}
	for _, worker := range t.Contributors {
		if s.contributions.get(contributionID{id, worker}) == nil {
			return ErrSnapshot
		}
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The first bytes of a hash or an address nearly always tell, and sooner.

func compareHashes(a, b Hash) int {
	if x, y := binary.BigEndian.Uint64(a[:]), binary.BigEndian.Uint64(b[:]); x != y {
		return cmp.Compare(x, y)
	}
	return bytes.Compare(a[:], b[:])
}

func compareAddresses(a, b Address) int {
	if x, y := binary.BigEndian.Uint64(a[:]), binary.BigEndian.Uint64(b[:]); x != y {
		return cmp.Compare(x, y)
	}
	return bytes.Compare(a[:], b[:])
}

func compareAllowances(a, b allowanceID) int {
	return cmp.Or(compareAddresses(a.owner, b.owner), compareAddresses(a.spender, b.spender))
}

func compareContributions(a, b contributionID) int {
	return cmp.Or(compareHashes(a.task, b.task), compareAddresses(a.worker, b.worker))
}

func compareGroups(a, b groupID) int {
	return cmp.Or(compareHashes(a.task, b.task), compareHashes(a.result, b.result))
}

// save writes a table in the order of its keys.
func save[K comparable, V any](w *writer, t *table[K, V]) {
	type entry struct {
		key K
		row *row[V]
	}
	entries := make([]entry, 0, len(t.rows))
	for k, r := range t.rows {
		entries = append(entries, entry{k, r})
	}
	slices.SortFunc(entries, func(a, b entry) int { return t.compare(a.key, b.key) })
	w.number(uint64(len(entries)))
	for _, e := range entries {
		t.writeKey(w, e.key)
		t.write(w, &e.row.value)
	}
}

// restore reads a table, whose keys must ascend. One that claims to be longer than what
// follows ends with the input; memory is asked for in bounded pieces.
func restore[K comparable, V any](r *reader, t *table[K, V]) {
	const atOnce = 1 << 10
	type entry struct {
		key K
		row row[V]
	}
	var pieces [][]entry
	var last K
	count := r.number()
	for read := uint64(0); read < count && r.err == nil; read++ {
		n := len(pieces) - 1
		if read%atOnce == 0 {
			pieces, n = append(pieces, make([]entry, 0, min(count-read, atOnce))), n+1
		}
		k := t.readKey(r)
		if read > 0 && t.compare(last, k) >= 0 {
			r.fail(ErrSnapshot)
		}
		pieces[n] = append(pieces[n], entry{k, row[V]{value: t.read(r)}})
		last = k
	}
	if r.err != nil {
		return
	}
	t.rows = make(map[K]*row[V], count)
	for _, piece := range pieces {
		for i := range piece {
			t.rows[piece[i].key] = &piece[i].row
		}
	}
}
