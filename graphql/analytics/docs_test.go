package analytics

import (
	"os"
	"regexp"
	"testing"
)

// Every query in the documentation is answered.
func TestDocumentedQueries(t *testing.T) {
	conn := newDatabase(t)
	fill(t, conn, 15)
	fillSeries(t, conn, 15)
	insert(t, conn, "blocks", row{"chain": uint64(7), "number": uint64(1), "hash": hash(1), "time": start, "version": uint64(1)})
	server := newServer(t, conn)
	text, err := os.ReadFile("../../docs/analytics.md")
	if err != nil {
		t.Fatal(err)
	}
	queries := regexp.MustCompile("(?s)```graphql\n(.*?)```").FindAllSubmatch(text, -1)
	if len(queries) < 10 {
		t.Fatalf("only %d queries are found", len(queries))
	}
	for _, query := range queries {
		get[any](t, server, string(query[1]), nil)
	}
}
