// Package conformance_test compares the subgraph endpoint with an independent reference,
// answer by answer, over worlds that both are told of: one straight from its states, the
// other by the rows of a database.
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

	"pgregory.net/rapid"

	endpoint "assay/graphql/subgraph"
	"assay/graphql/subgraph/referencetest"
	"assay/schema/graphql/subgraph"
)

const chain = 31337

const deployment = "QmConformance"

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

func newScene(t testing.TB, seed int64) *scene {
	t.Helper()
	definition, err := referencetest.Parse(subgraph.PoCo)
	if err != nil {
		t.Fatal(err)
	}
	w := referencetest.NewWorld(definition, deployment)
	choose := rand.New(rand.NewSource(seed)).Intn
	s := &scene{judge: &judge{world: w}, store: newStore(t, w, chain), grower: referencetest.NewGrower(w, choose), choose: choose}
	s.judge.server = serve(t, endpoint.Config{
		Database: s.store.conn, Definition: subgraph.PoCo, Tables: "subgraph", Chain: chain, Deployment: deployment,
	})
	t.Cleanup(func() { t.Logf("%d answers compared, %d of them errors", s.compared, s.refused) })
	return s
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
// one case in eight is asked, another part of them for each kind of case.
func effort() (tries, each int) {
	n, err := strconv.Atoi(os.Getenv("ASSAY_CONFORMANCE"))
	if err != nil {
		return 1, 8
	}
	return n, 1
}

// TestEveryFieldFilterAndOrder asks for all that the definition allows, once.
func TestEveryFieldFilterAndOrder(t *testing.T) {
	s := newScene(t, 1)
	s.grow(t, 4, 3)
	tries, each := effort()
	n := 0
	for c := range s.world.Cases(s.choose, tries) {
		if n++; n%each == 0 {
			s.compare(t, c)
		}
	}
}

// TestPagesToTheEnd reads every list page by page, by skip and by id.
func TestPagesToTheEnd(t *testing.T) {
	s := newScene(t, 2)
	s.grow(t, 3, 4)
	for _, name := range s.world.Definition.Names {
		plural := referencetest.Plural(name)
		for skip := 0; ; skip += 5 {
			c := referencetest.Case{About: "pages", Document: fmt.Sprintf("{ %s(first: 5, skip: %d) { id } }", plural, skip)}
			s.compare(t, c)
			if len(s.ids(t, c, plural)) == 0 {
				break
			}
		}
		for after := ""; ; {
			c := referencetest.Case{About: "pages", Document: fmt.Sprintf(`query($after: String!) { %s(first: 5, where: {id_gt: $after}) { id } }`, plural),
				Variables: text(map[string]any{"after": after})}
			s.compare(t, c)
			ids := s.ids(t, c, plural)
			if len(ids) == 0 {
				break
			}
			after = ids[len(ids)-1]
		}
	}
}

// ids reads the reference's answer, so that a wrong endpoint cannot make a test endless.
func (s *scene) ids(t testing.TB, c referencetest.Case, key string) []string {
	t.Helper()
	data, err := s.world.Ask(c.Document, []byte(c.Variables))
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
	s := newScene(t, 3)
	s.grow(t, 3, 2)
	s.everyBlock(t)
	for round := range 2 {
		depth := 1 + round
		above := s.world.Blocks[len(s.world.Blocks)-1-depth].Number
		gone := s.world.Head()
		s.store.Undo(t, above, func() { s.grower.Undo(depth) })
		s.compare(t, referencetest.Case{About: "a block that is gone", Document: fmt.Sprintf(`{ deals(block: {hash: %q}) { id } }`, gone.Hash)})
		s.everyBlock(t)
		s.grow(t, 1+round, 2)
		s.everyBlock(t)
	}
}

// everyBlock asks for all entities as of each block, in one document for each.
func (s *scene) everyBlock(t testing.TB) {
	t.Helper()
	for i, b := range s.world.Blocks {
		for way, block := range []string{fmt.Sprintf("{number: %d}", b.Number), fmt.Sprintf("{hash: %q}", b.Hash), fmt.Sprintf("{number_gte: %d}", b.Number)} {
			for part, names := range chunks(s.world.Definition.Names, 6) {
				if way > 0 && part%len(s.world.Blocks) != i {
					continue // all entities by number, some by the other ways
				}
				var roots []string
				for _, name := range names {
					roots = append(roots, fmt.Sprintf("%s(block: %s) { %s }", referencetest.Plural(name), block, flat(s.world.Definition, name)))
				}
				s.compare(t, referencetest.Case{About: "as of " + block, Document: "{ " + strings.Join(roots, " ") + " }"})
			}
			s.compare(t, referencetest.Case{About: "as of " + block, Document: fmt.Sprintf("{ _meta(block: %s) { block { number hash } } }", block)})
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
	s := newScene(t, 4)
	s.grow(t, 2, 2)
	head := s.world.Head().Number
	for _, document := range []string{
		`{ deals(first: 0) { id } }`, `{ deals(first: -1) { id } }`, `{ deals(first: 1001) { id } }`, `{ deals(skip: -1) { id } }`, `{ deals(first: "1") { id } }`,
		`{ deals { tasks(first: 0) { id } } }`, `{ deals { tasks(first: 1001) { id } } }`,
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
	s := newScene(t, 5)
	s.grow(t, 2, 2)
	for _, document := range []string{
		`{ deals { id requester { id } } }`, `{ deals { id dataset { id } } }`, `{ deals { id } }`, `{ deals(orderBy: requester__balance) { id } }`,
		`{ deals(where: {requester_: {score_gte: 0}}) { id } }`,
	} {
		s.compare(t, referencetest.Case{About: "before", Document: document})
	}
	s.world.Put("Deal", "0xlost", lost(s.world))
	s.store.Undo(t, s.world.Head().Number, func() {})
	s.store.Block(t)
	for _, document := range []string{
		`{ deals { id requester { id } } }`, `{ deals { id dataset { id } } }`, `{ deals { id } }`, `{ deals(orderBy: requester__balance) { id } }`,
		`{ deals(where: {requester_: {score_gte: 0}}) { id } }`, `{ deal(id: "0xlost") { requester { id } } }`, `{ deal(id: "0xlost") { dataset { id } } }`,
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
	s := newScene(t, 6)
	s.grow(t, 5, 3)
	s.store.Undo(t, s.world.Blocks[2].Number, func() { s.grower.Undo(2) })
	s.grow(t, 2, 3)
	rapid.Check(t, func(t *rapid.T) {
		c := s.world.Document(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") })
		if difference := s.difference(t, c); difference != "" {
			t.Fatalf("%s", difference)
		}
	})
}
