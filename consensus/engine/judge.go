package engine

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/proto"

	"assay/consensus/attest"
	"assay/consensus/poco"
	"assay/contracts"
	"assay/schema/assaypb"
)

// maxMessage bounds a worker's message, in bytes: the largest quote that is read, and all
// the rest. Each byte is hashed once or twice before it is known to be of any worth.
const maxMessage = attest.MaxQuoteSize + 4<<10

// Judge answers one record of the contributions log: a verdict to write to the
// decisions log, or nil where none is due (a good heartbeat or result, a message about
// another operator's pool, a record that was answered before). As with Plan, what it returns
// counts as decided.
func (c *Core) Judge(partition uint32, offset uint64, value []byte) (*assaypb.Decision, error) {
	return c.judge(partition, offset, c.config.open(value))
}

// judge does what Judge does with a record that has been opened.
func (c *Core) judge(partition uint32, offset uint64, message *message) (*assaypb.Decision, error) {
	at, refusal := source{partition, offset}, message.refusal
	if refusal == nil && message.payload.GetHeartbeat() != nil {
		if c.pools[common.BytesToAddress(message.payload.GetHeartbeat().Workerpool)] == nil {
			return nil, nil
		}
		refusal = c.heartbeat(message)
		if refusal == nil {
			return nil, nil
		}
	}
	if refusal == nil && message.result != nil {
		if refusal = c.keep(message); refusal == nil {
			return nil, nil
		}
	}
	if c.judged[at] || c.foreign(message) {
		return nil, nil
	}
	verdict := &assaypb.Verdict{Partition: partition, Offset: offset}
	if refusal == nil {
		refusal = c.consider(message, verdict)
	}
	decision, err := c.answer(message, verdict, refusal)
	if err == nil {
		c.verdict(decision, verdict)
	}
	return decision, err
}

// message is a worker's message that has been opened as far as it could be.
type message struct {
	refusal *refusal // why no further
	payload *assaypb.WorkerPayload
	id      poco.Hash    // keccak256 of the payload's bytes
	worker  poco.Address // as the payload says
	task    poco.Hash
	body    *assaypb.Contribution
	session *assaypb.EnclaveSession
	result  *assaypb.Result
	enclave poco.Address // who signed the result in the enclave's place; zero: nobody, or not known yet
	quote   []byte       // keccak256 of the quote; nil: there is none
}

// about says that a message is about a task.
func (m *message) about() bool { return m.body != nil || m.session != nil || m.result != nil }

// refusal is why a message is not accepted.
type refusal struct {
	reason assaypb.Reason
	detail string
}

func refuse(reason assaypb.Reason, format string, args ...any) *refusal {
	return &refusal{reason, fmt.Sprintf(format, args...)}
}

// open decodes and authenticates a record. That takes most of the arithmetic and nothing
// of what a core knows, so records can be opened side by side. The message holds what
// could be read of it.
func (c *Config) open(value []byte) *message {
	opened := &message{}
	if opened.refusal = c.decode(opened, value); opened.refusal == nil {
		opened.examine()
	}
	return opened
}

func (c *Config) decode(opened *message, value []byte) *refusal {
	if len(value) > maxMessage {
		return refuse(assaypb.Reason_REASON_OVERSIZED, "%d bytes, at most %d are read", len(value), maxMessage)
	}
	var envelope assaypb.WorkerMessage
	if err := proto.Unmarshal(value, &envelope); err != nil {
		return refuse(assaypb.Reason_REASON_MALFORMED, "not a worker message")
	}
	payload := &assaypb.WorkerPayload{}
	if err := proto.Unmarshal(envelope.Payload, payload); err != nil {
		return refuse(assaypb.Reason_REASON_MALFORMED, "not a worker's payload")
	}
	if malformed := wrongSizes(payload); malformed != nil {
		return malformed
	}
	opened.payload, opened.id = payload, crypto.Keccak256Hash(envelope.Payload)
	opened.worker = common.BytesToAddress(payload.Worker)
	if body := payload.GetContribution(); body != nil {
		opened.body, opened.task = body, common.BytesToHash(body.Task)
	}
	if session := payload.GetSession(); session != nil {
		opened.session, opened.task = session, common.BytesToHash(session.Task)
	}
	if result := payload.GetResult(); result != nil {
		opened.result, opened.task = result, common.BytesToHash(result.Task)
	}
	if payload.ChainId != c.ChainID || common.BytesToAddress(payload.Hub) != c.Hub {
		return refuse(assaypb.Reason_REASON_WRONG_CHAIN, "meant for chain %d and contract %s", payload.ChainId, hexutil.Encode(payload.Hub))
	}
	signer, err := contracts.RecoverMessage(opened.id, envelope.Signature)
	if err != nil || signer != opened.worker {
		return refuse(assaypb.Reason_REASON_BAD_SIGNATURE, "not signed by %s", opened.worker)
	}
	return nil
}

// examine hashes the quote. Where there is none it finds out who signed the result in the
// enclave's place; a signature that comes with a quote waits until the quote has been found
// good, so that a made-up one does not cost us both.
func (m *message) examine() {
	quote := m.session.GetQuote()
	if m.body != nil {
		quote = m.body.Quote
	}
	if len(quote) > 0 {
		m.quote = crypto.Keccak256(quote)
	} else {
		m.recover()
	}
}

// recover finds out who signed the result in the enclave's place.
func (m *message) recover() {
	if m.body == nil || len(m.body.EnclaveSignature) == 0 {
		return
	}
	sealed := contracts.EnclaveHash(common.BytesToHash(m.body.ResultHash), common.BytesToHash(m.body.ResultSeal))
	if signer, err := contracts.RecoverMessage(sealed, m.body.EnclaveSignature); err == nil {
		m.enclave = signer
	}
}

// wrongSizes checks the width of every field: nothing is padded or cut.
func wrongSizes(payload *assaypb.WorkerPayload) *refusal {
	bad := func(name string, value []byte, width int) *refusal {
		return refuse(assaypb.Reason_REASON_MALFORMED, "%s has %d bytes instead of %d", name, len(value), width)
	}
	if len(payload.Hub) != 20 {
		return bad("hub", payload.Hub, 20)
	}
	if len(payload.Worker) != 20 {
		return bad("worker", payload.Worker, 20)
	}
	switch body := payload.Body.(type) {
	case *assaypb.WorkerPayload_Heartbeat:
		if len(body.Heartbeat.Workerpool) != 20 {
			return bad("workerpool", body.Heartbeat.Workerpool, 20)
		}
	case *assaypb.WorkerPayload_Contribution:
		return wrongContribution(body.Contribution, bad)
	case *assaypb.WorkerPayload_Session:
		return wrongSession(body.Session, bad)
	case *assaypb.WorkerPayload_Result:
		if len(body.Result.Task) != 32 {
			return bad("task", body.Result.Task, 32)
		}
	default:
		return refuse(assaypb.Reason_REASON_MALFORMED, "neither a heartbeat, a contribution, a session nor a result")
	}
	return nil
}

func wrongContribution(body *assaypb.Contribution, bad func(string, []byte, int) *refusal) *refusal {
	switch {
	case len(body.Task) != 32:
		return bad("task", body.Task, 32)
	case len(body.ResultHash) != 32:
		return bad("result hash", body.ResultHash, 32)
	case len(body.ResultSeal) != 32:
		return bad("result seal", body.ResultSeal, 32)
	case len(body.EnclaveChallenge) != 0 && len(body.EnclaveChallenge) != 20:
		return bad("enclave challenge", body.EnclaveChallenge, 20)
	case len(body.EnclaveSignature) != 0 && len(body.EnclaveSignature) != 65:
		return bad("enclave signature", body.EnclaveSignature, 65)
	}
	return nil
}

func wrongSession(session *assaypb.EnclaveSession, bad func(string, []byte, int) *refusal) *refusal {
	switch {
	case len(session.Task) != 32:
		return bad("task", session.Task, 32)
	case len(session.EnclaveChallenge) != 20:
		return bad("enclave challenge", session.EnclaveChallenge, 20)
	}
	return nil
}

// foreign says that a message is about another operator's task: it is not ours to
// answer.
func (c *Core) foreign(opened *message) bool {
	if !opened.about() {
		return false
	}
	if task := c.tasks[opened.task]; task != nil && task.deal != nil {
		return false
	}
	known, ok := c.state.Task(opened.task)
	if !ok {
		return false
	}
	deal, ok := c.state.Deal(known.Deal)
	return ok && c.pools[deal.Workerpool.Pointer] == nil
}

// heartbeat takes a worker on, or off, a pool's list.
func (c *Core) heartbeat(opened *message) *refusal {
	body := opened.payload.GetHeartbeat()
	pool := c.pools[common.BytesToAddress(body.Workerpool)]
	if len(pool.Members) > 0 && !pool.Members[opened.worker] {
		return refuse(assaypb.Reason_REASON_NOT_MEMBER, "the pool's list of workers does not name %s", opened.worker)
	}
	workers := c.workers[pool.Address]
	known := workers[opened.worker]
	if known == nil {
		known = &worker{address: opened.worker}
		workers[opened.worker] = known
	}
	if body.Session < known.session {
		return nil // an older word of the same worker, sent again
	}
	known.session, known.slots, known.enclave = body.Session, int(body.Slots), body.Enclave
	return nil
}

// consider checks a contribution against the task, and authorizes it. The cheap checks
// come first, the ones that cost arithmetic last.
func (c *Core) consider(opened *message, verdict *assaypb.Verdict) *refusal {
	task := c.tasks[opened.task]
	if task == nil || task.deal == nil {
		return refuse(assaypb.Reason_REASON_UNKNOWN_TASK, "no deal of this pool has this task")
	}
	if task.messages[opened.id] {
		return refuse(assaypb.Reason_REASON_REPLAYED, "this very message was judged before")
	}
	pool := c.pools[task.deal.Workerpool.Pointer]
	if len(pool.Members) > 0 && !pool.Members[opened.worker] {
		return refuse(assaypb.Reason_REASON_NOT_MEMBER, "the pool's list of workers does not name %s", opened.worker)
	}
	known, ok := c.state.Task(task.id)
	if task.over || !ok || known.Status != poco.TaskActive {
		return refuse(assaypb.Reason_REASON_TASK_NOT_ACTIVE, "the task takes no contribution now")
	}
	if now := c.buried.newest(); known.ContributionDeadline <= now {
		return refuse(assaypb.Reason_REASON_TOO_LATE, "it came at %s, the deadline was %s",
			clock(now), clock(known.ContributionDeadline))
	}
	if late := c.turn(task, opened); late != nil {
		return late
	}
	if opened.session != nil {
		return c.openSession(task, opened, verdict)
	}
	if wrong := c.enclave(task, opened, verdict); wrong != nil {
		return wrong
	}
	return c.authorize(pool, task, opened, verdict)
}

// turn checks that it is the worker's turn.
func (c *Core) turn(task *task, opened *message) *refusal {
	held := task.assignment(opened.worker)
	switch {
	case held == nil:
		return refuse(assaypb.Reason_REASON_NOT_ASSIGNED, "the pool did not ask this worker")
	case held.accepted || held.onChain:
		return refuse(assaypb.Reason_REASON_ALREADY_CONTRIBUTED, "a contribution of this worker was accepted before")
	case held.expired || held.refused:
		return refuse(assaypb.Reason_REASON_NOT_ASSIGNED, "the pool no longer waits for this worker")
	}
	return nil
}

// authorize signs what the contract asks of a worker (IexecPoco2Facet.contribute): the
// pool owner's word that this worker may contribute to this task with this enclave.
func (c *Core) authorize(pool *Pool, task *task, opened *message, verdict *assaypb.Verdict) *refusal {
	challenge := common.BytesToAddress(opened.body.EnclaveChallenge)
	signature, err := contracts.SignMessage(pool.Owner, contracts.AuthorizationHash(opened.worker, task.id, challenge))
	if err != nil {
		return refuse(assaypb.Reason_REASON_UNSPECIFIED, "the pool could not sign: %v", err)
	}
	verdict.Authorization = signature
	verdict.EnclaveSignature = opened.body.EnclaveSignature
	verdict.Agreement = c.agreement(task, opened)
	return nil
}

// agreement is the weight that would be behind the contribution's result, of the total,
// as the contract counts it.
func (c *Core) agreement(task *task, opened *message) string {
	weight := c.state.Weight(opened.worker)
	behind, err := c.state.Consensus(task.id, common.BytesToHash(opened.body.ResultHash)).With(&weight)
	if err != nil {
		return "" // beyond 2²⁵⁶: the contract will refuse it
	}
	return behind.Group.Dec() + "/" + behind.Total.Dec()
}

// answer turns the outcome into a decision.
func (c *Core) answer(opened *message, verdict *assaypb.Verdict, why *refusal) (*assaypb.Decision, error) {
	decision := &assaypb.Decision{
		Id:      identity(kindVerdict, c.config.ChainID, number(uint64(verdict.Partition)), number(verdict.Offset)).Bytes(),
		ChainId: c.config.ChainID,
		Time:    c.now,
		Body:    &assaypb.Decision_Verdict{Verdict: verdict},
	}
	if opened.payload != nil {
		decision.Worker = opened.worker.Bytes()
		verdict.Message = opened.id.Bytes()
	}
	if opened.body != nil {
		verdict.ResultHash, verdict.EnclaveChallenge = opened.body.ResultHash, opened.body.EnclaveChallenge
	}
	if opened.session != nil {
		verdict.EnclaveChallenge = opened.session.EnclaveChallenge
	}
	if opened.about() {
		decision.Task = opened.task.Bytes()
	}
	if task := c.tasks[opened.task]; opened.about() && task != nil && task.deal != nil {
		decision.Workerpool = task.deal.Workerpool.Pointer.Bytes()
	}
	verdict.Outcome, verdict.Reason = assaypb.Verdict_ACCEPTED, assaypb.Reason_REASON_OK
	if why != nil {
		verdict.Outcome, verdict.Reason, verdict.Detail = assaypb.Verdict_REJECTED, why.reason, why.detail
	}
	if verdict.Reason == assaypb.Reason_REASON_UNSPECIFIED {
		return nil, fmt.Errorf("judging the contribution of %s: %s", opened.worker, verdict.Detail)
	}
	return decision, nil
}

// verdict folds a verdict. Its own the core folds again when it reads them.
func (c *Core) verdict(decision *assaypb.Decision, body *assaypb.Verdict) {
	if at := (source{body.Partition, body.Offset}); !c.judged[at] {
		c.judged[at] = true
		c.learn(decision, body)
	}
	task := c.tasks[common.BytesToHash(decision.Task)]
	if len(decision.Task) == 0 || task == nil || task.over {
		return
	}
	if authentic(body.Reason) {
		task.messages[common.BytesToHash(body.Message)] = true
	}
	held := task.assignment(common.BytesToAddress(decision.Worker))
	if held == nil {
		return
	}
	switch {
	case opensSession(body):
		task.sessions[held.worker] = &session{common.BytesToAddress(body.EnclaveChallenge), body.Attestation}
	case body.Outcome == assaypb.Verdict_ACCEPTED:
		held.accepted = true
		task.counts(body.Attestation)
	case spoilt(body.Reason) && held.pending():
		held.refused = true
		c.fail(task, held)
	}
}

// authentic says that the worker itself sent the message: only then does the message
// count as seen, or anyone could spoil it by sending a copy with a wrong signature.
func authentic(reason assaypb.Reason) bool {
	switch reason {
	case assaypb.Reason_REASON_MALFORMED, assaypb.Reason_REASON_OVERSIZED,
		assaypb.Reason_REASON_WRONG_CHAIN, assaypb.Reason_REASON_BAD_SIGNATURE:
		return false
	}
	return true
}

// spoilt says that a worker's own bad contribution cost it its turn.
func spoilt(reason assaypb.Reason) bool {
	switch reason {
	case assaypb.Reason_REASON_TOO_LATE, assaypb.Reason_REASON_NO_ENCLAVE,
		assaypb.Reason_REASON_BAD_ENCLAVE_SIGNATURE, assaypb.Reason_REASON_BAD_QUOTE,
		assaypb.Reason_REASON_QUOTE_NOT_BOUND, assaypb.Reason_REASON_NO_QUOTE, assaypb.Reason_REASON_NO_COLLATERAL,
		assaypb.Reason_REASON_WRONG_ENCLAVE, assaypb.Reason_REASON_NOT_TRUSTED, assaypb.Reason_REASON_PLATFORM_COUNTED:
		return true
	}
	return false
}

func clock(seconds uint64) string { return time.Unix(int64(seconds), 0).UTC().Format(time.RFC3339) }
