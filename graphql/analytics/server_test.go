package analytics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"

	"assay/graphql/internal/database"
)

func newRegistry() *prometheus.Registry { return prometheus.NewRegistry() }

func fetch(t testing.TB, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// serve runs Serve on a port of its own.
func serve(ctx context.Context, t testing.TB, db database.Conn) (address string, served chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served = make(chan error, 1)
	go func() {
		served <- Serve(ctx, listener, Config{Database: db, Log: slog.New(slog.DiscardHandler), Poll: 10 * time.Millisecond})
	}()
	return listener.Addr().String(), served
}

// broken is a database whose every statement fails, or waits for its end.
type broken struct {
	err   error
	block bool
	panic bool
}

func (b broken) Select(ctx context.Context, _ any, query string, _ ...any) error {
	if (strings.Contains(query, "heads") || strings.Contains(query, "lane_partition")) && b.err == nil {
		return nil
	}
	if b.panic {
		panic("secret")
	}
	if b.block {
		<-ctx.Done()
		return ctx.Err()
	}
	return b.err
}

const anyDeal = `{ deal(id: "0x0000000000000000000000000000000000000000000000000000000000000001") { id } }`

// What goes wrong inside is told in general words: no SQL, no address, no stack.
func TestErrorsAreMasked(t *testing.T) {
	tests := []struct {
		name string
		db   database.Conn
		code string
	}{
		{"a failing database", broken{err: errors.New("secret: SELECT secret FROM secret")}, codeInternal},
		{"a panic", broken{panic: true}, codeInternal},
		{"a statement that reads too much", broken{err: &clickhouse.Exception{Code: 158, Message: "secret"}}, codeLimit},
		{"a statement that takes too long", broken{err: &clickhouse.Exception{Code: 159, Message: "secret"}}, codeLimit},
		{"another exception", broken{err: &clickhouse.Exception{Code: 60, Message: "secret"}}, codeInternal},
		{"a query that takes too long", broken{block: true}, codeLimit},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := newServer(t, test.db, func(c *Config) { c.Limits.Timeout = 50 * time.Millisecond })
			for _, query := range []string{anyDeal, `{ deals { nodes { id } } }`, `{ taskCounts { count } }`} {
				code, message := failing(t, server, query, nil)
				if code != test.code || strings.Contains(message, "secret") {
					t.Errorf("%s: %s %q, want %s", query, code, message, test.code)
				}
			}
		})
	}
}

// The database's own limits end a statement that would read too much.
func TestRowLimit(t *testing.T) {
	conn := newDatabase(t)
	fill(t, conn, 6)
	server := newServer(t, conn, func(c *Config) { c.Limits.Rows = 10 })
	if code, _ := failing(t, server, `{ tasks { nodes { id } } }`, nil); code != codeLimit {
		t.Errorf("reading more rows than allowed: %s, want %s", code, codeLimit)
	}
}

// Requests that cannot be read are refused in words.
func TestBadRequests(t *testing.T) {
	server := newServer(t, broken{})
	post := func(body string) (int, string) {
		response, err := http.Post(server.URL+"/graphql", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(text)
	}
	tests := []struct {
		name, body string
		status     int
		want       string
	}{
		{"not JSON", "{", 400, codeInput},
		{"not an object", "[]", 400, codeInput},
		{"nothing", "", 400, codeInput},
		{"too large", `{"query": "` + strings.Repeat(" ", 70_000) + `"}`, 413, codeLimit},
		{"not GraphQL", `{"query": "{"}`, 422, "GRAPHQL_PARSE_FAILED"},
		{"no query", `{"query": ""}`, 422, "no operation"},
		{"an unknown field", `{"query": "{ secrets }"}`, 422, "Cannot query field"},
		{"an unknown status", `{"query": "{ tasks(filter: {status: [DONE]}) { totalCount } }"}`, 422, "DONE"},
		{"an unknown status in a variable", `{"query": "query($s: [TaskStatus!]) { tasks(filter: {status: $s}) { totalCount } }", "variables": {"s": ["DONE"]}}`, 422, "DONE"},
	}
	for _, test := range tests {
		if status, text := post(test.body); status != test.status || !strings.Contains(text, test.want) {
			t.Errorf("%s: %d %s, want %d and %q", test.name, status, text, test.status, test.want)
		}
	}
}

// Values that are not what their type says are refused in words, and reach no statement.
func TestBadValues(t *testing.T) {
	db := &counted{Conn: broken{err: errors.New("asked")}}
	server := newServer(t, db, func(c *Config) { c.Poll = time.Hour })
	for _, query := range []string{
		`{ deal(id: "1") { id } }`,
		`{ deal(id: "0x00' OR 1=1 --") { id } }`,
		`{ deal(id: 7) { id } }`,
		`{ account(address: "0x00000000000000000000000000000000000000") { stake } }`,
		`{ account(address: "00000000000000000000000000000000000000000000") { stake } }`,
		`{ deals(filter: {since: "yesterday"}) { totalCount } }`,
		`{ deals(filter: {since: 5}) { totalCount } }`,
		`{ deals(filter: {chain: -1}) { totalCount } }`,
		`{ deals(filter: {chain: "x"}) { totalCount } }`,
		`{ deals(filter: {chain: 1.5}) { totalCount } }`,
		`{ deals(first: 1001) { totalCount } }`,
		`{ deals(first: -1) { totalCount } }`,
		`{ deals(after: "nonsense") { totalCount } }`,
		`{ deals(after: "") { totalCount } }`,
		`{ deals(after: "` + encodeCursor("task", []any{uint64(1), uint64(1), hash(1)}) + `") { totalCount } }`,
		`{ deals(after: "` + encodeCursor("deal", []any{uint64(1), uint64(1)}) + `") { totalCount } }`,
		`{ deals(after: "` + encodeCursor("deal", nil) + `") { totalCount } }`,
		`{ deals(after: "` + encodeCursor("deal", []any{uint64(1), uint64(1), "0x00' OR 1=1"}) + `") { totalCount } }`,
	} {
		if code, message := failing(t, server, query, nil); code != codeInput {
			t.Errorf("%s: %s %q, want %s", query, code, message, codeInput)
		}
	}
	if n := db.statements.Load(); n > 0 {
		t.Errorf("%d statements were read", n)
	}
}

// A thing that two chains know is not guessed.
func TestSeveralChains(t *testing.T) {
	conn := newDatabase(t)
	insert(t, conn, "heads", headRow(1, 0), headRow(2, 0))
	insert(t, conn, "accounts", row{"chain": uint64(1), "address": address(1), "version": uint64(1)}, row{"chain": uint64(2), "address": address(1), "version": uint64(1)},
		row{"chain": uint64(2), "address": address(0xabc), "version": uint64(1)})
	server := newServer(t, conn)
	query := `query($address: Address!, $chain: Uint64) { account(address: $address, chain: $chain) { chain } }`
	if code, message := failing(t, server, query, map[string]any{"address": address(1)}); code != codeInput || !strings.Contains(message, "chain") {
		t.Errorf("an address on two chains: %s %q", code, message)
	}
	type answer struct{ Account *struct{ Chain int } }
	if got := get[answer](t, server, query, map[string]any{"address": address(1), "chain": 2}); got.Account == nil || got.Account.Chain != 2 {
		t.Errorf("an address on two chains, with the chain: %v", got.Account)
	}
	if got := get[answer](t, server, query, map[string]any{"address": "0x" + strings.ToUpper(address(0xabc)[2:])}); got.Account == nil {
		t.Error("an address in capital letters is not found")
	}
}

// Queries that would be dear are refused before they are answered, and at once.
func TestExpensiveQueries(t *testing.T) {
	server := newServer(t, broken{err: errors.New("asked")}, func(c *Config) { c.Poll = time.Hour })
	for _, test := range []struct{ name, code, query string }{
		{"pages of pages of pages", "COMPLEXITY_LIMIT_EXCEEDED", `{ deals(first: 100) { nodes { tasks(first: 100) { nodes { contributions(first: 100) { nodes { worker } } } } } } }`},
		{"pages of any size, seven levels of them", "COMPLEXITY_LIMIT_EXCEEDED", `{ tasks(first: 2000000000) {` + strings.Repeat("nodes { deal { tasks(first: 2000000000) { ", 3) + "totalCount" + strings.Repeat(" } } }", 3) + " } }"},
		{"depth", codeLimit, `{ tasks { ` + strings.Repeat("nodes { deal { tasks { ", 8) + `totalCount` + strings.Repeat(" } } }", 8) + ` } }`},
		{"a bomb of fragments", codeLimit, `{ tasks(first: 1) { nodes { ...f0 } } } ` + bomb("Task", "... on Task {", "} ", "id")},
		{"a bomb of fragments, in depth", codeLimit, `{ tasks(first: 1) { nodes { ...f0 } } } ` + bomb("Task", "deal { tasks(first: 1) { nodes {", "} } } ", "id")},
		{"a bomb in the schema", codeLimit, `{ __schema { types { ...f0 } } } ` + bomb("__Type", "ofType {", "} ", "name")},
		{"the schema, many times", codeLimit, `{ ` + repeat(100, "s%d: __schema { types { fields { args { name } } } } ") + `}`},
		{"nested lists of the schema", codeLimit, `{ __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }`},
		{"many words", "GRAPHQL_PARSE_FAILED", `{ ` + strings.Repeat("__typename ", 5000) + ` }`},
		{"many fields", codeLimit, `{ ` + repeat(1100, "a%d: __typename ") + ` }`},
		{"the same field many times", codeLimit, `{ ` + strings.Repeat("__typename ", 1100) + ` }`},
		{"a deferred part, whose reader would wait for ever", codeLimit, `{ ... @defer { deals { totalCount } } }`},
		{"a deferred fragment", codeLimit, `{ tasks { nodes { ...f @defer } } } fragment f on Task { deal { id } }`},
		{"an endless fragment", "GRAPHQL_VALIDATION_FAILED", `{ ...f } fragment f on Query { ...f }`},
	} {
		began := time.Now()
		code, message := failing(t, server, test.query, nil)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s: refused after %s", test.name, took)
		}
		if code != test.code {
			t.Errorf("%s: %s %q, want %s", test.name, code, message, test.code)
		}
	}
}

// bomb is thirty fragments, each of which spreads the next one twice: written out, a
// billion fields.
func bomb(on, begin, end, leaf string) string {
	const levels = 30
	var b strings.Builder
	for i := range levels {
		b.WriteString(fmt.Sprintf("fragment f%d on %s { a: ", i, on) + begin + fmt.Sprintf("...f%d ", i+1) + end)
		b.WriteString("b: " + begin + fmt.Sprintf("...f%d ", i+1) + end + "}\n")
	}
	fmt.Fprintf(&b, "fragment f%d on %s { %s }\n", levels, on, leaf)
	return strings.ReplaceAll(strings.ReplaceAll(b.String(), "a: ...", "..."), "b: ...", "...")
}

func repeat(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// A query of many pages of different sizes needs many statements.
func TestTooManyStatements(t *testing.T) {
	conn := newDatabase(t)
	fill(t, conn, 7)
	server := newServer(t, conn, func(c *Config) { c.Limits.Statements = 5 })
	get[any](t, server, `{ `+repeat(5, "a%[1]d: deals(first: %[1]d) { nodes { id } } ")+`}`, nil)
	if code, message := failing(t, server, `{ `+repeat(6, "a%[1]d: deals(first: %[1]d) { nodes { id } } ")+`}`, nil); code != codeLimit {
		t.Errorf("%s %q", code, message)
	}
}

// What GraphiQL and code generators ask for is allowed.
func TestIntrospection(t *testing.T) {
	server := newServer(t, broken{})
	get[any](t, server, introspection, nil)
}

const introspection = `query IntrospectionQuery { __schema { queryType { name } mutationType { name } subscriptionType { name }
	types { ...FullType } directives { name description locations args { ...InputValue } } } }
	fragment FullType on __Type { kind name description
		fields(includeDeprecated: true) { name description args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
		inputFields { ...InputValue } interfaces { ...TypeRef }
		enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
	fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
	fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
		ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }`

// The other paths.
func TestPaths(t *testing.T) {
	server := newServer(t, newDatabase(t))
	get := func(path, accept string) (*http.Response, string) {
		request, err := http.NewRequest(http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", accept)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		return response, string(text)
	}
	tests := []struct {
		path, accept string
		status       int
		want         string
	}{
		{"/healthz", "", 200, "ok"},
		{"/readyz", "", 200, "ready"},
		{"/metrics", "", 200, "assay_graphql_statements_total"},
		{"/graphql", "text/html,*/*", 200, "GraphiQL"},
		{"/graphql?query={meta{chains{chain}}}", "text/html", 200, `{"data":{"meta":{"chains":[]}}}`},
		{"/graphql?query={meta{chains{chain}}}", "application/json", 200, `{"data":{"meta":{"chains":[]}}}`},
		{"/nothing", "", 404, ""},
	}
	for _, test := range tests {
		response, text := get(test.path, test.accept)
		if response.StatusCode != test.status || !strings.Contains(text, test.want) {
			t.Errorf("%s as %q: %d %s", test.path, test.accept, response.StatusCode, text)
		}
	}
	response, _ := get("/graphql?query={meta{chains{chain}}}", "")
	if origin := response.Header.Get("Access-Control-Allow-Origin"); origin != "*" {
		t.Errorf("Access-Control-Allow-Origin is %q", origin)
	}
}

// Without its database the API is alive but not ready.
func TestNotReady(t *testing.T) {
	server := newServer(t, broken{err: errors.New("away")})
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503} {
		response, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, response.StatusCode, want)
		}
	}
}

// Another page's script may ask first whether it may ask.
func TestPreflight(t *testing.T) {
	server := newServer(t, broken{})
	request, _ := http.NewRequest(http.MethodOptions, server.URL+"/graphql", nil)
	request.Header.Set("Origin", "https://explorer.example")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusNoContent || response.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(response.Header.Get("Access-Control-Allow-Headers"), "Content-Type") {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
	// With credentials, other pages could ask in their reader's name.
	if credentials := response.Header.Get("Access-Control-Allow-Credentials"); credentials != "" {
		t.Errorf("credentials are allowed: %s", credentials)
	}
}

// Counts by status, outcome and reason are those of a look at each row.
func TestCounts(t *testing.T) {
	conn := newDatabase(t)
	data := fill(t, conn, 8)
	server := newServer(t, conn)
	for _, filter := range []map[string]any{nil, {"chain": uint64(7)}, {"workerpool": pool(1)}} {
		answer := get[struct {
			TaskCounts []struct {
				Status string
				Count  int
			}
			VerdictCounts []struct {
				Outcome, Reason string
				Count           int
			}
		}](t, server, `query($t: TaskFilter, $v: VerdictFilter) { taskCounts(filter: $t) { status count } verdictCounts(filter: $v) { outcome reason count } }`,
			map[string]any{"t": filter, "v": filter})
		got := make(map[string]int)
		for _, c := range answer.TaskCounts {
			got[c.Status] = c.Count
		}
		for _, c := range answer.VerdictCounts {
			got[c.Outcome+" "+c.Reason] = c.Count
		}
		want := make(map[string]int)
		for _, r := range listOf("tasks").rows(data, filter) {
			want[as[string](r["status"])]++
		}
		for _, r := range listOf("verdicts").rows(data, filter) {
			want[fmt.Sprint(r["outcome"], " ", r["reason"])]++
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v: got %v, want %v", filter, got, want)
		}
	}
}

// Many clients at once get the answers that one alone gets.
func TestConcurrency(t *testing.T) {
	conn := newDatabase(t)
	fill(t, conn, 9)
	server := newServer(t, conn)
	queries := []string{
		`{ deals(first: 30) { nodes { id tasks(first: 2) { nodes { id contributions { totalCount } } } } totalCount } }`,
		`{ accounts { nodes { address stake payouts { nodes { amount deal { id } } } } } }`,
		`{ verdictCounts { outcome reason count } taskCounts { status count } }`,
	}
	want := make([]string, len(queries))
	for i, query := range queries {
		want[i] = string(ask(t, server, query, nil).Data)
	}
	var clients sync.WaitGroup
	for c := range 12 {
		clients.Go(func() {
			for i := range 4 {
				i := (c + i) % len(queries)
				if r := ask(t, server, queries[i], nil); !bytes.Equal(r.Data, []byte(want[i])) {
					t.Errorf("%s: got %s %v, want %s", queries[i], r.Data, r.Errors, want[i])
				}
			}
		})
	}
	clients.Wait()
}

// A port that is taken is an error, not a wait.
func TestServeFails(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Serve(t.Context(), listener, Config{Database: broken{}, Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("serving on a closed listener succeeds")
	}
}
