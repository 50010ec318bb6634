package poco_test

import (
	"errors"
	"testing"

	"assay/consensus/poco"
)

// FuzzSignature: whatever is given for a signature, the call reverts unless it is one.
func FuzzSignature(f *testing.F) {
	w := newWorld(f, rules())
	w.deposit(100_000_000_000, "requester", "poolOwner", "w1")
	task := w.initialize(w.match(golden(1, 1)), 0)
	command := w.contribution("w1", task, "x")
	valid := command.Authorization
	short := append([]byte(nil), valid[:64]...)
	short[32] |= (valid[64] - 27) << 7
	for _, seed := range [][]byte{valid, short, nil, make([]byte, 64), make([]byte, 65), valid[:63]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, signature []byte) {
		command.Authorization = signature
		events, err := w.state.Decide(w.now, w.who("w1"), command)
		revert := new(poco.Revert)
		if genuine := string(signature) == string(valid) || string(signature) == string(short); genuine != (err == nil) {
			t.Fatalf("%x: %d events, %v", signature, len(events), err)
		}
		if err != nil && !errors.As(err, &revert) {
			t.Fatal(err)
		}
	})
}
