package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"assay/contracts"
	"assay/schema/chains"
)

// Endpoint is one JSON-RPC endpoint of the chain. Name stands for it in logs and
// metrics, where its address, which may hold a key, must not be.
type Endpoint struct {
	Name string
	URL  string // of an HTTP endpoint; empty: RPC is used for everything
	RPC  *rpc.Client
}

// Dial prepares endpoints. An HTTP endpoint is not asked yet, a WebSocket is opened. Those
// that cannot be dialled are left out; it fails if that is all of them.
func Dial(ctx context.Context, addresses []string, log *slog.Logger) ([]Endpoint, error) {
	var endpoints []Endpoint
	var failed []error
	for _, address := range addresses {
		client, err := rpc.DialContext(ctx, address)
		if err != nil {
			failed = append(failed, fmt.Errorf("dialling endpoint %s: %w", nameOf(address), withoutURL(err)))
			continue
		}
		e := Endpoint{Name: nameOf(address), RPC: client}
		if strings.HasPrefix(address, "http") {
			e.URL = address
		}
		endpoints = append(endpoints, e)
	}
	if len(endpoints) == 0 {
		return nil, errors.Join(failed...)
	}
	for _, err := range failed {
		log.Warn("doing without an endpoint of the chain", "error", err)
	}
	return endpoints, nil
}

// Check asks each endpoint whether it serves the preset's chain, and returns the first
// that does. One that does not answer is left for later, as long as another does; one
// that serves another chain, or where there is no contract at the hub's address, is an
// error.
func Check(ctx context.Context, preset chains.Preset, endpoints []Endpoint, log *slog.Logger) (*rpc.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, firstAnswer)
	defer cancel()
	all := newNodes(endpoints, DecoderOf(preset)).nodes
	errs := make([]error, len(all))
	var asking sync.WaitGroup
	for i, n := range all {
		asking.Go(func() {
			if errs[i] = n.check(ctx, preset.ChainID, common.HexToAddress(preset.Hub)); errs[i] != nil {
				errs[i] = fmt.Errorf("endpoint %s: %w", n.name, errs[i])
			}
		})
	}
	asking.Wait()
	var first *rpc.Client
	for i, err := range errs {
		switch {
		case err == nil && first == nil:
			first = endpoints[i].RPC
		case err != nil && gradeOf(err) == critical:
			return nil, err
		}
	}
	if first == nil {
		return nil, fmt.Errorf("no endpoint of the chain answers, check --rpc: %w", errors.Join(errs...))
	}
	for _, err := range errs {
		if err != nil {
			log.Warn("doing without an endpoint of the chain for now", "error", err)
		}
	}
	return first, nil
}

// firstAnswer is how long an endpoint may take to answer when a role starts.
const firstAnswer = 10 * time.Second

// nameOf is an address's host: user, path and query may be secret.
func nameOf(address string) string {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" {
		return "endpoint"
	}
	return parsed.Host
}

// withoutURL is what went wrong with a request, without the address.
func withoutURL(err error) error {
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// health is how an endpoint has done so far.
type health struct {
	requests uint64
	errors   uint64
	failures int       // since it last answered
	rest     time.Time // not before then is it asked again, if there is another
	last     error
	busy     int
	batch    int    // calls in a request
	span     uint64 // blocks in a range of logs
	ceiling  uint64 // blocks in a range that it refused; 0: none
	good     int    // ranges since then
	checked  bool   // it serves the right chain

	noReceipts bool // it said that it does not serve receipts by block
}

func (n *node) count(edit func(*health)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	edit(&n.health)
}

func (n *node) batchSize() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.health.batch
}

const (
	firstSpan = 25      // blocks in the first range of history: nobody knows yet how many logs they have
	maxSpan   = 100_000 // blocks in a range at most
	fullRange = 2_000   // logs in a range: with more it would only take memory
	firmly    = 20      // ranges after which a larger one is tried again
)

// served makes the next range larger, if the node gives as much.
func (h *health) served(blocks uint64, logs int) {
	h.good++
	if h.good%firmly == 0 && h.ceiling > 0 {
		h.ceiling *= 2
	}
	h.span = nextSpan(h.span, blocks, logs, maxSpan)
	if h.ceiling > 0 && h.span >= h.ceiling { // halfway to what was refused
		h.span = max(1, (min(blocks, h.ceiling)+h.ceiling)/2)
		h.span = min(h.span, h.ceiling-1)
	}
}

// nextSpan is how many blocks to ask for at once, after some held so many logs.
func nextSpan(span, blocks uint64, logs int, most uint64) uint64 {
	switch {
	case logs > fullRange:
		return max(1, min(span, blocks)/2)
	case logs < fullRange/2 && blocks >= span:
		return min(most, span*2)
	}
	return span
}

// refused makes the next range smaller.
func (h *health) refused(blocks uint64) {
	h.ceiling, h.good = blocks, 0
	h.span = max(1, min(h.span, blocks/2))
}

// nodes are all endpoints of a chain.
type nodes struct {
	nodes []*node
	check func(context.Context, *node) error
	pause func(failures int) time.Duration
	mu    sync.Mutex // of picking
}

func newNodes(endpoints []Endpoint, d contracts.Decoder) *nodes {
	p := &nodes{pause: backoff}
	for _, e := range endpoints {
		n := &node{
			name: e.Name, url: e.URL, rpc: e.RPC, patience: patience,
			http:    &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, Proxy: http.ProxyFromEnvironment}},
			watched: d.Watched(), roaming: topicsOf(d),
			health: health{batch: maxBatch, span: firstSpan},
		}
		n.client = contracts.NewClient(n, d.Hub)
		p.nodes = append(p.nodes, n)
	}
	return p
}

// narrowError asks for a smaller range.
type narrowError struct{ error }

func (e *narrowError) Unwrap() error { return e.error }

// rounds is how often every endpoint is asked before a question fails.
const rounds = 3

// ask puts a question to the endpoints, the healthiest first, until one of them answers.
func ask[T any](ctx context.Context, p *nodes, question func(context.Context, *node) (T, error)) (answer T, err error) {
	for round := 1; ; round++ {
		tried := map[*node]bool{}
		for len(tried) < len(p.nodes) {
			n := p.pick(ctx, tried)
			if ctx.Err() != nil {
				return answer, ctx.Err()
			}
			tried[n] = true
			answer, err = put(ctx, p, n, question)
			if err == nil || ctx.Err() != nil || gradeOf(err) == critical || errors.As(err, new(*narrowError)) {
				return answer, err
			}
		}
		if round == rounds {
			return answer, err
		}
		sleep(ctx, p.pause(round))
	}
}

// askEach puts a question about many things in parts of one request each, so that what
// fails once in a while does not fail all.
func askEach[T, U any](ctx context.Context, p *nodes, things []T, question func(context.Context, *node, []T) ([]U, error)) ([]U, error) {
	answers := make([]U, 0, len(things))
	for part := range slices.Chunk(things, eachRequest) {
		some, err := ask(ctx, p, func(ctx context.Context, n *node) ([]U, error) { return question(ctx, n, part) })
		if err != nil {
			return nil, err
		}
		answers = append(answers, some...)
	}
	return answers, nil
}

// eachRequest is how many blocks are asked about in one request.
const eachRequest = maxBatch / 3

// put asks one endpoint, after having made sure that it serves the right chain.
func put[T any](ctx context.Context, p *nodes, n *node, question func(context.Context, *node) (T, error)) (answer T, err error) {
	defer n.count(func(h *health) { h.busy-- })
	n.mu.Lock()
	checked := n.health.checked
	n.mu.Unlock()
	if !checked {
		if err = p.check(ctx, n); err == nil {
			n.count(func(h *health) { h.checked = true })
		}
	}
	if err == nil {
		answer, err = question(ctx, n)
	}
	if ctx.Err() == nil {
		p.record(n, err)
	}
	return answer, err
}

// record notes how an endpoint did. One that failed rests a while if it says for how long,
// or if another can do its work.
func (p *nodes) record(n *node, err error) {
	n.count(func(h *health) {
		if err == nil {
			h.failures = 0
			return
		}
		h.errors++
		h.failures++
		h.last = err
		var status *statusError
		switch {
		case errors.As(err, &status) && status.After > 0:
			h.rest = time.Now().Add(status.After)
		case rateLimited(err), len(p.nodes) > 1 && (!tooMuch(err) || errors.Is(err, context.DeadlineExceeded)):
			h.rest = time.Now().Add(p.pause(h.failures))
		}
	})
}

// pick chooses the endpoint to ask next, of those not tried yet: one that does not rest,
// with the least to do. If all rest it waits for the first to be ready.
func (p *nodes) pick(ctx context.Context, tried map[*node]bool) *node {
	for {
		best, ready := p.best(tried)
		wait := time.Until(ready)
		if wait <= 0 || ctx.Err() != nil {
			return best
		}
		best.count(func(h *health) { h.busy-- })
		sleep(ctx, wait)
	}
}

// best is the endpoint that is ready first, and when.
func (p *nodes) best(tried map[*node]bool) (best *node, ready time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	busy := 0
	for _, n := range p.nodes {
		if tried[n] {
			continue
		}
		n.mu.Lock()
		at, load := n.health.rest, n.health.busy
		n.mu.Unlock()
		if at.Before(now) {
			at = now
		}
		if best == nil || at.Before(ready) || at.Equal(ready) && load < busy {
			best, ready, busy = n, at, load
		}
	}
	best.count(func(h *health) { h.busy++ })
	return best, ready
}

// span is how many blocks the next range should have.
func (p *nodes) span() uint64 {
	span := uint64(1)
	for _, n := range p.nodes {
		n.count(func(h *health) { span = max(span, h.span) })
	}
	return span
}

func (p *nodes) allLackReceipts() bool {
	for _, n := range p.nodes {
		var lacks bool
		n.count(func(h *health) { lacks = h.noReceipts })
		if !lacks {
			return false
		}
	}
	return true
}

// EndpointStatus is how an endpoint has done so far.
type EndpointStatus struct {
	Name      string
	Requests  uint64
	Errors    uint64
	Span      uint64 // blocks that it is asked for at once
	Resting   bool
	LastError error
}

func (p *nodes) status() []EndpointStatus {
	out := make([]EndpointStatus, len(p.nodes))
	for i, n := range p.nodes {
		n.count(func(h *health) {
			out[i] = EndpointStatus{Name: n.name, Requests: h.requests, Errors: h.errors, Span: h.span,
				Resting: h.rest.After(time.Now()), LastError: h.last}
		})
	}
	return out
}
