package analytics

import (
	"fmt"
	"maps"
	"math/big"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// listCase says of a connection, in plain Go over rows in memory, what it should answer.
type listCase struct {
	root    string
	table   string
	kind    string      // of resources
	ids     [][2]string // field and column of what names a node, chain aside
	time    string      // column of the order; empty: ascending by chain and name
	filters map[string]filterCase
}

// filterCase draws a filter's value and says which rows pass it.
type filterCase struct {
	draw  func(*rapid.T) any
	holds func(d dataset, r row, value any) bool
}

// as is a value of a type, or its zero.
func as[T any](value any) T {
	typed, _ := value.(T)
	return typed
}

func equals(name string, values ...any) filterCase {
	return filterCase{func(t *rapid.T) any { return rapid.SampledFrom(values).Draw(t, name) },
		func(_ dataset, r row, value any) bool { return r[name] == value }}
}

func words(name string, values []string) filterCase {
	return filterCase{func(t *rapid.T) any { return rapid.SliceOfN(rapid.SampledFrom(values), 0, 3).Draw(t, name) },
		func(_ dataset, r row, value any) bool {
			return slices.ContainsFunc(as[[]string](value), func(word string) bool { return r[name] == word })
		}}
}

func moment(name string, holds func(row, limit time.Time) bool) filterCase {
	return filterCase{
		func(t *rapid.T) any {
			return start.Add(time.Duration(rapid.IntRange(-2, 26).Draw(t, name)) * time.Second / 2).Format(time.RFC3339Nano)
		},
		func(_ dataset, r row, value any) bool {
			limit, _ := time.Parse(time.RFC3339Nano, as[string](value))
			return holds(as[time.Time](r[name]), limit)
		}}
}

func since(name string) filterCase {
	return moment(name, func(row, limit time.Time) bool { return !row.Before(limit) })
}

func until(name string) filterCase {
	return moment(name, func(row, limit time.Time) bool { return row.Before(limit) })
}

// through passes rows to which a row of another table leads: one of the same chain whose
// column has the value, and whose link is what the row has in own.
func through(table, link, own, name string, values ...any) filterCase {
	return filterCase{func(t *rapid.T) any { return rapid.SampledFrom(values).Draw(t, name) },
		func(d dataset, r row, value any) bool {
			return slices.ContainsFunc(d[table], func(other row) bool {
				return other["chain"] == r["chain"] && other[link] == r[own] && other[name] == value
			})
		}}
}

var (
	chainFilter = equals("chain", uint64(7), uint64(134), uint64(42161), uint64(1))
	anyPool     = equals("workerpool", pool(0), pool(1), pool(2), pool(9))
	anyWorker   = []any{worker(0), worker(1), worker(2), worker(3), worker(9)}
	requesters  = []any{requester(0), requester(1), requester(2), requester(9)}
	hashes      = []any{hash(0), hash(1), hash(2), hash(30), hash(99)}
)

var listCases = []listCase{
	{root: "deals", table: "deals", ids: [][2]string{{"id", "id"}}, time: "start_time", filters: map[string]filterCase{
		"chain": chainFilter, "workerpool": anyPool, "requester": equals("requester", requesters...),
		"worker": through("contributions", "deal", "id", "worker", anyWorker...),
		"since":  since("start_time"), "until": until("start_time"),
	}},
	{root: "tasks", table: "tasks", ids: [][2]string{{"id", "id"}}, time: "initialized_at", filters: map[string]filterCase{
		"chain": chainFilter, "workerpool": anyPool, "requester": equals("requester", requesters...),
		"deal":   equals("deal", hashes...),
		"worker": through("contributions", "task", "id", "worker", anyWorker...),
		"status": words("status", taskWords), "since": since("initialized_at"), "until": until("initialized_at"),
	}},
	{root: "contributions", table: "contributions", ids: [][2]string{{"taskId", "task"}, {"worker", "worker"}}, time: "contributed_at", filters: map[string]filterCase{
		"chain": chainFilter, "workerpool": anyPool, "worker": equals("worker", anyWorker...),
		"task": equals("task", hashes...), "deal": equals("deal", hashes...),
		"requester": through("deals", "id", "deal", "requester", requesters...),
		"status":    words("status", contributionWords), "since": since("contributed_at"), "until": until("contributed_at"),
	}},
	{root: "verdicts", table: "verdicts", ids: [][2]string{{"id", "id"}}, time: "time", filters: map[string]filterCase{
		"chain": chainFilter, "workerpool": anyPool, "worker": equals("worker", anyWorker...),
		"task":      equals("task", hashes...),
		"requester": through("tasks", "id", "task", "requester", requesters...),
		"outcome":   words("outcome", outcomeWords), "reason": words("reason", reasonWords),
		"since": since("time"), "until": until("time"),
	}},
	{root: "payouts", table: "payouts", ids: [][2]string{{"blockNumber", "block_number"}, {"logIndex", "log_index"}}, time: "time", filters: map[string]filterCase{
		"chain": chainFilter, "workerpool": anyPool, "account": equals("account", anyWorker...),
		"task": equals("task", hashes...), "deal": equals("deal", hashes...),
		"requester": through("deals", "id", "deal", "requester", requesters...),
		"worker": {func(t *rapid.T) any { return rapid.SampledFrom(anyWorker).Draw(t, "worker") },
			func(_ dataset, r row, value any) bool { return r["role"] == "WORKER" && r["account"] == value }},
		"kind": words("kind", kindWords), "role": words("role", roleWords),
		"since": since("time"), "until": until("time"),
	}},
	{root: "postings", table: "postings", ids: [][2]string{{"blockNumber", "block_number"}, {"logIndex", "log_index"}, {"index", "idx"}}, time: "time", filters: map[string]filterCase{
		"chain": chainFilter, "account": equals("account", anyWorker...), "bucket": words("bucket", bucketWords),
		"task": equals("task", hashes...), "deal": equals("deal", hashes...),
		"worker":     through("contributions", "task", "task", "worker", anyWorker...),
		"workerpool": through("deals", "id", "deal", "workerpool", pool(0), pool(1), pool(9)), "requester": through("deals", "id", "deal", "requester", requesters...),
		"since": since("time"), "until": until("time"),
	}},
	{root: "accounts", table: "accounts", ids: [][2]string{{"address", "address"}}, filters: map[string]filterCase{
		"chain": chainFilter,
		"addresses": {func(t *rapid.T) any {
			return rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 20), worker), 0, 5).Draw(t, "addresses")
		}, func(_ dataset, r row, value any) bool {
			return slices.Contains(as[[]string](value), as[string](r["address"]))
		}},
	}},
	entryCase("workerpools", "WORKERPOOL"), entryCase("apps", "APP"), entryCase("datasets", "DATASET"),
	{root: "categories", table: "categories", ids: [][2]string{{"id", "id"}}, filters: map[string]filterCase{"chain": chainFilter}},
	{root: "events", table: "events", ids: [][2]string{{"blockNumber", "block_number"}, {"logIndex", "log_index"}}, time: "time", filters: map[string]filterCase{
		"chain": chainFilter, "contract": equals("emitter", address(0), address(1), address(9)), "tx": equals("tx_hash", hash(0), hash(1), hash(99)),
		"name":      words("name", []string{"OrderSigned", "Reward", "Seize"}),
		"block":     block(func(block, limit uint64) bool { return block == limit }),
		"fromBlock": block(func(block, limit uint64) bool { return block >= limit }), "toBlock": block(func(block, limit uint64) bool { return block <= limit }),
		"since": since("time"), "until": until("time"),
	}},
}

func entryCase(root, kind string) listCase {
	return listCase{root: root, table: "resources", kind: kind, ids: [][2]string{{"address", "address"}}, time: "registered_at", filters: map[string]filterCase{
		"chain": chainFilter, "owner": equals("owner", address(0), address(1), address(7)),
		"since": since("registered_at"), "until": until("registered_at"),
	}}
}

func block(holds func(block, limit uint64) bool) filterCase {
	return filterCase{func(t *rapid.T) any { return uint64(rapid.IntRange(0, 10).Draw(t, "block")) },
		func(_ dataset, r row, value any) bool { return holds(as[uint64](r["block_number"]), as[uint64](value)) }}
}

// dealFilters are those about a deal: of the row itself, or of the deals that it leads to.
func dealFilters(deals func(d dataset, r row) []row) map[string]filterCase {
	of := func(draw func(*rapid.T) any, holds func(deal row, value any) bool) filterCase {
		return filterCase{draw, func(d dataset, r row, value any) bool {
			return slices.ContainsFunc(deals(d, r), func(deal row) bool { return holds(deal, value) })
		}}
	}
	one := func(name string, values ...any) filterCase {
		return of(func(t *rapid.T) any { return rapid.SampledFrom(values).Draw(t, name) }, func(deal row, value any) bool { return fmt.Sprint(deal[name]) == value })
	}
	frameworks := []string{"NONE", "OTHER", "NONE", "SCONE", "NONE", "GRAMINE", "NONE", "OTHER", "NONE", "TDX", "NONE", "OTHER", "NONE", "OTHER", "NONE", "OTHER"}
	return map[string]filterCase{
		"app": one("app", app(0), app(1)), "dataset": one("dataset", zeroAddress, address(5)), "category": one("category", "0", "1", "7"), "tag": one("tag", tag(3), tag(10)),
		"tee": of(func(t *rapid.T) any {
			return rapid.SliceOfN(rapid.SampledFrom([]string{"NONE", "SCONE", "GRAMINE", "TDX", "OTHER"}), 0, 2).Draw(t, "tee")
		}, func(deal row, value any) bool {
			var nibble int
			_, _ = fmt.Sscanf(as[string](deal["tag"])[65:], "%x", &nibble)
			return slices.Contains(as[[]string](value), frameworks[nibble])
		}),
	}
}

// leading are the deals of a chain to which rows lead, whose column own names them.
func leading(own string) func(dataset, row) []row {
	return func(d dataset, r row) []row {
		return slices.DeleteFunc(slices.Clone(d["deals"]), func(deal row) bool { return deal["chain"] != r["chain"] || deal["id"] != r[own] })
	}
}

func init() {
	for i, c := range listCases {
		deals := map[string]func(dataset, row) []row{
			"deals": leading("id"), "tasks": leading("deal"), "contributions": leading("deal"), "payouts": leading("deal"), "postings": leading("deal"),
			"verdicts": func(d dataset, r row) (found []row) {
				for _, task := range d["tasks"] {
					if task["chain"] == r["chain"] && task["id"] == r["task"] {
						found = append(found, leading("deal")(d, task)...)
					}
				}
				return found
			},
		}[c.root]
		if deals != nil {
			maps.Copy(listCases[i].filters, dealFilters(deals))
		}
	}
}

// expected is the names of the nodes that a filter lets pass, in order.
func (c listCase) expected(d dataset, filter map[string]any) []string {
	var names []string
	for _, r := range c.rows(d, filter) {
		names = append(names, c.name(r))
	}
	return names
}

// rows are those that a filter lets pass, in order.
func (c listCase) rows(d dataset, filter map[string]any) []row {
	var rows []row
	for _, r := range d[c.table] {
		if c.passes(d, r, filter) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(c.rank(a), c.rank(b)) })
	if c.time != "" {
		slices.Reverse(rows)
	}
	return rows
}

func (c listCase) passes(d dataset, r row, filter map[string]any) bool {
	if c.kind != "" && r["kind"] != c.kind {
		return false
	}
	for name, value := range filter {
		if !c.filters[name].holds(d, r, value) {
			return false
		}
	}
	return true
}

// rank is text that sorts as the rows should.
func (c listCase) rank(r row) string {
	rank := fmt.Sprintf("%020d ", r["chain"])
	if c.time != "" {
		rank = as[time.Time](r[c.time]).Format(time.RFC3339) + " " + rank
	}
	if number, ok := r["id"].(*big.Int); ok {
		rank += fmt.Sprintf("%080s ", number)
	}
	return rank + c.name(r)
}

func (c listCase) name(r row) string {
	name := fmt.Sprint(r["chain"])
	for _, id := range c.ids {
		name += fmt.Sprint(" ", r[id[1]])
	}
	return name
}

// connection is a page, as a client reads it.
type connection struct {
	Edges []struct {
		Cursor string
		Node   map[string]any
	}
	Nodes    []map[string]any
	PageInfo struct {
		HasNextPage, HasPreviousPage bool
		StartCursor, EndCursor       *string
	}
	TotalCount int
}

// names are those of the page's nodes.
func (c listCase) names(page connection) []string {
	names := make([]string, len(page.Edges))
	for i, edge := range page.Edges {
		names[i] = fmt.Sprint(edge.Node["chain"])
		for _, id := range c.ids {
			names[i] += fmt.Sprint(" ", edge.Node[id[0]])
		}
	}
	return names
}

func (c listCase) ask(t tester, server *httptest.Server, first int, after *string, filter map[string]any) connection {
	t.Helper()
	fields := "chain"
	for _, id := range c.ids {
		fields += " " + id[0]
	}
	query := fmt.Sprintf(`query($first: Int!, $after: Cursor, $filter: %sFilter) { page: %s(first: $first, after: $after, filter: $filter) {
		edges { cursor node { %s } } nodes { %s } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }`,
		strings.ToUpper(c.root[:1])+singular(c.root[1:]), c.root, fields, fields)
	return get[struct{ Page connection }](t, server, query, map[string]any{"first": first, "after": after, "filter": filter}).Page
}

func singular(plural string) string {
	if stem, found := strings.CutSuffix(plural, "ies"); found {
		return stem + "y"
	}
	return strings.TrimSuffix(plural, "s")
}

// A list, whatever the filter and the size of the pages, has the rows that a look at each
// row in memory finds, in order, each once.
func TestLists(t *testing.T) {
	conn := newDatabase(t)
	data := fill(t, conn, 1)
	server := newServer(t, conn)
	for _, c := range listCases {
		if len(c.expected(data, nil)) < 15 {
			t.Fatalf("%s: the dataset is too small to mean anything", c.root)
		}
		c.checkPages(t, server, data, nil, 11)
		for name, filter := range c.filters {
			for seed := range 1 {
				c.checkPages(t, server, data, map[string]any{name: rapid.Custom(filter.draw).Example(seed)}, 50)
			}
		}
	}
	check(t, func(r *rapid.T) {
		c := listCases[rapid.IntRange(0, len(listCases)-1).Draw(r, "list")]
		filter := make(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(c.filters)) {
			if rapid.IntRange(0, 2).Draw(r, "with "+name) == 0 {
				filter[name] = c.filters[name].draw(r)
			}
		}
		c.checkPages(r, server, data, filter, rapid.IntRange(10, 60).Draw(r, "first"))
	})
}

// checkPages reads a list to its end and compares it with what is expected.
func (c listCase) checkPages(t tester, server *httptest.Server, data dataset, filter map[string]any, first int) {
	expected := c.expected(data, filter)
	var after *string
	for from := 0; ; from += first {
		page := c.ask(t, server, first, after, filter)
		want := expected[min(from, len(expected)):min(from+first, len(expected))]
		if got := c.names(page); !slices.Equal(got, want) {
			t.Fatalf("%s %v, rows from %d:\n got %v\nwant %v", c.root, filter, from, got, want)
		}
		info := page.PageInfo
		if more := from+first < len(expected); info.HasNextPage != more || info.HasPreviousPage != (after != nil) || page.TotalCount != len(expected) || len(page.Nodes) != len(want) {
			t.Fatalf("%s %v, rows from %d of %d: %+v, totalCount %d, %d nodes", c.root, filter, from, len(expected), info, page.TotalCount, len(page.Nodes))
		}
		if len(want) == 0 {
			return
		}
		if *info.StartCursor != page.Edges[0].Cursor || *info.EndCursor != page.Edges[len(want)-1].Cursor {
			t.Fatalf("cursors of %+v", page)
		}
		after = info.EndCursor
	}
}
