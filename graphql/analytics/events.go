package analytics

import (
	"context"
	"strings"
	"time"

	"assay/graphql/analytics/generated"
	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

var (
	eventTable = database.Table{Name: "events"}
	events     = list[model.Event]{
		name: "event", table: eventTable, scope: "1", columns: database.Selection[model.Event](), descending: true,
		order: []column{{"toUnixTimestamp(time)", "UInt64"}, chainColumn, {"block_number", "UInt64"}, {"log_index", "UInt64"}},
		at: func(e *model.Event) []any {
			return []any{uint64(e.Time.Unix()), e.Chain, e.BlockNumber, e.LogIndex}
		},
	}
	orderEvents = list[model.OrderEvent]{
		name: "order", derived: ordersInEvents, scope: "1", columns: database.Selection[model.OrderEvent](), descending: true,
		order: []column{{"toUnixTimestamp(time)", "UInt64"}, chainColumn, {"block_number", "UInt64"}, {"log_index", "UInt64"}, {"kind", "Text"}},
		at: func(e *model.OrderEvent) []any {
			return []any{uint64(e.Time.Unix()), e.Chain, e.BlockNumber, e.LogIndex, e.Kind}
		},
	}
)

// ordersInEvents are the orders that events name: a match names up to four.
func ordersInEvents(s *database.Statement, v database.View) string {
	return strings.Replace(ordersNamed, "{rows}", v.Rows(s, eventTable), 1)
}

const ordersNamed = `(SELECT chain, block_number, log_index, time, tx_hash, named.1 AS kind, named.2 AS hash,
	transform(name, ['OrderSigned', 'OrderClosed', 'OrdersMatched'], ['SIGNED', 'CLOSED', 'CONSUMED'], 'BROADCAST') AS action,
	JSONExtractString(args, 'volume') AS volume, JSONExtractString(args, 'deal') AS deal
	FROM {rows} ARRAY JOIN arrayFilter(o -> o.2 != '0x0000000000000000000000000000000000000000000000000000000000000000', if(name = 'OrdersMatched',
		[('APP', JSONExtractString(args, 'appHash')), ('DATASET', JSONExtractString(args, 'datasetHash')),
		('WORKERPOOL', JSONExtractString(args, 'workerpoolHash')), ('REQUEST', JSONExtractString(args, 'requestHash'))],
		[(JSONExtractString(args, 'kind'), JSONExtractString(args, 'hash'))])) AS named
	WHERE name IN ('OrderSigned', 'OrderClosed', 'OrdersMatched', 'BroadcastOrder'))`

type orderEventFields struct{ *reader }

func (r *resolver) OrderEvent() generated.OrderEventResolver { return orderEventFields{r.reader} }

func (q query) Events(ctx context.Context, first int, after *string, filter *model.EventFilter, _ *model.AsOf) (*model.EventConnection, error) {
	return events.read(ctx, q.reader, first, after, eventConditions(filter))
}

func (q query) OrderEvents(ctx context.Context, first int, after *string, filter *model.OrderEventFilter, _ *model.AsOf) (*model.OrderEventConnection, error) {
	return orderEvents.read(ctx, q.reader, first, after, orderEventConditions(filter))
}

func (f orderEventFields) Deal(ctx context.Context, e *model.OrderEvent) (*model.Deal, error) {
	if e.DealID == nil {
		return nil, nil
	}
	return dealOf.one(ctx, f.reader, model.Key{Chain: e.Chain, ID: *e.DealID})
}

// timeOf is the time of a block, nil where it is not known.
func timeOf(ctx context.Context, r *reader, chain, block uint64) (*time.Time, error) {
	return load(ctx, "time of a block", model.Key{Chain: chain, Block: block}, func(ctx context.Context, keys []model.Key) (map[model.Key]*time.Time, error) {
		chains, numbers := make([]uint64, len(keys)), make([]uint64, len(keys))
		for i, key := range keys {
			chains[i], numbers[i] = key.Chain, key.Block
		}
		var s database.Statement
		s.Add("SELECT chain, number, time FROM blocks FINAL WHERE (chain, number) IN arrayZip(", s.Bind("Array(UInt64)", chains), ", ", s.Bind("Array(UInt64)", numbers), ")")
		rows, err := database.Rows[struct {
			Chain  uint64    `ch:"chain"`
			Number uint64    `ch:"number"`
			Time   time.Time `ch:"time"`
		}](ctx, r, &s)
		times := make(map[model.Key]*time.Time, len(rows))
		for _, row := range rows {
			times[model.Key{Chain: row.Chain, Block: row.Number}] = &row.Time
		}
		return times, err
	})
}
