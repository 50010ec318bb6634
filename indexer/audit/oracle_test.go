package audit

import (
	"fmt"
	"maps"
	"math/big"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"assay/indexer/internal/market"
	"assay/indexer/projection"
	"assay/internal/kafka"
	"assay/schema/assaypb"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// history is the log of a random market that forks and finalizes.
func history(t *rapid.T) []*assaypb.ChainRecord {
	m, log := market.New(rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed"))).Intn), &market.Log{}
	for range rapid.IntRange(1, 60).Draw(t, "steps") {
		if depth := rapid.IntRange(-12, 8).Draw(t, "depth"); depth > 0 {
			log.Fork(m, depth)
		}
		log.Block(m.Grow(rapid.IntRange(0, 12).Draw(t, "calls")))
		if rapid.Bool().Draw(t, "mark") {
			log.Mark(m, rapid.Uint64Range(0, 12).Draw(t, "finality"))
		}
	}
	log.Mark(m, rapid.Uint64Range(0, 12).Draw(t, "last"))
	return log.Records
}

// folded is what an audit makes of a log without asking anybody.
type folded struct {
	report *Report
	book   *book
	chunk  chunk
}

func foldLog(t testing.TB, records []*assaypb.ChainRecord) *folded {
	t.Helper()
	f := &folded{report: &Report{}}
	f.book = newBook(market.Preset, f.report)
	r := newReader(market.Preset.ChainID, f.report, func(b canonical) error {
		f.chunk.add(b, f.book.fold(b))
		return nil
	})
	for i, record := range records {
		value, err := proto.Marshal(record)
		ok(t, err)
		ok(t, r.read(kafka.Message{Offset: int64(i), Value: value}))
	}
	ok(t, r.end())
	return f
}

// rows lists the rows that the audit expects, by table.
func (f *folded) rows() map[string][]row {
	out := map[string][]row{"blocks": f.chunk.blocks, "events": f.chunk.events, "payouts": f.chunk.payouts}
	for _, t := range f.book.tables() {
		out[t.table.name] = []row{}
		for r := range t.rows {
			out[t.table.name] = append(out[t.table.name], r)
		}
	}
	return out
}

// allTables are the tables that are compared.
var allTables = []table{blocksTable, eventsTable, payoutsTable, accountsTable, dealsTable, tasksTable, contributionsTable, resourcesTable, categoriesTable}

// indexed are the rows that the projection leaves in the database, spelled as ClickHouse
// would, by table, in the order of the key.
func indexed(t testing.TB, records []*assaypb.ChainRecord) map[string][][]string {
	t.Helper()
	kept := map[string]map[string][]string{}
	for _, one := range allTables {
		kept[one.name] = map[string][]string{}
	}
	p := projection.New(market.Preset)
	for _, record := range records {
		rows, err := p.Apply(record)
		ok(t, err)
		for _, written := range rows.Tables() {
			for _, one := range allTables {
				for i := range written.Len() {
					if one.name == written.Name {
						values, deleted := spelled(one, written.Row(i))
						id := strings.Join(values[:one.key], "/")
						if kept[one.name][id] = values; deleted {
							delete(kept[one.name], id)
						}
					}
				}
			}
		}
	}
	out := map[string][][]string{}
	for _, one := range allTables {
		out[one.name] = slices.SortedFunc(maps.Values(kept[one.name]), one.compare)
	}
	return out
}

func spelled(t table, written any) (values []string, deleted bool) {
	v, byName := reflect.ValueOf(written).Elem(), map[string]string{}
	for i := range v.NumField() {
		text := fmt.Sprint(v.Field(i).Interface())
		switch x := v.Field(i).Interface().(type) {
		case *big.Int:
			text = x.String()
		case time.Time:
			text = fmt.Sprint(x.Unix())
		case *bool:
			if text = ""; x != nil {
				text = fmt.Sprint(*x)
			}
		}
		byName[v.Type().Field(i).Tag.Get("ch")] = text
	}
	for i := range t.columns {
		text, there := byName[t.column(i)]
		if !there {
			panic(t.name + " has no column " + t.column(i))
		}
		values = append(values, text)
	}
	return values, byName["deleted"] == "1"
}

// TestTwoBookkeepersAgree: whatever happens on a chain, the audit and the projection, which
// share nothing but the rules, come to the same rows.
func TestTwoBookkeepersAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		records := history(rt)
		audited := foldLog(t, records)
		for _, d := range audited.report.Differences {
			rt.Errorf("the log is said to be wrong: %s", d)
		}
		want := audited.rows()
		for name, rows := range indexed(t, records) {
			if len(rows) != len(want[name]) {
				rt.Fatalf("%s: %d rows, the audit expects %d", name, len(rows), len(want[name]))
			}
			for i, found := range rows {
				agree(rt, name, want[name][i], found)
			}
		}
	})
}

func agree(t *rapid.T, name string, want row, found []string) {
	for column := range want.values {
		if want.event != nil && column == len(want.values)-1 {
			if field, expected, got := argsDiffer(want.event, found[column]); field != "" {
				t.Errorf("%s %v: %s is %s, the audit expects %s", name, found[:2], field, got, expected)
			}
		} else if found[column] != want.values[column] {
			t.Errorf("%s %v: column %d is %s, the audit expects %s", name, found[:2], column, found[column], want.values[column])
		}
	}
}

// TestTheMarketHasItAll: the histories above are worth something only if all endings and
// all roles come about in them.
func TestTheMarketHasItAll(t *testing.T) {
	m, log := market.New(rand.New(rand.NewSource(1)).Intn), &market.Log{}
	for range 600 {
		log.Block(m.Grow(12))
	}
	log.Mark(m, 0)
	audited := foldLog(t, log.Records)
	roles, statuses := map[string]int{}, map[string]int{}
	for _, r := range audited.rows()["payouts"] {
		roles[r.values[4]+" "+r.values[5]]++
	}
	for _, r := range audited.rows()["tasks"] {
		statuses[r.values[5]]++
	}
	for _, role := range []string{"SEIZE PAYER", "REWARD APP", "REWARD DATASET", "SEIZE KITTY", "REWARD KITTY", "REWARD WORKER", "SEIZE WORKER", "REWARD WORKERPOOL", "SEIZE WORKERPOOL"} {
		if roles[role] == 0 {
			t.Errorf("nobody got a %s: %v", role, roles)
		}
	}
	for _, status := range taskStatus[1:] {
		if statuses[status] == 0 {
			t.Errorf("no task is %s: %v", status, statuses)
		}
	}
	if len(audited.report.Differences) > 0 || audited.report.Compared.Log.Settlements == 0 {
		t.Errorf("%d settlements, %v", audited.report.Compared.Log.Settlements, audited.report.Differences)
	}
}

// plus adds to an amount as a message carries it.
func plus(value []byte, n int64) []byte {
	sum := new(big.Int).Add(new(big.Int).SetBytes(value), big.NewInt(n))
	if sum.Sign() < 0 {
		sum.SetUint64(1) // of nothing, no less can be
	}
	return sum.Bytes()
}
