// Package conformance_test compares the subgraph endpoint with an independent reference,
// answer by answer, over worlds that both are told of.
//
// Random worlds (conformance_test.go) are told to the reference as states and to the
// endpoint as rows: they have nulls, ties, huge numbers and odd texts in all places. What
// the real contracts did (contracts_test.go) comes to the endpoint as in production, from
// a node by source, log, projection and sink, and to the reference by a reading of the same
// node that shares none of these (reading_test.go).
package conformance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"pgregory.net/rapid"

	endpoint "assay/graphql/subgraph"
	"assay/graphql/subgraph/referencetest"
	"assay/schema/graphql/subgraph"
)

const deployment = "QmConformance"

// subject is a subgraph that is to conform.
type subject struct{ name, definition, tables string }

var (
	poco          = subject{"PoCo", subgraph.PoCo, "subgraph"}
	dataProtector = subject{"DataProtector", subgraph.DataProtector, "dataprotector"}
)

// each runs a test for both subgraphs.
func each(t *testing.T, test func(t *testing.T, s subject)) {
	for _, s := range []subject{poco, dataProtector} {
		t.Run(s.name, func(t *testing.T) { test(t, s) })
	}
}

// judge asks the endpoint and the reference and compares.
type judge struct {
	world    *referencetest.World
	server   *httptest.Server
	compared int
	refused  int // of them with an error
	failed   int
}

// scene is a random world, in memory and in a database.
type scene struct {
	*judge
	store  *store
	grower *referencetest.Grower
	choose referencetest.Choose
}

func newScene(t testing.TB, of subject, seed int64) *scene {
	t.Helper()
	w := newWorld(t, of)
	choose := rand.New(rand.NewSource(seed)).Intn
	s := &scene{store: newStore(t, w, of.tables), grower: referencetest.NewGrower(w, choose), choose: choose}
	s.judge = newJudge(t, of, w, s.store.conn, s.store.chain)
	return s
}

func newWorld(t testing.TB, of subject) *referencetest.World {
	t.Helper()
	definition, err := referencetest.Parse(of.definition)
	if err != nil {
		t.Fatal(err)
	}
	return referencetest.NewWorld(definition, deployment)
}

// newJudge serves a chain's rows and compares the answers with those about a world.
func newJudge(t testing.TB, of subject, w *referencetest.World, db driver.Conn, chain uint64) *judge {
	t.Helper()
	j := &judge{world: w, server: serve(t, endpoint.Config{
		Database: db, Definition: of.definition, Tables: of.tables, Chain: chain, Deployment: deployment,
	})}
	t.Cleanup(func() { t.Logf("%d answers compared, %d of them errors", j.compared, j.refused) })
	return j
}

func serve(t testing.TB, config endpoint.Config) *httptest.Server {
	t.Helper()
	handler, err := endpoint.New(config)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// grow adds blocks.
func (s *scene) grow(t testing.TB, blocks, most int) {
	t.Helper()
	for range blocks {
		s.grower.Grow(most)
		s.store.Block(t)
	}
}

// reply is a response of the endpoint.
type reply struct {
	Data   any
	Errors []struct{ Message string }
}

func (j *judge) ask(t fataler, c referencetest.Case) reply {
	t.Helper()
	variables := json.RawMessage(c.Variables)
	if len(variables) == 0 {
		variables = json.RawMessage("{}")
	}
	body, err := json.Marshal(map[string]any{"query": c.Document, "variables": variables})
	if err != nil {
		t.Fatalf("%v", err)
	}
	response, err := http.Post(j.server.URL, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%v", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var r reply
	if err := decoder.Decode(&r); err != nil {
		t.Fatalf("%s answers %s: %v", c.Document, text, err)
	}
	return r
}

// fataler is a test, or a property's trial.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// tooMany failures say nothing that the first did not.
const tooMany = 15

// compare asks both, and reports where they differ.
func (j *judge) compare(t testing.TB, c referencetest.Case) {
	t.Helper()
	if difference := j.difference(t, c); difference != "" {
		t.Error(difference)
		if j.failed++; j.failed >= tooMany {
			t.Fatal("and so on")
		}
	}
}

func (j *judge) difference(t fataler, c referencetest.Case) string {
	t.Helper()
	j.compared++
	want, refusal := j.world.Ask(c.Document, []byte(c.Variables))
	got := j.ask(t, c)
	if refusal != nil {
		j.refused++
		if len(got.Errors) == 0 || got.Data != nil {
			return fmt.Sprintf("%s: %s %s\n the reference refuses: %v\n the endpoint answers %s", c.About, c.Document, c.Variables, refusal, text(got.Data))
		}
		return ""
	}
	if len(got.Errors) > 0 || !reflect.DeepEqual(got.Data, any(want)) {
		return fmt.Sprintf("%s: %s %s\n want %s\n  got %s %v", c.About, c.Document, c.Variables, text(want), text(got.Data), got.Errors)
	}
	return ""
}

func text(value any) string {
	out, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(out[:min(len(out), 1500)])
}

// effort is how many values each filter is tried with, ASSAY_CONFORMANCE. Without it only
// one case in so many is asked, another part of them for each kind of case.
func effort() (tries, each int) {
	n, err := strconv.Atoi(os.Getenv("ASSAY_CONFORMANCE"))
	if err != nil {
		return 1, 61
	}
	return n, 1
}

// TestEveryFieldFilterAndOrder asks for all that the definition allows, once.
func TestEveryFieldFilterAndOrder(t *testing.T) {
	each(t, func(t *testing.T, of subject) {
		s := newScene(t, of, 1)
		s.grow(t, 4, 3)
		s.everything(t, s.choose)
	})
}

// everything asks for all that the definition allows, or for a part of it.
func (j *judge) everything(t testing.TB, choose referencetest.Choose) {
	t.Helper()
	tries, each := effort()
	n := 0
	for c := range j.world.Cases(choose, tries) {
		if n++; n%each == 0 {
			j.compare(t, c)
		}
	}
}

// TestPagesToTheEnd reads every list page by page, by skip and by id.
func TestPagesToTheEnd(t *testing.T) {
	each(t, func(t *testing.T, of subject) {
		s := newScene(t, of, 2)
		s.grow(t, 3, 4)
		s.pages(t)
	})
}

// pages reads every list page by page: by skip, by id, and in every order in which some
// are alike or null, or which another entity decides.
func (j *judge) pages(t testing.TB) {
	t.Helper()
	_, each := effort()
	n := 0
	for i, name := range j.world.Definition.Names {
		if each == 1 || i%4 == 0 {
			j.pagesBy(t, name, "")
			j.pagesByID(t, name)
		}
		for _, order := range j.world.Definition.Orders(j.world.Definition.Types[name]) {
			for _, direction := range []string{"asc", "desc"} {
				if n++; n%each == 0 {
					j.pagesBy(t, name, fmt.Sprintf(", orderBy: %s, orderDirection: %s", order, direction))
				}
			}
		}
	}
}

// pagesBy reads a list by skip.
func (j *judge) pagesBy(t testing.TB, name, arguments string) {
	t.Helper()
	plural := referencetest.Plural(name)
	for skip := 0; ; skip += 7 {
		c := referencetest.Case{About: "pages", Document: fmt.Sprintf("{ %s(first: 7, skip: %d%s) { id } }", plural, skip, arguments)}
		j.compare(t, c)
		if len(j.ids(t, c, plural)) < 7 {
			return
		}
	}
}

// pagesByID reads a list by what comes after the last id.
func (j *judge) pagesByID(t testing.TB, name string) {
	t.Helper()
	plural := referencetest.Plural(name)
	for after := ""; ; {
		c := referencetest.Case{About: "pages", Document: fmt.Sprintf(`query($after: String!) { %s(first: 5, where: {id_gt: $after}) { id } }`, plural),
			Variables: text(map[string]any{"after": after})}
		j.compare(t, c)
		ids := j.ids(t, c, plural)
		if len(ids) == 0 {
			return
		}
		after = ids[len(ids)-1]
	}
}

// ids reads the reference's answer, so that a wrong endpoint cannot make a test endless.
func (j *judge) ids(t testing.TB, c referencetest.Case, key string) []string {
	t.Helper()
	data, err := j.world.Ask(c.Document, []byte(c.Variables))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range data[key].([]any) {
		ids = append(ids, e.(map[string]any)["id"].(string))
	}
	return ids
}

// TestTimeTravelAcrossForks asks for every list at every block, before and after forks.
func TestTimeTravelAcrossForks(t *testing.T) {
	each(t, func(t *testing.T, of subject) {
		s := newScene(t, of, 3)
		s.grow(t, 3, 2)
		s.everyBlock(t)
		for round := range 2 {
			depth := 1 + round
			above := s.world.Blocks[len(s.world.Blocks)-1-depth].Number
			gone := s.world.Head()
			s.store.Undo(t, above, func() { s.grower.Undo(depth) })
			s.isGone(t, gone)
			s.everyBlock(t)
			s.grow(t, 1+round, 2)
			s.everyBlock(t)
		}
	})
}

// isGone asks for a block that left the chain.
func (j *judge) isGone(t testing.TB, b referencetest.Block) {
	t.Helper()
	document := fmt.Sprintf(`{ apps(block: {hash: %q}) { id } }`, b.Hash)
	j.compare(t, referencetest.Case{About: "a block that is gone", Document: document})
	if _, err := j.world.Ask(document, nil); err == nil {
		t.Errorf("the reference still has block %d %s", b.Number, b.Hash)
	}
}

// everyBlock asks for all entities as of each block, in one document for each.
func (j *judge) everyBlock(t testing.TB) {
	t.Helper()
	_, each := effort()
	n := 0
	for i, b := range j.world.Blocks {
		for way, block := range []string{fmt.Sprintf("{number: %d}", b.Number), fmt.Sprintf("{hash: %q}", b.Hash), fmt.Sprintf("{number_gte: %d}", b.Number)} {
			for part, names := range chunks(j.world.Definition.Names, 6) {
				if way > 0 && part%len(j.world.Blocks) != i {
					continue // all entities by number, some by the other ways
				}
				if n++; each > 1 && n%6 != 0 {
					continue
				}
				var roots []string
				for _, name := range names {
					roots = append(roots, fmt.Sprintf("%s(block: %s) { %s }", referencetest.Plural(name), block, flat(j.world.Definition, name)))
				}
				j.compare(t, referencetest.Case{About: "as of " + block, Document: "{ " + strings.Join(roots, " ") + " }"})
			}
			j.compare(t, referencetest.Case{About: "as of " + block, Document: fmt.Sprintf("{ _meta(block: %s) { block { number hash } } }", block)})
		}
	}
}

func chunks(names []string, size int) [][]string {
	var out [][]string
	for len(names) > size {
		out, names = append(out, names[:size]), names[size:]
	}
	return append(out, names)
}

// flat chooses an entity's fields, and of what it refers to what can be null.
func flat(d *referencetest.Definition, name string) string {
	fields := []string{"id"}
	for _, f := range d.Types[name].Fields {
		switch {
		case d.Types[f.Type] == nil:
			fields = append(fields, f.Name)
		case !f.NonNull:
			fields = append(fields, f.Name+" { id }")
		}
	}
	return strings.Join(fields, " ")
}

// TestErrors asks what cannot be answered.
func TestErrors(t *testing.T) {
	s := newScene(t, poco, 4)
	s.grow(t, 2, 2)
	head := s.world.Head().Number
	for _, document := range []string{
		`{ deals(first: 0) { id } }`, `{ deals(first: -1) { id } }`, `{ deals(first: 1001) { id } }`, `{ deals(skip: -1) { id } }`, `{ deals(first: "1") { id } }`,
		`{ deals { tasks(first: 0) { id } } }`, `{ deals { tasks(first: 1001) { id } } }`,
		`{ deals }`, `{ deals { app } }`, `{ deals { id { id } } }`, `{ deals { id app tasks } }`, `{ deals(where: {params: 1}) { id } }`,
		`{ deals(where: {params_in: [1]}) { id } }`, `{ deals(where: {app: 1}) { id } }`, `{ deals(where: {id: 1, trust: 1}) { id } }`,
		`{ deals(where: {tag: 12}) { id } }`, `subscription { deals { id } }`,
		`{ deals { nothing } }`, `{ nothing { id } }`, `{ deals { app { nothing } } }`,
		`{ deals(where: {nothing: 1}) { id } }`, `{ tasks(where: {status: HUGE}) { id } }`, `{ tasks(where: {status_gt: ACTIVE}) { id } }`,
		`{ tasks(where: {status_in: ["HUGE"]}) { id } }`, `{ contributions(where: {timestamp: "2"}) { id } }`, `{ contributions(where: {timestamp: 3000000000}) { id } }`,
		`{ deals(where: {appPrice: "x"}) { id } }`, `{ deals(where: {trust: "1.5"}) { id } }`, `{ deals(where: {trust: 1.5}) { id } }`,
		`{ deals(where: {tag: "0x123"}) { id } }`, `{ deals(where: {tag: "0xzz"}) { id } }`, `{ deals(where: {trust_gt: null}) { id } }`,
		`{ deals(where: {params_contains: null}) { id } }`, `{ deals(where: {id_in: [null]}) { id } }`,
		`{ deals(where: {or: [{trust: 1}], botSize: 2}) { id } }`, `{ deals(where: {and: [{or: [{trust: 1}], botSize: 2}]}) { id } }`,
		`{ deals(where: {app_: {or: [{name: "a"}], name: "b"}}) { id } }`, `{ deals(where: {_change_block: {}}) { id } }`, `{ deals(where: {tag_starts_with: "0x"}) { id } }`,
		`{ deals(where: {app_: "x"}) { id } }`, `{ deals(where: {tasks: ["x"]}) { id } }`, `{ deals(where: 1) { id } }`,
		`{ deals(orderBy: nothing) { id } }`, `{ deals(orderBy: tasks) { id } }`, `{ deals(orderBy: app__owner) { id } }`, `{ deals(orderDirection: up) { id } }`,
		fmt.Sprintf(`{ deals(block: {number: %d}) { id } }`, head+1), fmt.Sprintf(`{ deals(block: {number_gte: %d}) { id } }`, head+1),
		`{ deals(block: {number: -1}) { id } }`, `{ deals(block: {hash: "0x03"}) { id } }`, fmt.Sprintf(`{ deals(block: {hash: "0x%064d"}) { id } }`, 3),
		`{ deal { id } }`, `{ deal(id: null) { id } }`, `query($id: ID!) { deal(id: $id) { id } }`, `{ deals { ...Nothing } }`, `{`, ``,
		`mutation { deals { id } }`,
	} {
		s.compare(t, referencetest.Case{About: "errors", Document: document})
	}
}

// TestMissingEntities: a reference that is never null but leads nowhere is an error, one
// that may be null is null.
func TestMissingEntities(t *testing.T) {
	s := newScene(t, poco, 5)
	s.grow(t, 2, 2)
	for _, document := range []string{
		`{ deals { id requester { balance } } }`, `{ deals { id dataset { id } } }`, `{ deals { id } }`, `{ deals(orderBy: requester__balance) { id } }`,
		`{ deals(where: {requester_: {score_gte: 0}}) { id } }`,
	} {
		s.compare(t, referencetest.Case{About: "before", Document: document})
	}
	s.world.Put("Deal", "0xlost", lost(s.world))
	s.store.Undo(t, s.world.Head().Number, func() {})
	s.store.Block(t)
	for _, document := range []string{
		`{ deals { id requester { balance } } }`, `{ deals { id dataset { id } } }`, `{ deals { id } }`, `{ deals(orderBy: requester__balance) { id } }`,
		`{ deals(where: {requester_: {score_gte: 0}}) { id } }`, `{ deal(id: "0xlost") { requester { balance } } }`, `{ deal(id: "0xlost") { dataset { id } } }`,
	} {
		s.compare(t, referencetest.Case{About: "after", Document: document})
	}
}

// lost is a deal of which nothing else exists.
func lost(w *referencetest.World) referencetest.State {
	state := referencetest.State{}
	for _, c := range w.Since(0) {
		if c.Entity != "Deal" {
			continue
		}
		for name, value := range c.State {
			state[name] = value
		}
	}
	state["requester"], state["dataset"], state["bulk"] = "0xnobody", "0xnothing", nil
	return state
}

// TestRandomDocuments compares answers to documents that nobody thought of.
func TestRandomDocuments(t *testing.T) {
	each(t, func(t *testing.T, of subject) {
		s := newScene(t, of, 6)
		s.grow(t, 5, 3)
		s.store.Undo(t, s.world.Blocks[2].Number, func() { s.grower.Undo(2) })
		s.grow(t, 2, 3)
		s.random(t)
	})
}

// random asks what nobody thought of.
func (j *judge) random(t *testing.T) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		c := j.world.Document(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") })
		if difference := j.difference(t, c); difference != "" {
			t.Fatalf("%s", difference)
		}
	})
}
