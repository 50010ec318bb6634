package analytics

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"assay/graphql/internal/database"
)

// The limits of a statement reach the database.
func TestStatementsCarryTheirLimits(t *testing.T) {
	limits := DefaultLimits()
	var s database.Statement
	s.Add("SELECT name, value FROM system.settings WHERE changed")
	rows, err := database.Rows[struct {
		Name  string `ch:"name"`
		Value string `ch:"value"`
	}](t.Context(), newReader(newDatabase(t)), &s)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, row := range rows {
		got[row.Name] = row.Value
	}
	for name, want := range map[string]string{
		"max_execution_time": strconv.Itoa(int(limits.Timeout / time.Second)), "max_rows_to_read": strconv.FormatUint(limits.Rows, 10),
		"max_memory_usage": strconv.FormatUint(limits.Memory, 10), "max_result_bytes": strconv.FormatUint(limits.Result, 10),
		"cancel_http_readonly_queries_on_client_close": "1",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %s", name, got[name], want)
		}
	}
}

// endless is a database in which it takes for ever to read deals.
type endless struct{ database.Conn }

const forEver = "SELECT count() AS count FROM system.numbers_mt WHERE NOT ignore(sipHash64(number))"

func (e endless) Select(ctx context.Context, dest any, query string, args ...any) error {
	if strings.Contains(query, "FROM deals") {
		return e.Conn.Select(ctx, dest, forEver)
	}
	return e.Conn.Select(ctx, dest, query, args...)
}

// A statement whose client has gone ends in the database.
func TestStatementsEndWithTheirClient(t *testing.T) {
	conn := newDatabase(t)
	server := newServer(t, endless{conn}, func(c *Config) { c.Limits.Rows, c.Limits.Timeout = 1<<62, time.Minute })
	running := func() uint64 {
		var rows []struct {
			Count uint64 `ch:"count"`
		}
		if err := conn.Select(t.Context(), &rows, "SELECT count() AS count FROM system.processes WHERE query LIKE 'SELECT count() AS count FROM system.numbers_mt%'"); err != nil {
			t.Fatal(err)
		}
		return rows[0].Count
	}
	until := func(what string, holds func() bool) {
		for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal(what)
			}
		}
	}
	ctx, leave := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/graphql?query="+url.QueryEscape("{ deals { nodes { id } } }"), nil)
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		gone <- err
	}()
	until("the statement never ran", func() bool { return running() > 0 })
	leave()
	if err := <-gone; err == nil {
		t.Error("a request that was broken off is answered")
	}
	until("the statement runs on without its client", func() bool { return running() == 0 })
}

// persisted asks for a query by its hash, with its text or without.
func persisted(t testing.TB, server *httptest.Server, hash, query string) string {
	t.Helper()
	request := map[string]any{"extensions": map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": hash}}}
	if query != "" {
		request["query"] = query
	}
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(server.URL+"/graphql", "application/json", bytes.NewReader(body))
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

func hashOf(query string) string {
	sum := sha256.Sum256([]byte(query))
	return hex.EncodeToString(sum[:])
}

// A query that was sent once can be asked for by its hash, for as long as not too many others
// were. The limits are for it, too.
func TestPersistedQueries(t *testing.T) {
	conn := newDatabase(t)
	insert(t, conn, "heads", headRow(7, 1))
	server := newServer(t, conn)
	const query, data = `{ deals { totalCount } }`, `{"data":{"deals":{"totalCount":0}}`
	if got := persisted(t, server, hashOf(query), ""); !strings.Contains(got, "PersistedQueryNotFound") {
		t.Errorf("a query that nobody sent: %s", got)
	}
	if got := persisted(t, server, hashOf(query), query); !strings.HasPrefix(got, data) {
		t.Errorf("with its text: %s", got)
	}
	if got := persisted(t, server, hashOf(query), ""); !strings.HasPrefix(got, data) {
		t.Errorf("by its hash: %s", got)
	}
	if got := persisted(t, server, hashOf("another"), query); !strings.Contains(got, "does not match") {
		t.Errorf("with another's hash: %s", got)
	}
	deep := `{ tasks { ` + strings.Repeat("nodes { deal { tasks { ", 8) + `totalCount` + strings.Repeat(" } } }", 8) + ` } }`
	for _, text := range []string{deep, ""} {
		if got := persisted(t, server, hashOf(deep), text); !strings.Contains(got, codeLimit) {
			t.Errorf("a query that is too deep: %s", got)
		}
	}
	for i := range documents {
		other := fmt.Sprintf("{ a%d: __typename }", i)
		persisted(t, server, hashOf(other), other)
	}
	insert(t, conn, "heads", row{"chain": uint64(7), "head_number": uint64(2), "version": uint64(2000)}) // or the answer would be kept
	if got := persisted(t, server, hashOf(query), ""); !strings.Contains(got, "PersistedQueryNotFound") {
		t.Errorf("after many others: %s", got)
	}
}

// The same question is answered once, until something new is indexed; and not more answers
// are kept, nor larger ones, than there is room for.
func TestAnswersAreKept(t *testing.T) {
	conn := newDatabase(t)
	insert(t, conn, "heads", headRow(7, 1))
	db := &counted{Conn: conn}
	server := newServer(t, db, func(c *Config) { c.Limits.Answers, c.Limits.Largest = 2, 2000 })
	version := uint64(2000)
	reads := func(query string) int64 {
		before := db.statements.Load()
		if r := ask(t, server, query, nil); len(r.Errors) > 0 {
			t.Fatal(r.Errors)
		}
		return db.statements.Load() - before
	}
	const first, second, third = `{ deals { nodes { id } } }`, `{ tasks { nodes { id } } }`, `{ payouts { nodes { amount } } }`
	for _, test := range []struct {
		what, query string
		reads       int64
	}{
		{"at first", first, 1},
		{"again", first, 0},
		{"another", second, 1},
		{"both are kept", first, 0},
		{"a third", third, 1},
		{"the newest stay", third, 0},
		{"the oldest is forgotten", second, 1},
	} {
		if got := reads(test.query); got != test.reads {
			t.Errorf("%s: %d statements, want %d", test.what, got, test.reads)
		}
	}
	version++
	insert(t, conn, "heads", row{"chain": uint64(7), "head_number": uint64(2), "version": version})
	if got := reads(second); got != 1 {
		t.Errorf("after a new head: %d statements", got)
	}
	wide := `{ deals { nodes { id } } ` + repeat(300, "a%d: __typename ") + `}`
	if reads(wide) == 0 || reads(wide) == 0 {
		t.Error("an answer that is too large is kept")
	}
	if got := fetch(t, server.URL+"/metrics"); !strings.Contains(got, `assay_graphql_cache_total{result="hit"} 3`) {
		t.Errorf("the metrics do not tell of 3 hits: %s", got)
	}
}

// post sends a request with a header, and says how it was answered.
func post(t testing.TB, server *httptest.Server, header, value string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/graphql", strings.NewReader(`{"query": "{ __typename }"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if header != "" {
		request.Header.Set(header, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response
}

// A client that asks too often is told to wait. What it says of its address does not help it,
// unless a proxy in front is to say so: then the address that the proxy saw counts.
func TestRateLimit(t *testing.T) {
	slow := func(header string) func(*Config) {
		return func(c *Config) { c.Limits.Rate, c.Limits.Burst, c.ClientHeader = 0.001, 3, header }
	}
	server := newServer(t, broken{}, slow(""))
	for i := range 5 {
		response := post(t, server, "X-Forwarded-For", fmt.Sprintf("10.0.0.%d", i))
		if refused := response.StatusCode == http.StatusTooManyRequests; refused != (i >= 3) || refused != (response.Header.Get("Retry-After") != "") {
			t.Errorf("request %d of an address that calls itself others: %s", i, response.Status)
		}
	}
	server = newServer(t, broken{}, slow("X-Forwarded-For"))
	for i := range 5 {
		if response := post(t, server, "X-Forwarded-For", fmt.Sprintf("10.0.0.%d", i)); response.StatusCode != http.StatusOK {
			t.Errorf("client %d behind a proxy: %s", i, response.Status)
		}
	}
	for i := range 5 {
		response := post(t, server, "X-Forwarded-For", fmt.Sprintf("1.2.3.%d, 10.0.0.9", i))
		if refused := response.StatusCode == http.StatusTooManyRequests; refused != (i >= 3) {
			t.Errorf("request %d of a client that sends addresses to the proxy: %s", i, response.Status)
		}
	}
}

// listenTo opens a stream of heads and returns how it is answered.
func listenTo(t testing.TB, server *httptest.Server, client string) (*http.Response, func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/graphql", strings.NewReader(`{"query": "subscription { head { number } }"}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Content-Type": "application/json", "Accept": "text/event-stream", "X-Client": client} {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return response, func() {
		cancel()
		_ = response.Body.Close()
	}
}

// One client has so many streams, WebSockets and others, and all together so many. Those
// that end make room.
func TestStreamsAreCounted(t *testing.T) {
	server := newServer(t, newDatabase(t), func(c *Config) { c.Limits.Streams, c.Limits.StreamsEach, c.ClientHeader = 3, 2, "X-Client" })
	for _, test := range []struct {
		client string
		status int
	}{
		{"10.0.0.1", 200}, {"10.0.0.1", 200}, {"10.0.0.1", 429}, {"10.0.0.2", 200}, {"10.0.0.3", 503}, {"10.0.0.1", 429},
	} {
		response, end := listenTo(t, server, test.client)
		defer end()
		if response.StatusCode != test.status {
			t.Errorf("a stream of %s: %s, want %d", test.client, response.Status, test.status)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/graphql", nil)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(request.Header, http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="}})
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if _ = response.Body.Close(); response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a WebSocket more: %s", response.Status)
	}
}

// A stream that ended makes room for another.
func TestStreamsThatEndMakeRoom(t *testing.T) {
	server := newServer(t, newDatabase(t), func(c *Config) { c.Limits.StreamsEach, c.ClientHeader = 1, "X-Client" })
	_, end := listenTo(t, server, "10.0.0.1")
	end()
	for deadline := time.Now().Add(20 * time.Second); ; {
		response, end := listenTo(t, server, "10.0.0.1")
		end()
		if response.StatusCode == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(response.Status)
		}
	}
}

// An answer has a bound, also where one long value is asked for under many names.
func TestLargeAnswers(t *testing.T) {
	conn := newDatabase(t)
	insert(t, conn, "heads", headRow(7, 1))
	insert(t, conn, "deals", row{"chain": uint64(7), "id": hash(1), "params": strings.Repeat("x", 100_000), "version": uint64(1)})
	server := newServer(t, conn, func(c *Config) { c.Limits.Answer = 1_000_000 })
	query := func(names int) string {
		return `{ deal(id: "` + hash(1) + `") { ` + repeat(names, "a%d: params ") + `} }`
	}
	get[any](t, server, query(9), nil)
	if code, message := failing(t, server, query(900), nil); code != codeLimit || !strings.Contains(message, "too large") {
		t.Errorf("%s %s", code, message)
	}
	server = newServer(t, conn, func(c *Config) { c.Limits.Result = 50_000 })
	if code, _ := failing(t, server, query(1), nil); code != codeLimit {
		t.Errorf("a statement that gives more than it may: %s", code)
	}
}

// GraphiQL comes from a CDN, and only if it is what was published: each part names its hash.
func TestGraphiQLIsPinned(t *testing.T) {
	server := newServer(t, broken{})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/graphql", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/html")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	parts := 0
	for _, tag := range strings.Split(string(page), "<")[1:] {
		tag, _, _ = strings.Cut(tag, ">")
		if !strings.Contains(tag, "https://") {
			continue
		}
		parts++
		if !strings.Contains(tag, `integrity="sha256-`) || !strings.Contains(tag, `crossorigin="anonymous"`) || !strings.Contains(tag, "@") {
			t.Errorf("a part that is not pinned: %s", tag)
		}
	}
	if parts < 3 {
		t.Errorf("only %d parts are found in %s", parts, page)
	}
}
