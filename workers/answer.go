package workers

import (
	"context"
	"crypto/ecdsa"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/proto"

	"assay/contracts"
	"assay/schema/assaypb"
)

// answer is what a worker has to say about a task. It can be computed again at any time.
type answer struct {
	result           []byte
	digest           common.Hash
	resultHash       common.Hash
	resultSeal       common.Hash
	challenge        common.Address // zero where the deal asks for no enclave
	enclaveSignature []byte
	message          []byte // the signed contribution; nil where it need not be published
}

// compute runs a task and prepares the contribution, signed for publication or not.
func (f *Fleet) compute(ctx context.Context, agent *agent, task common.Hash, asked *assaypb.Assignment, publish bool) (*answer, error) {
	result, err := f.config.Runner(ctx, Work{
		App:     common.BytesToAddress(asked.App),
		Dataset: common.BytesToAddress(asked.Dataset),
		Params:  asked.Params,
		Deal:    common.BytesToHash(asked.Deal),
		Index:   asked.Index,
	})
	if err != nil {
		return nil, fmt.Errorf("running the task: %w", err)
	}
	digest := agent.Behaviour.Digest(agent.address, task, result)
	a := &answer{
		result:     result,
		digest:     digest,
		resultHash: contracts.ResultHash(task, digest),
		resultSeal: contracts.ResultSeal(agent.address, task, digest),
	}
	var quote []byte
	if wantsEnclave(asked.Tag) {
		if quote, err = f.vouch(a, agent, task, common.BytesToHash(asked.Anchor), publish); err != nil {
			return nil, err
		}
	}
	if publish {
		a.message, err = f.contribution(a, agent, task, quote)
	}
	return a, err
}

// wantsEnclave tells by bit 0 of a deal's tag (TeeUtils).
func wantsEnclave(tag []byte) bool { return len(tag) == 32 && tag[31]&1 != 0 }

// vouch has the enclave sign the result, and quoted if it is for publication.
func (f *Fleet) vouch(a *answer, agent *agent, task, anchor common.Hash, publish bool) ([]byte, error) {
	if agent.Enclave == nil {
		return nil, ErrNoEnclave
	}
	key, err := agent.Enclave.challengeKey(f.config.ChainID, f.config.Hub, task, agent.address)
	if err != nil {
		return nil, err
	}
	a.challenge = crypto.PubkeyToAddress(key.PublicKey)
	if a.enclaveSignature, err = contracts.SignMessage(key, contracts.EnclaveHash(a.resultHash, a.resultSeal)); err != nil {
		return nil, fmt.Errorf("signing in the enclave: %w", err)
	}
	if !publish {
		return nil, nil
	}
	quote, err := agent.Enclave.quoter.Quote(contracts.Binding{
		ChainID: f.config.ChainID, Hub: f.config.Hub, Task: task, Worker: agent.address,
		EnclaveChallenge: a.challenge, ResultHash: a.resultHash, ResultSeal: a.resultSeal, Anchor: anchor,
	}.ReportData())
	if err != nil {
		return nil, fmt.Errorf("asking for a quote: %w", err)
	}
	return quote, nil
}

// contribution is the signed message that commits a worker to its result.
func (f *Fleet) contribution(a *answer, agent *agent, task common.Hash, quote []byte) ([]byte, error) {
	body := &assaypb.Contribution{
		Task:             task[:],
		ResultHash:       a.resultHash[:],
		ResultSeal:       a.resultSeal[:],
		EnclaveSignature: a.enclaveSignature,
		Quote:            quote,
	}
	if a.challenge != (common.Address{}) {
		body.EnclaveChallenge = a.challenge[:]
	}
	return f.sign(agent, &assaypb.WorkerPayload{Body: &assaypb.WorkerPayload_Contribution{Contribution: body}})
}

// heartbeat is the signed message that offers a worker to its pool.
func (f *Fleet) heartbeat(agent *agent, slots uint32, session uint64) ([]byte, error) {
	return f.sign(agent, &assaypb.WorkerPayload{Body: &assaypb.WorkerPayload_Heartbeat{Heartbeat: &assaypb.Heartbeat{
		Workerpool: agent.Workerpool[:], Slots: slots, Session: session, Enclave: agent.Enclave != nil,
	}}})
}

// sign puts a payload into its envelope. The same payload gives the same bytes.
func (f *Fleet) sign(agent *agent, payload *assaypb.WorkerPayload) ([]byte, error) {
	payload.ChainId, payload.Hub, payload.Worker = f.config.ChainID, f.config.Hub[:], agent.address[:]
	return Seal(agent.Key, payload)
}

// Seal signs a payload and returns the record for the contributions log.
func Seal(key *ecdsa.PrivateKey, payload *assaypb.WorkerPayload) ([]byte, error) {
	encode := proto.MarshalOptions{Deterministic: true}
	raw, err := encode.Marshal(payload)
	if err != nil {
		return nil, fmt.Errorf("encoding a worker's message: %w", err)
	}
	signature, err := contracts.SignMessage(key, crypto.Keccak256Hash(raw))
	if err != nil {
		return nil, err
	}
	return encode.Marshal(&assaypb.WorkerMessage{Payload: raw, Signature: signature})
}
