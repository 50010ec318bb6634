package pocotest

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"

	"assay/consensus/poco"
)

var (
	prices  = append(amounts(0, 1, 3, 100, 999, 1_000_000_007), power(60), power(200), most())
	volumes = append(amounts(1, 2, 3, 5, 0, 70_000), most())
	trusts  = append(amounts(1, 0, 2, 2, 2, 3, 3, 4, 100), power(200))
	tags    = []byte{0, 0, 0, 1, 3, 5, 9, 2, 8, 0xf}
)

// drawOrders draws four orders that mostly match, and signs them.
func (m *Market) drawOrders(t *rapid.T, s *poco.State) poco.Orders {
	if len(m.orders) > 0 && !likely(t, 70, "new orders") {
		return m.mixOrders(t)
	}
	var o poco.Orders
	m.drawTerms(t, &o)
	m.drawParties(t, &o)
	if !likely(t, 80, "unrestricted") {
		m.restrict(t, &o)
	}
	if !likely(t, 85, "orders match") {
		m.spoil(t, &o)
	}
	m.signOrders(t, s, &o)
	m.orders = append(m.orders, o)
	return o
}

// mixOrders takes orders drawn before, which may be used up or closed by now, sometimes
// from different deals.
func (m *Market) mixOrders(t *rapid.T) poco.Orders {
	o := pick(t, m.orders, "old orders")
	if !likely(t, 60, "the same four") {
		o.App = pick(t, m.orders, "app order").App
		o.Dataset = pick(t, m.orders, "dataset order").Dataset
		o.Workerpool = pick(t, m.orders, "workerpool order").Workerpool
	}
	return o
}

func (m *Market) drawTerms(t *rapid.T, o *poco.Orders) {
	cheap := prices[:6]
	if !likely(t, 90, "affordable") {
		cheap = prices
	}
	o.App.Price, o.Dataset.Price, o.Workerpool.Price = pick(t, cheap, "app price"), pick(t, cheap, "dataset price"), pick(t, cheap, "pool price")
	o.Request.AppMaxPrice, o.Request.DatasetMaxPrice, o.Request.WorkerpoolMaxPrice = o.App.Price, o.Dataset.Price, o.Workerpool.Price
	o.App.Volume, o.Dataset.Volume = pick(t, volumes, "app volume"), pick(t, volumes, "dataset volume")
	o.Workerpool.Volume, o.Request.Volume = pick(t, volumes, "pool volume"), pick(t, volumes, "request volume")
	if likely(t, 80, "enough volume") {
		least := amounts(2)[0]
		for _, volume := range []*poco.Amount{&o.App.Volume, &o.Dataset.Volume, &o.Workerpool.Volume, &o.Request.Volume} {
			if volume.Lt(&least) {
				*volume = least
			}
		}
	}
	trust := pick(t, trusts, "trust")
	o.Request.Trust, o.Workerpool.Trust = trust, trust
	category := pick(t, amounts(0, 0, 0, 1, 4), "category")
	o.Request.Category, o.Workerpool.Category = category, category
	tag := pick(t, tags, "tag")
	o.App.Tag[31], o.Dataset.Tag[31], o.Request.Tag[31] = tag, pick(t, []byte{0, tag}, "dataset tag"), pick(t, []byte{0, tag}, "request tag")
	o.Workerpool.Tag = poco.Hash{0: 0x80, 31: 0xff}
	o.Request.Params = rapid.SampledFrom([]string{"{}", "", "a rather long parameter that takes more than one word of 32 bytes"}).Draw(t, "params")
}

func (m *Market) drawParties(t *rapid.T, o *poco.Orders) {
	o.App.App, o.Workerpool.Workerpool = pick(t, m.apps, "app"), pick(t, m.pools, "pool")
	if likely(t, 60, "dataset") {
		o.Dataset.Dataset = pick(t, m.datasets, "dataset")
	}
	o.Request.App, o.Request.Dataset = o.App.App, o.Dataset.Dataset
	o.Request.Requester = pick(t, []poco.Address{Address("requester1"), Address("requester2")}, "requester")
	if m.signer != (poco.Address{}) && !likely(t, 90, "requester is a person") {
		o.Request.Requester = m.signer
	}
	if !likely(t, 98, "requester is somebody") {
		o.Request.Requester = poco.Address{}
	}
	if !likely(t, 75, "no callback") {
		o.Request.Callback = pick(t, m.people, "callback")
	}
	o.Request.Beneficiary = pick(t, m.people, "beneficiary")
	m.salt++
	for i, to := range []*poco.Hash{&o.App.Salt, &o.Dataset.Salt, &o.Workerpool.Salt, &o.Request.Salt} {
		*to = crypto.Keccak256Hash([]byte{byte(m.salt >> 8), byte(m.salt), byte(i)})
	}
}

// restrict sets one restriction, mostly one that lets the right party pass.
func (m *Market) restrict(t *rapid.T, o *poco.Orders) {
	app, dataset, pool, requester := o.App.App, o.Dataset.Dataset, o.Workerpool.Workerpool, o.Request.Requester
	restrictions := []struct {
		field *poco.Address
		party poco.Address
	}{
		{&o.Request.Workerpool, pool},
		{&o.App.DatasetRestrict, dataset}, {&o.App.WorkerpoolRestrict, pool}, {&o.App.RequesterRestrict, requester},
		{&o.Dataset.AppRestrict, app}, {&o.Dataset.WorkerpoolRestrict, pool}, {&o.Dataset.RequesterRestrict, requester},
		{&o.Workerpool.AppRestrict, app}, {&o.Workerpool.DatasetRestrict, dataset}, {&o.Workerpool.RequesterRestrict, requester},
	}
	r := pick(t, restrictions, "restriction")
	to := []poco.Address{r.party, m.group, Address("pauper"), m.rules.Hub}
	if m.unsponsored {
		to = to[:3] // those contracts repeat whatever the hub answers
	}
	*r.field = pick(t, to, "restricted to")
}

// spoil makes orders that do not match.
func (m *Market) spoil(t *rapid.T, o *poco.Orders) {
	spoils := []func(){
		func() { o.Request.Category = pick(t, amounts(1, 2, 99), "other category") },
		func() {
			c := pick(t, append(amounts(5, 99), most()), "no category")
			o.Request.Category, o.Workerpool.Category = c, c
		},
		func() { o.Workerpool.Trust = amounts(0)[0] },
		func() { o.Request.AppMaxPrice = amounts(0)[0] },
		func() { o.Request.DatasetMaxPrice = amounts(0)[0] },
		func() { o.Request.WorkerpoolMaxPrice = amounts(0)[0] },
		func() { o.Workerpool.Tag = poco.Hash{31: 0xf0} },
		func() { o.Request.Tag = poco.Hash{5: 1} },
		func() { o.App.Tag = poco.Hash{}; o.Request.Tag[31] = 1 },
		func() { o.Request.App = pick(t, m.Resources(), "other app") },
		func() { o.Request.Dataset = pick(t, m.Resources(), "other dataset") },
		func() { r := pick(t, append(m.Resources(), m.people[0]), "no app"); o.App.App, o.Request.App = r, r },
		func() {
			r := pick(t, append(m.Resources(), m.people[0]), "no dataset")
			o.Dataset.Dataset, o.Request.Dataset = r, r
		},
		func() { o.Workerpool.Workerpool = pick(t, append(m.Resources(), m.people[0]), "no pool") },
	}
	pick(t, spoils, "spoil")()
}

// signOrders has the present owners sign, mostly.
func (m *Market) signOrders(t *rapid.T, s *poco.State, o *poco.Orders) {
	o.App.Sign = m.signature(t, m.ownerOf(s, o.App.App), m.rules.OrderHash(o.App))
	if o.Dataset.Dataset != (poco.Address{}) {
		o.Dataset.Sign = m.signature(t, m.ownerOf(s, o.Dataset.Dataset), m.rules.OrderHash(o.Dataset))
	}
	o.Workerpool.Sign = m.signature(t, m.ownerOf(s, o.Workerpool.Workerpool), m.rules.OrderHash(o.Workerpool))
	o.Request.Sign = m.signature(t, o.Request.Requester, m.rules.OrderHash(o.Request))
}

func (m *Market) ownerOf(s *poco.State, resource poco.Address) poco.Address {
	if r, ok := s.Resource(resource); ok {
		return r.Owner
	}
	return Address("pauper")
}

// signature is the account's signature of a hash, in one of its two forms; sometimes
// somebody else's, or none at all.
func (m *Market) signature(t *rapid.T, account poco.Address, hash poco.Hash) []byte {
	if account == m.signer && account != (poco.Address{}) && likely(t, 90, "valid") {
		return ValidSignature
	}
	if m.keys[account] == nil || !likely(t, 98, "own signature") {
		account = pick(t, m.people, "forger")
	}
	long, err := crypto.Sign(hash[:], m.keys[account])
	if err != nil {
		t.Fatalf("signing: %v", err)
	}
	long[64] += 27
	switch form := rapid.IntRange(0, 160).Draw(t, "form"); {
	case form < 140:
		return long
	case form < 156:
		short := long[:64:64]
		short[32] |= (long[64] - 27) << 7
		return short
	case form == 156:
		return nil // presigned, perhaps
	case form == 157:
		return long[:63]
	case form == 158:
		long[64] = 29
		return long
	case form == 159:
		return highS(long)
	default:
		long[7] ^= 1
		return long
	}
}

// highS is the other signature of the same key, which OpenZeppelin does not take.
func highS(long []byte) []byte {
	s := common.BytesToHash(long[32:64]).Big()
	s.Sub(crypto.S256().Params().N, s)
	s.FillBytes(long[32:64])
	long[64] ^= 27 ^ 28
	return long
}
