package engine

import (
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"

	"assay/consensus/poco"
	"assay/schema/assaypb"
)

// maxAttempts bounds how often a transaction that the contract refuses is sent again
// before the operator is told. Every attempt costs gas.
const maxAttempts = 5

// retryAfter is how long after a refusal the next attempt waits, in seconds; it doubles
// with each.
const retryAfter = 15

// Plan returns what is due now and has not been decided: it compares what the protocol
// asks of a pool for every live task with the decisions so far. What it returns counts as
// decided: a caller that cannot write it to the log has to start from the logs again.
func (c *Core) Plan() []*assaypb.Decision {
	due := append(c.explanations(), c.ending()...)
	kept := c.live[:0]
	for _, id := range c.live {
		task := c.owned(id)
		if task == nil {
			continue
		}
		kept = append(kept, id)
		for _, decision := range c.due(task) {
			c.remember(decision)
			due = append(due, decision)
		}
	}
	c.live = kept
	return due
}

// due is Plan for one task: IexecPoco2Facet's state machine, read from the pool's side.
func (c *Core) due(task *task) []*assaypb.Decision {
	known, ok := c.state.Task(task.id)
	switch {
	case !ok:
		return c.intend(task, &assaypb.Intent{Action: assaypb.Intent_INITIALIZE})
	case known.FinalDeadline <= c.now:
		return c.intend(task, &assaypb.Intent{Action: assaypb.Intent_CLAIM})
	case known.Status == poco.TaskActive:
		return c.assign(task, known)
	case known.Status == poco.TaskRevealing:
		return append(c.announce(task, known), c.conclude(task, known)...)
	}
	return nil
}

// announce tells the winners to reveal.
func (c *Core) announce(task *task, known *poco.Task) []*assaypb.Decision {
	if task.announced > task.round {
		return nil
	}
	var winners [][]byte
	for _, worker := range known.Contributors {
		contribution, ok := c.state.Contribution(task.id, worker)
		if ok && contribution.Status != poco.Rejected && contribution.ResultHash == known.ConsensusValue {
			winners = append(winners, worker.Bytes())
		}
	}
	decision := c.decision(task, identity(kindConsensus, c.config.ChainID, task.id[:], number(uint64(task.round))))
	decision.Body = &assaypb.Decision_Consensus{Consensus: &assaypb.Consensus{
		ResultHash:     known.ConsensusValue.Bytes(),
		Winners:        winners,
		RevealDeadline: known.RevealDeadline,
		Round:          task.round,
	}}
	return []*assaypb.Decision{decision}
}

// conclude finalizes a task once every winner has revealed, or some have and the others
// are out of time; it reopens one that nobody revealed.
func (c *Core) conclude(task *task, known *poco.Task) []*assaypb.Decision {
	timeIsUp := known.RevealDeadline <= c.now
	switch {
	case known.RevealCounter > 0 && (known.RevealCounter == known.WinnerCounter || timeIsUp):
		if callsBack(task) && !task.holds(known) {
			return c.missing(task, timeIsUp)
		}
		return c.intend(task, &assaypb.Intent{
			Action: assaypb.Intent_FINALIZE, Results: results(known.ResultDigest), ResultsCallback: task.result,
		})
	case timeIsUp:
		return c.intend(task, &assaypb.Intent{Action: assaypb.Intent_REOPEN})
	}
	return nil
}

// results is what a finalized task says about its result where it is stored nowhere
// else: enough to check a copy against.
func results(digest poco.Hash) []byte {
	text, err := json.Marshal(struct {
		Digest common.Hash `json:"digest"`
	}{digest})
	if err != nil {
		panic(err) // a fixed struct of one hash always encodes
	}
	return text
}

// intend decides on a transaction, unless it is under way, done, or was refused too
// often. What all transactions have in common is filled in.
func (c *Core) intend(task *task, intent *assaypb.Intent) []*assaypb.Decision {
	action, attempts := intent.Action, uint32(0)
	if known := task.intents[step{action, task.round}]; known != nil {
		if known.open || known.done || c.now < known.refused+retryAfter<<known.attempts {
			return nil
		}
		attempts = known.attempts
	}
	if attempts >= maxAttempts {
		return c.alert(task, "transaction_refused", "the contract refuses "+action.String()+" again and again")
	}
	decision := c.decision(task, identity(kindIntent, c.config.ChainID, task.id[:],
		number(uint64(action)), number(uint64(task.round)), number(uint64(attempts))))
	intent.Deal, intent.Index, intent.Round, intent.Attempt = task.dealID.Bytes(), task.index, task.round, attempts
	decision.Body = &assaypb.Decision_Intent{Intent: intent}
	return []*assaypb.Decision{decision}
}

// alert tells the operator, once for each round of a task.
func (c *Core) alert(task *task, name, detail string) []*assaypb.Decision {
	id := identity(kindAlert, c.config.ChainID, task.id[:], number(uint64(task.round)), []byte(name))
	if task.alerted[id] {
		return nil
	}
	decision := c.decision(task, id)
	decision.Body = &assaypb.Decision_Alert{Alert: &assaypb.Alert{Name: name, Detail: detail}}
	return []*assaypb.Decision{decision}
}

// decision starts a decision about a task.
func (c *Core) decision(task *task, id poco.Hash) *assaypb.Decision {
	return &assaypb.Decision{
		Id:         id.Bytes(),
		ChainId:    c.config.ChainID,
		Workerpool: task.deal.Workerpool.Pointer.Bytes(),
		Task:       task.id.Bytes(),
		Time:       c.now,
	}
}
