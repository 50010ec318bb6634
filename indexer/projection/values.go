package projection

import (
	"encoding/hex"
	"math"
	"math/big"
	"time"

	"github.com/holiman/uint256"

	"assay/consensus/poco"
)

// The database's spelling of the protocol's values.

// address spells an address in lower-case hex with 0x (poco.Address spells itself with
// a checksum in its letters' case).
func address(a poco.Address) string { return hexOf(a[:]) }

// optionalAddress spells an address that may be missing: zero, no text.
func optionalAddress(a poco.Address) string {
	if a == (poco.Address{}) {
		return ""
	}
	return address(a)
}

// hash spells a hash in lower-case hex with 0x.
func hash(h poco.Hash) string { return hexOf(h[:]) }

// optionalHash spells a hash that may be missing: zero, no text.
func optionalHash(h poco.Hash) string {
	if h == (poco.Hash{}) {
		return ""
	}
	return hash(h)
}

func hexOf(b []byte) string {
	out := make([]byte, 2+hex.EncodedLen(len(b)))
	out[0], out[1] = '0', 'x'
	hex.Encode(out[2:], b)
	return string(out)
}

// optionalHex spells bytes that may be missing: no bytes, no text.
func optionalHex(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return hexOf(b)
}

// amount is a number as rows have it. Nobody changes it: zeros are all the same one.
func amount(a poco.Amount) *big.Int {
	if a.IsZero() {
		return zero
	}
	return a.ToBig()
}

var zero = new(big.Int)

// spellings remembers how the newest addresses are spelled. The same few are spelled again
// and again.
type spellings map[poco.Address]string

// maxSpellings bounds what is remembered.
const maxSpellings = 1 << 14

func (s spellings) of(a poco.Address) string {
	text, known := s[a]
	if !known {
		if len(s) >= maxSpellings {
			clear(s)
		}
		text = address(a)
		s[a] = text
	}
	return text
}

// at is a moment in seconds since 1970. A DateTime holds 32 bits: what lies beyond
// (2106), which only an absurd deadline does, is written as its last second.
func at(seconds uint64) time.Time {
	return time.Unix(int64(min(seconds, math.MaxUint32)), 0).UTC()
}

// bigEndian reads an amount as the messages carry it.
func bigEndian(b []byte) *uint256.Int { return new(uint256.Int).SetBytes(b) }

var taskStatuses = map[poco.TaskStatus]string{
	poco.TaskUnset: "UNSET", poco.TaskActive: "ACTIVE", poco.TaskRevealing: "REVEALING",
	poco.TaskCompleted: "COMPLETED", poco.TaskFailed: "FAILED",
}

var contributionStatuses = map[poco.ContributionStatus]string{
	poco.ContributionUnset: "UNSET", poco.Contributed: "CONTRIBUTED",
	poco.Proved: "PROVED", poco.Rejected: "REJECTED",
}

var resourceKinds = map[poco.ResourceKind]string{
	poco.App: "APP", poco.Dataset: "DATASET", poco.Workerpool: "WORKERPOOL",
}
