package source

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"assay/contracts"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

// Config says which chain to follow and where to write it.
type Config struct {
	Preset chains.Preset
	RPC    *rpc.Client // over WebSocket new heads are pushed, else polled
	Kafka  Log
	Topic  string        // of the chain log (schema.TopicsOf); made if it is missing
	Poll   time.Duration // how often to ask for a new head; 0: DefaultPoll
	Log    *slog.Logger  // nil: slog.Default
}

// DefaultPoll is how often a source asks for a new head. Over WebSocket it is only the
// safety net.
const DefaultPoll = time.Second

// Status is how a source stands.
type Status struct {
	Head      uint64 // newest block that the node showed
	Indexed   uint64 // every block up to here is in the log if it holds events
	Finalized uint64 // no block up to here can be retracted any more
	Blocks    uint64 // blocks appended since the start
	Events    uint64 // events appended since the start
	Retracted uint64 // blocks retracted since the start
	Errors    uint64 // temporary errors since the start
	LastError error  // the newest of them; nil once things go on
}

// Lag is how many blocks of the chain are not in the log yet.
func (s Status) Lag() uint64 { return s.Head - min(s.Indexed, s.Head) }

// Source follows one chain. Make one with New and call Run once.
type Source struct {
	preset  chains.Preset
	hub     common.Address
	pools   common.Address // the registry of workerpools
	decoder contracts.Decoder
	node    *node
	client  *contracts.Client
	log     chainLog
	logger  *slog.Logger
	poll    time.Duration
	pause   func(failures int) time.Duration // before trying again

	trail trail
	final header                  // newest final block known
	span  uint64                  // blocks in the next range of history
	known map[common.Address]bool // registered workerpools, of those that were asked for
	heads *heads

	mu     sync.Mutex
	status Status
}

// New prepares to follow a chain.
func New(cfg Config) *Source {
	decoder := DecoderOf(cfg.Preset)
	s := &Source{
		preset: cfg.Preset, hub: decoder.Hub, pools: decoder.WorkerpoolRegistry, decoder: decoder,
		node:   &node{rpc: cfg.RPC, watched: watched(decoder)},
		client: contracts.NewClient(cfg.RPC, decoder.Hub),
		log:    chainLog{kafka: cfg.Kafka, topic: cfg.Topic, chainID: cfg.Preset.ChainID},
		logger: cfg.Log, poll: cfg.Poll, pause: backoff, span: firstSpan,
		known: map[common.Address]bool{},
	}
	if s.poll == 0 {
		s.poll = DefaultPoll
	}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	s.heads = &heads{rpc: cfg.RPC, logger: s.logger}
	return s
}

// DecoderOf reads the logs of a preset's contracts.
func DecoderOf(preset chains.Preset) contracts.Decoder {
	return contracts.Decoder{
		Hub:                common.HexToAddress(preset.Hub),
		AppRegistry:        common.HexToAddress(preset.AppRegistry),
		DatasetRegistry:    common.HexToAddress(preset.DatasetRegistry),
		WorkerpoolRegistry: common.HexToAddress(preset.WorkerpoolRegistry),
	}
}

// watched are the contracts whose every log is wanted; a preset need not name
// registries.
func watched(d contracts.Decoder) []common.Address {
	var out []common.Address
	for _, a := range []common.Address{d.Hub, d.AppRegistry, d.DatasetRegistry, d.WorkerpoolRegistry} {
		if a != (common.Address{}) {
			out = append(out, a)
		}
	}
	return out
}

// Status returns how the source stands. It may be called from any goroutine.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
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
	if err := s.node.check(ctx, s.preset.ChainID, s.hub); err != nil {
		return err
	}
	if err := s.log.kafka.CreateTopic(ctx, s.log.topic, 1); err != nil {
		return fmt.Errorf("making the chain log: %w", err)
	}
	return nil
}

// follow is the loop: find the place in the log, then take each new head, for ever.
func (s *Source) follow(ctx context.Context) error {
	for failures := 0; ; {
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
		failures++
		s.note(func(st *Status) { st.Errors++; st.LastError = err })
		s.logger.Warn("following the chain: trying again", "chain", s.preset.Name, "failures", failures, "error", err)
		sleep(ctx, s.pause(failures))
	}
}

// turn brings the log up to the node's head.
func (s *Source) turn(ctx context.Context) error {
	if s.trail == nil {
		if err := s.resume(ctx); err != nil {
			return err
		}
	}
	head, err := s.node.head(ctx)
	if err != nil {
		return err
	}
	s.note(func(st *Status) { st.Head = head.Number })
	switch {
	case s.trail.has(head):
		return nil // nothing new, or a node that lags behind the one that answered before
	case head.Number < s.trail.anchor().Number:
		return fmt.Errorf("the node is at block %d, below the final block %d: waiting for the node", head.Number, s.trail.anchor().Number)
	}
	final, err := s.node.finalized(ctx, head, s.preset.FinalityDepth)
	if err != nil {
		return err
	}
	if final.Number < s.final.Number {
		final = s.final // what was final stays so, whichever node answers
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
func (s *Source) advance(ctx context.Context, head, final header) error {
	base, err := s.common(ctx, head)
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
		headers, err := s.node.headers(ctx, from, to)
		if err != nil {
			return header{}, err
		}
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
