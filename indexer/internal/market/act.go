package market

import (
	"github.com/ethereum/go-ethereum/crypto"

	"assay/consensus/poco"
)

// WorkClock is the time reference of the market's categories, in seconds.
const WorkClock = 60

// Good and Bad are what workers find.
var (
	Good = crypto.Keccak256Hash([]byte("good"))
	Bad  = crypto.Keccak256Hash([]byte("bad"))
)

// act plays one random call. Those that the contract refuses leave no trace.
func (m *Market) act() {
	if m.rig.category == 0 {
		m.Call(m.people[0], poco.AddCategory{Name: "XS", Description: "short", WorkClockTimeRef: amount(WorkClock)})
		return
	}
	actions := []func(){
		m.deposit, m.deposit, m.withdraw, m.give, m.register, m.register, m.transferResource, m.policy,
		m.match, m.match, m.initialize, m.initialize, m.initialize,
	}
	if len(m.rig.tasks) > 0 {
		actions = append(actions, m.contribute, m.contribute, m.contribute, m.contribute, m.contribute, m.contribute, m.contribute, m.contribute, m.contribute,
			m.shortcut, m.reveal, m.reveal, m.reveal, m.reveal, m.reopen, m.finalize, m.finalize, m.finalize, m.claim)
	}
	actions[m.choose(len(actions))]()
}

func (m *Market) person() poco.Address { return m.people[m.choose(len(m.people))] }

func (m *Market) deposit() {
	m.Call(m.person(), poco.Deposit{Amount: amount(1 + m.choose(5_000_000_000))})
}

func (m *Market) withdraw() {
	m.Call(m.person(), poco.Withdraw{Amount: amount(m.choose(1_000_000))})
}

func (m *Market) give() {
	m.Call(m.person(), poco.TransferStake{To: m.person(), Amount: amount(m.choose(1_000_000))})
}

func (m *Market) register() {
	m.Register(poco.ResourceKind(1+m.choose(3)), m.person())
}

// Register makes a resource and returns its address.
func (m *Market) Register(kind poco.ResourceKind, owner poco.Address) poco.Address {
	n := byte(len(m.rig.resources[kind]))
	at := poco.Address(crypto.Keccak256([]byte{byte(kind), n})[12:])
	m.Call(owner, poco.Register{At: at, Resource: poco.Resource{
		Kind: kind, Owner: owner, Name: string('a' + rune(n)), Type: "DOCKER", Multiaddr: []byte{n, 0xff}, Checksum: Good,
	}})
	return at
}

// resource picks a registered resource and its owner; ok is false if there is none.
func (m *Market) resource(kind poco.ResourceKind) (address, owner poco.Address, ok bool) {
	list := m.rig.resources[kind]
	if len(list) == 0 {
		return address, owner, false
	}
	address = list[m.choose(len(list))]
	r, _ := m.State.Resource(address)
	return address, r.Owner, true
}

func (m *Market) transferResource() {
	kind := poco.ResourceKind(1 + m.choose(3))
	if address, owner, ok := m.resource(kind); ok {
		m.Call(owner, poco.TransferResource{Kind: kind, Resource: address, From: owner, To: m.person()})
	}
}

func (m *Market) policy() {
	if address, owner, ok := m.resource(poco.Workerpool); ok {
		m.Call(owner, poco.ChangePolicy{Workerpool: address, WorkerStakeRatio: amount(m.choose(120)), SchedulerRewardRatio: amount(m.choose(101))})
	}
}

func (m *Market) match() {
	app, _, hasApp := m.resource(poco.App)
	pool, _, hasPool := m.resource(poco.Workerpool)
	if !hasApp || !hasPool {
		return
	}
	var dataset poco.Address
	if m.choose(2) == 0 {
		dataset, _, _ = m.resource(poco.Dataset)
	}
	prices := [3]int{m.choose(3) * 1000, m.choose(3) * 500, m.choose(2_000_000_000)}
	m.Match(Terms{App: app, Dataset: dataset, Workerpool: pool, Requester: m.person(), Prices: prices, Trust: m.choose(4), Volume: 1 + m.choose(3)})
}

// Terms are what a deal is made of.
type Terms struct {
	App, Dataset, Workerpool, Requester poco.Address
	Prices                              [3]int // of app, dataset and workerpool, nRLC per task
	Trust, Volume                       int
}

// Orders are fresh orders of a deal.
func (m *Market) Orders(t Terms) poco.Orders {
	m.salt++
	salt := crypto.Keccak256Hash([]byte{byte(m.salt), byte(m.salt >> 8), byte(m.salt >> 16)})
	o := poco.Orders{
		App:        poco.AppOrder{App: t.App, Price: amount(t.Prices[0]), Volume: amount(t.Volume), Salt: salt},
		Dataset:    poco.DatasetOrder{Dataset: t.Dataset, Price: amount(t.Prices[1]), Volume: amount(t.Volume), Salt: salt},
		Workerpool: poco.WorkerpoolOrder{Workerpool: t.Workerpool, Price: amount(t.Prices[2]), Volume: amount(t.Volume), Trust: amount(t.Trust), Salt: salt},
	}
	o.Request = poco.RequestOrder{
		App: t.App, AppMaxPrice: o.App.Price, Dataset: t.Dataset, DatasetMaxPrice: o.Dataset.Price, WorkerpoolMaxPrice: o.Workerpool.Price,
		Requester: t.Requester, Volume: amount(t.Volume), Trust: amount(t.Trust), Beneficiary: t.Requester,
		Params: `{"iexec_args":"<&>"}`, Salt: salt,
	}
	return o
}

// Match signs fresh orders of a deal on chain and matches them.
func (m *Market) Match(t Terms) (deal poco.Hash, ok bool) { return m.MatchOrders(m.Orders(t)) }

// MatchOrders signs orders on chain and matches them.
func (m *Market) MatchOrders(o poco.Orders) (deal poco.Hash, ok bool) {
	m.signAll(o)
	if !m.Call(m.people[0], poco.MatchOrders{Orders: o}) {
		return deal, false
	}
	return m.rig.deals[len(m.rig.deals)-1], true
}

func (m *Market) signAll(o poco.Orders) {
	m.sign(o.App, o.App.App)
	if o.Dataset.Dataset != (poco.Address{}) {
		m.sign(o.Dataset, o.Dataset.Dataset)
	}
	m.sign(o.Workerpool, o.Workerpool.Workerpool)
	m.Call(o.Request.Requester, poco.ManageOrder{Order: o.Request})
}

func (m *Market) sign(order poco.AnyOrder, resource poco.Address) {
	if r, ok := m.State.Resource(resource); ok {
		m.Call(r.Owner, poco.ManageOrder{Order: order})
	}
}

func (m *Market) initialize() {
	if len(m.rig.deals) == 0 {
		return
	}
	id := m.recent(m.rig.deals)
	deal, _ := m.State.Deal(id)
	m.Call(m.person(), poco.Initialize{Deal: id, Index: amount(int(deal.BotFirst) + m.choose(int(deal.BotSize)+1))})
}

func (m *Market) task() poco.Hash { return m.recent(m.rig.tasks) }

// recent picks one of the last, mostly of the last few: older ones have ended, or wait
// for a deadline.
func (m *Market) recent(list []poco.Hash) poco.Hash {
	among := 3
	if m.choose(4) == 0 {
		among = 30
	}
	return list[len(list)-1-m.choose(min(among, len(list)))]
}

// finding is what a worker finds: mostly the truth.
func (m *Market) finding() poco.Hash {
	if m.choose(5) == 0 {
		return Bad
	}
	return Good
}

func (m *Market) contribute() {
	task := m.task()
	for range 1 + m.choose(3) {
		m.Contribute(task, m.person(), m.finding())
	}
}

// Contribute commits a worker to a result.
func (m *Market) Contribute(task poco.Hash, worker poco.Address, digest poco.Hash) bool {
	return m.Call(worker, poco.Contribute{
		Task: task, ResultHash: poco.ResultHash(task, digest), ResultSeal: poco.ResultSeal(worker, task, digest),
		Authorization: m.Authorize(task, worker),
	})
}

func (m *Market) shortcut() { m.Shortcut(m.task(), m.person()) }

// Shortcut is contributeAndFinalize.
func (m *Market) Shortcut(task poco.Hash, worker poco.Address) bool {
	return m.Call(worker, poco.ContributeAndFinalize{
		Task: task, Digest: Good, Results: []byte("result"), Authorization: m.Authorize(task, worker),
	})
}

func (m *Market) reveal() {
	task := m.task()
	digest := m.finding()
	for _, worker := range m.people {
		m.Call(worker, poco.Reveal{Task: task, Digest: digest})
		if m.choose(10) == 0 {
			return
		}
	}
}

func (m *Market) reopen() {
	m.Scheduler(m.task(), func(id poco.Hash) poco.Command { return poco.Reopen{Task: id} })
}

func (m *Market) finalize() {
	m.Scheduler(m.task(), func(id poco.Hash) poco.Command { return poco.Finalize{Task: id, Results: []byte{0xff, 0}} })
}

// Scheduler makes a call about a task as the owner of its workerpool.
func (m *Market) Scheduler(task poco.Hash, command func(poco.Hash) poco.Command) bool {
	t, ok := m.State.Task(task)
	if !ok {
		return false
	}
	deal, _ := m.State.Deal(t.Deal)
	return m.Call(deal.Workerpool.Owner, command(task))
}

func (m *Market) claim() { m.Call(m.person(), poco.Claim{Task: m.task()}) }
