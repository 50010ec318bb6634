package workers

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"assay/schema/assaypb"
)

// job is one worker's turn at one task: what the logs said of it, and what the worker
// has done about it since it started.
type job struct {
	agent    *agent
	task     common.Hash
	asked    *assaypb.Assignment
	verdict  *assaypb.Verdict // the one that authorizes; nil before
	refused  bool             // the pool said no, for good
	agreed   common.Hash      // result hash of the newest announced consensus
	answer   *answer          // nil until computed
	busy     bool             // being computed
	told     bool             // contribution published since the start
	handed   bool             // result handed over since the start
	setbacks int              // steps tried in vain
	resume   uint64           // block before which nothing is tried again
	dropped  bool             // given up
	ended    uint64           // block at which nothing was left to do; 0: open
	dirty    bool             // to be looked at
	view     view             // what the contract says
	stale    bool             // it may say something else by now
	credited [2]bool          // counted as contributed, as revealed
}

// The states of tasks and contributions (IexecLibCore_v5).
const (
	taskActive    = 1
	taskRevealing = 2
	taskCompleted = 3
	taskFailed    = 4

	contributed = 1
	proved      = 2
	rejected    = 3
)

// view is what the contract says of a job after some block.
type view struct {
	time                 uint64 // of the block, seconds since 1970
	status               uint8  // of the task
	contributionDeadline uint64
	revealDeadline       uint64
	consensus            common.Hash
	contributors         int
	mine                 uint8 // status of the worker's contribution
	resultHash           common.Hash
}

// step is what is to be done for a job.
type step uint8

const (
	rest       step = iota // nothing now
	run                    // compute the answer
	publish                // say it to the pool
	contribute             // send the contract's contribute
	finalize               // send contributeAndFinalize
	reveal                 // send the contract's reveal
	handOver               // say the result to the pool, which has to call back with it
	end                    // nothing ever again, unless a block vanishes
)

// next says what is to be done for a job, given what the contract says now. Nothing is
// sent that the contract would refuse (IexecPoco2Facet's own conditions).
func next(j *job, now view) step {
	wanted := j.wanted(now)
	missing := j.answer == nil || wanted == publish && j.answer.message == nil
	if missing && wanted != rest && wanted != end {
		return run
	}
	return wanted
}

func (j *job) wanted(now view) step {
	switch conduct := j.agent.Behaviour.Conduct; {
	case j.dropped:
		return end
	case conduct == Late && !j.answered():
		return j.whenTooLate(now)
	case now.status == taskCompleted || now.status == taskFailed:
		return end
	case now.mine == proved && j.asked.Callback:
		return j.delivery()
	case now.mine == proved || now.mine == rejected:
		return end
	case now.mine == contributed:
		return j.revelation(now)
	case j.refused:
		return end
	case conduct == Silent || now.status != taskActive || now.time >= now.contributionDeadline:
		return rest // a task that is revealing may be reopened
	}
	return j.commitment(now)
}

// commitment is what a worker does that has not contributed yet, and may.
func (j *job) commitment(now view) step {
	switch {
	case j.verdict == nil && j.told:
		return rest
	case j.verdict == nil:
		return publish
	case j.asked.Finalizes && now.contributors == 0:
		return finalize
	}
	return contribute
}

// revelation is what a worker does that has contributed. It waits for the pool's word,
// given when the consensus is deep enough not to vanish: a digest is shown only once.
func (j *job) revelation(now view) step {
	won := now.status == taskRevealing && now.resultHash == now.consensus && j.agreed == now.consensus
	if won && now.time < now.revealDeadline && j.agent.Behaviour.Conduct != Shy {
		return reveal
	}
	return rest
}

// delivery is what a worker does that has revealed, where the pool needs the result to
// end the task. A reveal that a fork undoes is done again, the delivery is not.
func (j *job) delivery() step {
	if j.handed {
		return rest
	}
	return handOver
}

// whenTooLate makes a late worker speak up after the deadline, once.
func (j *job) whenTooLate(now view) step {
	if j.told || now.time < j.asked.ContributionDeadline {
		return rest
	}
	return publish
}

func (j *job) answered() bool { return j.verdict != nil || j.refused }

// judged takes the pool's answer in.
func (j *job) judged(verdict *assaypb.Verdict) {
	switch {
	case verdict.Outcome == assaypb.Verdict_ACCEPTED && len(verdict.Authorization) == 0: // the session is open
	case verdict.Outcome == assaypb.Verdict_ACCEPTED:
		j.verdict = verdict
	case final(verdict.Reason):
		j.refused = j.verdict == nil
	}
}

// final says that a rejection is about the worker's own contribution. The other reasons
// are for messages that anyone can send in a worker's name, or that repeat an earlier one.
func final(reason assaypb.Reason) bool {
	switch reason {
	case assaypb.Reason_REASON_NOT_MEMBER, assaypb.Reason_REASON_NOT_ASSIGNED,
		assaypb.Reason_REASON_UNKNOWN_TASK, assaypb.Reason_REASON_TASK_NOT_ACTIVE,
		assaypb.Reason_REASON_TOO_LATE, assaypb.Reason_REASON_NO_ENCLAVE,
		assaypb.Reason_REASON_BAD_ENCLAVE_SIGNATURE, assaypb.Reason_REASON_BAD_QUOTE,
		assaypb.Reason_REASON_QUOTE_NOT_BOUND, assaypb.Reason_REASON_NO_QUOTE, assaypb.Reason_REASON_NO_COLLATERAL,
		assaypb.Reason_REASON_WRONG_ENCLAVE, assaypb.Reason_REASON_NOT_TRUSTED, assaypb.Reason_REASON_PLATFORM_COUNTED:
		return true
	}
	return false
}

// agent is a worker of the fleet.
type agent struct {
	Agent
	address common.Address
	wallet  *wallet
	running uint32 // computations under way
}

func newAgent(a Agent) *agent {
	return &agent{Agent: a, address: crypto.PubkeyToAddress(a.Key.PublicKey)}
}
