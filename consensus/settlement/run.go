package settlement

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
)

// Config says for whom settlement sends.
type Config struct {
	ChainID       uint64
	Confirmations uint64                            // how deep a transaction is before it is believed
	Owners        map[common.Address]common.Address // workerpool → account that sends for it
	Poll          time.Duration                     // how often the chain is asked
}

// Settlement is a running outbox.
type Settlement struct {
	settler  *settler
	client   *kafka.Client
	topics   schema.Topics
	poll     time.Duration
	log      *slog.Logger
	inbox    chan *assaypb.Decision
	inFlight atomic.Int64
}

// New returns a settlement that has not started.
func New(config Config, chain Chain, client *kafka.Client, topics schema.Topics, log *slog.Logger) *Settlement {
	s := &Settlement{client: client, topics: topics, poll: config.Poll, log: log, inbox: make(chan *assaypb.Decision, 1000)}
	s.settler = &settler{
		outbox:        newOutbox(config.Owners),
		chain:         chain,
		chainID:       config.ChainID,
		confirmations: config.Confirmations,
		write:         s.write,
	}
	return s
}

// InFlight is how many transactions wait to be mined and buried.
func (s *Settlement) InFlight() int { return int(s.inFlight.Load()) }

// Run replays the decisions log, then pays what is owed until ctx ends.
func (s *Settlement) Run(ctx context.Context) error {
	from, err := s.replay(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for partition, offset := range from {
		group.Go(func() error { return s.follow(ctx, partition, offset) })
	}
	group.Go(func() error { return s.loop(ctx) })
	return group.Wait()
}

func (s *Settlement) replay(ctx context.Context) ([]int64, error) {
	return s.client.Replay(ctx, s.topics.Decisions, func(message kafka.Message) error {
		decision, err := decode(message)
		if err != nil {
			return err
		}
		return s.settler.outbox.fold(decision)
	})
}

func (s *Settlement) follow(ctx context.Context, partition int, from int64) error {
	return s.client.Read(ctx, s.topics.Decisions, partition, from, -1, func(message kafka.Message) error {
		decision, err := decode(message)
		if err != nil {
			return err
		}
		select {
		case s.inbox <- decision:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

func decode(message kafka.Message) (*assaypb.Decision, error) {
	decision := &assaypb.Decision{}
	if err := proto.Unmarshal(message.Value, decision); err != nil {
		return nil, fmt.Errorf("decisions log, partition %d, offset %d: %w", message.Partition, message.Offset, err)
	}
	return decision, nil
}

// loop folds what comes in and polls the chain. A chain that does not answer is asked
// again: nothing is lost, it is only later.
func (s *Settlement) loop(ctx context.Context) error {
	ticker := time.NewTicker(s.poll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case decision := <-s.inbox:
			if err := s.settler.outbox.fold(decision); err != nil {
				return err
			}
		case <-ticker.C:
			if err := s.tick(ctx); err != nil {
				return err
			}
		}
	}
}

func (s *Settlement) tick(ctx context.Context) error {
	err := s.settler.poll(ctx)
	s.inFlight.Store(int64(len(s.settler.outbox.open(sent))))
	if failed := (*logError)(nil); ctx.Err() != nil || errors.As(err, &failed) {
		return err
	}
	if err != nil {
		s.log.Warn("the chain does not do as asked; trying again", "error", err)
	}
	return nil
}

// logError says that the decisions log could not be written. Settlement stops: it must
// not send what is not written down.
type logError struct{ error }

// Unwrap gives the cause.
func (e *logError) Unwrap() error { return e.error }

// write appends decisions to the log, and folds them once they are safe there.
func (s *Settlement) write(ctx context.Context, decisions []*assaypb.Decision) error {
	if len(decisions) == 0 {
		return nil
	}
	messages := make([]kafka.Message, len(decisions))
	for i, decision := range decisions {
		value, err := proto.Marshal(decision)
		if err != nil {
			return &logError{err}
		}
		messages[i] = kafka.Message{Key: decision.Task, Value: value}
	}
	if err := s.client.Append(ctx, s.topics.Decisions, messages...); err != nil {
		return &logError{fmt.Errorf("writing to the decisions log: %w", err)}
	}
	for _, decision := range decisions {
		if err := s.settler.outbox.fold(decision); err != nil {
			return &logError{err}
		}
	}
	return nil
}
