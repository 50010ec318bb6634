package analytics

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

// streamName is that of the cursors of the payout stream.
const streamName = "payouts"

// subscription answers the fields of Subscription.
type subscription struct{ feed *feed }

// Payouts streams what is indexed after a cursor, or from now on.
func (s subscription) Payouts(ctx context.Context, filter *model.PayoutStreamFilter, after *string) (<-chan *model.PayoutEvent, error) {
	has, err := s.begin(ctx, after)
	if err != nil {
		return nil, err
	}
	stream := &payoutStream{feed: s.feed, filter: filter, has: has, out: make(chan *model.PayoutEvent)}
	go func() {
		defer close(stream.out)
		endWith(ctx, stream.run(ctx))
	}()
	return stream.out, nil
}

// begin is what a new subscriber has already.
func (s subscription) begin(ctx context.Context, after *string) (places, error) {
	if after == nil {
		return s.feed.now(ctx)
	}
	parts, err := decodeCursor(streamName, *after, "UInt64", "UInt64", "UInt64", "UInt64")
	if err != nil {
		return nil, err
	}
	has := make(places)
	for part := range slices.Chunk(parts, 4) {
		chain, _ := part[0].(uint64)
		version, _ := part[1].(uint64)
		block, _ := part[2].(uint64)
		log, _ := part[3].(uint64)
		has[chain] = place{version, block, log}
	}
	return has, nil
}

// payoutStream is one subscriber's stream.
type payoutStream struct {
	feed   *feed
	filter *model.PayoutStreamFilter
	has    places // what was sent, or is not wanted
	out    chan *model.PayoutEvent
}

// run catches up with the other subscribers and then goes along with them. It returns
// why the stream ended.
func (s *payoutStream) run(ctx context.Context) error {
	member := &subscriber{filter: s.filter, queue: make(chan *model.Payout, feedQueue)}
	for joined := false; !joined; {
		now, err := s.feed.now(ctx)
		if err != nil {
			return err
		}
		if err := s.catchUp(ctx, now); err != nil {
			return err
		}
		if joined, err = s.feed.join(member, now); err != nil {
			return err
		}
	}
	defer s.feed.leave(member)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case row, open := <-member.queue:
			if !open {
				return member.cut
			}
			if err := s.send(ctx, row); err != nil {
				return err
			}
		}
	}
}

// catchUp sends what is between what was sent and now.
func (s *payoutStream) catchUp(ctx context.Context, now places) error {
	for _, chain := range slices.Sorted(maps.Keys(now)) {
		for s.has[chain].before(now[chain]) {
			rows, err := payoutsBetween(ctx, s.feed.reader, streamConditions(s.filter), chain, s.has[chain], now[chain])
			if err != nil {
				return err
			}
			for _, row := range rows {
				if err := s.send(ctx, row); err != nil {
					return err
				}
			}
			if len(rows) < feedPage {
				s.has[chain] = now[chain]
			}
		}
	}
	return nil
}

// send sends a payout, unless it was sent before.
func (s *payoutStream) send(ctx context.Context, row *model.Payout) error {
	if !s.has[row.Chain].before(placeOf(row)) {
		return nil
	}
	s.has[row.Chain] = placeOf(row)
	select {
	case s.out <- &model.PayoutEvent{Cursor: s.cursor(), Payout: row}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *payoutStream) cursor() string {
	var parts []any
	for _, chain := range slices.Sorted(maps.Keys(s.has)) {
		has := s.has[chain]
		parts = append(parts, chain, has.version, has.block, has.log)
	}
	return encodeCursor(streamName, parts)
}

// wants tells whether a payout passes a filter, as streamConditions do for the database.
func wants(f *model.PayoutStreamFilter, p *model.Payout) bool {
	return f == nil ||
		is(f.Chain, p.Chain) && is(f.Account, p.AccountAddress) && is(f.Task, p.TaskID) && is(f.Deal, p.DealID) &&
			is(f.Workerpool, p.WorkerpoolAddress) && in(f.Kind, p.Kind) && in(f.Role, p.Role)
}

func is[T comparable](wanted *T, value T) bool { return wanted == nil || *wanted == value }

func in(wanted []string, value string) bool { return wanted == nil || slices.Contains(wanted, value) }

// payoutsBetween reads a page of a chain's payouts after a place and to another, in the
// order in which the chain log tells of them.
func payoutsBetween(ctx context.Context, r *reader, where []database.Condition, chain uint64, after, to place) ([]*model.Payout, error) {
	var s database.Statement
	s.Add("SELECT ", payouts.columns, " FROM payouts FINAL WHERE 1")
	s.Where(database.View{}, append(where, columnIs("chain", "UInt64", chain)))
	s.Add(" AND (version, block_number, log_index) > ", bindPlace(&s, after))
	s.Add(" AND (version, block_number, log_index) <= ", bindPlace(&s, to))
	s.Add(" ORDER BY version, block_number, log_index LIMIT ", strconv.Itoa(feedPage))
	return database.Rows[model.Payout](ctx, r, &s)
}

func bindPlace(s *database.Statement, p place) string {
	return "(" + s.Bind("UInt64", p.version) + ", " + s.Bind("UInt64", p.block) + ", " + s.Bind("UInt64", p.log) + ")"
}
