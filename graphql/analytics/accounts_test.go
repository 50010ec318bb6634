package analytics

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"
)

// What accounts earned in each role, and what of theirs stands to be lost, is what a look at
// each payout, deal, task and contribution says.
func TestAccountPages(t *testing.T) {
	conn := newDatabase(t)
	data := fill(t, conn, 21)
	for i, deal := range data["deals"] { // whose scheduler and payer are accounts of the dataset
		deal["workerpool_owner"], deal["sponsor"] = worker(i%4), []string{zeroAddress, requester(i % 3), worker(i % 4)}[i%3]
		deal["bot_size"], deal["version"] = as[uint64](deal["bot_size"])+150, uint64(500) // more than tasks that name it
	}
	insert(t, conn, "deals", data["deals"]...)
	type node struct {
		Chain    uint64
		Address  string
		Earnings []struct {
			Role, Earned, Seized string
			Payouts              int
		}
		AtRisk struct{ Payers, Scheduler, Workers string }
	}
	nodes := get[struct{ Accounts struct{ Nodes []node } }](t, newServer(t, conn),
		`{ accounts(first: 100) { nodes { chain address earnings { role earned seized payouts } atRisk { payers scheduler workers } } } }`, nil).Accounts.Nodes
	busy := 0
	for _, got := range nodes {
		if want := data.earningsOf(got.Chain, got.Address); fmt.Sprint(got.Earnings) != want {
			t.Errorf("%d %s: earned %v, want %s", got.Chain, got.Address, got.Earnings, want)
		}
		if want := data.accountRiskOf(got.Chain, got.Address); fmt.Sprint(got.AtRisk) != want {
			t.Errorf("%d %s: at risk %v, want %s", got.Chain, got.Address, got.AtRisk, want)
		}
		if len(got.Earnings) > 1 && got.AtRisk.Workers != "0" && got.AtRisk.Scheduler != "0" {
			busy++
		}
	}
	if busy == 0 {
		t.Error("no account is busy: the test shows nothing")
	}
}

func (d dataset) earningsOf(chain uint64, account string) string {
	type earning struct {
		role           string
		earned, seized *big.Int
		payouts        int
	}
	found := []earning{}
	for _, role := range slices.Sorted(slices.Values(roleWords)) {
		e := earning{role, new(big.Int), new(big.Int), 0}
		for _, p := range d["payouts"] {
			if p["chain"] != chain || p["account"] != account || p["role"] != role {
				continue
			}
			e.payouts++
			if p["kind"] == "REWARD" {
				e.earned.Add(e.earned, p.number("amount"))
			} else {
				e.seized.Add(e.seized, p.number("amount"))
			}
		}
		if e.payouts > 0 {
			found = append(found, e)
		}
	}
	text := "["
	for i, e := range found {
		if i > 0 {
			text += " "
		}
		text += fmt.Sprint("{", e.role, " ", e.earned, " ", e.seized, " ", e.payouts, "}")
	}
	return text + "]"
}

func (d dataset) accountRiskOf(chain uint64, account string) string {
	payers, scheduler, workers := new(big.Int), new(big.Int), new(big.Int)
	for _, deal := range d["deals"] {
		if deal["chain"] != chain {
			continue
		}
		open := int64(as[uint64](deal["bot_size"]))
		for _, task := range d["tasks"] {
			if task["chain"] != chain || task["deal"] != deal["id"] {
				continue
			}
			if task["status"] == "COMPLETED" || task["status"] == "FAILED" {
				open--
			}
		}
		payer := deal["sponsor"]
		if payer == zeroAddress {
			payer = deal["requester"]
		}
		if payer == account {
			price := new(big.Int).Add(deal.number("app_price"), deal.number("dataset_price"))
			payers.Add(payers, price.Mul(price.Add(price, deal.number("workerpool_price")), big.NewInt(open)))
		}
		if deal["workerpool_owner"] == account {
			stake := new(big.Int).Mul(deal.number("workerpool_price"), big.NewInt(30))
			scheduler.Add(scheduler, stake.Mul(stake.Quo(stake, big.NewInt(100)), big.NewInt(open)))
		}
	}
	for _, c := range d["contributions"] {
		if c["chain"] != chain || c["worker"] != account {
			continue
		}
		for _, task := range d["tasks"] {
			if task["chain"] == chain && task["id"] == c["task"] && (task["status"] == "ACTIVE" || task["status"] == "REVEALING") {
				if deal := d.deal(chain, c["deal"]); deal != nil {
					workers.Add(workers, deal.number("worker_stake"))
				}
			}
		}
	}
	return fmt.Sprint(struct{ p, s, w string }{payers.String(), scheduler.String(), workers.String()})
}

// Tasks that a filter lets pass keep their pools as busy as a look at each second says.
func TestUtilisation(t *testing.T) {
	conn := newDatabase(t)
	data := fill(t, conn, 24)
	since, until := clock(2), clock(40)
	for _, filter := range []map[string]any{nil, {"chain": uint64(7)}, {"workerpool": pool(1)}, {"worker": worker(1)}} {
		got := get[struct {
			Utilisation struct {
				TaskSeconds, AverageTasks string
				Workers                   int
			}
		}](t, newServer(t, conn), `query($filter: TaskFilter, $since: Time!, $until: Time!) { utilisation(filter: $filter, since: $since, until: $until) { taskSeconds averageTasks workers } }`,
			map[string]any{"filter": filter, "since": since, "until": until}).Utilisation
		passing := make(map[string]bool)
		for _, task := range listOf("tasks").rows(data, filter) {
			passing[fmt.Sprint(task["chain"], task["id"])] = true
		}
		want := data.utilisationOf(func(r row) bool {
			if id, is := r["task"]; is {
				return filter == nil || passing[fmt.Sprint(r["chain"], id)]
			}
			return passing[fmt.Sprint(r["chain"], r["id"])]
		}, since, until)
		if fmt.Sprint(got) != want {
			t.Errorf("%v: %v, want %s", filter, got, want)
		}
	}
}

// An order's events are found by what is known of the deal that consumed it.
func TestOrderEventsOfDeals(t *testing.T) {
	conn := newDatabase(t)
	data := fill(t, conn, 23)
	server := newServer(t, conn)
	type answer struct {
		OrderEvents struct {
			Nodes []struct {
				Chain  uint64
				DealID *string
			}
			TotalCount int
		}
	}
	const query = `query($filter: OrderEventFilter) { orderEvents(first: 1000, filter: $filter) { nodes { chain dealId } totalCount } }`
	all := get[answer](t, server, query, nil).OrderEvents.Nodes
	found := 0
	for _, pair := range [][2]string{{"app", app(0)}, {"app", app(1)}, {"app", app(2)}, {"workerpool", pool(2)}, {"requester", requester(0)}, {"dataset", address(5)}} {
		want, column, value := 0, pair[0], pair[1]
		for _, event := range all {
			if event.DealID == nil {
				continue
			}
			if deal := data.deal(event.Chain, *event.DealID); deal != nil && deal[column] == value {
				want++
			}
		}
		if got := get[answer](t, server, query, map[string]any{"filter": map[string]any{column: value}}).OrderEvents; got.TotalCount != want || len(got.Nodes) != want {
			t.Errorf("%s %s: %d events, want %d", column, value, got.TotalCount, want)
		}
		found += want
	}
	if found < 10 {
		t.Errorf("only %d events are found: the test shows little", found)
	}
}

// An answer names the earlier blocks that it was read at, with what is known of them.
func TestAnswersNameTheirBlocks(t *testing.T) {
	conn := newDatabase(t)
	p := newPast(conn, 4)
	for range 4 {
		p.block(t)
	}
	p.version++
	insert(t, conn, "heads", row{"chain": uint64(7), "head_number": p.head(), "head_hash": p.hashes[p.head()], "head_time": clock(4), "finalized_number": uint64(2), "version": p.version})
	insert(t, conn, "coverage", row{"chain": uint64(7), "from_number": []uint64{0, 3}, "to_number": []uint64{2, 4}, "verification": []string{"RECEIPTS", "FETCHED"}, "failure": []string{"", ""}, "version": p.version})
	response, err := http.Get(newServer(t, conn).URL + "/graphql?query=" + url.QueryEscape(`{ a: tasks(asOf: {chain: 7, block: 1}) { totalCount } b: overview(asOf: {chain: 7, block: 3}) { deals } c: tasks { totalCount } }`))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var got struct {
		Extensions struct {
			Indexed []struct {
				HeadNumber      uint64
				HeadHash        string
				FinalizedNumber uint64
				HeadTime        time.Time
				Verification    string
			}
			AsOf []struct {
				Chain, Number uint64
				Hash          *string
				Final         bool
				Verification  string
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if indexed := got.Extensions.Indexed; len(indexed) != 1 || indexed[0].HeadNumber != 4 || indexed[0].HeadHash != p.hashes[4] || indexed[0].FinalizedNumber != 2 || !indexed[0].HeadTime.Equal(clock(4)) || indexed[0].Verification != "FETCHED" {
		t.Errorf("indexed: %+v", indexed)
	}
	past := got.Extensions.AsOf
	if len(past) != 2 || past[0].Number != 1 || *past[0].Hash != p.hashes[1] || !past[0].Final || past[0].Verification != "RECEIPTS" ||
		past[1].Number != 3 || *past[1].Hash != p.hashes[3] || past[1].Final || past[1].Verification != "FETCHED" {
		t.Errorf("as of: %+v", past)
	}
}
