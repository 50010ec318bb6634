package workers

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"assay/contracts"
	"assay/internal/devpki"
	"assay/schema/assaypb"
)

const (
	fakeChainID = 1337
	fakeDepth   = 4
)

var (
	fakePool  = common.Address{0x90}
	fakeDeal  = common.Hash{0xde, 0xa1}
	fakeTask0 = contracts.TaskID(fakeDeal, 0)
)

// world is a pool, its log of decisions and a chain, all played by the test. A fleet is
// driven through it turn by turn, without goroutines.
type world struct {
	chain    *fakeChain
	fleet    *Fleet
	members  []Agent
	log      []*assaypb.Decision
	answered map[common.Hash]bool // messages that got a verdict
	accepted map[jobKey]bool
	letters  map[jobKey]int          // contributions published, by this and earlier fleets
	beyond   int                     // contributions published after they had been accepted
	said     map[[2]common.Hash]bool // consensus that was announced
	starts   int
}

func keyOf(n int) *ecdsa.PrivateKey {
	return must(crypto.ToECDSA(crypto.Keccak256([]byte(fmt.Sprint("worker ", n)))))
}

func newWorld(quorum, tasks int, finalizes bool, members ...Agent) *world {
	w := &world{
		members:  members,
		answered: make(map[common.Hash]bool),
		accepted: make(map[jobKey]bool),
		letters:  make(map[jobKey]int),
		said:     make(map[[2]common.Hash]bool),
	}
	var ids []common.Hash
	for index := range tasks {
		id := contracts.TaskID(fakeDeal, uint64(index))
		ids = append(ids, id)
		for _, member := range members {
			w.log = append(w.log, assignment(member, id, uint64(index), finalizes))
		}
	}
	w.chain = newFakeChain(quorum, ids...)
	w.start()
	return w
}

func assignment(member Agent, task common.Hash, index uint64, finalizes bool) *assaypb.Decision {
	tag := make([]byte, 32)
	if finalizes {
		tag[31] = 1
	}
	return &assaypb.Decision{
		ChainId: fakeChainID, Workerpool: fakePool[:], Task: task[:],
		Worker: crypto.PubkeyToAddress(member.Key.PublicKey).Bytes(),
		Body: &assaypb.Decision_Assignment{Assignment: &assaypb.Assignment{
			Deal: fakeDeal[:], Index: index, Tag: tag, Params: `{"cmd":"primes","n":10}`,
			ContributionDeadline: 2000, Finalizes: finalizes,
		}},
	}
}

// start is what a process does that was killed and runs again: it knows nothing but the log.
func (w *world) start() {
	w.starts++
	w.fleet = must(New(Config{
		ChainID: fakeChainID, Depth: fakeDepth, Log: slog.New(slog.DiscardHandler),
	}, w.members))
	w.fleet.chain = w.chain
	for _, decision := range w.log {
		w.fleet.decided(decision)
	}
}

// decide appends to the log and tells the fleet.
func (w *world) decide(decision *assaypb.Decision) {
	decision.ChainId, decision.Workerpool = fakeChainID, fakePool[:]
	w.log = append(w.log, decision)
	w.fleet.decided(decision)
}

// turn is one wake of the fleet's loop, with all computations done at once.
func (w *world) turn() {
	err := w.fleet.turn(context.Background(), true)
	if err != nil && !errors.Is(err, errGone) && !errors.Is(err, w.chain.down) {
		panic(err)
	}
	for len(w.fleet.queue) > 0 {
		pipes := newPipes()
		_, next := w.fleet.nextOrder(pipes)
		w.fleet.ordered(next)
		a, err := w.fleet.compute(context.Background(), next.job.agent, next.job.task, next.job.asked, next.publish)
		w.fleet.computed(result{next.job, a, err})
	}
}

// judge has the pool answer what was published. Like the engine, it takes each message once.
func (w *world) judge() {
	letters := w.fleet.letters
	w.fleet.letters = nil
	for _, letter := range letters {
		var envelope assaypb.WorkerMessage
		var payload assaypb.WorkerPayload
		if err := errors.Join(proto.Unmarshal(letter.Value, &envelope), proto.Unmarshal(envelope.Payload, &payload)); err != nil {
			panic(err)
		}
		w.answer(crypto.Keccak256Hash(envelope.Payload), &payload)
	}
}

func (w *world) answer(message common.Hash, payload *assaypb.WorkerPayload) {
	if handed := payload.GetResult(); handed != nil {
		w.delivered(common.BytesToHash(handed.Task), handed.Result)
		return
	}
	body := payload.GetContribution()
	key := jobKey{common.BytesToAddress(payload.Worker), common.BytesToHash(body.Task)}
	w.letters[key]++
	if w.accepted[key] {
		w.beyond++
	}
	verdict := &assaypb.Verdict{
		Outcome: assaypb.Verdict_ACCEPTED, Reason: assaypb.Reason_REASON_OK, Authorization: []byte{1},
		ResultHash: body.ResultHash, EnclaveChallenge: body.EnclaveChallenge,
	}
	if w.answered[message] {
		verdict = &assaypb.Verdict{Outcome: assaypb.Verdict_REJECTED, Reason: assaypb.Reason_REASON_REPLAYED}
	}
	w.answered[message], w.accepted[key] = true, true
	w.decide(&assaypb.Decision{Task: body.Task, Worker: payload.Worker, Body: &assaypb.Decision_Verdict{Verdict: verdict}})
}

// callBack makes the deals ask for a callback: their tasks end when a result is handed over.
func (w *world) callBack() {
	w.chain.awaits = make(map[common.Hash]bool)
	for _, decision := range w.log {
		decision.GetAssignment().Callback = true
		w.chain.awaits[common.BytesToHash(decision.Task)] = true
	}
	w.start()
}

// delivered is what the engine does with a result: it believes one whose digest was agreed on.
func (w *world) delivered(task common.Hash, result []byte) {
	known := w.chain.newest().tasks[task]
	if contracts.ResultHash(task, crypto.Keccak256Hash(result)) == known.consensus && known.status == taskRevealing {
		delete(w.chain.awaits, task)
	}
}

// announce has the pool say which tasks have a consensus that cannot vanish.
func (w *world) announce() {
	for id, task := range w.chain.buried(fakeDepth).tasks {
		if said := [2]common.Hash{id, task.consensus}; task.status == taskRevealing && !w.said[said] {
			w.said[said] = true
			w.decide(&assaypb.Decision{Task: id[:], Body: &assaypb.Decision_Consensus{
				Consensus: &assaypb.Consensus{ResultHash: task.consensus[:]},
			}})
		}
	}
}

// quiet lets everything happen, without accidents, until the tasks are over.
func (w *world) quiet(rounds int) {
	w.chain.down = nil
	for range rounds {
		w.turn()
		w.judge()
		w.turn()
		w.chain.mine()
		w.announce()
	}
	w.turn()
}

func (w *world) contribution(worker int, task common.Hash) fakeContribution {
	return w.chain.newest().tasks[task].mine[crypto.PubkeyToAddress(w.members[worker].Key.PublicKey)]
}

func member(n int, behaviour Behaviour) Agent {
	return Agent{Key: keyOf(n), Workerpool: fakePool, Slots: 2, Behaviour: behaviour}
}

func TestHonestWorkersContributeAndReveal(t *testing.T) {
	w := newWorld(3, 1, false, member(0, Behaviour{}), member(1, Behaviour{}), member(2, Behaviour{}))
	w.quiet(15)
	if task := w.chain.newest().tasks[fakeTask0]; task.status != taskCompleted || len(task.mine) != 3 {
		t.Fatalf("the task is %+v", task)
	}
	want := Progress{Assigned: 3, Published: 3, Accepted: 3, Contributed: 3, Revealed: 3, Sent: 6}
	if got := w.fleet.Progress(); got != want {
		t.Errorf("progress %+v, want %+v", got, want)
	}
}

// TestResultIsHandedOver: after the reveal, which makes it public, and again by a worker that
// was restarted in between.
func TestResultIsHandedOver(t *testing.T) {
	for _, killed := range []bool{false, true} {
		w := newWorld(3, 1, false, member(0, Behaviour{}), member(1, Behaviour{}), member(2, Behaviour{}))
		w.callBack()
		for w.contribution(0, fakeTask0).status != proved {
			w.turn()
			w.judge()
			if !w.chain.awaits[fakeTask0] {
				t.Fatal("the result was handed over before it was revealed")
			}
			w.chain.mine()
			w.announce()
		}
		if killed {
			w.turn()
			w.start()
		}
		w.quiet(4)
		if task := w.chain.newest().tasks[fakeTask0]; task.status != taskCompleted {
			t.Errorf("killed %t: the task is %+v", killed, task)
		}
	}
}

func TestConducts(t *testing.T) {
	w := newWorld(3, 1, false,
		member(0, Behaviour{}), member(1, Behaviour{}), member(2, Behaviour{Conduct: Shy}),
		member(3, Behaviour{Conduct: Lying}), member(4, Behaviour{Conduct: Silent}), member(5, Behaviour{Conduct: Late}))
	w.quiet(15)
	task := w.chain.newest().tasks[fakeTask0]
	for worker, want := range []uint8{proved, proved, contributed, contributed, 0, 0} {
		if got := w.contribution(worker, fakeTask0).status; got != want {
			t.Errorf("worker %d (%s): contribution status %d, want %d", worker, w.members[worker].Behaviour.Conduct, got, want)
		}
	}
	if w.contribution(3, fakeTask0).hash == task.consensus {
		t.Error("the liar agrees with the others")
	}
	late := jobKey{crypto.PubkeyToAddress(keyOf(5).PublicKey), fakeTask0}
	if w.letters[late] != 0 {
		t.Error("the late worker spoke up in time")
	}
	w.chain.newest().time = 2000
	w.chain.mine()
	w.chain.newest().time = 2001
	w.turn()
	w.turn()
	w.judge()
	if w.letters[late] != 1 {
		t.Errorf("the late worker spoke up %d times after the deadline", w.letters[late])
	}
}

func TestLiarsOfOneGangAgree(t *testing.T) {
	gang := Behaviour{Conduct: Lying, Gang: "g"}
	w := newWorld(3, 1, false, member(0, gang), member(1, gang), member(2, gang), member(3, Behaviour{Conduct: Lying}))
	w.quiet(15)
	if w.chain.newest().tasks[fakeTask0].status != taskCompleted {
		t.Error("the gang did not win with its lie")
	}
	if w.contribution(3, fakeTask0).hash == w.contribution(0, fakeTask0).hash {
		t.Error("a liar alone tells the gang's lie")
	}
}

func TestEnclaveFinalizes(t *testing.T) {
	machine := must(must(devpki.New([]byte("x"))).Machine("a"))
	worker := member(0, Behaviour{})
	worker.Enclave = NewDevEnclave(machine, devpki.Enclave{}, []byte("secret"))
	w := newWorld(1, 2, true, worker)
	w.quiet(3)
	for id, task := range w.chain.newest().tasks {
		if task.status != taskCompleted || len(task.mine) != 1 {
			t.Errorf("task %s is %+v", id, task)
		}
	}
}

func TestWithoutAnEnclaveTheTaskIsGivenUp(t *testing.T) {
	w := newWorld(1, 1, true, member(0, Behaviour{}))
	w.quiet(1 << (maxSetbacks + 1))
	if got := w.fleet.Progress(); got.Dropped != 1 || got.Setbacks != maxSetbacks || got.Published != 0 || got.Open != 0 {
		t.Errorf("progress %+v", got)
	}
}

// Rejections that a stranger can provoke in a worker's name do not stop it.
func TestForgedMessagesDoNotStopAWorker(t *testing.T) {
	w := newWorld(1, 1, false, member(0, Behaviour{}))
	for _, reason := range []assaypb.Reason{
		assaypb.Reason_REASON_MALFORMED, assaypb.Reason_REASON_OVERSIZED, assaypb.Reason_REASON_WRONG_CHAIN,
		assaypb.Reason_REASON_BAD_SIGNATURE, assaypb.Reason_REASON_REPLAYED, assaypb.Reason_REASON_ALREADY_CONTRIBUTED,
	} {
		w.decide(verdictFor(w, assaypb.Verdict_REJECTED, reason))
	}
	w.quiet(12)
	if w.chain.newest().tasks[fakeTask0].status != taskCompleted {
		t.Error("the worker gave up")
	}
}

func TestRefusedWorkerStops(t *testing.T) {
	w := newWorld(1, 1, false, member(0, Behaviour{}))
	w.turn()
	w.decide(verdictFor(w, assaypb.Verdict_REJECTED, assaypb.Reason_REASON_BAD_QUOTE))
	w.quiet(5)
	if got := w.fleet.Progress(); got.Refused != 1 || got.Sent != 0 || got.Open != 0 {
		t.Errorf("progress %+v", got)
	}
}

func verdictFor(w *world, outcome assaypb.Verdict_Outcome, reason assaypb.Reason) *assaypb.Decision {
	return &assaypb.Decision{
		Task: fakeTask0[:], Worker: crypto.PubkeyToAddress(w.members[0].Key.PublicKey).Bytes(),
		Body: &assaypb.Decision_Verdict{Verdict: &assaypb.Verdict{Outcome: outcome, Reason: reason}},
	}
}

// A transaction of the process that was killed is waited for, not sent twice.
func TestRestartWaitsForWhatIsOnItsWay(t *testing.T) {
	w := newWorld(1, 2, false, member(0, Behaviour{}))
	w.turn()
	w.turn()
	w.judge()
	w.turn()
	if got := w.fleet.Progress(); got.Sent != 2 {
		t.Fatalf("%d transactions sent before the kill", got.Sent)
	}
	w.start()
	for range 3 {
		w.turn()
	}
	if got := w.fleet.Progress(); got.Sent != 0 {
		t.Errorf("%d transactions sent again", got.Sent)
	}
	w.quiet(12)
	if got := w.fleet.Progress(); got.Sent != 2 || got.Revealed != 2 || w.chain.faulty != 0 {
		t.Errorf("progress %+v, %d transactions in vain", got, w.chain.faulty)
	}
}

// What a restarted worker found done may be undone by a fork.
func TestRestartSeesBlocksVanish(t *testing.T) {
	w := newWorld(1, 1, false, member(0, Behaviour{}))
	w.quiet(fakeDepth + 4)
	if got := w.contribution(0, fakeTask0).status; got != proved {
		t.Fatalf("contribution status %d before the fork", got)
	}
	w.start()
	w.turn()
	w.chain.mine()
	w.turn()
	w.chain.fork(fakeDepth, true)
	if got := w.contribution(0, fakeTask0).status; got == proved {
		t.Fatal("the fork did not undo the reveal")
	}
	w.quiet(fakeDepth)
	if got := w.contribution(0, fakeTask0).status; got != proved {
		t.Errorf("contribution status %d after the fork", got)
	}
}

func TestSlotsBoundWhatIsComputedAtOnce(t *testing.T) {
	w := newWorld(1, 4, false, member(0, Behaviour{}), member(1, Behaviour{}))
	if err := w.fleet.turn(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	pipes := newPipes()
	for orders, next := w.fleet.nextOrder(pipes); orders != nil; orders, next = w.fleet.nextOrder(pipes) {
		w.fleet.ordered(next)
	}
	for _, a := range w.fleet.order {
		if a.running != a.Slots {
			t.Errorf("worker %s has %d tasks under way, and %d slots", a.address, a.running, a.Slots)
		}
	}
	if len(w.fleet.queue) != 4 {
		t.Errorf("%d tasks wait", len(w.fleet.queue))
	}
}

// What was sent before fees rose is replaced: by the worker that remembers it, and by one
// that was killed meanwhile, which waits before it takes the place.
func TestFeesRise(t *testing.T) {
	for _, killed := range []bool{false, true} {
		w := newWorld(1, 1, false, member(0, Behaviour{}))
		for w.fleet.Progress().Sent == 0 {
			w.turn()
			w.judge()
		}
		w.chain.price = 5
		if killed {
			w.start()
		}
		w.quiet(patience + 3*resendAfter)
		if got := w.contribution(0, fakeTask0).status; got != proved || w.chain.faulty != 0 {
			t.Errorf("killed %t: contribution status %d, %d transactions in vain", killed, got, w.chain.faulty)
		}
	}
}

// Whatever happens in between, kills, forks, lost transactions, rising fees, outages, the tasks end
// as they would have: every winner has revealed, nothing that was accepted is published
// again, and no wallet is stuck.
func TestAccidentsChangeNothing(t *testing.T) {
	conducts := []Behaviour{{}, {Conduct: Lying}, {Conduct: Silent}}
	rapid.Check(t, func(t *rapid.T) {
		fourth := rapid.SampledFrom(conducts).Draw(t, "fourth")
		w := newWorld(3, 3, false, member(0, Behaviour{}), member(1, Behaviour{}), member(2, Behaviour{}), member(3, fourth))
		if rapid.Bool().Draw(t, "callback") {
			w.callBack()
		}
		accidents := map[string]func(*rapid.T){
			"turn":     func(*rapid.T) { w.turn() },
			"judge":    func(*rapid.T) { w.judge() },
			"mine":     func(*rapid.T) { w.chain.mine() },
			"announce": func(*rapid.T) { w.announce() },
			"kill":     func(*rapid.T) { w.start() },
			"lose":     func(*rapid.T) { clear(w.chain.pool) },
			"down":     func(*rapid.T) { w.chain.down = errors.New("connection refused") },
			"up":       func(*rapid.T) { w.chain.down = nil },
			"calm":     func(*rapid.T) { w.quiet(fakeDepth + 2) },
			"fees":     func(t *rapid.T) { w.chain.price = rapid.Int64Range(0, 3).Draw(t, "price") },
			"fork": func(t *rapid.T) {
				w.chain.fork(rapid.IntRange(1, fakeDepth).Draw(t, "depth"), rapid.Bool().Draw(t, "forget"))
			},
		}
		t.Repeat(accidents)
		w.quiet(120)
		for id, task := range w.chain.newest().tasks {
			if task.status != taskCompleted || task.agreeing(task.consensus) < 3 {
				t.Errorf("task %s ended as %+v", id, task)
			}
		}
		if w.beyond > 0 {
			t.Errorf("%d contributions were published after they had been accepted", w.beyond)
		}
		for key, n := range w.letters {
			if n > w.starts {
				t.Errorf("%+v published %d times in %d starts", key, n, w.starts)
			}
		}
		for sender := range w.chain.pool {
			if len(w.chain.pool[sender]) > 0 {
				t.Errorf("transactions of %s are stuck", sender)
			}
		}
		if got := w.fleet.Progress(); got.Dropped != 0 || got.Open != 0 {
			t.Errorf("progress %+v", got)
		}
	})
}
