package analytics

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"assay/graphql/internal/database"
)

const (
	feedPage  = 1000 // rows read by one statement
	feedQueue = 1024 // rows that wait for one subscriber before it is cut off
)

// lane is a log whose rows are in one order: a chain's, or a partition of its decisions.
type lane struct{ chain, partition uint64 }

// place is where a row stands in the order of its lane: that in which the log tells of
// it, which reorgs do not change.
type place struct{ version, block, log uint64 }

func (p place) before(other place) bool {
	return cmp.Or(cmp.Compare(p.version, other.version), cmp.Compare(p.block, other.block), cmp.Compare(p.log, other.log)) < 0
}

// places is how far each lane has been read. One that is not in it has not been read.
type places map[lane]place

// news is what a feed tells of: where its rows are, and in which order.
type news[T any] struct {
	name  string    // of its cursors
	marks string    // reads how far each lane is written: chain, lane_partition, version
	rows  string    // reads the rows, but for WHERE
	lane  string    // column of the partition; empty: there is but one
	order [3]string // of the rows of a lane
	at    func(*T) (lane, place)
}

// chainMarks are how far each chain is written.
const chainMarks = "SELECT chain, toUInt64(0) AS lane_partition, written AS version FROM heads FINAL"

// read is how far each lane is written.
func (n *news[T]) read(ctx context.Context, r *reader) (places, error) {
	var s database.Statement
	s.Add(n.marks)
	rows, err := database.Rows[struct {
		Chain     uint64 `ch:"chain"`
		Partition uint64 `ch:"lane_partition"`
		Version   uint64 `ch:"version"`
	}](ctx, r, &s)
	marks := make(places, len(rows))
	for _, row := range rows {
		marks[lane{row.Chain, row.Partition}] = place{row.Version, math.MaxUint64, math.MaxUint64}
	}
	return marks, err
}

// between reads a page of a lane's rows after a place and to another, in their order.
func (n *news[T]) between(ctx context.Context, r *reader, where conditions, l lane, after, to place) ([]*T, error) {
	where = append(slices.Clone(where), columnIs("chain", "UInt64", l.chain))
	if n.lane != "" {
		where = append(where, columnIs(n.lane, "UInt64", l.partition))
	}
	order := strings.Join(n.order[:], ", ")
	var s database.Statement
	s.Add(n.rows, " WHERE 1")
	s.Where(database.View{}, where)
	s.Add(" AND (", order, ") > ", bindPlace(&s, after), " AND (", order, ") <= ", bindPlace(&s, to))
	s.Add(" ORDER BY ", order, " LIMIT ", strconv.Itoa(feedPage))
	return database.Rows[T](ctx, r, &s)
}

func bindPlace(s *database.Statement, p place) string {
	return "(" + s.Bind("UInt64", p.version) + ", " + s.Bind("UInt64", p.block) + ", " + s.Bind("UInt64", p.log) + ")"
}

// feed reads news once for all subscribers. It goes by marks: what is between one and the
// next is read whole, and what a row belongs to is there when its subscribers hear of it.
type feed[T any] struct {
	*news[T]
	reader  *reader
	metrics *metrics
	most    int // subscribers
	every   time.Duration
	log     *slog.Logger
	ready   chan struct{} // closed when the first marks are read

	polling     sync.Mutex // of one poll at a time
	mutex       sync.Mutex
	read        places // what the subscribers have been given
	subscribers map[*subscriber[T]]struct{}
	ended       bool
}

// subscriber waits for rows.
type subscriber[T any] struct {
	wants func(*T) bool
	queue chan *T // closed when cut off
	cut   error   // why; set before queue is closed
}

func newFeed[T any](n *news[T], r *reader, config Config, m *metrics) *feed[T] {
	return &feed[T]{news: n, reader: r, metrics: m, most: config.Limits.Subscribers, every: config.Poll, log: config.Log, ready: make(chan struct{}), subscribers: make(map[*subscriber[T]]struct{})}
}

// run polls until ctx ends, then cuts off all subscribers. The database being away is
// logged once, and made up for when it is back.
func (f *feed[T]) run(ctx context.Context) {
	defer f.end()
	ticker := time.NewTicker(f.every)
	defer ticker.Stop()
	failing := false
	for ctx.Err() == nil {
		var err error
		if !f.idle() {
			err = f.poll(ctx)
		}
		if (err != nil) != failing && ctx.Err() == nil {
			failing = err != nil
			f.log.Warn("subscriptions: reading the database", "to", f.name, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// idle tells whether nobody waits for news: then the next subscriber asks where they are.
func (f *feed[T]) idle() bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.read != nil && len(f.subscribers) == 0
}

// poll gives the subscribers what was indexed since the last time.
func (f *feed[T]) poll(ctx context.Context) error {
	f.polling.Lock()
	defer f.polling.Unlock()
	marks, err := f.news.read(ctx, f.reader)
	if err != nil {
		return err
	}
	if f.begin(marks) {
		return nil
	}
	for l, end := range marks {
		if err := f.advance(ctx, l, end); err != nil {
			return err
		}
	}
	return nil
}

// begin starts at the first marks that are read. It reports whether these are they.
func (f *feed[T]) begin(marks places) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.read != nil {
		return false
	}
	f.read = marks
	close(f.ready)
	return true
}

// advance gives the subscribers the lane's rows to a place.
func (f *feed[T]) advance(ctx context.Context, l lane, end place) error {
	for {
		from, more := f.next(l, end)
		if !more {
			return nil
		}
		rows, err := f.between(ctx, f.reader, nil, l, from, end)
		if err != nil {
			return err
		}
		to := end
		if len(rows) == feedPage {
			_, to = f.at(rows[feedPage-1])
		}
		f.give(l, to, rows)
	}
}

// next says from where to read on to the end. Without subscribers there is nothing to
// read: the end is reached at once.
func (f *feed[T]) next(l lane, end place) (from place, more bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	from = f.read[l]
	if from.before(end) && len(f.subscribers) == 0 {
		f.read[l] = end
		return end, false
	}
	return from, from.before(end)
}

// give hands rows to the subscribers that want them and notes how far they have come,
// in one step: a subscriber joins before it or after it.
func (f *feed[T]) give(l lane, to place, rows []*T) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for s := range f.subscribers {
		f.push(s, rows)
	}
	f.read[l] = to
}

func (f *feed[T]) push(s *subscriber[T], rows []*T) {
	for _, row := range rows {
		if !s.wants(row) {
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
func (f *feed[T]) drop(s *subscriber[T], cut error) {
	if _, joined := f.subscribers[s]; joined {
		delete(f.subscribers, s)
		s.cut = cut
		close(s.queue)
		f.metrics.subscribers.Dec()
	}
}

// end cuts off all subscribers, for good.
func (f *feed[T]) end() {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.ended = true
	for s := range f.subscribers {
		f.drop(s, errShutdown)
	}
}

// now is how far the subscribers have come, once that is known.
func (f *feed[T]) now(ctx context.Context) (places, error) {
	select {
	case <-f.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if f.idle() {
		if err := f.poll(ctx); err != nil {
			return nil, err
		}
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return maps.Clone(f.read), nil
}

// join adds a subscriber that has everything to some places, if that is where the others
// are. Otherwise it reports false: there is more to catch up with.
func (f *feed[T]) join(s *subscriber[T], has places) (bool, error) {
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

func (f *feed[T]) leave(s *subscriber[T]) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.drop(s, context.Canceled)
}
