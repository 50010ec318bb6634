package analytics

import (
	"context"

	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

func (f accountFields) AtRisk(ctx context.Context, a *model.Account) (*model.Risk, error) {
	return riskOf(ctx, f.reader, "accounts", keyOfAccount(a), accountRisks)
}

func (f workerpoolFields) AtRisk(ctx context.Context, w *model.Workerpool) (*model.Risk, error) {
	return riskOf(ctx, f.reader, "workerpools", keyOfWorkerpool(w), poolRisks)
}

// riskOf reads what is locked for the open tasks of one of many, who are read together. sums
// selects it by chain and key.
func riskOf(ctx context.Context, r *reader, kind string, of model.Key, sums func(*database.Statement, database.View, []model.Key)) (*model.Risk, error) {
	v, err := viewOf(ctx, r, nil)
	if err != nil {
		return nil, err
	}
	risk, err := load(ctx, "risk of "+kind+" "+v.Name(), of, func(ctx context.Context, keys []model.Key) (map[model.Key]*model.Risk, error) {
		var s database.Statement
		sums(&s, v.Only(chainsOf(keys)...), keys)
		rows, err := database.Rows[struct {
			Chain uint64 `ch:"chain"`
			Key   string `ch:"key"`
			model.Risk
		}](ctx, r, &s)
		found := make(map[model.Key]*model.Risk, len(rows))
		for _, row := range rows {
			found[model.Key{Chain: row.Chain, ID: row.Key}] = &row.Risk
		}
		return found, err
	})
	if err == nil && risk == nil {
		risk = &model.Risk{Payers: "0", Scheduler: "0", Workers: "0"}
	}
	return risk, err
}

// accountRisks are what accounts have locked for open tasks: as who pays and as scheduler
// from the deal on (IexecPoco1Facet.matchOrders), as workers from their contribution on.
// Before PoCo 5.5 there were no sponsors: requesters paid.
func accountRisks(s *database.Statement, v database.View, accounts []model.Key) {
	these := pairs(s, accounts)
	payer := "if(sponsor IN ('', " + anybody + "), requester, sponsor)"
	open := func(who, amount, column string) string {
		return "SELECT d.chain AS chain, d.who AS account, toUInt256(d.bot_size - t.ended) * d.amount AS " + column + " FROM (SELECT chain, id, bot_size, " + who + " AS who, " + amount + " AS amount FROM " +
			v.Rows(s, dealTable) + " WHERE (chain, " + who + ") IN " + these + ") AS d LEFT JOIN (SELECT chain, deal, count() AS ended FROM " + v.Rows(s, taskTable) +
			" WHERE status IN ('COMPLETED', 'FAILED') GROUP BY chain, deal) AS t ON d.chain = t.chain AND d.id = t.deal"
	}
	none := "toUInt256(0) AS "
	s.Add("SELECT chain, account AS key, toString(sum(payers)) AS payers, toString(sum(scheduler)) AS scheduler, toString(sum(workers)) AS workers FROM (",
		"SELECT chain, account, payers, ", none, "scheduler, ", none, "workers FROM (", open(payer, "app_price + dataset_price + workerpool_price", "payers"), ") UNION ALL ",
		"SELECT chain, account, ", none, "payers, scheduler, ", none, "workers FROM (", open("workerpool_owner", "intDiv(workerpool_price * 30, 100)", "scheduler"), ") UNION ALL ",
		"SELECT c.chain AS chain, c.worker AS account, ", none, "payers, ", none, "scheduler, d.worker_stake AS workers FROM ",
		"(SELECT chain, task, deal, worker FROM ", v.Rows(s, contributionTable), " WHERE (chain, worker) IN ", these, " AND (chain, task) IN (SELECT chain, id FROM ", v.Rows(s, taskTable),
		" WHERE status IN ('ACTIVE', 'REVEALING'))) AS c INNER JOIN (SELECT chain, id, worker_stake FROM ", v.Rows(s, dealTable), ") AS d ON c.chain = d.chain AND c.deal = d.id) GROUP BY chain, account")
}

// poolRisks are what is locked for the open tasks of pools: by payers and the scheduler from
// the deal on (IexecPoco1Facet.matchOrders), by workers from their contribution on.
func poolRisks(s *database.Statement, v database.View, pools []model.Key) {
	these := pairs(s, pools)
	s.Add("SELECT chain, workerpool AS key, toString(sum(open * (app_price + dataset_price + workerpool_price))) AS payers, ",
		"toString(sum(open * intDiv(workerpool_price * 30, 100))) AS scheduler, toString(sum(c.working * worker_stake)) AS workers FROM ",
		"(SELECT d.*, toUInt256(d.bot_size - t.ended) AS open, toUInt256(t.working) AS working FROM ",
		"(SELECT * FROM ", v.Rows(s, dealTable), " WHERE (chain, workerpool) IN ", these, ") AS d LEFT JOIN ",
		"(SELECT chain, workerpool, deal, countIf(status IN ('COMPLETED', 'FAILED')) AS ended, sumIf(contributors, status IN ('ACTIVE', 'REVEALING')) AS working FROM ",
		v.Rows(s, taskTable), " WHERE (chain, workerpool) IN ", these, " GROUP BY chain, workerpool, deal) AS t ON d.chain = t.chain AND d.workerpool = t.workerpool AND d.id = t.deal) AS c GROUP BY chain, workerpool")
}
