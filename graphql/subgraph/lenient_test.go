package subgraph

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Documents that a strict server refuses and graph-node answers: real clients send such.
func TestLenience(t *testing.T) {
	server := newEndpoint(t, market(t), poco)
	for _, c := range []struct {
		about, document string
		variables       map[string]any
		data            string
	}{
		{"an enum given as a string", `{ tasks(where: {status: "COMPLETED", status_in: ["COMPLETED"]}) { id } }`, nil, `{"tasks":[{"id":"0x02"},{"id":"0x03"}]}`},
		{"an order given as a string", `query ($o: String) { tasks(orderBy: $o, orderDirection: "desc") { id } }`, map[string]any{"o": "index"}, `{"tasks":[{"id":"0x02"},{"id":"0x03"},{"id":"0x01"}]}`},
		{"variables of another type", `query ($id: String!, $ids: [String!]!) { app(id: $id) { id } apps(where: {id_in: $ids, multiaddr_not_in: $ids}) { id } }`,
			map[string]any{"id": "0xa1", "ids": []any{"0xa1"}}, `{"app":{"id":"0xa1"},"apps":[{"id":"0xa1"}]}`},
		{"an undeclared variable is null", `{ tasks(first: $n, where: {resultsCallback: $x}) { id } }`, map[string]any{"n": 1}, `{"tasks":[{"id":"0x01"}]}`},
		{"variables that nobody declared", `{ deal(id: "0xd1") { id } }`, map[string]any{"more": 1}, `{"deal":{"id":"0xd1"}}`},
		{"a variable that nobody uses", `query ($x: Int) { deal(id: "0xd1") { id } }`, nil, `{"deal":{"id":"0xd1"}}`},
		{"whole numbers for BigInt and BigDecimal", `query ($i: Int) { tasks(where: {index: $i, timestamp_gt: 5}) { id } accounts(where: {frozen: 2}) { id } }`, map[string]any{"i": 1}, `{"tasks":[{"id":"0x02"}],"accounts":[{"id":"0xbb"}]}`},
		{"one value for a list", `{ tasks(where: {id_in: "0x01"}) { id } }`, nil, `{"tasks":[{"id":"0x01"}]}`},
		{"an empty id", `{ deal(id: "") { id } }`, nil, `{"deal":null}`},
		{"an unknown argument", `{ deal(id: "0xd1", pretty: true) { id } }`, nil, `{"deal":{"id":"0xd1"}}`},
		{"fields of an entity without fields", `{ deal(id: "0xd1") { id app } }`, nil, `{"deal":{"id":"0xd1"}}`},
		{"no fields of any entity", `{ deals deal(id: "0xd1") { id } }`, nil, `{"deal":{"id":"0xd1"}}`},
		{"a number for an id", `{ category(id: 0) { id } tasks(where: {id_in: [1]}) { id } }`, nil, `{"category":null,"tasks":[]}`},
		{"fields of a value", `{ deal(id: "0xd1") { id { x } } }`, nil, `{"deal":{"id":"0xd1"}}`},
		{"null for every argument", `{ tasks(first: null, skip: null, orderBy: null, orderDirection: null, where: null, block: null) { id } }`, nil, `{"tasks":[{"id":"0x01"},{"id":"0x02"},{"id":"0x03"}]}`},
		{"a direction without an order", `{ tasks(orderDirection: desc) { id } }`, nil, `{"tasks":[{"id":"0x01"},{"id":"0x02"},{"id":"0x03"}]}`},
		{"fragments and aliases merge", `query { d: deal(id: "0xd1") { ...F tasks(first: 1) { id } } d: deal(id: "0xd1") { app { id } } } fragment F on Deal { id app { name } tasks(first: 1) { index } }`, nil,
			`{"d":{"id":"0xd1","app":{"name":"Blue_App","id":"0xa1"},"tasks":[{"index":"0","id":"0x01"}]}}`},
		{"what is skipped", `query ($no: Boolean = false) { deal(id: "0xd1") { id params @include(if: $no) trust @skip(if: true) ... on Deal @include(if: $no) { botSize } } }`, nil, `{"deal":{"id":"0xd1"}}`},
		{"fragments on interfaces", `{ ressources(where: {id_in: ["0xa1", "0xe1"]}) { id ... on App { name } ... on Dataset { n: name } ... on Ressource { owner { id } } } }`, nil,
			`{"ressources":[{"id":"0xa1","name":"Blue_App","owner":{"id":"0xaa"}},{"id":"0xe1","n":"one","owner":{"id":"0xaa"}}]}`},
		{"Bytes in any case, with and without 0x", `{ a: apps(where: {multiaddr: "0x0A1B"}) { id } b: apps(where: {multiaddr: "a1B2"}) { id } }`, nil, `{"a":[{"id":"0xa1"}],"b":[{"id":"0xa2"}]}`},
	} {
		t.Run(c.about, func(t *testing.T) { wants(t, server, c.document, c.variables, c.data) })
	}
}

// Errors in graph-node's words.
func TestErrors(t *testing.T) {
	server := newEndpoint(t, market(t), poco)
	for document, message := range map[string]string{
		`{ deals(first: 0) { id } }`:                  "The `first` argument must be between 0 and 1000, but is 0",
		`{ deals(first: 1001) { id } }`:               "The `first` argument must be between 0 and 1000, but is 1001",
		`{ deals { tasks(first: -1) { id } } }`:       "The `first` argument must be between 0 and 1000, but is -1",
		`{ deals(skip: -1) { id } }`:                  "The `skip` argument must be between 0 and 4294967295, but is -1",
		`{ deals { nothing } }`:                       "Type `Deal` has no field `nothing`",
		`{ nothing { id } }`:                          "Type `Query` has no field `nothing`",
		`{ deals(where: {nothing: 1}) { id } }`:       `Invalid value provided for argument ` + "`where`" + `: Object({"nothing": Int(Number(1))})`,
		`{ deals(orderBy: nothing) { id } }`:          "Invalid value provided for argument `orderBy`: Enum(\"nothing\")",
		`{ deals(orderBy: tasks) { id } }`:            "Ordering by `tasks` is not supported for type `Deal`",
		`{ deal { id } }`:                             "No value provided for required argument: `id`",
		`{ ...F }`:                                    "fragment `F` is not defined",
		`{ deal(id: "1") { ... on Nothing { id } } }`: "Failed to resolve named type `Nothing`",
		`{ ...F } fragment F on Query { deals { ...G } } fragment G on Deal { tasks { deal { ...G } } }`: "query has fragment cycle including `G`",
		`query ($x: Nothing) { deals { id } }`:                 "Variable `x` must have an input type",
		`query ($x: ID!) { deal(id: $x) { id } }`:              "No value provided for required variable `x`",
		`{ deals(where: {trust_gt: null}) { id } }`:            "Store error: unsupported filter ` > ` for value `null`",
		`{ deals(where: {trust: "x"}) { id } }`:                "Failed to decode `BigInt` value: `invalid digit found in string`",
		`{ deals(block: {number: 10}) { id } }`:                "Failed to decode `block.number` value: `subgraph QmTest has only indexed up to block number 9 and data for block number 10 is therefore not yet available`",
		`{ deals(block: {number_gte: 10}) { id } }`:            "Failed to decode `block.number_gte` value: `subgraph QmTest has only indexed up to block number 9 and data for block number 10 is therefore not yet available`",
		`{ deals(block: {hash: "0x11"}) { id } }`:              "Failed to decode `block.hash` value: `no block with that hash found`",
		`{ tasks(where: {id: "1", or: [{index: 1}]}) { id } }`: "Cannot mix column filters with 'or' operator at the same level. Found column filter(s) 'id' alongside 'or' operator.\n\nInstead of:\nwhere: { 'id', or: [...] }\n\nUse:\nwhere: { or: [{ 'id', ... }, { 'id', ... }] }",
		`{ deal(id: "0xd1") { callback { score } } }`:          "Null value resolved for non-null field `callback`",
		`{ deals { workerpool { description } } }`:             "Null value resolved for non-null field `workerpool`",
		`mutation { deals { id } }`:                            "Not supported: Mutations are not supported",
		`subscription { deals { id } }`:                        "Not supported: Subscriptions are not supported",
		`{ deals(where: {params: 1}) { id } }`:                 `Invalid value provided for argument ` + "`where`" + `: Object({"params": Int(Number(1))})`,
		`{ deals(where: {app_in: [1]}) { id } }`:               `Invalid value provided for argument ` + "`where`" + `: Object({"app_in": List([Int(Number(1))])})`,
		`query A { deals { id } } query B { deals { id } }`:    "Operation name required",
	} {
		t.Run(document, func(t *testing.T) { fails(t, server, document, nil, message) })
	}
}

// However many entities there are, a level costs at most two statements: one for all lists
// that are found by links, one for all entities. A list by other conditions costs one more for
// its ids. Besides them there are two: the head, and whether it still stands. What is known
// costs none.
func TestEachLevelIsOneStatement(t *testing.T) {
	db := &counted{Conn: newDatabase(t)}
	settle(t, db)
	for i := range 30 {
		deal := fmt.Sprintf("0xd%02d", 10+i)
		insert(t, db, "subgraph_deal", fields{"chain": testChain, "id": deal, "app": "0xa1", "requester": "0xaa", "beneficiary": "0xbb", "block_number": 9, "version": 9})
		insert(t, db, "subgraph_task", fields{"chain": testChain, "id": fmt.Sprintf("0x1%02d", i), "deal": deal, "requester": "0xbb", "block_number": 9, "version": 9})
	}
	const around = 2
	for document, statements := range map[string]int64{
		`{ deal(id: "0xd11") { id } }`:                            1,
		`{ deals { id } }`:                                        2, // ids, entities
		`{ deals { app { id } } }`:                                2, // the deal tells
		`{ deals { app { name } } }`:                              3,
		`{ deals { requester { score } beneficiary { score } } }`: 3,
		`{ deals { requester { score } app { name } } }`:          3,
		`{ deals { tasks { id } } }`:                              4,
		`{ deals { tasks { requester { score } deal { requester { score } app { owner { score } } } } } }`:    6, // ids, deals, links, tasks, two levels that are partly known
		`{ taskEvents { transaction { blockNumber } ... on TaskFinalize { task { status } } } }`:              3,
		`{ a: deals { app { name } } b: deals(first: 2) { app { name } } c: apps { name } }`:                  2,
		`{ deals { tasks { id } events { id } app { name } } }`:                                               4,
		`{ deals(where: {app: "0xa1"}, orderBy: timestamp) { id } tasks(where: {requester: "0xbb"}) { id } }`: 2,
		`{ deals(where: {tasks_: {index: 0}}, orderBy: app__name) { id } }`:                                   2,
	} {
		server := newEndpoint(t, db, poco) // which knows nothing yet
		for _, want := range []int64{statements, 0} {
			before := db.statements.Load()
			if r := ask(t, server, document, nil); len(r.Errors) > 0 && !strings.HasPrefix(r.Errors[0].Message, "Null value") {
				t.Fatal(document, r.Errors)
			}
			got := db.statements.Load() - before - around
			if kept := want > 0 || !strings.Contains(document, "deals(where: {tasks_"); got != want && kept {
				t.Errorf("%s\ntook %d statements, want %d", document, got, want)
			}
		}
	}
}

// More parents than a statement can be told of are read with several.
func TestManyParents(t *testing.T) {
	db := &counted{Conn: newDatabase(t)}
	const deals, tasks = 1000, 5000
	execute(t, db, fmt.Sprintf("INSERT INTO subgraph_deal (chain, id, block_number, version) SELECT %d, concat('0xd', toString(number)), 1, 1 FROM numbers(%d)", testChain, deals))
	execute(t, db, fmt.Sprintf("INSERT INTO subgraph_task (chain, id, deal, contributions, block_number, version) SELECT %d, concat('0xt', toString(number)), concat('0xd', toString(number %% %d)), [concat('0xt', toString(number), '-0xw')], 1, 1 FROM numbers(%d)", testChain, deals, tasks))
	execute(t, db, fmt.Sprintf("INSERT INTO subgraph_contribution (chain, id, task, block_number, version) SELECT %d, concat('0xt', toString(number), '-0xw'), concat('0xt', toString(number)), 1, 1 FROM numbers(%d)", testChain, tasks))
	execute(t, db, fmt.Sprintf("INSERT INTO subgraph_reward (chain, id, task, block_number, version) SELECT %d, concat('1-', toString(number)), concat('0xt', toString(number)), 1, 1 FROM numbers(%d)", testChain, tasks))
	head(t, db, 9, 9)
	server := newEndpoint(t, db, poco)
	r := ask(t, server, `{ deals(first: 1000) { tasks { id rewards { task { id } } contributions { task { id } } } } }`, nil)
	if len(r.Errors) > 0 {
		t.Fatal(r.Errors)
	}
	var data struct {
		Deals []struct {
			Tasks []struct {
				ID                     string
				Rewards, Contributions []struct{ Task struct{ ID string } }
			}
		}
	}
	if err := json.Unmarshal(r.Data, &data); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, deal := range data.Deals {
		for _, task := range deal.Tasks {
			if len(task.Rewards) != 1 || len(task.Contributions) != 1 || task.Rewards[0].Task.ID != task.ID || task.Contributions[0].Task.ID != task.ID {
				t.Fatalf("%+v", task)
			}
			seen++
		}
	}
	if seen != tasks {
		t.Errorf("%d tasks, want %d", seen, tasks)
	}
	if got := db.statements.Load(); got != 2+1+1+1+2+2+3 { // around, ids, deals, links, tasks, links, rewards and contributions
		t.Errorf("%d statements", got)
	}
}
