package poco

import "github.com/ethereum/go-ethereum/crypto"

// Widths of the packed numbers of a Boost deal (IexecLibCore_v5.DealBoost). Storing
// more than fits reverts (SafeCast, with an error that has no text).
const (
	bitsOfPrice    = 96
	bitsOfDeadline = 40
	bitsOfIndex    = 16
)

var boostRestrictions = restrictions{
	"PocoBoost: Workerpool restricted by request order",
	"PocoBoost: Dataset restricted by app order",
	"PocoBoost: Workerpool restricted by app order",
	"PocoBoost: Requester restricted by app order",
	"PocoBoost: App restricted by dataset order",
	"PocoBoost: Workerpool restricted by dataset order",
	"PocoBoost: Requester restricted by dataset order",
	"PocoBoost: App restricted by workerpool order",
	"PocoBoost: Dataset restricted by workerpool order",
	"PocoBoost: Requester restricted by workerpool order",
}

// matchOrdersBoost makes a Boost deal (IexecPocoBoostFacet._matchOrdersBoost): no
// replication, and one deadline for all tasks, which need not be initialized.
func (t *call) matchOrdersBoost(o *Orders, sponsor Address) Hash {
	m := &matched{Orders: o}
	t.checkTermsBoost(m)
	t.checkRestrictions(m, &boostRestrictions)
	t.checkOwnersBoost(m)
	m.volume = t.volume(m)
	t.require(!m.volume.IsZero(), "PocoBoost: One or more orders consumed")
	if t.err != nil {
		return Hash{}
	}
	first := t.s.Consumed(m.request)
	id := DealID(m.request, &first)
	deal := t.dealBoost(m, sponsor, first)
	// The price of a dataset order counts here even where it names no dataset; then it
	// stays locked for ever.
	price := t.add(t.add(m.App.Price, m.Dataset.Price), m.Workerpool.Price)
	t.lock(sponsor, t.mul(price, m.volume))
	t.lock(m.poolOwner, t.mul(t.poolStake(&deal), m.volume))
	t.emit(SchedulerNoticeBoost{
		Workerpool: m.Workerpool.Workerpool, Deal: id, App: m.App.App, Dataset: m.Dataset.Dataset,
		Category: m.Request.Category, Tag: m.tag, Params: m.Request.Params, Beneficiary: m.Request.Beneficiary,
	})
	t.emit(m.event(id, &deal))
	return id
}

// dealBoost is the deal, checked to fit the contract's packed form.
func (t *call) dealBoost(m *matched, sponsor Address, first Amount) Deal {
	deal := t.deal(m, sponsor)
	deal.Sponsor, deal.Boost = sponsor, true
	t.fits(deal.App.Price, bitsOfPrice)
	t.fits(deal.Workerpool.Price, bitsOfPrice)
	t.fits(t.workerReward(&deal), bitsOfPrice)
	t.fits(first, bitsOfIndex)
	t.fits(number(t.deadlineBoost(&deal)), bitsOfDeadline)
	t.fits(m.volume, bitsOfIndex)
	t.fits(deal.Dataset.Price, bitsOfPrice)
	return deal
}

func (t *call) fits(x Amount, bits int) {
	t.require(x.BitLen() <= bits, "SafeCastOverflowedUintDowncast")
}

// workerReward is the worker's part of the price, rounded down.
func (t *call) workerReward(d *Deal) Amount {
	return t.percent(d.Workerpool.Price, t.sub(*hundred, d.SchedulerRewardRatio))
}

// deadlineBoost is when tasks can no longer be pushed but be claimed, in seconds since 1970.
func (t *call) deadlineBoost(d *Deal) uint64 {
	category := t.s.categories.get(saturate(&d.Category))
	if !t.require(category != nil, "panic 0x32") {
		return 0
	}
	return deadline(d.StartTime, category.WorkClockTimeRef, contributionDeadlineRatio)
}

func (t *call) checkTermsBoost(m *matched) {
	request, pool := &m.Request, &m.Workerpool
	t.require(!request.Trust.Gt(one), "PocoBoost: Bad trust level")
	t.require(request.Category.Eq(&pool.Category), "PocoBoost: Category mismatch")
	t.require(request.Category.CmpUint64(t.s.Categories()) < 0, "PocoBoost: Unknown category")
	t.require(!request.AppMaxPrice.Lt(&m.App.Price), "PocoBoost: Overpriced app")
	t.require(!request.DatasetMaxPrice.Lt(&m.Dataset.Price), "PocoBoost: Overpriced dataset")
	t.require(!request.WorkerpoolMaxPrice.Lt(&pool.Price), "PocoBoost: Overpriced workerpool")
	m.tag = or(m.App.Tag, m.Dataset.Tag, request.Tag) // no bit of the dataset's is masked
	t.require(or(m.tag, pool.Tag) == pool.Tag, "PocoBoost: Workerpool tag does not match demand")
	t.require(hasEnclaveBit(m.tag) == hasEnclaveBit(m.App.Tag), "PocoBoost: App tag does not match demand")
	t.require(request.App == m.App.App, "PocoBoost: App mismatch")
	t.require(request.Dataset == m.Dataset.Dataset, "PocoBoost: Dataset mismatch")
}

func (t *call) checkOwnersBoost(m *matched) {
	m.app = t.checkOrder(m.App, m.App.App, App, m.App.Sign,
		"PocoBoost: App not registered", "PocoBoost: Invalid app order signature")
	m.appOwner = t.owner(m.App.App)
	if m.hasDataset() {
		m.dataset = t.checkOrder(m.Dataset, m.Dataset.Dataset, Dataset, m.Dataset.Sign,
			"PocoBoost: Dataset not registered", "PocoBoost: Invalid dataset order signature")
		m.datasetOwner = t.owner(m.Dataset.Dataset)
	}
	m.workerpool = t.checkOrder(m.Workerpool, m.Workerpool.Workerpool, Workerpool, m.Workerpool.Sign,
		"PocoBoost: Workerpool not registered", "PocoBoost: Invalid workerpool order signature")
	m.poolOwner = t.owner(m.Workerpool.Workerpool)
	m.request = t.s.rules.OrderHash(m.Request)
	t.requireOrderSigned(m.Request.Requester, m.request, m.Request.Sign, "PocoBoost: Invalid request order signature")
}

// openBoost returns a Boost deal one of whose tasks has not ended, and the task's id.
func (t *call) openBoost(deal Hash, index *Amount) (*Deal, Hash) {
	d := t.s.deals.get(deal)
	if !t.require(d != nil && d.Boost && index.Lt(&d.size), "PocoBoost: Unknown task") {
		return nil, Hash{}
	}
	id := TaskID(deal, index)
	t.require(t.s.tasks.get(id) == nil, "PocoBoost: Task status not unset")
	return &d.Deal, id
}

// pushResultBoost completes a task. The requester is seized, not the sponsor, so that a
// deal with another sponsor cannot be completed unless the requester happens to have as
// much locked.
func (t *call) pushResultBoost(c PushResultBoost) {
	deal, task := t.openBoost(c.Deal, &c.Index)
	if t.err != nil {
		return
	}
	t.require(t.at.Time < t.deadlineBoost(deal), "PocoBoost: Deadline reached")
	t.checkSignaturesBoost(c, deal, task)
	t.settleBoost(deal, task)
	t.emit(ResultPushedBoost{Deal: c.Deal, Index: c.Index, Results: c.Results})
	t.require(deal.Callback == Address{} || len(c.ResultsCallback) > 0, "PocoBoost: Callback requires data")
}

func (t *call) checkSignaturesBoost(c PushResultBoost, deal *Deal, task Hash) {
	t.require(c.EnclaveChallenge != Address{} || !hasEnclaveBit(deal.Tag), "PocoBoost: Tag requires enclave challenge")
	t.requireSigned(t.authorizer(deal, c.EnclaveChallenge), AuthorizationMessage(t.sender, task, c.EnclaveChallenge),
		c.Authorization, "PocoBoost: Invalid contribution authorization signature")
	if c.EnclaveChallenge == (Address{}) {
		return
	}
	result := c.Results
	if deal.Callback != (Address{}) {
		result = c.ResultsCallback
	}
	t.requireSigned(c.EnclaveChallenge, EnclaveMessageBoost(t.sender, task, crypto.Keccak256Hash(result)),
		c.EnclaveSign, "PocoBoost: Invalid enclave signature")
}

func (t *call) settleBoost(deal *Deal, task Hash) {
	price, worker := t.taskPrice(deal), t.workerReward(deal)
	t.panics(price.BitLen() > bitsOfPrice)
	t.seize(deal.Requester, price, task)
	t.reward(t.sender, worker, task)
	if !deal.App.Price.IsZero() {
		t.reward(deal.App.Owner, deal.App.Price, task)
	}
	if !deal.Dataset.Price.IsZero() {
		t.reward(deal.Dataset.Owner, deal.Dataset.Price, task)
	}
	t.unlock(deal.Workerpool.Owner, t.poolStake(deal))
	share := t.kittyShare()
	if !share.IsZero() {
		t.seize(KittyAddress, share, task)
	}
	t.reward(deal.Workerpool.Owner, t.add(t.sub(deal.Workerpool.Price, worker), share), task)
}

// claimBoost fails a task after the deal's deadline; anyone may.
func (t *call) claimBoost(c ClaimBoost) {
	deal, task := t.openBoost(c.Deal, &c.Index)
	if t.err != nil {
		return
	}
	t.require(t.deadlineBoost(deal) <= t.at.Time, "PocoBoost: Deadline not reached")
	stake := t.poolStake(deal)
	price := t.taskPrice(deal)
	t.panics(price.BitLen() > bitsOfPrice)
	t.unlock(deal.Sponsor, price)
	t.seize(deal.Workerpool.Owner, stake, task)
	t.add(t.s.Account(KittyAddress).Locked, stake)
	t.emit(Reward{Owner: KittyAddress, Amount: stake, Ref: task})
	t.emit(Lock{Owner: KittyAddress, Amount: stake})
	t.emit(TaskClaimed{Task: task})
}
