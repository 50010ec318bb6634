package model

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// RLC is the exact quotient by a thousand million, in its shortest form.
func TestRLC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nrlc := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 32).Draw(t, "amount"))
		text := RLC(nrlc.String())
		got, ok := new(big.Rat).SetString(text)
		if !ok || got.Cmp(new(big.Rat).SetFrac(nrlc, big.NewInt(1e9))) != 0 {
			t.Fatalf("%s nRLC are %q RLC", nrlc, text)
		}
		if strings.Contains(text, ".") && strings.HasSuffix(text, "0") || strings.HasPrefix(text, ".") {
			t.Fatalf("%s nRLC are written %q", nrlc, text)
		}
	})
}

// Hexadecimal from clients is brought to lower case, or refused.
func TestHex(t *testing.T) {
	address := "0xAbCdEf0123456789aBcDeF0123456789abcdef01"
	if got, err := UnmarshalAddress(address); err != nil || got != strings.ToLower(address) {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range []any{nil, 1, "", "0x", address[2:], address + "00", address[:40], "0X" + address[2:], "0x" + strings.Repeat("g", 40), "0x" + strings.Repeat("é", 20)} {
		if got, err := UnmarshalAddress(bad); err == nil {
			t.Errorf("%v is read as the address %q", bad, got)
		}
		if got, err := UnmarshalHash(bad); err == nil {
			t.Errorf("%v is read as the hash %q", bad, got)
		}
	}
}

// Times are read in any zone and written in UTC.
func TestTime(t *testing.T) {
	got, err := UnmarshalTime("2026-01-31T12:00:00+02:00")
	if err != nil || !got.Equal(time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)) {
		t.Errorf("got %v, %v", got, err)
	}
	var written bytes.Buffer
	MarshalTime(got).MarshalGQL(&written)
	if written.String() != `"2026-01-31T10:00:00Z"` {
		t.Errorf("written %s", &written)
	}
	for _, bad := range []any{nil, 5, "", "2026-01-31", "2026-13-31T12:00:00Z"} {
		if got, err := UnmarshalTime(bad); err == nil {
			t.Errorf("%v is read as %v", bad, got)
		}
	}
}

// Whole numbers are read from JSON and from text.
func TestUint64(t *testing.T) {
	for _, good := range []any{json.Number("18446744073709551615"), "18446744073709551615"} {
		if got, err := UnmarshalUint64(good); err != nil || got != 1<<64-1 {
			t.Errorf("%v: got %d, %v", good, got, err)
		}
	}
	for _, bad := range []any{nil, -1, int64(-1), "-1", "18446744073709551616", json.Number("1.5"), "1e3", true, 1.5} {
		if got, err := UnmarshalUint64(bad); err == nil {
			t.Errorf("%v is read as %d", bad, got)
		}
	}
}

// Types of answers are not read from clients.
func TestOutputOnly(t *testing.T) {
	if _, err := UnmarshalDecimal("1"); err == nil {
		t.Error("a decimal is read")
	}
	if _, err := UnmarshalBytes("0x"); err == nil {
		t.Error("bytes are read")
	}
}
