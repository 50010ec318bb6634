package analytics

import (
	"context"
	"strconv"

	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

// paidFor begins a statement about the deals for datasets, with what their owners were
// paid for each.
func paidFor(s *database.Statement, v database.View, columns string, datasets []model.Key) {
	these := pairs(s, datasets)
	s.Add("SELECT d.chain AS chain, d.dataset AS dataset, ", columns, " FROM ",
		"(SELECT * FROM ", v.Rows(s, dealTable), " WHERE (chain, dataset) IN ", these, ") AS d LEFT JOIN ",
		"(SELECT chain, deal, account, sum(amount) AS paid FROM ", v.Rows(s, payoutTable), " WHERE kind = 'REWARD' AND role = 'DATASET'",
		" AND (chain, deal) IN (SELECT chain, id FROM ", v.Rows(s, dealTable), " WHERE (chain, dataset) IN ", these, ")",
		" GROUP BY chain, deal, account) AS p ON d.chain = p.chain AND d.id = p.deal GROUP BY chain, dataset")
}

func (f datasetFields) Uses(ctx context.Context, d *model.Dataset, first int) ([]*model.DatasetUse, error) {
	if first < 0 || first > maxFirst {
		return nil, refuse("first must be from 0 to %d", maxFirst)
	}
	v, err := viewOf(ctx, f.reader, nil)
	if err != nil {
		return nil, err
	}
	name := "uses " + strconv.Itoa(first) + " " + v.Name()
	return load(ctx, name, keyOfDataset(d), func(ctx context.Context, keys []model.Key) (map[model.Key][]*model.DatasetUse, error) {
		var s database.Statement
		s.Add("SELECT chain, dataset, ", database.Selection[model.DatasetUse](), " FROM (")
		// The price is the same whoever owns the dataset, and one owner is paid for a deal.
		paidFor(&s, v.Only(chainsOf(keys)...), "d.requester AS requester, d.app AS app, uniqExact(d.id) AS deals, sum(d.bot_size) AS tasks, sum(p.paid) AS paid", keys)
		s.Add(", requester, app) ORDER BY paid DESC, requester, app LIMIT ", strconv.Itoa(first), " BY chain, dataset")
		rows, err := database.Rows[struct {
			Chain   uint64 `ch:"chain"`
			Dataset string `ch:"dataset"`
			model.DatasetUse
		}](ctx, f.reader, &s)
		found := make(map[model.Key][]*model.DatasetUse)
		for _, row := range rows {
			key := model.Key{Chain: row.Chain, ID: row.Dataset}
			found[key] = append(found[key], &row.DatasetUse)
		}
		return found, err
	})
}

func (f datasetFields) Earnings(ctx context.Context, d *model.Dataset) ([]*model.DatasetEarning, error) {
	v, err := viewOf(ctx, f.reader, nil)
	if err != nil {
		return nil, err
	}
	return load(ctx, "earnings "+v.Name(), keyOfDataset(d), func(ctx context.Context, keys []model.Key) (map[model.Key][]*model.DatasetEarning, error) {
		var s database.Statement
		s.Add("SELECT chain, dataset, ", database.Selection[model.DatasetEarning](), " FROM (")
		paidFor(&s, v.Only(chainsOf(keys)...), "p.account AS owner, sum(p.paid) AS amount", keys)
		s.Add(", owner) WHERE owner != '' ORDER BY amount DESC, owner LIMIT ", strconv.Itoa(maxFirst), " BY chain, dataset")
		rows, err := database.Rows[struct {
			Chain   uint64 `ch:"chain"`
			Dataset string `ch:"dataset"`
			model.DatasetEarning
		}](ctx, f.reader, &s)
		found := make(map[model.Key][]*model.DatasetEarning)
		for _, row := range rows {
			key := model.Key{Chain: row.Chain, ID: row.Dataset}
			found[key] = append(found[key], &row.DatasetEarning)
		}
		return found, err
	})
}
