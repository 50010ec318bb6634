package analytics

import (
	"context"
	"time"

	"assay/graphql/analytics/generated"
	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

// entries are the apps, datasets or worker pools of the registries, the newest first.
func entries[T any](kind string, at func(*T) (registered time.Time, chain uint64, address string)) list[T] {
	return list[T]{
		name: kind, table: resourceTable, scope: "kind = '" + kind + "'", columns: database.Selection[T](), descending: true,
		order: []column{{"toUnixTimestamp(registered_at)", "UInt64"}, chainColumn, {"address", "String"}},
		at: func(row *T) []any {
			registered, chain, address := at(row)
			return []any{uint64(registered.Unix()), chain, address}
		},
	}
}

// states are what things were after each block, the newest first.
func states[T any](table, scope, key string, at func(*T) []any) list[T] {
	return list[T]{
		name: "state", table: database.Table{Name: table}, scope: scope, columns: database.Selection[T](), descending: true,
		order: []column{{"block_number", "UInt64"}, chainColumn, {key, "String"}}, at: at,
	}
}

var (
	workerpools = entries("WORKERPOOL", func(w *model.Workerpool) (time.Time, uint64, string) { return w.RegisteredAt, w.Chain, w.Address })
	apps        = entries("APP", func(a *model.App) (time.Time, uint64, string) { return a.RegisteredAt, a.Chain, a.Address })
	datasets    = entries("DATASET", func(d *model.Dataset) (time.Time, uint64, string) { return d.RegisteredAt, d.Chain, d.Address })

	accountStates = states("accounts_history", "1", "address", func(s *model.AccountState) []any { return []any{s.BlockNumber, s.Chain, s.Address} })
	entryStates   = states("resources_history", "1", "address", func(s *model.EntryState) []any { return []any{s.BlockNumber, s.Chain, s.Address} })

	workerpoolOf = nest[model.Workerpool]{list: &workerpools, column: "address", parent: keyOfWorkerpool}
	appOf        = nest[model.App]{list: &apps, column: "address", parent: keyOfApp}
	datasetOf    = nest[model.Dataset]{list: &datasets, column: "address", parent: keyOfDataset}

	workerpoolsOfOwner = nest[model.Workerpool]{list: &workerpools, column: "owner", parent: func(w *model.Workerpool) model.Key { return model.Key{Chain: w.Chain, ID: w.Owner} }}
	appsOfOwner        = nest[model.App]{list: &apps, column: "owner", parent: func(a *model.App) model.Key { return model.Key{Chain: a.Chain, ID: a.Owner} }}
	datasetsOfOwner    = nest[model.Dataset]{list: &datasets, column: "owner", parent: func(d *model.Dataset) model.Key { return model.Key{Chain: d.Chain, ID: d.Owner} }}

	dealsOfApp     = nest[model.Deal]{list: &deals, column: "app", parent: func(d *model.Deal) model.Key { return model.Key{Chain: d.Chain, ID: d.App} }}
	dealsOfDataset = nest[model.Deal]{list: &deals, column: "dataset", parent: datasetOfDeal}

	statesOfAccount = nest[model.AccountState]{list: &accountStates, column: "address", parent: func(s *model.AccountState) model.Key { return model.Key{Chain: s.Chain, ID: s.Address} }}
	statesOfEntry   = nest[model.EntryState]{list: &entryStates, column: "address", parent: func(s *model.EntryState) model.Key { return model.Key{Chain: s.Chain, ID: s.Address} }}
)

func datasetOfDeal(d *model.Deal) model.Key {
	if d.Dataset == nil {
		return model.Key{Chain: d.Chain} // no dataset
	}
	return model.Key{Chain: d.Chain, ID: *d.Dataset}
}

func keyOfWorkerpool(w *model.Workerpool) model.Key { return model.Key{Chain: w.Chain, ID: w.Address} }
func keyOfApp(a *model.App) model.Key               { return model.Key{Chain: a.Chain, ID: a.Address} }
func keyOfDataset(d *model.Dataset) model.Key       { return model.Key{Chain: d.Chain, ID: d.Address} }
func keyOfAccount(a *model.Account) model.Key       { return model.Key{Chain: a.Chain, ID: a.Address} }

type (
	appFields          struct{ *reader }
	datasetFields      struct{ *reader }
	entryStateFields   struct{ *reader }
	accountStateFields struct{ *reader }
)

func (r *resolver) App() generated.AppResolver                   { return appFields{r.reader} }
func (r *resolver) Dataset() generated.DatasetResolver           { return datasetFields{r.reader} }
func (r *resolver) EntryState() generated.EntryStateResolver     { return entryStateFields{r.reader} }
func (r *resolver) AccountState() generated.AccountStateResolver { return accountStateFields{r.reader} }

func (q query) App(ctx context.Context, address string, chain *uint64, _ *model.AsOf) (*model.App, error) {
	return apps.one(ctx, q.reader, named("address", address, chain))
}

func (q query) Apps(ctx context.Context, first int, after *string, filter *model.AppFilter, _ *model.AsOf) (*model.AppConnection, error) {
	return apps.read(ctx, q.reader, first, after, appConditions(filter))
}

func (q query) Dataset(ctx context.Context, address string, chain *uint64, _ *model.AsOf) (*model.Dataset, error) {
	return datasets.one(ctx, q.reader, named("address", address, chain))
}

func (q query) Datasets(ctx context.Context, first int, after *string, filter *model.DatasetFilter, _ *model.AsOf) (*model.DatasetConnection, error) {
	return datasets.read(ctx, q.reader, first, after, datasetConditions(filter))
}

func (f appFields) OwnerAccount(ctx context.Context, a *model.App) (*model.Account, error) {
	return accountOf.one(ctx, f.reader, model.Key{Chain: a.Chain, ID: a.Owner})
}

func (f appFields) Deals(ctx context.Context, a *model.App, first int, after *string, _ *model.AsOf) (*model.DealConnection, error) {
	return dealsOfApp.read(ctx, f.reader, keyOfApp(a), first, after)
}

func (f appFields) History(ctx context.Context, a *model.App, first int, after *string, _ *model.AsOf) (*model.EntryStateConnection, error) {
	return statesOfEntry.read(ctx, f.reader, keyOfApp(a), first, after)
}

func (f appFields) Measures(ctx context.Context, a *model.App, since, until *time.Time, _ *model.AsOf) (*model.Measures, error) {
	return measures(ctx, f.reader, "APP", keyOfApp(a), since, until)
}

func (f appFields) Series(ctx context.Context, a *model.App, step string, since, until *time.Time, first int, after *string, _ *model.AsOf) (*model.SeriesPointConnection, error) {
	return pointsOf(ctx, f.reader, hourly{dimension: "APP", since: since, until: until}, model.Key{Chain: a.Chain, ID: a.Address}, step, first, after)
}

func (f datasetFields) OwnerAccount(ctx context.Context, d *model.Dataset) (*model.Account, error) {
	return accountOf.one(ctx, f.reader, model.Key{Chain: d.Chain, ID: d.Owner})
}

func (f datasetFields) Deals(ctx context.Context, d *model.Dataset, first int, after *string, _ *model.AsOf) (*model.DealConnection, error) {
	return dealsOfDataset.read(ctx, f.reader, keyOfDataset(d), first, after)
}

func (f datasetFields) History(ctx context.Context, d *model.Dataset, first int, after *string, _ *model.AsOf) (*model.EntryStateConnection, error) {
	return statesOfEntry.read(ctx, f.reader, keyOfDataset(d), first, after)
}

func (f datasetFields) Measures(ctx context.Context, d *model.Dataset, since, until *time.Time, _ *model.AsOf) (*model.Measures, error) {
	return measures(ctx, f.reader, "DATASET", keyOfDataset(d), since, until)
}

func (f datasetFields) Series(ctx context.Context, d *model.Dataset, step string, since, until *time.Time, first int, after *string, _ *model.AsOf) (*model.SeriesPointConnection, error) {
	return pointsOf(ctx, f.reader, hourly{dimension: "DATASET", since: since, until: until}, model.Key{Chain: d.Chain, ID: d.Address}, step, first, after)
}

func (f workerpoolFields) OwnerAccount(ctx context.Context, w *model.Workerpool) (*model.Account, error) {
	return accountOf.one(ctx, f.reader, model.Key{Chain: w.Chain, ID: w.Owner})
}

func (f workerpoolFields) History(ctx context.Context, w *model.Workerpool, first int, after *string, _ *model.AsOf) (*model.EntryStateConnection, error) {
	return statesOfEntry.read(ctx, f.reader, keyOfWorkerpool(w), first, after)
}

func (f workerpoolFields) Measures(ctx context.Context, w *model.Workerpool, since, until *time.Time, _ *model.AsOf) (*model.Measures, error) {
	return measures(ctx, f.reader, "WORKERPOOL", keyOfWorkerpool(w), since, until)
}

func (f workerpoolFields) Series(ctx context.Context, w *model.Workerpool, step string, since, until *time.Time, first int, after *string, _ *model.AsOf) (*model.SeriesPointConnection, error) {
	return pointsOf(ctx, f.reader, hourly{dimension: "WORKERPOOL", since: since, until: until}, model.Key{Chain: w.Chain, ID: w.Address}, step, first, after)
}

func (f accountFields) Workerpools(ctx context.Context, a *model.Account, first int, after *string, _ *model.AsOf) (*model.WorkerpoolConnection, error) {
	return workerpoolsOfOwner.read(ctx, f.reader, keyOfAccount(a), first, after)
}

func (f accountFields) Apps(ctx context.Context, a *model.Account, first int, after *string, _ *model.AsOf) (*model.AppConnection, error) {
	return appsOfOwner.read(ctx, f.reader, keyOfAccount(a), first, after)
}

func (f accountFields) Datasets(ctx context.Context, a *model.Account, first int, after *string, _ *model.AsOf) (*model.DatasetConnection, error) {
	return datasetsOfOwner.read(ctx, f.reader, keyOfAccount(a), first, after)
}

func (f accountFields) History(ctx context.Context, a *model.Account, first int, after *string, _ *model.AsOf) (*model.AccountStateConnection, error) {
	return statesOfAccount.read(ctx, f.reader, keyOfAccount(a), first, after)
}

func (f accountFields) RequesterMeasures(ctx context.Context, a *model.Account, since, until *time.Time, _ *model.AsOf) (*model.Measures, error) {
	return measures(ctx, f.reader, "REQUESTER", keyOfAccount(a), since, until)
}

func (f accountFields) RequesterSeries(ctx context.Context, a *model.Account, step string, since, until *time.Time, first int, after *string, _ *model.AsOf) (*model.SeriesPointConnection, error) {
	return pointsOf(ctx, f.reader, hourly{dimension: "REQUESTER", since: since, until: until}, model.Key{Chain: a.Chain, ID: a.Address}, step, first, after)
}

func (f accountFields) WorkerMeasures(ctx context.Context, a *model.Account, since, until *time.Time, _ *model.AsOf) (*model.Measures, error) {
	return measures(ctx, f.reader, "WORKER", keyOfAccount(a), since, until)
}

func (f accountFields) WorkerSeries(ctx context.Context, a *model.Account, step string, since, until *time.Time, first int, after *string, _ *model.AsOf) (*model.SeriesPointConnection, error) {
	return pointsOf(ctx, f.reader, hourly{dimension: "WORKER", since: since, until: until}, model.Key{Chain: a.Chain, ID: a.Address}, step, first, after)
}

func (f entryStateFields) Time(ctx context.Context, s *model.EntryState) (*time.Time, error) {
	return timeOf(ctx, f.reader, s.Chain, s.BlockNumber)
}

func (f accountStateFields) Time(ctx context.Context, s *model.AccountState) (*time.Time, error) {
	return timeOf(ctx, f.reader, s.Chain, s.BlockNumber)
}

func (f dealFields) AppEntry(ctx context.Context, d *model.Deal) (*model.App, error) {
	return appOf.one(ctx, f.reader, model.Key{Chain: d.Chain, ID: d.App})
}

func (f dealFields) DatasetEntry(ctx context.Context, d *model.Deal) (*model.Dataset, error) {
	if d.Dataset == nil {
		return nil, nil
	}
	return datasetOf.one(ctx, f.reader, model.Key{Chain: d.Chain, ID: *d.Dataset})
}
