package ledger_test

import (
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"assay/consensus/poco"
	"assay/consensus/poco/ledger"
)

// TestTheBooksAreTheContracts: at every moment all postings add up to zero, and those of an
// account to what the state says of it.
func TestTheBooksAreTheContracts(t *testing.T) {
	check(t, func(h *history) {
		for range rapid.IntRange(1, 25).Draw(h.T, "transactions") {
			h.next()
			h.balanced()
		}
	})
}

func (h *history) balanced() {
	all, locked := new(big.Int), new(big.Int)
	for at, balance := range h.books {
		all.Add(all, balance)
		account := h.state.Account(at.account)
		switch at.bucket {
		case ledger.Stake:
			h.same(at, account.Stake.ToBig())
		case ledger.Locked:
			h.same(at, account.Locked.ToBig())
			locked.Add(locked, balance)
			if at.account == poco.KittyAddress {
				h.Fatal("the kitty has something at stake")
			}
		case ledger.Kitty:
			h.same(place{poco.KittyAddress, ledger.Kitty}, account.Locked.ToBig())
			locked.Add(locked, balance)
		case ledger.Outside:
			supply := h.state.Supply()
			h.same(place{poco.Address{}, ledger.Outside}, new(big.Int).Neg(supply.ToBig()))
		}
	}
	if all.Sign() != 0 {
		h.Fatalf("the books add up to %s", all)
	}
	h.same(place{hub, ledger.Pledged}, locked.Neg(locked))
	for _, address := range known {
		h.same(place{address, ledger.Stake}, h.before[len(h.before)-1][address].stake)
	}
}

func (h *history) same(at place, want *big.Int) {
	if got := h.books.at(at.account, at.bucket); got.Cmp(want) != 0 {
		h.Fatalf("%s of %s: %s, want %s", at.bucket, at.account, got, want)
	}
}

// TestEveryMovementHasACause: each movement is of one call, and Transfers that are of none
// are what people did by themselves.
func TestEveryMovementHasACause(t *testing.T) {
	check(t, func(h *history) {
		for range rapid.IntRange(1, 25).Draw(h.T, "transactions") {
			h.next()
			caused := map[int]bool{}
			moves := 0
			for _, call := range ledger.Calls(h.tx, 0, len(h.tx)) {
				for _, m := range call.Moves {
					caused[m.Event], caused[m.Transfer] = true, true
					moves++
				}
			}
			for i, event := range h.tx {
				switch event.(type) {
				case poco.Lock, poco.Unlock, poco.Reward, poco.Seize:
					moves--
					if !caused[i] {
						h.Fatalf("event %d, %+v, is of no call", i, event)
					}
					if before, ok := h.tx[max(i-1, 0)].(poco.Transfer); ok && (before.From == hub || before.To == hub) && !caused[i-1] {
						h.Fatalf("the Transfer before event %d, %+v, is of no call", i, event)
					}
				}
			}
			if moves != 0 {
				h.Fatalf("%d movements too many", moves)
			}
		}
	})
}

// TestSettlementsAreWhatChanged: the lines of a settlement add up, account by account, to
// what its call changed; together they give as much as they take; and the rules lead to
// their amounts.
func TestSettlementsAreWhatChanged(t *testing.T) {
	seen := map[ledger.CallKind]int{}
	check(t, func(h *history) {
		for range rapid.IntRange(1, 80).Draw(h.T, "transactions") {
			h.next()
			for _, call := range ledger.Calls(h.tx, 0, len(h.tx)) {
				if call.Kind.Ends() {
					seen[call.Kind]++
					h.explained(call)
				}
			}
		}
	})
	for _, kind := range []ledger.CallKind{ledger.Finalize, ledger.ContributeAndFinalize, ledger.Claim, ledger.PushResultBoost} {
		if seen[kind] < 10 {
			t.Errorf("%s happened %d times: the test shows nothing", kind, seen[kind])
		}
	}
	t.Log(seen)
}

func (h *history) explained(call ledger.Call) {
	s := ledger.Explain(h.state, call)
	if boost := s.Deal == (poco.Hash{}); !s.Exact && !boost {
		h.Fatalf("not exact: %+v", s)
	}
	if _, ok := h.state.Task(s.Task); !ok || s.Call != call.Kind {
		h.Fatalf("of no task: %+v", s)
	}
	before, after := h.before[call.Moves[0].Transfer], h.before[call.Last]
	stakes, lockeds, given := map[poco.Address]*big.Int{}, map[poco.Address]*big.Int{}, new(big.Int)
	for _, address := range known {
		stakes[address], lockeds[address] = new(big.Int), new(big.Int)
	}
	sum := new(big.Int)
	for _, line := range s.Lines {
		if line.Role == "" || line.Kind == "" {
			h.Fatalf("unexplained: %+v", line)
		}
		stakes[line.Account].Add(stakes[line.Account], line.Stake.Big())
		lockeds[line.Account].Add(lockeds[line.Account], line.Locked.Big())
		given.Add(given, line.Stake.Big())
		sum.Add(sum, line.Stake.Big()).Add(sum, line.Locked.Big())
	}
	if sum.Sign() != 0 {
		h.Fatalf("the lines add up to %s: %+v", sum, s)
	}
	stakes[hub].Sub(stakes[hub], given)
	for _, address := range known {
		b, a := before[address], after[address]
		if got, want := stakes[address], new(big.Int).Sub(a.stake, b.stake); got.Cmp(want) != 0 {
			h.Fatalf("the lines change the stake of %s by %s, the call by %s: %+v", address, got, want, s)
		}
		if got, want := lockeds[address], new(big.Int).Sub(a.locked, b.locked); got.Cmp(want) != 0 {
			h.Fatalf("the lines change what %s has locked by %s, the call by %s: %+v", address, got, want, s)
		}
	}
}

// TestWhatIsNotByTheRulesIsSeen: one amount or account changed, or an nRLC of one paid to
// another, and the settlement is not exact; one movement missing or in excess, and it is
// not either; but all that moved is in its lines.
func TestWhatIsNotByTheRulesIsSeen(t *testing.T) {
	check(t, func(h *history) {
		for range rapid.IntRange(1, 80).Draw(h.T, "transactions") {
			h.next()
			for _, call := range ledger.Calls(h.tx, 0, len(h.tx)) {
				if call.Kind.Ends() {
					h.spoilt(call)
					h.misled(call)
				}
			}
		}
	})
}

// misled gives each movement to a stranger in turn.
func (h *history) misled(call ledger.Call) {
	moves := call.Moves
	for i := range moves {
		if call.Kind == ledger.PushResultBoost && i == 1 {
			continue // who pushed is known by this alone
		}
		call.Moves = slices.Clone(moves)
		call.Moves[i].Owner = poco.Address{0xee}
		if s := ledger.Explain(h.state, call); s.Exact {
			h.Fatalf("a stranger in movement %d passes for exact: %+v", i, s)
		}
	}
}

func (h *history) spoilt(call ledger.Call) {
	i := rapid.IntRange(0, len(call.Moves)-1).Draw(h.T, "which move")
	moves := slices.Clone(call.Moves)
	switch spoil := rapid.SampledFrom([]string{"amount", "between", "missing", "twice"}).Draw(h.T, "spoil"); spoil {
	case "amount":
		moves[i].Amount.AddUint64(&moves[i].Amount, 1)
	case "between":
		j := rapid.IntRange(0, len(moves)-1).Draw(h.T, "and which")
		if i == j || moves[j].Amount.IsZero() {
			return
		}
		moves[i].Amount.AddUint64(&moves[i].Amount, 1)
		moves[j].Amount.SubUint64(&moves[j].Amount, 1)
	case "missing":
		moves = slices.Delete(moves, i, i+1)
	case "twice":
		moves = slices.Insert(moves, i, moves[i])
	}
	call.Moves = moves
	s := ledger.Explain(h.state, call)
	if s.Exact {
		h.Fatalf("it passes for exact: %+v", s)
	}
	want, got := new(big.Int), new(big.Int)
	for _, m := range moves {
		want.Add(want, m.Amount.ToBig())
	}
	for _, line := range s.Lines {
		got.Add(got, line.Amount.ToBig())
	}
	if s.KittyFill.IsZero() && got.Cmp(want) != 0 {
		h.Fatalf("the lines tell of %s, the events of %s: %+v", got, want, s)
	}
}
