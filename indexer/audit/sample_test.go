package audit

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"assay/indexer/internal/market"
	"assay/indexer/projection"
)

// TestSample: as many as were asked for, and the foremost; in order, each once; the same
// again from the same seed.
func TestSample(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		keys := make([]int, rapid.IntRange(0, 200).Draw(rt, "keys"))
		for i := range keys {
			keys[i] = i
		}
		n, seed := rapid.IntRange(-1, 220).Draw(rt, "n"), rapid.Uint64().Draw(rt, "seed")
		draw := func() []int {
			return sample(rand.New(rand.NewPCG(seed, 0)), keys, n, 3, func(a, b int) int { return cmp.Compare(b, a) }, cmp.Compare[int])
		}
		drawn := draw()
		if !slices.Equal(drawn, draw()) || !slices.IsSorted(drawn) || len(slices.Compact(slices.Clone(drawn))) != len(drawn) {
			rt.Fatalf("%v, then %v", drawn, draw())
		}
		if n < 0 || n >= len(keys) {
			if len(drawn) != len(keys) {
				rt.Fatalf("%d of %d", len(drawn), len(keys))
			}
			return
		}
		if len(drawn) < n || len(drawn) > n+6 {
			rt.Fatalf("%d drawn, want %d and 6 at most", len(drawn), n)
		}
		for i := range min(3, len(keys)) {
			if !slices.Contains(drawn, i) || !slices.Contains(drawn, len(keys)-1-i) {
				rt.Fatalf("the foremost are not among %v of %d", drawn, len(keys))
			}
		}
	})
}

// TestEveryArgumentCounts: no character of an event's arguments can change without notice,
// but for the case of letters in hex, which is not changed here.
func TestEveryArgumentCounts(t *testing.T) {
	p := projection.New(market.Preset)
	records := aLog()
	seen := map[string]bool{}
	for _, record := range records {
		rows, err := p.Apply(record)
		ok(t, err)
		for i, r := range rows.Events {
			if r.Deleted == 1 || seen[r.Name] {
				continue
			}
			seen[r.Name] = true
			event := record.GetBlock().Events[i]
			for at, c := range r.Args {
				if !strings.ContainsRune("0123456789", c) {
					continue
				}
				other := r.Args[:at] + string('0'+(c-'0'+1)%10) + r.Args[at+1:]
				if field, _, _ := argsDiffer(event, other); field == "" {
					t.Errorf("%s: %s passes for %s", r.Name, other, r.Args)
				}
			}
		}
	}
	if len(seen) < 15 {
		t.Errorf("only %d kinds of events", len(seen))
	}
}
