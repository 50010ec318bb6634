package subgraph

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/graphql/internal/database"
)

// empty is a database in which a chain is indexed that holds nothing. It notes what it is
// asked.
type empty struct{ statements []string }

func (e *empty) Select(_ context.Context, dest any, query string, _ ...any) error {
	e.statements = append(e.statements, query)
	if heads, ok := dest.(*[]database.Head); ok {
		*heads = []database.Head{{Chain: testChain, Number: 9, Hash: "0x09", Time: time.Unix(9, 0), Version: 9}}
	}
	if rows, ok := dest.(*[]row); ok && strings.Contains(query, "UNION ALL SELECT '', ''") {
		none, zero := "", "0"
		*rows = []row{{Values: []*string{&zero, &none, &none}}}
	}
	return nil
}

// single is a handler of one request at a time, over an empty chain.
func single(t testing.TB) (*empty, http.Handler) {
	t.Helper()
	db := &empty{}
	limits := DefaultLimits()
	limits.Together = 1 // so that the statements can be noted
	h, err := New(Config{Database: db, Definition: poco, Tables: "subgraph", Chain: testChain, Deployment: "QmTest", Log: slog.New(slog.DiscardHandler), Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	return db, h
}

func post(t testing.TB, h http.Handler, body string) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)))
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Whatever is sent, there is an answer that is JSON, soon, and with data or an error of
// ours or of the client's that is no panic.
func FuzzRequest(f *testing.F) {
	_, h := single(f)
	for _, document := range []string{
		`{ deals(first: 5, where: {tasks_: {status: "COMPLETED"}, or: [{trust: 1}], app_in: ["0x"]}, orderBy: app__name) { id app { ...F } events { ... on OrdersMatched { deal { id } } } } } fragment F on App { owner { id } }`,
		`query ($w: Task_filter = {index_gt: 1e3}, $b: Block_height) { tasks(where: $w, block: $b) { contributions(skip: 1) { id } } _meta(block: $b) { block { parentHash } } }`,
		`{ __schema { types { name fields { type { ofType { name } } } } } __type(name: "Deal") { kind } }`,
		`query ($if: Boolean!) { a: bulkSliceice @skip(if: $if) { datasets_: datasets(where: {multiaddr_contains: "0xab"}) { id } } }`,
		`{ ...A } fragment A on Query { ...A }`, `subscription { deals { id } }`, "{", "", "\x00",
	} {
		f.Add(document, `{"w": {"timestamp_in": [1, "2"]}, "b": {"number": 3}, "if": false}`)
	}
	f.Fuzz(func(t *testing.T, document, variables string) {
		body, err := json.Marshal(map[string]any{"query": document, "variables": json.RawMessage(variables)})
		if err != nil {
			t.Skip("no JSON")
		}
		answer := post(t, h, string(body))
		if !json.Valid([]byte(answer)) || strings.Contains(answer, errInternal.Error()) {
			t.Fatalf("%s\nis answered with %s", body, answer)
		}
	})
}

// Whatever is written as a definition, there is a schema or an error.
func FuzzDefinition(f *testing.F) {
	f.Add(poco)
	f.Add(`type A @entity { id: ID! b: [B!]! @derivedFrom(field: "a") } type B @entity(immutable: true) { id: Bytes! a: A }`)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDefinition(text, "x")
		if err != nil {
			return
		}
		_, _ = d.Schema()
	})
}

// Nothing that a client writes becomes text of a statement: it only differs in what is
// bound.
func TestClientsTextNeverIsSQL(t *testing.T) {
	db, h := single(t)
	ask := func(text string) []string {
		db.statements = nil
		literal, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var filters []string
		for _, suffix := range stringSuffixes {
			value := string(literal)
			if suffix == "_in" || suffix == "_not_in" {
				value = "[" + value + "]"
			}
			filters = append(filters, "name"+suffix+": "+value+", owner"+suffix+": "+value)
		}
		where := strings.Join(filters, ", ") + ", owner_: {id: " + string(literal) + "}, usages_: {params_contains: " + string(literal) + "}"
		body, err := json.Marshal(map[string]string{"query": "{ app(id: " + string(literal) + ") { id } apps(where: {" + where + "}) { id } bulkSliceice(where: {datasets_contains: [" + string(literal) + "]}) { id } }"})
		if err != nil {
			t.Fatal(err)
		}
		if answer := post(t, h, string(body)); strings.Contains(answer, "errors") {
			t.Fatalf("%s\nis answered with %s", body, answer)
		}
		return slices.Clone(db.statements)
	}
	plain := ask("plain")
	if len(plain) != 5 {
		t.Fatalf("%d statements", len(plain))
	}
	for _, evil := range []string{"'", `\`, `'; DROP TABLE deals; --`, "`", "{p0:String}", "\x00\n\t", "%", "'' OR 1=1", "*/"} {
		if got := ask(evil); !slices.Equal(got, plain) {
			t.Errorf("%q changes the statements:\n%s\n%s", evil, got, plain)
		}
	}
}

// Every filter that the schema offers can be compiled, and every order.
func TestEveryArgumentCompiles(t *testing.T) {
	db, h := single(t)
	d := mustParse(t, poco, "subgraph")
	values := map[string]string{"Boolean": "true", "Int": "1", "BigInt": `"1"`, "BigDecimal": `"1.5"`, "Bytes": `"0xab"`, "ID": `"a"`, "String": `"a"`}
	for _, each := range d.Types {
		root := camelCase(plural(each.Name))
		for _, f := range each.Fields {
			for _, in := range f.filters() {
				value, isScalar := values[strings.Trim(in.kind, "[]!")]
				switch {
				case strings.HasSuffix(in.kind, "_filter"):
					value = "{}"
				case !isScalar:
					value = f.Enum[0]
				}
				if strings.HasPrefix(in.kind, "[") {
					value = "[" + value + "]"
				}
				compiles(t, db, h, "{ "+root+"(where: {"+in.name+": "+value+"}) { id } }")
			}
			if f.List || !f.stored() {
				continue
			}
			compiles(t, db, h, "{ "+root+"(orderBy: "+f.Name+") { id } }")
			for _, inner := range f.sortable() {
				compiles(t, db, h, "{ "+root+"(orderBy: "+f.Name+"__"+inner.Name+") { id } }")
			}
		}
	}
}

func compiles(t *testing.T, db *empty, h http.Handler, document string) {
	t.Helper()
	db.statements = nil
	body, err := json.Marshal(map[string]string{"query": document})
	if err != nil {
		t.Fatal(err)
	}
	if answer := post(t, h, string(body)); strings.Contains(answer, "errors") || len(db.statements) > 3 || len(db.statements) < 2 { // a list that is known costs none
		t.Errorf("%s\ntook %d statements and is answered with %s", document, len(db.statements), answer)
	}
}
