// Package ledger is double-entry bookkeeping over PoCo's events, and the explanation of
// every payout. It is pure: values in, values out.
//
// # Chart of accounts
//
// Money stands in a bucket of an account, in nRLC:
//
//	STAKE    any account       what it may use, withdraw or transfer: balanceOf, viewAccount.stake
//	LOCKED   any but the kitty what it has at stake: frozenOf, viewAccount.locked
//	KITTY    the kitty         the same of the kitty, which is not at stake but waits for successes
//	PLEDGED  the hub           what the hub owes to all that have something locked: never positive
//	OUTSIDE  the zero address  RLC outside the escrow: less what was deposited and not withdrawn
//
// A posting adds an amount to one of these places, or takes it away. An event that moves
// money gives two postings of one amount, so they always add up to zero:
//
//	Transfer a→b   a STAKE −v        b STAKE +v
//	Transfer 0→a   zero OUTSIDE −v   a STAKE +v      a deposit
//	Transfer a→0   a STAKE −v        zero OUTSIDE +v a withdrawal
//	Lock a         hub PLEDGED −v    a LOCKED +v
//	Unlock, Seize  a LOCKED −v       hub PLEDGED +v
//
// (of the kitty KITTY in LOCKED's place). Reward gives none: the Transfer beside it moves
// the money, or, in eras where the kitty is filled without Transfers, the Lock. An event
// that moves 0 nRLC gives none either.
//
// What follows from it, at every moment: the sum over everything is zero; an account's
// STAKE is viewAccount's stake, its LOCKED or KITTY is viewAccount's locked; −OUTSIDE is the
// total supply; and the hub's STAKE and PLEDGED add up to what was seized and not yet
// given to anybody, which after each call is zero (but for a Boost deal whose dataset
// order had a price and no dataset: PoCo keeps that for ever).
//
// # Calls
//
// Events do not say which call they are of, and most do not say for which task they are.
// But each call of the protocol that moves money ends with an event that does. Calls
// groups the events of one transaction by that: every posting gets a cause, and the money
// of a task that ends is found whole.
//
// # Settlements
//
// Explain says who got what and why when a task ended. Its lines are read off the call's
// events in their order, so they add up, account by account, to exactly what the call
// changed; the numbers behind them (the price's parts, the workers' reward, weights, what
// rounding left) come from the deal and the contributions by the rules of package poco,
// and Exact says whether these lead to the amounts of the events.
package ledger
