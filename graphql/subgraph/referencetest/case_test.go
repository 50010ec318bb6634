package referencetest

import (
	"math/rand"
	"testing"

	"assay/schema/graphql/subgraph"
)

// grown is a random world of PoCo's entities.
func grown(t *testing.T, seed int64) (*World, Choose) {
	t.Helper()
	d, err := Parse(subgraph.PoCo)
	if err != nil {
		t.Fatal(err)
	}
	w, choose := NewWorld(d, "test"), rand.New(rand.NewSource(seed)).Intn
	g := NewGrower(w, choose)
	for range 5 {
		g.Grow(3)
	}
	g.Undo(2)
	g.Grow(2)
	return w, choose
}

// The cases are worth asking: nearly all have an answer, and most answers say something.
func TestCasesSaySomething(t *testing.T) {
	w, choose := grown(t, 1)
	asked, refused, empty := 0, 0, 0
	try := func(c Case) {
		asked++
		data, err := w.Ask(c.Document, []byte(c.Variables))
		if err != nil {
			refused++
			if refused < 10 {
				t.Logf("%s: %v", c.Document, err)
			}
		}
		for _, value := range data {
			if list, ok := value.([]any); ok && len(list) == 0 {
				empty++
			}
		}
	}
	for c := range w.Cases(choose, 1) {
		try(c)
	}
	t.Log(asked, refused, empty)
	if refused > asked/100 || empty > asked/2 {
		t.Errorf("of %d cases %d are refused and %d find nothing", asked, refused, empty)
	}
	asked, refused, empty = 0, 0, 0
	for range 500 {
		try(w.Document(choose))
	}
	t.Log(asked, refused, empty)
	if refused > asked/4 || empty > asked/2 {
		t.Errorf("of %d random documents %d are refused and %d find nothing", asked, refused, empty)
	}
}
