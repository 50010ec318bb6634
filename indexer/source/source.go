package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"assay/contracts"
	"assay/schema"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

// Config says which chain to follow and where to write it.
type Config struct {
	Preset    chains.Preset
	Endpoints []Endpoint // at least one; over the first WebSocket new heads are pushed, else polled
	Kafka     Log
	Topic     string        // of the chain log (schema.TopicsOf); made if it is missing
	Verify    Verify        // ""  is VerifyLive
	Workers   int           // ranges of history fetched at once; 0: two for each endpoint, at least DefaultWorkers
	Poll      time.Duration // how often to ask for a new head; 0: DefaultPoll
	Log       *slog.Logger  // nil: slog.Default
}

// DefaultPoll is how often a source asks for a new head. Over WebSocket it is only the
// safety net.
const DefaultPoll = time.Second

// DefaultWorkers is how many ranges of history are fetched at once.
const DefaultWorkers = 4

// Status is how a source stands.
type Status struct {
	Start       uint64 // the preset's first block
	Head        uint64 // newest block that the node showed
	HeadTime    uint64 // of that block, seconds since 1970
	Indexed     uint64 // every block up to here is in the log if it holds events
	IndexedTime uint64 // of that block
	Finalized   uint64 // no block up to here can be retracted any more
	Blocks      uint64 // blocks appended since the start
	Events      uint64 // events appended since the start
	Retracted   uint64 // blocks retracted since the start
	Errors      uint64 // temporary errors since the start
	LastError   error  // the newest of them; nil once things go on
	Span        uint64 // blocks in the next range of history
	Ledger      Ledger // what is proven; the only statement of completeness
	Endpoints   []EndpointStatus
}

// Lag is how many blocks of the chain are not in the log yet.
func (s Status) Lag() uint64 { return s.Head - min(s.Indexed, s.Head) }

// Source follows one chain. Make one with New and call Run once.
type Source struct {
	preset  chains.Preset
	hub     common.Address
	pools   common.Address // the registry of workerpools
	roaming map[common.Hash]common.Address
	decoder contracts.Decoder
	nodes   *nodes
	verify  Verify
	workers int
	bits    []bits                  // of what mayHold looks for
	watches map[common.Address]bool // hub and registries
	log     chainLog
	logger  *slog.Logger
	poll    time.Duration
	pause   func(failures int) time.Duration // before trying again

	span       atomic.Uint64 // blocks in the next range of history of which every header is asked for
	trail      trail
	final      header // newest final block known
	ledger     Ledger
	noReceipts atomic.Bool // no endpoint serves receipts by block
	heads      *heads
	debts      *debts // nil: nothing is being proven
	settled    bool   // what was owed when it started has been seen to

	mu     sync.Mutex
	status Status
	known  map[common.Address]bool // registered workerpools, of those that were asked for
}

// New prepares to follow a chain.
func New(cfg Config) *Source {
	decoder := DecoderOf(cfg.Preset)
	s := &Source{
		preset: cfg.Preset, hub: decoder.Hub, pools: decoder.WorkerpoolRegistry, roaming: decoder.Roaming(), decoder: decoder,
		nodes: newNodes(cfg.Endpoints, decoder), verify: cfg.Verify, workers: cfg.Workers, bits: wantedBits(decoder),
		log:    chainLog{kafka: cfg.Kafka, topic: cfg.Topic, chainID: cfg.Preset.ChainID, writer: rand.Uint64()}, //nolint:gosec // it only tells runs apart
		logger: cfg.Log, poll: cfg.Poll, pause: backoff,
		watches: map[common.Address]bool{}, known: map[common.Address]bool{},
	}
	for _, address := range decoder.Watched() {
		s.watches[address] = true
	}
	s.nodes.check = func(ctx context.Context, n *node) error { return n.check(ctx, s.preset.ChainID, s.hub) }
	if s.verify == "" {
		s.verify = VerifyLive
	}
	if s.workers == 0 {
		s.workers = max(DefaultWorkers, 2*len(cfg.Endpoints))
	}
	if s.poll == 0 {
		s.poll = DefaultPoll
	}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	s.span.Store(firstSpan)
	s.status.Start = max(cfg.Preset.StartBlock, 1)
	s.heads = &heads{rpc: pushing(cfg.Endpoints), logger: s.logger}
	return s
}

// pushing is the endpoint that can push new heads, or else the first.
func pushing(endpoints []Endpoint) *rpc.Client {
	for _, e := range endpoints {
		if e.RPC.SupportsSubscriptions() {
			return e.RPC
		}
	}
	return endpoints[0].RPC
}

// DecoderOf reads the logs of a preset's contracts.
func DecoderOf(preset chains.Preset) contracts.Decoder {
	return contracts.Decoder{
		Hub:                common.HexToAddress(preset.Hub),
		AppRegistry:        common.HexToAddress(preset.AppRegistry),
		DatasetRegistry:    common.HexToAddress(preset.DatasetRegistry),
		WorkerpoolRegistry: common.HexToAddress(preset.WorkerpoolRegistry),
		DataProtector:      common.HexToAddress(preset.DataProtector.Core),
		Sharing:            common.HexToAddress(preset.DataProtector.Sharing),
		WhitelistRegistry:  common.HexToAddress(preset.DataProtector.WhitelistRegistry),
	}
}

// Status returns how the source stands. It may be called from any goroutine.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.status
	status.Span, status.Endpoints = s.stride(), s.nodes.status()
	return status
}

func (s *Source) note(edit func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	edit(&s.status)
}

// Run follows the chain until ctx ends, and then returns nil. Before it writes anything
// it fails with a *ChainError or a *HubError where the node is the wrong one, or with
// what hinders it from asking; later only with a critical error (see the package's
// comment).
func (s *Source) Run(ctx context.Context) error {
	defer s.heads.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := s.start(ctx)
	if err == nil {
		err = s.follow(ctx)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (s *Source) start(ctx context.Context) error {
	if _, err := s.head(ctx); err != nil { // which checks that it is the right chain
		return err
	}
	if err := s.log.kafka.CreateTopic(ctx, s.log.topic, 1, schema.MaxRecordBytes); err != nil {
		return fmt.Errorf("making the chain log: %w", err)
	}
	return nil
}

// follow is the loop: find the place in the log, then take each new head, for ever.
func (s *Source) follow(ctx context.Context) error {
	var doubted doubts
	for failures := 0; ; {
		indexed := s.Status().Indexed
		err := s.turn(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			failures = 0
			s.note(func(st *Status) { st.LastError = nil })
			s.heads.wait(ctx, s.poll)
			continue
		}
		switch gradeOf(err) {
		case critical:
			return err
		case reset:
			s.trail = nil
		case temporary:
		}
		if s.Status().Indexed != indexed {
			failures = 0
		}
		if doubted.add(err) {
			return errors.Join(err, s.fail(ctx, err))
		}
		failures++
		s.note(func(st *Status) { st.Errors++; st.LastError = err })
		s.logger.Warn("following the chain: trying again", "chain", s.preset.Name, "failures", failures, "error", err)
		sleep(ctx, s.pause(failures))
	}
}

// maxDoubts is how often in a row every endpoint may give an answer about a block that
// is not believed.
const maxDoubts = 8

// doubts counts them.
type doubts struct {
	number uint64
	count  int
}

// add counts an error and tells whether it is time to stop.
func (d *doubts) add(err error) bool {
	var doubted *DoubtError
	if !errors.As(err, &doubted) {
		return false
	}
	if d.number != doubted.Number {
		*d = doubts{number: doubted.Number}
	}
	d.count++
	return d.count >= maxDoubts
}

// fail puts into the ledger, for ever, which block was not believed.
func (s *Source) fail(ctx context.Context, err error) error {
	var doubted *DoubtError
	if !errors.As(err, &doubted) || s.trail == nil || doubted.Number <= s.trail.top().Number {
		return nil
	}
	s.ledger = s.ledger.fail(doubted.Number, doubted.Reason)
	s.note(func(st *Status) { st.Ledger, st.LastError = s.ledger, err })
	return s.log.append(ctx, mark(s.trail.top(), s.final, s.ledger))
}

// head returns the newest block.
func (s *Source) head(ctx context.Context) (sealed, error) {
	return ask(ctx, s.nodes, func(ctx context.Context, n *node) (sealed, error) { return n.head(ctx) })
}

// turn brings the log up to the node's head.
func (s *Source) turn(ctx context.Context) error {
	if s.trail == nil {
		if err := s.resume(ctx); err != nil {
			return err
		}
	}
	s.payDebts(ctx)
	if err := s.collect(ctx); err != nil {
		return err
	}
	head, err := s.head(ctx)
	if err != nil {
		return err
	}
	s.note(func(st *Status) { st.Head, st.HeadTime = head.Number, head.Time })
	switch {
	case s.trail.has(head.header):
		return nil // nothing new, or a node that lags behind the one that answered before
	case head.Number < s.trail.anchor().Number:
		return fmt.Errorf("the node is at block %d, below the final block %d: waiting for the node", head.Number, s.trail.anchor().Number)
	}
	final, err := ask(ctx, s.nodes, func(ctx context.Context, n *node) (header, error) {
		return n.finalized(ctx, head.header, s.preset.FinalityDepth)
	})
	if err != nil {
		return err
	}
	if final.Number < s.final.Number {
		final = s.final // what was final stays so, whichever node answers
	}
	if final.Number > head.Number {
		return fmt.Errorf("the head is block %d, below the final block %d: %w", head.Number, final.Number, errMoved)
	}
	for s.trail.top().Hash != head.Hash {
		if err := s.advance(ctx, head, final); err != nil {
			return err
		}
	}
	return nil
}

// advance takes the log one piece closer to head: a range of history, or some blocks
// above finality.
func (s *Source) advance(ctx context.Context, head sealed, final header) error {
	base, err := s.common(ctx, head.header)
	if err != nil {
		return err
	}
	if final.Number > base.Number {
		return s.history(ctx, base, final)
	}
	if known, ok := s.trail.at(final.Number); ok && known.Hash != final.Hash {
		return fmt.Errorf("reading final block %d: %w", final.Number, errMoved)
	}
	return s.live(ctx, base, head, final)
}

// common finds the newest block of the trail that is on the node's chain.
func (s *Source) common(ctx context.Context, head header) (header, error) {
	if head.Parent == s.trail.top().Hash {
		return s.trail.top(), nil
	}
	to := min(s.trail.top().Number, head.Number)
	for {
		from := max(s.trail.anchor().Number, to-min(to, maxBatch-1))
		full, err := s.headers(ctx, from, to)
		if err != nil {
			return header{}, err
		}
		headers := plain(full)
		for i := len(headers) - 1; i >= 0; i-- {
			if s.trail.has(headers[i]) {
				return headers[i], nil
			}
		}
		if from == s.trail.anchor().Number {
			return header{}, &ForkError{Number: from, Logged: s.trail.anchor().Hash, Node: headers[0].Hash}
		}
		to = from - 1
	}
}

// retract appends retractions for what the log holds above base and shortens the trail.
func (s *Source) retract(ctx context.Context, base header) error {
	kept, abandoned := s.trail.cut(base.Number)
	var records []*assaypb.ChainRecord
	for _, step := range abandoned {
		if step.logged {
			records = append(records, retraction(point{number: step.Number, hash: step.Hash}))
		}
	}
	if err := s.appendRetractions(ctx, records); err != nil {
		return err
	}
	if len(abandoned) > 0 {
		s.logger.Info("the chain forked", "chain", s.preset.Name, "above", base.Number,
			"abandoned", len(abandoned), "retracted", len(records))
	}
	s.trail = kept
	return nil
}

func (s *Source) appendRetractions(ctx context.Context, records []*assaypb.ChainRecord) error {
	if err := s.log.append(ctx, records...); err != nil {
		return err
	}
	s.note(func(st *Status) { st.Retracted += uint64(len(records)) })
	return nil
}

// backoff doubles from 100 ms to 15 s.
func backoff(failures int) time.Duration {
	return min(15*time.Second, 100*time.Millisecond<<min(failures-1, 10))
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
