package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
)

// maxBatch bounds how many records are folded before their decisions are written.
const maxBatch = 1000

// Run decides for the configured pools until ctx ends. The topics must exist. Metrics
// may be nil.
func Run(ctx context.Context, config Config, client *kafka.Client, topics schema.Topics, metrics *Metrics, log *slog.Logger) error {
	for {
		shell := &shell{core: New(config), client: client, topics: topics, metrics: metrics, log: log, inbox: make(chan record, maxBatch)}
		err := shell.run(ctx)
		if !errors.Is(err, ErrForkBelowConfirmations) {
			return err
		}
		log.Warn("folding the logs again", "reason", err)
	}
}

// shell feeds a core from the logs and writes what it decides.
type shell struct {
	core    *Core
	client  *kafka.Client
	topics  schema.Topics
	metrics *Metrics
	log     *slog.Logger
	inbox   chan record
}

// record is one message of any of the logs.
type record struct {
	topic   string
	message kafka.Message
	opened  *message // of the contributions log
}

// run replays the logs as far as they stand, then follows them. The chain comes first,
// since decisions are about what it says; contributions last, since they are answered by
// all the rest.
func (s *shell) run(ctx context.Context) error {
	evidence, err := s.client.Replay(ctx, schema.Collateral, s.collateral)
	if err != nil {
		return err
	}
	chain, err := s.client.Replay(ctx, s.topics.Log, s.chain)
	if err != nil {
		return err
	}
	if err := s.core.settle(); err != nil {
		return err
	}
	decisions, err := s.client.Replay(ctx, s.topics.Decisions, s.decision)
	if err != nil {
		return err
	}
	var due []*assaypb.Decision
	contributions, err := s.client.Replay(ctx, s.topics.Contributions, func(message kafka.Message) error {
		decision, err := s.judge(message)
		due = append(due, decision...)
		return err
	})
	if err != nil {
		return err
	}
	due = append(due, s.core.Plan()...)
	if err := s.write(ctx, due); err != nil {
		return err
	}
	s.metrics.show(s.core)
	s.log.Info("engine follows the logs", "live_tasks", len(s.core.live))
	group, ctx := errgroup.WithContext(ctx)
	s.follow(ctx, group, schema.Collateral, evidence)
	s.follow(ctx, group, s.topics.Log, chain)
	s.follow(ctx, group, s.topics.Decisions, decisions)
	s.follow(ctx, group, s.topics.Contributions, contributions)
	group.Go(func() error { return s.loop(ctx) })
	return group.Wait()
}

// follow sends what is appended to a topic to the inbox. Contributions are opened on the
// way, those of different partitions side by side.
func (s *shell) follow(ctx context.Context, group *errgroup.Group, topic string, from []int64) {
	for partition, offset := range from {
		group.Go(func() error {
			return s.client.Read(ctx, topic, partition, offset, -1, func(message kafka.Message) error {
				next := record{topic: topic, message: message}
				if topic == s.topics.Contributions {
					next.opened = s.core.config.open(message.Value)
				}
				select {
				case s.inbox <- next:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
		})
	}
}

// loop folds what comes in, batch by batch, and writes what was decided before it takes
// the next.
func (s *shell) loop(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case first := <-s.inbox:
			due, err := s.batch(first)
			if err != nil {
				return err
			}
			if err := s.write(ctx, due); err != nil {
				return err
			}
		}
	}
}

func (s *shell) batch(next record) ([]*assaypb.Decision, error) {
	var due []*assaypb.Decision
	for range maxBatch {
		decisions, err := s.take(next)
		if err != nil {
			return nil, err
		}
		due = append(due, decisions...)
		select {
		case next = <-s.inbox:
		default:
			return due, nil
		}
	}
	return due, nil
}

// take folds one record. The chain's clock moving on is when a plan is made.
func (s *shell) take(next record) ([]*assaypb.Decision, error) {
	switch next.topic {
	case s.topics.Contributions:
		return one(s.core.judge(uint32(next.message.Partition), uint64(next.message.Offset), next.opened))
	case s.topics.Decisions:
		return nil, s.decision(next.message)
	case schema.Collateral:
		return nil, s.collateral(next.message)
	}
	chain, counts, err := schema.ReadRecord(next.message.Value, next.message.Offset)
	if err != nil {
		return nil, fmt.Errorf("chain log, offset %d: %w", next.message.Offset, err)
	}
	if !counts {
		return nil, nil
	}
	if err := s.core.Follow(chain); err != nil {
		return nil, err
	}
	if chain.GetMark() == nil {
		return nil, nil
	}
	due := s.core.Plan()
	s.metrics.show(s.core)
	return due, nil
}

// collateral folds a record of the collateral log. One that is not used is said to be:
// other chains have other roots.
func (s *shell) collateral(message kafka.Message) error {
	if err := s.core.Collateral(message.Value); err != nil {
		s.log.Warn("a record of the collateral log is not used", "offset", message.Offset, "reason", err)
	}
	return nil
}

func (s *shell) chain(message kafka.Message) error {
	chain, counts, err := schema.ReadRecord(message.Value, message.Offset)
	if err != nil {
		return fmt.Errorf("chain log, offset %d: %w", message.Offset, err)
	}
	if !counts {
		return nil
	}
	return s.core.Replay(chain)
}

func (s *shell) decision(message kafka.Message) error {
	var decision assaypb.Decision
	if err := proto.Unmarshal(message.Value, &decision); err != nil {
		return fmt.Errorf("decisions log, partition %d, offset %d: %w", message.Partition, message.Offset, err)
	}
	return s.core.Decided(&decision)
}

func (s *shell) judge(message kafka.Message) ([]*assaypb.Decision, error) {
	return one(s.core.Judge(uint32(message.Partition), uint64(message.Offset), message.Value))
}

// one is a decision, if there is one, as a list.
func one(decision *assaypb.Decision, err error) ([]*assaypb.Decision, error) {
	if err != nil || decision == nil {
		return nil, err
	}
	return []*assaypb.Decision{decision}, nil
}

// write appends decisions to the log, and returns once they are safe there.
func (s *shell) write(ctx context.Context, decisions []*assaypb.Decision) error {
	if len(decisions) == 0 {
		return nil
	}
	messages := make([]kafka.Message, len(decisions))
	for i, decision := range decisions {
		value, err := proto.Marshal(decision)
		if err != nil {
			return err
		}
		messages[i] = kafka.Message{Key: decision.Task, Value: value}
		s.report(decision)
	}
	return s.client.Append(ctx, s.topics.Decisions, messages...)
}

// report logs what an operator wants to see pass by.
func (s *shell) report(decision *assaypb.Decision) {
	if alert := decision.GetAlert(); alert != nil {
		s.log.Warn("alert", "name", alert.Name, "detail", alert.Detail, "task", fmt.Sprintf("%#x", decision.Task))
	}
}
