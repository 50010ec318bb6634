package multicall

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
	"pgregory.net/rapid"
)

// Two contracts: one returns what it is called with, one reverts with it.
var (
	echo    = common.Address{1, 19: 1}
	refuser = common.Address{1, 19: 2}
	nobody  = common.Address{1, 19: 3}
	codes   = map[common.Address][]byte{
		echo:    {0x36, 0x60, 0, 0x60, 0, 0x37, 0x36, 0x60, 0, 0xf3},
		refuser: {0x36, 0x60, 0, 0x60, 0, 0x37, 0x36, 0x60, 0, 0xfd},
	}
)

// TestOnTheEVM runs the code on go-ethereum's EVM, for calls of all lengths.
func TestOnTheEVM(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
		if err != nil {
			t.Fatal(err)
		}
		for address, code := range codes {
			db.SetCode(address, code, tracing.CodeChangeUnspecified)
		}
		calls := make([]Call, rapid.IntRange(0, 30).Draw(t, "calls"))
		for i := range calls {
			calls[i].To = rapid.SampledFrom([]common.Address{echo, refuser, nobody}).Draw(t, "to")
			calls[i].Data = bytes.Repeat([]byte{byte(i + 1)}, rapid.IntRange(0, 200).Draw(t, "length"))
		}
		out, _, _, err := runtime.Create(Encode(calls), &runtime.Config{State: db, GasLimit: 30_000_000})
		if err != nil {
			t.Fatal(err)
		}
		answers, err := Decode(out, len(calls))
		if err != nil {
			t.Fatal(err)
		}
		for i, call := range calls {
			want := call.Data
			if call.To == nobody {
				want = nil
			}
			if answers[i].OK != (call.To != refuser) || !bytes.Equal(answers[i].Data, want) {
				t.Fatalf("call %d to %s: %+v, want %x", i, call.To, answers[i], want)
			}
		}
	})
}

// TestEmulateDoesTheSame as the EVM, but for reverts, which it does not know.
func TestEmulateDoesTheSame(t *testing.T) {
	calls := []Call{{echo, []byte{1, 2}}, {nobody, nil}}
	out, err := Emulate(Encode(calls), func(to common.Address, data []byte) ([]byte, bool) { return data, to == echo })
	if err != nil {
		t.Fatal(err)
	}
	answers, err := Decode(out, 2)
	if err != nil || !bytes.Equal(answers[0].Data, []byte{1, 2}) || len(answers[1].Data) != 0 {
		t.Errorf("%v, %v", answers, err)
	}
	if _, err := Decode(out, 3); err == nil {
		t.Error("two answers are three")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(make([]byte, 32), 1)
	f.Fuzz(func(_ *testing.T, data []byte, n int) { _, _ = Decode(data, max(0, n%100)) })
}
