package subgraph_test

import (
	"math/rand"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"assay/indexer/internal/market"
	definitions "assay/schema/graphql/subgraph"
)

// TestReferencesLeadSomewhere keeps the promise that a reference which is never null names an
// entity that is there: graph-node answers with an error where one does not.
func TestReferencesLeadSomewhere(t *testing.T) {
	schema, err := gqlparser.LoadSchema(&ast.Source{Input: definitions.PoCo})
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewSource(5))
	m, log := market.New(random.Intn), &market.Log{}
	p := &player{Market: m, random: random}
	d, ts := newDriver(), tables{}
	for range 250 {
		log.Block(p.grow(12))
	}
	for _, record := range log.Records {
		rows := d.apply(t, record)
		ts.write(rows.Tables())
	}
	followed := 0
	for _, definition := range schema.Types {
		for _, row := range ts["subgraph_"+snake(definition.Name)] {
			for _, field := range definition.Fields {
				target := schema.Types[field.Type.Name()]
				if target.Kind != ast.Object || !field.Type.NonNull || field.Type.Elem != nil || field.Directives.ForName("derivedFrom") != nil {
					continue
				}
				followed++
				if _, found := ts["subgraph_"+snake(target.Name)][row.fields[field.Name]]; !found {
					t.Errorf("%s %s: %s leads to no %s: %s", definition.Name, row.fields["id"], field.Name, target.Name, row.fields[field.Name])
				}
			}
		}
	}
	if followed < 10_000 {
		t.Errorf("only %d references were followed", followed)
	}
}
