package subgraph_test

import (
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"assay/consensus/poco"
	"assay/consensus/poco/wire"
	"assay/contracts"
	"assay/indexer/internal/market"
	"assay/indexer/projection/subgraph"
	"assay/indexer/projection/table"
	"assay/schema/assaypb"
)

// driver does for a fold what the projection does.
type driver struct {
	state *poco.State
	fold  *subgraph.Fold
	marks []mark
}

type mark struct {
	number uint64
	mark   poco.Mark
}

func newDriver() *driver {
	state := poco.New(poco.RulesOf(market.Preset))
	return &driver{state: state, fold: subgraph.New(state)}
}

func (d *driver) apply(t testing.TB, record *assaypb.ChainRecord) (rows subgraph.Rows) {
	t.Helper()
	var err error
	switch body := record.Body.(type) {
	case *assaypb.ChainRecord_Block:
		d.marks = append(d.marks, mark{body.Block.Number, d.state.Mark()})
		rows = d.fold.Block(body.Block, d.evolve(t, body.Block), record.Sequence)
	case *assaypb.ChainRecord_Retraction:
		last := len(d.marks) - 1
		err = d.state.Rollback(d.marks[last].mark)
		d.marks = d.marks[:last]
		rows = d.fold.Retract(record.Sequence)
	case *assaypb.ChainRecord_Mark:
		for len(d.marks) > 0 && d.marks[0].number <= body.Mark.FinalizedNumber {
			err = d.state.Release(d.marks[0].mark)
			d.marks = d.marks[1:]
		}
		d.fold.Final(body.Mark.FinalizedNumber)
		d.state.Forget() // as a projection whose memory is bounded does
	}
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func (d *driver) evolve(t testing.TB, block *assaypb.Block) []poco.Event {
	events := make([]poco.Event, len(block.Events))
	for i, message := range block.Events {
		event, err := wire.FromProto(message)
		if err == nil && event != nil {
			err = d.state.Evolve(poco.Block{Number: block.Number, Time: block.Time}, event)
		}
		if err != nil {
			t.Fatal(err)
		}
		events[i] = event
	}
	return events
}

// tables is a naive ClickHouse: of each key the row with the highest version counts. What is
// inserted into a table that has a history goes there, too, as its view does.
type tables map[string]map[string]stored

type stored struct {
	version uint64
	deleted bool
	fields  fields
}

var histories = func() map[string]bool {
	found := map[string]bool{}
	for _, t := range (&subgraph.Rows{}).Tables() {
		if name, is := strings.CutSuffix(t.Name, "_history"); is {
			found[name] = true
		}
	}
	return found
}()

func (ts tables) write(rows []table.Table) {
	for _, t := range rows {
		for i := range t.Len() {
			row := readRow(t.Row(i))
			ts.put(t.Name, row)
			if histories[t.Name] {
				ts.put(t.Name+"_history", row)
			}
		}
	}
}

func (ts tables) put(name string, row stored) {
	if ts[name] == nil {
		ts[name] = map[string]stored{}
	}
	key := row.fields["id"]
	if strings.HasSuffix(name, "_history") {
		key += "@" + row.fields["block_number"]
	}
	if old, ok := ts[name][key]; !ok || old.version <= row.version {
		ts[name][key] = row
	}
}

func readRow(pointer any) stored {
	row := reflect.ValueOf(pointer).Elem()
	s := stored{fields: fields{}}
	for i := range row.NumField() {
		switch name := row.Type().Field(i).Tag.Get("ch"); name {
		case "version":
			s.version = row.Field(i).Uint()
		case "deleted":
			s.deleted = row.Field(i).Uint() == 1
		case "chain":
			if row.Field(i).Uint() != market.Preset.ChainID {
				panic("a row of another chain")
			}
		default:
			s.fields[name] = spell(row.Field(i))
		}
	}
	return s
}

func spell(v reflect.Value) string {
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return null
	}
	if n, ok := v.Interface().(*big.Int); ok {
		return n.String()
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return fmt.Sprint(v.Interface())
}

// dump lists all that is there, a line for each row.
func (ts tables) dump() string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(ts)) {
		for _, key := range slices.Sorted(maps.Keys(ts[name])) {
			if row := ts[name][key]; !row.deleted {
				fmt.Fprintf(&out, "%s %s", name, key)
				for _, field := range slices.Sorted(maps.Keys(row.fields)) {
					if field != "id" {
						fmt.Fprintf(&out, " %s=%s", field, row.fields[field])
					}
				}
				out.WriteByte('\n')
			}
		}
	}
	return out.String()
}

// tables of the mapping, by the names of the database.
func (m *mapping) tables() tables {
	ts := tables{}
	for kind, entities := range m.store {
		ts.fill("subgraph_"+snake(kind), entities)
	}
	for kind, entities := range m.history {
		if name := "subgraph_" + snake(kind); histories[name] {
			ts.fill(name+"_history", entities)
		}
	}
	return ts
}

func (ts tables) fill(name string, entities map[string]fields) {
	ts[name] = map[string]stored{}
	for key, e := range entities {
		ts[name][key] = stored{fields: e}
	}
}

func snake(name string) string {
	var out strings.Builder
	for i, r := range name {
		if i > 0 && 'A' <= r && r <= 'Z' {
			out.WriteByte('_')
		}
		out.WriteRune(r)
	}
	return strings.ToLower(out.String())
}

// mapped plays the blocks of a market to a mapping.
func mapped(blocks []market.Block) *mapping {
	m := newMapping(contracts.Domain{ChainID: market.Preset.ChainID, Hub: common.HexToAddress(market.Preset.Hub)})
	for _, block := range blocks {
		m.play(block.Block)
	}
	return m
}

// diff lists what is only in one of two dumps, at most some lines of each.
func diff(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	only := func(sign string, in, other []string) string {
		var out strings.Builder
		lines := 0
		for _, line := range in {
			if !slices.Contains(other, line) && lines < 6 {
				out.WriteString(sign + line + "\n")
				lines++
			}
		}
		return out.String()
	}
	return only("+ ", a, b) + only("- ", b, a)
}
