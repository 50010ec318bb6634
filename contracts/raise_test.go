package contracts

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// TestRaisedIsTakenAndEnough: a raise is a tenth or more of both fees, as go-ethereum's pool
// asks, is mined at the present base fee, and is followed by no other while that stands.
func TestRaisedIsTakenAndEnough(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		fee := func(name string) *big.Int { return big.NewInt(rapid.Int64Range(0, 1e12).Draw(rt, name)) }
		base, tip := fee("base fee"), fee("usual tip")
		now := Fees{Tip: tip, Max: new(big.Int).Add(new(big.Int).Lsh(base, 1), tip)}
		paid := Fees{Tip: fee("tip"), Max: fee("max")}
		if rapid.Bool().Draw(rt, "no base fee") {
			now.Tip = nil
		}
		fees, more := raised(paid, now)
		if !more {
			if now.Tip != nil && (paid.Max.Cmp(new(big.Int).Add(base, tip)) < 0 || paid.Tip.Cmp(tip) < 0) {
				rt.Fatalf("%v is taken to be enough for a base fee of %s and a tip of %s", paid, base, tip)
			}
			return
		}
		tenth := func(new, old *big.Int) bool {
			return new.Cmp(old) > 0 && new.Int64()*100 >= old.Int64()*110
		}
		if !tenth(fees.Max, paid.Max) || now.Tip != nil && !tenth(fees.Tip, paid.Tip) {
			rt.Fatalf("%v does not take the place of %v", fees, paid)
		}
		if fees.Max.Cmp(now.Max) < 0 || now.Tip != nil && fees.Tip.Cmp(tip) < 0 {
			rt.Fatalf("%v is less than what is asked for, %v", fees, now)
		}
		if _, again := raised(fees, now); again {
			rt.Fatalf("%v is raised once more although nothing changed", fees)
		}
	})
}
