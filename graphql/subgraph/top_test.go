package subgraph

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand"
	"slices"
	"testing"
)

// scored is an account as the test knows it.
type scored struct {
	ID    string
	Score int `json:",string"`
}

// Pages are right whatever stands in the table that has been replaced or deleted since:
// where rows named first do not suffice, the list is read whole.
func TestPagesAmongReplacedRows(t *testing.T) {
	db := &counted{Conn: newDatabase(t)}
	execute(t, db, "SYSTEM STOP MERGES subgraph_account")
	random := rand.New(rand.NewSource(7))
	newest := map[string]int{}
	for version := range 8 {
		var rows []fields
		for i := range 60 {
			id, score, deleted := fmt.Sprintf("0x%02d", i), random.Intn(50)+(8-version)*30, 0
			if version == 7 && i >= 30 {
				continue // these keep high scores
			}
			if newest[id] = score; random.Intn(5) == 0 {
				deleted = 1
				delete(newest, id)
			}
			rows = append(rows, fields{"chain": testChain, "id": id, "score": score, "block_number": version, "version": version + 1, "deleted": deleted})
		}
		insert(t, db, "subgraph_account", rows...)
	}
	head(t, db, 9, 9)
	server := newEndpoint(t, db, poco)
	var all []scored
	for id, score := range newest {
		all = append(all, scored{id, score})
	}
	whole := 0
	for range 60 {
		first, skip, descending, least := 1+random.Intn(40), random.Intn(20), random.Intn(2) == 0, random.Intn(100)
		direction := map[bool]string{true: "desc", false: "asc"}[descending]
		want := slices.DeleteFunc(slices.Clone(all), func(a scored) bool { return a.Score < least })
		slices.SortFunc(want, func(a, b scored) int {
			order := cmp.Or(cmp.Compare(a.Score, b.Score), cmp.Compare(a.ID, b.ID))
			if descending {
				return -order
			}
			return order
		})
		want = want[min(skip, len(want)):]
		want = want[:min(first, len(want))]
		before := db.statements.Load()
		document := fmt.Sprintf("{ accounts(first: %d, skip: %d, orderBy: score, orderDirection: %s, where: {score_gte: %d}) { id score } }", first, skip, direction, least)
		r := ask(t, server, document, nil)
		var got struct{ Accounts []scored }
		if err := json.Unmarshal(r.Data, &got); err != nil {
			t.Fatalf("%s: %v %v", document, err, r.Errors)
		}
		if !slices.Equal(got.Accounts, want) {
			t.Fatalf("%s\ngot  %v\nwant %v", document, got.Accounts, want)
		}
		if db.statements.Load()-before > 3 {
			whole++
		}
	}
	if whole == 0 || whole == 60 {
		t.Errorf("%d of 60 lists were read whole: the test tries one way only", whole)
	}
}
