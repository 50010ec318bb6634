package analytics

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// below are the connections inside other types: the field, the list it is of, and the
// column of that list that names the parent.
var below = []struct{ root, field, column string }{
	{"accounts", "payouts", "account"}, {"accounts", "contributions", "worker"}, {"accounts", "verdicts", "worker"}, {"accounts", "deals", "requester"},
	{"accounts", "postings", "account"},
	{"deals", "tasks", "deal"}, {"deals", "payouts", "deal"},
	{"tasks", "contributions", "task"}, {"tasks", "verdicts", "task"}, {"tasks", "payouts", "task"},
	{"workerpools", "deals", "workerpool"}, {"workerpools", "tasks", "workerpool"}, {"workerpools", "contributions", "workerpool"},
	{"workerpools", "verdicts", "workerpool"}, {"workerpools", "payouts", "workerpool"},
	{"apps", "deals", "app"}, {"datasets", "deals", "dataset"}, {"categories", "deals", "category"},
}

// beside are the rows that other rows name: the field, the list it is of, and the column
// that names it.
var beside = []struct{ root, field, list, column string }{
	{"deals", "workerpool", "workerpools", "workerpool"}, {"deals", "appEntry", "apps", "app"}, {"deals", "datasetEntry", "datasets", "dataset"},
	{"deals", "categoryEntry", "categories", "category"},
	{"tasks", "deal", "deals", "deal"}, {"tasks", "workerpool", "workerpools", "workerpool"},
	{"contributions", "task", "tasks", "task"}, {"contributions", "deal", "deals", "deal"}, {"contributions", "workerpool", "workerpools", "workerpool"},
	{"verdicts", "task", "tasks", "task"}, {"verdicts", "workerpool", "workerpools", "workerpool"},
	{"payouts", "account", "accounts", "account"}, {"payouts", "task", "tasks", "task"}, {"payouts", "deal", "deals", "deal"},
	{"payouts", "workerpool", "workerpools", "workerpool"},
	{"postings", "account", "accounts", "account"}, {"postings", "task", "tasks", "task"}, {"postings", "deal", "deals", "deal"},
}

func listOf(root string) listCase {
	return listCases[slices.IndexFunc(listCases, func(c listCase) bool { return c.root == root })]
}

// fields are what names a node.
func (c listCase) fields() string {
	fields := "chain"
	for _, id := range c.ids {
		fields += " " + id[0]
	}
	return fields
}

func (c listCase) nameOf(node map[string]any) string {
	name := fmt.Sprint(node["chain"])
	for _, id := range c.ids {
		name += fmt.Sprint(" ", node[id[0]])
	}
	return name
}

// Every connection inside every type has the rows of its parent only, in order, with
// their number, and goes on from a cursor.
func TestRowsBelow(t *testing.T) {
	conn := newDatabase(t)
	data := fill(t, conn, 2)
	server := newServer(t, conn)
	for _, n := range below {
		t.Run(n.root+" "+n.field, func(t *testing.T) {
			parents, children := listOf(n.root), listOf(n.field)
			query := fmt.Sprintf(`query($after: Cursor) { page: %s(first: 1000) { nodes { %s children: %s(first: 2, after: $after) {
				edges { cursor node { %s } } pageInfo { hasNextPage } totalCount } } } }`, n.root, parents.fields(), n.field, children.fields())
			nested := nestedCase{children, children.rows(data, nil), n.column, parents.ids[0][0]}
			var after *listEdge
			for range 3 {
				after = nested.check(t, server, query, after)
			}
		})
	}
}

// nestedCase is a connection inside a type.
type nestedCase struct {
	listCase
	order  []row  // all there are
	column string // of the children, that names the parent
	id     string // of the parent, that is named
}

// listEdge is a row and its cursor.
type listEdge struct{ name, cursor string }

// check compares the children of all parents with those expected after an edge, and
// returns an edge of theirs.
func (c nestedCase) check(t *testing.T, server *httptest.Server, query string, after *listEdge) (next *listEdge) {
	t.Helper()
	variables := make(map[string]any)
	if after != nil {
		variables["after"] = after.cursor
	}
	parents := get[struct {
		Page struct{ Nodes []map[string]any }
	}](t, server, query, variables).Page.Nodes
	pages := get[struct {
		Page struct {
			Nodes []struct{ Children connection }
		}
	}](t, server, query, variables).Page.Nodes
	more := false
	for i, parent := range parents {
		all, rest := c.children(parent, after)
		children := pages[i].Children
		if got, want := c.names(children), rest[:min(2, len(rest))]; !slices.Equal(got, want) {
			t.Fatalf("below %v after %v:\n got %v\nwant %v", parent, after, got, want)
		}
		if children.TotalCount != all || children.PageInfo.HasNextPage != (len(rest) > 2) {
			t.Fatalf("below %v: %+v, want %d in all and %d here", parent, children, all, len(rest))
		}
		if len(rest) > 1 && (next == nil || i%3 == 0) {
			next = &listEdge{rest[0], children.Edges[0].Cursor}
		}
		more = more || len(rest) > 2
	}
	if !more && after == nil {
		t.Fatal("no parent has more than a page: the test shows nothing")
	}
	return next
}

// children counts the rows below a parent, and names those after an edge.
func (c nestedCase) children(parent map[string]any, after *listEdge) (all int, rest []string) {
	passed := after == nil
	for _, r := range c.order {
		if fmt.Sprint(r[c.column]) == parent[c.id] && fmt.Sprint(r["chain"]) == fmt.Sprint(parent["chain"]) {
			all++
			if passed {
				rest = append(rest, c.name(r))
			}
		}
		passed = passed || c.name(r) == after.name
	}
	return all, rest
}

// Every row that a row names is that row, or null where it is not there.
func TestRowsBeside(t *testing.T) {
	conn := newDatabase(t)
	data := fill(t, conn, 3)
	server := newServer(t, conn)
	for _, n := range beside {
		t.Run(n.root+" "+n.field, func(t *testing.T) {
			rows, others := listOf(n.root), listOf(n.list)
			query := fmt.Sprintf(`{ page: %s(first: 1000) { nodes { %s other: %s { %s } } } }`, n.root, rows.fields(), n.field, others.fields())
			answer := get[struct {
				Page struct{ Nodes []map[string]any }
			}](t, server, query, nil)
			found := 0
			known := others.expected(data, nil)
			for i, r := range rows.rows(data, nil) {
				want := fmt.Sprint(r["chain"], " ", r[n.column])
				if !slices.Contains(known, want) {
					want = ""
				} else {
					found++
				}
				got := ""
				if other, ok := answer.Page.Nodes[i]["other"].(map[string]any); ok {
					got = others.nameOf(other)
				}
				if got != want {
					t.Fatalf("beside %v: got %q, want %q", r, got, want)
				}
			}
			if found == 0 {
				t.Fatal("nothing was found: the test shows nothing")
			}
		})
	}
}

// The number of statements follows the shape of a query, not the size of its answer.
func TestStatements(t *testing.T) {
	conn := newDatabase(t)
	fill(t, conn, 22)
	db := &counted{Conn: conn}
	config := Config{Limits: DefaultLimits(), Poll: time.Hour, Log: slog.Default()}
	r, m := newReader(db), newMetrics(prometheus.NewRegistry())
	// A long wait for more keys, so that a busy machine does not split a batch.
	server := httptest.NewServer(newExecutor(r, newFeeds(r, config, m), m, config, 200*time.Millisecond))
	defer server.Close()
	tests := []struct {
		query      string
		statements int64
	}{
		{`{ deals(first: N) { nodes { id } } }`, 1},
		{`{ deals(first: N) { nodes { id } totalCount } }`, 2},
		{`{ tasks(first: N) { nodes { deal { id } } } }`, 2},
		{`{ tasks(first: N) { nodes { deal { id } workerpool { address } contributions(first: 3) { totalCount nodes { worker } } } } }`, 5},
		{`{ deals(first: N) { nodes { workerpool { owner } tasks(first: 5) { nodes { deal { id } verdicts(first: 2) { nodes { task { status } } } payouts(first: 2) { nodes { account { stake } } } } } } } }`, 8},
		{`{ tasks(first: N) { nodes { settlement { price lines(first: 5) { nodes { account { stake } } } } } } }`, 4},
		{`{ accounts(first: N) { nodes { postings(first: 3) { nodes { task { status } deal { trust } } } } } }`, 4},
		// The same page twice, under two names, is read once.
		{`{ deals(first: N) { nodes { a: tasks(first: 2) { nodes { id } } b: tasks(first: 2) { nodes { index } } } } }`, 2},
		{`{ accounts(first: N) { nodes { payouts { totalCount } contributions { totalCount } } } workerpools(first: N) { nodes { deals { nodes { id } } } } }`, 7},
	}
	for _, test := range tests {
		for _, n := range []string{"60", "100"} {
			before := db.statements.Load()
			get[any](t, server, strings.ReplaceAll(test.query, "N", n), nil)
			if got := db.statements.Load() - before; got != test.statements {
				t.Errorf("%d statements, want %d, with %s rows for %s", got, test.statements, n, test.query)
			}
		}
	}
}
