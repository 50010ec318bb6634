package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"assay/contracts"
	"assay/graphql/client"
	"assay/indexer/source"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
	"assay/workers"
)

// story makes the deals and lets happen what the demo is there to show. Every part finds
// out for itself whether it has happened, so that a run that was killed goes on.
type story struct {
	world  *world
	market *market
	watch  *watch
	api    *client.Client
	topics schema.Topics
	show   *show
	source func() source.Status
	tasks  uint64 // of all offers
	first  []common.Hash
}

// patience is how long nothing may happen before the story goes on without it.
const patience = 90 * time.Second

func newStory(w *world, m *market, seen *watch, api *client.Client, status func() source.Status, show *show) (*story, error) {
	s := &story{world: w, market: m, watch: seen, api: api, source: status, topics: schema.TopicsOf(m.preset().Name), show: show}
	for _, offer := range m.offers {
		s.tasks += offer.tasks
	}
	domain := contracts.Domain{ChainID: chainID, Hub: m.deployment.Hub}
	for i := range storyDeals {
		request, err := m.offers[i].request(i, m.who, m.resources).Signed(domain, m.who.requester.key)
		if err != nil {
			return nil, err
		}
		deal := contracts.DealID(request.Hash(domain), common.Big0)
		s.first = append(s.first, contracts.TaskID(deal, 0))
	}
	return s, nil
}

// tell plays the whole story.
func (s *story) tell(ctx context.Context) error {
	for _, part := range []func(context.Context) error{
		s.vouched, s.unrevealed, s.replicated, s.everything, s.hostile, s.fork, s.workDone, s.reopened, s.claimed,
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) vouched(ctx context.Context) error {
	if err := s.market.deal(ctx, dealEnclave+1); err != nil {
		return err
	}
	return s.until(ctx, "the quote of an enclave that is not the app's is refused, another worker's is accepted", func() (bool, error) {
		return s.watch.judged(assaypb.Reason_REASON_WRONG_ENCLAVE) > 0 && s.watch.of(s.first[dealEnclave]).accepted > 0, nil
	})
}

func (s *story) unrevealed(ctx context.Context) error {
	if err := s.market.deal(ctx, dealUnrevealed+1); err != nil {
		return err
	}
	return s.until(ctx, "a worker that will not reveal takes the first deal", func() (bool, error) {
		return s.watch.of(s.first[dealUnrevealed]).assigned > 0, nil
	})
}

func (s *story) replicated(ctx context.Context) error {
	if err := s.market.deal(ctx, dealReplicated+1); err != nil {
		return err
	}
	return s.until(ctx, "three workers, one of them a liar, are asked for a replicated task", func() (bool, error) {
		return s.watch.of(s.first[dealReplicated]).assigned >= 3, nil
	})
}

func (s *story) everything(ctx context.Context) error {
	if err := s.market.deal(ctx, len(s.market.offers)); err != nil {
		return err
	}
	s.show.step("%d deals are made, %d tasks in all", len(s.market.offers), s.tasks)
	return nil
}

// hostile sends what an attacker would: none of it may stop anything, all of it must be
// refused for the right reason.
func (s *story) hostile(ctx context.Context) error {
	err := s.until(ctx, "the worker that will not reveal has contributed", func() (bool, error) {
		return s.watch.of(s.first[dealUnrevealed]).accepted > 0, nil
	})
	if err != nil {
		return err
	}
	if s.watch.judged(assaypb.Reason_REASON_OVERSIZED) > 0 {
		return nil // an earlier run sent them
	}
	task := s.first[dealUnrevealed]
	copied, err := s.contribution(ctx, task)
	if err != nil {
		return err
	}
	forged, err := s.forged(task)
	if err != nil {
		return err
	}
	messages := []kafka.Message{
		{Key: []byte("mallory"), Value: []byte("not a message")},
		{Key: []byte("mallory"), Value: make([]byte, 100_000)},
		{Key: task[:], Value: forged},
		{Key: task[:], Value: copied},
	}
	if err := s.world.kafka.Append(ctx, s.topics.Contributions, messages...); err != nil {
		return err
	}
	return s.until(ctx, "a malformed, an oversized, a forged and a replayed contribution are refused", func() (bool, error) {
		return s.watch.judged(assaypb.Reason_REASON_MALFORMED) > 0 && s.watch.judged(assaypb.Reason_REASON_OVERSIZED) > 0 &&
			s.watch.judged(assaypb.Reason_REASON_BAD_SIGNATURE) > 0 && s.watch.judged(assaypb.Reason_REASON_REPLAYED) > 0, nil
	})
}

// errFound ends a read of the log.
var errFound = errors.New("found")

// contribution finds the bytes that a worker published for a task.
func (s *story) contribution(ctx context.Context, task common.Hash) (value []byte, err error) {
	partitions, err := s.world.kafka.Partitions(ctx, s.topics.Contributions)
	if err != nil {
		return nil, err
	}
	partition := kafka.PartitionOf(task[:], partitions)
	end, err := s.world.kafka.End(ctx, s.topics.Contributions, partition)
	if err != nil {
		return nil, err
	}
	err = s.world.kafka.Read(ctx, s.topics.Contributions, partition, 0, end, func(message kafka.Message) error {
		if common.BytesToHash(message.Key) == task {
			value = message.Value
			return errFound
		}
		return nil
	})
	if err != nil && !errors.Is(err, errFound) {
		return nil, err
	}
	return value, nil
}

// forged is a contribution in a worker's name, signed by somebody else.
func (s *story) forged(task common.Hash) ([]byte, error) {
	stranger, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	worker := s.market.who.workers[0].address
	return workers.Seal(stranger, &assaypb.WorkerPayload{
		ChainId: chainID, Hub: s.market.deployment.Hub.Bytes(), Worker: worker.Bytes(),
		Body: &assaypb.WorkerPayload_Contribution{Contribution: &assaypb.Contribution{
			Task: task[:], ResultHash: make([]byte, 32), ResultSeal: make([]byte, 32),
		}},
	})
}

// fork abandons the newest blocks in the middle of the work, when some of it has just come
// into the log, so that it has to be taken back. On a busy machine the log may be behind by
// as much as was abandoned: then the chain forks again, with what was to be taken back.
func (s *story) fork(ctx context.Context) error {
	events := s.source().Events
	for tries := 0; tries < 10 && s.source().Retracted == 0; tries++ {
		done, err := s.count(ctx)
		if err != nil {
			return err
		}
		if err := s.within(ctx, 10*time.Second, func() bool { return s.source().Events > events || done >= s.tasks }); err != nil {
			return err
		}
		events = s.source().Events
		if err := s.world.chain.Fork(confirmations); err != nil {
			return fmt.Errorf("forking the chain: %w", err)
		}
		s.show.step("the chain forks: its last %d blocks are abandoned", confirmations)
		if done >= s.tasks {
			return nil // nobody works: there is nothing to be taken back
		}
		if err := s.within(ctx, 5*time.Second, func() bool { return s.source().Retracted > 0 || s.source().Events > events }); err != nil {
			return err
		}
	}
	return nil
}

// within waits for something, but no longer than so.
func (s *story) within(ctx context.Context, most time.Duration, happened func() bool) error {
	since := time.Now()
	return s.poll(ctx, 10*time.Millisecond, func() (bool, error) { return happened() || time.Since(since) > most, nil })
}

func (s *story) workDone(ctx context.Context) error {
	return s.ended(ctx, "all tasks that can end without a deadline have ended", s.tasks-2)
}

func (s *story) reopened(ctx context.Context) error {
	if done, err := s.count(ctx); err != nil || done >= s.tasks-1 {
		return err
	}
	if err := s.travel(11 * time.Minute); err != nil { // past the reveal deadline, 2·300 s
		return err
	}
	return s.ended(ctx, "the unrevealed task was reopened, and another worker's result completed it", s.tasks-1)
}

func (s *story) claimed(ctx context.Context) error {
	for {
		done, err := s.count(ctx)
		if err != nil {
			return err
		}
		if done == s.tasks {
			s.show.step("all %d tasks have ended", s.tasks)
			return nil
		}
		if err := s.travel(51 * time.Minute); err != nil { // past the final deadline, 10·300 s
			return err
		}
		if err := s.ended(ctx, "the task that nobody answered was claimed: requester refunded, pool seized", s.tasks); err != nil {
			return err
		}
	}
}

func (s *story) travel(d time.Duration) error {
	if err := s.world.chain.Travel(d); err != nil {
		return fmt.Errorf("travelling %s: %w", d, err)
	}
	s.show.step("the chain's clock is put forward by %s", d)
	return nil
}

// count is how many tasks have ended.
func (s *story) count(ctx context.Context) (uint64, error) {
	counts, err := s.api.TaskCounts(ctx, chainID)
	if err != nil {
		return 0, err
	}
	return counts["COMPLETED"] + counts["FAILED"], nil
}

// ended waits until so many tasks have ended, or nothing has for a while.
func (s *story) ended(ctx context.Context, what string, want uint64) error {
	last, since := uint64(0), time.Now()
	err := s.poll(ctx, 200*time.Millisecond, func() (bool, error) {
		done, err := s.count(ctx)
		if err != nil {
			return false, err
		}
		s.show.progress(done, s.tasks)
		if done > last {
			last, since = done, time.Now()
		}
		return done >= want || time.Since(since) > patience, nil
	})
	if err != nil {
		return err
	}
	if last >= want {
		s.show.step("%s", what)
	}
	return nil
}

// until asks again and again, and then says what has come about.
func (s *story) until(ctx context.Context, what string, happened func() (bool, error)) error {
	if err := s.poll(ctx, 50*time.Millisecond, happened); err != nil {
		return err
	}
	s.show.step("%s", what)
	return nil
}

// poll asks at intervals until the answer is yes.
func (s *story) poll(ctx context.Context, every time.Duration, happened func() (bool, error)) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if yes, err := happened(); yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
