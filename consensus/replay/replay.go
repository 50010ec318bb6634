package replay

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"

	"assay/consensus/poco"
	"assay/consensus/poco/wire"
	"assay/schema/assaypb"
)

// Replay folds one chain log, under a policy. It is not safe for concurrent use, and
// after an error it is of no more use.
type Replay struct {
	rules  poco.Rules
	policy Policy
	next   uint64           // sequence of the next record
	recent []*assaypb.Block // that can still be retracted, oldest first
	record *poco.State

	deals  map[poco.Hash]*poco.Deal
	tasks  map[poco.Hash]*live
	order  []poco.Hash                // of the tasks, as they were initialized
	money  map[poco.Hash][]poco.Event // rewards and seizures by task, until it ends
	scores map[poco.Address]*poco.Amount
	kitty  *big.Int // nRLC in it under the policy
	books  books
}

// live is a task that the record has not ended.
type live struct {
	facts
	row *Task
}

// New starts a replay at the beginning of a chain's log.
func New(rules poco.Rules, policy Policy) *Replay {
	return &Replay{
		rules: rules, policy: policy, record: poco.New(rules),
		deals: map[poco.Hash]*poco.Deal{}, tasks: map[poco.Hash]*live{}, money: map[poco.Hash][]poco.Event{},
		scores: map[poco.Address]*poco.Amount{}, kitty: new(big.Int), books: newBooks(),
	}
}

// Add takes the next record of the log. One that came before, as a producer's retry
// leaves it, changes nothing. Blocks count once they are final, or when the log ends.
func (r *Replay) Add(record *assaypb.ChainRecord) error {
	switch {
	case record.GetChainId() != r.rules.ChainID:
		return fmt.Errorf("record %d is of chain %d, not %d", record.GetSequence(), record.GetChainId(), r.rules.ChainID)
	case record.GetSequence() < r.next:
		return nil
	case record.GetSequence() > r.next:
		return fmt.Errorf("the chain log has a gap: record %d is missing (found %d)", r.next, record.GetSequence())
	}
	r.next++
	if err := r.take(record); err != nil {
		return fmt.Errorf("record %d of the chain log: %w", record.GetSequence(), err)
	}
	return nil
}

func (r *Replay) take(record *assaypb.ChainRecord) error {
	last := len(r.recent) - 1
	switch body := record.GetBody().(type) {
	case *assaypb.ChainRecord_Block:
		if last >= 0 && body.Block.GetNumber() <= r.recent[last].GetNumber() {
			return fmt.Errorf("block %d follows block %d", body.Block.GetNumber(), r.recent[last].GetNumber())
		}
		r.recent = append(r.recent, body.Block)
		return nil
	case *assaypb.ChainRecord_Retraction:
		if last < 0 || !bytes.Equal(r.recent[last].GetHash(), body.Retraction.GetHash()) {
			return fmt.Errorf("block %d is retracted but is not the newest block above finality", body.Retraction.GetNumber())
		}
		r.recent = r.recent[:last]
		return nil
	case *assaypb.ChainRecord_Mark:
		return r.fold(func(b *assaypb.Block) bool { return b.GetNumber() <= body.Mark.GetFinalizedNumber() })
	default:
		return errors.New("neither a block nor a retraction nor a mark")
	}
}

// Report ends the replay: the log has no more records.
func (r *Replay) Report() (*Report, error) {
	if err := r.fold(func(*assaypb.Block) bool { return true }); err != nil {
		return nil, err
	}
	for _, id := range r.order {
		if task := r.tasks[id]; task != nil {
			if err := r.end(task); err != nil {
				return nil, err
			}
		}
	}
	for address, worker := range r.books.workers {
		before, after := r.record.Account(address).Score, r.score(address)
		worker.Score = Change[*big.Int]{before.ToBig(), after.ToBig()}
	}
	return &r.books.report, nil
}

// fold folds the oldest blocks as long as they are good to be folded.
func (r *Replay) fold(good func(*assaypb.Block) bool) error {
	for len(r.recent) > 0 && good(r.recent[0]) {
		block := r.recent[0]
		if err := r.block(block); err != nil {
			return fmt.Errorf("block %d: %w", block.GetNumber(), err)
		}
		r.recent[0] = nil
		r.recent = r.recent[1:]
	}
	return nil
}

func (r *Replay) block(block *assaypb.Block) error {
	at := poco.Block{Number: block.GetNumber(), Time: block.GetTime()}
	for _, message := range block.GetEvents() {
		event, err := wire.FromProto(message)
		if err == nil && event != nil {
			err = r.happened(at, event)
		}
		if err != nil {
			return fmt.Errorf("event %d: %w", message.GetLogIndex(), err)
		}
	}
	return nil
}

// happened folds an event into the record and keeps the fact in it.
func (r *Replay) happened(at poco.Block, event poco.Event) error {
	if err := r.record.Evolve(at, event); err != nil {
		return err
	}
	switch e := event.(type) {
	case poco.Seize:
		r.money[e.Ref] = append(r.money[e.Ref], e)
	case poco.Reward:
		r.money[e.Ref] = append(r.money[e.Ref], e)
	case poco.TaskInitialize:
		r.initialized(e)
	case poco.TaskContribute:
		r.contributed(at, e)
	case poco.TaskConsensus:
		r.agreed(e)
	case poco.TaskReveal:
		r.revealed(e)
	case poco.TaskReopen:
		if task := r.tasks[e.Task]; task != nil {
			task.reopened = append(task.reopened, len(task.contributions))
		}
	case poco.TaskFinalize:
		return r.ended(e.Task)
	case poco.TaskClaimed:
		return r.ended(e.Task)
	case poco.ResultPushedBoost:
		r.pushed(poco.TaskID(e.Deal, &e.Index))
	}
	return nil
}

func (r *Replay) initialized(e poco.TaskInitialize) {
	deal := r.deals[e.Deal]
	if deal == nil {
		known, _ := r.record.Deal(e.Deal) // Evolve knew it
		body := *known
		deal = &body
		r.deals[e.Deal] = deal
	}
	task := &live{facts: facts{id: e.Task, dealID: e.Deal, deal: deal}}
	task.row = r.books.open(&task.facts)
	r.tasks[e.Task] = task
	r.order = append(r.order, e.Task)
}

func (r *Replay) contributed(at poco.Block, e poco.TaskContribute) {
	task := r.tasks[e.Task]
	if task == nil {
		return
	}
	weight := r.policy.weight(r.score(e.Worker))
	task.contributions = append(task.contributions, contribution{
		worker: e.Worker, result: e.ResultHash, weight: weight, share: r.policy.share(&weight, r.roundsUp(at.Number)),
	})
}

// roundsUp says how the chain rounded the log of a weight at a block.
func (r *Replay) roundsUp(block uint64) bool {
	up := false
	for _, era := range r.rules.Eras {
		if era.FromBlock <= block {
			up = era.CeilLogWeight
		}
	}
	return up
}

// agreed keeps who could reveal.
func (r *Replay) agreed(e poco.TaskConsensus) {
	task := r.tasks[e.Task]
	if task == nil {
		return
	}
	for i := range task.contributions {
		c := &task.contributions[i]
		recorded, _ := r.record.Contribution(e.Task, c.worker)
		c.asked = c.asked || recorded.ResultHash == e.Consensus && recorded.Status == poco.Contributed
	}
}

func (r *Replay) revealed(e poco.TaskReveal) {
	task := r.tasks[e.Task]
	if task == nil {
		return
	}
	for i := range task.contributions {
		if task.contributions[i].worker == e.Worker {
			task.contributions[i].revealed = true
		}
	}
}

// ended settles a task that the record ends here. One that was never initialized is a
// Boost deal's.
func (r *Replay) ended(id poco.Hash) error {
	if task := r.tasks[id]; task != nil {
		return r.end(task)
	}
	r.claimedBoost(id)
	return nil
}

// end books a task as it ended in the record, or is open at its end, and as it does
// under the policy.
func (r *Replay) end(task *live) error {
	before := r.recorded(&task.facts)
	task.ended = before.outcome
	paid, err := recorded(&task.facts, &before, r.money[task.id])
	if err != nil {
		return fmt.Errorf("task %s: %w", task.id, err)
	}
	after := r.policy.judge(&task.facts)
	due := r.policy.settle(&task.facts, &after, r.kitty)
	r.books.enter(task.row, &task.facts, Change[verdict]{before, after}, Change[settlement]{paid, due})
	r.kitty.Sub(r.kitty, due.kitty)
	r.kitty.Add(r.kitty, due.poolLost)
	r.rate(&task.facts, &after)
	delete(r.money, task.id)
	delete(r.tasks, task.id)
	return nil
}

// recorded is the verdict of the chain.
func (r *Replay) recorded(f *facts) verdict {
	task, _ := r.record.Task(f.id) // Evolve knew it
	v := verdict{
		outcome: outcomeOf(task), result: task.ConsensusValue, trust: f.deal.Trust, stake: f.deal.WorkerStake.ToBig(),
		fates: make([]Fate, len(f.contributions)),
	}
	for i := range v.fates {
		c, _ := r.record.Contribution(f.id, f.contributions[i].worker)
		switch {
		case v.outcome == Open:
		case v.outcome != Completed:
			v.fates[i] = Returned
		case c.Status == poco.Proved:
			v.fates[i] = Paid
		default:
			v.fates[i] = Seized
		}
	}
	return v
}

// outcomeOf tells failures apart. There are winners from a consensus on, until a
// reopening.
func outcomeOf(task *poco.Task) Outcome {
	switch {
	case task.Status == poco.TaskCompleted:
		return Completed
	case task.Status != poco.TaskFailed:
		return Open
	case task.WinnerCounter == 0:
		return Undecided
	case task.RevealCounter == 0:
		return Unrevealed
	default:
		return Abandoned
	}
}

// rate sets scores as distributeRewards does: a point for a result that was right, if
// there was another contributor, and a third off for one that was not.
func (r *Replay) rate(f *facts, v *verdict) {
	contributors := len(v.fates) - int(count(v.fates)[Dropped])
	for i, fate := range v.fates {
		score := r.scores[f.contributions[i].worker]
		if score == nil {
			score = new(poco.Amount)
			r.scores[f.contributions[i].worker] = score
		}
		switch {
		case fate == Paid && contributors > 1:
			score.AddUint64(score, 1)
		case fate == Seized:
			score.Mul(score, two)
			score.Div(score, three)
		}
	}
}

func (r *Replay) score(worker poco.Address) poco.Amount {
	if score := r.scores[worker]; score != nil {
		return *score
	}
	return poco.Amount{}
}

// pushed draws from the kitty for a task of a Boost deal.
func (r *Replay) pushed(id poco.Hash) {
	r.kitty.Sub(r.kitty, kittyShare(r.kitty))
	delete(r.money, id)
}

// claimedBoost fills the kitty from a task of a Boost deal.
func (r *Replay) claimedBoost(id poco.Hash) {
	for _, event := range r.money[id] {
		if reward, ok := event.(poco.Reward); ok && reward.Owner == poco.KittyAddress {
			r.kitty.Add(r.kitty, reward.Amount.ToBig())
		}
	}
	delete(r.money, id)
}
