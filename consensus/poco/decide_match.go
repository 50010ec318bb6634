package poco

// matched is what matching finds out about the orders.
type matched struct {
	*Orders
	tag                               Hash
	app, dataset, workerpool, request Hash // the orders' hashes; dataset is zero without one
	appOwner, datasetOwner, poolOwner Address
	volume                            Amount
}

func (m *matched) hasDataset() bool { return m.Dataset.Dataset != Address{} }

// sponsorMatchOrders lets the sender pay; before PoCo 5.5 there was no such call.
func (t *call) sponsorMatchOrders(o *Orders) {
	if !t.require(!t.era.NoSponsor, "") {
		return
	}
	deal := t.matchOrders(o, t.sender)
	t.emit(DealSponsored{Deal: deal, Sponsor: t.sender})
}

// matchOrders makes a deal (IexecPoco1Facet._matchOrders) and returns its id.
func (t *call) matchOrders(o *Orders, sponsor Address) Hash {
	m := &matched{Orders: o}
	t.checkTerms(m)
	t.checkRestrictions(m, &classicRestrictions)
	t.checkOwners(m)
	m.volume = t.volume(m)
	t.require(!m.volume.IsZero(), "iExecV5-matchOrders-0x60")
	if t.err != nil {
		return Hash{}
	}
	first := t.s.Consumed(m.request)
	id := DealID(m.request, &first)
	deal := t.deal(m, sponsor)
	deal.WorkerStake = t.percent(deal.Workerpool.Price, t.s.resources.get(deal.Workerpool.Pointer).WorkerStakeRatio)
	price := t.taskPrice(&deal)
	t.lock(sponsor, t.mul(price, m.volume))
	t.lock(deal.Workerpool.Owner, t.mul(t.poolStake(&deal), m.volume))
	t.emit(SchedulerNotice{Workerpool: deal.Workerpool.Pointer, Deal: id})
	t.emit(m.event(id, &deal))
	return id
}

func (m *matched) event(id Hash, deal *Deal) OrdersMatched {
	return OrdersMatched{
		Deal: id, AppHash: m.app, DatasetHash: m.dataset, WorkerpoolHash: m.workerpool, RequestHash: m.request,
		Volume: m.volume, Body: deal,
	}
}

// checkTerms checks category, trust, prices and tags, and merges the tag.
func (t *call) checkTerms(m *matched) {
	request, pool := &m.Request, &m.Workerpool
	t.require(request.Category.Eq(&pool.Category), "iExecV5-matchOrders-0x00")
	t.require(request.Category.CmpUint64(t.s.Categories()) < 0, "iExecV5-matchOrders-0x01")
	t.require(!request.Trust.Gt(&pool.Trust), "iExecV5-matchOrders-0x02")
	t.require(!request.AppMaxPrice.Lt(&m.App.Price), "iExecV5-matchOrders-0x03")
	t.require(!request.DatasetMaxPrice.Lt(&m.Dataset.Price), "iExecV5-matchOrders-0x04")
	t.require(!request.WorkerpoolMaxPrice.Lt(&pool.Price), "iExecV5-matchOrders-0x05")
	m.tag = or(m.App.Tag, t.datasetTag(m.Dataset.Tag), request.Tag)
	t.require(or(m.tag, pool.Tag) == pool.Tag, "iExecV5-matchOrders-0x06")
	t.require(hasEnclaveBit(m.tag) == hasEnclaveBit(m.App.Tag), "iExecV5-matchOrders-0x07")
	t.require(request.App == m.App.App, "iExecV5-matchOrders-0x10")
	t.require(request.Dataset == m.Dataset.Dataset, "iExecV5-matchOrders-0x11")
}

// datasetTag is what of a dataset's tag enters the deal's: from PoCo 6.2 on not the bits
// that name an enclave framework.
func (t *call) datasetTag(tag Hash) Hash {
	if t.era.MaskDatasetTag {
		tag[31] &^= 0x0e
	}
	return tag
}

// restrictions are the reasons for which a restriction in an order refuses, in the order
// in which they are checked.
type restrictions [10]string

var classicRestrictions = restrictions{
	"iExecV5-matchOrders-0x12",
	"iExecV5-matchOrders-0x13", "iExecV5-matchOrders-0x14", "iExecV5-matchOrders-0x15",
	"iExecV5-matchOrders-0x16", "iExecV5-matchOrders-0x17", "iExecV5-matchOrders-0x18",
	"iExecV5-matchOrders-0x19", "iExecV5-matchOrders-0x1a", "iExecV5-matchOrders-0x1b",
}

func (t *call) checkRestrictions(m *matched, reasons *restrictions) {
	app, dataset, pool, requester := m.App.App, m.Dataset.Dataset, m.Workerpool.Workerpool, m.Request.Requester
	checks := [...]struct{ restriction, account Address }{
		{m.Request.Workerpool, pool},
		{m.App.DatasetRestrict, dataset}, {m.App.WorkerpoolRestrict, pool}, {m.App.RequesterRestrict, requester},
		{m.Dataset.AppRestrict, app}, {m.Dataset.WorkerpoolRestrict, pool}, {m.Dataset.RequesterRestrict, requester},
		{m.Workerpool.AppRestrict, app}, {m.Workerpool.DatasetRestrict, dataset}, {m.Workerpool.RequesterRestrict, requester},
	}
	for i, check := range checks {
		t.allow(check.restriction, check.account, reasons[i])
	}
}

// allow fails the call unless a restriction lets an account pass
// (SignatureVerifier._isAccountAuthorizedByRestriction).
func (t *call) allow(restriction, account Address, reason string) {
	if restriction == (Address{}) || restriction == account {
		return
	}
	member, group := false, false
	if t.s.rules.Contracts != nil {
		member, group = t.s.rules.Contracts.Member(restriction, account)
	}
	if t.legacy() && !group {
		reason = "" // it asked whatever stood there, without catching that it is no group
	}
	t.require(member && group, reason)
}

// checkOwners finds the orders' hashes and owners and checks their signatures.
func (t *call) checkOwners(m *matched) {
	m.appOwner = t.owner(m.App.App)
	m.app = t.checkOrder(m.App, m.App.App, App, m.App.Sign, "iExecV5-matchOrders-0x20", "iExecV5-matchOrders-0x21")
	if m.hasDataset() {
		m.datasetOwner = t.owner(m.Dataset.Dataset)
		m.dataset = t.checkOrder(m.Dataset, m.Dataset.Dataset, Dataset, m.Dataset.Sign,
			"iExecV5-matchOrders-0x30", "iExecV5-matchOrders-0x31")
	}
	m.poolOwner = t.owner(m.Workerpool.Workerpool)
	m.workerpool = t.checkOrder(m.Workerpool, m.Workerpool.Workerpool, Workerpool, m.Workerpool.Sign,
		"iExecV5-matchOrders-0x40", "iExecV5-matchOrders-0x41")
	m.request = t.s.rules.OrderHash(m.Request)
	t.requireOrderSigned(m.Request.Requester, m.request, m.Request.Sign, "iExecV5-matchOrders-0x50")
}

// checkOrder returns the hash of a resource's order after checking that the resource is
// registered as what it is offered as, and that its owner signed.
func (t *call) checkOrder(order AnyOrder, resource Address, kind ResourceKind, sign []byte, unregistered, unsigned string) Hash {
	r := t.s.resources.get(resource)
	if !t.require(r != nil && r.Kind == kind, unregistered) {
		return Hash{}
	}
	hash := t.s.rules.OrderHash(order)
	t.requireOrderSigned(r.Owner, hash, sign, unsigned)
	return hash
}

// volume is how many tasks the deal has: what is left of the order with the least.
func (t *call) volume(m *matched) Amount {
	least := t.left(m.App.Volume, m.app)
	if m.hasDataset() {
		least = lesser(least, t.left(m.Dataset.Volume, m.dataset))
	}
	least = lesser(least, t.left(m.Workerpool.Volume, m.workerpool))
	return lesser(least, t.left(m.Request.Volume, m.request))
}

// left is what deals have not used of an order. Of a closed order it is nothing, even
// where the volume that its closing consumed is not known.
func (t *call) left(volume Amount, order Hash) Amount {
	o := t.s.Order(order)
	if o.Closed {
		return Amount{}
	}
	return t.sub(volume, o.Consumed)
}

func lesser(x, y Amount) Amount {
	if y.Lt(&x) {
		return y
	}
	return x
}

// deal is what the contract keeps of the matched orders. Owners and the workerpool's
// policy are those of now, for the whole life of the deal.
func (t *call) deal(m *matched, sponsor Address) Deal {
	pool := t.s.resources.get(m.Workerpool.Workerpool)
	first := t.s.Consumed(m.request)
	deal := Deal{
		App:                  Priced{Pointer: m.App.App, Owner: m.appOwner, Price: m.App.Price},
		Workerpool:           Priced{Pointer: m.Workerpool.Workerpool, Owner: m.poolOwner, Price: m.Workerpool.Price},
		Trust:                m.Request.Trust,
		Category:             m.Request.Category,
		Tag:                  m.tag,
		Requester:            m.Request.Requester,
		Beneficiary:          m.Request.Beneficiary,
		Callback:             m.Request.Callback,
		Params:               m.Request.Params,
		StartTime:            t.at.Time,
		BotFirst:             saturate(&first),
		BotSize:              saturate(&m.volume),
		SchedulerRewardRatio: pool.SchedulerRewardRatio,
	}
	if m.hasDataset() {
		deal.Dataset = Priced{Pointer: m.Dataset.Dataset, Owner: m.datasetOwner, Price: m.Dataset.Price}
	}
	if deal.Trust.IsZero() {
		deal.Trust.Set(one)
	}
	if !t.era.NoSponsor {
		deal.Sponsor = sponsor
	}
	return deal
}

// taskPrice is what a task costs its payer.
func (t *call) taskPrice(d *Deal) Amount {
	return t.add(t.add(d.App.Price, d.Dataset.Price), d.Workerpool.Price)
}

// poolStake is what a workerpool has at stake on a task, rounded down per task.
func (t *call) poolStake(d *Deal) Amount {
	return t.percent(d.Workerpool.Price, number(workerpoolStakeRatio))
}

// payer is who pays a deal: its sponsor, and before PoCo 5.5 its requester.
func (t *call) payer(d *Deal) Address {
	if t.era.NoSponsor {
		return d.Requester
	}
	return d.Sponsor
}
