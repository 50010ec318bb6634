package poco

import (
	"cmp"
	"errors"
	"slices"
)

// ErrMark says that a mark has been given up, by Rollback or Release.
var ErrMark = errors.New("the mark has been given up")

// Kind says what sort of thing a Key names.
type Kind uint8

// The kinds of things that events change.
const (
	KindAccount Kind = iota + 1
	KindDeal
	KindTask
	KindContribution
	KindCategory
	KindResource
	KindOrder
)

// Key names a thing of the state.
type Key struct {
	Kind    Kind
	Hash    Hash    // deal, order; task of a task or a contribution
	Address Address // account, resource; worker of a contribution
	Number  uint64  // category
}

// Mark is a moment to which the state can return, as long as it is held.
type Mark struct{ serial uint64 }

// change is one journaled change of one row.
type change interface {
	undo()
	recall()          // tells the table what the row was before, see shelf.go
	key() (Key, bool) // false: a row that has no name outside
}

// journal remembers the rows as they were at the marks that are held, and nothing while
// none is. A row is saved once per mark however often it changes. Positions count
// changes since the beginning, from 1.
type journal struct {
	changes []change
	first   uint64 // position of the oldest change kept
	marks   []held // oldest first
	serial  uint64 // of the newest mark ever given
	ended   []Hash // tasks that ended and have not been forgotten, in order
	gone    uint64 // how many that ended have been forgotten
	floor   uint64 // position of the newest mark; rows saved before it are to be saved again; 0: none
}

// held is a mark that has not been given up.
type held struct {
	serial, at uint64
	ended      uint64 // how many tasks had ended
}

// next is the position of the next change.
func (j *journal) next() uint64 { return j.first + uint64(len(j.changes)) }

// mark holds the present moment.
func (j *journal) mark() Mark {
	j.serial++
	j.hold(append(j.marks, held{serial: j.serial, at: j.next(), ended: j.gone + uint64(len(j.ended))}))
	return Mark{serial: j.serial}
}

// find returns the index of a held mark.
func (j *journal) find(m Mark) (int, error) {
	i, found := slices.BinarySearchFunc(j.marks, m.serial, func(h held, serial uint64) int {
		return cmp.Compare(h.serial, serial)
	})
	if !found {
		return 0, ErrMark
	}
	return i, nil
}

// rollback undoes what came after the mark, newest first, and gives up the mark and all
// newer ones.
func (j *journal) rollback(m Mark) error {
	i, err := j.find(m)
	if err != nil {
		return err
	}
	keep := int(j.marks[i].at - j.first)
	for k := len(j.changes) - 1; k >= keep; k-- {
		j.changes[k].undo()
	}
	clear(j.changes[keep:])
	j.changes = j.changes[:keep]
	j.ended = j.ended[:j.marks[i].ended-j.gone]
	j.hold(j.marks[:i])
	return nil
}

// release gives up the mark and all older ones, and forgets what only they needed.
func (j *journal) release(m Mark) error {
	i, err := j.find(m)
	if err != nil {
		return err
	}
	j.hold(j.marks[i+1:])
	drop := len(j.changes)
	if len(j.marks) > 0 {
		drop = int(j.marks[0].at - j.first)
	}
	clear(j.changes[:drop])
	j.changes = j.changes[drop:]
	j.first += uint64(drop)
	return nil
}

// forget takes from the list of tasks that ended those that no mark can bring back.
func (j *journal) forget() []Hash {
	n := len(j.ended)
	if len(j.marks) > 0 {
		n = int(j.marks[0].ended - j.gone)
	}
	final := j.ended[:n]
	j.ended = j.ended[n:]
	j.gone += uint64(n)
	return final
}

// hold sets the marks that are held.
func (j *journal) hold(marks []held) {
	j.marks, j.floor = marks, 0
	if len(marks) > 0 {
		j.floor = marks[len(marks)-1].at
	}
}

// changed lists what changed after the mark, each thing once, in order of first change.
func (j *journal) changed(since Mark) ([]Key, error) {
	i, err := j.find(since)
	if err != nil {
		return nil, err
	}
	changes := j.changes[j.marks[i].at-j.first:]
	keys := make([]Key, 0, len(changes))
	var seen map[Key]bool
	if i < len(j.marks)-1 { // under one mark a row is saved but once
		seen = make(map[Key]bool, len(changes))
	}
	for _, c := range changes {
		key, named := c.key()
		if !named || seen[key] {
			continue
		}
		if seen != nil {
			seen[key] = true
		}
		keys = append(keys, key)
	}
	return keys, nil
}
