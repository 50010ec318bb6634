package pocotest

import (
	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"

	"assay/consensus/poco"
)

// results are what workers come up with; the first is right.
var results = []string{"right", "right", "right", "wrong", "other"}

// Next draws what happens next, in view of the state and the chain's time.
func (m *Market) Next(t *rapid.T, s *poco.State, now uint64) Step {
	step := Step{Wait: m.wait(t, s, now)}
	step.Sender, step.Command = m.command(t, s)
	return step
}

// wait mostly lets no time pass, sometimes all until just before, at or after a deadline.
func (m *Market) wait(t *rapid.T, s *poco.State, now uint64) uint64 {
	if len(m.tasks) == 0 || likely(t, 85, "at once") {
		return rapid.Uint64Range(0, 3).Draw(t, "seconds")
	}
	task, _ := s.Task(pick(t, m.tasks, "whose deadline"))
	deadlines := []uint64{task.ContributionDeadline, task.RevealDeadline, task.FinalDeadline}
	until := pick(t, deadlines, "deadline") + rapid.Uint64Range(0, 2).Draw(t, "around") - 1
	if until < now || until > now+10_000_000 {
		return 0
	}
	return until - now
}

// draws are the ways to draw a command, each as often as it stands there.
func (m *Market) draws() []func(*rapid.T, *poco.State) (poco.Address, poco.Command) {
	type draw = func(*rapid.T, *poco.State) (poco.Address, poco.Command)
	all := []draw{m.matchOrders, m.matchOrders, m.escrow, m.manageOrder, m.resource}
	if len(m.deals) > 0 {
		all = append(all, m.initialize, m.initialize, m.initializeArray)
	}
	if len(m.tasks) > 0 {
		all = append(all, m.contribute, m.contribute, m.contribute, m.contribute, m.contribute, m.reveal, m.reveal, m.reveal,
			m.finalize, m.finalize, m.reopen, m.claim, m.contributeAndFinalize)
	}
	if m.boost && len(m.deals) > 0 {
		all = append(all, m.pushResult, m.pushResult, m.claimBoost)
	}
	return all
}

func (m *Market) command(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	return pick(t, m.draws(), "command")(t, s)
}

func (m *Market) anyone(t *rapid.T) poco.Address { return pick(t, m.people, "sender") }

// mostly returns the one that can, or sometimes anyone.
func (m *Market) mostly(t *rapid.T, who poco.Address) poco.Address {
	if m.keys[who] != nil && likely(t, 93, "right sender") {
		return who
	}
	return m.anyone(t)
}

func (m *Market) matchOrders(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	o := m.drawOrders(t, s)
	kinds := []poco.Command{poco.MatchOrders{Orders: o}, poco.MatchOrders{Orders: o}, poco.SponsorMatchOrders{Orders: o}}
	if m.boost {
		o.Request.Trust = pick(t, amounts(1, 0, 2), "boost trust")
		o.Workerpool.Trust = amounts(2)[0]
		m.signOrders(t, s, &o)
		kinds = append(kinds, poco.MatchOrdersBoost{Orders: o}, poco.MatchOrdersBoost{Orders: o}, poco.SponsorMatchOrdersBoost{Orders: o})
	}
	command := pick(t, kinds, "kind of match")
	return m.mostly(t, pick(t, []poco.Address{Address("sponsor"), o.Request.Requester}, "matcher")), command
}

func (m *Market) manageOrder(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	if len(m.orders) == 0 {
		return m.matchOrders(t, s)
	}
	o := pick(t, m.orders, "orders")
	kinds := []struct {
		order poco.AnyOrder
		owner poco.Address
	}{
		{o.App, m.ownerOf(s, o.App.App)}, {o.Dataset, m.ownerOf(s, o.Dataset.Dataset)},
		{o.Workerpool, m.ownerOf(s, o.Workerpool.Workerpool)}, {o.Request, o.Request.Requester},
	}
	kind := pick(t, kinds, "order")
	command := poco.ManageOrder{Order: kind.order, Close: rapid.Bool().Draw(t, "close")}
	command.Sign = m.signature(t, kind.owner, m.rules.OperationHash(kind.order, command.Close))
	return m.mostly(t, kind.owner), command
}

func (m *Market) initialize(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	deal, index := m.dealTask(t, s)
	return m.anyone(t), poco.Initialize{Deal: deal, Index: index}
}

// dealTask draws a deal and an index that is mostly one of its tasks'.
func (m *Market) dealTask(t *rapid.T, s *poco.State) (poco.Hash, poco.Amount) {
	id := pick(t, m.deals, "deal")
	if !likely(t, 98, "known deal") {
		id = poco.Hash{1}
	}
	index := *(&poco.Amount{}).SetUint64(rapid.Uint64Range(0, 3).Draw(t, "index"))
	if deal, ok := s.Deal(id); ok && !deal.Boost {
		index.AddUint64(&index, deal.BotFirst)
	}
	if !likely(t, 97, "small index") {
		index = most()
	}
	return id, index
}

func (m *Market) initializeArray(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	var deals []poco.Hash
	var indices []poco.Amount
	for range rapid.IntRange(0, 3).Draw(t, "length") {
		deal, index := m.dealTask(t, s)
		deals, indices = append(deals, deal), append(indices, index)
	}
	if !likely(t, 95, "same length") {
		indices = append(indices, poco.Amount{})
	}
	if likely(t, 60, "only initialize") {
		return m.anyone(t), poco.InitializeArray{Deals: deals, Indices: indices}
	}
	return m.anyone(t), poco.InitializeAndClaimArray{Deals: deals, Indices: indices}
}

// task draws a task, mostly one in a given state.
func (m *Market) task(t *rapid.T, s *poco.State, status poco.TaskStatus) (poco.Hash, *poco.Task, *poco.Deal) {
	var fit []poco.Hash
	for _, id := range m.tasks {
		if task, _ := s.Task(id); task.Status == status {
			fit = append(fit, id)
		}
	}
	if len(fit) == 0 || !likely(t, 95, "task in the right state") {
		fit = m.tasks
	}
	id := pick(t, fit, "task")
	task, _ := s.Task(id)
	deal, _ := s.Deal(task.Deal)
	return id, task, deal
}

func (m *Market) worker(t *rapid.T) poco.Address {
	workers := m.people[8:13]
	if !likely(t, 95, "worker") {
		workers = m.people
	}
	return pick(t, workers, "which")
}

func digestOf(result string) poco.Hash { return crypto.Keccak256Hash([]byte(result)) }

// enclave draws the enclave that a contribution names; deals whose tag asks for one
// mostly get one.
func (m *Market) enclave(t *rapid.T, deal *poco.Deal) poco.Address {
	if tee := deal.Tag[31]&1 == 1; likely(t, 92, "as the tag says") == tee {
		return Address(enclaveName)
	}
	return poco.Address{}
}

func (m *Market) authorization(t *rapid.T, worker poco.Address, task poco.Hash, enclave poco.Address, deal *poco.Deal) []byte {
	return m.signature(t, deal.Workerpool.Owner, poco.AuthorizationMessage(worker, task, enclave))
}

func (m *Market) contribute(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	id, _, deal := m.task(t, s, poco.TaskActive)
	worker := m.worker(t)
	digest := digestOf(pick(t, results, "result"))
	c := poco.Contribute{Task: id, ResultHash: poco.ResultHash(id, digest), ResultSeal: poco.ResultSeal(worker, id, digest)}
	if !likely(t, 97, "good seal") {
		c.ResultSeal = poco.Hash{1}
	}
	c.EnclaveChallenge = m.enclave(t, deal)
	c.Authorization = m.authorization(t, worker, id, c.EnclaveChallenge, deal)
	if c.EnclaveChallenge != (poco.Address{}) {
		c.EnclaveSign = m.signature(t, c.EnclaveChallenge, poco.EnclaveMessage(c.ResultHash, c.ResultSeal))
	}
	return worker, c
}

func (m *Market) contributeAndFinalize(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	id, _, deal := m.task(t, s, poco.TaskActive)
	worker := m.worker(t)
	result := pick(t, results, "result")
	c := poco.ContributeAndFinalize{Task: id, Digest: digestOf(result), Results: []byte("see " + result)}
	c.ResultsCallback = m.callback(t, deal, result)
	c.EnclaveChallenge = m.enclave(t, deal)
	c.Authorization = m.authorization(t, worker, id, c.EnclaveChallenge, deal)
	if c.EnclaveChallenge != (poco.Address{}) {
		message := poco.EnclaveMessage(poco.ResultHash(id, c.Digest), poco.ResultSeal(worker, id, c.Digest))
		c.EnclaveSign = m.signature(t, c.EnclaveChallenge, message)
	}
	return worker, c
}

// callback is what the deal's callback would get: mostly what hashes to the result's digest.
func (m *Market) callback(t *rapid.T, deal *poco.Deal, result string) []byte {
	if (deal.Callback != poco.Address{}) == likely(t, 95, "callback data as the deal wants") {
		return []byte(result)
	}
	return nil
}

func (m *Market) reveal(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	id, task, _ := m.task(t, s, poco.TaskRevealing)
	worker, digest := m.worker(t), digestOf(pick(t, results, "result"))
	if len(task.Contributors) > 0 && likely(t, 90, "a contributor") {
		worker = pick(t, task.Contributors, "which contributor")
	}
	if likely(t, 93, "what was contributed") {
		for _, result := range results {
			if c, ok := s.Contribution(id, worker); ok && c.ResultHash == poco.ResultHash(id, digestOf(result)) {
				digest = digestOf(result)
			}
		}
	}
	return worker, poco.Reveal{Task: id, Digest: digest}
}

func (m *Market) finalize(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	id, task, deal := m.task(t, s, poco.TaskRevealing)
	command := poco.Finalize{Task: id, Results: rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "results")}
	result := results[0]
	for _, r := range results {
		if digestOf(r) == task.ResultDigest {
			result = r
		}
	}
	command.ResultsCallback = m.callback(t, deal, result)
	return m.mostly(t, deal.Workerpool.Owner), command
}

func (m *Market) reopen(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	id, _, deal := m.task(t, s, poco.TaskRevealing)
	return m.mostly(t, deal.Workerpool.Owner), poco.Reopen{Task: id}
}

func (m *Market) claim(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	id, _, _ := m.task(t, s, poco.TaskActive)
	if likely(t, 70, "one") {
		return m.anyone(t), poco.Claim{Task: id}
	}
	other, _, _ := m.task(t, s, poco.TaskRevealing)
	return m.anyone(t), poco.ClaimArray{Tasks: []poco.Hash{id, other}[:rapid.IntRange(0, 2).Draw(t, "length")]}
}
