package projection

import (
	"math/big"

	"assay/consensus/poco"
	"assay/consensus/poco/ledger"
	"assay/schema/assaypb"
)

// measures are what a block adds to the sums by the hour (table series). Retracting the
// block adds the same again, negated.
func (p *Projection) measures(block *assaypb.Block, events []poco.Event, b book) []Measure {
	var out []Measure
	add := func(m Measure) { out = append(out, m) }
	for _, event := range events {
		if m, ok := p.count(block, event); ok {
			add(m)
		}
	}
	for _, s := range b.settlements {
		add(p.settledMeasure(block, s))
	}
	for _, paid := range b.payments {
		if m := p.measure(block, paid.deal); m.pay(paid) {
			add(m)
		}
	}
	return out
}

// measure is one that counts nothing yet, of a deal; of an unknown one, of nothing in
// particular.
func (p *Projection) measure(block *assaypb.Block, id poco.Hash) Measure {
	m := Measure{
		Chain: p.chain, Time: at(block.Time),
		Volume: zero, Refunded: zero, EarnedWorkers: zero, EarnedWorkerpool: zero, EarnedApp: zero, EarnedDataset: zero,
		Seized: zero, KittyIn: zero, KittyOut: zero,
	}
	deal, ok := p.state.Deal(id)
	if !ok {
		return m
	}
	m.Workerpool, m.App, m.Dataset = optionalAddress(deal.Workerpool.Pointer), optionalAddress(deal.App.Pointer), optionalAddress(deal.Dataset.Pointer)
	m.Requester, m.Category, m.Tag = optionalAddress(deal.Requester), deal.Category.Dec(), hexOf(deal.Tag[:])
	return m
}

// most is how many tasks of a deal are counted: a deal for nothing may claim to have any
// number, and sums of honest ones should stay sums.
const most = 1 << 40

// count is the measure of an event that is counted; ok is false for others.
func (p *Projection) count(block *assaypb.Block, event poco.Event) (m Measure, ok bool) {
	switch e := event.(type) {
	case poco.OrdersMatched:
		m = p.measure(block, e.Deal)
		m.Deals = 1
		if deal, known := p.state.Deal(e.Deal); known {
			m.Tasks = int64(min(deal.BotSize, most))
		}
	case poco.TaskInitialize:
		m = p.measure(block, p.dealID(e.Task))
		m.Initialized = 1
	case poco.TaskContribute:
		m = p.measure(block, p.dealID(e.Task))
		m.Contributions, m.Worker = 1, address(e.Worker)
	case poco.AccurateContribution:
		m = p.measure(block, p.dealID(e.Task))
		m.Accurate, m.Worker = 1, address(e.Worker)
	case poco.FaultyContribution:
		m = p.measure(block, p.dealID(e.Task))
		m.Faulty, m.Worker = 1, address(e.Worker)
	default:
		return m, false
	}
	return m, true
}

func (p *Projection) dealID(task poco.Hash) poco.Hash {
	if t, ok := p.state.Task(task); ok {
		return t.Deal
	}
	return poco.Hash{}
}

// settledMeasure is the measure of a task's end.
func (p *Projection) settledMeasure(block *assaypb.Block, s ledger.Settlement) Measure {
	m := p.measure(block, s.Deal)
	m.KittyIn, m.KittyOut = amount(s.KittyFill), amount(s.KittyDraw)
	if s.Call == ledger.Claim {
		m.Claimed, m.Refunded = 1, amount(s.Price)
		return m
	}
	m.Completed, m.Volume = 1, amount(s.Price)
	if deal, ok := p.state.Deal(s.Deal); ok && deal.StartTime <= block.Time {
		m.Latency = int64(block.Time - deal.StartTime)
	}
	return m
}

// pay puts a payment where it is counted, and says whether it is.
func (m *Measure) pay(p payment) bool {
	sum := amount(p.amount)
	switch {
	case p.role == ledger.Worker && p.seize:
		m.Worker, m.Seized = address(p.account), sum
	case p.role == ledger.Worker:
		m.Worker, m.EarnedWorkers = address(p.account), sum
	case p.role == ledger.Workerpool && p.seize:
		m.Seized = sum
	case p.role == ledger.Workerpool:
		m.EarnedWorkerpool = sum
	case p.role == ledger.App && !p.seize:
		m.EarnedApp = sum
	case p.role == ledger.Dataset && !p.seize:
		m.EarnedDataset = sum
	default:
		return false
	}
	return true
}

// negated is the measure that takes this one back.
func (m Measure) negated() Measure {
	for _, count := range []*int64{
		&m.Deals, &m.Tasks, &m.Initialized, &m.Completed, &m.Claimed, &m.Contributions, &m.Accurate, &m.Faulty, &m.Latency,
	} {
		*count = -*count
	}
	for _, sum := range []**big.Int{
		&m.Volume, &m.Refunded, &m.EarnedWorkers, &m.EarnedWorkerpool, &m.EarnedApp, &m.EarnedDataset, &m.Seized, &m.KittyIn, &m.KittyOut,
	} {
		*sum = new(big.Int).Neg(*sum)
	}
	return m
}
