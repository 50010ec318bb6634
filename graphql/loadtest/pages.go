package loadtest

import (
	"encoding/json"
	"fmt"
	"math/rand"
)

// Page is a kind of page that an explorer shows, as a document of the drop-in endpoint.
type Page struct {
	Name      string
	Document  string
	Variables func(m Market, r *rand.Rand) map[string]any
}

// Body is a request for the page, one of many.
func (p Page) Body(m Market, r *rand.Rand) []byte {
	body, err := json.Marshal(map[string]any{"query": p.Document, "variables": p.Variables(m, r)})
	if err != nil {
		panic(err) // strings and numbers
	}
	return body
}

// Pages are lists of 20 with their nested fields, and single entities with their events.
// The lists ask, as the official explorer does, whether there is a next page.
var Pages = []Page{
	{"deals", `query($skip: Int!, $next: Int!) {
		deals(first: 20, skip: $skip, orderBy: timestamp, orderDirection: desc) { ` + dealFields + ` }
		more: deals(first: 1, skip: $next, orderBy: timestamp, orderDirection: desc) { id }
	}`, skips},
	{"tasks", `query($skip: Int!, $next: Int!) {
		tasks(first: 20, skip: $skip, orderBy: timestamp, orderDirection: desc) { ` + taskFields + ` }
		more: tasks(first: 1, skip: $next, orderBy: timestamp, orderDirection: desc) { id }
	}`, skips},
	{"transactions", `query($skip: Int!, $next: Int!) {
		transactions(first: 20, skip: $skip, orderBy: timestamp, orderDirection: desc) { id timestamp blockNumber from { id } to { id } gasUsed gasPrice }
		more: transactions(first: 1, skip: $next, orderBy: timestamp, orderDirection: desc) { id }
	}`, skips},
	{"apps", `query($skip: Int!) { apps(first: 20, skip: $skip, orderBy: usageCount, orderDirection: desc) {
		id name type multiaddr owner { id } timestamp usageCount lastUsageTimestamp } }`, func(m Market, r *rand.Rand) map[string]any {
		return map[string]any{"skip": 20 * r.Intn(10)}
	}},
	{"deal", `query($id: ID!) { deal(id: $id) { ` + dealFields + `
		tasks(first: 20, orderBy: index) { id index status timestamp finalDeadline }
		events(orderBy: timestamp, orderDirection: desc) { __typename id timestamp transaction { id blockNumber } } } }`, id("deal")},
	{"task", `query($id: ID!) { task(id: $id) { ` + taskFields + ` results resultDigest consensus
		contributions { id timestamp status worker { id } hash challenge }
		rewards { account { id } value } seizes { account { id } value }
		events(orderBy: timestamp, orderDirection: desc) { __typename id timestamp transaction { id blockNumber } } } }`, id("task")},
	{"account", `query($id: ID!) { account(id: $id) { id balance frozen score
		dealRequester(first: 20, orderBy: timestamp, orderDirection: desc) { ` + dealFields + ` }
		contributions(first: 20, orderBy: timestamp, orderDirection: desc) { id timestamp status task { id deal { id workerpool { id } } } } } }`, id("account")},
	{"account's events", `query($id: ID!) { account(id: $id) { id
		events(first: 20, orderBy: timestamp, orderDirection: desc) { __typename id timestamp transaction { id } } } }`, id("account")},
	{"transaction", `query($id: ID!) { transaction(id: $id) { id timestamp blockNumber from { id } to { id }
		accountEvents { __typename id account { id } } taskEvents { __typename id task { id } } workerpoolEvents { __typename id } } }`, id("transaction")},
	{"deep in deals", `query($after: ID!) { deals(first: 20, where: {id_gt: $after}) { ` + dealFields + ` } }`, deep},
	{"deep in events", `query($before: BigInt!) { taskContributes(first: 20, orderBy: timestamp, orderDirection: desc, where: {timestamp_lt: $before}) {
		id timestamp task { id } worker { id } transaction { id } } }`, past},
}

// Series is what the analytics endpoint is asked for a year's chart of one requester's days.
var Series = Page{"a year by the day", `query($key: String!) { series(of: REQUESTER, key: $key, chain: 31337, step: DAY, first: 366) { nodes {
	start measures { deals tasks completed volume earnedWorkers meanLatency successRate } } } }`, func(m Market, r *rand.Rand) map[string]any {
	return map[string]any{"key": m.IDs["account"][r.Intn(len(m.IDs["account"]))]}
}}

const dealFields = `id timestamp startTime botFirst botSize completedTasksCount claimedTasksCount trust tag appPrice datasetPrice workerpoolPrice
	requester { id } beneficiary { id } app { id name } dataset { id name } workerpool { id description } category { id name workClockTimeRef }`

const taskFields = `id index status timestamp finalDeadline requester { id }
	deal { id timestamp app { id name } dataset { id name } workerpool { id description } category { id workClockTimeRef } }`

func skips(_ Market, r *rand.Rand) map[string]any {
	skip := 20 * r.Intn(50)
	return map[string]any{"skip": skip, "next": skip + 20}
}

func deep(_ Market, r *rand.Rand) map[string]any {
	return map[string]any{"after": fmt.Sprintf("0x%016x", r.Uint64())}
}

func past(_ Market, r *rand.Rand) map[string]any {
	return map[string]any{"before": fmt.Sprint(start + year/10 + r.Intn(year-year/10))}
}

// id picks one of the market's entities of a kind.
func id(kind string) func(Market, *rand.Rand) map[string]any {
	return func(m Market, r *rand.Rand) map[string]any {
		ids := m.IDs[kind]
		return map[string]any{"id": ids[r.Intn(len(ids))]}
	}
}
