package analytics

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/graph-gophers/dataloader/v7"

	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

// batchSize is how many parents one statement reads the rows of. More would not fit in
// the address of a request to the database.
const batchSize = 500

// nest is the rows of a list below a parent: those whose column names it.
type nest[T any] struct {
	list   *list[T]
	column string             // beside chain
	parent func(*T) model.Key // what chain and column say
	where  conditions         // which of them
}

var (
	dealOf    = nest[model.Deal]{list: &deals, column: "id", parent: func(d *model.Deal) model.Key { return model.Key{Chain: d.Chain, ID: d.ID} }}
	taskOf    = nest[model.Task]{list: &tasks, column: "id", parent: func(t *model.Task) model.Key { return model.Key{Chain: t.Chain, ID: t.ID} }}
	accountOf = nest[model.Account]{list: &accounts, column: "address", parent: func(a *model.Account) model.Key { return model.Key{Chain: a.Chain, ID: a.Address} }}

	dealsOfPool      = nest[model.Deal]{list: &deals, column: "workerpool", parent: func(d *model.Deal) model.Key { return model.Key{Chain: d.Chain, ID: d.WorkerpoolAddress} }}
	dealsOfRequester = nest[model.Deal]{list: &deals, column: "requester", parent: func(d *model.Deal) model.Key { return model.Key{Chain: d.Chain, ID: d.Requester} }}

	tasksOfDeal = nest[model.Task]{list: &tasks, column: "deal", parent: func(t *model.Task) model.Key { return model.Key{Chain: t.Chain, ID: t.DealID} }}
	tasksOfPool = nest[model.Task]{list: &tasks, column: "workerpool", parent: func(t *model.Task) model.Key { return model.Key{Chain: t.Chain, ID: t.WorkerpoolAddress} }}

	contributionsOfTask   = nest[model.Contribution]{list: &contributions, column: "task", parent: func(c *model.Contribution) model.Key { return model.Key{Chain: c.Chain, ID: c.TaskID} }}
	contributionsOfPool   = nest[model.Contribution]{list: &contributions, column: "workerpool", parent: func(c *model.Contribution) model.Key { return model.Key{Chain: c.Chain, ID: c.WorkerpoolAddress} }}
	contributionsOfWorker = nest[model.Contribution]{list: &contributions, column: "worker", parent: func(c *model.Contribution) model.Key { return model.Key{Chain: c.Chain, ID: c.Worker} }}

	verdictsOfTask   = nest[model.Verdict]{list: &verdicts, column: "task", parent: func(v *model.Verdict) model.Key { return model.Key{Chain: v.Chain, ID: *v.TaskID} }}
	verdictsOfPool   = nest[model.Verdict]{list: &verdicts, column: "workerpool", parent: func(v *model.Verdict) model.Key { return model.Key{Chain: v.Chain, ID: v.WorkerpoolAddress} }}
	verdictsOfWorker = nest[model.Verdict]{list: &verdicts, column: "worker", parent: func(v *model.Verdict) model.Key { return model.Key{Chain: v.Chain, ID: *v.Worker} }}

	payoutsOfTask    = nest[model.Payout]{list: &payouts, column: "task", parent: func(p *model.Payout) model.Key { return model.Key{Chain: p.Chain, ID: p.TaskID} }}
	payoutsOfDeal    = nest[model.Payout]{list: &payouts, column: "deal", parent: func(p *model.Payout) model.Key { return model.Key{Chain: p.Chain, ID: p.DealID} }}
	payoutsOfPool    = nest[model.Payout]{list: &payouts, column: "workerpool", parent: func(p *model.Payout) model.Key { return model.Key{Chain: p.Chain, ID: p.WorkerpoolAddress} }}
	payoutsOfAccount = nest[model.Payout]{list: &payouts, column: "account", parent: func(p *model.Payout) model.Key { return model.Key{Chain: p.Chain, ID: p.AccountAddress} }}

	postingsOfAccount = nest[model.Posting]{list: &postings, column: "account", parent: func(p *model.Posting) model.Key { return model.Key{Chain: p.Chain, ID: p.AccountAddress} }}
	settlementOf      = nest[model.Settlement]{list: &settlements, column: "task", parent: func(s *model.Settlement) model.Key { return model.Key{Chain: s.Chain, ID: s.TaskID} }}
	linesOfSettlement = nest[model.SettlementLine]{list: &settlementLines, column: "task", parent: func(l *model.SettlementLine) model.Key { return model.Key{Chain: l.Chain, ID: l.TaskID} }}
)

// read answers with a page of the parent's rows. All parents in a response that ask for
// the same page are read by one statement.
func (n nest[T]) read(ctx context.Context, r *reader, parent model.Key, first int, after *string) (*model.Connection[T], error) {
	p, err := n.list.page(first, after)
	if err != nil {
		return nil, err
	}
	rows, err := n.rows(ctx, r, parent, p)
	if err != nil {
		return nil, err
	}
	return n.list.connection(rows, p, func(ctx context.Context) (uint64, error) {
		return n.count(ctx, r, parent)
	}), nil
}

// one answers with the parent's first row, nil for none.
func (n nest[T]) one(ctx context.Context, r *reader, parent model.Key) (*T, error) {
	rows, err := n.rows(ctx, r, parent, page{first: 0})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0], nil
}

func (n nest[T]) rows(ctx context.Context, r *reader, parent model.Key, p page) ([]*T, error) {
	v, err := viewBelow(ctx, r, parent)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprint("rows ", n.list.name, " ", n.column, " ", p.first, " ", p.after, " ", v.Name(), n.where.values())
	return load(ctx, name, parent, func(ctx context.Context, keys []model.Key) (map[model.Key][]*T, error) {
		all, err := database.Rows[T](ctx, r, n.selectRows(v, keys, p))
		if err != nil {
			return nil, err
		}
		rows := make(map[model.Key][]*T, len(keys))
		for _, row := range all {
			rows[n.parent(row)] = append(rows[n.parent(row)], row)
		}
		return rows, nil
	})
}

func (n nest[T]) count(ctx context.Context, r *reader, parent model.Key) (uint64, error) {
	v, err := viewBelow(ctx, r, parent)
	if err != nil {
		return 0, err
	}
	name := fmt.Sprint("count ", n.list.name, " ", n.column, " ", v.Name(), n.where.values())
	return load(ctx, name, parent, func(ctx context.Context, keys []model.Key) (map[model.Key]uint64, error) {
		rows, err := database.Rows[struct {
			Chain  uint64 `ch:"chain"`
			Parent string `ch:"parent"`
			Count  uint64 `ch:"count"`
		}](ctx, r, n.selectCounts(v, keys))
		if err != nil {
			return nil, err
		}
		counts := make(map[model.Key]uint64, len(keys))
		for _, row := range rows {
			counts[model.Key{Chain: row.Chain, ID: row.Parent}] = row.Count
		}
		return counts, nil
	})
}

// selectRows selects the page of each parent and, to know whether there is a next one, a
// row more.
func (n nest[T]) selectRows(v database.View, parents []model.Key, p page) *database.Statement {
	v = v.Only(chainsOf(parents)...)
	s := n.list.from(v, n.list.columns)
	n.below(s, v, parents)
	n.list.sorted(s, p.after)
	s.Add(" LIMIT ", strconv.Itoa(p.first+1), " BY chain, ", n.column)
	return s
}

func (n nest[T]) selectCounts(v database.View, parents []model.Key) *database.Statement {
	v = v.Only(chainsOf(parents)...)
	s := n.list.from(v, "chain, "+n.column+" AS parent, count() AS count")
	n.below(s, v, parents)
	s.Add(" GROUP BY chain, parent")
	return s
}

func chainsOf(keys []model.Key) []uint64 {
	var chains []uint64
	for _, key := range keys {
		if !slices.Contains(chains, key.Chain) {
			chains = append(chains, key.Chain)
		}
	}
	return chains
}

func (n nest[T]) below(s *database.Statement, v database.View, parents []model.Key) {
	s.Add(" AND (chain, ", n.column, ") IN ", pairs(s, parents))
	s.Where(v, n.where)
}

// loaders batch what the fields of one response ask for.
type loaders struct {
	mutex  sync.Mutex
	byName map[string]any
	wait   time.Duration // how long a batch waits for more keys
}

type loadersKey struct{}

func withLoaders(ctx context.Context, wait time.Duration) context.Context {
	return context.WithValue(ctx, loadersKey{}, &loaders{byName: make(map[string]any), wait: wait})
}

// load reads the value of a key, together with the other keys that are wanted of the same
// name at that time, and once for the whole response. A key that read does not answer has
// the zero value.
func load[V any](ctx context.Context, name string, key model.Key, read func(context.Context, []model.Key) (map[model.Key]V, error)) (V, error) {
	l, _ := ctx.Value(loadersKey{}).(*loaders)
	l.mutex.Lock()
	loader, found := l.byName[name].(*dataloader.Loader[model.Key, V])
	if !found {
		loader = dataloader.NewBatchedLoader(batch(read), dataloader.WithWait[model.Key, V](l.wait), dataloader.WithBatchCapacity[model.Key, V](batchSize))
		l.byName[name] = loader
	}
	l.mutex.Unlock()
	return loader.Load(ctx, key)()
}

func batch[V any](read func(context.Context, []model.Key) (map[model.Key]V, error)) dataloader.BatchFunc[model.Key, V] {
	return func(ctx context.Context, keys []model.Key) []*dataloader.Result[V] {
		values, err := read(ctx, keys)
		results := make([]*dataloader.Result[V], len(keys))
		for i, key := range keys {
			results[i] = &dataloader.Result[V]{Data: values[key], Error: err}
		}
		return results
	}
}
