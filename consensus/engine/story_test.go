package engine

import (
	"maps"
	"testing"

	"pgregory.net/rapid"

	"assay/consensus/poco"
	"assay/schema/assaypb"
)

func lies(p *pool, name string, asked *assaypb.Decision) { p.contribute(name, asked, "wrong") }
func sleeps(*pool, string, *assaypb.Decision)            {}

func (p *pool) expect(want map[string]int) {
	p.Helper()
	got := p.counted()
	for name, n := range want {
		if got[name] != n {
			p.Errorf("%s: decided %d times, want %d (all: %v)", name, got[name], n, got)
		}
	}
}

func (p *pool) ends(task poco.Hash, want poco.TaskStatus) {
	p.Helper()
	if got := p.status(task); got != want {
		p.Fatalf("the task has status %d, want %d (decided: %v)", got, want, p.counted())
	}
}

// TestOneLiarAmongFive: with trust 5, three workers would do if they agreed; one lies, so
// that a fourth and a fifth are asked, and it is the liar who pays.
func TestOneLiarAmongFive(t *testing.T) {
	p := newPool(t)
	p.hire("a", "b", "c", "d", "e", "f")
	liar := p.names[p.lowest("a", "b", "c", "d", "e", "f")]
	p.answers[liar] = lies
	task := p.deal(5, nil)
	p.settle()
	p.ends(task, poco.TaskCompleted)
	p.expect(map[string]int{"assignment": 5, "INITIALIZE": 1, "consensus": 1, "FINALIZE": 1, "REASON_OK": 5})
	if p.contracts.Account(p.who(liar)).Stake == nRLC(100_000) {
		t.Error("the liar lost nothing")
	}
	p.explains(task, map[string]string{
		"PAYER PRICE_PAID": "1005", "APP PRICE_EARNED": "5", "WORKER STAKE_SEIZED": "300", "WORKER REWARD_SHARE": "321",
		"WORKERPOOL SCHEDULER_REMAINDER": "16", "WORKERPOOL STAKE_RETURNED": "300", "WORKER STAKE_RETURNED": "300",
	})
}

// explains checks the one settlement of a task that the log holds: each line by its role
// and kind (where several are alike, their common amount).
func (p *pool) explains(task poco.Hash, want map[string]string) {
	p.Helper()
	var found *assaypb.Settlement
	for _, decision := range p.decisions {
		if settlement := decision.GetSettlement(); settlement != nil && poco.Hash(decision.Task) == task {
			if found != nil {
				p.Fatal("the task's settlement is explained twice")
			}
			found = settlement
		}
	}
	if found == nil || !found.Exact {
		p.Fatalf("the task's settlement is explained as %v", found)
	}
	got := make(map[string]string)
	for _, line := range found.Lines {
		got[line.Role+" "+line.Kind] = line.Amount
	}
	if !maps.Equal(got, want) {
		p.Errorf("the settlement is explained as %v, want %v", got, want)
	}
}

// lowest is the address that is asked first.
func (p *pool) lowest(names ...string) poco.Address {
	lowest := p.who(names[0])
	for _, name := range names {
		if p.who(name).Cmp(lowest) < 0 {
			lowest = p.who(name)
		}
	}
	return lowest
}

// TestOneEnclaveIsEnough: trust 1 in an enclave is ended by its worker.
func TestOneEnclaveIsEnough(t *testing.T) {
	p := newPool(t)
	p.hire("a", "b")
	task := p.deal(1, inEnclave)
	p.settle()
	p.ends(task, poco.TaskCompleted)
	p.expect(map[string]int{"assignment": 1, "INITIALIZE": 1, "consensus": 0, "FINALIZE": 0, "REASON_OK": 1})
}

// TestEnclavesMayAlsoAgree: with more trust, enclaves contribute like any worker.
func TestEnclavesMayAlsoAgree(t *testing.T) {
	p := newPool(t)
	p.hire("a", "b", "c")
	task := p.deal(3, inEnclave)
	p.settle()
	p.ends(task, poco.TaskCompleted)
	p.expect(map[string]int{"assignment": 2, "consensus": 1, "FINALIZE": 1})
}

// TestNobodyReveals: the task is reopened, another worker's result completes it.
func TestNobodyReveals(t *testing.T) {
	p := newPool(t)
	p.hire("a", "b")
	shy := p.names[p.lowest("a", "b")]
	p.reveals[shy] = false
	task := p.deal(1, nil)
	p.settle()
	p.ends(task, poco.TaskRevealing)
	p.expect(map[string]int{"REOPEN": 0, "FINALIZE": 0})
	p.wait(601)
	p.ends(task, poco.TaskCompleted)
	p.expect(map[string]int{"assignment": 2, "consensus": 2, "REOPEN": 1, "FINALIZE": 1})
}

// TestSomeReveal: once time is up, one reveal is enough to finalize.
func TestSomeReveal(t *testing.T) {
	p := newPool(t)
	p.hire("a", "b")
	p.reveals["b"] = false
	task := p.deal(3, nil)
	p.settle()
	p.ends(task, poco.TaskRevealing)
	p.wait(601)
	p.ends(task, poco.TaskCompleted)
	p.expect(map[string]int{"REOPEN": 0, "FINALIZE": 1})
}

// TestCallback: the contract that a deal calls back is given the result that a worker hands
// over, whoever it is, and no other.
func TestCallback(t *testing.T) {
	p := newPool(t)
	p.hire("a", "b")
	p.keeps = true
	task := p.deal(3, callingBack)
	early := p.handover("a", task, "right")
	p.post(early)
	p.settle()
	p.ends(task, poco.TaskRevealing)
	p.expect(map[string]int{"FINALIZE": 0, "callback_result_missing": 0})
	if verdict := p.post(p.handover("a", task, "wrong")).GetVerdict(); verdict.GetReason() != assaypb.Reason_REASON_WRONG_RESULT {
		t.Errorf("a wrong result is answered by %v", verdict)
	}
	p.wait(601)
	p.ends(task, poco.TaskRevealing)
	p.expect(map[string]int{"FINALIZE": 0, "callback_result_missing": 1})
	p.post(p.handover("stranger", task, "right"))
	p.restart()
	p.settle()
	p.ends(task, poco.TaskCompleted)
	p.expect(map[string]int{"FINALIZE": 1, "REOPEN": 0, "REASON_WRONG_RESULT": 1})
	if known, _ := p.contracts.Task(task); string(known.ResultsCallback) != "right" {
		t.Errorf("the contract is called back with %q", known.ResultsCallback)
	}
	p.restart() // in which the letters are read again
}

// TestSilence: a worker that does not answer is replaced after a period; where nobody
// does, the task is claimed after its final deadline and not before.
func TestSilence(t *testing.T) {
	p := newPool(t)
	p.hire("a", "b")
	p.answers["a"], p.answers["b"] = sleeps, sleeps
	task := p.deal(1, nil)
	p.settle()
	p.expect(map[string]int{"assignment": 1})
	p.wait(301)
	p.expect(map[string]int{"assignment": 2, "task_unassignable": 0})
	p.wait(301)
	p.expect(map[string]int{"assignment": 2, "task_unassignable": 1})
	for address, load := range p.core.load {
		if load.slots != 0 || !load.promised.IsZero() {
			t.Errorf("%s is held to a task that it was too late for", p.names[address])
		}
	}
	p.claimedAt(task)
}

// claimedAt lets time pass to the second before a task's final deadline, when nothing must
// be claimed, and to the deadline, when it must.
func (p *pool) claimedAt(task poco.Hash) {
	p.Helper()
	known, _ := p.contracts.Task(task)
	p.now.Time = known.FinalDeadline - 1
	for range testConfirmations + 1 {
		p.now.Time = known.FinalDeadline - 1
		p.turn()
	}
	p.expect(map[string]int{"CLAIM": 0})
	for range testConfirmations + 1 {
		p.now.Time = known.FinalDeadline
		p.turn()
	}
	p.expect(map[string]int{"CLAIM": 1})
	p.settle()
	p.ends(task, poco.TaskFailed)
}

// TestNobodyThere: a deal that finds no worker is initialized all the same, because only
// then can it be claimed and the requester get its money back.
func TestNobodyThere(t *testing.T) {
	p := newPool(t)
	task := p.deal(1, nil)
	p.wait(3001)
	p.ends(task, poco.TaskFailed)
	p.expect(map[string]int{"INITIALIZE": 1, "CLAIM": 1, "assignment": 0})
}

// TestPoorWorkerIsNotAsked: a worker whose stake would not cover its contribution.
func TestPoorWorkerIsNotAsked(t *testing.T) {
	p := newPool(t)
	p.hire("poor")
	p.must("poor", poco.Withdraw{Amount: nRLC(100_000 - 299)}) // 300 are asked for
	p.settle()
	p.deal(1, nil)
	p.settle()
	p.expect(map[string]int{"assignment": 0, "task_unassignable": 1})
}

// TestWorkerWithoutEnclaveIsNotAsked for a task that wants one, and is for others.
func TestWorkerWithoutEnclaveIsNotAsked(t *testing.T) {
	p := newPool(t)
	p.hire("bare")
	p.deal(1, inEnclave)
	p.settle()
	p.expect(map[string]int{"assignment": 0, "task_unassignable": 1})
	task := p.deal(1, nil)
	p.settle()
	p.ends(task, poco.TaskCompleted)
}

// TestOtherPoolsDealsAreLeftAlone: neither acted on nor answered for.
func TestOtherPoolsDealsAreLeftAlone(t *testing.T) {
	p := newPool(t)
	p.hire("a")
	other := poco.Address{19: 7}
	p.must("owner", poco.Register{At: other, Resource: poco.Resource{Kind: poco.Workerpool, Owner: p.who("poolOwner")}})
	task := p.deal(1, func(o *poco.Orders) { o.Workerpool.Workerpool, o.Request.Workerpool = other, other })
	deal, _ := p.contracts.Deal(poco.Hash{})
	if deal != nil {
		t.Fatal("there is a deal of zero")
	}
	p.settle()
	before := len(p.decisions)
	if answer := p.post(p.seal65("a", signed(p.contribution("a", p.fakeAssignment(task), "right")))); answer != nil &&
		answer.GetVerdict().Reason != assaypb.Reason_REASON_UNKNOWN_TASK {
		t.Errorf("answered %v", answer)
	}
	p.expect(map[string]int{"INITIALIZE": 0, "assignment": 0})
	if len(p.decisions) > before+1 {
		t.Errorf("decided %v", p.decisions[before:])
	}
}

// fakeAssignment is an assignment that the engine never made.
func (p *pool) fakeAssignment(task poco.Hash) *assaypb.Decision {
	return &assaypb.Decision{Task: task[:], Body: &assaypb.Decision_Assignment{
		Assignment: &assaypb.Assignment{Tag: make([]byte, 32), Anchor: make([]byte, 32)},
	}}
}

// TestRefusedTransactionIsTriedAgainLater: not at once, not for ever, and then told.
func TestRefusedTransactionIsTriedAgainLater(t *testing.T) {
	p := newPool(t)
	p.hire("a")
	task := p.deal(1, nil)
	p.seal()
	p.seal()
	p.seal()
	for attempt := range maxAttempts {
		due := p.core.Plan()
		if len(due) != 1 || due[0].GetIntent().GetAction() != assaypb.Intent_INITIALIZE || int(due[0].GetIntent().Attempt) != attempt {
			t.Fatalf("attempt %d: planned %v", attempt, due)
		}
		if again := p.core.Plan(); len(again) != 0 {
			t.Fatalf("planned again before the outcome: %v", again)
		}
		p.record(&assaypb.Decision{
			Id: []byte{byte(attempt)}, ChainId: 1337, Workerpool: testPool[:], Task: task[:], Time: p.core.now,
			Body: &assaypb.Decision_Outcome{Outcome: &assaypb.Outcome{Intent: due[0].Id, Status: assaypb.Outcome_REVERTED}},
		})
		if again := p.core.Plan(); len(again) != 0 {
			t.Fatalf("planned again at once: %v", again)
		}
		p.now.Time += retryAfter << maxAttempts
		p.seal()
		p.seal()
		p.seal()
	}
	due := p.core.Plan()
	if len(due) != 1 || due[0].GetAlert().GetName() != "transaction_refused" {
		t.Fatalf("planned %v instead of an alert", due)
	}
}

// TestRestartChangesNothing: whatever happens, a core that folds the logs again has
// nothing to add to what was decided, and goes on in the same way.
func TestRestartChangesNothing(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := newPool(t)
		names := []string{"a", "b", "c", "d", "e", "f", "g"}
		for _, name := range names {
			switch rapid.SampledFrom([]string{"honest", "honest", "liar", "sleeper", "shy"}).Draw(r, name) {
			case "liar":
				p.answers[name] = lies
				p.reveals[name] = false
			case "sleeper":
				p.answers[name] = sleeps
			case "shy":
				p.reveals[name] = false
			}
		}
		p.hire(names...)
		var tasks []poco.Hash
		for range rapid.IntRange(5, 40).Draw(r, "turns") {
			switch rapid.IntRange(0, 5).Draw(r, "move") {
			case 0:
				change := rapid.SampledFrom([]func(*poco.Orders){nil, callingBack}).Draw(r, "callback")
				tasks = append(tasks, p.deal(rapid.Uint64Range(1, 6).Draw(r, "trust"), change))
			case 1:
				p.now.Time += rapid.Uint64Range(1, 700).Draw(r, "seconds")
			case 2:
				p.restart()
			}
			p.turn()
		}
		p.restart()
		p.wait(3001)
		for range 5 {
			p.restart()
			p.settle()
		}
		for _, task := range tasks {
			if status := p.status(task); status != poco.TaskCompleted && status != poco.TaskFailed {
				r.Fatalf("a task never ended: status %d, decided %v", status, p.counted())
			}
		}
		p.allFree(r)
	})
}

// allFree checks that no worker keeps a slot or a promise of a task that has ended.
func (p *pool) allFree(r *rapid.T) {
	for address, load := range p.core.load {
		if load.slots != 0 || !load.promised.IsZero() {
			r.Fatalf("%s still holds %d slots and a promise of %s", p.names[address], load.slots, load.promised.Dec())
		}
	}
}

// TestForkBelowConfirmations: the engine never acts on a block before it is deep enough,
// and says so when a deeper one vanishes.
func TestForkBelowConfirmations(t *testing.T) {
	p := newPool(t)
	p.hire("a")
	p.deal(1, nil)
	height := p.now.Number
	p.seal()
	if due := p.core.Plan(); len(due) != 0 {
		t.Fatalf("acted on the newest block: %v", due)
	}
	gone := &assaypb.ChainRecord{Body: &assaypb.ChainRecord_Retraction{
		Retraction: &assaypb.Retraction{Number: height, Hash: blockHash(height, 0)},
	}}
	p.append(gone)
	p.seal()
	p.seal()
	p.seal()
	if due := p.core.Plan(); len(due) != 0 {
		t.Fatalf("acted on a block that vanished: %v", due)
	}
	p.expect(map[string]int{"INITIALIZE": 0})
	first := p.log[0].GetBlock()
	deep := &assaypb.ChainRecord{Sequence: uint64(len(p.log)), Body: &assaypb.ChainRecord_Retraction{
		Retraction: &assaypb.Retraction{Number: first.Number, Hash: first.Hash},
	}}
	if err := p.core.Follow(deep); err == nil {
		t.Error("a block that was acted on vanished without an error")
	}
}

// TestDuplicateRecordsAreHarmless: a producer may write a record twice.
func TestDuplicateRecordsAreHarmless(t *testing.T) {
	p := newPool(t)
	p.hire("a")
	p.deal(1, nil)
	p.settle()
	before := maps.Clone(p.counted())
	for _, record := range p.log {
		if err := p.core.Follow(record); err != nil {
			t.Fatal(err)
		}
	}
	p.settle()
	if after := p.counted(); !maps.Equal(before, after) {
		t.Errorf("decided %v, before the duplicates %v", after, before)
	}
	missing := &assaypb.ChainRecord{Sequence: uint64(len(p.log)) + 1}
	if err := p.core.Follow(missing); err == nil {
		t.Error("a gap in the log was not noticed")
	}
}
