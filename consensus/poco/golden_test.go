package poco_test

import (
	"testing"

	"assay/consensus/poco"
)

// The numbers here came out of the bytecode of PoCo 6.1.0 and 6.2.0.

// golden sets the prices of the golden vector: app 3, dataset 5, pool 1000000007 nRLC.
func golden(trust, volume uint64) func(*poco.Orders) {
	return func(o *poco.Orders) {
		o.App.Price, o.Request.AppMaxPrice = amount(3), amount(3)
		o.Dataset.Price, o.Request.DatasetMaxPrice = amount(5), amount(5)
		o.Workerpool.Price, o.Request.WorkerpoolMaxPrice = amount(1000000007), amount(1000000007)
		o.Workerpool.Trust, o.Request.Trust = amount(trust), amount(trust)
		o.App.Volume, o.Dataset.Volume, o.Workerpool.Volume, o.Request.Volume =
			amount(volume), amount(volume), amount(volume), amount(volume)
	}
}

func goldenWorld(t *testing.T) *world {
	w := newWorld(t, rules())
	w.deposit(100_000_000_000, "requester", "poolOwner", "w1", "w2", "w3", "w4")
	return w
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func status(w *world, task poco.Hash) poco.TaskStatus {
	t, _ := w.state.Task(task)
	return t.Status
}

func TestFourWorkersOfWhomOneLies(t *testing.T) {
	w := goldenWorld(t)
	deal := w.match(golden(3, 1))
	d, _ := w.state.Deal(deal)
	equal(t, "worker stake", d.WorkerStake, amount(300000002))
	task := w.initialize(deal, 0)
	w.contribute(task, "w1=good", "w2=bad", "w3=good")
	equal(t, "status after 4·3 > 7·2", status(w, task), poco.TaskActive)
	equal(t, "good", w.state.Consensus(task, poco.ResultHash(task, digestOf("good"))), poco.Consensus{Group: amount(4), Total: amount(7)})
	equal(t, "bad", w.state.Consensus(task, poco.ResultHash(task, digestOf("bad"))), poco.Consensus{Group: amount(2), Total: amount(7)})
	w.contribute(task, "w4=good")
	equal(t, "status after 8·3 > 11·2", status(w, task), poco.TaskRevealing)
	for _, worker := range []string{"w1", "w3", "w4"} {
		w.must(worker, poco.Reveal{Task: task, Digest: digestOf("good")})
	}
	finalize := func() { w.must("poolOwner", poco.Finalize{Task: task, Results: []byte("good")}) }
	stake, locked := w.gained("poolOwner", func() {
		stake, locked := w.gained("w1", finalize)
		equal(t, "winner's stake", stake, 429000002+300000002)
		equal(t, "winner's locked", locked, -300000002)
	})
	equal(t, "scheduler's stake", stake, 13000003+300000002)
	equal(t, "scheduler's locked", locked, -300000002)
	equal(t, "liar's locked", w.state.Account(w.who("w2")).Locked, amount(0))
	equal(t, "liar's stake", w.state.Account(w.who("w2")).Stake, amount(100_000_000_000-300000002))
	equal(t, "winner's score", w.state.Account(w.who("w1")).Score, amount(1))
	equal(t, "liar's score", w.state.Account(w.who("w2")).Score, amount(0))
	equal(t, "app's reward", w.state.Account(w.who("appOwner")).Stake, amount(3))
	equal(t, "dataset's reward", w.state.Account(w.who("datasetOwner")).Stake, amount(5))
	equal(t, "status", status(w, task), poco.TaskCompleted)
	equal(t, "hub", w.state.Account(w.state.Rules().Hub).Stake, amount(0))
}

func TestTrustFiveNeedsMore(t *testing.T) {
	w := goldenWorld(t)
	task := w.initialize(w.match(golden(5, 1)), 0)
	w.contribute(task, "w1=good", "w2=bad", "w3=good", "w4=good")
	equal(t, "status after 8·5 > 11·4", status(w, task), poco.TaskActive)
}

// fillKitty has the pool fail two tasks, which puts twice its stake into the kitty.
func fillKitty(w *world) {
	deal := w.match(golden(1, 2))
	w.wait(3000)
	w.must("anyone", poco.InitializeAndClaimArray{Deals: []poco.Hash{deal, deal}, Indices: []poco.Amount{amount(0), amount(1)}})
	equal(w.TB, "kitty", w.state.Account(poco.KittyAddress), poco.Account{Locked: amount(600000004)})
}

func TestContributeAndFinalizeDrainsASmallKitty(t *testing.T) {
	w := goldenWorld(t)
	fillKitty(w)
	task := w.initialize(w.match(golden(1, 1)), 0)
	command := poco.ContributeAndFinalize{Task: task, Digest: digestOf("x"), Authorization: w.authorize("w1", task, poco.Address{})}
	stake, locked := w.gained("poolOwner", func() {
		stake, locked := w.gained("w1", func() { w.must("w1", command) })
		equal(t, "worker's stake", stake, 990000006)
		equal(t, "worker's locked", locked, 0)
	})
	equal(t, "scheduler's stake", stake, 10000001+600000004+300000002)
	equal(t, "scheduler's locked", locked, -300000002)
	equal(t, "kitty", w.state.Account(poco.KittyAddress), poco.Account{})
	equal(t, "score", w.state.Account(w.who("w1")).Score, amount(0))
	c, _ := w.state.Contribution(task, w.who("w1"))
	equal(t, "contribution", c.Status, poco.Proved)
	equal(t, "weight", c.Weight, amount(0))
	equal(t, "consensus", w.state.Consensus(task, c.ResultHash), poco.Consensus{Total: amount(1)})
	got, _ := w.state.Task(task)
	equal(t, "reveal deadline", got.RevealDeadline, w.now.Time+600)
	equal(t, "counters", [2]uint64{got.RevealCounter, got.WinnerCounter}, [2]uint64{1, 1})
}

func TestReopenSeizesTheSilentWinner(t *testing.T) {
	w := goldenWorld(t)
	task := w.initialize(w.match(golden(1, 1)), 0)
	w.contribute(task, "w1=good")
	w.refused("poolOwner", poco.Reopen{Task: task}, "")
	w.wait(600)
	w.refused("w1", poco.Reveal{Task: task, Digest: digestOf("good")}, "")
	w.refused("w1", poco.Reopen{Task: task}, "")
	w.must("poolOwner", poco.Reopen{Task: task})
	w.refused("w1", w.contribution("w1", task, "good"), "")
	w.refused("w2", poco.ContributeAndFinalize{Task: task, Digest: digestOf("good"), Authorization: w.authorize("w2", task, poco.Address{})}, "")
	w.contribute(task, "w2=good")
	w.must("w2", poco.Reveal{Task: task, Digest: digestOf("good")})
	stake, _ := w.gained("poolOwner", func() {
		stake, _ := w.gained("w2", func() { w.must("poolOwner", poco.Finalize{Task: task}) })
		equal(t, "winner", stake, 1287000008+300000002)
	})
	equal(t, "scheduler", stake, 13000001+300000002)
	equal(t, "score of a trust-1 winner beside a second contributor", w.state.Account(w.who("w2")).Score, amount(1))
}

func TestClaimGivesEverybodyTheStakeBackButThePool(t *testing.T) {
	w := goldenWorld(t)
	deal := w.match(golden(3, 1))
	task := w.initialize(deal, 0)
	w.contribute(task, "w1=good", "w2=bad")
	w.wait(2999)
	w.refused("anyone", poco.Claim{Task: task}, "")
	w.wait(1)
	w.must("anyone", poco.Claim{Task: task})
	for _, name := range []string{"requester", "w1", "w2"} {
		equal(t, name, w.state.Account(w.who(name)), poco.Account{Stake: amount(100_000_000_000)})
	}
	equal(t, "pool", w.state.Account(w.who("poolOwner")), poco.Account{Stake: amount(100_000_000_000 - 300000002)})
	w.refused("anyone", poco.Claim{Task: task}, "")
}

func TestWeightGrowsWithTheScore(t *testing.T) {
	for score, want := range map[uint64]uint64{0: 2, 11: 2, 12: 3, 14: 3, 15: 4, 17: 4, 18: 5} {
		s := amount(score)
		equal(t, "weight", poco.Weight(&s), amount(want))
	}
}

// TestOnWhichSideOfADeadline a call is too late, and too early.
func TestOnWhichSideOfADeadline(t *testing.T) {
	w := goldenWorld(t)
	task := w.initialize(w.match(golden(3, 1)), 0)
	w.wait(2099)
	w.contribute(task, "w1=good")
	w.wait(1) // 7 clocks of 300 s after the deal
	w.refused("w2", w.contribution("w2", task, "good"), "")
	w.wait(899)
	w.refused("anyone", poco.Claim{Task: task}, "")
	w.wait(1) // 10 clocks after the deal
	w.must("anyone", poco.Claim{Task: task})

	late := w.initialize(w.match(golden(1, 1)), 0)
	w.wait(2099)
	w.contribute(late, "w1=good")
	w.wait(599)
	w.must("w1", poco.Reveal{Task: late, Digest: digestOf("good")})
	w.wait(302)
	w.refused("poolOwner", poco.Finalize{Task: late}, "")
	w.refused("poolOwner", poco.Reopen{Task: late}, "")
	w.must("anyone", poco.Claim{Task: late})
}

// TestAPartialRevealWaits for the reveal deadline before it can be finalized.
func TestAPartialRevealWaits(t *testing.T) {
	w := goldenWorld(t)
	task := w.initialize(w.match(golden(4, 1)), 0)
	w.contribute(task, "w1=good", "w2=good")
	equal(t, "status", status(w, task), poco.TaskRevealing)
	w.must("w1", poco.Reveal{Task: task, Digest: digestOf("good")})
	w.wait(599)
	w.refused("poolOwner", poco.Finalize{Task: task}, "")
	w.refused("poolOwner", poco.Reopen{Task: task}, "")
	w.wait(1) // 2 clocks after the consensus
	w.refused("w2", poco.Reveal{Task: task, Digest: digestOf("good")}, "")
	w.must("poolOwner", poco.Finalize{Task: task})
}
