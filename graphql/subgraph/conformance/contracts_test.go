package conformance_test

import (
	"math/rand"
	"testing"

	"assay/graphql/subgraph/referencetest"
)

// TestTheRealContracts compares the answers about what the real contracts did, through all
// of Assay from the node to the endpoint, with those about what a reading of the same node
// says they did: at every block, across forks that move what happened into other blocks,
// and in every case at the end.
func TestTheRealContracts(t *testing.T) {
	db, id := database(t)
	s := &story{market: newMarket(t, id), abis: readABIs(t)}
	index(t, s.market, db)
	w := newWorld(t, poco)
	r := newReading(s.market, s.abis, w)
	j := newJudge(t, poco, w, db, id)
	look := func() {
		t.Helper()
		r.follow()
		indexed(t, db, id, w.Head().Hash)
	}
	fork := func(depth uint64) {
		t.Helper()
		var gone []referencetest.Block
		for _, b := range w.Blocks {
			if b.Number > s.head().Number.Uint64()-depth {
				gone = append(gone, b)
			}
		}
		s.fork(depth)
		look()
		for _, b := range gone {
			j.isGone(t, b)
		}
		if len(gone) == 0 {
			t.Errorf("a fork of %d blocks took nothing back", depth)
		}
	}
	s.opening()
	s.deal()
	look()
	j.everyBlock(t)
	s.contributing()
	look()
	fork(3)
	s.ending()
	look()
	j.everyBlock(t)
	fork(1)
	s.late()
	look()
	fork(1)
	j.everyBlock(t)
	everyEntity(t, w)
	choose := rand.New(rand.NewSource(7)).Intn
	j.everything(t, choose)
	if _, each := effort(); each == 1 {
		j.pages(t)
	}
	j.random(t)
}

// everyEntity checks that the story has shown one of each, but what is told on IPFS.
func everyEntity(t *testing.T, w *referencetest.World) {
	t.Helper()
	seen := map[string]bool{"Bulk": true, "BulkSlice": true}
	for _, c := range w.Since(0) {
		seen[c.Entity] = true
	}
	for _, name := range w.Definition.Names {
		if !w.Definition.Types[name].Interface && !seen[name] {
			t.Errorf("the story has no %s", name)
		}
	}
}
