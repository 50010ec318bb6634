package poco_test

import (
	"fmt"
	"strings"
	"testing"

	"assay/consensus/poco"
	"assay/schema/chains"
)

// What older and newer contracts do differently. Package differential compares the eras of
// 5.3.0, 5.5.0 and 6.1.0 with their bytecode; that of 6.2 (MaskDatasetTag) is from its
// published source.

func worldOf(t *testing.T, eras ...chains.Era) *world {
	r := rules()
	r.Eras = eras
	w := newWorld(t, r)
	w.deposit(100_000_000_000, "requester", "sponsor", "poolOwner", "w1", "w2", "w3")
	return w
}

// praise gives a worker a score.
func (w *world) praise(name string, score int) {
	for range score {
		if err := w.state.Evolve(w.now, poco.AccurateContribution{Worker: w.who(name)}); err != nil {
			w.Fatal(err)
		}
	}
}

func TestLogWeightIsRoundedByEra(t *testing.T) {
	for _, test := range []struct {
		score       int
		weight      uint64
		floor, ceil uint64
	}{{0, 2, 1, 1}, {12, 3, 1, 2}, {15, 4, 2, 2}, {18, 5, 2, 3}, {27, 8, 3, 3}, {30, 9, 3, 4}} {
		for _, era := range []chains.Era{{}, {CeilLogWeight: true}} {
			w := worldOf(t, era)
			w.praise("w1", test.score)
			task := w.initialize(w.match(golden(100, 1)), 0)
			w.contribute(task, "w1=x")
			want := test.floor
			if era.CeilLogWeight {
				want = test.ceil
			}
			c, _ := w.state.Contribution(task, w.who("w1"))
			equal(t, fmt.Sprintf("log weight of score %d, %+v", test.score, era), c.Weight, amount(want))
			equal(t, "group", w.state.Consensus(task, c.ResultHash).Group, amount(test.weight))
		}
	}
}

func TestRewardsFollowLogWeights(t *testing.T) {
	w := worldOf(t)
	w.praise("w1", 27) // weight 8, log 3
	task := w.initialize(w.match(golden(10, 1)), 0)
	w.contribute(task, "w1=x", "w2=x")
	for _, worker := range []string{"w1", "w2"} {
		w.must(worker, poco.Reveal{Task: task, Digest: digestOf("x")})
	}
	stake, _ := w.gained("poolOwner", func() {
		stake, _ := w.gained("w1", func() { w.must("poolOwner", poco.Finalize{Task: task}) })
		equal(t, "three quarters of ⌊1000000007·99/100⌋", stake, 742500004+300000002)
	})
	equal(t, "scheduler", stake, 1000000007-742500004-247500001+300000002)
}

// kinds are the types of events, in order.
func kinds(events []poco.Event) string {
	names := make([]string, len(events))
	for i, event := range events {
		names[i] = strings.TrimPrefix(fmt.Sprintf("%T", event), "poco.")
	}
	return strings.Join(names, " ")
}

func TestTheKittyIsFilledByEra(t *testing.T) {
	for _, test := range []struct {
		era  chains.Era
		want string
	}{
		{chains.Era{}, "Transfer Unlock Seize Reward Lock TaskClaimed"},
		{chains.Era{KittyTransfers: true}, "Transfer Unlock Seize Transfer Reward Transfer Lock TaskClaimed"},
	} {
		w := worldOf(t, test.era)
		task := w.initialize(w.match(golden(1, 1)), 0)
		w.wait(3000)
		equal(t, "events", kinds(w.must("anyone", poco.Claim{Task: task})), test.want)
		equal(t, "kitty", w.state.Account(poco.KittyAddress), poco.Account{Locked: amount(300000002)})
	}
}

func TestBeforeSponsorsTheRequesterPays(t *testing.T) {
	w := worldOf(t, chains.Era{NoSponsor: true})
	w.refused("sponsor", poco.SponsorMatchOrders{Orders: w.orders(golden(1, 1))}, "")
	deal := w.match(golden(1, 2))
	d, _ := w.state.Deal(deal)
	equal(t, "sponsor", d.Sponsor, poco.Address{})
	task := w.initialize(deal, 0)
	_, locked := w.gained("requester", func() {
		w.must("w1", poco.ContributeAndFinalize{Task: task, Digest: digestOf("x"), Authorization: w.authorize("w1", task, poco.Address{})})
	})
	equal(t, "locked by the requester", locked, -1000000015)
	w.wait(3000)
	stake, _ := w.gained("requester", func() {
		w.must("anyone", poco.InitializeAndClaimArray{Deals: []poco.Hash{deal}, Indices: []poco.Amount{amount(1)}})
	})
	equal(t, "refunded to the requester", stake, 1000000015)
}

func TestTheDatasetsFrameworkBitsEnterTheTagByEra(t *testing.T) {
	const scone, gramine = 0x3, 0x5
	tags := func(o *poco.Orders) {
		o.App.Tag[31], o.Request.Tag[31] = scone, scone
		o.Dataset.Tag[31] = gramine
		o.Workerpool.Tag[31] = 0xff
	}
	for _, test := range []struct {
		era  chains.Era
		want byte
	}{{chains.Era{}, scone | gramine}, {chains.Era{MaskDatasetTag: true}, scone}} {
		w := worldOf(t, test.era)
		d, _ := w.state.Deal(w.match(tags))
		equal(t, "tag", d.Tag, poco.Hash{31: test.want})
	}
}

func TestAnEraBeginsAtItsBlock(t *testing.T) {
	w := worldOf(t, chains.Era{CeilLogWeight: true}, chains.Era{FromBlock: 100})
	w.praise("w1", 12)
	w.praise("w2", 12)
	task := w.initialize(w.match(golden(100, 1)), 0)
	w.now.Number = 99
	w.contribute(task, "w1=x")
	w.now.Number = 100
	w.contribute(task, "w2=x")
	for worker, want := range map[string]uint64{"w1": 2, "w2": 1} {
		c, _ := w.state.Contribution(task, w.who(worker))
		equal(t, worker, c.Weight, amount(want))
	}
}

func TestPresetsGiveTheirRules(t *testing.T) {
	r := poco.RulesOf(chains.Preset{ChainID: 134, Hub: "0x3eca1B216A7DF1C7689aEb259fFB83ADFB894E7f", Native: true, Eras: []chains.Era{{NoSponsor: true}}})
	equal(t, "chain", r.ChainID, uint64(134))
	equal(t, "hub", r.Hub.Hex(), "0x3eca1B216A7DF1C7689aEb259fFB83ADFB894E7f")
	equal(t, "native", r.Native, true)
	equal(t, "eras", len(r.Eras), 1)
}
