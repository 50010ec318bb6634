package subgraph

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	definitions "assay/schema/graphql/subgraph"
)

// Documents in the way of those that iExec's explorer and SDKs send, with what is odd about
// them. They need only be taken: what they are answered with, others test.
func TestClientsDocuments(t *testing.T) {
	servers := map[string]string{"poco": poco, "dataprotector": definitions.DataProtector}
	conn := market(t)
	for _, c := range []struct {
		client, of, document, variables string
	}{
		{"explorer, next page probes", "poco", `query Deals($length: Int = 20, $skip: Int = 0, $nextSkip: Int = 20, $nextNextSkip: Int = 40) {
			deals(first: $length, skip: $skip, orderBy: startTime, orderDirection: desc) { dealid: id timestamp: startTime completedTasksCount claimedTasksCount botSize category { workClockTimeRef } app { address: id name } dataset { address: id name } workerpool { address: id description } }
			hasNext: deals(first: 1, skip: $nextSkip, orderBy: startTime, orderDirection: desc) { dealid: id }
			hasNextNext: deals(first: 1, skip: $nextNextSkip, orderBy: startTime, orderDirection: desc) { dealid: id } }`, `{"length": 20, "skip": 0, "nextSkip": 20, "nextNextSkip": 40}`},
		{"explorer, search", "poco", `query Search($search: ID!) { deal(id: $search) { id } task(id: $search) { id } dataset(id: $search) { id } app(id: $search) { id } workerpool(id: $search) { id } account(id: $search) { id } transaction(id: $search) { id } }`, `{"search": "0xd1"}`},
		{"explorer, deal's datasets", "poco", `query ($id: ID!) { bulkSliceice(first: 20, where: {task_: {deal: $id}}) { task { taskid: id } datasets { address: id name } } }`, `{"id": "0xd1"}`},
		{"explorer, account's contributions", "poco", `query ($a: ID!) { account(id: $a) { contributions(orderBy: task__timestamp, orderDirection: desc) { id task { taskid: id } } } }`, `{"a": "0xaa"}`},
		{"explorer, events of a task", "poco", `query ($id: ID!) { task(id: $id) { taskEvents: events(orderBy: timestamp, orderDirection: desc) { __typename transaction { id } timestamp ... on TaskContribute { worker { address: id } } ... on TaskFinalize { results } } } }`, `{"id": "0x99"}`},
		{"DataProtector's SDK, tasks of a bulk request", "poco", `query ($where: Deal_filter) { deals(where: $where) { tasks { taskId: id bulkSlice { datasets { id } } } } }`, `{"where": {"requestorder": "0xd1"}}`},
		{"Web3Mail in an enclave", "poco", `query ($dataset: String, $apps: [String!]) { tasks(where: {resultsCallback_not: "0x", status: "COMPLETED", deal_: {dataset: $dataset, app_in: $apps}}) { resultsCallback } }`, `{"dataset": "0x00", "apps": ["0xa1"]}`},
		{"the documentation's", "poco", `query ($appAddress: String!) { app(id: $appAddress) { id usages(first: 5) { id } } }`, `{"appAddress": "0xa1"}`},
		{"tests that wait for a block", "poco", `{ _meta { block { number } } }`, `{}`},
		{"DataProtector's SDK, protected data", "dataprotector", `query ($where: ProtectedData_filter, $first: Int, $skip: Int) { protectedDatas(where: $where, skip: $skip, first: $first, orderBy: creationTimestamp, orderDirection: desc) { id name owner { id } creationTimestamp multiaddr schema(orderBy: path) { path type } } }`,
			`{"first": 1000, "skip": 0, "where": {"and": [{"owner_in": ["0xAA"]}, {"or": [{"schema_contains": ["email:string"]}, {"schema_contains": ["file:application/pdf"]}]}, {"creationTimestamp_gte": 17}]}}`},
		{"Web3Mail, contacts", "dataprotector", `query ($id: [String!]!, $requiredSchema: [String!], $start: Int, $range: Int) { protectedDatas(where: {id_in: $id, schema_contains: $requiredSchema}, skip: $start, first: $range) { id name } }`, `{"id": ["0xAB"], "requiredSchema": ["email:string"], "start": 0, "range": 100}`},
		{"collections", "dataprotector", `{ accounts(where: {collections_: {id_not: null}}) { id collections { id protectedDatas(where: {collection_not: "null"}) { id rentals(where: {endDate_gte: 5, renter: "0xab"}) { id } } subscriptions(where: {subscriber_: {id: "0x"}}) { endDate } } } }`, `{}`},
	} {
		t.Run(c.client, func(t *testing.T) {
			server := newEndpoint(t, conn, servers[c.of], func(config *Config) {
				config.Tables = map[string]string{"poco": "subgraph", "dataprotector": "dataprotector"}[c.of]
			})
			var variables map[string]any
			if err := json.Unmarshal([]byte(c.variables), &variables); err != nil {
				t.Fatal(err)
			}
			if r := ask(t, server, c.document, variables); len(r.Errors) > 0 && !strings.HasPrefix(r.Errors[0].Message, "Null value resolved") { // the small market is not whole
				t.Error(r.Errors)
			}
		})
	}
}

var update = flag.Bool("update", false, "write the golden files anew")

// introspectionQuery is the one that tools send, as far as graph-node knows it.
const introspectionQuery = `query IntrospectionQuery { __schema { queryType { name } mutationType { name } subscriptionType { name } types { ...FullType } directives { name description locations args { ...InputValue } } } }
fragment FullType on __Type { kind name description fields(includeDeprecated: true) { name description args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason } inputFields { ...InputValue } interfaces { ...TypeRef } enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } }`

// The schema that tools see of a small definition that has a bit of everything.
func TestIntrospection(t *testing.T) {
	definition, err := os.ReadFile("testdata/small.graphql")
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(Config{Database: &empty{}, Definition: string(definition), Tables: "small", Chain: testChain})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]string{"query": introspectionQuery})
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Data struct {
			Schema struct {
				Types []struct {
					Name string
				}
			} `json:"__schema"`
		}
		Errors []any
	}
	text := post(t, h, string(body))
	if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.Errors) > 0 {
		t.Fatal(err, text)
	}
	for _, name := range []string{"_Meta_", "_Block_", "Block_height", "_SubgraphErrorPolicy_", "OrderDirection", "BlockChangedFilter", "BigInt", "BigDecimal", "Bytes", "Int8", "Timestamp", "Animal_filter", "Dog_orderBy", "Query"} {
		if !slices.ContainsFunc(answer.Data.Schema.Types, func(each struct{ Name string }) bool { return each.Name == name }) {
			t.Errorf("there is no type %s", name)
		}
	}
	golden := filepath.Join("testdata", "introspection.json")
	var whole any
	if err := json.Unmarshal([]byte(text), &whole); err != nil {
		t.Fatal(err)
	}
	pretty, err := json.MarshalIndent(whole, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	pretty = append(pretty, '\n')
	if *update {
		if err := os.WriteFile(golden, pretty, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(pretty) {
		t.Errorf("introspection differs from %s: compare, and run the test with -update if it is right", golden)
	}
}
