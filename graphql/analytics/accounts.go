package analytics

import (
	"context"

	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

func (f accountFields) Earnings(ctx context.Context, a *model.Account) ([]*model.RoleEarning, error) {
	v, err := viewOf(ctx, f.reader, nil)
	if err != nil {
		return nil, err
	}
	return load(ctx, "earnings by role "+v.Name(), keyOfAccount(a), func(ctx context.Context, keys []model.Key) (map[model.Key][]*model.RoleEarning, error) {
		s := payouts.from(v.Only(chainsOf(keys)...), database.Selection[model.RoleEarning]())
		s.Add(" AND (chain, account) IN ", pairs(s, keys), " GROUP BY chain, account, role ORDER BY role")
		rows, err := database.Rows[model.RoleEarning](ctx, f.reader, s)
		found := make(map[model.Key][]*model.RoleEarning, len(keys))
		for _, row := range rows {
			key := model.Key{Chain: row.Chain, ID: row.Account}
			found[key] = append(found[key], row)
		}
		return found, err
	})
}

func (f accountFields) AtRisk(ctx context.Context, a *model.Account) (*model.Risk, error) {
	v, err := viewOf(ctx, f.reader, nil)
	if err != nil {
		return nil, err
	}
	risk, err := load(ctx, "risk of an account "+v.Name(), keyOfAccount(a), func(ctx context.Context, keys []model.Key) (map[model.Key]*model.Risk, error) {
		return accountRisks(ctx, f.reader, v.Only(chainsOf(keys)...), keys)
	})
	if err == nil && risk == nil {
		risk = &model.Risk{Payers: "0", Scheduler: "0", Workers: "0"}
	}
	return risk, err
}

// accountRisks reads what accounts have locked for open tasks: as who pays and as scheduler
// from the deal on (IexecPoco1Facet.matchOrders), as workers from their contribution on.
// Before PoCo 5.5 there were no sponsors: requesters paid.
func accountRisks(ctx context.Context, r *reader, v database.View, accounts []model.Key) (map[model.Key]*model.Risk, error) {
	var s database.Statement
	these := pairs(&s, accounts)
	payer := "if(sponsor IN ('', " + anybody + "), requester, sponsor)"
	open := func(who, amount, column string) string {
		return "SELECT d.chain AS chain, d.who AS account, toUInt256(d.bot_size - t.ended) * d.amount AS " + column + " FROM (SELECT chain, id, bot_size, " + who + " AS who, " + amount + " AS amount FROM " +
			v.Rows(&s, dealTable) + " WHERE (chain, " + who + ") IN " + these + ") AS d LEFT JOIN (SELECT chain, deal, count() AS ended FROM " + v.Rows(&s, taskTable) +
			" WHERE status IN ('COMPLETED', 'FAILED') GROUP BY chain, deal) AS t ON d.chain = t.chain AND d.id = t.deal"
	}
	none := "toUInt256(0) AS "
	s.Add("SELECT chain, account, toString(sum(payers)) AS payers, toString(sum(scheduler)) AS scheduler, toString(sum(workers)) AS workers FROM (",
		"SELECT chain, account, payers, ", none, "scheduler, ", none, "workers FROM (", open(payer, "app_price + dataset_price + workerpool_price", "payers"), ") UNION ALL ",
		"SELECT chain, account, ", none, "payers, scheduler, ", none, "workers FROM (", open("workerpool_owner", "intDiv(workerpool_price * 30, 100)", "scheduler"), ") UNION ALL ",
		"SELECT c.chain AS chain, c.worker AS account, ", none, "payers, ", none, "scheduler, d.worker_stake AS workers FROM ",
		"(SELECT chain, task, deal, worker FROM ", v.Rows(&s, contributionTable), " WHERE (chain, worker) IN ", these, " AND (chain, task) IN (SELECT chain, id FROM ", v.Rows(&s, taskTable),
		" WHERE status IN ('ACTIVE', 'REVEALING'))) AS c INNER JOIN (SELECT chain, id, worker_stake FROM ", v.Rows(&s, dealTable), ") AS d ON c.chain = d.chain AND c.deal = d.id) GROUP BY chain, account")
	rows, err := database.Rows[struct {
		Chain     uint64 `ch:"chain"`
		Account   string `ch:"account"`
		Payers    string `ch:"payers"`
		Scheduler string `ch:"scheduler"`
		Workers   string `ch:"workers"`
	}](ctx, r, &s)
	found := make(map[model.Key]*model.Risk, len(rows))
	for _, row := range rows {
		found[model.Key{Chain: row.Chain, ID: row.Account}] = &model.Risk{Payers: row.Payers, Scheduler: row.Scheduler, Workers: row.Workers}
	}
	return found, err
}
