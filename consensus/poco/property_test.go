package poco_test

import (
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
	"pgregory.net/rapid"

	"assay/consensus/poco"
	"assay/consensus/poco/pocotest"
	"assay/schema/chains"
)

// eras are what a property must hold in: PoCo 6.1, 6.2, 5.5.0 and 5.4.
var eras = []chains.Era{
	{}, {MaskDatasetTag: true}, {KittyTransfers: true}, {CeilLogWeight: true, KittyTransfers: true, NoSponsor: true},
}

// history is a drawn history being played.
type history struct {
	*rapid.T
	state  *poco.State
	market *pocotest.Market
	now    poco.Block
}

func newHistory(t *rapid.T) *history {
	era, native := rapid.SampledFrom(eras).Draw(t, "era"), rapid.Bool().Draw(t, "native")
	r := rules()
	r.Owner, r.Native, r.Eras = pocotest.Address("hubOwner"), native, []chains.Era{era}
	h := &history{T: t, state: poco.New(r), now: poco.Block{Number: 1, Time: start}}
	for _, clock := range []uint64{300, 1200, 3600, 10800, 36000} {
		h.play(pocotest.Step{Sender: r.Owner, Command: poco.AddCategory{WorkClockTimeRef: amount(clock)}})
	}
	h.market = pocotest.NewMarket(pocotest.Config{Rules: r, Boost: true, Predict: func(r poco.Resource) poco.Address {
		return poco.Address(crypto.Keccak256([]byte(r.Name), r.Owner[:])[12:])
	}})
	for _, step := range h.market.Opening() {
		h.play(step)
	}
	return h
}

// play decides a step, folds what happens, and returns it.
func (h *history) play(step pocotest.Step) []poco.Event {
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
	}
	if h.market != nil {
		h.market.Happened(events)
	}
	return events
}

func (h *history) next() pocotest.Step { return h.market.Next(h.T, h.state, h.now.Time) }

func (h *history) steps() int { return rapid.IntRange(1, 60).Draw(h.T, "steps") }

// check checks a property of drawn histories, in all eras, with the token and with the
// native coin.
func check(t *testing.T, property func(*history)) {
	rapid.Check(t, func(t *rapid.T) { property(newHistory(t)) })
}

func TestMoneyIsConserved(t *testing.T) {
	check(t, func(h *history) {
		for range h.steps() {
			step := h.next()
			h.play(step)
			stake, locked := h.state.Sums()
			if supply := h.state.Supply(); stake != supply {
				h.Fatalf("after %T stakes add up to %v, supply is %v", step.Command, &stake, &supply)
			}
			if hub := h.state.Account(h.state.Rules().Hub).Stake; hub.Lt(&locked) {
				h.Fatalf("after %T the hub has %v, locked are %v", step.Command, &hub, &locked)
			}
		}
	})
}

func TestDecideChangesNothing(t *testing.T) {
	check(t, func(h *history) {
		for range h.steps() {
			step := h.next()
			before := h.state.Dump()
			now := poco.Block{Number: h.now.Number + 1, Time: h.now.Time + step.Wait}
			_, _ = h.state.Decide(now, step.Sender, step.Command) // reverted or not
			if h.state.Dump() != before {
				h.Fatalf("Decide(%T) changed the state", step.Command)
			}
			h.play(step)
		}
		if n := h.state.JournalLen(); n != 0 {
			h.Fatalf("the journal keeps %d changes though nobody holds a mark", n)
		}
	})
}

// mark is a moment that a history may return to, and what the state was then.
type mark struct {
	mark poco.Mark
	dump string
}

func TestRollbackRestoresTheState(t *testing.T) {
	check(t, func(h *history) {
		var marks []mark
		for range h.steps() {
			switch rapid.IntRange(0, 5).Draw(h.T, "mark") {
			case 0, 1:
				marks = append(marks, mark{h.state.Mark(), h.state.Dump()})
			case 2:
				marks = h.rollback(marks)
			case 3:
				marks = h.release(marks)
			default:
			}
			// The market remembers tasks that a rollback unmade; they must not be drawn.
			if len(marks) == 0 {
				h.play(h.next())
			} else {
				h.playBlind(h.next())
			}
		}
		h.rollback(marks[:min(len(marks), 1)])
	})
}

// playBlind plays without the market remembering.
func (h *history) playBlind(step pocotest.Step) {
	market := h.market
	h.market = nil
	h.play(step)
	h.market = market
}

func (h *history) rollback(marks []mark) []mark {
	if len(marks) == 0 {
		return marks
	}
	i := rapid.IntRange(0, len(marks)-1).Draw(h.T, "roll back to")
	if err := h.state.Rollback(marks[i].mark); err != nil {
		h.Fatal(err)
	}
	if got := h.state.Dump(); got != marks[i].dump {
		h.Fatalf("rolled back to\n%s\nwant\n%s", got, marks[i].dump)
	}
	for _, m := range marks[i:] {
		if err := h.state.Rollback(m.mark); err == nil {
			h.Fatal("a mark was given up twice")
		}
	}
	return marks[:i]
}

func (h *history) release(marks []mark) []mark {
	if len(marks) == 0 {
		return marks
	}
	i := rapid.IntRange(0, len(marks)-1).Draw(h.T, "release")
	if err := h.state.Release(marks[i].mark); err != nil {
		h.Fatal(err)
	}
	if _, err := h.state.Changed(marks[i].mark); err == nil {
		h.Fatal("a released mark is still held")
	}
	if len(marks[i+1:]) == 0 && h.state.JournalLen() != 0 {
		h.Fatal("nobody holds a mark, and the journal is not empty")
	}
	return marks[i+1:]
}

// TestChangedNamesAllThatChanged: what it does not name has not changed.
func TestChangedNamesAllThatChanged(t *testing.T) {
	check(t, func(h *history) {
		for range h.steps() {
			before := h.views()
			m := h.state.Mark()
			h.play(h.next())
			keys, err := h.state.Changed(m)
			if err != nil {
				h.Fatal(err)
			}
			if err := h.state.Release(m); err != nil {
				h.Fatal(err)
			}
			named := map[poco.Key]bool{}
			for _, key := range keys {
				if named[key] {
					h.Fatalf("%v is named twice", key)
				}
				named[key] = true
			}
			for key, view := range h.views() {
				if before[key] != view && !named[key] {
					h.Fatalf("%v changed and is not named", key)
				}
			}
		}
	})
}

func (h *history) views() map[poco.Key]string { return h.state.Views() }

func TestConsensusGrowsAsTheContractAdds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := poco.Consensus{Total: amount(1)}
		product := uint256.NewInt(1)
		for range rapid.IntRange(1, 20).Draw(t, "workers") {
			weight := amount(rapid.Uint64Range(2, 1000).Draw(t, "weight"))
			next, err := c.With(&weight)
			if err != nil {
				t.Fatal(err)
			}
			product.Mul(product, &weight)
			if next.Group != *product || next.Total != *new(uint256.Int).AddUint64(product, 1) {
				t.Fatalf("got %+v, want a group of %v", next, product)
			}
			c = next
		}
	})
}
