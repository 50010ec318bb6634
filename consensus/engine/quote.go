package engine

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"assay/consensus/attest"
	"assay/consensus/collateral"
	"assay/consensus/poco"
	"assay/contracts"
	"assay/schema/assaypb"
)

// session is an enclave's key that a quote vouched for, for one worker and one task.
type session struct {
	challenge poco.Address
	proof     *assaypb.Attestation
}

// opensSession says that a verdict accepts a session, not a contribution.
func opensSession(verdict *assaypb.Verdict) bool {
	return verdict.Outcome == assaypb.Verdict_ACCEPTED && len(verdict.Authorization) == 0
}

// counts notes on what machine an authorized contribution was made. An authorization
// that is not used counts as well: it may be at any time.
func (t *task) counts(proof *assaypb.Attestation) {
	if id := proof.GetPlatformId(); len(id) == 32 {
		t.platforms[[32]byte(id)]++
	}
}

// enclave checks what a deal that asks for an enclave needs: the enclave's signature
// over the result, and a quote that binds its key to this task and worker, and either to
// this result (result mode) or, before there was one, to none (session mode). The quote
// comes first: who makes up a quote can sign with any key, who has a good one cannot make
// up others.
func (c *Core) enclave(task *task, opened *message, verdict *assaypb.Verdict) *refusal {
	body := opened.body
	if !wantsEnclave(task.deal) {
		return nil
	}
	if len(body.EnclaveChallenge) == 0 || len(body.EnclaveSignature) == 0 {
		return refuse(assaypb.Reason_REASON_NO_ENCLAVE, "the deal asks for an enclave")
	}
	binding := c.binding(task, opened, body.EnclaveChallenge)
	binding.ResultHash, binding.ResultSeal = common.BytesToHash(body.ResultHash), common.BytesToHash(body.ResultSeal)
	if binding.ResultHash == (common.Hash{}) || binding.ResultSeal == (common.Hash{}) {
		return refuse(assaypb.Reason_REASON_QUOTE_NOT_BOUND, "a result of zeros: only a session's quote binds none")
	}
	if len(body.Quote) == 0 {
		if wrong := opened.unsigned(binding.EnclaveChallenge); wrong != nil {
			return wrong
		}
		return c.inSession(task, opened, binding.EnclaveChallenge, verdict)
	}
	verdict.QuoteHash = opened.quote
	if wrong := c.prove(task, body.Quote, binding, assaypb.Attestation_RESULT, verdict); wrong != nil {
		return wrong
	}
	opened.recover()
	return opened.unsigned(binding.EnclaveChallenge)
}

// unsigned refuses a result that the enclave's key did not sign.
func (m *message) unsigned(key poco.Address) *refusal {
	if m.enclave != key || m.enclave == (poco.Address{}) {
		return refuse(assaypb.Reason_REASON_BAD_ENCLAVE_SIGNATURE, "the result is not signed by the enclave's key")
	}
	return nil
}

// binding is what every quote of a worker for a task must bind.
func (c *Core) binding(task *task, opened *message, challenge []byte) contracts.Binding {
	return contracts.Binding{
		ChainID:          c.config.ChainID,
		Hub:              c.config.Hub,
		Task:             task.id,
		Worker:           opened.worker,
		EnclaveChallenge: common.BytesToAddress(challenge),
		Anchor:           task.anchor,
	}
}

// openSession has the key of a worker's enclave vouched for. The quote is judged once: a
// repetition gets the same answer.
func (c *Core) openSession(task *task, opened *message, verdict *assaypb.Verdict) *refusal {
	body := opened.session
	if !wantsEnclave(task.deal) {
		return refuse(assaypb.Reason_REASON_NO_ENCLAVE, "the deal asks for no enclave")
	}
	if known := task.sessions[opened.worker]; known != nil {
		if known.challenge != common.BytesToAddress(body.EnclaveChallenge) {
			return refuse(assaypb.Reason_REASON_ALREADY_CONTRIBUTED, "the worker has a session with another key")
		}
		verdict.Attestation = known.proof
		return nil
	}
	verdict.QuoteHash = opened.quote
	return c.prove(task, body.Quote, c.binding(task, opened, body.EnclaveChallenge), assaypb.Attestation_SESSION, verdict)
}

// inSession accepts a contribution without a quote if its key was vouched for.
func (c *Core) inSession(task *task, opened *message, challenge poco.Address, verdict *assaypb.Verdict) *refusal {
	known := task.sessions[opened.worker]
	if known == nil || known.challenge != challenge {
		return refuse(assaypb.Reason_REASON_NO_QUOTE, "no quote vouches for the enclave's key, neither here nor in a session")
	}
	verdict.Attestation = known.proof
	verdict.QuoteHash, verdict.Mrenclave = crypto.Keccak256(known.proof.Quote), fmt.Sprintf("%x", known.proof.Mrenclave)
	return c.room(task, known.proof)
}

// prove judges a quote by what is in force at the block's time.
func (c *Core) prove(task *task, quote []byte, binding contracts.Binding, mode assaypb.Attestation_Mode, verdict *assaypb.Verdict) *refusal {
	if len(quote) == 0 {
		return refuse(assaypb.Reason_REASON_NO_QUOTE, "there is no quote")
	}
	force := c.collateral.At(c.now)
	data := binding.ReportData()
	verdict.Attestation = &assaypb.Attestation{
		Mode: mode, Quote: quote, ReportData: data[:], PolicyHash: force.PolicyHash[:], JudgedAt: c.now, TcbStatus: "Unknown",
		PlatformStatus: "Unknown", QeStatus: "Unknown", ModuleStatus: "Unknown",
	}
	judged, err := c.judgeQuote(task, quote, force, data)
	if err != nil {
		return refused(verdict.Attestation, err)
	}
	accepted(verdict.Attestation, judged)
	verdict.Mrenclave = fmt.Sprintf("%x", judged.UniqueID)
	return c.room(task, verdict.Attestation)
}

// judgeQuote asks the verifier. Which enclave is expected, the policy says for the deal's
// app, or else the app itself does on the chain.
func (c *Core) judgeQuote(task *task, quote []byte, force *collateral.Force, data [64]byte) (attest.Report, *attest.Error) {
	app := task.deal.App.Pointer
	var onChain []byte
	if resource, ok := c.state.Resource(app); ok {
		onChain = resource.MREnclave
	}
	policy, err := force.Policy.ForApp(hexutil.Encode(app[:]), onChain)
	if err != nil {
		return attest.Report{}, &attest.Error{Class: attest.ClassIdentity, Check: "enclave", Detail: err.Error()}
	}
	judged := c.platforms.Judge(quote, force.Sets, &policy, time.Unix(int64(c.now), 0), data)
	return judged.Report(), judged.Refusal()
}

// room checks that the task has not its share of contributions from this machine: who
// has a machine's keys has all the workers on it.
func (c *Core) room(task *task, proof *assaypb.Attestation) *refusal {
	limit := c.collateral.At(c.now).Policy.PlatformWeight
	if id := proof.PlatformId; limit > 0 && len(id) == 32 && task.platforms[[32]byte(id)] >= limit {
		return refuse(assaypb.Reason_REASON_PLATFORM_COUNTED, "of platform %x, %d contributions were authorized for this task, and no more count", id, limit)
	}
	return nil
}

// refused completes what is said of a quote that was refused.
func refused(proof *assaypb.Attestation, why *attest.Error) *refusal {
	proof.Class, proof.Check, proof.Detail = string(why.Class), why.Check, why.Detail
	return refuse(reasonOf(why), "%v", why)
}

// reasonOf is a refusal of a quote in the words of verdicts.
func reasonOf(why *attest.Error) assaypb.Reason {
	switch why.Class {
	case attest.ClassBinding:
		return assaypb.Reason_REASON_QUOTE_NOT_BOUND
	case attest.ClassIdentity:
		return assaypb.Reason_REASON_WRONG_ENCLAVE
	case attest.ClassExpired, attest.ClassRevoked, attest.ClassTCB, attest.ClassPolicy:
		return assaypb.Reason_REASON_NOT_TRUSTED
	case attest.ClassCollateral:
		if why.Check == "collateral" { // all sets of the log are sound: there is none
			return assaypb.Reason_REASON_NO_COLLATERAL
		}
		return assaypb.Reason_REASON_NOT_TRUSTED
	}
	return assaypb.Reason_REASON_BAD_QUOTE
}

// accepted completes what is said of a quote that was accepted.
func accepted(proof *assaypb.Attestation, report attest.Report) {
	proof.Accepted = true
	proof.Tee = assaypb.Attestation_SGX
	if report.TEE == attest.TDX {
		proof.Tee = assaypb.Attestation_TDX
	}
	proof.TcbStatus, proof.PlatformStatus = report.TCBStatus.String(), report.PlatformStatus.String()
	proof.QeStatus, proof.ModuleStatus = report.QEStatus.String(), report.ModuleStatus.String()
	proof.Advisories = report.TCBAdvisories
	proof.Mrenclave, proof.Mrsigner, proof.Svn = report.UniqueID, report.SignerID, uint32(report.SecurityVersion)
	if len(report.ProductID) >= 2 {
		proof.ProductId = uint32(binary.LittleEndian.Uint16(report.ProductID))
	}
	proof.Fmspc, proof.PlatformId = report.FMSPC[:], report.PlatformID[:]
	proof.EvaluationNumber, proof.CollateralHash = report.EvaluationNumber, report.CollateralHash[:]
	proof.NotBefore, proof.NotAfter = uint64(report.NotBefore.Unix()), uint64(report.NotAfter.Unix())
}
