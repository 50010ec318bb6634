package subgraph_test

import (
	"flag"
	"os"
	"testing"

	"github.com/holiman/uint256"

	"assay/consensus/poco"
	"assay/indexer/internal/market"
)

var update = flag.Bool("update", false, "write testdata/story.txt anew")

// TestStory tells one market's life and what is kept of it, history and all: a dispute that
// a wrong worker loses, results that nobody reveals, a task that nobody finishes, an app that
// is sold after it was used, an order that was broadcast, a policy, and a fork.
func TestStory(t *testing.T) {
	m, log := market.New(func(int) int { return 0 }), &market.Log{}
	seal := func(seconds uint64, play func()) { log.Block(m.Seal(seconds, play)) }
	owner, a, b, c := m.Person(0), m.Person(1), m.Person(2), m.Person(3)
	var app, data, pool poco.Address
	seal(10, func() {
		m.Call(owner, poco.AddCategory{Name: "XS", Description: "short", WorkClockTimeRef: *uint256.NewInt(market.WorkClock)})
		for i := range 4 {
			m.Call(m.Person(i), poco.Deposit{Amount: *uint256.NewInt(10_000_000_000)})
		}
		app, data, pool = m.Register(poco.App, a), m.Register(poco.Dataset, b), m.Register(poco.Workerpool, owner)
	})
	var deal poco.Hash
	seal(10, func() {
		orders := m.Orders(market.Terms{App: app, Dataset: data, Workerpool: pool, Requester: c, Prices: [3]int{3, 5, 1000}, Trust: 3, Volume: 3})
		orders.App.Tag, orders.App.WorkerpoolRestrict = poco.Hash{}, pool
		m.Broadcast(a, orders.App)
		deal, _ = m.MatchOrders(orders)
	})
	task := func(i uint64) poco.Hash { return poco.TaskID(deal, uint256.NewInt(i)) }
	seal(10, func() {
		for i := range uint64(3) {
			m.Call(c, poco.Initialize{Deal: deal, Index: *uint256.NewInt(i)})
		}
		m.Contribute(task(0), a, market.Bad)
		for _, worker := range []poco.Address{b, c, owner} {
			m.Contribute(task(0), worker, market.Good)
		}
		for _, worker := range []poco.Address{a, b, c} {
			m.Contribute(task(1), worker, market.Good)
		}
	})
	seal(10, func() {
		for _, worker := range []poco.Address{b, c, owner} {
			m.Call(worker, poco.Reveal{Task: task(0), Digest: market.Good})
		}
		m.Scheduler(task(0), func(id poco.Hash) poco.Command { return poco.Finalize{Task: id, Results: []byte("ipfs")} })
	})
	log.Mark(m, 1)
	seal(2*market.WorkClock, func() {
		m.Scheduler(task(1), func(id poco.Hash) poco.Command { return poco.Reopen{Task: id} })
		m.Call(a, poco.TransferResource{Kind: poco.App, Resource: app, From: a, To: b})
		m.Call(owner, poco.ChangePolicy{Workerpool: pool, WorkerStakeRatio: *uint256.NewInt(35), SchedulerRewardRatio: *uint256.NewInt(5)})
	})
	seal(10*market.WorkClock, func() { m.Call(c, poco.Claim{Task: task(2)}) })
	log.Fork(m, 1)
	seal(11*market.WorkClock, func() { m.Call(c, poco.ClaimArray{Tasks: []poco.Hash{task(1), task(2)}}) })

	d, ts := newDriver(), tables{}
	for _, record := range log.Records {
		rows := d.apply(t, record)
		ts.write(rows.Tables())
	}
	got := ts.dump()
	const file = "testdata/story.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
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
