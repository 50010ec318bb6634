package database

import (
	"context"
	"sync"
)

// Gather reads what many ask for at once. Whoever asks while as many reads are under way as
// may be, waits, and is read for together with all others who wait. So a read never begins
// before it was asked for, and the more is asked, the less of it costs a statement.
type Gather[K comparable, V any] struct {
	read  func(ctx context.Context, keys []K) (map[K]V, error)
	most  int // reads under way
	mutex sync.Mutex
	under int
	next  *round[K, V]
}

// round is one read.
type round[K comparable, V any] struct {
	keys    map[K]struct{}
	waiting int // who has not gone away; guarded by the mutex
	cancel  context.CancelFunc
	done    chan struct{}
	found   map[K]V
	err     error
}

// NewGather makes a gatherer of reads, of which at most so many are under way.
func NewGather[K comparable, V any](most int, read func(ctx context.Context, keys []K) (map[K]V, error)) *Gather[K, V] {
	return &Gather[K, V]{read: read, most: most}
}

// Get reads the values of keys. What is returned has those of others' keys, too, and is
// not to be changed. It counts as one statement of the response that ctx is of.
func (g *Gather[K, V]) Get(ctx context.Context, keys ...K) (map[K]V, error) {
	if err := spend(ctx); err != nil {
		return nil, err
	}
	r := g.join(keys)
	select {
	case <-r.done:
		return r.found, r.err
	case <-ctx.Done():
		g.leave(r)
		return nil, ctx.Err()
	}
}

func (g *Gather[K, V]) join(keys []K) *round[K, V] {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.next == nil {
		g.next = &round[K, V]{keys: map[K]struct{}{}, done: make(chan struct{})}
	}
	r := g.next
	r.waiting++
	for _, key := range keys {
		r.keys[key] = struct{}{}
	}
	if g.under < g.most {
		g.begin()
	}
	return r
}

// leave ends a read that nobody waits for any more.
func (g *Gather[K, V]) leave(r *round[K, V]) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if r.waiting--; r.waiting > 0 {
		return
	}
	if r.cancel != nil {
		r.cancel()
	} else {
		g.next = nil // it has not begun
	}
}

// begin begins the next read.
func (g *Gather[K, V]) begin() {
	r := g.next
	g.next = nil
	g.under++
	ctx, cancel := context.WithCancel(context.Background()) // no client's: it is for all of them
	r.cancel = cancel
	keys := make([]K, 0, len(r.keys))
	for key := range r.keys {
		keys = append(keys, key)
	}
	go func() {
		defer g.end(r)
		defer cancel()
		r.err = Guarded(func() (err error) {
			r.found, err = g.read(ctx, keys)
			return err
		})()
	}()
}

func (g *Gather[K, V]) end(r *round[K, V]) {
	close(r.done)
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.under--
	if g.next != nil {
		g.begin()
	}
}
