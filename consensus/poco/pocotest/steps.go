package pocotest

import (
	"slices"

	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"

	"assay/consensus/poco"
)

// results are what workers come up with; the first is right.
var results = []string{"right", "right", "right", "right", "wrong", "wrong", "other"}

// Next draws what happens next, in view of the state and the chain's time.
func (m *Market) Next(t *rapid.T, s *poco.State, now uint64) Step {
	step := Step{Wait: m.wait(t, s, now)}
	m.now = now + step.Wait
	step.Sender, step.Command = m.command(t, s)
	return step
}

// wait mostly lets no time pass, sometimes all until just before, at or after the next
// deadline of a task that has not ended.
func (m *Market) wait(t *rapid.T, s *poco.State, now uint64) uint64 {
	live := append(m.fitting(s, isActive), m.fitting(s, isRevealing)...)
	if len(live) == 0 || likely(t, 90, "at once") {
		return rapid.Uint64Range(0, 3).Draw(t, "seconds")
	}
	task, _ := s.Task(pick(t, live, "whose deadline"))
	until := task.FinalDeadline
	if task.Status == poco.TaskRevealing && likely(t, 80, "reveal deadline") {
		until = task.RevealDeadline
	} else if now < task.ContributionDeadline && likely(t, 40, "contribution deadline") {
		until = task.ContributionDeadline
	}
	until += pick(t, []uint64{1, 1, 0, 2}, "around") - 1
	if until < now || until > now+10_000_000 {
		return 0
	}
	return until - now
}

// fit says whether a call on a task can make sense: at a deadline it is still drawn, to
// see on which side of the deadline that is.
type fit func(task *poco.Task, deal *poco.Deal, now uint64) bool

func isActive(task *poco.Task, _ *poco.Deal, now uint64) bool {
	return task.Status == poco.TaskActive && now <= task.ContributionDeadline
}

func isSolitary(task *poco.Task, deal *poco.Deal, now uint64) bool {
	return isActive(task, deal, now) && len(task.Contributors) == 0 && deal.Trust.Eq(&trusts[0])
}

func isRevealing(task *poco.Task, _ *poco.Deal, now uint64) bool {
	return task.Status == poco.TaskRevealing && now <= task.FinalDeadline
}

func isUnrevealed(task *poco.Task, deal *poco.Deal, now uint64) bool {
	return isRevealing(task, deal, now) && now <= task.RevealDeadline && task.RevealCounter < task.WinnerCounter
}

func isRevealed(task *poco.Task, deal *poco.Deal, now uint64) bool {
	over := task.RevealCounter > 0 && task.RevealDeadline <= now
	return isRevealing(task, deal, now) && (over || task.RevealCounter == task.WinnerCounter)
}

func isSilent(task *poco.Task, deal *poco.Deal, now uint64) bool {
	return isRevealing(task, deal, now) && task.RevealCounter == 0 && task.RevealDeadline <= now
}

func isOver(task *poco.Task, _ *poco.Deal, now uint64) bool {
	return task.FinalDeadline <= now && (task.Status == poco.TaskActive || task.Status == poco.TaskRevealing)
}

// fitting lists the tasks that fit.
func (m *Market) fitting(s *poco.State, fits fit) []poco.Hash {
	var fitting []poco.Hash
	for _, id := range m.tasks {
		if task, ok := s.Task(id); ok {
			if deal, ok := s.Deal(task.Deal); ok && fits(task, deal, m.now) {
				fitting = append(fitting, id)
			}
		}
	}
	return fitting
}

type draw = func(*rapid.T, *poco.State) (poco.Address, poco.Command)

// draws are the ways to draw a command, each as often as it stands there: mostly what
// brings tasks forward. (Rapid prefers what stands first.)
func (m *Market) draws(s *poco.State) []draw {
	var all []draw
	for _, step := range []struct {
		fits  fit
		draw  draw
		times int
	}{
		{isRevealed, m.finalize, 8}, {isUnrevealed, m.reveal, 12}, {isActive, m.contribute, 8}, {isSilent, m.reopen, 8},
		{isSolitary, m.contributeAndFinalize, 2}, {isOver, m.claim, 2},
	} {
		if len(m.fitting(s, step.fits)) > 0 {
			all = append(all, slices.Repeat([]draw{step.draw}, step.times)...)
		}
	}
	if len(m.uninitialized(s)) > 0 {
		all = append(all, m.initialize, m.initialize)
	}
	all = append(all, m.matchOrders, m.matchOrders)
	if len(m.dealsOf(s, true)) > 0 {
		all = append(all, m.pushResult, m.pushResult, m.claimBoost)
	}
	all = append(all, m.escrow, m.manageOrder, m.resource)
	if len(m.tasks) > 0 {
		all = append(all, m.contribute, m.reveal, m.finalize, m.reopen, m.claim, m.contributeAndFinalize)
	}
	if len(m.dealsOf(s, false)) > 0 {
		all = append(all, m.initialize, m.initializeArray)
	}
	return all
}

func (m *Market) command(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	return pick(t, m.draws(s), "command")(t, s)
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
	if m.unsponsored {
		kinds = kinds[:2]
	}
	if m.boost && !likely(t, 75, "classic") {
		o.Request.Trust = pick(t, amounts(1, 1, 0, 0, 2), "boost trust")
		o.Workerpool.Trust = amounts(2)[0]
		m.signOrders(t, s, &o)
		kinds = append(kinds[:0], poco.MatchOrdersBoost{Orders: o}, poco.MatchOrdersBoost{Orders: o}, poco.SponsorMatchOrdersBoost{Orders: o})
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

// uninitialized lists deals that have tasks among their first three to be initialized.
func (m *Market) uninitialized(s *poco.State) []poco.Initialize {
	var waiting []poco.Initialize
	for _, id := range m.dealsOf(s, false) {
		deal, _ := s.Deal(id)
		for i := range min(deal.BotSize, 3) {
			index := amounts(deal.BotFirst + i)[0]
			if _, known := s.Task(poco.TaskID(id, &index)); !known {
				waiting = append(waiting, poco.Initialize{Deal: id, Index: index})
				break
			}
		}
	}
	return waiting
}

func (m *Market) initialize(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	if waiting := m.uninitialized(s); len(waiting) > 0 && likely(t, 85, "a task that waits") {
		return m.anyone(t), pick(t, waiting, "which task")
	}
	deal, index := m.dealTask(t, s, false)
	return m.anyone(t), poco.Initialize{Deal: deal, Index: index}
}

// dealsOf lists the deals that are Boost, or those that are not.
func (m *Market) dealsOf(s *poco.State, boost bool) []poco.Hash {
	var deals []poco.Hash
	for _, id := range m.deals {
		if deal, ok := s.Deal(id); ok && deal.Boost == boost {
			deals = append(deals, id)
		}
	}
	return deals
}

// dealTask draws a deal, mostly of the kind that is asked for, and an index that is
// mostly one of its tasks'.
func (m *Market) dealTask(t *rapid.T, s *poco.State, boost bool) (poco.Hash, poco.Amount) {
	deals := m.dealsOf(s, boost)
	if len(deals) == 0 || !likely(t, 97, "deal of the right kind") {
		deals = m.deals
	}
	id := pick(t, deals, "deal")
	if !likely(t, 98, "known deal") {
		id = poco.Hash{1}
	}
	index := *(&poco.Amount{}).SetUint64(rapid.Uint64Range(0, 2).Draw(t, "index"))
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
		deal, index := m.dealTask(t, s, false)
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

// task draws a task, mostly one that fits.
func (m *Market) task(t *rapid.T, s *poco.State, fits fit) (poco.Hash, *poco.Task, *poco.Deal) {
	fitting := m.fitting(s, fits)
	if len(fitting) == 0 || !likely(t, 95, "task in the right state") {
		fitting = m.tasks
	}
	id := fitting[0]
	if !likely(t, 60, "the first") {
		id = pick(t, fitting, "task")
	}
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
	signer := deal.Workerpool.Owner
	if broker := m.rules.TEEBroker; broker != (poco.Address{}) && enclave != (poco.Address{}) && likely(t, 90, "by the broker") {
		signer = broker
	}
	return m.signature(t, signer, poco.AuthorizationMessage(worker, task, enclave))
}

func (m *Market) contribute(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	id, task, deal := m.task(t, s, isActive)
	worker := m.worker(t)
	if likely(t, 85, "new to the task") {
		for i := 8; slices.Contains(task.Contributors, worker) && i < 13; i++ {
			worker = m.people[i]
		}
	}
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
	id, _, deal := m.task(t, s, isSolitary)
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
	id, task, _ := m.task(t, s, isUnrevealed)
	worker, digest := m.worker(t), digestOf(pick(t, results, "result"))
	if winners := m.winners(s, id, task); len(winners) > 0 && likely(t, 85, "a winner") {
		worker = pick(t, winners, "which winner")
	} else if len(task.Contributors) > 0 && likely(t, 90, "a contributor") {
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

// winners are those who may reveal.
func (m *Market) winners(s *poco.State, id poco.Hash, task *poco.Task) []poco.Address {
	var winners []poco.Address
	for _, worker := range task.Contributors {
		if c, ok := s.Contribution(id, worker); ok && c.Status == poco.Contributed && c.ResultHash == task.ConsensusValue {
			winners = append(winners, worker)
		}
	}
	return winners
}

func (m *Market) finalize(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	id, task, deal := m.task(t, s, isRevealed)
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
	id, _, deal := m.task(t, s, isSilent)
	return m.mostly(t, deal.Workerpool.Owner), poco.Reopen{Task: id}
}

func (m *Market) claim(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	id, _, _ := m.task(t, s, isOver)
	if likely(t, 70, "one") {
		return m.anyone(t), poco.Claim{Task: id}
	}
	other, _, _ := m.task(t, s, isOver)
	return m.anyone(t), poco.ClaimArray{Tasks: []poco.Hash{id, other}[:rapid.IntRange(0, 2).Draw(t, "length")]}
}
