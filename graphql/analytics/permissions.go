package analytics

import (
	"context"
	"fmt"
	"slices"

	"assay/graphql/analytics/generated"
	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

// The tables that tell who may use which dataset.
var (
	datasetOrderTable     = database.Table{Name: "dataset_orders", Key: []string{"id"}}
	datasetWhitelistTable = database.Table{Name: "dataset_whitelists", Key: []string{"id"}}
	protectedDataTable    = database.Table{Name: "dataprotector_protected_data", Key: []string{"id"}}
	rentalTable           = database.Table{Name: "dataprotector_rental"}
	subscriptionTable     = database.Table{Name: "dataprotector_collection_subscription"}
	saleTable             = database.Table{Name: "dataprotector_sale"}
	collectionTable       = database.Table{Name: "dataprotector_collection", Key: []string{"id"}}
	subscriptionTerms     = database.Table{Name: "dataprotector_subscription_param", Key: []string{"id"}}
	rentalTerms           = database.Table{Name: "dataprotector_rental_param", Key: []string{"id"}}
	saleTerms             = database.Table{Name: "dataprotector_sale_param", Key: []string{"id"}}
	whitelistTable        = database.Table{Name: "dataprotector_add_only_app_whitelist", Key: []string{"id"}}
	whitelistedTable      = database.Table{Name: "dataprotector_app", Key: []string{"id"}}
)

var (
	permissions = list[model.DatasetPermission]{
		name: "permission", derived: permissionRows, scope: "1", columns: database.Selection[model.DatasetPermission](), descending: true,
		order: []column{{"known_at", "UInt64"}, chainColumn, {"id", "Text"}, {"dataset", "String"}},
		at:    func(p *model.DatasetPermission) []any { return []any{p.Known, p.Chain, p.ID, p.DatasetAddress} },
	}
	permissionsOfDataset = nest[model.DatasetPermission]{list: &permissions, column: "dataset", parent: func(p *model.DatasetPermission) model.Key {
		return model.Key{Chain: p.Chain, ID: p.DatasetAddress}
	}}

	sales = list[model.DatasetSale]{
		name: "sale", table: saleTable, scope: "1", columns: database.Selection[model.DatasetSale](), descending: true,
		order: []column{{"creationTimestamp", "UInt64"}, chainColumn, {"block_number", "UInt64"}, {"id", "Text"}},
		at:    func(s *model.DatasetSale) []any { return []any{s.Seconds, s.Chain, s.BlockNumber, s.ID} },
	}
	salesOfDataset = nest[model.DatasetSale]{list: &sales, column: "protectedData", parent: func(s *model.DatasetSale) model.Key {
		return model.Key{Chain: s.Chain, ID: s.Dataset}
	}}

	eventsOfOrder = nest[model.OrderEvent]{list: &orderEvents, column: "hash", parent: func(e *model.OrderEvent) model.Key {
		return model.Key{Chain: e.Chain, ID: *e.Hash}
	}}
)

const anybody = "'" + model.Anybody + "'"

// permissionRows makes the rows of what lets somebody use a dataset. An order holds while one
// who signed it owns the dataset and something is left of it (IexecPoco1Facet.matchOrders: the
// owner is asked anew for each deal). Of rentals and subscriptions the newest of an account
// counts, to its end and at it (DataProtectorSharing.renters and subscribers).
func permissionRows(s *database.Statement, v database.View) string {
	shared := func(kind, who, data, from string) string {
		return "SELECT x.chain AS chain, '" + kind + "' AS kind, x.id AS id, " + data + " AS dataset, nullIf(w.whitelist, '') AS app_restrict, toNullable(" + anybody + ") AS workerpool_restrict, " +
			"toNullable(x." + who + ") AS requester_restrict, CAST(NULL, 'Nullable(String)') AS tag, CAST(NULL, 'Nullable(UInt256)') AS price, CAST(NULL, 'Nullable(UInt256)') AS volume, " +
			"CAST(NULL, 'Nullable(UInt256)') AS consumed, false AS closed, CAST([], 'Array(String)') AS signers, CAST([], 'Array(LowCardinality(String))') AS sources, " +
			"x.creationTimestamp AS known_at, x.endDate AS ends, x.block_number AS block_number, toNullable(toUInt8(x.endDate >= " + v.Clock(s, "x.chain") + ")) AS active FROM " + from +
			" LEFT JOIN (SELECT chain, id, whitelist FROM " + v.Rows(s, datasetWhitelistTable) + ") AS w ON x.chain = w.chain AND " + data + " = w.id"
	}
	newest := func(t database.Table, by string) string {
		return "(SELECT * FROM " + v.Rows(s, t) + " ORDER BY chain, " + by + ", block_number DESC, id DESC LIMIT 1 BY chain, " + by + ") AS x"
	}
	return "(SELECT o.chain AS chain, 'ORDER' AS kind, o.id AS id, o.dataset AS dataset, app_restrict, workerpool_restrict, requester_restrict, tag, price, volume, " +
		"toNullable(o.consumed) AS consumed, closed, signers, sources, known_at, toUInt64(0) AS ends, o.block_number AS block_number, " +
		"multiIf(closed OR ifNull(o.consumed >= volume, 0) OR (notEmpty(signers) AND NOT has(signers, r.owner)), toNullable(0), volume IS NULL OR empty(signers), NULL, 1) AS active FROM " +
		"(SELECT * FROM " + v.Rows(s, datasetOrderTable) + " WHERE dataset != " + anybody + ") AS o LEFT JOIN " +
		"(SELECT chain, address, owner FROM " + v.Rows(s, resourceTable) + " WHERE kind = 'DATASET') AS r ON o.chain = r.chain AND o.dataset = r.address UNION ALL " +
		shared("RENTAL", "renter", "x.protectedData", newest(rentalTable, "protectedData, renter")) + " UNION ALL " +
		shared("SUBSCRIPTION", "subscriber", "p.id", newest(subscriptionTable, "collection, subscriber")+
			" INNER JOIN (SELECT chain, id, collection FROM "+v.Rows(s, protectedDataTable)+" WHERE isIncludedInSubscription) AS p ON x.chain = p.chain AND x.collection = p.collection") + ")"
}

// lets asks that a restriction lets an address.
func (c *conditions) lets(restriction string, address *string) {
	if address != nil {
		*c = append(*c, database.Condition{
			SQL:  "(" + restriction + " IN (" + anybody + ", ?) OR (chain, " + restriction + ") IN (SELECT chain, arrayJoin(addOnlyAppWhitelists) FROM {rows} WHERE id = ?))",
			Kind: "String", Value: *address, Of: &whitelistedTable,
		})
	}
}

func (c *conditions) active(active *bool) {
	if active != nil {
		*c = append(*c, database.Condition{SQL: "active = ?", Kind: "Bool", Value: *active})
	}
}

func permissionConditions(f *model.PermissionFilter) (c conditions) {
	if f == nil {
		return nil
	}
	c.chain(f.Chain)
	c.text("dataset = ?", f.Dataset)
	c.through("chain, dataset", resourceTable, "chain, address", "kind = 'DATASET' AND owner = ?", f.Owner)
	c.among("kind", f.Kind)
	c.lets("app_restrict", f.App)
	c.lets("requester_restrict", f.Requester)
	c.lets("workerpool_restrict", f.Workerpool)
	c.active(f.Active)
	c.during("toDateTime(known_at, 'UTC')", f.Since, f.Until)
	return c
}

func (q query) Permissions(ctx context.Context, first int, after *string, filter *model.PermissionFilter, _ *model.AsOf) (*model.DatasetPermissionConnection, error) {
	return permissions.read(ctx, q.reader, first, after, permissionConditions(filter))
}

func (q query) MayUse(ctx context.Context, app, requester, workerpool *string, chain *uint64, first int, after *string, _ *model.AsOf) (*model.DatasetPermissionConnection, error) {
	active := true
	return permissions.read(ctx, q.reader, first, after, permissionConditions(&model.PermissionFilter{
		Chain: chain, App: app, Requester: requester, Workerpool: workerpool, Active: &active,
	}))
}

func (f datasetFields) Permissions(ctx context.Context, d *model.Dataset, first int, after, app, requester, workerpool *string, active *bool, _ *model.AsOf) (*model.DatasetPermissionConnection, error) {
	of := permissionsOfDataset
	of.where = permissionConditions(&model.PermissionFilter{App: app, Requester: requester, Workerpool: workerpool, Active: active})
	return of.read(ctx, f.reader, keyOfDataset(d), first, after)
}

func (f datasetFields) Sales(ctx context.Context, d *model.Dataset, first int, after *string, _ *model.AsOf) (*model.DatasetSaleConnection, error) {
	return salesOfDataset.read(ctx, f.reader, keyOfDataset(d), first, after)
}

func (f datasetFields) Sharing(ctx context.Context, d *model.Dataset) (*model.DatasetSharing, error) {
	v, err := viewOf(ctx, f.reader, nil)
	if err != nil {
		return nil, err
	}
	return load(ctx, "sharing "+v.Name(), keyOfDataset(d), func(ctx context.Context, keys []model.Key) (map[model.Key]*model.DatasetSharing, error) {
		rows, err := database.Rows[model.DatasetSharing](ctx, f.reader, sharingOf(v.Only(chainsOf(keys)...), keys))
		found := make(map[model.Key]*model.DatasetSharing, len(rows))
		for _, row := range rows {
			found[model.Key{Chain: row.Chain, ID: row.Dataset}] = row
		}
		return found, err
	})
}

// sharingOf reads how datasets are shared. Terms stand while what they are for is offered.
func sharingOf(v database.View, datasets []model.Key) *database.Statement {
	var s database.Statement
	terms := func(t database.Table, columns string) string {
		return "(SELECT chain, id, " + columns + " FROM " + v.Rows(&s, t) + ")"
	}
	s.Add("SELECT p.chain AS chain, p.id AS dataset, assumeNotNull(p.collection) AS collection, c.owner AS collection_owner, nullIf(nullIf(w.whitelist, ''), ", anybody, ") AS whitelist, ",
		"ifNull(p.isIncludedInSubscription, false) AS in_subscription, if(c.said, toString(s.price), NULL) AS subscription_price, if(c.said, toNullable(s.duration), NULL) AS subscription_duration, ",
		"if(p.isRentable, toString(r.price), NULL) AS rental_price, if(p.isRentable, toNullable(r.duration), NULL) AS rental_duration, if(p.isForSale, toString(f.price), NULL) AS sale_price FROM ",
		"(SELECT * FROM ", v.Rows(&s, protectedDataTable), " WHERE collection IS NOT NULL AND (chain, id) IN ", pairs(&s, datasets), ") AS p LEFT JOIN ",
		terms(collectionTable, "owner, subscriptionParams IS NOT NULL AS said"), " AS c ON p.chain = c.chain AND p.collection = c.id LEFT JOIN ",
		terms(datasetWhitelistTable, "whitelist"), " AS w ON p.chain = w.chain AND p.id = w.id LEFT JOIN ",
		terms(subscriptionTerms, "price, duration"), " AS s ON p.chain = s.chain AND p.collection = s.id LEFT JOIN ",
		terms(rentalTerms, "price, duration"), " AS r ON p.chain = r.chain AND p.id = r.id LEFT JOIN ",
		terms(saleTerms, "price"), " AS f ON p.chain = f.chain AND p.id = f.id")
	return &s
}

type (
	permissionFields  struct{ *reader }
	restrictionFields struct{ *reader }
)

func (r *resolver) DatasetPermission() generated.DatasetPermissionResolver {
	return permissionFields{r.reader}
}
func (r *resolver) Restriction() generated.RestrictionResolver { return restrictionFields{r.reader} }

func (f permissionFields) Dataset(ctx context.Context, p *model.DatasetPermission) (*model.Dataset, error) {
	return datasetOf.one(ctx, f.reader, model.Key{Chain: p.Chain, ID: p.DatasetAddress})
}

func (f permissionFields) Events(ctx context.Context, p *model.DatasetPermission, first int, after *string, _ *model.AsOf) (*model.OrderEventConnection, error) {
	return eventsOfOrder.read(ctx, f.reader, model.Key{Chain: p.Chain, ID: p.ID}, first, after)
}

// Kind tells a whitelist from another address.
func (f restrictionFields) Kind(ctx context.Context, r *model.Restriction) (string, error) {
	switch {
	case r.Only == nil:
		return "UNKNOWN", nil
	case *r.Only == model.Anybody:
		return "ANY", nil
	}
	v, err := viewOf(ctx, f.reader, nil)
	if err != nil {
		return "", err
	}
	is, err := load(ctx, "whitelists "+v.Name(), model.Key{Chain: r.Chain, ID: *r.Only}, func(ctx context.Context, keys []model.Key) (map[model.Key]bool, error) {
		return whitelistsAmong(ctx, f.reader, v.Only(chainsOf(keys)...), keys)
	})
	if is {
		return "WHITELIST", err
	}
	return "ADDRESS", err
}

func whitelistsAmong(ctx context.Context, r *reader, v database.View, keys []model.Key) (map[model.Key]bool, error) {
	var s database.Statement
	s.Add("SELECT chain, id FROM ", v.Rows(&s, whitelistTable), " WHERE (chain, id) IN ", pairs(&s, keys))
	rows, err := database.Rows[struct {
		Chain uint64 `ch:"chain"`
		ID    string `ch:"id"`
	}](ctx, r, &s)
	are := make(map[model.Key]bool, len(rows))
	for _, row := range rows {
		are[model.Key{Chain: row.Chain, ID: row.ID}] = true
	}
	return are, err
}

// values of conditions, to tell lists that are filtered differently from each other.
func (c conditions) values() string {
	parts := make([]string, 0, 2*len(c))
	for _, condition := range c {
		parts = append(parts, condition.SQL, fmt.Sprint(condition.Value))
	}
	return fmt.Sprint(slices.Clip(parts))
}
