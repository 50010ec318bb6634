package projection_test

import (
	"errors"
	"math/rand"
	"testing"

	"pgregory.net/rapid"

	"assay/indexer/internal/market"
	"assay/indexer/projection"
	"assay/indexer/projection/projectiontest"
	"assay/schema/assaypb"
)

// TestAShelfChangesNothing: rows are the same wherever the state lies, and after restarts,
// whatever is taken back.
func TestAShelfChangesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		intn := choices(rt)
		m, log := market.New(intn), &market.Log{}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			if depth := rapid.IntRange(-12, 8).Draw(rt, "depth"); depth > 0 {
				log.Fork(m, depth)
			}
			log.Block(m.Grow(rapid.IntRange(0, 12).Draw(rt, "calls")))
			if rapid.Bool().Draw(rt, "mark") {
				log.Mark(m, rapid.Uint64Range(0, 12).Draw(rt, "finality"))
			}
		}
		if err := projectiontest.Shelved(market.Preset, log.Records, intn); err != nil {
			rt.Fatal(err)
		}
	})
}

// shelved is a shelf after a market's log, of which some blocks are not final.
func shelved(t testing.TB) (projectiontest.Shelf, []*assaypb.ChainRecord) {
	m, log := market.New(rand.New(rand.NewSource(4)).Intn), &market.Log{}
	for range 30 {
		log.Block(m.Grow(15))
	}
	log.Mark(m, 5)
	on := projectiontest.Shelf{}
	p, err := projection.Unshelve(market.Preset, on)
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range log.Records {
		if _, err := p.Apply(record); err != nil {
			t.Fatal(err)
		}
	}
	p.Shelve(on.Put)
	return on, log.Records
}

// TestAForeignShelfIsRefused lists what a fold does not go on from.
func TestAForeignShelfIsRefused(t *testing.T) {
	other := market.Preset
	other.Hub = market.Preset.AppRegistry
	on, _ := shelved(t)
	header := on["\x00"]
	cases := map[string]func() error{
		"another chain":     func() error { _, err := projection.Unshelve(other, on); return err },
		"another format":    func() error { return spoil(on, append([]byte{9}, header[1:]...)) },
		"a damaged header":  func() error { return spoil(on, header[:len(header)-1]) },
		"something longer":  func() error { return spoil(on, append(append([]byte{}, header...), 0)) },
		"nothing but zeros": func() error { return spoil(on, make([]byte, len(header))) },
	}
	for name, run := range cases {
		if err := run(); !errors.Is(err, projection.ErrShelf) {
			t.Errorf("%s: %v", name, err)
		}
	}
	on["\x00"] = header
	if _, err := projection.Unshelve(market.Preset, on); err != nil {
		t.Error(err)
	}
}

func spoil(on projectiontest.Shelf, header []byte) error {
	on["\x00"] = header
	_, err := projection.Unshelve(market.Preset, on)
	return err
}

// FuzzShelf changes something on a shelf and folds on: the fold is refused at the start, or
// stops at a record, or goes on; it never fails otherwise.
func FuzzShelf(f *testing.F) {
	on, records := shelved(f)
	tables := map[byte]bool{}
	for key, value := range on {
		if table := key[0]; !tables[table] {
			tables[table] = true
			f.Add([]byte(key), value)
			f.Add([]byte(key), value[:len(value)/2])
		}
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		mine := projectiontest.Shelf{}
		for key, value := range on {
			mine[key] = value
		}
		mine[string(key)] = value
		p, err := projection.Unshelve(market.Preset, mine)
		if err != nil {
			return
		}
		for _, record := range records {
			if _, err := p.Apply(record); err != nil {
				return
			}
		}
		p.Shelve(mine.Put)
	})
}
