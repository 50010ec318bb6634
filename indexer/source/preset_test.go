package source

import (
	"testing"

	"assay/indexer/rpctest"
)

// TestComparePreset: whatever is not as the preset says is found.
func TestComparePreset(t *testing.T) {
	for name, c := range map[string]struct {
		faults rpctest.Faults
		start  uint64
		depth  uint64
		wrong  string // the point that differs
	}{
		"as it says":       {},
		"another chain":    {faults: rpctest.Faults{ChainID: 5}, wrong: "chain id"},
		"no contract":      {faults: rpctest.Faults{NoCode: true}, wrong: "hub"},
		"no finalized tag": {faults: rpctest.Faults{NoFinal: true}, wrong: "finality"},
		"finality by depth": {
			faults: rpctest.Faults{NoFinal: true}, depth: 10,
		},
		"events before the start": {start: 30, wrong: "events before it"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 60, VerifyOff, c.faults)
			preset := tokenPreset
			preset.StartBlock, preset.FinalityDepth = c.start, c.depth
			endpoints := r.endpoints()
			findings, err := ComparePreset(t.Context(), preset, endpoints[0])
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range findings {
				if differs := f.Verdict == Differs; differs != (f.What == c.wrong || c.start > 0 && f.What == "start block") {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}
