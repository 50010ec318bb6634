package workers

import (
	"context"
	"fmt"
	"log/slog"
)

// work computes answers, one after the other.
func (f *Fleet) work(ctx context.Context, p *pipes) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case next := <-p.orders:
			j := next.job
			a, err := f.compute(ctx, j.agent, j.task, j.asked, next.publish)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case p.results <- result{j, a, err}:
			}
		}
	}
}

// publish appends messages to the contributions log.
func (f *Fleet) publish(ctx context.Context, p *pipes) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case letters := <-p.letters:
			if err := f.config.Kafka.Append(ctx, f.config.Topics.Contributions, letters...); err != nil {
				return fmt.Errorf("publishing contributions: %w", err)
			}
		}
	}
}

// nextOrder picks the first job in the queue whose worker has a free slot. Without one
// the channel is nil.
func (f *Fleet) nextOrder(p *pipes) (chan<- order, order) {
	for _, j := range f.queue {
		if j.agent.running < j.agent.Slots {
			return p.orders, order{j, j.wanted(j.view) == publish}
		}
	}
	return nil, order{}
}

// ordered notes that a computation was handed out.
func (f *Fleet) ordered(next order) {
	next.job.agent.running++
	for i, j := range f.queue {
		if j == next.job {
			f.queue = append(f.queue[:i], f.queue[i+1:]...)
			return
		}
	}
}

// computed takes an answer in.
func (f *Fleet) computed(done result) {
	j := done.job
	j.busy = false
	j.agent.running--
	if done.err != nil {
		f.setback(j, done.err)
	} else {
		j.answer = done.answer
	}
	f.mark(j)
}

// setback has a job wait before it is tried again, twice as long each time, and gives
// it up in the end. It touches nothing but the job.
func (f *Fleet) setback(j *job, why error) {
	j.setbacks++
	j.resume = f.head.number + 1<<j.setbacks
	j.dropped = j.setbacks >= maxSetbacks
	f.counters.setbacks.Add(1)
	level := slog.LevelWarn
	if j.setbacks == 1 {
		level = slog.LevelInfo // as when others agreed in the meantime
	}
	f.config.Log.Log(context.Background(), level, "a step of a task failed", "worker", j.agent.address, "task", j.task,
		"try", j.setbacks, "given_up", j.dropped, "error", why)
	if j.dropped {
		f.counters.dropped.Add(1)
		j.resume = 0
	}
}

// say logs trouble with the node once, and its end.
func (f *Fleet) say(trouble error) {
	switch {
	case trouble != nil && trouble.Error() != f.trouble:
		f.trouble = trouble.Error()
		f.config.Log.Warn("workers have trouble with the chain's node and try again", "error", trouble)
	case trouble == nil && f.trouble != "":
		f.trouble = ""
		f.config.Log.Info("workers follow the chain again")
	}
}
