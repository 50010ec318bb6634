package analytics

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

// deal is the deal of a chain with an id, nil for none.
func (d dataset) deal(chain, id any) row {
	for _, deal := range d["deals"] {
		if deal["chain"] == chain && deal["id"] == id {
			return deal
		}
	}
	return nil
}

func (r row) number(column string) *big.Int { return as[*big.Int](r[column]) }

// latencyOf is how long the completed tasks took that pass: percentiles by counting those
// that took no longer.
func (d dataset) latencyOf(passes func(task row) bool) map[string]any {
	var taken []int
	for _, task := range d["tasks"] {
		deal := d.deal(task["chain"], task["deal"])
		if task["status"] == "COMPLETED" && deal != nil && passes(task) {
			taken = append(taken, int(as[time.Time](task["ended_at"]).Sub(as[time.Time](deal["start_time"])).Seconds()))
		}
	}
	if len(taken) == 0 {
		return nil
	}
	total := 0
	for _, seconds := range taken {
		total += seconds
	}
	percentile := func(p int) float64 {
		for _, seconds := range slices.Sorted(slices.Values(taken)) {
			within := 0
			for _, other := range taken {
				if other <= seconds {
					within++
				}
			}
			if within*100 >= p*len(taken) {
				return float64(seconds)
			}
		}
		return -1
	}
	mean := new(big.Rat).SetFrac64(int64(total*1000/len(taken)), 1000).FloatString(3)
	return map[string]any{
		"tasks": float64(len(taken)), "min": float64(slices.Min(taken)), "p50": percentile(50), "p90": percentile(90), "p95": percentile(95),
		"p99": percentile(99), "max": float64(slices.Max(taken)), "mean": mean,
	}
}

const latencyFields = ` { tasks min p50 p90 p95 p99 max mean } `

// endAfterStart makes times of tasks possible: completed ones end after their deal began.
func endAfterStart(d dataset) {
	for _, task := range d["tasks"] {
		if task["status"] == "COMPLETED" || task["status"] == "FAILED" {
			task["ended_at"] = start.Add(time.Minute + time.Duration(len(as[string](task["id"]))+int(as[string](task["id"])[65]))*time.Second)
		} else {
			task["ended_at"] = time.Unix(0, 0)
		}
	}
}

// What pages say of pools is what a look at each row says.
func TestPoolPages(t *testing.T) {
	conn := newDatabase(t)
	data := fill(t, conn, 11)
	endAfterStart(data)
	for _, task := range data["tasks"] {
		task["version"] = uint64(999)
	}
	insert(t, conn, "tasks", data["tasks"]...)
	server := newServer(t, conn)
	since, until := clock(3), clock(90)
	answer := get[struct {
		All, Some   map[string]any
		Workerpools struct {
			Nodes []struct {
				Chain          uint64
				Address        string
				Latency, Later map[string]any
				Utilisation    struct {
					TaskSeconds, AverageTasks string
					Workers                   int
				}
				AtRisk struct{ Payers, Scheduler, Workers string }
			}
		}
	}](t, server, `query($since: Time!, $until: Time!) { all: latency`+latencyFields+` some: latency(filter: {chain: 7, tee: [NONE], since: $since})`+latencyFields+`
		workerpools(first: 100) { nodes { chain address latency`+latencyFields+` later: latency(since: $since)`+latencyFields+`
			utilisation(since: $since, until: $until) { taskSeconds averageTasks workers } atRisk { payers scheduler workers } } } }`, map[string]any{"since": since, "until": until})
	equal := func(what string, got, want map[string]any) {
		t.Helper()
		if !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	equal("all", answer.All, data.latencyOf(func(row) bool { return true }))
	equal("some", answer.Some, data.latencyOf(func(task row) bool {
		return task["chain"] == uint64(7) && !as[time.Time](task["initialized_at"]).Before(since) &&
			strings.ContainsAny(as[string](data.deal(task["chain"], task["deal"])["tag"])[65:], "02468ace")
	}))
	busy := 0
	for _, got := range answer.Workerpools.Nodes {
		own := func(r row) bool { return r["chain"] == got.Chain && r["workerpool"] == got.Address }
		equal(got.Address, got.Latency, data.latencyOf(own))
		equal(got.Address, got.Later, data.latencyOf(func(task row) bool { return own(task) && !as[time.Time](task["initialized_at"]).Before(since) }))
		if want := data.utilisationOf(own, since, until); fmt.Sprint(got.Utilisation) != want {
			t.Errorf("%s: utilisation %v, want %s", got.Address, got.Utilisation, want)
		}
		if want := data.riskOf(own); fmt.Sprint(got.AtRisk) != want {
			t.Errorf("%s: at risk %v, want %s", got.Address, got.AtRisk, want)
		}
		if got.Utilisation.Workers > 0 && got.AtRisk.Payers != "0" {
			busy++
		}
	}
	if busy < 2 {
		t.Error("no pool is busy: the test shows nothing")
	}
}

// utilisationOf counts the seconds of tasks, second by second.
func (d dataset) utilisationOf(own func(row) bool, since, until time.Time) string {
	busy, workers := 0, make(map[any]bool)
	for _, task := range d["tasks"] {
		for now := since; own(task) && now.Before(until); now = now.Add(time.Second) {
			ended := as[time.Time](task["ended_at"])
			if !now.Before(as[time.Time](task["initialized_at"])) && (ended.Unix() == 0 || now.Before(ended)) {
				busy++
			}
		}
	}
	for _, c := range d["contributions"] {
		at := as[time.Time](c["contributed_at"])
		if own(c) && !at.Before(since) && at.Before(until) {
			workers[c["worker"]] = true
		}
	}
	seconds := int(until.Sub(since).Seconds())
	return fmt.Sprint(struct {
		busy, average string
		workers       int
	}{fmt.Sprint(busy), new(big.Rat).SetFrac64(int64(busy*1000/seconds), 1000).FloatString(3), len(workers)})
}

// riskOf adds up what is locked, deal by deal and task by task.
func (d dataset) riskOf(own func(row) bool) string {
	payers, scheduler, workers := new(big.Int), new(big.Int), new(big.Int)
	for _, deal := range d["deals"] {
		if !own(deal) {
			continue
		}
		open := int64(as[uint64](deal["bot_size"]))
		for _, task := range d["tasks"] {
			if !own(task) || task["deal"] != deal["id"] {
				continue
			}
			if task["status"] == "COMPLETED" || task["status"] == "FAILED" {
				open--
			} else {
				workers.Add(workers, new(big.Int).Mul(deal.number("worker_stake"), new(big.Int).SetUint64(as[uint64](task["contributors"]))))
			}
		}
		price := new(big.Int).Add(deal.number("app_price"), deal.number("dataset_price"))
		payers.Add(payers, price.Mul(price.Add(price, deal.number("workerpool_price")), big.NewInt(open)))
		stake := new(big.Int).Mul(deal.number("workerpool_price"), big.NewInt(30))
		scheduler.Add(scheduler, stake.Mul(stake.Quo(stake, big.NewInt(100)), big.NewInt(open)))
	}
	return fmt.Sprint(struct{ p, s, w string }{payers.String(), scheduler.String(), workers.String()})
}

// Prices are those of a look at each deal.
func TestPrices(t *testing.T) {
	conn := newDatabase(t)
	data := fill(t, conn, 12)
	got := get[struct {
		Prices []struct {
			Chain                  uint64
			Category               string
			Deals, Tasks           int
			Min, Median, Mean, Max string
		}
	}](t, newServer(t, conn), `{ prices(filter: {chain: 7}) { chain category deals tasks min median mean max } }`, nil).Prices
	for i := range 3 {
		var prices []*big.Int
		tasks, paid := int64(0), new(big.Int)
		for _, deal := range data["deals"] {
			if deal["chain"] == uint64(7) && deal.number("category").Int64() == int64(i) {
				size := int64(as[uint64](deal["bot_size"]))
				prices = append(prices, deal.number("workerpool_price"))
				tasks += size
				paid.Add(paid, new(big.Int).Mul(deal.number("workerpool_price"), big.NewInt(size)))
			}
		}
		slices.SortFunc(prices, (*big.Int).Cmp)
		n := len(prices)
		want := fmt.Sprint("{7 ", i, " ", n, " ", tasks, " ", prices[0], " ", prices[(n-1)/2], " ", paid.Quo(paid, big.NewInt(tasks)), " ", prices[n-1], "}")
		if fmt.Sprint(got[i]) != want {
			t.Errorf("got %v, want %s", got[i], want)
		}
	}
}

// Who used a dataset and what it earned its owners is what a look at each deal and payout says.
func TestDatasetPages(t *testing.T) {
	conn := newDatabase(t)
	data := fill(t, conn, 13)
	// Of each deal only one owner is paid.
	var paid []row
	for i, deal := range data["deals"] {
		for j := range i % 3 {
			paid = append(paid, row{
				"chain": deal["chain"], "block_number": uint64(100 + i), "log_index": uint32(j), "time": clock(9), "kind": "REWARD", "role": "DATASET",
				"account": address(0x50 + i%2), "amount": big.NewInt(int64(i * 1000)), "task": hash(j), "deal": deal["id"], "version": uint64(1),
			})
		}
	}
	insert(t, conn, "payouts", paid...)
	for _, payout := range data["payouts"] {
		if payout["kind"] == "REWARD" && payout["role"] == "DATASET" {
			payout["deleted"], payout["version"] = uint8(1), uint64(500)
			insert(t, conn, "payouts", payout)
		}
	}
	nodes := get[struct {
		Datasets struct {
			Nodes []struct {
				Chain   uint64
				Address string
				Uses    struct {
					Nodes []struct {
						Requester, App string
						Deals, Tasks   int
						Paid           string
					}
					TotalCount int
				}
				Earnings struct {
					Nodes      []struct{ Owner, Amount string }
					TotalCount int
				}
			}
		}
	}](t, newServer(t, conn), `{ datasets(first: 100) { nodes { chain address uses(first: 100) { nodes { requester app deals tasks paid } totalCount } earnings { nodes { owner amount } totalCount } } } }`, nil).Datasets.Nodes
	used := 0
	for _, node := range nodes {
		uses, earnings := data.usesOf(node.Chain, node.Address, paid)
		if fmt.Sprint(node.Uses.Nodes) != fmt.Sprint(uses) || node.Uses.TotalCount != len(uses) || fmt.Sprint(node.Earnings.Nodes) != fmt.Sprint(earnings) || node.Earnings.TotalCount != len(earnings) {
			t.Errorf("%s: got %v %v, want %v %v", node.Address, node.Uses, node.Earnings, uses, earnings)
		}
		if len(uses) > 3 && len(earnings) > 1 {
			used++
		}
	}
	if used == 0 {
		t.Error("no dataset is used: the test shows nothing")
	}
}

type use struct {
	requester, app string
	deals, tasks   int
	paid           *big.Int
}

type earning struct {
	owner  string
	amount *big.Int
}

func (d dataset) usesOf(chain uint64, dataset string, paid []row) (uses []*use, earnings []*earning) {
	for _, deal := range d["deals"] {
		if deal["chain"] != chain || deal["dataset"] != dataset {
			continue
		}
		i := slices.IndexFunc(uses, func(u *use) bool { return u.requester == deal["requester"] && u.app == deal["app"] })
		if i < 0 {
			i, uses = len(uses), append(uses, &use{requester: as[string](deal["requester"]), app: as[string](deal["app"]), paid: new(big.Int)})
		}
		uses[i].deals++
		uses[i].tasks += int(as[uint64](deal["bot_size"]))
		for _, payout := range paid {
			if payout["chain"] != chain || payout["deal"] != deal["id"] {
				continue
			}
			uses[i].paid.Add(uses[i].paid, payout.number("amount"))
			j := slices.IndexFunc(earnings, func(e *earning) bool { return e.owner == payout["account"] })
			if j < 0 {
				j, earnings = len(earnings), append(earnings, &earning{as[string](payout["account"]), new(big.Int)})
			}
			earnings[j].amount.Add(earnings[j].amount, payout.number("amount"))
		}
	}
	slices.SortFunc(uses, func(a, b *use) int {
		return cmp.Or(b.paid.Cmp(a.paid), cmp.Compare(a.requester, b.requester), cmp.Compare(a.app, b.app))
	})
	slices.SortFunc(earnings, func(a, b *earning) int { return cmp.Or(b.amount.Cmp(a.amount), cmp.Compare(a.owner, b.owner)) })
	return uses, earnings
}

func (u *use) String() string {
	return fmt.Sprint("{", u.requester, " ", u.app, " ", u.deals, " ", u.tasks, " ", u.paid, "}")
}

func (e *earning) String() string { return fmt.Sprint("{", e.owner, " ", e.amount, "}") }

// What happened to orders is what each event says of each order it names.
func TestOrderEvents(t *testing.T) {
	conn := newDatabase(t)
	data := fill(t, conn, 14)
	server := newServer(t, conn)
	type orderEvent struct {
		Chain, BlockNumber, LogIndex uint64
		Kind, Action                 string
		Hash, Volume, DealID         *string
	}
	var want []orderEvent
	given := func(text string) *string {
		if text == "" {
			return nil
		}
		return &text
	}
	for _, e := range data["events"] {
		var args map[string]string
		if err := json.Unmarshal([]byte(as[string](e["args"])), &args); err != nil {
			t.Fatal(err)
		}
		actions := map[string]string{"OrderSigned": "SIGNED", "OrderClosed": "CLOSED", "OrdersMatched": "CONSUMED", "BroadcastOrder": "BROADCAST"}
		named := map[string]string{args["kind"]: args["hash"]}
		if e["name"] == "OrdersMatched" {
			named = map[string]string{"APP": args["appHash"], "DATASET": args["datasetHash"], "WORKERPOOL": args["workerpoolHash"], "REQUEST": args["requestHash"]}
		}
		for kind, order := range named {
			if action := actions[as[string](e["name"])]; action != "" && order != hash(0) {
				want = append(want, orderEvent{as[uint64](e["chain"]), as[uint64](e["block_number"]), uint64(as[uint32](e["log_index"])), kind, action,
					given(order), given(args["volume"]), given(args["deal"])})
			}
		}
	}
	slices.SortFunc(want, func(a, b orderEvent) int {
		return cmp.Or(cmp.Compare(b.BlockNumber, a.BlockNumber), cmp.Compare(b.Chain, a.Chain), cmp.Compare(b.LogIndex, a.LogIndex), cmp.Compare(b.Kind, a.Kind))
	})
	for _, filter := range []struct {
		values map[string]any
		passes func(orderEvent) bool
	}{
		{nil, func(orderEvent) bool { return true }},
		{map[string]any{"kind": []string{"DATASET", "APP"}, "action": []string{"SIGNED", "CONSUMED"}}, func(e orderEvent) bool {
			return (e.Kind == "DATASET" || e.Kind == "APP") && (e.Action == "SIGNED" || e.Action == "CONSUMED")
		}},
		{map[string]any{"chain": 7, "hash": hash(1)}, func(e orderEvent) bool { return e.Chain == 7 && e.Hash != nil && *e.Hash == hash(1) }},
	} {
		var after *string
		var got []string
		for more := true; more; {
			page := get[struct {
				OrderEvents struct {
					Nodes    []orderEvent
					PageInfo struct {
						HasNextPage bool
						EndCursor   *string
					}
				}
			}](t, server, `query($after: Cursor, $filter: OrderEventFilter) { orderEvents(first: 90, after: $after, filter: $filter) {
				nodes { chain blockNumber logIndex kind action hash volume dealId } pageInfo { hasNextPage endCursor } } }`,
				map[string]any{"after": after, "filter": filter.values}).OrderEvents
			for _, e := range page.Nodes {
				got = append(got, shown(e))
			}
			more, after = page.PageInfo.HasNextPage, page.PageInfo.EndCursor
		}
		var expected []string
		for _, e := range want {
			if filter.passes(e) {
				expected = append(expected, shown(e))
			}
		}
		if len(expected) < 10 || !slices.Equal(got, expected) {
			t.Fatalf("%v: got %v\nwant %v", filter.values, got, expected)
		}
	}
}

func shown(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
