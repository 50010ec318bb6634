package replay

import (
	"math/big"

	"assay/consensus/poco"
)

// The protocol's constants that no policy changes (FacetBase.sol).
var (
	poolStakeRatio = big.NewInt(30)  // percent of the price that a workerpool has at stake
	kittyRatio     = big.NewInt(10)  // percent of the kitty that a success draws,
	kittyMin       = big.NewInt(1e9) // and nRLC that it draws at least, if there is as much
)

// settlement is who got and lost what when a task ended, in nRLC.
type settlement struct {
	paid      *big.Int   // by the requester, or the sponsor
	resources *big.Int   // to the owners of app and dataset
	earned    []*big.Int // by each contribution
	lost      []*big.Int // by each contribution: its stake
	pool      *big.Int   // to the workerpool's owner, without the kitty's share
	poolLost  *big.Int   // the workerpool's stake, to the kitty
	kitty     *big.Int   // the kitty's share, to the workerpool's owner
}

func newSettlement(contributions int) settlement {
	s := settlement{
		paid: new(big.Int), resources: new(big.Int), pool: new(big.Int), poolLost: new(big.Int), kitty: new(big.Int),
		earned: make([]*big.Int, contributions), lost: make([]*big.Int, contributions),
	}
	for i := range contributions {
		s.earned[i], s.lost[i] = new(big.Int), new(big.Int)
	}
	return s
}

// settle pays for a task under a policy; kitty is what is in the kitty before.
func (p *Policy) settle(f *facts, v *verdict, kitty *big.Int) settlement {
	s := newSettlement(len(f.contributions))
	switch v.outcome {
	case Open:
	case Completed:
		p.succeed(f, v, kitty, &s)
	default:
		s.poolLost = percent(f.deal.Workerpool.Price.ToBig(), poolStakeRatio)
	}
	return s
}

// succeed is successWork and distributeRewards (IexecPoco2Facet).
func (p *Policy) succeed(f *facts, v *verdict, kitty *big.Int, s *settlement) {
	price := f.deal.Workerpool.Price.ToBig()
	s.resources.Add(f.deal.App.Price.ToBig(), s.resources)
	s.paid.Add(s.resources, price)
	s.paid.Add(s.paid, f.deal.Dataset.Price.ToBig())
	if f.deal.Dataset.Pointer != (poco.Address{}) {
		s.resources.Add(s.resources, f.deal.Dataset.Price.ToBig())
	}
	s.kitty = kittyShare(kitty)

	total, shares := new(big.Int).Set(price), new(big.Int)
	for i, fate := range v.fates {
		switch fate {
		case Paid:
			shares.Add(shares, f.contributions[i].share)
		case Seized:
			s.lost[i] = v.stake
			total.Add(total, v.stake)
		}
	}
	together := percent(total, new(big.Int).Sub(hundred, p.scheduler(f.deal)))
	for i, fate := range v.fates {
		if fate == Paid {
			s.earned[i] = portion(together, f.contributions[i].share, shares)
			total.Sub(total, s.earned[i])
		}
	}
	s.pool = total
}

// portion is a winner's part of what the winners get together. Where no winner has a
// share, as with a weight of 1, whose log is 0, there is only one: a product of ones is
// no consensus above trust 1.
func portion(together, share, shares *big.Int) *big.Int {
	if shares.Sign() == 0 {
		return together
	}
	product := new(big.Int).Mul(together, share)
	return product.Quo(product, shares)
}

// kittyShare is what a success draws from a kitty.
func kittyShare(kitty *big.Int) *big.Int {
	share := percent(kitty, kittyRatio)
	if share.Cmp(kittyMin) < 0 {
		share.Set(kittyMin)
	}
	if share.Cmp(kitty) > 0 {
		share.Set(kitty)
	}
	return share
}
