// Package projectiontest compares ways to fold a chain log, for tests.
package projectiontest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"assay/indexer/projection"
	"assay/indexer/projection/table"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

// Shelf is a shelf in memory.
type Shelf map[string][]byte

// Load implements poco.Shelf.
func (s Shelf) Load(key []byte) ([]byte, bool) {
	value, ok := s[string(key)]
	return value, ok
}

// All implements poco.Shelf.
func (s Shelf) All(prefix []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for key, value := range s {
			if strings.HasPrefix(key, string(prefix)) && !yield([]byte(key), value) {
				return
			}
		}
	}
}

// Put puts a value on the shelf, or takes one away.
func (s Shelf) Put(key, value []byte) {
	if value == nil {
		delete(s, string(key))
		return
	}
	s[string(key)] = bytes.Clone(value)
}

// Shelved folds a log twice: in memory, and on a shelf with rows in memory for as long as
// choose, which picks a number in [0, n), says, and with restarts. The error says which
// record gave other rows.
func Shelved(preset chains.Preset, records []*assaypb.ChainRecord, choose func(n int) int) error {
	plain, on := projection.New(preset), Shelf{}
	other, err := projection.Unshelve(preset, on)
	if err != nil {
		return err
	}
	for i, original := range records {
		record := proto.Clone(original).(*assaypb.ChainRecord)
		record.Offset = proto.Uint64(uint64(i))
		want, err := plain.Apply(record)
		if err != nil {
			return err
		}
		got, err := other.Apply(record)
		if err != nil {
			return fmt.Errorf("on a shelf: %w", err)
		}
		if got, want := spell(got), spell(want); got != want {
			return fmt.Errorf("record %d gives\n%s\nin memory, and on a shelf\n%s", i, want, got)
		}
		switch choose(8) {
		case 0:
			other.Shelve(on.Put)
		case 1:
			other.Shelve(on.Put)
			other.Unload()
		case 2:
			other.Unload()
		case 3:
			if other, err = restart(preset, on, records[:i+1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// restart takes a fold from a shelf and folds what came after what lies there.
func restart(preset chains.Preset, on Shelf, records []*assaypb.ChainRecord) (*projection.Projection, error) {
	p, err := projection.Unshelve(preset, on)
	if err != nil {
		return nil, err
	}
	for i := int(p.Offset()); i < len(records); i++ {
		record := proto.Clone(records[i]).(*assaypb.ChainRecord)
		record.Offset = proto.Uint64(uint64(i))
		if _, err := p.Apply(record); err != nil {
			return nil, fmt.Errorf("from the shelf: %w", err)
		}
	}
	return p, nil
}

// spell writes rows so that all that can be told from them is in the text.
func spell(rows projection.Rows) string {
	var out strings.Builder
	for _, h := range rows.Stood {
		fmt.Fprintf(&out, "stood at %d %s, by record %d, written to %d\n", h.HeadNumber, h.HeadHash, h.Version, h.Written)
	}
	for _, t := range slices.Concat([]table.Table{table.Of("lowered", rows.Lowered)}, rows.Tables(), rows.Heading()) {
		if t.Len() == 0 {
			continue
		}
		text, err := json.Marshal(t.Rows().Interface())
		if err != nil {
			panic(err) // rows are plain values
		}
		fmt.Fprintf(&out, "%s %s\n", t.Name, text)
	}
	return out.String()
}
