package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"assay/internal/kafka"
	"assay/schema/assaypb"
)

// watch follows the decisions log, as any operator's tool may, and tells how far tasks
// have come.
type watch struct {
	mu      sync.Mutex
	tasks   map[common.Hash]*seen
	reasons map[assaypb.Reason]int // of verdicts
	alerts  int
}

// seen is what the log said of a task, and when that was read.
type seen struct {
	assigned, accepted, announced int
	first, last                   time.Time
	asked                         map[common.Address]time.Time // workers that have not answered
	computing                     time.Duration                // Σ from assignment to verdict
}

func newWatch() *watch {
	return &watch{tasks: make(map[common.Hash]*seen), reasons: make(map[assaypb.Reason]int)}
}

// run reads the log from its beginning until ctx ends.
func (w *watch) run(ctx context.Context, client *kafka.Client, topic string) error {
	partitions, err := client.Partitions(ctx, topic)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for partition := range partitions {
		group.Go(func() error {
			return client.Read(ctx, topic, partition, 0, -1, func(message kafka.Message) error {
				var decision assaypb.Decision
				if err := proto.Unmarshal(message.Value, &decision); err != nil {
					return fmt.Errorf("decisions log, partition %d, offset %d: %w", partition, message.Offset, err)
				}
				w.note(&decision, time.Now())
				return nil
			})
		})
	}
	return group.Wait()
}

func (w *watch) note(decision *assaypb.Decision, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	task := w.task(common.BytesToHash(decision.Task), now)
	worker := common.BytesToAddress(decision.Worker)
	switch body := decision.Body.(type) {
	case *assaypb.Decision_Assignment:
		task.assigned++
		task.asked[worker] = now
	case *assaypb.Decision_Verdict:
		w.reasons[body.Verdict.Reason]++
		if body.Verdict.Outcome == assaypb.Verdict_ACCEPTED {
			task.accepted++
		}
		if asked, open := task.asked[worker]; open {
			task.computing += now.Sub(asked)
			delete(task.asked, worker)
		}
	case *assaypb.Decision_Consensus:
		task.announced++
	case *assaypb.Decision_Alert:
		w.alerts++
	}
}

func (w *watch) task(id common.Hash, now time.Time) *seen {
	task := w.tasks[id]
	if task == nil {
		task = &seen{first: now, asked: make(map[common.Address]time.Time)}
		w.tasks[id] = task
	}
	task.last = now
	return task
}

// of returns what the log said of a task so far.
func (w *watch) of(id common.Hash) seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	if task := w.tasks[id]; task != nil {
		return *task
	}
	return seen{}
}

// judged is how many verdicts had a reason.
func (w *watch) judged(reason assaypb.Reason) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reasons[reason]
}

// waiting is the share of the tasks' lives, from the first decision to the last, in
// which no worker was computing: they waited for blocks, confirmations and deadlines.
func (w *watch) waiting() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lives, computing time.Duration
	for _, task := range w.tasks {
		life := task.last.Sub(task.first)
		lives += life
		computing += min(task.computing, life)
	}
	if lives == 0 {
		return 0
	}
	return 1 - computing.Seconds()/lives.Seconds()
}
