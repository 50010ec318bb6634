package ledger

import (
	"math/big"

	"assay/consensus/poco"
)

// Bucket is a part of an account.
type Bucket string

// The buckets, as the package's documentation explains them.
const (
	Stake   Bucket = "STAKE"
	Locked  Bucket = "LOCKED"
	Kitty   Bucket = "KITTY"
	Pledged Bucket = "PLEDGED"
	Outside Bucket = "OUTSIDE"
)

// Signed is a number of nRLC that may be negative: between −2²⁵⁶ and 2²⁵⁶, exclusively.
type Signed struct {
	Abs      poco.Amount
	Negative bool // never of zero
}

func plus(x poco.Amount) Signed { return Signed{Abs: x} }

func minus(x poco.Amount) Signed { return Signed{Abs: x, Negative: !x.IsZero()} }

// Big returns the number.
func (s Signed) Big() *big.Int {
	x := s.Abs.ToBig()
	if s.Negative {
		x.Neg(x)
	}
	return x
}

// String is the number in decimal.
func (s Signed) String() string { return s.Big().String() }

// Posting adds an amount to a bucket of an account.
type Posting struct {
	Account poco.Address
	Bucket  Bucket
	Amount  Signed // nRLC, not zero
}

// Postings returns what an event books: two postings that add up to zero, or none. Where
// they happen is the hub's, whose account holds what is locked.
func Postings(event poco.Event, hub poco.Address) []Posting {
	switch e := event.(type) {
	case poco.Transfer:
		return transfer(&e)
	case poco.Lock:
		return book(e.Amount, hub, Pledged, e.Owner, lockedBucket(e.Owner))
	case poco.Unlock:
		return book(e.Amount, e.Owner, lockedBucket(e.Owner), hub, Pledged)
	case poco.Seize:
		return book(e.Amount, e.Owner, lockedBucket(e.Owner), hub, Pledged)
	}
	return nil
}

// transfer books as IexecEscrow moves stake: from the zero address it is minted, to it
// burnt.
func transfer(e *poco.Transfer) []Posting {
	zero := poco.Address{}
	switch {
	case e.From == zero:
		return book(e.Value, zero, Outside, e.To, Stake)
	case e.To == zero:
		return book(e.Value, e.From, Stake, zero, Outside)
	}
	return book(e.Value, e.From, Stake, e.To, Stake)
}

func lockedBucket(owner poco.Address) Bucket {
	if owner == poco.KittyAddress {
		return Kitty
	}
	return Locked
}

func book(value poco.Amount, from poco.Address, out Bucket, to poco.Address, in Bucket) []Posting {
	if value.IsZero() {
		return nil
	}
	return []Posting{{from, out, minus(value)}, {to, in, plus(value)}}
}
