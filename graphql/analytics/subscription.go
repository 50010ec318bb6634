package analytics

import (
	"cmp"
	"context"
	"maps"
	"slices"
)

// subscription is one subscriber's stream of rows as events.
type subscription[T, E any] struct {
	feed  *feed[T]
	wants func(*T) bool
	where conditions // says of the database's rows what wants does of those in memory
	event func(cursor string, row *T) *E
	has   places // what was sent, or is not wanted
	out   chan *E
}

// subscribe streams what is written after a cursor, or from now on.
func subscribe[T, E any](ctx context.Context, f *feed[T], after *string, where conditions, wants func(*T) bool, event func(string, *T) *E) (<-chan *E, error) {
	has, err := f.from(ctx, after)
	if err != nil {
		return nil, err
	}
	s := &subscription[T, E]{f, wants, where, event, has, make(chan *E)}
	go func() {
		defer close(s.out)
		endWith(ctx, s.run(ctx))
	}()
	return s.out, nil
}

// placeKinds are those of the parts of a cursor, for each lane: its name, and a place.
var placeKinds = []string{"UInt64", "UInt64", "UInt64", "UInt64", "UInt64"}

// from is what a new subscriber has already.
func (f *feed[T]) from(ctx context.Context, after *string) (places, error) {
	if after == nil {
		return f.now(ctx)
	}
	parts, err := decodeCursor(f.name, *after, placeKinds...)
	if err != nil {
		return nil, err
	}
	has := make(places)
	for part := range slices.Chunk(parts, len(placeKinds)) {
		var numbers [5]uint64
		for i := range numbers {
			numbers[i], _ = part[i].(uint64)
		}
		has[lane{numbers[0], numbers[1]}] = place{numbers[2], numbers[3], numbers[4]}
	}
	return has, nil
}

// run catches up with the other subscribers and then goes along with them. It returns
// why the stream ended.
func (s *subscription[T, E]) run(ctx context.Context) error {
	member := &subscriber[T]{wants: s.wants, queue: make(chan *T, feedQueue)}
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
func (s *subscription[T, E]) catchUp(ctx context.Context, now places) error {
	for _, l := range now.lanes() {
		for s.has[l].before(now[l]) {
			rows, err := s.feed.between(ctx, s.feed.reader, s.where, l, s.has[l], now[l])
			if err != nil {
				return err
			}
			for _, row := range rows {
				if err := s.send(ctx, row); err != nil {
					return err
				}
			}
			if len(rows) < feedPage {
				s.has[l] = now[l]
			}
		}
	}
	return nil
}

// send sends a row, unless it was sent before.
func (s *subscription[T, E]) send(ctx context.Context, row *T) error {
	l, at := s.feed.at(row)
	if !s.has[l].before(at) {
		return nil
	}
	s.has[l] = at
	select {
	case s.out <- s.event(s.has.cursor(s.feed.name), row):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p places) lanes() []lane {
	return slices.SortedFunc(maps.Keys(p), func(a, b lane) int {
		return cmp.Or(cmp.Compare(a.chain, b.chain), cmp.Compare(a.partition, b.partition))
	})
}

func (p places) cursor(name string) string {
	var parts []any
	for _, l := range p.lanes() {
		has := p[l]
		parts = append(parts, l.chain, l.partition, has.version, has.block, has.log)
	}
	return encodeCursor(name, parts)
}

func is[T comparable](wanted *T, value T) bool { return wanted == nil || *wanted == value }

func in(wanted []string, value string) bool { return wanted == nil || slices.Contains(wanted, value) }
