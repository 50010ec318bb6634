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
	session          []byte // what is to be published before it; nil where nothing is
	handover         []byte // the signed result, for a deal with a callback; nil where the pool does not need it
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
	if wantsEnclave(asked.Tag) {
		if err := f.vouch(a, agent, task); err != nil {
			return nil, err
		}
	}
	if asked.Callback {
		if a.handover, err = f.handover(agent, task, result); err != nil {
			return nil, err
		}
	}
	if !publish {
		return a, nil
	}
	return a, f.write(a, agent, task, common.BytesToHash(asked.Anchor))
}

// wantsEnclave tells by bit 0 of a deal's tag (TeeUtils).
func wantsEnclave(tag []byte) bool { return len(tag) == 32 && tag[31]&1 != 0 }

// vouch has the enclave sign the result.
func (f *Fleet) vouch(a *answer, agent *agent, task common.Hash) error {
	if agent.Enclave == nil {
		return ErrNoEnclave
	}
	key, err := agent.Enclave.challengeKey(f.config.ChainID, f.config.Hub, task, agent.address)
	if err != nil {
		return err
	}
	a.challenge = crypto.PubkeyToAddress(key.PublicKey)
	if a.enclaveSignature, err = contracts.SignMessage(key, contracts.EnclaveHash(a.resultHash, a.resultSeal)); err != nil {
		return fmt.Errorf("signing in the enclave: %w", err)
	}
	return nil
}

// write prepares what is to be published of an answer: the contribution with its quote,
// or the quote of the enclave's key first and then the contribution.
func (f *Fleet) write(a *answer, agent *agent, task, anchor common.Hash) (err error) {
	binding := contracts.Binding{
		ChainID: f.config.ChainID, Hub: f.config.Hub, Task: task, Worker: agent.address, EnclaveChallenge: a.challenge, Anchor: anchor,
	}
	var quote []byte
	switch {
	case a.challenge == (common.Address{}):
	case agent.Session:
		if a.session, err = f.openSession(agent, binding); err != nil {
			return err
		}
	default:
		binding.ResultHash, binding.ResultSeal = a.resultHash, a.resultSeal
		if quote, err = agent.Enclave.quote(binding); err != nil {
			return err
		}
	}
	a.message, err = f.contribution(a, agent, task, quote)
	return err
}

// openSession is the signed message that has an enclave's key vouched for.
func (f *Fleet) openSession(agent *agent, binding contracts.Binding) ([]byte, error) {
	quote, err := agent.Enclave.quote(binding)
	if err != nil {
		return nil, err
	}
	return f.sign(agent, &assaypb.WorkerPayload{Body: &assaypb.WorkerPayload_Session{Session: &assaypb.EnclaveSession{
		Task: binding.Task[:], EnclaveChallenge: binding.EnclaveChallenge[:], Quote: quote,
	}}})
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

// handover is the signed message that hands a result over to the pool.
func (f *Fleet) handover(agent *agent, task common.Hash, result []byte) ([]byte, error) {
	return f.sign(agent, &assaypb.WorkerPayload{Body: &assaypb.WorkerPayload_Result{Result: &assaypb.Result{Task: task[:], Result: result}}})
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
