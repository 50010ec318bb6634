package projection_test

import (
	"flag"
	"maps"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/holiman/uint256"

	"assay/consensus/poco"
	"assay/indexer/internal/market"
	"assay/indexer/projection"
)

func number(n uint64) *poco.Amount { return uint256.NewInt(n) }

var update = flag.Bool("update", false, "write testdata anew")

// TestStory folds a small story and shows every row that readers then see: a replicated
// deal with a liar, a claimed task whose pool fills the kitty, a task finalized by its
// worker that empties it again and whose every part one greedy player plays, and a fork
// that undoes a withdrawal.
func TestStory(t *testing.T) {
	quiet := func(int) int { return 0 }
	m, log := market.New(quiet), &market.Log{}
	seal := func(seconds uint64, play func()) { log.Block(m.Seal(seconds, play)) }
	greedy, liar, poor, other := m.Person(1), m.Person(2), m.Person(3), m.Person(4)
	var app, data, pool poco.Address
	seal(10, func() {
		m.Call(m.Person(0), poco.AddCategory{Name: "XS", Description: "short", WorkClockTimeRef: *number(market.WorkClock)})
		for _, person := range []poco.Address{greedy, liar, poor, other} {
			m.Call(person, poco.Deposit{Amount: *number(10_000_000_000)})
		}
		app, data, pool = m.Register(poco.App, greedy), m.Register(poco.Dataset, greedy), m.Register(poco.Workerpool, greedy)
	})
	log.Mark(m, 2)
	var deal poco.Hash
	seal(10, func() {
		deal, _ = m.Match(market.Terms{App: app, Dataset: data, Workerpool: pool, Requester: greedy, Prices: [3]int{3, 5, 1_000_000_007}, Trust: 3, Volume: 1})
		m.Call(greedy, poco.Initialize{Deal: deal})
	})
	task := poco.TaskID(deal, number(0))
	seal(10, func() {
		m.Contribute(task, liar, market.Bad)
		m.Contribute(task, greedy, market.Good)
		m.Contribute(task, poor, market.Good)
		m.Contribute(task, other, market.Good)
	})
	seal(10, func() {
		m.Call(greedy, poco.Reveal{Task: task, Digest: market.Good})
		m.Call(poor, poco.Reveal{Task: task, Digest: market.Good})
		m.Call(other, poco.Reveal{Task: task, Digest: market.Good})
		m.Scheduler(task, func(id poco.Hash) poco.Command { return poco.Finalize{Task: id, Results: []byte("done")} })
	})
	log.Mark(m, 2)
	var second poco.Hash
	seal(10, func() {
		second, _ = m.Match(market.Terms{App: app, Workerpool: pool, Requester: poor, Prices: [3]int{0, 0, 1000}, Trust: 0, Volume: 2})
		m.Call(greedy, poco.Initialize{Deal: second})
		m.Call(greedy, poco.Initialize{Deal: second, Index: *number(1)})
		m.Shortcut(poco.TaskID(second, number(1)), poor)
	})
	seal(11*market.WorkClock, func() { m.Call(liar, poco.Claim{Task: poco.TaskID(second, number(0))}) })
	seal(10, func() {
		third, _ := m.Match(market.Terms{App: app, Dataset: data, Workerpool: pool, Requester: greedy, Prices: [3]int{3, 5, 700}, Volume: 1})
		m.Call(greedy, poco.Initialize{Deal: third})
		m.Shortcut(poco.TaskID(third, number(0)), greedy)
	})
	seal(10, func() { m.Call(liar, poco.Withdraw{Amount: *number(1)}) })
	log.Mark(m, 2)
	log.Fork(m, 1)
	seal(11, func() { m.Call(liar, poco.Withdraw{Amount: *number(2)}) })
	log.Mark(m, 2)

	rows := fold(t, schemaTables(t), projection.New(market.Preset), log.Records)
	maps.DeleteFunc(rows, func(table string, _ map[string]reflect.Value) bool {
		return strings.HasPrefix(table, "subgraph_") // package subgraph tells its own story
	})
	got := rows.dump()
	const file = "testdata/story.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the rows differ from %s (-update writes it anew):\n%s", file, diff(got, string(want)))
	}
}
