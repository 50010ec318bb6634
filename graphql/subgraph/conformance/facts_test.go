package conformance_test

import (
	"errors"
	"fmt"
	"math/big"
	"strings"

	"assay/graphql/subgraph/referencetest"
)

// facts are what both endpoints know of a market, in the words of neither.
type facts struct {
	accounts map[string]string // with anything on them
	tasks    map[string]string // their statuses
	deals    map[string]string // their sponsors
	counts   string            // of tasks and deals
	totals   string
}

func factsOf(w *referencetest.World) facts {
	f := facts{accounts: map[string]string{}, tasks: map[string]string{}, deals: map[string]string{}}
	latest := map[string]map[string]referencetest.State{}
	for _, c := range w.Since(0) {
		if latest[c.Entity] == nil {
			latest[c.Entity] = map[string]referencetest.State{}
		}
		latest[c.Entity][c.ID] = c.State
	}
	for id, a := range latest["Account"] {
		f.account(id, a["balance"].(*big.Int).String(), a["frozen"].(*big.Int).String(), a["score"].(*big.Int).String())
	}
	for id, task := range latest["Task"] {
		f.tasks[id] = strings.Replace(task["status"].(string), "FAILLED", "FAILED", 1)
	}
	for id, deal := range latest["Deal"] {
		f.deals[id] = deal["sponsor"].(string)
	}
	f.counts = fmt.Sprintln(len(f.tasks), len(f.deals))
	p := latest["Protocol"]["iExec"]
	f.totals = fmt.Sprintln(p["dealsCount"], p["tasksCount"], p["completedTasksCount"], p["claimedTasksCount"])
	return f
}

// account leaves out those with nothing: which of them are known is told differently.
func (f facts) account(id, stake, locked, score string) {
	if text := stake + " " + locked + " " + score; text != "0 0 0" {
		f.accounts[strings.ToLower(id)] = text
	}
}

const analyticsDocument = `query($chain: Uint64!, $sums: Boolean!) {
	meta { chains { chain headHash } }
	accounts(first: 1000, filter: {chain: $chain}) { nodes { address stake locked score } }
	tasks(first: 1000, filter: {chain: $chain}) { totalCount nodes { id status } }
	deals(first: 1000, filter: {chain: $chain}) { totalCount nodes { id sponsor } }
	overview(chain: $chain) @include(if: $sums) { deals tasks completed claimed }
}`

// askAnalytics compares an answer of /graphql: with sums, which it cannot tell while rows are
// written, or without.
func (h *hammer) askAnalytics(sums bool) (head string, err error) {
	var data struct {
		Meta struct {
			Chains []struct {
				Chain    any
				HeadHash string
			}
		}
		Accounts struct {
			Nodes []struct{ Address, Stake, Locked, Score string }
		}
		Tasks struct {
			TotalCount any
			Nodes      []struct{ ID, Status string }
		}
		Deals struct {
			TotalCount any
			Nodes      []struct{ ID, Sponsor string }
		}
		Overview struct{ Deals, Tasks, Completed, Claimed any }
	}
	if err := h.post("/graphql", analyticsDocument, map[string]any{"chain": h.chain, "sums": sums}, &data); err != nil {
		return "", err
	}
	for _, c := range data.Meta.Chains {
		if fmt.Sprint(c.Chain) == fmt.Sprint(h.chain) {
			head = c.HeadHash
		}
	}
	got := facts{accounts: map[string]string{}, tasks: map[string]string{}, deals: map[string]string{}}
	for _, a := range data.Accounts.Nodes {
		got.account(a.Address, a.Stake, a.Locked, a.Score)
	}
	for _, task := range data.Tasks.Nodes {
		got.tasks[task.ID] = task.Status
	}
	for _, deal := range data.Deals.Nodes {
		got.deals[deal.ID] = strings.ToLower(deal.Sponsor)
	}
	got.totals = fmt.Sprintln(data.Overview.Deals, data.Overview.Tasks, data.Overview.Completed, data.Overview.Claimed)
	got.counts = fmt.Sprintln(data.Tasks.TotalCount, data.Deals.TotalCount)
	now, known := h.known[head]
	if !known {
		return head, errors.New("the chain has no such block")
	}
	if !sums {
		got.totals = now.facts.totals
	}
	return head, differ(fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", now.facts))
}
