package analytics

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"math"
	"sync"
	"time"

	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

const (
	feedPage  = 1000 // payouts read by one statement
	feedQueue = 1024 // payouts that wait for one subscriber before it is cut off
)

// place is where a payout stands in the order of its chain's payouts: that in which the
// chain log tells of them, which reorgs do not change.
type place struct{ version, block, log uint64 }

func placeOf(p *model.Payout) place { return place{p.Version, p.BlockNumber, p.LogIndex} }

func (p place) before(other place) bool {
	return cmp.Or(cmp.Compare(p.version, other.version), cmp.Compare(p.block, other.block), cmp.Compare(p.log, other.log)) < 0
}

// places is how far each chain has been read. A chain that is not in it has not been read.
type places map[uint64]place

// feed reads new payouts once for all subscribers. It goes by the heads: the rows of all
// records to a chain's mark are written, so what is between one mark and the next is read
// whole, and what a payout belongs to is there when its subscribers hear of it.
type feed struct {
	reader  *reader
	metrics *metrics
	most    int // subscribers
	every   time.Duration
	log     *slog.Logger
	ready   chan struct{} // closed when the first marks are read

	mutex       sync.Mutex
	read        places // what the subscribers have been given
	subscribers map[*subscriber]struct{}
	ended       bool
}

// subscriber waits for payouts.
type subscriber struct {
	filter *model.PayoutStreamFilter
	queue  chan *model.Payout // closed when cut off
	cut    error              // why; set before queue is closed
}

func newFeed(r *reader, config Config, m *metrics) *feed {
	return &feed{reader: r, metrics: m, most: config.Limits.Subscribers, every: config.Poll, log: config.Log, ready: make(chan struct{}), subscribers: make(map[*subscriber]struct{})}
}

// run polls until ctx ends, then cuts off all subscribers. The database being away is
// logged once, and made up for when it is back.
func (f *feed) run(ctx context.Context) {
	defer f.end()
	ticker := time.NewTicker(f.every)
	defer ticker.Stop()
	failing := false
	for ctx.Err() == nil {
		err := f.poll(ctx)
		if (err != nil) != failing && ctx.Err() == nil {
			failing = err != nil
			f.log.Warn("payout subscriptions: reading the database", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// poll gives the subscribers what was indexed since the last time.
func (f *feed) poll(ctx context.Context) error {
	indexed, err := f.reader.Now(ctx, 0)
	if err != nil {
		return err
	}
	marks := indexed.Heads
	if f.begin(marks) {
		return nil
	}
	for _, mark := range marks {
		end := place{mark.Version, math.MaxUint64, math.MaxUint64}
		if err := f.advance(ctx, mark.Chain, end); err != nil {
			return err
		}
	}
	return nil
}

// begin starts at the first marks that are read. It reports whether these are they.
func (f *feed) begin(marks []*database.Head) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.read != nil {
		return false
	}
	f.read = make(places)
	for _, mark := range marks {
		f.read[mark.Chain] = place{mark.Version, math.MaxUint64, math.MaxUint64}
	}
	close(f.ready)
	return true
}

// advance gives the subscribers the chain's payouts to a place.
func (f *feed) advance(ctx context.Context, chain uint64, end place) error {
	for {
		from, more := f.next(chain, end)
		if !more {
			return nil
		}
		rows, err := payoutsBetween(ctx, f.reader, nil, chain, from, end)
		if err != nil {
			return err
		}
		if len(rows) == feedPage {
			f.give(chain, placeOf(rows[feedPage-1]), rows)
		} else {
			f.give(chain, end, rows)
		}
	}
}

// next says from where to read on to the end. Without subscribers there is nothing to
// read: the end is reached at once.
func (f *feed) next(chain uint64, end place) (from place, more bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	from = f.read[chain]
	if from.before(end) && len(f.subscribers) == 0 {
		f.read[chain] = end
		return end, false
	}
	return from, from.before(end)
}

// give hands payouts to the subscribers that want them and notes how far they have come,
// in one step: a subscriber joins before it or after it.
func (f *feed) give(chain uint64, to place, rows []*model.Payout) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for s := range f.subscribers {
		f.push(s, rows)
	}
	f.read[chain] = to
}

func (f *feed) push(s *subscriber, rows []*model.Payout) {
	for _, row := range rows {
		if !wants(s.filter, row) {
			continue
		}
		select {
		case s.queue <- row:
		default:
			f.drop(s, errBehind)
			f.metrics.cut.Inc()
			return
		}
	}
}

// drop takes a subscriber out. Called with the mutex held.
func (f *feed) drop(s *subscriber, cut error) {
	if _, joined := f.subscribers[s]; joined {
		delete(f.subscribers, s)
		s.cut = cut
		close(s.queue)
		f.metrics.subscribers.Dec()
	}
}

// end cuts off all subscribers, for good.
func (f *feed) end() {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.ended = true
	for s := range f.subscribers {
		f.drop(s, errShutdown)
	}
}

// now is how far the subscribers have come, once that is known.
func (f *feed) now(ctx context.Context) (places, error) {
	select {
	case <-f.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return maps.Clone(f.read), nil
}

// join adds a subscriber that has everything to some places, if that is where the others
// are. Otherwise it reports false: there is more to catch up with.
func (f *feed) join(s *subscriber, has places) (bool, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	switch {
	case f.ended:
		return false, errShutdown
	case len(f.subscribers) >= f.most:
		return false, errSubscribers
	case !maps.Equal(f.read, has):
		return false, nil
	}
	f.subscribers[s] = struct{}{}
	f.metrics.subscribers.Inc()
	return true, nil
}

func (f *feed) leave(s *subscriber) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.drop(s, context.Canceled)
}
