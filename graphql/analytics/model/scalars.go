package model

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

// nrlcDigits is how many decimals of an RLC an nRLC is.
const nrlcDigits = 9

// RLC renders a whole number of nRLC as RLC, without trailing zeros.
func RLC(nrlc string) string {
	if amount, negative := strings.CutPrefix(nrlc, "-"); negative {
		return "-" + RLC(amount)
	}
	if pad := nrlcDigits + 1 - len(nrlc); pad > 0 {
		nrlc = strings.Repeat("0", pad) + nrlc
	}
	point := len(nrlc) - nrlcDigits
	fraction := strings.TrimRight(nrlc[point:], "0")
	if fraction == "" {
		return nrlc[:point]
	}
	return nrlc[:point] + "." + fraction
}

// InputError says what is wrong with a value that a client gave.
type InputError string

func (e InputError) Error() string { return string(e) }

// MarshalUint64 writes a whole number.
func MarshalUint64(number uint64) graphql.Marshaler { return graphql.MarshalUint64(number) }

// UnmarshalUint64 reads a whole number from a client.
func UnmarshalUint64(value any) (uint64, error) {
	number, err := graphql.UnmarshalUint64(value)
	if err != nil || value == nil {
		return 0, InputError("not a whole number from 0 to 2^64-1")
	}
	return number, nil
}

// MarshalAddress writes an address.
func MarshalAddress(address string) graphql.Marshaler { return graphql.MarshalString(address) }

// UnmarshalAddress reads an address from a client, in lower case.
func UnmarshalAddress(value any) (string, error) { return lowerHex(value, "an address", 20) }

// MarshalHash writes a 32-byte identity.
func MarshalHash(hash string) graphql.Marshaler { return graphql.MarshalString(hash) }

// UnmarshalHash reads a 32-byte identity from a client, in lower case.
func UnmarshalHash(value any) (string, error) { return lowerHex(value, "a hash", 32) }

// MarshalBytes writes hexadecimal bytes.
func MarshalBytes(bytes string) graphql.Marshaler { return graphql.MarshalString(bytes) }

// UnmarshalBytes refuses: no input of the API has this type.
func UnmarshalBytes(any) (string, error) { return "", errOutputOnly }

// MarshalDecimal writes an exact decimal number.
func MarshalDecimal(number string) graphql.Marshaler { return graphql.MarshalString(number) }

// UnmarshalDecimal refuses: no input of the API has this type.
func UnmarshalDecimal(any) (string, error) { return "", errOutputOnly }

const errOutputOnly = InputError("this type is not for input")

// MarshalBigInt writes a whole number of up to 256 bits.
func MarshalBigInt(number string) graphql.Marshaler { return graphql.MarshalString(number) }

// UnmarshalBigInt reads a whole number of up to 256 bits, not negative, from a client: from
// text, or from a JSON number.
func UnmarshalBigInt(value any) (string, error) {
	text := fmt.Sprint(value)
	if len(text) <= maxDigits {
		if number, ok := new(big.Int).SetString(text, 10); ok && number.Sign() >= 0 && number.BitLen() <= 256 {
			return number.String(), nil
		}
	}
	return "", InputError("not a whole number from 0 to 2^256-1")
}

// maxDigits are those of 2^256.
const maxDigits = 78

const errTime = InputError("not a time: write it as 2026-01-31T12:00:00Z")

// MarshalTime writes a time of the chain.
func MarshalTime(t time.Time) graphql.Marshaler {
	return graphql.MarshalString(t.UTC().Format(time.RFC3339))
}

// UnmarshalTime reads a time from a client.
func UnmarshalTime(value any) (time.Time, error) {
	text, _ := value.(string)
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, errTime
	}
	return t, nil
}

func lowerHex(value any, what string, size int) (string, error) {
	text, _ := value.(string)
	digits, prefixed := strings.CutPrefix(text, "0x")
	if _, err := hex.DecodeString(digits); err != nil || !prefixed || len(digits) != 2*size {
		return "", InputError(fmt.Sprintf("not %s: write 0x and %d hexadecimal digits", what, 2*size))
	}
	return strings.ToLower(text), nil
}
