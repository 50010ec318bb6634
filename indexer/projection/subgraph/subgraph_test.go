package subgraph_test

import (
	"math/rand"
	"slices"
	"testing"

	"github.com/holiman/uint256"
	"pgregory.net/rapid"

	"assay/consensus/poco"
	"assay/consensus/poco/wire"
	"assay/indexer/internal/market"
	"assay/indexer/projection/projectiontest"
	"assay/schema/assaypb"
)

// TestRowsAreTheMapping is the law of this package: after any forks, every table and every
// history is what the mapping computes from the final chain alone.
func TestRowsAreTheMapping(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		random := rand.New(rand.NewSource(rapid.Int64().Draw(rt, "seed")))
		m, log := market.New(random.Intn), &market.Log{}
		p := &player{Market: m, random: random}
		for range rapid.IntRange(1, 80).Draw(rt, "steps") {
			if depth := rapid.IntRange(-12, 8).Draw(rt, "depth"); depth > 0 {
				log.Fork(m, depth)
			}
			log.Block(p.grow(rapid.IntRange(0, 12).Draw(rt, "calls")))
			if rapid.Bool().Draw(rt, "mark") {
				log.Mark(m, rapid.Uint64Range(0, 12).Draw(rt, "finality"))
			}
		}
		d, ts := newDriver(), tables{}
		for _, record := range log.Records {
			rows := d.apply(t, record)
			ts.write(rows.Tables())
		}
		if got, want := ts.dump(), mapped(m.Blocks).tables().dump(); got != want {
			rt.Fatalf("the fold (+) and the mapping (-) differ:\n%s", diff(got, want))
		}
	})
}

// TestAShelfChangesNothing is projection's test of that name, of what the market does not
// play: Boost, whose tasks are looked for among all deals, and orders that are broadcast.
func TestAShelfChangesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		random := rand.New(rand.NewSource(rapid.Int64().Draw(rt, "seed")))
		m, log := market.New(random.Intn), &market.Log{}
		p := &player{Market: m, random: random}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			log.Fork(m, random.Intn(4))
			log.Block(p.grow(12))
			log.Mark(m, uint64(random.Intn(9)))
		}
		if err := projectiontest.Shelved(market.Preset, log.Records, random.Intn); err != nil {
			rt.Fatal(err)
		}
	})
}

// player plays what the market does not play itself.
type player struct {
	*market.Market
	random *rand.Rand
	boosts []poco.Hash
}

// grow adds a block of random calls.
func (p *player) grow(calls int) market.Block {
	if p.random.Intn(10) > 0 {
		return p.Grow(calls)
	}
	return p.Seal(uint64(1+p.random.Intn(1<<p.random.Intn(12))), p.play)
}

func (p *player) person() poco.Address { return p.Person(p.random.Intn(market.People)) }

// params are what requesters tell apps: objects, and what a reader must not stumble over.
var params = []string{`{"bulk_cid":"QmList"}`, `{"bulk_cid":7}`, `{"bulk_cid":null}`, `{"a":{"bulk_cid":""}}`, `1`, `[]`, `"x"`, `{`, ``}

// play is orders that are broadcast, callbacks, odd parameters, sponsors and Boost.
func (p *player) play() {
	p.claimBoosts()
	p.Call(p.Person(0), poco.AddCategory{Name: "M", WorkClockTimeRef: *uint256.NewInt(uint64(p.random.Intn(500)))})
	p.Call(p.person(), poco.Deposit{Amount: *uint256.NewInt(100_000)})
	app, data, pool := p.Register(poco.App, p.person()), p.Register(poco.Dataset, p.person()), p.Register(poco.Workerpool, p.person())
	if p.random.Intn(2) == 0 {
		data = poco.Address{}
	}
	o := p.Orders(market.Terms{App: app, Dataset: data, Workerpool: pool, Requester: p.person(),
		Prices: [3]int{p.random.Intn(9), 0, p.random.Intn(999)}, Trust: p.random.Intn(3), Volume: 1 + p.random.Intn(3)})
	o.Request.Params, o.Request.Callback = params[p.random.Intn(len(params))], p.person()
	if p.random.Intn(2) == 0 {
		o.Request.Beneficiary, o.Request.Callback = poco.Address{19: byte(p.random.Intn(99))}, poco.Address{}
	}
	p.broadcast(o)
	match := p.MatchOrders
	if p.random.Intn(2) == 0 {
		match = p.MatchBoost
	}
	if deal, ok := match(o); ok {
		p.boosts = append(p.boosts, deal)
		p.Call(p.person(), poco.Initialize{Deal: deal, Index: *uint256.NewInt(uint64(p.random.Intn(3)))})
		p.Push(deal, uint64(p.random.Intn(3)), p.person())
	}
	p.broadcast(o)
}

func (p *player) broadcast(o poco.Orders) {
	stranger := o.App
	stranger.App = poco.Address{1, 2, 3}
	for _, order := range []poco.AnyOrder{o.App, o.Dataset, o.Workerpool, o.Request, stranger} {
		if p.random.Intn(3) == 0 {
			p.Broadcast(p.person(), order)
		}
	}
}

func (p *player) claimBoosts() {
	for _, deal := range p.boosts {
		p.Call(p.person(), poco.ClaimBoost{Deal: deal, Index: *uint256.NewInt(uint64(p.random.Intn(3)))})
	}
}

// TestScoresAreThoseOfTheirEvents follows a score up and down within one block, of which the
// state knows but the end.
func TestScoresAreThoseOfTheirEvents(t *testing.T) {
	worker := poco.Address{7}
	block := &assaypb.Block{Number: 1, Time: 1}
	for i := range 7 {
		event := wire.ToProto(poco.AccurateContribution{Worker: worker})
		if i == 5 {
			event = wire.ToProto(poco.FaultyContribution{Worker: worker})
		}
		event.LogIndex, event.TxHash = uint32(i), make([]byte, 32)
		block.Events = append(block.Events, event)
	}
	rows := newDriver().apply(t, &assaypb.ChainRecord{Body: &assaypb.ChainRecord_Block{Block: block}})
	var scores []int64
	for _, row := range rows.AccurateContribution {
		scores = append(scores, row.Score.Int64())
	}
	if want := []int64{1, 2, 3, 4, 5, 4}; !slices.Equal(scores, want) {
		t.Errorf("scores after accurate contributions are %v, want %v", scores, want)
	}
	if got := rows.FaultyContribution[0].Score.Int64(); got != 3 {
		t.Errorf("the score after the faulty one is %d, want 3", got)
	}
	if got := rows.Account[len(rows.Account)-1].Score.Int64(); got != 4 {
		t.Errorf("the account's score is %d, want 4", got)
	}
}
