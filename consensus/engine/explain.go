package engine

import (
	"bytes"

	"github.com/ethereum/go-ethereum/common"

	"assay/consensus/poco"
	"assay/consensus/poco/ledger"
	"assay/schema/assaypb"
)

// explain finds the tasks of our pools that a block ended, and says how their money was
// settled.
func (c *Core) explain(block *assaypb.Block, events []poco.Event) {
	for from := 0; from < len(events); {
		transaction := block.Events[from].TxHash
		to := from + 1
		for to < len(events) && bytes.Equal(block.Events[to].TxHash, transaction) {
			to++
		}
		for _, call := range ledger.Calls(events, from, to) {
			task := c.tasks[call.Task]
			if call.Kind.Ends() && task != nil && task.deal != nil {
				c.settled = append(c.settled, c.explanation(block, transaction, task, ledger.Explain(c.state, call)))
			}
		}
		from = to
	}
}

// explanation is a settlement as a decision.
func (c *Core) explanation(block *assaypb.Block, transaction []byte, task *task, s ledger.Settlement) *assaypb.Decision {
	decision := c.decision(task, identity(kindSettlement, c.config.ChainID, task.id[:], block.Hash))
	decision.Time = block.Time
	body := &assaypb.Settlement{
		Call:          string(s.Call),
		Price:         s.Price.Dec(),
		Seized:        s.Numbers.Seized.Dec(),
		Reward:        s.Numbers.Reward.Dec(),
		WorkersReward: s.Numbers.WorkersReward.Dec(),
		Weights:       s.Numbers.Weights.Dec(),
		Rounding:      s.Numbers.Rounding.Dec(),
		KittyDraw:     s.KittyDraw.Dec(),
		KittyFill:     s.KittyFill.Dec(),
		Exact:         s.Exact,
		BlockNumber:   block.Number,
		TxHash:        transaction,
	}
	for _, line := range s.Lines {
		body.Lines = append(body.Lines, &assaypb.SettlementLine{
			Account: line.Account.Bytes(),
			Role:    string(line.Role),
			Kind:    string(line.Kind),
			Amount:  line.Amount.Dec(),
			Weight:  line.Weight.Dec(),
		})
	}
	decision.Body = &assaypb.Decision_Settlement{Settlement: body}
	return decision
}

// explanations are the settlements that are not in the log yet.
func (c *Core) explanations() []*assaypb.Decision {
	var due []*assaypb.Decision
	for _, decision := range c.settled {
		if id := common.BytesToHash(decision.Id); !c.explained[id] {
			c.explained[id] = true
			due = append(due, decision)
		}
	}
	c.settled = nil
	return due
}
