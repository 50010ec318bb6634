package analytics

import (
	"context"
	"time"

	"assay/graphql/analytics/generated"
	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

var (
	categoryTable = database.Table{Name: "categories", Key: []string{"id"}}
	categories    = list[model.Category]{
		name: "category", table: categoryTable, scope: "1", columns: database.Selection[model.Category](),
		order: []column{chainColumn, {"toInt256(id)", "Int256"}},
		at:    func(c *model.Category) []any { return []any{c.Chain, c.ID} },
	}
	categoryOf      = nest[model.Category]{list: &categories, column: "toString(id)", parent: keyOfCategory}
	dealsOfCategory = nest[model.Deal]{list: &deals, column: "toString(category)", parent: func(d *model.Deal) model.Key { return model.Key{Chain: d.Chain, ID: d.Category} }}
)

func keyOfCategory(c *model.Category) model.Key { return model.Key{Chain: c.Chain, ID: c.ID} }

type categoryFields struct{ *reader }

func (r *resolver) Category() generated.CategoryResolver { return categoryFields{r.reader} }

func (q query) Category(ctx context.Context, id string, chain *uint64, _ *model.AsOf) (*model.Category, error) {
	var where conditions
	where.chain(chain)
	return categories.one(ctx, q.reader, append(where, columnIs("id", "UInt256", id)))
}

func (q query) Categories(ctx context.Context, first int, after *string, filter *model.CategoryFilter, _ *model.AsOf) (*model.CategoryConnection, error) {
	return categories.read(ctx, q.reader, first, after, categoryConditions(filter))
}

func (q query) Prices(ctx context.Context, filter *model.DealFilter, _ *model.AsOf) ([]*model.CategoryPrice, error) {
	return groups[model.CategoryPrice](ctx, q.reader, &deals, dealConditions(filter), "chain, deals.category")
}

func (f categoryFields) Deals(ctx context.Context, c *model.Category, first int, after *string, _ *model.AsOf) (*model.DealConnection, error) {
	return dealsOfCategory.read(ctx, f.reader, keyOfCategory(c), first, after)
}

func (f categoryFields) Measures(ctx context.Context, c *model.Category, since, until *time.Time, _ *model.AsOf) (*model.Measures, error) {
	return measures(ctx, f.reader, "CATEGORY", keyOfCategory(c), since, until)
}

func (f categoryFields) Series(ctx context.Context, c *model.Category, step string, since, until *time.Time, first int, after *string, _ *model.AsOf) (*model.SeriesPointConnection, error) {
	return pointsOf(ctx, f.reader, hourly{dimension: "CATEGORY", since: since, until: until}, model.Key{Chain: c.Chain, ID: c.ID}, step, first, after)
}

func (f dealFields) CategoryEntry(ctx context.Context, d *model.Deal) (*model.Category, error) {
	return categoryOf.one(ctx, f.reader, model.Key{Chain: d.Chain, ID: d.Category})
}
