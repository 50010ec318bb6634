package subgraph

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"assay/graphql/analytics"
)

// crowded is an empty chain that several may ask at once.
type crowded struct {
	mutex sync.Mutex
	empty
}

func (s *crowded) Select(ctx context.Context, dest any, query string, args ...any) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.statements = nil
	return s.empty.Select(ctx, dest, query, args...)
}

// bothEndpoints serves all that assay serve does, over an empty chain.
func bothEndpoints(t *testing.T, change ...func(*analytics.Config)) *httptest.Server {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	beside, err := Site(log)
	if err != nil {
		t.Fatal(err)
	}
	config := analytics.Config{Database: &crowded{}, Log: log, Beside: beside, Poll: time.Hour}
	for _, c := range change {
		c(&config)
	}
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(analytics.Handler(ctx, config))
	t.Cleanup(func() {
		cancel()
		server.Close()
	})
	return server
}

// The ends of the endpoints' addresses.
const (
	analyticsPath = "/graphql"
	subgraphPath  = "/subgraphs/name/134/poco-v5"
)

func times(n int, format string) string {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, format, i)
	}
	return s.String()
}

func inQuery(document string) string {
	body, err := json.Marshal(map[string]string{"query": document})
	if err != nil {
		panic(err)
	}
	return string(body)
}

func nested(n int, begin, inner, end string) string {
	return strings.Repeat(begin, n) + inner + strings.Repeat(end, n)
}

// hostileBodies are requests that would hurt a server that believes in its clients.
func hostileBodies() map[string]string {
	const kilo = 1000
	bomb := "{ ...F0 } " + times(60, "fragment F%[1]d on Query { ...N%[1]d ... on Query { ...N%[1]d } } ")
	for i := range 60 {
		bomb = strings.ReplaceAll(bomb, fmt.Sprintf("N%d ", i), fmt.Sprintf("F%d ", i+1))
	}
	return map[string]string{
		"levels without end":             inQuery(nested(30*kilo, "{a", "{a}", "}")),
		"levels of the schema":           inQuery("{" + nested(kilo, "deals{tasks{deal", "{id}", "}}") + "}"),
		"inline fragments in each other": inQuery(nested(5*kilo, "{...", "{__typename}", "}")),
		"10,000 aliases":                 inQuery("{" + times(10*kilo, "a%d:__typename ") + "}"),
		"10,000 aliases of a list":       inQuery("{" + times(10*kilo, "a%d:deals{__typename}") + "}"),
		"one field 10,000 times":         inQuery("{" + strings.Repeat("__typename ", 10*kilo) + "}"),
		"overlapping lists":              inQuery("{" + strings.Repeat("deals{__typename}", 450) + "}"),
		"overlapping lists, deep":        inQuery("{" + strings.Repeat("deals{nodes{tasks{nodes{deal{id}}}}}", 150) + "}"),
		"a fragment that spreads itself": inQuery("{...A} fragment A on Query{...B} fragment B on Query{...A}"),
		"a bomb of fragments":            inQuery(bomb + "fragment F60 on Query { __typename }"),
		"5,000 fragments":                inQuery("{...A0}" + times(5*kilo, "fragment A%d on Query{__typename}")),
		"2,000 operations":               inQuery(times(2*kilo, "query A%d{__typename}")),
		"5,000 directives":               inQuery("{__typename" + strings.Repeat("@skip(if:false)", 5*kilo) + "}"),
		"5,000 variables":                inQuery("query(" + times(5*kilo, "$a%d:Int ") + "){__typename}"),
		"a list of 100,000 ids":          inQuery(`{deals(where:{id_in:[` + strings.Repeat(`"0x01" `, 100*kilo) + `]}){id}}`),
		"lists in lists":                 inQuery("{deals(where:{id_in:" + nested(20*kilo, "[", "", "]") + "}){id}}"),
		"objects in objects":             inQuery("{deals(where:" + nested(20*kilo, "{and:", "{}", "}") + "){id}}"),
		"filters in filters":             inQuery("{deals(where:" + nested(300, "{and:[", "{}", "]}") + "){id}}"),
		"a page of 10^30":                inQuery("{deals(first:1000000000000000000000000000000){__typename}}"),
		"a page of 10^4000":              inQuery("{deals(first:1" + strings.Repeat("0", 4*kilo) + "){__typename}}"),
		"a number of 200,000 digits":     inQuery("{deals(first:" + strings.Repeat("9", 200*kilo) + "){__typename}}"),
		"a float without end":            inQuery("{deals(first:1e999999999){__typename}}"),
		"a batch of 1,000":               "[" + strings.TrimSuffix(strings.Repeat(inQuery("{__typename}")+",", kilo), ",") + "]",
		"a text of 10 MB":                inQuery(`{deal(id:"` + strings.Repeat("x", 10_000_000) + `"){id}}`),
		"a text of 200 KB":               inQuery(`{deal(id:"` + strings.Repeat("x", 200*kilo) + `"){id}}`),
		"escapes":                        inQuery(`{deal(id:"` + strings.Repeat(`\u0000`, 9*kilo) + `"){id}}`),
		"a block of text":                inQuery(`{deal(id:"""` + strings.Repeat("\n ", 30*kilo) + `"""){id}}`),
		"comments":                       inQuery(strings.Repeat("#\n", 30*kilo) + "{a}"),
		"commas":                         inQuery("{" + strings.Repeat(",", 60*kilo) + "a}"),
		"variables in each other":        `{"query":"query($a:Int){a}","variables":{"a":` + nested(30*kilo, "[", "", "]") + `}}`,
		"variables of 200 KB":            `{"query":"query($w:Deal_filter){deals(where:$w){id}}","variables":{"w":{"id_in":[` + strings.TrimSuffix(strings.Repeat(`"0x01",`, 28*kilo), ",") + `]}}}`,
		"the schema, in circles":         inQuery("{__schema{types" + nested(12, "{fields{type", "{name}", "}}") + "}}"),
		"the schema, many times":         inQuery("{" + times(200, "a%d:__schema{types{fields{args{name}}}}") + "}"),
		"kinds of kinds":                 inQuery(`{__type(name:"Deal")` + nested(800, "{ofType", "{name}", "}") + "}"),
		"wildcards":                      inQuery(`{apps(where:{name_contains:"` + strings.Repeat("%a", 20*kilo) + `"}){id}}`),
		"no text at all":                 "\x00\xff\xfe",
		"a persisted query of nobody":    `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + strings.Repeat("0", 60*kilo) + `"}}}`,
		"half a surrogate":               `{"query":"{ a\ud800 }"}`,
	}
}

// spent is what this process has spent so far.
func spent(t *testing.T) (work time.Duration, memory uint64) {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), m.TotalAlloc
}

// A hostile request gets a clear answer, at either endpoint, for little work and memory.
func TestHostileRequests(t *testing.T) {
	const (
		work   = 3 * time.Second // of a processor, with the client's part
		memory = 200 << 20       // bytes allocated, with the client's part
		answer = 4 << 20         // bytes
	)
	server := bothEndpoints(t)
	var dearest time.Duration
	var largest uint64
	for name, body := range hostileBodies() {
		for _, path := range []string{analyticsPath, subgraphPath} {
			workBefore, memoryBefore := spent(t)
			response, err := http.Post(server.URL+path, "application/json", strings.NewReader(body))
			if err != nil {
				t.Errorf("%s at %s: no answer: %v", name, path, err)
				continue
			}
			text, err := io.ReadAll(io.LimitReader(response.Body, answer+1))
			_ = response.Body.Close()
			workAfter, memoryAfter := spent(t)
			if err != nil || !json.Valid(text) || bytes.Contains(text, []byte("INTERNAL")) || bytes.Contains(text, []byte(errInternal.Error())) {
				t.Errorf("%s at %s: %s, %v: %.300s", name, path, response.Status, err, text)
			}
			took, made := workAfter-workBefore, memoryAfter-memoryBefore
			if took > work || made > memory {
				t.Errorf("%s at %s took %s and %d MB: %.200s", name, path, took, made>>20, text)
			}
			dearest, largest = max(dearest, took), max(largest, made)
		}
	}
	t.Logf("the dearest took %s of a processor, the largest %d MB", dearest, largest>>20)
}

// A query that was sent once can be asked for by its hash.
func TestPersistedQueries(t *testing.T) {
	server := bothEndpoints(t)
	const query = `{ deals(first: 1) { id } }`
	sum := sha256.Sum256([]byte(query))
	extensions := `"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "` + hex.EncodeToString(sum[:]) + `"}}`
	for _, test := range []struct{ body, want string }{
		{`{` + extensions + `}`, "PersistedQueryNotFound"},
		{`{"query": "` + query + `", ` + extensions + `}`, `{"data":{"deals":[]}}`},
		{`{` + extensions + `}`, `{"data":{"deals":[]}}`},
		{`{"query": "{ tasks { id } }", ` + extensions + `}`, "does not match"},
	} {
		if response, text := send(t, request(t, "POST", server.URL+subgraphPath, test.body)); !strings.Contains(text, test.want) {
			t.Errorf("%s is answered with %s %s", test.body, response.Status, text)
		}
	}
}

// Both endpoints count what a client asks for together.
func TestRateLimitIsShared(t *testing.T) {
	server := bothEndpoints(t, func(c *analytics.Config) {
		c.Limits = analytics.DefaultLimits()
		c.Limits.Rate, c.Limits.Burst = 0.001, 2
	})
	for i, path := range []string{analyticsPath, subgraphPath, subgraphPath, analyticsPath} {
		response, text := send(t, request(t, "POST", server.URL+path, `{"query": "{ __typename }"}`, "Content-Type", "application/json"))
		if refused := response.StatusCode == http.StatusTooManyRequests; refused != (i >= 2) {
			t.Errorf("request %d: %s %s", i, response.Status, text)
		}
	}
}
