package engine

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"assay/consensus/poco"
	"assay/contracts"
	"assay/schema/assaypb"
)

// callsBack says that the task's deal has a contract called with the result, which
// finalize then has to be given (IexecPoco2Facet.finalize).
func callsBack(task *task) bool { return task.deal.Callback != (poco.Address{}) }

// holds says that the result that was handed over is the one that was revealed. Nothing is
// one, too.
func (t *task) holds(known *poco.Task) bool {
	return crypto.Keccak256Hash(t.result) == known.ResultDigest
}

// keep takes the result of a task in hand that a worker hands over. Who it is does not
// matter: the result is the one whose digest the workers agreed on, or it is wrong. One
// that is not waited for is passed over, as are those of long ago when a log is read again.
func (c *Core) keep(opened *message) *refusal {
	task := c.owned(opened.task)
	if task == nil || !callsBack(task) {
		return nil
	}
	known, ok := c.state.Task(task.id)
	if !ok || known.Status != poco.TaskRevealing {
		return nil
	}
	digest := crypto.Keccak256Hash(opened.result.Result)
	if contracts.ResultHash(task.id, digest) != known.ConsensusValue {
		return refuse(assaypb.Reason_REASON_WRONG_RESULT, "its digest %s is not the one that was agreed on", digest)
	}
	task.result = common.CopyBytes(opened.result.Result)
	return nil
}

// missing waits for a result to be handed over, and tells the operator when the time for
// it is up. What comes later is still good, until the task's final deadline.
func (c *Core) missing(task *task, timeIsUp bool) []*assaypb.Decision {
	if !timeIsUp {
		return nil
	}
	return c.alert(task, "callback_result_missing",
		"the deal has a contract called with the result, which no worker has handed over: its workers and their pool go unpaid unless one does")
}
