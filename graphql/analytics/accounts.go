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
