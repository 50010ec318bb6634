package engine

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	"assay/consensus/poco"
	"assay/contracts"
	"assay/schema/assaypb"
)

// asked makes a deal in an enclave, whose trust of 2 takes one worker, and returns its
// assignment; nobody has answered yet.
func asked(t testing.TB) (*pool, string, *assaypb.Decision) { return askedFor(t, 2) }

// askedFor does so for another trust, and returns the first assignment. Trust 3 takes two
// workers.
func askedFor(t testing.TB, trust uint64) (*pool, string, *assaypb.Decision) {
	p := newPool(t)
	names := []string{"a", "b", "c"}
	for _, name := range names {
		p.answers[name] = sleeps
	}
	p.hire(names...)
	p.deal(trust, inEnclave)
	p.settle()
	for _, decision := range p.decisions {
		if decision.GetAssignment() != nil {
			return p, p.names[poco.Address(decision.Worker)], decision
		}
	}
	t.Fatal("nobody was asked")
	return nil, "", nil
}

// TestEveryReason: what is wrong with a contribution is named, and nothing else about it
// has to be right or wrong.
func TestEveryReason(t *testing.T) {
	type attempt func(p *pool, name string, asked *assaypb.Decision) []byte
	// good is an honest contribution, changed before it is signed.
	good := func(change func(p *pool, body *assaypb.Contribution)) attempt {
		return func(p *pool, name string, asked *assaypb.Decision) []byte {
			body := p.contribution(name, asked, "right")
			change(p, body)
			return p.seal65(name, signed(body))
		}
	}
	cases := map[string]struct {
		want    assaypb.Reason
		attempt attempt
	}{
		"garbage": {assaypb.Reason_REASON_MALFORMED, func(*pool, string, *assaypb.Decision) []byte { return []byte("garbage") }},
		"nothing": {assaypb.Reason_REASON_MALFORMED, func(*pool, string, *assaypb.Decision) []byte { return nil }},
		"too long": {assaypb.Reason_REASON_OVERSIZED, func(*pool, string, *assaypb.Decision) []byte {
			return make([]byte, maxMessage+1)
		}},
		"short task":      {assaypb.Reason_REASON_MALFORMED, good(func(_ *pool, b *assaypb.Contribution) { b.Task = b.Task[1:] })},
		"long seal":       {assaypb.Reason_REASON_MALFORMED, good(func(_ *pool, b *assaypb.Contribution) { b.ResultSeal = append(b.ResultSeal, 0) })},
		"short hash":      {assaypb.Reason_REASON_MALFORMED, good(func(_ *pool, b *assaypb.Contribution) { b.ResultHash = b.ResultHash[1:] })},
		"short challenge": {assaypb.Reason_REASON_MALFORMED, good(func(_ *pool, b *assaypb.Contribution) { b.EnclaveChallenge = b.EnclaveChallenge[1:] })},
		"short enclave signature": {assaypb.Reason_REASON_MALFORMED, good(func(_ *pool, b *assaypb.Contribution) {
			b.EnclaveSignature = b.EnclaveSignature[1:]
		})},
		"no body": {assaypb.Reason_REASON_MALFORMED, func(p *pool, name string, _ *assaypb.Decision) []byte {
			return p.seal65(name, &assaypb.WorkerPayload{})
		}},
		"other chain": {assaypb.Reason_REASON_WRONG_CHAIN, func(p *pool, name string, asked *assaypb.Decision) []byte {
			payload := signed(p.contribution(name, asked, "right"))
			payload.ChainId = 1
			return p.seal65(name, payload)
		}},
		"other hub": {assaypb.Reason_REASON_WRONG_CHAIN, func(p *pool, name string, asked *assaypb.Decision) []byte {
			payload := signed(p.contribution(name, asked, "right"))
			payload.Hub = bytes.Repeat([]byte{1}, 20)
			return p.seal65(name, payload)
		}},
		"somebody else's signature": {assaypb.Reason_REASON_BAD_SIGNATURE, func(p *pool, name string, asked *assaypb.Decision) []byte {
			payload := signed(p.contribution(name, asked, "right"))
			payload.Worker = p.who(name).Bytes()
			return p.seal65("mallory", payload)
		}},
		"unknown task": {assaypb.Reason_REASON_UNKNOWN_TASK, good(func(_ *pool, b *assaypb.Contribution) { b.Task = make([]byte, 32) })},
		"not asked": {assaypb.Reason_REASON_NOT_ASSIGNED, func(p *pool, _ string, asked *assaypb.Decision) []byte {
			return p.seal65("mallory", signed(p.contribution("mallory", asked, "right")))
		}},
		"no enclave": {assaypb.Reason_REASON_NO_ENCLAVE, good(func(_ *pool, b *assaypb.Contribution) {
			b.EnclaveChallenge, b.EnclaveSignature, b.Quote = nil, nil, nil
		})},
		"result changed after the enclave signed": {assaypb.Reason_REASON_QUOTE_NOT_BOUND, good(func(_ *pool, b *assaypb.Contribution) {
			b.ResultHash = bytes.Repeat([]byte{1}, 32)
		})},
		"signed by another key": {assaypb.Reason_REASON_BAD_ENCLAVE_SIGNATURE, good(misSigned)},
		"signed by another key, no quote": {assaypb.Reason_REASON_BAD_ENCLAVE_SIGNATURE, good(func(p *pool, b *assaypb.Contribution) {
			misSigned(p, b)
			b.Quote = nil
		})},
		"signed by nobody": {assaypb.Reason_REASON_BAD_ENCLAVE_SIGNATURE, good(func(_ *pool, b *assaypb.Contribution) {
			b.EnclaveSignature = make([]byte, 65)
		})},
		"damaged quote, signed by another key": {assaypb.Reason_REASON_BAD_QUOTE, good(func(p *pool, b *assaypb.Contribution) {
			misSigned(p, b)
			b.Quote[500] ^= 1
		})},
		"no quote":      {assaypb.Reason_REASON_NO_QUOTE, good(func(_ *pool, b *assaypb.Contribution) { b.Quote = nil })},
		"damaged quote": {assaypb.Reason_REASON_BAD_QUOTE, good(func(_ *pool, b *assaypb.Contribution) { b.Quote[500] ^= 1 })},
		"quote of another block": {assaypb.Reason_REASON_QUOTE_NOT_BOUND, func(p *pool, name string, asked *assaypb.Decision) []byte {
			body := p.contribution(name, asked, "right")
			p.vouch(name, body, poco.Hash{1})
			return p.seal65(name, signed(body))
		}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			p, worker, decision := asked(t)
			answer := p.post(test.attempt(p, worker, decision))
			verdict := answer.GetVerdict()
			if verdict.GetOutcome() != assaypb.Verdict_REJECTED || verdict.Reason != test.want {
				t.Fatalf("judged %v %v (%s), want %v", verdict.GetOutcome(), verdict.GetReason(), verdict.GetDetail(), test.want)
			}
			if verdict.Detail == "" || len(verdict.Authorization) != 0 {
				t.Errorf("a rejection must say why and authorize nothing: %v", verdict)
			}
		})
	}
}

// misSigned has another key than the enclave's sign a result.
func misSigned(p *pool, body *assaypb.Contribution) {
	p.Helper()
	signature, err := contracts.SignMessage(p.key("another enclave"), contracts.EnclaveHash(poco.Hash(body.ResultHash), poco.Hash(body.ResultSeal)))
	if err != nil {
		p.Fatal(err)
	}
	body.EnclaveSignature = signature
}

// TestAccepted: a good contribution is authorized by the pool's owner, for this worker,
// task and enclave.
func TestAccepted(t *testing.T) {
	p, worker, decision := asked(t)
	body := p.contribution(worker, decision, "right")
	verdict := p.post(p.seal65(worker, signed(body))).GetVerdict()
	if verdict.GetOutcome() != assaypb.Verdict_ACCEPTED {
		t.Fatalf("judged %v: %s", verdict.GetReason(), verdict.GetDetail())
	}
	hash := contracts.AuthorizationHash(p.who(worker), poco.Hash(body.Task), poco.Address(body.EnclaveChallenge))
	if signer, err := contracts.RecoverMessage(hash, verdict.Authorization); err != nil || signer != p.who("poolOwner") {
		t.Errorf("authorized by %s, %v", signer, err)
	}
	if verdict.Agreement != "2/3" { // a new worker weighs 2, the total starts at 1
		t.Errorf("agreement %s, want 2/3", verdict.Agreement)
	}
	if len(verdict.QuoteHash) != 32 || verdict.Mrenclave == "" {
		t.Errorf("nothing is said of the quote: %v", verdict)
	}
}

// TestAgain: the same message is a replay; another one of the same worker comes too late.
func TestAgain(t *testing.T) {
	p, worker, decision := asked(t)
	first := p.seal65(worker, signed(p.contribution(worker, decision, "right")))
	p.post(first)
	if reason := p.post(first).GetVerdict().GetReason(); reason != assaypb.Reason_REASON_REPLAYED {
		t.Errorf("a copy was judged %v", reason)
	}
	other := p.seal65(worker, signed(p.contribution(worker, decision, "second thoughts")))
	if reason := p.post(other).GetVerdict().GetReason(); reason != assaypb.Reason_REASON_ALREADY_CONTRIBUTED {
		t.Errorf("a second contribution was judged %v", reason)
	}
}

// TestForgeryDoesNotSpoil: a copy with a wrong signature, sent ahead, does not make the
// worker's own message a replay.
func TestForgeryDoesNotSpoil(t *testing.T) {
	p, worker, decision := asked(t)
	genuine := p.seal65(worker, signed(p.contribution(worker, decision, "right")))
	var envelope assaypb.WorkerMessage
	if err := proto.Unmarshal(genuine, &envelope); err != nil {
		t.Fatal(err)
	}
	envelope.Signature[10] ^= 1
	forged, err := proto.Marshal(&envelope)
	if err != nil {
		t.Fatal(err)
	}
	if reason := p.post(forged).GetVerdict().GetReason(); reason != assaypb.Reason_REASON_BAD_SIGNATURE {
		t.Errorf("the forgery was judged %v", reason)
	}
	if reason := p.post(genuine).GetVerdict().GetReason(); reason != assaypb.Reason_REASON_OK {
		t.Errorf("the worker's own message was judged %v", reason)
	}
}

// TestBadQuoteCostsTheTurn: the worker is not asked again, another one is.
func TestBadQuoteCostsTheTurn(t *testing.T) {
	p, worker, decision := asked(t)
	body := p.contribution(worker, decision, "right")
	body.Quote[500] ^= 1
	p.post(p.seal65(worker, signed(body)))
	if reason := p.post(p.seal65(worker, signed(p.contribution(worker, decision, "right")))).GetVerdict().GetReason(); reason != assaypb.Reason_REASON_NOT_ASSIGNED {
		t.Errorf("a second try was judged %v", reason)
	}
	before := p.counted()["assignment"]
	p.settle()
	if after := p.counted()["assignment"]; after != before+1 {
		t.Errorf("%d assignments after %d: nobody was asked in its place", after, before)
	}
}

// TestTooLate: the contribution deadline is over once it is at the chain's head, even
// before the engine believes the block.
func TestTooLate(t *testing.T) {
	p, worker, decision := asked(t)
	message := p.seal65(worker, signed(p.contribution(worker, decision, "right")))
	p.now.Time = decision.GetAssignment().ContributionDeadline
	p.seal()
	if reason := p.post(message).GetVerdict().GetReason(); reason != assaypb.Reason_REASON_TOO_LATE {
		t.Errorf("judged %v", reason)
	}
}

// TestMembers: a pool that lists its workers takes no others, not even on its list.
func TestMembers(t *testing.T) {
	p := newPool(t)
	p.config.Pools[0].Members = map[poco.Address]bool{p.who("member"): true}
	p.core.pools[testPool].Members = p.config.Pools[0].Members
	p.hire("member", "stranger")
	p.expect(map[string]int{"REASON_NOT_MEMBER": 1})
	p.deal(3, nil)
	p.settle()
	for _, decision := range p.decisions {
		if decision.GetAssignment() != nil && poco.Address(decision.Worker) != p.who("member") {
			t.Errorf("a stranger was asked: %v", decision)
		}
	}
}

// TestTaskNotActive: after the end, a contribution is told so, for as long as it comes.
func TestTaskNotActive(t *testing.T) {
	p := newPool(t)
	p.hire("a", "b")
	task := p.deal(1, nil)
	p.settle()
	p.ends(task, poco.TaskCompleted)
	late := p.seal65("b", signed(p.contribution("b", p.fakeAssignment(task), "right")))
	for range 2 {
		if reason := p.post(late).GetVerdict().GetReason(); reason != assaypb.Reason_REASON_TASK_NOT_ACTIVE {
			t.Errorf("judged %v", reason)
		}
	}
}

// FuzzJudge: no message stops the engine, and none is accepted that was not signed.
func FuzzJudge(f *testing.F) {
	p, worker, decision := asked(f)
	genuine := p.seal65(worker, signed(p.contribution(worker, decision, "right")))
	f.Add(genuine)
	f.Add([]byte{})
	f.Add([]byte{10, 2, 8, 1})
	offset := uint64(1 << 20)
	f.Fuzz(func(t *testing.T, value []byte) {
		offset++
		answer, err := p.core.Judge(0, offset, value)
		if err != nil {
			t.Fatal(err)
		}
		if answer.GetVerdict().GetOutcome() == assaypb.Verdict_ACCEPTED && !bytes.Contains(value, p.who(worker).Bytes()) {
			t.Errorf("accepted: %x", value)
		}
	})
}
