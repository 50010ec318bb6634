package engine

import (
	"bytes"
	"crypto/elliptic"
	"maps"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"assay/consensus/attest"
	"assay/consensus/poco"
	"assay/contracts"
	"assay/internal/devpki"
	"assay/schema/assaypb"
)

// judged posts a contribution and returns what became of it.
func (p *pool) judged(name string, body *assaypb.Contribution) *assaypb.Verdict {
	p.Helper()
	return p.post(p.seal65(name, signed(body))).GetVerdict()
}

func (p *pool) wants(verdict *assaypb.Verdict, reason assaypb.Reason) {
	p.Helper()
	if verdict.GetReason() != reason {
		p.Errorf("judged %v: %s, want %v", verdict.GetReason(), verdict.GetDetail(), reason)
	}
	if authorized := len(verdict.GetAuthorization()) > 0; authorized && reason != assaypb.Reason_REASON_OK {
		p.Error("authorized all the same")
	}
}

// anchorOf is the block that initialized the task of an assignment.
func anchorOf(asked *assaypb.Decision) poco.Hash { return poco.Hash(asked.GetAssignment().Anchor) }

// TestQuoteIsUselessElsewhere: a quote that was made for one contribution proves nothing of
// another, though that one is right in everything else.
func TestQuoteIsUselessElsewhere(t *testing.T) {
	for name, change := range map[string]func(*pool, *contracts.Binding){
		"task":       func(_ *pool, b *contracts.Binding) { b.Task[5] ^= 1 },
		"worker":     func(p *pool, b *contracts.Binding) { b.Worker = p.who("somebody else") },
		"chain":      func(_ *pool, b *contracts.Binding) { b.ChainID = 42161 },
		"contract":   func(_ *pool, b *contracts.Binding) { b.Hub[0] ^= 1 },
		"result":     func(_ *pool, b *contracts.Binding) { b.ResultHash[0] ^= 1 },
		"seal":       func(_ *pool, b *contracts.Binding) { b.ResultSeal[0] ^= 1 },
		"time":       func(_ *pool, b *contracts.Binding) { b.Anchor[0] ^= 1 },
		"no result":  func(_ *pool, b *contracts.Binding) { b.ResultHash, b.ResultSeal = poco.Hash{}, poco.Hash{} },
		"nothing":    func(*pool, *contracts.Binding) {},
		"other key":  func(p *pool, b *contracts.Binding) { b.EnclaveChallenge = p.who("another enclave") },
		"other both": func(_ *pool, b *contracts.Binding) { b.Task[0], b.Worker[0] = b.Task[0]^1, b.Worker[0]^1 },
	} {
		t.Run(name, func(t *testing.T) {
			p, worker, asked := asked(t)
			body := p.contribution(worker, asked, "right")
			binding := p.bound(worker, body, anchorOf(asked))
			change(p, &binding)
			body.Quote = p.quote(p.pki, worker, testEnclave, binding)
			want := assaypb.Reason_REASON_QUOTE_NOT_BOUND
			if name == "nothing" {
				want = assaypb.Reason_REASON_OK
			}
			p.wants(p.judged(worker, body), want)
		})
	}
}

// TestStolenQuote: the quote of one worker, sent by the other that was asked, with all of
// the first one's contribution, or with its own.
func TestStolenQuote(t *testing.T) {
	p, thief, asked := askedFor(t, 3)
	var victim string
	for _, decision := range p.decisions {
		if name := p.names[common.BytesToAddress(decision.Worker)]; decision.GetAssignment() != nil && name != thief {
			victim = name
		}
	}
	stolen := p.contribution(victim, asked, "right")
	own := p.contribution(thief, asked, "right")
	own.Quote = stolen.Quote
	p.wants(p.judged(thief, own), assaypb.Reason_REASON_QUOTE_NOT_BOUND)
	p.wants(p.judged(victim, stolen), assaypb.Reason_REASON_OK) // which it does not spoil
}

// TestQuoteGrowsOld: the same quote that would be good is not, once its collateral ended.
func TestQuoteGrowsOld(t *testing.T) {
	p := newPool(t)
	p.hire("a")
	p.answers["a"] = sleeps
	p.wait(29*24*3600 + 1)
	p.deal(1, inEnclave)
	p.settle()
	verdict := p.judged("a", p.contribution("a", p.assignment(), "right"))
	p.wants(verdict, assaypb.Reason_REASON_NOT_TRUSTED)
	if verdict.Attestation.GetClass() != string(attest.ClassExpired) {
		t.Errorf("refused as %v", verdict.Attestation)
	}
}

// assignment is the last one.
func (p *pool) assignment() *assaypb.Decision {
	for i := len(p.decisions) - 1; ; i-- {
		if p.decisions[i].GetAssignment() != nil {
			return p.decisions[i]
		}
	}
}

// TestQuoteReasons: what is wrong with a quote is told in the verdict's words and in the
// verifier's, and what a refused quote says is not repeated.
func TestQuoteReasons(t *testing.T) {
	foreign, err := devpki.New([]byte("nobody"))
	if err != nil {
		t.Fatal(err)
	}
	td := func(p *pool, worker string, b contracts.Binding) []byte {
		machine, err := p.pki.Machine(worker)
		if err != nil {
			t.Fatal(err)
		}
		quote, err := machine.Draft(4, devpki.TD{}.Report(b.ReportData(), false)).Quote()
		if err != nil {
			t.Fatal(err)
		}
		return quote
	}
	on := func(enclave devpki.Enclave) func(*pool, string, contracts.Binding) []byte {
		return func(p *pool, worker string, b contracts.Binding) []byte { return p.quote(p.pki, worker, enclave, b) }
	}
	open := testEnclave
	open.Debug = true
	for name, c := range map[string]struct {
		policy string
		quote  func(*pool, string, contracts.Binding) []byte
		want   assaypb.Reason
		class  attest.Class
	}{
		"another enclave": {"", on(devpki.Enclave{MREnclave: [32]byte{9}}), assaypb.Reason_REASON_WRONG_ENCLAVE, attest.ClassIdentity},
		"a debug enclave": {"", on(open), assaypb.Reason_REASON_WRONG_ENCLAVE, attest.ClassIdentity},
		"another root": {"", func(p *pool, worker string, b contracts.Binding) []byte {
			return p.quote(foreign, worker, testEnclave, b)
		}, assaypb.Reason_REASON_BAD_QUOTE, attest.ClassChain},
		"no collateral": {"", td, assaypb.Reason_REASON_NO_COLLATERAL, attest.ClassCollateral},
		"denied":        {"{version: 1, denied_fmspc: [\"00a067110000\", \"" + fmspc() + "\"]}", on(testEnclave), assaypb.Reason_REASON_NOT_TRUSTED, attest.ClassPolicy},
		"named for the app": {"{version: 1, apps: {\"" + testApp.Hex() + "\": [{mrsigner: \"" + hex32(7) + "\"}]}}", on(testEnclave),
			assaypb.Reason_REASON_WRONG_ENCLAVE, attest.ClassIdentity},
		"not a quote": {"", func(*pool, string, contracts.Binding) []byte { return []byte("quote") }, assaypb.Reason_REASON_BAD_QUOTE, attest.ClassFormat},
	} {
		t.Run(name, func(t *testing.T) {
			p, worker, asked := asked(t)
			if c.policy != "" {
				p.decree(0, c.policy)
			}
			body := p.contribution(worker, asked, "right")
			body.Quote = c.quote(p, worker, p.bound(worker, body, anchorOf(asked)))
			verdict := p.judged(worker, body)
			p.wants(verdict, c.want)
			proof := verdict.Attestation
			if proof.GetAccepted() || proof.GetClass() != string(c.class) || proof.Check == "" || proof.TcbStatus != "Unknown" ||
				len(proof.PlatformId) > 0 || !bytes.Equal(proof.Quote, body.Quote) || proof.JudgedAt != p.core.now {
				t.Errorf("attested: %v", proof)
			}
		})
	}
}

// TestAttestationIsTold: a verdict holds all that it takes to judge the quote again, and
// judging it again gives the same.
func TestAttestationIsTold(t *testing.T) {
	p, worker, asked := asked(t)
	verdict := p.judged(worker, p.contribution(worker, asked, "right"))
	proof := verdict.Attestation
	if !proof.GetAccepted() || proof.Mode != assaypb.Attestation_RESULT || proof.Tee != assaypb.Attestation_SGX || proof.TcbStatus != "UpToDate" ||
		proof.QeStatus != "UpToDate" || proof.ProductId != 3 || proof.Svn != 4 || !bytes.Equal(proof.Mrenclave, testEnclave.MREnclave[:]) ||
		!bytes.Equal(proof.Mrsigner, testEnclave.MRSigner[:]) || len(proof.Fmspc) != 6 || proof.EvaluationNumber == 0 {
		t.Errorf("attested: %v", proof)
	}
	force := p.core.collateral.At(p.core.now)
	if !bytes.Equal(proof.PolicyHash, force.PolicyHash[:]) {
		t.Errorf("policy %x, want %x", proof.PolicyHash, force.PolicyHash)
	}
	again := attest.Judge(proof.Quote, force.Sets, &force.Policy, time.Unix(int64(proof.JudgedAt), 0), [64]byte(proof.ReportData)).Report()
	if !bytes.Equal(again.PlatformID[:], proof.PlatformId) || !bytes.Equal(again.CollateralHash[:], proof.CollateralHash) ||
		uint64(again.NotAfter.Unix()) != proof.NotAfter {
		t.Errorf("judged again: %+v", again)
	}
}

// TestPlatformCountsOnce: who has a machine has all workers on it, so that its word counts
// as often as the policy says, across restarts.
func TestPlatformCountsOnce(t *testing.T) {
	for policy, want := range map[string]assaypb.Reason{
		"version: 1":                       assaypb.Reason_REASON_PLATFORM_COUNTED,
		"{version: 1, platform_weight: 2}": assaypb.Reason_REASON_OK,
		"{version: 1, platform_weight: 0}": assaypb.Reason_REASON_OK,
	} {
		t.Run(policy, func(t *testing.T) {
			p, first, asked := askedFor(t, 3)
			p.decree(0, policy)
			for i, decision := range p.decisions {
				worker := p.names[common.BytesToAddress(decision.Worker)]
				if decision.GetAssignment() == nil {
					continue
				}
				body := p.contribution(worker, asked, "right")
				p.vouchOn("one machine", testEnclave, body, p.bound(worker, body, anchorOf(asked)))
				expected := want
				if worker == first {
					expected = assaypb.Reason_REASON_OK
				}
				p.wants(p.judged(worker, body), expected)
				if i > 0 {
					p.restart()
				}
			}
		})
	}
}

// TestPlatformCountsOnceInSessions: also where sessions were opened before anything counted.
func TestPlatformCountsOnceInSessions(t *testing.T) {
	p, first, asked := askedFor(t, 3)
	var workers []string
	for _, decision := range p.decisions {
		if decision.GetAssignment() != nil {
			workers = append(workers, p.names[common.BytesToAddress(decision.Worker)])
		}
	}
	for _, worker := range workers {
		p.wants(p.openSessionOn("one machine", worker, asked, nil), assaypb.Reason_REASON_OK)
	}
	for _, worker := range workers {
		want := assaypb.Reason_REASON_PLATFORM_COUNTED
		if worker == first {
			want = assaypb.Reason_REASON_OK
		}
		body := p.contribution(worker, asked, "right")
		body.Quote = nil
		p.wants(p.judged(worker, body), want)
	}
}

// TestRefusedWorkerIsNotPreferred: whose quotes are refused is always idle, and is asked
// only where all others are busy, until it does better; also after a restart, though the
// task is over.
func TestRefusedWorkerIsNotPreferred(t *testing.T) {
	p := newPool(t)
	forger := p.names[p.lowest("a", "b")] // who is asked first
	other := map[string]string{"a": "b", "b": "a"}[forger]
	p.answers[forger] = func(p *pool, name string, asked *assaypb.Decision) {
		body := p.contribution(name, asked, "right")
		body.Quote = p.quote(p.pki, name, devpki.Enclave{MREnclave: [32]byte{9}}, p.bound(name, body, anchorOf(asked)))
		p.wants(p.judged(name, body), assaypb.Reason_REASON_WRONG_ENCLAVE)
	}
	p.hire("a", "b")
	p.askedNext(forger, other)
	p.restart()
	p.answers[other] = sleeps // so that it is never idle again
	for range 4 {             // as many as it takes at a time
		p.askedNext(other)
	}
	p.answers[forger] = nil // turns honest
	p.askedNext(forger)
	if p.core.loadOf(p.who(forger)).spoilt {
		t.Error("an accepted contribution does not make good")
	}
}

// askedNext makes a deal in an enclave, for whose task these workers must be asked.
func (p *pool) askedNext(want ...string) {
	p.Helper()
	before := len(p.decisions)
	p.deal(1, inEnclave)
	p.settle()
	var got []string
	for _, decision := range p.decisions[before:] {
		if decision.GetAssignment() != nil {
			got = append(got, p.names[common.BytesToAddress(decision.Worker)])
		}
	}
	if !slices.Equal(got, want) {
		p.Errorf("asked %v, want %v", got, want)
	}
}

// TestOtherSignatureIsNoOtherQuote: an ECDSA signature (r, s) holds as (r, n-s) too, so that
// whoever has a good quote has another that is as good. It counts no more: the worker has
// contributed, nothing goes by a quote's bytes, and the machine is the same.
func TestOtherSignatureIsNoOtherQuote(t *testing.T) {
	for _, session := range []bool{false, true} {
		p, worker, asked := askedFor(t, 3)
		if session {
			p.wants(p.openSession(worker, asked, nil), assaypb.Reason_REASON_OK)
		}
		body := p.contribution(worker, asked, "right")
		twin := proto.CloneOf(body)
		twin.Quote = otherSignature(body.Quote)
		if bytes.Equal(twin.Quote, body.Quote) {
			t.Fatal("the signature is the same")
		}
		p.wants(p.judged(worker, body), assaypb.Reason_REASON_OK)
		p.restart()
		p.wants(p.judged(worker, twin), assaypb.Reason_REASON_ALREADY_CONTRIBUTED)
		if counted := slices.Collect(maps.Values(p.core.tasks[poco.Hash(body.Task)].platforms)); !slices.Equal(counted, []int{1}) {
			t.Errorf("its machine counts %d", counted)
		}
	}
	p, worker, asked := asked(t)
	body := p.contribution(worker, asked, "right")
	body.Quote = otherSignature(body.Quote)
	p.wants(p.judged(worker, body), assaypb.Reason_REASON_OK) // either is a good one
}

// otherSignature gives a quote of version 3 the other signature that holds.
func otherSignature(quote []byte) []byte {
	twin := bytes.Clone(quote)
	s := twin[quoteSignature+32:][:32]
	new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(s)).FillBytes(s)
	return twin
}

// openSession posts the quote of a worker's key.
func (p *pool) openSession(name string, asked *assaypb.Decision, change func(*contracts.Binding)) *assaypb.Verdict {
	p.Helper()
	return p.openSessionOn(name, name, asked, change)
}

func (p *pool) openSessionOn(machine, name string, asked *assaypb.Decision, change func(*contracts.Binding)) *assaypb.Verdict {
	p.Helper()
	task := asked.Task
	binding := contracts.Binding{
		ChainID: p.rules.ChainID, Hub: testHub, Task: poco.Hash(task), Worker: p.who(name), EnclaveChallenge: p.who(name + "'s enclave"), Anchor: anchorOf(asked),
	}
	challenge := binding.EnclaveChallenge
	if change != nil {
		change(&binding)
	}
	return p.post(p.seal65(name, &assaypb.WorkerPayload{Body: &assaypb.WorkerPayload_Session{Session: &assaypb.EnclaveSession{
		Task: task, EnclaveChallenge: challenge[:], Quote: p.quote(p.pki, machine, testEnclave, binding),
	}}})).GetVerdict()
}

// TestSession: the key is quoted once, and then its signature is enough, also after a
// restart in between.
func TestSession(t *testing.T) {
	for _, restart := range []bool{false, true} {
		p, worker, asked := asked(t)
		opened := p.openSession(worker, asked, nil)
		p.wants(opened, assaypb.Reason_REASON_OK)
		if len(opened.Authorization) > 0 || opened.Attestation.GetMode() != assaypb.Attestation_SESSION {
			t.Errorf("the session was judged %v", opened)
		}
		if restart {
			p.restart()
		}
		body := p.contribution(worker, asked, "right")
		quote := body.Quote
		body.Quote = nil
		verdict := p.judged(worker, body)
		p.wants(verdict, assaypb.Reason_REASON_OK)
		if !proto.Equal(verdict.Attestation, opened.Attestation) || !bytes.Equal(verdict.QuoteHash, crypto.Keccak256(opened.Attestation.Quote)) {
			t.Errorf("the contribution is attested by %v", verdict.Attestation)
		}
		if bytes.Equal(quote, opened.Attestation.Quote) {
			t.Error("the session's quote binds a result")
		}
		p.wants(p.openSession(worker, asked, nil), assaypb.Reason_REASON_REPLAYED)
	}
}

// TestSessionIsHeldToItsOwn: neither mode takes the other's quote, and a session is one
// worker's, one task's and one key's.
func TestSessionIsHeldToItsOwn(t *testing.T) {
	type attempt = func(p *pool, worker string, asked *assaypb.Decision) *assaypb.Verdict
	bare := func(p *pool, worker string, asked *assaypb.Decision) *assaypb.Verdict {
		body := p.contribution(worker, asked, "right")
		body.Quote = nil
		return p.judged(worker, body)
	}
	for name, c := range map[string]struct {
		attempt attempt
		want    assaypb.Reason
	}{
		"without a session": {bare, assaypb.Reason_REASON_NO_QUOTE},
		"with another key": {func(p *pool, worker string, asked *assaypb.Decision) *assaypb.Verdict {
			p.openSession(worker, asked, nil)
			body := p.contribution(worker, asked, "right")
			binding := p.bound(worker, body, anchorOf(asked))
			binding.EnclaveChallenge = p.who("another enclave")
			p.vouchOn(worker, testEnclave, body, binding)
			body.Quote = nil
			return p.judged(worker, body)
		}, assaypb.Reason_REASON_NO_QUOTE},
		"a result's quote as a session's": {func(p *pool, worker string, asked *assaypb.Decision) *assaypb.Verdict {
			return p.openSession(worker, asked, func(b *contracts.Binding) { b.ResultHash[0], b.ResultSeal[0] = 1, 1 })
		}, assaypb.Reason_REASON_QUOTE_NOT_BOUND},
		"another task's session": {func(p *pool, worker string, asked *assaypb.Decision) *assaypb.Verdict {
			return p.openSession(worker, asked, func(b *contracts.Binding) { b.Task[0] ^= 1 })
		}, assaypb.Reason_REASON_QUOTE_NOT_BOUND},
		"a session's quote for a result of zeros": {func(p *pool, worker string, asked *assaypb.Decision) *assaypb.Verdict {
			body := p.contribution(worker, asked, "right")
			body.ResultHash, body.ResultSeal = make([]byte, 32), make([]byte, 32)
			p.vouchOn(worker, testEnclave, body, p.bound(worker, body, anchorOf(asked)))
			return p.judged(worker, body)
		}, assaypb.Reason_REASON_QUOTE_NOT_BOUND},
		"a second key": {func(p *pool, worker string, asked *assaypb.Decision) *assaypb.Verdict {
			p.openSession(worker, asked, nil)
			p.names[p.who(worker)] = worker
			return p.post(p.seal65(worker, &assaypb.WorkerPayload{Body: &assaypb.WorkerPayload_Session{Session: &assaypb.EnclaveSession{
				Task: asked.Task, EnclaveChallenge: p.who("another enclave").Bytes(), Quote: []byte{1},
			}}})).GetVerdict()
		}, assaypb.Reason_REASON_ALREADY_CONTRIBUTED},
		"nothing quoted": {func(p *pool, worker string, asked *assaypb.Decision) *assaypb.Verdict {
			return p.post(p.seal65(worker, &assaypb.WorkerPayload{Body: &assaypb.WorkerPayload_Session{Session: &assaypb.EnclaveSession{
				Task: asked.Task, EnclaveChallenge: make([]byte, 20),
			}}})).GetVerdict()
		}, assaypb.Reason_REASON_NO_QUOTE},
		"a malformed one": {func(p *pool, worker string, asked *assaypb.Decision) *assaypb.Verdict {
			return p.post(p.seal65(worker, &assaypb.WorkerPayload{Body: &assaypb.WorkerPayload_Session{Session: &assaypb.EnclaveSession{
				Task: asked.Task, EnclaveChallenge: make([]byte, 19),
			}}})).GetVerdict()
		}, assaypb.Reason_REASON_MALFORMED},
	} {
		t.Run(name, func(t *testing.T) {
			p, worker, asked := asked(t)
			p.wants(c.attempt(p, worker, asked), c.want)
		})
	}
}

// TestPolicyTakesForceAtItsTime: not a second earlier, whenever it was read.
func TestPolicyTakesForceAtItsTime(t *testing.T) {
	p, worker, asked := askedFor(t, 3)
	p.decree(p.core.now+1, `{version: 1, denied_fmspc: ["`+fmspc()+`"]}`)
	p.wants(p.judged(worker, p.contribution(worker, asked, "right")), assaypb.Reason_REASON_OK)
	p.settle()
	for _, decision := range p.decisions {
		if other := p.names[common.BytesToAddress(decision.Worker)]; decision.GetAssignment() != nil && other != worker {
			p.wants(p.judged(other, p.contribution(other, asked, "right")), assaypb.Reason_REASON_NOT_TRUSTED)
		}
	}
}

// TestOperatorIsWarnedOfCollateralsEnd: once for a set, on the chain's clock, and not where
// its successor is in the log.
func TestOperatorIsWarnedOfCollateralsEnd(t *testing.T) {
	day := uint64(24 * 3600)
	p := newPool(t)
	metrics := &Metrics{}
	p.wait(21 * day)
	p.expect(map[string]int{"collateral_ends": 0})
	metrics.show(p.core)
	if left := gathered(t, metrics); left < 7*24*3600 || left > 8*24*3600 {
		t.Errorf("%v seconds are left", left)
	}
	p.wait(day + 1)
	p.expect(map[string]int{"collateral_ends": 1})
	p.restart()
	p.wait(day)
	p.expect(map[string]int{"collateral_ends": 1})
	p.publish(p.now.Time+600, p.pki.Collateral(time.Unix(int64(p.now.Time), 0), false))
	metrics.show(p.core)
	if left := gathered(t, metrics); left < 28*24*3600 {
		t.Errorf("%v seconds are left, though a successor is in the log", left)
	}
	p.wait(day)
	p.expect(map[string]int{"collateral_ends": 1})
	p.wait(30 * day)
	p.expect(map[string]int{"collateral_ends": 2})
}

// TestSameLogsSameDecisions: whatever happens, another core that is given the same in the
// same order decides the same, byte for byte: with machines that it knows or not, beside
// others.
func TestSameLogsSameDecisions(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := newPool(t)
		names := []string{"a", "b", "c", "d"}
		for _, name := range names {
			switch rapid.IntRange(0, 5).Draw(r, name) {
			case 0:
				p.answers[name] = lies
			case 1:
				p.answers[name] = func(p *pool, name string, asked *assaypb.Decision) {
					body := p.contribution(name, asked, "right")
					if len(body.Quote) > 500 {
						body.Quote[500] ^= 1
					}
					p.judged(name, body)
				}
			case 2:
				p.answers[name] = func(p *pool, name string, asked *assaypb.Decision) {
					if wantsEnclave(&poco.Deal{Tag: poco.Hash(asked.GetAssignment().Tag)}) {
						p.openSession(name, asked, nil)
					}
					p.contribute(name, asked, "right")
				}
			}
		}
		p.hire(names...)
		for range rapid.IntRange(3, 8).Draw(r, "turns") {
			switch rapid.IntRange(0, 5).Draw(r, "move") {
			case 0, 1:
				p.deal(rapid.Uint64Range(1, 4).Draw(r, "trust"), inEnclave)
			case 2:
				p.decree(p.now.Time+rapid.Uint64Range(0, 100).Draw(r, "lead"), rapid.SampledFrom([]string{
					"version: 1", "{version: 1, platform_weight: 0}", "{version: 1, max_age_hours: 36}",
				}).Draw(r, "policy"))
			case 3:
				p.publish(p.now.Time, p.pki.Collateral(time.Unix(int64(p.now.Time), 0), false))
			case 4:
				p.now.Time += rapid.Uint64Range(1, 100_000).Draw(r, "seconds")
			}
			p.turn()
		}
		p.settle()
		p.sameEverywhere(r)
	})
}

func (p *pool) sameEverywhere(r *rapid.T) {
	want, err := p.retrace(New(p.config))
	if err != nil {
		r.Fatal(err)
	}
	var group errgroup.Group
	others := make([][]byte, 2)
	for i := range others {
		core := New(p.config)
		if i%2 == 0 {
			core.platforms = p.core.platforms // which has seen all machines
		}
		group.Go(func() (err error) {
			others[i], err = p.retrace(core)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		r.Fatal(err)
	}
	for i, other := range others {
		if !bytes.Equal(other, want) {
			r.Fatalf("core %d decided otherwise", i)
		}
	}
}

func fmspc() string { return hexutil.Encode(devpki.FMSPC[:])[2:] }

func hex32(last byte) string { return poco.Hash{31: last}.Hex()[2:] }

// gathered is the metric's one value.
func gathered(t *testing.T, metrics *Metrics) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics)
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || len(families[0].Metric) != 1 {
		t.Fatalf("gathered %v, %v", families, err)
	}
	return families[0].Metric[0].GetGauge().GetValue()
}
