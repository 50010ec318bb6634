package market

import (
	"assay/consensus/poco"
	"assay/contracts"

	"github.com/holiman/uint256"
)

// MatchBoost signs orders on chain and makes a Boost deal of them.
func (m *Market) MatchBoost(o poco.Orders) (deal poco.Hash, ok bool) {
	m.signAll(o)
	if !m.Call(m.people[0], poco.MatchOrdersBoost{Orders: o}) {
		return deal, false
	}
	return m.rig.deals[len(m.rig.deals)-1], true
}

// Push completes a task of a Boost deal.
func (m *Market) Push(deal poco.Hash, index uint64, worker poco.Address) bool {
	d, ok := m.State.Deal(deal)
	if !ok {
		return false
	}
	n := uint256.NewInt(index)
	message := contracts.AuthorizationHash(worker, poco.TaskID(deal, n), poco.Address{})
	sign, err := contracts.SignMessage(m.keyOf(d.Workerpool.Owner), message)
	if err != nil {
		panic(err) // a hash can always be signed
	}
	return m.Call(worker, poco.PushResultBoost{
		Deal: deal, Index: *n, Results: []byte{0xb0, 0x05, 0x7e}, ResultsCallback: []byte{1}, Authorization: sign,
	})
}
