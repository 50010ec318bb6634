package analytics

import (
	"context"

	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

// paidFor begins a statement about the deals for datasets, with what their owners were
// paid for each.
func paidFor(s *database.Statement, v database.View, columns string, datasets []model.Key) {
	these := pairs(s, datasets)
	s.Add("SELECT d.chain AS of_chain, d.dataset AS of_key, ", columns, " FROM ",
		"(SELECT * FROM ", v.Rows(s, dealTable), " WHERE (chain, dataset) IN ", these, ") AS d LEFT JOIN ",
		"(SELECT chain, deal, account, sum(amount) AS paid FROM ", v.Rows(s, payoutTable), " WHERE kind = 'REWARD' AND role = 'DATASET'",
		" AND (chain, deal) IN (SELECT chain, id FROM ", v.Rows(s, dealTable), " WHERE (chain, dataset) IN ", these, ")",
		" GROUP BY chain, deal, account) AS p ON d.chain = p.chain AND d.id = p.deal GROUP BY of_chain, of_key")
}

// datasetUses and datasetEarnings come in the order of what was paid.
var (
	datasetUses = list[model.DatasetUse]{
		name: "use", columns: database.Selection[model.DatasetUse](), order: []column{{"-toInt256(paid)", "Int256"}, {"requester", "String"}, {"app", "String"}},
		at: func(u *model.DatasetUse) []any { return []any{negated(u.Paid), u.Requester, u.App} },
	}
	datasetEarnings = list[model.DatasetEarning]{
		name: "earning", columns: database.Selection[model.DatasetEarning](), order: []column{{"-toInt256(amount)", "Int256"}, {"owner", "String"}},
		at: func(e *model.DatasetEarning) []any { return []any{negated(e.Amount), e.Owner} },
	}
)

func (f datasetFields) Uses(ctx context.Context, d *model.Dataset, first int, after *string, _ *model.AsOf) (*model.DatasetUseConnection, error) {
	p, err := datasetUses.page(first, after)
	if err != nil {
		return nil, err
	}
	v, err := viewBelow(ctx, f.reader, keyOfDataset(d))
	if err != nil {
		return nil, err
	}
	return datasetUses.pagesOf(ctx, f.reader, "uses "+v.Name(), func(_ context.Context, keys []model.Key) (*database.Statement, error) {
		var s database.Statement
		// The price is the same whoever owns the dataset, and one owner is paid for a deal.
		paidFor(&s, v.Only(chainsOf(keys)...), "d.requester AS requester, d.app AS app, uniqExact(d.id) AS deals, sum(d.bot_size) AS tasks, sum(p.paid) AS paid", keys)
		s.Add(", requester, app")
		return &s, nil
	}, keyOfDataset(d), func(u *model.DatasetUse) model.Key { return model.Key{Chain: u.Chain, ID: u.Dataset} }, p)
}

func (f datasetFields) Earnings(ctx context.Context, d *model.Dataset, first int, after *string, _ *model.AsOf) (*model.DatasetEarningConnection, error) {
	p, err := datasetEarnings.page(first, after)
	if err != nil {
		return nil, err
	}
	v, err := viewBelow(ctx, f.reader, keyOfDataset(d))
	if err != nil {
		return nil, err
	}
	return datasetEarnings.pagesOf(ctx, f.reader, "earnings "+v.Name(), func(_ context.Context, keys []model.Key) (*database.Statement, error) {
		var s database.Statement
		paidFor(&s, v.Only(chainsOf(keys)...), "p.account AS owner, sum(p.paid) AS amount", keys)
		s.Add(", owner HAVING owner != ''")
		return &s, nil
	}, keyOfDataset(d), func(e *model.DatasetEarning) model.Key { return model.Key{Chain: e.Chain, ID: e.Dataset} }, p)
}
