package workers

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"

	"assay/contracts"
	"assay/internal/kafka"
	"assay/schema/assaypb"
)

// read follows one partition of the decisions log from its first record, and says with
// a nil decision when it has passed what was there at the start.
func (f *Fleet) read(ctx context.Context, partition int, p *pipes) error {
	topic := f.config.Topics.Decisions
	end, err := f.config.Kafka.End(ctx, topic, partition)
	if err != nil {
		return fmt.Errorf("measuring the decisions log: %w", err)
	}
	pass := func(decision *assaypb.Decision) error {
		select {
		case p.decisions <- decision:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	handle := func(message kafka.Message) error {
		if decision := f.relevant(message); decision != nil {
			return pass(decision)
		}
		return nil
	}
	if err := f.config.Kafka.Read(ctx, topic, partition, 0, end, handle); err != nil {
		return fmt.Errorf("replaying the decisions log: %w", err)
	}
	if err := pass(nil); err != nil {
		return err
	}
	return f.config.Kafka.Read(ctx, topic, partition, end, -1, handle)
}

// relevant decodes a decision and returns it if it is for a worker of this fleet, or
// for all workers of a task.
func (f *Fleet) relevant(message kafka.Message) *assaypb.Decision {
	decision := &assaypb.Decision{}
	if err := proto.Unmarshal(message.Value, decision); err != nil {
		f.config.Log.Warn("a record of the decisions log is unreadable and was passed over",
			"partition", message.Partition, "offset", message.Offset, "error", err)
		return nil
	}
	if decision.ChainId != f.config.ChainID || len(decision.Task) != common.HashLength {
		return nil
	}
	member := f.agents[common.BytesToAddress(decision.Worker)]
	switch body := decision.Body.(type) {
	case *assaypb.Decision_Consensus:
		return decision
	case *assaypb.Decision_Verdict:
		if member != nil {
			return decision
		}
	case *assaypb.Decision_Assignment:
		if member != nil && f.plausible(decision, body.Assignment, member) {
			return decision
		}
	}
	return nil
}

// plausible says that an assignment comes from the worker's pool and names its task
// rightly.
func (f *Fleet) plausible(decision *assaypb.Decision, asked *assaypb.Assignment, member *agent) bool {
	ok := common.BytesToAddress(decision.Workerpool) == member.Workerpool &&
		contracts.TaskID(common.BytesToHash(asked.Deal), asked.Index) == common.BytesToHash(decision.Task)
	if !ok {
		f.config.Log.Warn("an assignment of another pool, or to a task that is none, was passed over",
			"worker", member.address, "task", common.BytesToHash(decision.Task))
	}
	return ok
}

// decided takes a decision in.
func (f *Fleet) decided(decision *assaypb.Decision) {
	key := jobKey{common.BytesToAddress(decision.Worker), common.BytesToHash(decision.Task)}
	switch body := decision.Body.(type) {
	case *assaypb.Decision_Assignment:
		f.assigned(key, body.Assignment)
	case *assaypb.Decision_Verdict:
		if j := f.jobs[key]; j != nil {
			f.judged(j, body.Verdict)
		}
	case *assaypb.Decision_Consensus:
		for _, j := range f.byTask[key.task] {
			j.agreed = common.BytesToHash(body.Consensus.ResultHash)
			f.mark(j)
		}
	}
}

func (f *Fleet) assigned(key jobKey, asked *assaypb.Assignment) {
	if f.jobs[key] != nil {
		return
	}
	j := &job{agent: f.agents[key.worker], task: key.task, asked: asked, stale: true}
	f.jobs[key] = j
	f.byTask[key.task] = append(f.byTask[key.task], j)
	f.counters.assigned.Add(1)
	f.counters.open.Add(1)
	f.mark(j)
}

func (f *Fleet) judged(j *job, verdict *assaypb.Verdict) {
	before := *j
	j.judged(verdict)
	if before.verdict == nil && j.verdict != nil {
		f.counters.accepted.Add(1)
	}
	if !before.refused && j.refused {
		f.counters.refused.Add(1)
		f.config.Log.Info("the pool refused a contribution", "worker", j.agent.address, "task", j.task,
			"reason", verdict.Reason, "detail", verdict.Detail)
	}
	f.mark(j)
}
