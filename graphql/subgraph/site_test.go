package subgraph

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"assay/graphql/analytics"
)

// newSite serves everything that assay serve does.
func newSite(t *testing.T) *httptest.Server {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	beside, err := Site(log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(analytics.Handler(ctx, analytics.Config{Database: market(t), Log: log, Beside: beside}))
	t.Cleanup(func() {
		cancel()
		server.Close()
	})
	return server
}

func send(t *testing.T, request *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

func request(t *testing.T, method, url, body string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// The paths that clients of graph-node and of The Graph's gateway know. Chain 134 is
// Bellecour, and the only one with rows.
func TestPaths(t *testing.T) {
	server := newSite(t)
	const document = `{"query": "{ _meta { deployment block { number } } }"}`
	for path, answer := range map[string]string{
		"/subgraphs/name/bellecour/poco-v5":                             `{"data":{"_meta":{"deployment":"bellecour/poco-v5","block":{"number":9}}}}`,
		"/subgraphs/name/134/poco-v5":                                   `{"data":{"_meta":{"deployment":"bellecour/poco-v5","block":{"number":9}}}}`,
		"/subgraphs/name/bellecour/dataprotector":                       `{"data":{"_meta":{"deployment":"bellecour/dataprotector-v2","block":{"number":9}}}}`,
		"/subgraphs/name/bellecour/poco-v5/graphql":                     `{"data":{"_meta":{"deployment":"bellecour/poco-v5","block":{"number":9}}}}`,
		"/subgraphs/name/bellecour/dataprotector-v2":                    `{"data":{"_meta":{"deployment":"bellecour/dataprotector-v2","block":{"number":9}}}}`,
		"/subgraphs/id/B1comLe9SANBLrjdnoNTJSubbeC7cY7EoNu6zD82HeKy":    `{"errors":[{"message":"subgraph B1comLe9SANBLrjdnoNTJSubbeC7cY7EoNu6zD82HeKy has not started syncing yet"}],"data":null}`,
		"/api/subgraphs/id/5YjRPLtjS6GH6bB4yY55Qg4HzwtRGQ8TaHtGf9UBWWd": `{"errors":[{"message":"subgraph 5YjRPLtjS6GH6bB4yY55Qg4HzwtRGQ8TaHtGf9UBWWd has not started syncing yet"}],"data":null}`,
	} {
		for range 2 { // the second time from the cache
			if response, text := send(t, request(t, "POST", server.URL+path, document)); text != answer || response.StatusCode != http.StatusOK {
				t.Errorf("%s answers %s %s", path, response.Status, text)
			}
		}
	}
	for _, path := range []string{"/subgraphs/name/bellecour/poco-v4", "/subgraphs/name/135/poco-v5", "/subgraphs/id/QmNone", "/api/subgraphs/id/"} {
		if response, text := send(t, request(t, "POST", server.URL+path, document)); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s answers %s %s", path, response.Status, text)
		}
	}
}

func TestRequests(t *testing.T) {
	server := newSite(t)
	path := server.URL + "/subgraphs/name/bellecour/poco-v5"
	const answer = `{"data":{"deal":{"id":"0xd1"}}}`
	const body = `{"query": "query ($id: ID!) { deal(id: $id) { id } }", "variables": {"id": "0xd1"}}`
	for about, r := range map[string]*http.Request{
		"POST":                          request(t, "POST", path, body, "Content-Type", "application/json"),
		"POST of no type":               request(t, "POST", path, body),
		"POST of text":                  request(t, "POST", path, body, "Content-Type", "text/plain"),
		"GET":                           request(t, "GET", path+"?query=%7Bdeal(id:%220xd1%22)%7Bid%7D%7D", ""),
		"GET with variables":            request(t, "GET", path+"?query=query($i:ID)%7Bdeal(id:$i)%7Bid%7D%7D&variables=%7B%22i%22:%220xd1%22%7D", ""),
		"application/graphql-response":  request(t, "POST", path, body, "Content-Type", "application/json", "Accept", "application/graphql-response+json, application/json;q=0.9"),
		"null for variables and a name": request(t, "POST", path, `{"query": "{ deal(id: \"0xd1\") { id } }", "variables": null, "operationName": null}`),
	} {
		response, text := send(t, r)
		if text != answer || response.StatusCode != http.StatusOK || response.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s answers %s %s %v", about, response.Status, text, response.Header)
		}
		if about == "application/graphql-response" && response.Header.Get("Content-Type") != "application/graphql-response+json" {
			t.Errorf("the answer is %s", response.Header.Get("Content-Type"))
		}
	}
	if response, text := send(t, request(t, "GET", path, "", "Accept", "text/html")); !strings.Contains(text, "GraphiQL") {
		t.Errorf("a browser gets %s %s", response.Status, text)
	}
	if response, _ := send(t, request(t, "OPTIONS", path, "", "Origin", "https://explorer.iex.ec")); response.StatusCode != http.StatusNoContent || response.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("an origin may not ask: %s %v", response.Status, response.Header)
	}
}

// Requests that are none get a clear answer.
func TestNoRequests(t *testing.T) {
	server := newSite(t)
	path := server.URL + "/subgraphs/name/bellecour/poco-v5"
	for about, c := range map[string]struct {
		body, message string
		status        int
	}{
		"no JSON":         {"{", "", http.StatusBadRequest},
		"no query":        {"{}", "Operation name required", http.StatusOK},
		"no document":     {`{"query": "{ deals { id "}`, "Expected Name, found <EOF>", http.StatusOK},
		"too large":       {`{"query": "` + strings.Repeat(" ", DefaultLimits().Body) + `"}`, "", http.StatusRequestEntityTooLarge},
		"too many words":  {`{"query": "{ ` + strings.Repeat("a ", DefaultLimits().Tokens) + `}"}`, "", http.StatusOK},
		"too deep":        {`{"query": "{ deals ` + strings.Repeat("{ tasks { deal ", 20) + strings.Repeat("} }", 20) + `}"}`, "query has a depth that exceeds the limit of `32`", http.StatusOK},
		"too many fields": {`{"query": "{ ...A } fragment A on Query { ...B b: __typename ...B } ` + fragments(16) + `"}`, "query has more than `5000` fields, fragments spread out", http.StatusOK},
	} {
		response, text := send(t, request(t, "POST", path, c.body))
		var r reply
		if err := json.Unmarshal([]byte(text), &r); err != nil || response.StatusCode != c.status || len(r.Errors) == 0 || c.message != "" && r.Errors[0].Message != c.message {
			t.Errorf("%s answers %s %.300s", about, response.Status, text)
		}
	}
}

// fragments double with each level.
func fragments(levels int) string {
	var s strings.Builder
	for i := range levels {
		s.WriteString("fragment " + string(rune('B'+i)) + " on Query { ..." + string(rune('C'+i)) + " ... on Query { ..." + string(rune('C'+i)) + " } } ")
	}
	s.WriteString("fragment " + string(rune('B'+levels)) + " on Query { a: __typename }")
	return s.String()
}
