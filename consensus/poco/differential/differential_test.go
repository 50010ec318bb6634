// Package differential plays the same random histories to the rules and to the real
// contracts (@iexec/poco 6.1.0, with the token and with the native coin) and compares
// everything after each command: success or revert and its reason, the events, and all
// that the contracts' accessors show.
package differential

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"assay/consensus/poco"
	"assay/consensus/poco/pocotest"
	"assay/consensus/poco/wire"
	"assay/contracts"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

const start = 1_700_000_000 // seconds since 1970

// steps is how long a history is.
const steps = 60

// others are the contracts that orders and signatures may name (ERC734Mock, ERC1271Mock).
type others struct {
	group, signer poco.Address
	members       map[poco.Address]bool
}

func (o *others) Member(restriction, account poco.Address) (member, group bool) {
	return o.members[account], restriction == o.group
}

func (o *others) Signed(account poco.Address, _ poco.Hash, signature []byte) (valid, contract bool) {
	contract = account != poco.Address{} && (account == o.signer || account == o.group) // there may be none
	return string(signature) == string(pocotest.ValidSignature), contract
}

// run is one history, played to both.
type run struct {
	*rapid.T
	chain    *chain
	state    *poco.State
	market   *pocotest.Market
	decoder  contracts.Decoder
	coverage coverage
}

// coverage counts commands by type and outcome.
type coverage map[string]int

func newRun(t *rapid.T, c *chain, seen coverage) *run {
	o := &others{group: c.group, signer: c.signer, members: map[poco.Address]bool{}}
	rules := poco.Rules{
		ChainID: chainID, Hub: c.hub, Native: c.token == poco.Address{}, Owner: pocotest.Address("hubOwner"), Contracts: o,
	}
	rules.Eras = []chains.Era{c.era}
	if rapid.Bool().Draw(t, "TEE broker") {
		rules.TEEBroker = pocotest.Address("sponsor")
		c.setBroker(t, rules.Owner, rules.TEEBroker)
	}
	r := &run{T: t, chain: c, state: poco.New(rules), coverage: seen, decoder: contracts.Decoder{
		Hub: c.hub, AppRegistry: c.apps, DatasetRegistry: c.datasets, WorkerpoolRegistry: c.pools,
	}}
	for i, clock := range clocks {
		event := poco.CreateCategory{ID: amount(uint64(i)), WorkClockTimeRef: amount(clock)}
		if err := r.state.Evolve(c.now, event); err != nil {
			t.Fatal(err)
		}
	}
	r.market = pocotest.NewMarket(pocotest.Config{
		Rules: rules, Boost: c.boosts, Legacy: c.era.NoSponsor, Predict: r.predict, Group: c.group, Signer: c.signer,
	})
	for _, step := range r.market.Opening() {
		r.play(step)
	}
	r.season()
	r.admit(o, append(r.market.Resources()[:3], pocotest.Address("requester1"))...)
	return r
}

func amount(x uint64) (a poco.Amount) {
	a.SetUint64(x)
	return a
}

func (r *run) predict(resource poco.Resource) poco.Address {
	address, err := r.chain.predict(resource)
	if err != nil {
		r.Fatal(err)
	}
	return address
}

// season gives people scores as if from long ago: a history is too short to earn them.
func (r *run) season() {
	for _, person := range pocotest.People() {
		score := rapid.SampledFrom([]uint64{0, 0, 1, 2, 7, 11, 12, 15, 40, 100}).Draw(r.T, "score")
		for range score {
			if err := r.state.Evolve(r.chain.now, poco.AccurateContribution{Worker: person}); err != nil {
				r.Fatal(err)
			}
		}
		r.chain.setScore(person, score)
		r.compare(nil, poco.Key{Kind: poco.KindAccount, Address: person})
	}
}

// admit makes accounts members of the group.
func (r *run) admit(o *others, accounts ...poco.Address) {
	mock, err := load(contract("tools/testing/", "ERC734Mock"))
	if err != nil {
		r.Fatal(err)
	}
	api, err := mock.parsed()
	if err != nil {
		r.Fatal(err)
	}
	for _, account := range accounts {
		o.members[account] = true
		var key [32]byte
		copy(key[12:], account[:])
		data, err := api.Pack("setKeyHasPurpose", key, small(4))
		if err == nil {
			_, err = r.chain.send(account, o.group, data, nil)
		}
		if err != nil {
			r.Fatal(err)
		}
	}
}

// play has both sides carry out a step, and compares.
func (r *run) play(step pocotest.Step) {
	now := &r.chain.now
	now.Number++
	now.Time += step.Wait
	here, wont := r.state.Decide(*now, step.Sender, step.Command)
	there, wontThere := r.execute(step)
	r.coverage[outcome(step.Command, wontThere)]++
	if fmt.Sprint(wont) != fmt.Sprint(wontThere) {
		r.Fatalf("%T: the rules say %v, the contracts %v\n%+v", step.Command, wont, wontThere, step.Command)
	}
	r.compareEvents(step.Command, here, there)
	mark := r.state.Mark()
	for _, event := range here {
		if err := r.state.Evolve(*now, event); err != nil {
			r.Fatalf("%T: %v", step.Command, err)
		}
		if e, ok := event.(poco.Approval); ok {
			there, here := r.allowance(e.Owner, e.Spender)
			r.same(step.Command, "allowance", there, here)
		}
	}
	keys, err := r.state.Changed(mark)
	if err != nil {
		r.Fatal(err)
	}
	if err := r.state.Release(mark); err != nil {
		r.Fatal(err)
	}
	r.market.Happened(here)
	for _, key := range keys {
		r.compare(step.Command, key)
	}
	contractsSupply, supply := r.supply()
	r.same(step.Command, "supply", contractsSupply, supply)
}

func outcome(command poco.Command, err error) string {
	name := strings.TrimPrefix(fmt.Sprintf("%T", command), "poco.")
	var revert *poco.Revert
	switch {
	case errors.As(err, &revert) && revert.Reason == "":
		return name + ": reverts without a reason"
	case errors.As(err, &revert):
		return name + ": " + revert.Reason
	}
	return name + ": succeeds"
}

// execute sends a step to the contracts and returns the events that they emit.
func (r *run) execute(step pocotest.Step) ([]*assaypb.Event, error) {
	c, err := r.chain.encode(step.Command)
	if err != nil {
		r.Fatal(err)
	}
	logs, err := r.chain.send(step.Sender, c.to, c.data, c.value)
	if err != nil {
		return nil, err
	}
	var events []*assaypb.Event
	for _, log := range logs {
		event, err := r.decoder.Decode(*log)
		if err != nil {
			r.Fatal(err)
		}
		if event.GetUnknown() == nil {
			events = append(events, &assaypb.Event{Body: event.Body})
		}
	}
	return events, nil
}

func (r *run) compareEvents(command poco.Command, here []poco.Event, there []*assaypb.Event) {
	for i := range max(len(here), len(there)) {
		var one, other *assaypb.Event
		if i < len(here) {
			one = bare(wire.ToProto(here[i]))
		}
		if i < len(there) {
			other = there[i]
		}
		if !proto.Equal(one, other) {
			r.Fatalf("%T: event %d of the rules is\n%v\nof the contracts\n%v", command, i, one, other)
		}
	}
}

// bare takes off what is attached: no log carries it.
func bare(m *assaypb.Event) *assaypb.Event {
	switch body := m.Body.(type) {
	case *assaypb.Event_OrdersMatched:
		body.OrdersMatched.Body = nil
	case *assaypb.Event_TaskInitialize:
		body.TaskInitialize.Deal, body.TaskInitialize.Index = nil, nil
	case *assaypb.Event_TaskContribute:
		body.TaskContribute.ResultSeal, body.TaskContribute.EnclaveChallenge = nil, nil
	case *assaypb.Event_TaskFinalize:
		body.TaskFinalize.ResultsCallback = nil
	case *assaypb.Event_OrderSigned:
		body.OrderSigned.Signer = nil
	case *assaypb.Event_OrderClosed:
		body.OrderClosed.Volume = nil
	case *assaypb.Event_ResourceTransfer:
		body.ResourceTransfer.Body = nil
	}
	return m
}

func (r *run) compare(command poco.Command, key poco.Key) {
	there, here := r.views(key)
	r.same(command, fmt.Sprintf("%+v", key), there, here)
}

func (r *run) same(command poco.Command, what string, there, here view) {
	if there != here {
		r.Fatalf("after %T: %s is to the contracts\n%s\nto the rules\n%s", command, what, there, here)
	}
}

// compareAll compares everything there is, also what nothing is known to have changed.
func (r *run) compareAll() {
	for _, person := range append(pocotest.People(), r.chain.hub, poco.KittyAddress, r.chain.signer) {
		r.compare(nil, poco.Key{Kind: poco.KindAccount, Address: person})
	}
	for _, deal := range r.market.Deals() {
		r.compare(nil, poco.Key{Kind: poco.KindDeal, Hash: deal})
	}
	for _, task := range r.market.Tasks() {
		r.compare(nil, poco.Key{Kind: poco.KindTask, Hash: task})
		for _, worker := range pocotest.People() {
			r.compare(nil, poco.Key{Kind: poco.KindContribution, Hash: task, Address: worker})
		}
	}
	for _, resource := range r.market.Resources() {
		r.compare(nil, poco.Key{Kind: poco.KindResource, Address: resource})
	}
	rules := r.state.Rules()
	for _, o := range r.market.Orders() {
		for _, order := range []poco.AnyOrder{o.App, o.Dataset, o.Workerpool, o.Request} {
			r.compare(nil, poco.Key{Kind: poco.KindOrder, Hash: rules.OrderHash(order)})
		}
	}
}

// TestRulesAgreeWithTheContracts plays as many histories as rapid is told (-rapid.checks,
// 100 by default), or as fit in DURATION if that is set, e.g. 30m.
func TestRulesAgreeWithTheContracts(t *testing.T) {
	if _, err := os.Stat(filepath.Join(modules, "package.json")); err != nil {
		t.Skip("@iexec/poco is not installed: run `make deps`")
	}
	for _, native := range []bool{false, true} {
		t.Run(map[bool]string{false: "token", true: "native"}[native], func(t *testing.T) {
			t.Parallel()
			deployed, err := deploy(native)
			if err != nil {
				t.Fatal(err)
			}
			agree(t, deployed)
		})
	}
}

// TestRulesAgreeWithOlderContracts does the same with PoCo 5.3.0 and 5.5.0, where they are
// installed (npm install poco-5.3.0@npm:@iexec/poco@5.3.0), or their folders are named in
// POCO_5_3 and POCO_5_5.
func TestRulesAgreeWithOlderContracts(t *testing.T) {
	for _, version := range []legacyVersion{
		{name: "5.3.0", variable: "POCO_5_3", load: truffle, facets: facets53,
			era: chains.Era{CeilLogWeight: true, KittyTransfers: true, NoSponsor: true}},
		{name: "5.5.0", variable: "POCO_5_5", load: hardhat, facets: facets55, boosts: true,
			era: chains.Era{KittyTransfers: true}},
	} {
		for _, native := range []bool{false, true} {
			t.Run(version.name+"/"+map[bool]string{false: "token", true: "native"}[native], func(t *testing.T) {
				if _, err := os.Stat(filepath.Join(version.dir(), "package.json")); err != nil {
					t.Skipf("@iexec/poco %s is not installed", version.name)
				}
				t.Parallel()
				deployed, err := version.deploy(native)
				if err != nil {
					t.Fatal(err)
				}
				agree(t, deployed)
			})
		}
	}
}

func agree(t *testing.T, deployed *chain) {
	seen, histories, commands := coverage{}, 0, 0
	again := until(t)
	for again() {
		rapid.Check(t, func(t *rapid.T) {
			r := newRun(t, deployed.copy(), seen)
			for range steps {
				r.play(r.market.Next(t, r.state, r.chain.now.Time))
				commands++
			}
			r.compareAll()
			histories++
		})
	}
	t.Logf("%d histories, %d commands", histories, commands)
	if testing.Verbose() {
		t.Log(seen)
	}
	seen.require(t, deployed)
}

// until says whether to go on: once, or until DURATION is over.
func until(t *testing.T) func() bool {
	text := os.Getenv("DURATION")
	if text == "" {
		text = "0s"
	}
	duration, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("DURATION=%q: %v", text, err)
	}
	begin, first := time.Now(), true
	return func() bool {
		again := first || time.Since(begin) < duration/2 && !t.Failed()
		first = false
		return again
	}
}

func (c coverage) String() string {
	lines := make([]string, 0, len(c))
	for what, times := range c {
		lines = append(lines, fmt.Sprintf("%7d %s", times, what))
	}
	sort.Slice(lines, func(i, j int) bool { return lines[i][8:] < lines[j][8:] })
	return "coverage:\n" + strings.Join(lines, "\n")
}

// require checks that every command was seen to succeed.
func (c coverage) require(t *testing.T, on *chain) {
	for _, command := range []string{
		"Deposit", "DepositFor", "DepositForArray", "Withdraw", "WithdrawTo", "TransferStake", "Approve", "IncreaseAllowance",
		"DecreaseAllowance", "TransferStakeFrom", "AddCategory", "Register", "TransferResource", "ChangePolicy", "ManageOrder",
		"MatchOrders", "SponsorMatchOrders", "MatchOrdersBoost", "SponsorMatchOrdersBoost", "Initialize", "Contribute",
		"ContributeAndFinalize", "Reveal", "Reopen", "Finalize", "Claim", "InitializeArray", "ClaimArray",
		"InitializeAndClaimArray", "PushResultBoost", "ClaimBoost",
	} {
		if strings.Contains(command, "Boost") && !on.boosts || strings.HasPrefix(command, "Sponsor") && on.era.NoSponsor {
			continue
		}
		if c[command+": succeeds"] == 0 {
			t.Errorf("%s never succeeded: the histories are too few or too poor", command)
		}
	}
}
