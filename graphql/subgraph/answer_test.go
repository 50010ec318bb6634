package subgraph

import (
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// market is a small one that tests only read.
func market(t testing.TB) driver.Conn {
	t.Helper()
	if shared == nil {
		shared = openDatabase(t)
		settle(t, shared)
	}
	return shared
}

// settle writes two deals, three tasks, their events, and accounts.
func settle(t testing.TB, conn driver.Conn) {
	t.Helper()
	row := func(block uint64, more fields) fields {
		r := fields{"chain": testChain, "block_number": block, "version": block}
		for name, value := range more {
			r[name] = value
		}
		return r
	}
	insert(t, conn, "subgraph_account",
		row(1, fields{"id": "0xaa", "balance": "1000000007", "frozen": 0, "score": 3}),
		row(2, fields{"id": "0xbb", "balance": "25", "frozen": "2000000000", "score": 0}))
	insert(t, conn, "subgraph_app",
		row(1, fields{"id": "0xa1", "owner": "0xaa", "name": "Blue_App", "type": "DOCKER", "multiaddr": "0x0a1b", "checksum": "0x00", "mrenclave": "0x", "timestamp": 5, "usageCount": 1, "lastUsageTimestamp": 1}),
		row(1, fields{"id": "0xa2", "owner": "0xaa", "name": "green app", "type": "DOCKER", "multiaddr": "0xa1b2", "checksum": "0x00", "mrenclave": "0x", "timestamp": 6, "usageCount": 1, "lastUsageTimestamp": 1}))
	insert(t, conn, "subgraph_deal",
		row(3, fields{"id": "0xd1", "app": "0xa1", "dataset": "0x00", "requester": "0xaa", "beneficiary": "0xbb", "botSize": 2, "startTime": 100, "params": "{}", "trust": 0}),
		row(4, fields{"id": "0xd2", "app": "0xa2", "dataset": nil, "requester": "0xbb", "beneficiary": "0xbb", "botSize": 1, "startTime": 90, "params": "", "trust": 5}))
	insert(t, conn, "subgraph_task",
		row(5, fields{"id": "0x01", "deal": "0xd1", "index": 0, "requester": "0xaa", "status": "ACTIVE", "resultsCallback": nil, "timestamp": 10}),
		row(6, fields{"id": "0x02", "deal": "0xd1", "index": 1, "requester": "0xaa", "status": "COMPLETED", "resultsCallback": "0x", "timestamp": 30}),
		row(7, fields{"id": "0x03", "deal": "0xd2", "index": 0, "requester": "0xbb", "status": "COMPLETED", "resultsCallback": "0xab", "timestamp": 20}))
	insert(t, conn, "subgraph_task", row(8, fields{"id": "0x01", "deal": "0xd1", "index": 0, "requester": "0xaa", "status": "REVEALING", "resultsCallback": nil, "timestamp": 40}))
	insert(t, conn, "subgraph_task_initialize", row(5, fields{"id": "5-0", "transaction": "0xt1", "timestamp": 10, "task": "0x01", "workerpool": "0xcc"}))
	insert(t, conn, "subgraph_task_finalize", row(6, fields{"id": "6-1", "transaction": "0xt2", "timestamp": 30, "task": "0x02", "results": "0xff"}))
	insert(t, conn, "subgraph_bulk_slice", row(6, fields{"id": "0xd1-0", "bulk": "0xd1", "task": "0x01", "index": 0, "datasets": []string{"0xe2", "0xe1"}, "datasetOrders": []string{}}))
	insert(t, conn, "subgraph_dataset", row(1, fields{"id": "0xe1", "owner": "0xaa", "name": "one", "timestamp": 2}), row(1, fields{"id": "0xe2", "owner": "0xbb", "name": "two", "timestamp": 1}))
	head(t, conn, 9, 9)
}

func TestAnswers(t *testing.T) {
	server := newEndpoint(t, market(t), poco)
	for document, data := range map[string]string{
		`{ account(id: "0xaa") { id balance frozen score } }`:                                                   `{"account":{"id":"0xaa","balance":"1.000000007","frozen":"0","score":"3"}}`,
		`{ account(id: "0xcc") { id } }`:                                                                        `{"account":null}`,
		`{ tasks { id status } }`:                                                                               `{"tasks":[{"id":"0x01","status":"REVEALING"},{"id":"0x02","status":"COMPLETED"},{"id":"0x03","status":"COMPLETED"}]}`,
		`{ tasks(orderBy: timestamp, orderDirection: desc, first: 2) { id } }`:                                  `{"tasks":[{"id":"0x01"},{"id":"0x02"}]}`,
		`{ tasks(orderBy: deal__startTime) { id } }`:                                                            `{"tasks":[{"id":"0x03"},{"id":"0x01"},{"id":"0x02"}]}`,
		`{ tasks(orderBy: resultsCallback, orderDirection: desc) { id } }`:                                      `{"tasks":[{"id":"0x01"},{"id":"0x03"},{"id":"0x02"}]}`,
		`{ tasks(where: {status: "COMPLETED", resultsCallback_not: "0x"}) { id resultsCallback } }`:             `{"tasks":[{"id":"0x03","resultsCallback":"0xab"}]}`,
		`{ tasks(where: {deal_: {app_: {name_contains_nocase: "BLUE"}}}) { id } }`:                              `{"tasks":[{"id":"0x01"},{"id":"0x02"}]}`,
		`{ deals(where: {tasks_: {status: COMPLETED}, app: "0xa2"}) { id } }`:                                   `{"deals":[{"id":"0xd2"}]}`,
		`{ deals { id app { id owner { id } } dataset { id } tasks(first: 1, skip: 1) { id index } } }`:         `{"deals":[{"id":"0xd1","app":{"id":"0xa1","owner":{"id":"0xaa"}},"dataset":null,"tasks":[{"id":"0x02","index":"1"}]},{"id":"0xd2","app":{"id":"0xa2","owner":{"id":"0xaa"}},"dataset":null,"tasks":[]}]}`,
		`{ taskEvents { __typename id timestamp ... on TaskFinalize { results } task { id } } }`:                `{"taskEvents":[{"__typename":"TaskInitialize","id":"5-0","timestamp":"10","task":{"id":"0x01"}},{"__typename":"TaskFinalize","id":"6-1","timestamp":"30","results":"0xff","task":{"id":"0x02"}}]}`,
		`{ task(id: "0x01") { bulkSlice { id datasets { id name } } } }`:                                        `{"task":{"bulkSlice":{"id":"0xd1-0","datasets":[{"id":"0xe1","name":"one"},{"id":"0xe2","name":"two"}]}}}`,
		`{ dataset(id: "0xe1") { bulkUsages { id } } }`:                                                         `{"dataset":{"bulkUsages":[{"id":"0xd1-0"}]}}`,
		`{ bulkSliceice(where: {datasets_: {name: "two"}}) { datasets(orderBy: timestamp, first: 1) { id } } }`: `{"bulkSliceice":[{"datasets":[{"id":"0xe2"}]}]}`,
		`{ apps(where: {multiaddr_contains: "0xa1"}) { id } }`:                                                  `{"apps":[{"id":"0xa2"}]}`,
		`{ accounts(where: {balance_gt: "0.00000002"}) { id } }`:                                                `{"accounts":[{"id":"0xaa"},{"id":"0xbb"}]}`,
		`{ accounts(where: {balance_gt: 1}) { id } }`:                                                           `{"accounts":[{"id":"0xaa"}]}`,
		`{ tasks(where: {or: [{id: "0x01"}, {index: 1}]}) { id } }`:                                             `{"tasks":[{"id":"0x01"},{"id":"0x02"}]}`,
		`{ tasks(where: {_change_block: {number_gte: 7}}) { id } }`:                                             `{"tasks":[{"id":"0x01"},{"id":"0x03"}]}`,
		`{ tasks(block: {number: 6}) { id status } }`:                                                           `{"tasks":[{"id":"0x01","status":"ACTIVE"},{"id":"0x02","status":"COMPLETED"}]}`,
		`{ a: task(id: "0x01", block: {number: 5}) { status } b: task(id: "0x01") { status } }`:                 `{"a":{"status":"ACTIVE"},"b":{"status":"REVEALING"}}`,
		`{ _meta { block { number hash timestamp parentHash } deployment hasIndexingErrors } }`:                 `{"_meta":{"block":{"number":9,"hash":"0x` + strings.Repeat("0", 63) + `9","timestamp":1700000009,"parentHash":null},"deployment":"QmTest","hasIndexingErrors":false}}`,
		`{ __typename __type(name: "TaskStatus") { kind enumValues { name } } }`:                                `{"__typename":"Query","__type":{"kind":"ENUM","enumValues":[{"name":"UNSET"},{"name":"ACTIVE"},{"name":"REVEALING"},{"name":"COMPLETED"},{"name":"FAILLED"}]}}`,
	} {
		t.Run(document, func(t *testing.T) { wants(t, server, document, nil, data) })
	}
}
