package client

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Whatever an endpoint answers that is not data is an error that says what it was.
func TestBadAnswers(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"an error", 200, `{"errors":[{"message":"the query took too long"}],"data":null}`, "the query took too long"},
		{"an error beside data", 200, `{"errors":[{"message":"internal error"}],"data":{"taskCounts":[]}}`, "internal error"},
		{"a page of a proxy", 502, `<html>`, "502"},
		{"nothing", 200, `{}`, "no data"},
		{"other data", 200, `{"data":{"taskCounts":[{"count":-1}],"verdictCounts":[{"count":-1}],"bucketSums":[{"count":-1}],"meta":{"chains":[{"chain":-1}]},"accounts":{"nodes":[{"chain":-1}]}}}`, "-1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}))
			defer server.Close()
			c := New(server.URL)
			_, accounts := c.Accounts(t.Context(), 1)
			_, tasks := c.TaskCounts(t.Context(), 1)
			_, verdicts := c.VerdictCounts(t.Context(), 1)
			_, sums := c.BucketSums(t.Context(), 1)
			_, meta := c.Meta(t.Context())
			for _, err := range []error{accounts, tasks, verdicts, sums, meta} {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want an error with %q", err, test.want)
				}
			}
		})
	}
}

// An answer without end is not read to its end.
func TestTooMuch(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		spaces := make([]byte, 1<<20)
		for {
			if _, err := w.Write(spaces); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	if _, err := New(server.URL).Meta(t.Context()); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("an endless answer: %v", err)
	}
}

// An endpoint that is not there is an error.
func TestNobodyThere(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	if _, err := New(server.URL).Meta(t.Context()); err == nil {
		t.Error("an endpoint that is not there answers")
	}
}
