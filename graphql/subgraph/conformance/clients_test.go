package conformance_test

import (
	"fmt"
	"testing"

	"assay/graphql/subgraph/referencetest"
)

// clients are what the explorer, the SDKs and dApps in enclaves ask (docs/subgraph.md says
// where that was found): the same roots, fields, filters and kinds of variables in
// documents of our own. %s is the id of an entity that is there.
var clients = map[string][]struct{ entity, document, variables string }{
	"PoCo": {
		{"Task", `query($s: ID!) { app(id: $s) { a: id } dataset(id: $s) { a: id } workerpool(id: $s) { a: id } deal(id: $s) { d: id } task(id: $s) { t: id } account(id: $s) { a: id }
			transaction(id: $s) { h: id from { a: id } to { a: id } gasLimit gasUsed gasPrice } }`, `{"s": %q}`},
		{"Deal", `query($d: ID!) { deal(id: $d) { i: id startTime app { a: id name } dataset { a: id name } workerpool { description } callback { a: id } params tag trust
			category { workClockTimeRef } botSize botFirst completedTasksCount claimedTasksCount all: events(orderBy: timestamp, orderDirection: asc) { id type: __typename transaction { h: id } } } }`, `{"d": %q}`},
		{"Task", `query($t: ID!) { task(id: $t) { deal { tag dataset { name } } status consensus resultDigest results resultsCallback revealDeadline
			all: events(orderBy: timestamp) { type: __typename ... on TaskContribute { worker { a: id } hash } ... on TaskReveal { digest } ... on TaskFinalize { results } } } }`, `{"t": %q}`},
		{"Account", `query($n: Int = 2, $k: Int = 0, $next: Int = 2, $a: ID!) { account(id: $a) { page: contributions(orderBy: timestamp, orderDirection: desc, first: $n, skip: $k) { id status task { t: id } }
			more: contributions(orderBy: timestamp, orderDirection: desc, first: 1, skip: $next) { id } } }`, `{"a": %q}`},
		{"Transaction", `query($h: String!) { locks(where: {transaction: $h}) { id type: __typename value account { a: id } } taskConsensuses(where: {transaction: $h}) { task { t: id } }
			ordersMatcheds(where: {transaction: $h}) { deal { d: id } } taskClaimeds(where: {transaction: $h}) { id } appTransfers(where: {transaction: $h}) { app { a: id } from { a: id } } }`, `{"h": %q}`},
		{"App", `query($n: Int = 3, $by: App_orderBy = timestamp, $way: OrderDirection = desc, $since: BigInt = 0) { apps(first: $n, where: {lastUsageTimestamp_gte: $since}, orderBy: $by, orderDirection: $way) {
			a: id owner { a: id } transfers(orderBy: timestamp, orderDirection: desc) { transaction { blockNumber } } } }`, `{"by": "usageCount", "since": 1, "nobody": %q}`},
		{"Dataset", `query($s: ID!) { bulkSliceice(first: 5, where: {datasets_: {id: $s}}, orderBy: task__timestamp, orderDirection: desc) { id } }`, `{"s": %q}`},
		{"RequestOrder", `query($w: Deal_filter) { deals(where: $w) { tasks { taskId: id bulkSlice { id } } } }`, `{"w": {"requestorder": %q}}`},
		{"Dataset", `query($d: String, $apps: [String!]) { tasks(where: {resultsCallback_not: "0x", status: "COMPLETED", deal_: {dataset: $d, app_in: $apps}}) { resultsCallback } }`, `{"d": %q, "apps": ["0x00"]}`},
		{"App", `query($a: String!) { app(id: $a) { usages(orderBy: timestamp, orderDirection: desc) { d: id tasks { t: id status } } } }`, `{"a": %q}`},
		{"Protocol", `{ protocol(id: "iExec") { appsCount completedTasksCount } _meta { block { number } } }`, `{"nobody": %q}`},
	},
	"DataProtector": {
		{"SchemaEntry", `query($s: [String!]!, $k: Int!, $n: Int!) { protectedDatas(where: {transactionHash_not: "0x", schema_contains: $s, creationTimestamp_gte: "0"}, skip: $k, first: $n, orderBy: creationTimestamp, orderDirection: desc) {
			id name owner { id } schema { path type } jsonSchema creationTimestamp } }`, `{"s": [%q], "k": 0, "n": 1000}`},
		{"ProtectedData", `query($id: [String!]!) { protectedDatas(where: {id_in: $id}) { id name } }`, `{"id": [%q]}`},
		{"Account", `query($o: String) { protectedDatas(where: {isRentable: true, collection_not: "null", collection_: {owner: $o}}) { id collection { id owner { id } } rentalParams { price duration } rentals { renter } saleParams { price } } }`, `{"o": %q}`},
		{"Account", `{ accounts(where: {collections_: {id_not: null}}, first: 3) { id collections { id subscriptionParams { price duration } } } }`, `{"nobody": %q}`},
		{"Account", `query($o: ID!) { collections(where: {owner: $o}, orderBy: creationTimestamp, orderDirection: asc) { id protectedDatas { id isForSale } subscriptions { subscriber { id } endDate } } }`, `{"o": %q}`},
		{"ProtectedData", `query($p: ID!) { protectedData(id: $p) { isIncludedInSubscription collection { subscriptionParams { price } } rentalParams { price duration } } }`, `{"p": %q}`},
		{"ProtectedData", `query($w: Rental_filter) { rentals(where: $w) { id renter protectedData { id name } endDate rentalParams { price } } }`, `{"w": {"protectedData": %q, "endDate_gte": 1}}`},
		{"Account", `query($w: CollectionSubscription_filter) { collectionSubscriptions(where: $w) { id collection { id owner { id } } subscriber { id } } }`, `{"w": {"subscriber": %q, "endDate_gte": 1}}`},
		{"Account", `query($u: String!) { addOnlyAppWhitelists(where: {owner: $u}) { id owner { id } apps { id } } }`, `{"u": %q}`},
	},
}

// TestWhatRealClientsAsk compares the answers to what clients in the wild send.
func TestWhatRealClientsAsk(t *testing.T) {
	each(t, func(t *testing.T, of subject) {
		s := newScene(t, of, 8)
		s.grow(t, 3, 3)
		for _, c := range clients[of.name] {
			ids := map[string]bool{}
			for _, change := range s.world.Since(0) {
				if change.Entity == c.entity && len(ids) < 2 && !ids[change.ID] {
					ids[change.ID] = true
					s.compare(t, referencetest.Case{About: "a client", Document: c.document, Variables: fmt.Sprintf(c.variables, change.ID)})
				}
			}
		}
		if s.refused > 0 {
			t.Errorf("%d of %d documents of clients are refused", s.refused, s.compared)
		}
	})
}
