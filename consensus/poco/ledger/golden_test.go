package ledger_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"assay/consensus/poco"
	"assay/consensus/poco/ledger"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The people of the golden vector.
var who = map[poco.Address]string{
	{0x11}: "requester", {0x22}: "poolOwner", {0x33}: "appOwner", {0x44}: "datasetOwner",
	{0xa1}: "w1", {0xa2}: "w2", {0xa3}: "w3", {0xa4}: "w4", poco.KittyAddress: "kitty",
}

func named(name string) poco.Address {
	for address, n := range who {
		if n == name {
			return address
		}
	}
	panic("nobody is called " + name)
}

// golden is a deal of the golden vector: app 3, dataset 5, pool 1000000007 nRLC, ratio 1.
// Its numbers came out of the bytecode of PoCo 6.1.0 and 6.2.0.
type golden struct {
	testing.TB
	state *poco.State
	now   poco.Block
	deal  poco.Hash
	task  poco.Hash
	stake uint64
}

func newGolden(t testing.TB, trust uint64) *golden {
	g := &golden{TB: t, state: poco.New(poco.Rules{ChainID: 1337, Hub: hub}), now: poco.Block{Number: 1, Time: start}, stake: 300000002}
	g.fold(poco.CreateCategory{WorkClockTimeRef: amount(300)})
	for _, name := range []string{"requester", "poolOwner", "w1", "w2", "w3", "w4"} {
		g.fold(poco.Transfer{To: named(name), Value: amount(100_000_000_000)})
	}
	g.match(1, trust)
	return g
}

// match makes a deal of one task and initializes it.
func (g *golden) match(id byte, trust uint64) {
	g.lock("requester", 1000000015)
	g.lock("poolOwner", g.stake)
	g.deal = poco.DealID(poco.Hash{id, 4}, &poco.Amount{})
	g.task = poco.TaskID(g.deal, &poco.Amount{})
	g.fold(poco.OrdersMatched{Deal: g.deal, AppHash: poco.Hash{id, 1}, DatasetHash: poco.Hash{id, 2}, WorkerpoolHash: poco.Hash{id, 3},
		RequestHash: poco.Hash{id, 4}, Volume: amount(1), Body: &poco.Deal{
			App:        poco.Priced{Pointer: common.Address{1}, Owner: named("appOwner"), Price: amount(3)},
			Dataset:    poco.Priced{Pointer: common.Address{2}, Owner: named("datasetOwner"), Price: amount(5)},
			Workerpool: poco.Priced{Pointer: common.Address{3}, Owner: named("poolOwner"), Price: amount(1000000007)},
			Trust:      amount(trust), Requester: named("requester"), Sponsor: named("requester"), StartTime: g.now.Time, BotSize: 1,
			WorkerStake: amount(g.stake), SchedulerRewardRatio: amount(1),
		}})
	g.fold(poco.TaskInitialize{Task: g.task, Workerpool: common.Address{3}, Deal: g.deal})
}

func (g *golden) fold(event poco.Event) {
	g.Helper()
	if err := g.state.Evolve(g.now, event); err != nil {
		g.Fatal(err)
	}
}

func (g *golden) lock(name string, value uint64) {
	g.fold(poco.Transfer{From: named(name), To: hub, Value: amount(value)})
	g.fold(poco.Lock{Owner: named(name), Amount: amount(value)})
}

func (g *golden) contribute(name, result string) {
	g.lock(name, g.stake)
	g.fold(poco.TaskContribute{Task: g.task, Worker: named(name), ResultHash: poco.Hash{result[0]}, ResultSeal: poco.Hash{1}})
}

func (g *golden) reveal(result string, names ...string) {
	g.fold(poco.TaskConsensus{Task: g.task, Consensus: poco.Hash{result[0]}})
	for _, name := range names {
		g.fold(poco.TaskReveal{Task: g.task, Worker: named(name)})
	}
}

// settle plays the last call of a task and explains it.
func (g *golden) settle(out *strings.Builder, title, sender string, command poco.Command) {
	g.Helper()
	events, err := g.state.Decide(g.now, named(sender), command)
	if err != nil {
		g.Fatal(err)
	}
	g.tell(out, title, events)
}

func (g *golden) tell(out *strings.Builder, title string, events []poco.Event) {
	g.Helper()
	for _, event := range events {
		g.fold(event)
	}
	calls := ledger.Calls(events, 0, len(events))
	if len(calls) != 1 {
		g.Fatalf("%d calls", len(calls))
	}
	s := ledger.Explain(g.state, calls[0])
	n := s.Numbers
	fmt.Fprintf(out, "# %s: %s, exact %t\n", title, s.Call, s.Exact)
	fmt.Fprintf(out, "price %s = app %s + dataset %s + workerpool %s\n", &s.Price, &n.App, &n.Dataset, &n.Workerpool)
	if s.Call == ledger.Claim {
		fmt.Fprintf(out, "kitty fill %s\n", &s.KittyFill)
	} else {
		fmt.Fprintf(out, "reward %s = workerpool %s + seized %s\n", &n.Reward, &n.Workerpool, &n.Seized)
		fmt.Fprintf(out, "workers' reward %s = %s · (100 − %s) / 100, weights %s\n", &n.WorkersReward, &n.Reward, &n.Ratio, &n.Weights)
		fmt.Fprintf(out, "remainder %s, of it rounding %s; kitty draw %s\n", &n.Remainder, &n.Rounding, &s.KittyDraw)
	}
	for _, l := range s.Lines {
		fmt.Fprintf(out, "  %-12s %-10s %-19s %10s  stake %+11d  locked %+11d  weight %s\n",
			who[l.Account], l.Role, l.Kind, &l.Amount, l.Stake.Big(), l.Locked.Big(), &l.Weight)
	}
	out.WriteByte('\n')
}

// TestGoldenVector explains the golden vector: four workers of whom one lies; a worker that
// does it all at once and a kitty that is drained; a winner that keeps silent; a claim.
func TestGoldenVector(t *testing.T) {
	var out strings.Builder
	g := newGolden(t, 3)
	g.contribute("w1", "good")
	g.contribute("w2", "bad")
	g.contribute("w3", "good")
	g.contribute("w4", "good")
	g.reveal("good", "w1", "w3", "w4")
	g.settle(&out, "four workers of whom one lies", "poolOwner", poco.Finalize{Task: g.task})

	g.match(2, 1)
	g.now.Time += 3000
	g.settle(&out, "nobody worked", "w4", poco.Claim{Task: g.task})
	g.match(3, 3)
	g.contribute("w1", "good")
	g.contribute("w2", "bad")
	g.now.Time += 3000
	g.settle(&out, "two workers did not agree in time", "w4", poco.Claim{Task: g.task})

	g.match(4, 1)
	unlock, reward := func(name string, x uint64) []poco.Event {
		return []poco.Event{poco.Transfer{From: hub, To: named(name), Value: amount(x)}, poco.Unlock{Owner: named(name), Amount: amount(x)}}
	}, func(name string, x uint64) []poco.Event {
		return []poco.Event{poco.Transfer{From: hub, To: named(name), Value: amount(x)}, poco.Reward{Owner: named(name), Amount: amount(x), Ref: g.task}}
	}
	events := []poco.Event{poco.Seize{Owner: named("requester"), Amount: amount(1000000015), Ref: g.task}}
	events = append(append(events, reward("appOwner", 3)...), reward("datasetOwner", 5)...)
	events = append(append(events, unlock("poolOwner", g.stake)...), poco.Seize{Owner: poco.KittyAddress, Amount: amount(600000004), Ref: g.task})
	events = append(append(append(events, reward("poolOwner", 600000004)...), reward("w1", 990000006)...), reward("poolOwner", 10000001)...)
	g.tell(&out, "a worker that does it all at once, and the kitty is drained", append(events,
		poco.TaskContribute{Task: g.task, Worker: named("w1"), ResultHash: poco.Hash{1}, ResultSeal: poco.Hash{1}},
		poco.TaskConsensus{Task: g.task, Consensus: poco.Hash{1}}, poco.TaskReveal{Task: g.task, Worker: named("w1")},
		poco.TaskFinalize{Task: g.task}))

	g.match(5, 1)
	g.contribute("w1", "good")
	g.reveal("good")
	g.fold(poco.TaskReopen{Task: g.task})
	g.contribute("w2", "good")
	g.reveal("good", "w2")
	g.settle(&out, "a winner kept silent and the task was reopened", "poolOwner", poco.Finalize{Task: g.task})

	const file = "testdata/golden.txt"
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("the explanations differ from %s (-update writes it anew):\n%s", file, out.String())
	}
}
