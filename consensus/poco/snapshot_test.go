package poco_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"testing"

	"pgregory.net/rapid"

	"assay/consensus/poco"
)

func snapshot(t interface{ Fatal(...any) }, s *poco.State) []byte {
	var b bytes.Buffer
	if err := s.Snapshot(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestARestoredStateIsTheSame(t *testing.T) {
	check(t, func(h *history) {
		for range h.steps() {
			h.play(h.next())
		}
		data := snapshot(h.T, h.state)
		restored, err := poco.Restore(h.state.Rules(), bytes.NewReader(data))
		if err != nil {
			h.Fatal(err)
		}
		if restored.Dump() != h.state.Dump() {
			h.Fatalf("restored\n%s\nwant\n%s", restored.Dump(), h.state.Dump())
		}
		if !bytes.Equal(snapshot(h.T, restored), data) {
			h.Fatal("the snapshot of the restored state has other bytes")
		}
		other := *h
		other.state = restored
		for range 5 {
			step := h.next()
			if got, want := kinds(other.play(step)), kinds(h.play(step)); got != want {
				h.Fatalf("after restoring, %T emits %s, want %s", step.Command, got, want)
			}
		}
	})
}

// playedWorld is a state with something in every table.
func playedWorld(t testing.TB) *world {
	w := newWorld(t, rules())
	w.deposit(100_000_000_000, "requester", "poolOwner", "w1", "w2")
	task := w.initialize(w.match(golden(1, 1)), 0)
	w.contribute(task, "w1=x")
	w.must("w1", poco.Approve{Spender: w.who("w2"), Amount: amount(5)})
	return w
}

func TestABadSnapshotIsRefused(t *testing.T) {
	w := playedWorld(t)
	data := snapshot(t, w.state)
	refuse := func(what string, rules poco.Rules, r io.Reader, want error) {
		t.Helper()
		if _, err := poco.Restore(rules, r); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", what, err, want)
		}
	}
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 1
		refuse("one bit changed", rules(), bytes.NewReader(bad), poco.ErrSnapshot)
	}
	for i := range len(data) {
		refuse("cut off", rules(), bytes.NewReader(data[:i]), poco.ErrSnapshot)
	}
	other := rules()
	other.ChainID++
	refuse("another chain", other, bytes.NewReader(data), poco.ErrSnapshot)
	refuse("a broken disk", rules(), io.MultiReader(bytes.NewReader(data[:100]), broken{}), errBroken)
	if err := w.state.Snapshot(broken{}); !errors.Is(err, errBroken) {
		t.Errorf("writing to a broken disk: %v", err)
	}
}

// broken is a disk that fails.
type broken struct{}

var errBroken = errors.New("broken")

func (broken) Read([]byte) (int, error)  { return 0, errBroken }
func (broken) Write([]byte) (int, error) { return 0, errBroken }

// FuzzRestore: whatever is read, it is refused, or it is what a state would write and can
// be gone on with. The checksum is set right, so that bad bytes come through to the rest.
func FuzzRestore(f *testing.F) {
	w := playedWorld(f)
	played := snapshot(f, w.state)
	w.must("anyone", poco.Initialize{Deal: w.match(golden(1, 2)), Index: amount(1)})
	w.wait(10_000)
	for _, state := range []*poco.State{w.state, poco.New(rules())} {
		data := snapshot(f, state)
		f.Add(data[:len(data)-4])
	}
	f.Add(played[:len(played)-4])
	f.Fuzz(func(t *testing.T, data []byte) {
		data = binary.BigEndian.AppendUint32(data, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
		state, err := poco.Restore(rules(), bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, poco.ErrSnapshot) {
				t.Fatalf("got %v, want ErrSnapshot", err)
			}
			return
		}
		if again := snapshot(t, state); !bytes.Equal(again, data) {
			t.Fatalf("wrote %x, had read %x", again, data)
		}
		state.Forget()
		for _, command := range commands {
			_, _ = state.Decide(poco.Block{}, addressOf("requester"), command)
		}
		restore(t, state)
	})
}

// TestEqualStatesHaveEqualSnapshots, whatever way they came to be.
func TestEqualStatesHaveEqualSnapshots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		order := rapid.Permutation([]int{0, 1, 2, 3, 4, 5, 6, 7}).Draw(t, "order")
		one, other := poco.New(rules()), poco.New(rules())
		for i, k := range order {
			for state, n := range map[*poco.State]int{one: i, other: k} {
				if err := state.Evolve(poco.Block{}, poco.Transfer{To: account('x', n), Value: amount(1)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !bytes.Equal(snapshot(t, one), snapshot(t, other)) {
			t.Fatal("the bytes differ")
		}
	})
}
