package workers

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/proto"

	"assay/contracts"
	"assay/internal/devpki"
	"assay/schema/assaypb"
)

func devEnclave(secret string) *Enclave {
	machine := must(must(devpki.New([]byte("seed"))).Machine("m"))
	return NewDevEnclave(machine, devpki.Enclave{MREnclave: [32]byte{1}}, []byte(secret))
}

func TestNoEnclaveHere(t *testing.T) {
	if _, err := NewEgoEnclave(); !errors.Is(err, ErrNoEnclave) {
		t.Errorf("got %v", err)
	}
}

func TestChallengeKeyIsOfOneTaskAndSurvivesARestart(t *testing.T) {
	key := func(secret string, chain uint64, hub byte, task byte, worker byte) common.Address {
		k := must(devEnclave(secret).challengeKey(chain, common.Address{hub}, common.Hash{task}, common.Address{worker}))
		return crypto.PubkeyToAddress(k.PublicKey)
	}
	first := key("s", 1, 1, 1, 1)
	if first != key("s", 1, 1, 1, 1) {
		t.Error("another key after a restart")
	}
	for name, other := range map[string]common.Address{
		"secret": key("t", 1, 1, 1, 1), "chain": key("s", 2, 1, 1, 1), "hub": key("s", 1, 2, 1, 1),
		"task": key("s", 1, 1, 2, 1), "worker": key("s", 1, 1, 1, 2),
	} {
		if other == first {
			t.Errorf("the key does not depend on the %s", name)
		}
	}
}

// What a worker publishes for a task that asks for an enclave is all that a pool checks.
func TestContributionFromAnEnclave(t *testing.T) {
	worker := member(0, Behaviour{})
	worker.Enclave = devEnclave("s")
	w := newWorld(1, 1, true, worker)
	w.turn()
	w.turn()
	envelope, payload := letter(t, w.fleet.letters[0].Value)
	address := crypto.PubkeyToAddress(worker.Key.PublicKey)
	if signer := must(contracts.RecoverMessage(crypto.Keccak256Hash(envelope.Payload), envelope.Signature)); signer != address {
		t.Errorf("signed by %s, not by the worker", signer)
	}
	body := payload.GetContribution()
	challenge := common.BytesToAddress(body.EnclaveChallenge)
	sealed := contracts.EnclaveHash(common.Hash(body.ResultHash), common.Hash(body.ResultSeal))
	if signer := must(contracts.RecoverMessage(sealed, body.EnclaveSignature)); signer != challenge {
		t.Errorf("the enclave's signature is by %s, not %s", signer, challenge)
	}
	data := contracts.Binding{
		ChainID: fakeChainID, Task: fakeTask0, Worker: address, EnclaveChallenge: challenge,
		ResultHash: common.Hash(body.ResultHash), ResultSeal: common.Hash(body.ResultSeal),
	}.ReportData()
	if binary.LittleEndian.Uint32(body.Quote) != 1 || !bytes.Equal(body.Quote[16+48+320:16+48+384], data[:]) {
		t.Error("the quote is not Open Enclave's, or does not bind the contribution")
	}
}

func letter(t *testing.T, value []byte) (*assaypb.WorkerMessage, *assaypb.WorkerPayload) {
	t.Helper()
	envelope, payload := &assaypb.WorkerMessage{}, &assaypb.WorkerPayload{}
	if err := errors.Join(proto.Unmarshal(value, envelope), proto.Unmarshal(envelope.Payload, payload)); err != nil {
		t.Fatal(err)
	}
	return envelope, payload
}

// In session mode the key is quoted, without a result, before the contribution is made,
// which has no quote. That the session is open does not authorize anything.
func TestSessionOfAnEnclave(t *testing.T) {
	worker := member(0, Behaviour{})
	worker.Enclave, worker.Session = devEnclave("s"), true
	w := newWorld(1, 1, true, worker)
	w.turn()
	w.turn()
	if len(w.fleet.letters) != 2 {
		t.Fatalf("%d messages are published, want 2", len(w.fleet.letters))
	}
	_, first := letter(t, w.fleet.letters[0].Value)
	_, second := letter(t, w.fleet.letters[1].Value)
	session, body := first.GetSession(), second.GetContribution()
	data := contracts.Binding{
		ChainID: fakeChainID, Task: fakeTask0, Worker: crypto.PubkeyToAddress(worker.Key.PublicKey),
		EnclaveChallenge: common.BytesToAddress(session.GetEnclaveChallenge()),
	}.ReportData()
	if session == nil || !bytes.Equal(session.Quote[16+48+320:16+48+384], data[:]) {
		t.Errorf("the session is %v", session)
	}
	if len(body.GetQuote()) > 0 || !bytes.Equal(body.EnclaveChallenge, session.EnclaveChallenge) || len(body.EnclaveSignature) != 65 {
		t.Errorf("the contribution is %v", body)
	}
	w.decide(verdictFor(w, assaypb.Verdict_ACCEPTED, assaypb.Reason_REASON_OK)) // without an authorization
	w.turn()
	if sent := w.fleet.Progress().Sent; sent != 0 {
		t.Errorf("%d transactions sent without an authorization", sent)
	}
}
