package subgraph

import (
	"slices"
	"testing"

	definitions "assay/schema/graphql/subgraph"
)

// Names that graph-node gives the official subgraph's roots, odd ones.
func TestRootsHaveGraphNodesNames(t *testing.T) {
	d, err := ParseDefinition(definitions.PoCo, "subgraph")
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, field := range s.Query.Fields {
		names = append(names, field.Name)
	}
	for _, want := range []string{"deal", "deals", "bulkSlice", "bulkSliceice", "categories", "ordersMatcheds", "taskConsensuses", "taskClaimeds", "ressourceTransferEvents", "_meta"} {
		if !slices.Contains(names, want) {
			t.Errorf("there is no root %s among %v", want, names)
		}
	}
}
