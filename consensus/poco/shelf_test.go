package poco_test

import (
	"bytes"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"assay/consensus/poco"
)

// shelf is a shelf in memory.
type shelf map[string][]byte

func (s shelf) Load(key []byte) ([]byte, bool) {
	value, ok := s[string(key)]
	return value, ok
}

func (s shelf) All(prefix []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for key, value := range s {
			if strings.HasPrefix(key, string(prefix)) && !yield([]byte(key), value) {
				return
			}
		}
	}
}

func (s shelf) put(key, value []byte) {
	if value == nil {
		delete(s, string(key))
		return
	}
	s[string(key)] = bytes.Clone(value)
}

// shelved are twins of which one has most of its rows on a shelf, from which it is read
// again now and then.
type shelved struct {
	twins
	on shelf
}

// TestAShelvedStateDecidesAlike: neither where rows lie nor a restart can be told from what
// a state answers, whatever is taken back.
func TestAShelvedStateDecidesAlike(t *testing.T) {
	fewest, most := 0, 0
	check(t, func(h *history) {
		w := &shelved{twins: twins{history: h, other: restore(h.T, h.state)}, on: shelf{}}
		w.other.PutOn(w.on)
		for range h.steps() {
			w.turn()
			w.play(h.next())
			if err := w.other.Err(); err != nil {
				h.Fatal(err)
			}
		}
		w.release()
		h.state.Forget()
		w.shelve()
		w.other.Unload()
		fewest += w.other.InMemory()
		w.restart()
		w.other.FetchAll()
		most += w.other.InMemory()
		if got, want := w.other.Dump(), h.state.Dump(); got != want {
			h.Fatalf("on the shelf is\n%s\nwant\n%s", got, want)
		}
	})
	if fewest >= most/2 {
		t.Errorf("of %d rows %d stayed in memory", most, fewest)
	}
}

func (w *shelved) turn() {
	switch rapid.IntRange(0, 9).Draw(w.T, "turn") {
	case 0, 1:
		w.shelve()
	case 2:
		w.other.Unload()
	case 3, 4:
		w.marks = append(w.marks, [2]poco.Mark{w.state.Mark(), w.other.Mark()})
	case 5:
		w.rollback()
	case 6:
		w.release()
	case 7:
		if len(w.marks) == 0 {
			w.shelve()
			w.restart()
		}
	default:
	}
}

// shelve forgets first: a state that is taken from the shelf does not know what has ended.
func (w *shelved) shelve() {
	w.other.Forget()
	w.other.Shelve(w.on.put)
}

func (w *shelved) restart() {
	w.marks = nil
	var err error
	if w.other, err = poco.Unshelve(w.state.Rules(), w.on); err != nil {
		w.Fatal(err)
	}
}

// TestTheShelfHoldsWhatIsFinal: what is put there is the state at the oldest mark, whatever
// came after it.
func TestTheShelfHoldsWhatIsFinal(t *testing.T) {
	check(t, func(h *history) {
		other, on := restore(h.T, h.state), shelf{}
		other.PutOn(on)
		h.state = other
		for range h.steps() {
			h.play(h.next())
		}
		mark := other.Mark()
		want := other.Dump()
		for range h.steps() {
			h.play(h.next())
			if rapid.Bool().Draw(h.T, "mark") {
				other.Mark()
			}
		}
		other.Shelve(on.put)
		if rapid.Bool().Draw(h.T, "and unload") {
			other.Unload()
		}
		again, err := poco.Unshelve(h.state.Rules(), on)
		if err != nil {
			h.Fatal(err)
		}
		again.FetchAll()
		if got := again.Dump(); got != want {
			h.Fatalf("on the shelf is\n%s\nwant\n%s", got, want)
		}
		if err := other.Rollback(mark); err != nil {
			h.Fatal(err)
		}
		other.FetchAll()
		if got := other.Dump(); got != want {
			h.Fatalf("rolled back is\n%s\nwant\n%s", got, want)
		}
	})
}

func TestADamagedRowIsNoticed(t *testing.T) {
	w, on := playedWorld(t), shelf{}
	w.state.PutOn(on)
	w.state.Shelve(on.put)
	for key, value := range on {
		for _, bad := range [][]byte{value[:len(value)-1], append(slices.Clone(value), 0)} {
			on[key] = bad
			again, err := poco.Unshelve(w.state.Rules(), on)
			if err == nil {
				again.FetchAll()
				err = again.Err()
			}
			if !errors.Is(err, poco.ErrShelf) {
				t.Errorf("row %x is %x: %v", key, bad, err)
			}
		}
		on[key] = value
	}
}

// FuzzShelf lays anything on the shelf: it is refused or understood, in bounded memory.
func FuzzShelf(f *testing.F) {
	w, on := playedWorld(f), shelf{}
	w.state.PutOn(on)
	w.state.Shelve(on.put)
	for key, value := range on {
		f.Add([]byte(key), value)
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		s, err := poco.Unshelve(rules(), shelf{string(key): value})
		if err != nil {
			return
		}
		s.FetchAll()
		if s.Err() != nil {
			return
		}
		again := shelf{}
		s.PutOn(again)
		s.Shelve(again.put)
		if got, has := again[string(key)]; has && !bytes.Equal(got, value) {
			t.Fatalf("%x: %x is written as %x", key, value, got)
		}
	})
}
