package projection

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"

	"assay/consensus/poco"
	"assay/indexer/projection/entity"
	"assay/schema/chains"
)

// A projection can be larger than memory, and need not start at the beginning of the log.
// With a shelf, the state and all notes are caches of what lies there. What is put on the
// shelf is what no retraction can undo: where the newest final block left things. A fold
// that is taken from it goes on with the block after that one, and gives the same rows.

// ErrShelf says that what lies on a shelf is not of this chain, of another format or
// damaged: it is of no use, and the log has to be folded from its beginning.
var ErrShelf = errors.New("what lies on the shelf is not of this chain and version, or damaged")

// shelfFormat is the version of what is put on a shelf. It changes with each change to the
// fields of notes, to the tables of poco.State, or to what a fold keeps.
const shelfFormat = 2

// The tables on a shelf; those of poco.State come before.
const (
	headerTable byte = 0
	notesTable  byte = 32
	foldsTable  byte = 64 // and so many more for each fold
)

// header is what else a shelf has.
type header struct {
	format       uint64
	preset       poco.Hash
	next, offset uint64 // of the record to go on with: sequence; where the log has it or what comes before it
	time         uint64
	head         Head
}

func headerFields(c *entity.Codec, h *header) {
	c.Number(&h.format)
	c.Hash(&h.preset)
	seconds := uint64(max(0, h.head.HeadTime.Unix())) // none: before 1970
	for _, x := range []*uint64{
		&h.next, &h.offset, &h.time, &h.head.Chain, &h.head.HeadNumber, &seconds, &h.head.FinalizedNumber, &h.head.Version, &h.head.Written,
	} {
		c.Number(x)
	}
	c.Text(&h.head.HeadHash)
	c.Text(&h.head.FinalizedHash)
	h.head.HeadTime = at(seconds)
}

// Unshelve goes on with the fold that was shelved last, or starts one where the shelf is
// empty. The error is ErrShelf, in words.
func Unshelve(preset chains.Preset, shelf poco.Shelf) (*Projection, error) {
	state, err := poco.Unshelve(poco.RulesOf(preset), shelf)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrShelf, err)
	}
	p := newProjection(preset, state)
	if p.preset, err = presetHash(preset); err != nil {
		return nil, err
	}
	p.shelf = &entity.Shelf{Shelf: shelf}
	for i, book := range p.all() {
		book.Unshelve(p.shelf, notesTable+byte(i))
	}
	for i, fold := range p.folds {
		fold.Unshelve(p.shelf, foldsTable*byte(1+i))
	}
	return p, p.readHeader()
}

func (p *Projection) readHeader() error {
	value, has := p.shelf.Load([]byte{headerTable})
	if !has {
		return nil
	}
	h, err := entity.Read(value, headerFields)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrShelf, err)
	case h.format != shelfFormat:
		return fmt.Errorf("%w: it has format %d, this program writes %d", ErrShelf, h.format, shelfFormat)
	case h.preset != p.preset:
		return fmt.Errorf("%w: it was folded for another preset", ErrShelf)
	}
	p.next, p.offset, p.time, p.head = h.next, h.offset, h.time, h.head
	return nil
}

// presetHash names a chain and all that its rows depend on.
func presetHash(preset chains.Preset) (poco.Hash, error) {
	text, err := json.Marshal(preset)
	if err != nil {
		return poco.Hash{}, fmt.Errorf("writing down a preset: %w", err)
	}
	return crypto.Keccak256Hash(text), nil
}

// Offset is where in the log's topic to go on reading: the next record is not before.
func (p *Projection) Offset() int64 { return int64(p.offset) }

// Shelve puts on the shelf what has changed there since it was last done, as the newest
// final block left it, and returns the offset at which a fold that is taken from the shelf
// goes on. All that is put has to get there together, before the next record is folded. A
// value of nil takes what is there away.
func (p *Projection) Shelve(put func(key, value []byte)) (offset int64) {
	h := header{format: shelfFormat, preset: p.preset, next: p.next, offset: p.offset, time: p.time, head: p.head}
	if len(p.past) > 0 {
		first := p.past[0]
		h.next, h.offset, h.time, h.head = first.record, first.offset, first.before, first.head
	}
	for _, part := range p.parts() {
		part.Shelve(put)
	}
	put([]byte{headerTable}, entity.Write(nil, h, headerFields))
	return int64(h.offset)
}

// Unload lets go of what is on the shelf as it is here.
func (p *Projection) Unload() {
	for _, part := range p.parts() {
		part.Unload()
	}
}

// InMemory is how many rows of the state and notes are in memory.
func (p *Projection) InMemory() int {
	n := 0
	for _, part := range p.parts() {
		n += part.InMemory()
	}
	return n
}

// parts are all that can lie on a shelf.
func (p *Projection) parts() []entity.Shelved {
	parts := []entity.Shelved{p.state}
	for _, book := range p.all() {
		parts = append(parts, book)
	}
	for _, fold := range p.folds {
		parts = append(parts, fold)
	}
	return parts
}

// Err says why the projection is of no more use: a record that it could not fold.
func (p *Projection) Err() error { return p.failed }

// damage says what was wrong with something on the shelf: rows that were made since count
// for nothing.
func (p *Projection) damage() error {
	err := p.state.Err()
	if err == nil && p.shelf != nil {
		err = p.shelf.Err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrShelf, err)
	}
	return nil
}
