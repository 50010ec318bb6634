package subgraph

import (
	"encoding/hex"
	"math/big"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"assay/consensus/poco"
)

// The spelling of values in rows.

func address(a poco.Address) string {
	out := [2 + 2*len(a)]byte{'0', 'x'}
	hex.Encode(out[2:], a[:])
	return string(out[:])
}

func hash(h poco.Hash) string {
	out := [2 + 2*len(h)]byte{'0', 'x'}
	hex.Encode(out[2:], h[:])
	return string(out[:])
}

// data spells bytes of any length: none is "0x".
func data(b []byte) string { return hexutil.Encode(b) }

// text spells what a chain says is text.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// number reads a number as the messages carry it.
func number(b []byte) *big.Int { return new(big.Int).SetBytes(b) }

func counted(n uint64) *big.Int { return new(big.Int).SetUint64(n) }

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

// optional is a value that may be null, and is not.
func optional[T any](value T) *T { return &value }
