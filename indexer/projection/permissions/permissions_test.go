package permissions_test

import (
	"crypto/ecdsa"
	"math/rand"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
	"pgregory.net/rapid"

	"assay/consensus/poco"
	"assay/indexer/internal/market"
	"assay/indexer/projection"
	"assay/indexer/projection/permissions"
	"assay/indexer/projection/projectiontest"
	"assay/schema/assaypb"
)

// TestAShelfChangesNothing is projection's test of that name.
func TestAShelfChangesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p, log := newPlayer(rapid.Int64().Draw(rt, "seed")), &market.Log{}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			log.Fork(p.Market, p.random.Intn(4))
			log.Block(p.grow())
			log.Mark(p.Market, uint64(p.random.Intn(9)))
		}
		if err := projectiontest.Shelved(market.Preset, log.Records, p.random.Intn); err != nil {
			rt.Fatal(err)
		}
	})
}

// player offers datasets in a market, in all the ways that the chain can tell of it.
type player struct {
	*market.Market
	random *rand.Rand
	orders []poco.DatasetOrder  // all that were ever made, also on forks
	used   map[poco.Hash][]byte // by deal, the signature that it was matched with
	rules  poco.Rules
}

func newPlayer(seed int64) *player {
	random := rand.New(rand.NewSource(seed))
	m := market.New(random.Intn)
	return &player{Market: m, random: random, used: map[poco.Hash][]byte{}, rules: m.State.Rules()}
}

func (p *player) person() poco.Address { return p.Person(p.random.Intn(market.People)) }

// keyOf is a person's key, as the market makes it.
func (p *player) keyOf(who poco.Address) *ecdsa.PrivateKey {
	for i := range market.People {
		key, err := crypto.ToECDSA(crypto.Keccak256([]byte{byte(i)}))
		if err == nil && crypto.PubkeyToAddress(key.PublicKey) == who {
			return key
		}
	}
	panic("nobody has the key")
}

func (p *player) signature(o poco.DatasetOrder, by poco.Address) []byte {
	hash := p.rules.OrderHash(o)
	sign, err := crypto.Sign(hash[:], p.keyOf(by))
	if err != nil {
		panic(err)
	}
	sign[64] += 27
	if p.random.Intn(4) == 0 { // short, EIP-2098
		sign[32] |= (sign[64] - 27) << 7
		sign = sign[:64]
	}
	return sign
}

func (p *player) grow() market.Block {
	return p.Seal(uint64(1+p.random.Intn(50)), func() {
		for range 1 + p.random.Intn(6) {
			p.play()
		}
	})
}

func (p *player) owner(dataset poco.Address) poco.Address {
	if r, ok := p.State.Resource(dataset); ok {
		return r.Owner
	}
	return poco.Address{}
}

// order is one of the last orders, or a new one.
func (p *player) order() poco.DatasetOrder {
	if n := len(p.orders); n > 0 && p.random.Intn(3) > 0 {
		return p.orders[n-1-p.random.Intn(min(n, 5))]
	}
	dataset := p.Register(poco.Dataset, p.person())
	terms := market.Terms{Dataset: dataset, Prices: [3]int{0, p.random.Intn(3), 0}, Volume: 1 + p.random.Intn(4)}
	o := p.Orders(terms).Dataset
	p.orders = append(p.orders, o)
	return o
}

func (p *player) play() {
	if p.State.Categories() == 0 {
		p.Call(p.Person(0), poco.AddCategory{Name: "XS", WorkClockTimeRef: *uint256.NewInt(60)})
	}
	o := p.order()
	owner := p.owner(o.Dataset)
	if owner == (poco.Address{}) {
		return // it was registered on a fork
	}
	switch p.random.Intn(6) {
	case 0:
		p.Call(owner, poco.ManageOrder{Order: o})
	case 1:
		p.Call(owner, poco.ManageOrder{Order: o, Close: p.random.Intn(3) == 0})
	case 2:
		p.Call(owner, poco.TransferResource{Kind: poco.Dataset, Resource: o.Dataset, From: owner, To: p.person()})
	case 3:
		o.Sign = []byte("not a signature")
		p.Broadcast(p.person(), o)
	default:
		o.Sign = p.signature(o, p.person())
		if p.random.Intn(2) == 0 {
			o.Sign = p.signature(o, owner)
		}
		if p.random.Intn(2) == 0 {
			p.Broadcast(p.person(), o)
		} else if deal, took := p.match(o); took {
			p.used[deal] = o.Sign
		}
	}
}

// match makes a deal of a dataset's order for one task, which the contracts may refuse.
func (p *player) match(o poco.DatasetOrder) (poco.Hash, bool) {
	who := p.Person(0)
	all := p.Orders(market.Terms{
		App: p.Register(poco.App, who), Dataset: o.Dataset, Workerpool: p.Register(poco.Workerpool, who), Requester: who, Prices: [3]int{0, 9, 0}, Volume: 1,
	})
	all.Dataset = o
	p.Call(who, poco.Deposit{Amount: *uint256.NewInt(1000)})
	for _, order := range []poco.AnyOrder{all.App, all.Workerpool, all.Request} {
		p.Call(who, poco.ManageOrder{Order: order})
	}
	if !p.Call(who, poco.MatchOrders{Orders: all}) {
		return poco.Hash{}, false
	}
	events := p.Head().Events
	matched := events[len(events)-1].GetOrdersMatched()
	return common.BytesToHash(matched.Deal), true
}

// takes says whether the contracts would match an order now, with one of some signatures.
func (p *player) takes(o poco.DatasetOrder, signatures [][]byte) bool {
	for _, sign := range append(signatures, make([]byte, 65)) {
		o.Sign = sign
		took := false
		p.Seal(1, func() { _, took = p.match(o) })
		p.Fork(1)
		if took {
			return true
		}
	}
	return false
}

// told is what the chain tells of orders: which were broadcast, and signatures. What was
// broadcast counts if the dataset's owner after the block signed it.
func (p *player) told() (whole map[poco.Hash]bool, signatures map[poco.Hash][][]byte) {
	whole, signatures = map[poco.Hash]bool{}, map[poco.Hash][][]byte{}
	owners := map[poco.Address]poco.Address{}
	for _, block := range p.Blocks {
		for _, event := range block.Events {
			if e := event.GetResourceTransfer(); e != nil {
				owners[common.BytesToAddress(e.Resource)] = common.BytesToAddress(e.To)
			}
		}
		for _, event := range block.Events {
			if b := event.GetBroadcastOrder(); b != nil {
				for _, o := range p.orders {
					if hash := p.rules.OrderHash(o); slices.Equal(o.Salt[:], saltOf(b)) {
						whole[hash] = true
						if sign := signOf(b); poco.SignerOf(hash, sign) == owners[o.Dataset] {
							signatures[hash] = append(signatures[hash], sign)
						}
					}
				}
			}
			if m := event.GetOrdersMatched(); m != nil {
				hash := common.BytesToHash(m.DatasetHash)
				signatures[hash] = append(signatures[hash], p.used[common.BytesToHash(m.Deal)])
			}
		}
	}
	return whole, signatures
}

// saltOf and signOf read a broadcast dataset order's words: a tuple at an offset, its
// eighth word the salt, its ninth the offset of the signature.
func saltOf(b *assaypb.BroadcastOrder) []byte { return b.Data[32+7*32 : 32+8*32] }

func signOf(b *assaypb.BroadcastOrder) []byte {
	at := 32 + new(uint256.Int).SetBytes(b.Data[32+8*32:32+9*32]).Uint64()
	size := new(uint256.Int).SetBytes(b.Data[at : at+32]).Uint64()
	return b.Data[at+32 : at+32+size]
}

// ordersOf folds a log and keeps the newest row of each order.
func ordersOf(t *rapid.T, records []*assaypb.ChainRecord) map[string]permissions.Order {
	rows, fold := map[string]permissions.Order{}, projection.New(market.Preset)
	for _, record := range records {
		changed, err := fold.Apply(record)
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range changed.More.Tables() {
			for i := range table.Len() {
				row, is := table.Row(i).(*permissions.Order)
				switch {
				case !is || table.Name != "dataset_orders":
				case row.Deleted == 1:
					delete(rows, row.ID)
				default:
					rows[row.ID] = *row
				}
			}
		}
	}
	return rows
}

// What the rows say of an order is what the contracts say: how much is consumed, whether it
// is closed, and, of one that is known whole, whether a deal can be made of it now. Forks
// leave no trace.
func TestRowsSayWhatTheContractsTake(t *testing.T) {
	good, bad := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		p, log := newPlayer(rapid.Int64().Draw(rt, "seed")), &market.Log{}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			if depth := rapid.IntRange(-12, 4).Draw(rt, "depth"); depth > 0 {
				log.Fork(p.Market, depth)
			}
			log.Block(p.grow())
			if rapid.IntRange(0, 4).Draw(rt, "mark") == 0 {
				log.Mark(p.Market, 6)
			}
		}
		rows := ordersOf(rt, log.Records)
		whole, signatures := p.told()
		for _, o := range p.orders {
			hash := p.rules.OrderHash(o)
			row, has := rows[hexutil.Encode(hash[:])]
			kept := p.State.Order(hash)
			if !has {
				if whole[hash] || kept != (poco.Order{}) {
					rt.Fatalf("%s: the chain tells of an order that has no row: %+v", hash, kept)
				}
				continue
			}
			if row.Consumed.Cmp(kept.Consumed.ToBig()) != 0 || row.Closed != kept.Closed {
				rt.Fatalf("%s: consumed %s, closed %v; the contract has %s, %v", hash, row.Consumed, row.Closed, &kept.Consumed, kept.Closed)
			}
			if (row.AppRestrict != nil) != whole[hash] {
				rt.Fatalf("%s: known whole: %v, was broadcast: %v", hash, row.AppRestrict != nil, whole[hash])
			}
			if !whole[hash] {
				continue
			}
			owner := p.owner(o.Dataset)
			says := row.Volume.Cmp(row.Consumed) > 0 && slices.Contains(row.Signers, hexutil.Encode(owner[:]))
			if takes := p.takes(o, signatures[hash]); says != takes {
				rt.Fatalf("%s: the row says %v, the contracts %v\n%+v\nowner %s", hash, says, takes, row, owner)
			}
			if says {
				good++
			} else {
				bad++
			}
		}
	})
	if good < 50 || bad < 50 {
		t.Errorf("only %d orders hold and %d do not: the market is too dull", good, bad)
	}
}

// Data in a collection has the whitelist that it was last put there with.
func TestWhitelists(t *testing.T) {
	data, list := common.Address{1}, common.Address{2}
	moved := func(number uint64, to common.Address) *assaypb.Block {
		return &assaypb.Block{Number: number, Hash: []byte{byte(number)}, Time: number, Events: []*assaypb.Event{{
			TxHash: make([]byte, 32),
			Body:   &assaypb.Event_ProtectedDataTransfer{ProtectedDataTransfer: &assaypb.ProtectedDataTransfer{ProtectedData: data[:], AppWhitelist: to[:]}},
		}}}
	}
	fold := permissions.New(poco.New(poco.RulesOf(market.Preset)))
	for i, to := range []common.Address{list, {}} {
		rows := fold.Block(moved(uint64(i+1), to), nil, uint64(i))
		if len(rows.Whitelists) != 1 || rows.Whitelists[0].Whitelist != hexutil.Encode(to[:]) || rows.Whitelists[0].ID != hexutil.Encode(data[:]) {
			t.Errorf("block %d: %+v", i+1, rows.Whitelists)
		}
	}
	if rows := fold.Retract(3); len(rows.Whitelists) != 1 || rows.Whitelists[0].Whitelist != hexutil.Encode(list[:]) || rows.WhitelistsHistory[0].Deleted != 1 {
		t.Errorf("taken back: %+v", rows)
	}
}
