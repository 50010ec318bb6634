package ledger_test

import (
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
	"pgregory.net/rapid"

	"assay/consensus/poco"
	"assay/consensus/poco/ledger"
	"assay/consensus/poco/pocotest"
	"assay/schema/chains"
)

const start = 1_700_000_000 // seconds since 1970

var hub = common.HexToAddress("0x4b")

// eras are what the books must balance in: PoCo 6.1, 6.2, 5.5.0 and 5.4.
var eras = []chains.Era{
	{}, {MaskDatasetTag: true}, {KittyTransfers: true}, {CeilLogWeight: true, KittyTransfers: true, NoSponsor: true},
}

// history is a drawn history being played, some steps of it to a transaction.
type history struct {
	*rapid.T
	state  *poco.State
	market *pocotest.Market
	now    poco.Block
	books  books

	tx     []poco.Event               // of the transaction under way
	before []map[poco.Address]account // accounts before each event of it, and now
}

// account is what the state says of one.
type account struct{ stake, locked *big.Int }

func newHistory(t *rapid.T) *history {
	rules := poco.Rules{
		ChainID: 1337, Hub: hub, Owner: pocotest.Address("hubOwner"), Native: rapid.Bool().Draw(t, "native"),
		Eras: []chains.Era{rapid.SampledFrom(eras).Draw(t, "era")},
	}
	h := &history{T: t, state: poco.New(rules), now: poco.Block{Number: 1, Time: start}, books: books{}}
	h.begin()
	for _, clock := range []uint64{300, 1200, 3600, 10800, 36000} {
		h.play(pocotest.Step{Sender: rules.Owner, Command: poco.AddCategory{WorkClockTimeRef: amount(clock)}})
	}
	h.market = pocotest.NewMarket(pocotest.Config{Rules: rules, Boost: true, Predict: func(r poco.Resource) poco.Address {
		return poco.Address(crypto.Keccak256([]byte(r.Name), r.Owner[:])[12:])
	}})
	for _, step := range h.market.Opening() {
		h.play(step)
	}
	return h
}

// begin begins a transaction.
func (h *history) begin() { h.tx, h.before = nil, []map[poco.Address]account{h.accounts()} }

// next plays the next steps, of one transaction.
func (h *history) next() {
	h.begin()
	for range rapid.IntRange(1, 3).Draw(h.T, "steps of the transaction") {
		h.play(h.market.Next(h.T, h.state, h.now.Time))
	}
}

// play decides a step, folds what happens and books it.
func (h *history) play(step pocotest.Step) {
	h.now.Number++
	h.now.Time += step.Wait
	events, err := h.state.Decide(h.now, step.Sender, step.Command)
	if revert := new(poco.Revert); err != nil && !errors.As(err, &revert) {
		h.Fatalf("%T: %v", step.Command, err)
	}
	for _, event := range events {
		if err := h.state.Evolve(h.now, event); err != nil {
			h.Fatalf("%T: %v", step.Command, err)
		}
		h.books.enter(h.T, ledger.Postings(event, hub))
		h.tx, h.before = append(h.tx, event), append(h.before, h.accounts())
	}
	if h.market != nil {
		h.market.Happened(events)
	}
}

// known are the accounts that a history can touch.
var known = append(pocotest.People(), hub, poco.KittyAddress, poco.Address{})

func (h *history) accounts() map[poco.Address]account {
	accounts := map[poco.Address]account{}
	for _, address := range known {
		a := h.state.Account(address)
		accounts[address] = account{a.Stake.ToBig(), a.Locked.ToBig()}
	}
	return accounts
}

func check(t *testing.T, property func(*history)) {
	rapid.Check(t, func(t *rapid.T) { property(newHistory(t)) })
}

func amount(x uint64) poco.Amount { return *uint256.NewInt(x) }

// place is where money stands.
type place struct {
	account poco.Address
	bucket  ledger.Bucket
}

// books are the sums of all postings.
type books map[place]*big.Int

func (b books) at(account poco.Address, bucket ledger.Bucket) *big.Int {
	if b[place{account, bucket}] == nil {
		b[place{account, bucket}] = new(big.Int)
	}
	return b[place{account, bucket}]
}

// enter books an event's postings, which must balance.
func (b books) enter(t rapid.TB, postings []ledger.Posting) {
	sum := new(big.Int)
	for _, p := range postings {
		if p.Amount.Big().Sign() == 0 {
			t.Fatalf("a posting of nothing: %+v", p)
		}
		sum.Add(sum, p.Amount.Big())
		balance := b.at(p.Account, p.Bucket)
		balance.Add(balance, p.Amount.Big())
	}
	if sum.Sign() != 0 || !slices.Contains([]int{0, 2}, len(postings)) {
		t.Fatalf("postings add up to %s: %v", sum, postings)
	}
}
