package workers

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"

	"assay/internal/kafka"
	"assay/schema/assaypb"
)

// senders is how many wallets send at once.
const senders = 8

// turnTimeout bounds what the node can make a turn last. What was not sent is sent in
// the next.
const turnTimeout = time.Minute

// maxGap is how many new blocks are searched for events; beyond it everything is
// looked at again.
const maxGap = 1000

// pipes join the loop to the goroutines around it.
type pipes struct {
	decisions chan *assaypb.Decision // nil: a partition has been replayed
	orders    chan order
	results   chan result
	letters   chan []kafka.Message
}

func newPipes() *pipes {
	return &pipes{
		decisions: make(chan *assaypb.Decision, 1024),
		orders:    make(chan order, 256),
		results:   make(chan result, 256),
		letters:   make(chan []kafka.Message),
	}
}

// order asks for an answer to be computed, and result is what became of it.
type order struct {
	job     *job
	publish bool
}

type result struct {
	job    *job
	answer *answer
	err    error
}

// loop owns all jobs. It wakes for every decision, result and block, looks at the jobs
// that they are about, and does what next says.
func (f *Fleet) loop(ctx context.Context, p *pipes, partitions int, session uint64) error {
	if err := f.replay(ctx, p, partitions); err != nil {
		return err
	}
	beats, err := f.heartbeats(session, func(a *agent) uint32 { return a.Slots })
	if err != nil {
		return err
	}
	f.letters = append(f.letters, beats...)
	ticker := time.NewTicker(f.config.Poll)
	defer ticker.Stop()
	for blocks := true; ; {
		trouble := f.turn(ctx, blocks)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f.say(trouble)
		if blocks, err = f.wait(ctx, p, ticker.C, trouble != nil); err != nil {
			return err
		}
	}
}

// replay takes in what was decided before this start, all of it before anything is
// done: it may have been answered long ago.
func (f *Fleet) replay(ctx context.Context, p *pipes, partitions int) error {
	for partitions > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case decision := <-p.decisions:
			if decision == nil {
				partitions--
			} else {
				f.decided(decision)
			}
		}
	}
	return nil
}

// wait hands work out and sleeps until there is news, or after trouble until the next
// tick. It says whether it is time to look for a block.
func (f *Fleet) wait(ctx context.Context, p *pipes, tick <-chan time.Time, trouble bool) (blocks bool, err error) {
	for trouble || blocked(f.dirty, f.head.number) {
		orders, next := f.nextOrder(p)
		letters := p.letters
		if len(f.letters) == 0 {
			letters = nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-tick:
			return true, nil
		case decision := <-p.decisions:
			if decision != nil {
				f.decided(decision)
			}
		case done := <-p.results:
			f.computed(done)
		case orders <- next:
			f.ordered(next)
		case letters <- f.letters:
			f.letters = nil
		}
	}
	f.drain(p)
	return false, nil
}

// blocked says that every job waits for a later block.
func blocked(jobs []*job, head uint64) bool {
	return !slices.ContainsFunc(jobs, func(j *job) bool { return j.resume <= head })
}

// drain takes in what else has arrived, so that one turn serves it all.
func (f *Fleet) drain(p *pipes) {
	for range cap(p.decisions) {
		select {
		case decision := <-p.decisions:
			if decision != nil {
				f.decided(decision)
			}
		case done := <-p.results:
			f.computed(done)
		default:
			return
		}
	}
}

// turn follows the chain and advances the jobs that something happened to.
func (f *Fleet) turn(ctx context.Context, blocks bool) error {
	ctx, cancel := context.WithTimeout(ctx, turnTimeout)
	defer cancel()
	if blocks {
		if err := f.follow(ctx); err != nil {
			return err
		}
	}
	if f.head == (header{}) {
		return nil
	}
	due, err := f.look(ctx)
	if err != nil {
		return err
	}
	for _, j := range due {
		f.advance(j)
	}
	return f.settleUp(ctx)
}

// follow takes in the newest block, and what events say of the blocks since the last.
func (f *Fleet) follow(ctx context.Context) error {
	newest, err := f.chain.head(ctx)
	if err != nil || newest.hash == f.head.hash {
		return err
	}
	extends, err := f.extends(ctx, newest)
	if err != nil {
		return err
	}
	if extends {
		subjects, err := f.chain.touched(ctx, f.head.number+1, newest.number)
		if err != nil {
			return err
		}
		for _, about := range subjects {
			f.touch(about)
		}
	}
	if err := f.confirm(ctx, newest, !extends); err != nil {
		return err
	}
	f.head = newest
	f.age(!extends)
	return nil
}

// extends says that the last block is an ancestor of the newest, not too far back. If it
// is not, anything may have changed.
func (f *Fleet) extends(ctx context.Context, newest header) (bool, error) {
	if f.head.number >= newest.number || newest.number-f.head.number > maxGap {
		return false, nil
	}
	if f.head.hash == newest.parent {
		return true, nil
	}
	hash, err := f.chain.hashAt(ctx, f.head.number)
	return hash == f.head.hash, err
}

// age lets go of jobs that ended in blocks that cannot vanish, and wakes those that wait
// for time to pass.
func (f *Fleet) age(all bool) {
	for key, j := range f.jobs {
		switch {
		case all:
			j.stale = true
			f.mark(j)
		case j.ended != 0 && j.ended+f.config.Depth < f.head.number:
			f.release(key, j)
		case j.resume != 0 && j.resume <= f.head.number, j.agent.Behaviour.Conduct == Late && !j.told:
			f.mark(j)
		}
	}
}

func (f *Fleet) release(key jobKey, j *job) {
	delete(f.jobs, key)
	left := slices.DeleteFunc(f.byTask[j.task], func(other *job) bool { return other == j })
	if len(left) == 0 {
		delete(f.byTask, j.task)
	} else {
		f.byTask[j.task] = left
	}
}

// touch has what the contract says of a subject read again.
func (f *Fleet) touch(about subject) {
	for _, j := range f.byTask[about.task] {
		if about.worker == (common.Address{}) || about.worker == j.agent.address {
			j.stale = true
			f.mark(j)
		}
	}
}

// mark has jobs advanced in the next turn.
func (f *Fleet) mark(jobs ...*job) {
	for _, j := range jobs {
		if !j.dirty {
			j.dirty = true
			f.dirty = append(f.dirty, j)
		}
	}
}

// look returns the marked jobs that need not wait. It reads what the contract says of
// those that something happened to: every change of a task or contribution shows in an
// event, so of the others it still says the same.
func (f *Fleet) look(ctx context.Context) ([]*job, error) {
	var due, later, stale []*job
	for _, j := range f.dirty {
		if j.resume > f.head.number {
			later = append(later, j)
			continue
		}
		due = append(due, j)
		if j.stale {
			stale = append(stale, j)
		}
	}
	views, err := f.chain.views(ctx, f.head.hash, stale)
	if err != nil {
		return nil, err
	}
	for i, j := range stale {
		j.view, j.stale = views[i], false
	}
	for _, j := range due {
		j.view.time = f.head.time
		j.dirty, j.resume = false, 0
	}
	f.dirty = later
	return due, nil
}

// advance does what is next for a job, or has it done.
func (f *Fleet) advance(j *job) {
	f.credit(j)
	wasOpen := j.ended == 0
	j.ended = 0
	switch wanted := next(j, j.view); wanted {
	case rest:
	case end:
		j.ended = max(f.head.number, 1)
	case run:
		if !j.busy {
			j.busy = true
			f.queue = append(f.queue, j)
		}
	case publish:
		if j.answer.session != nil {
			f.letters = append(f.letters, kafka.Message{Key: j.task.Bytes(), Value: j.answer.session})
		}
		f.letters = append(f.letters, kafka.Message{Key: j.task.Bytes(), Value: j.answer.message})
		f.counters.published.Add(1)
		j.told, j.answer.message, j.answer.session = true, nil, nil
	case handOver:
		f.letters = append(f.letters, kafka.Message{Key: j.task.Bytes(), Value: j.answer.handover})
		j.handed = true
	default:
		j.agent.wallet.owed = append(j.agent.wallet.owed, owed{j, wanted})
	}
	if isOpen := j.ended == 0; isOpen != wasOpen {
		f.counters.open.Add(map[bool]int64{true: 1, false: -1}[isOpen])
	}
}

// credit counts what the contract says for the first time.
func (f *Fleet) credit(j *job) {
	if j.view.mine != 0 && !j.credited[0] {
		j.credited[0] = true
		f.counters.contributed.Add(1)
	}
	if j.view.mine == proved && !j.credited[1] {
		j.credited[1] = true
		f.counters.revealed.Add(1)
	}
}

// settleUp sends what wallets owe, several wallets at once. The error of one wallet
// does not keep the others from sending.
func (f *Fleet) settleUp(ctx context.Context) error {
	left := make([][]*job, len(f.order))
	errs := make([]error, len(f.order))
	var group errgroup.Group
	group.SetLimit(senders)
	for i, agent := range f.order {
		if len(agent.wallet.owed) > 0 {
			group.Go(func() error {
				left[i], errs[i] = f.pay(ctx, agent.wallet)
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, jobs := range left {
		for _, j := range jobs {
			j.resume = max(j.resume, f.head.number+1)
		}
		f.mark(jobs...)
	}
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("worker %s: %w", f.order[i].address, err)
		}
	}
	return nil
}
