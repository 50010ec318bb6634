package engine

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
	"google.golang.org/protobuf/proto"

	"assay/consensus/attest"
	"assay/consensus/poco"
	"assay/consensus/poco/wire"
	"assay/contracts"
	"assay/internal/devpki"
	"assay/schema/assaypb"
)

// Depth of a block that the engine under test believes.
const testConfirmations = 2

const testStart = 1_700_000_000 // seconds since 1970

var (
	testHub  = common.HexToAddress("0x4b")
	testPool = common.HexToAddress("0x9001")
	testApp  = common.HexToAddress("0xa99")

	testEnclave = devpki.Enclave{MREnclave: [32]byte{1}, MRSigner: [32]byte{2}, ProductID: 3, SecurityVersion: 4}
)

// pool plays a chain, workers and settlement around a core: the protocol's own rules
// stand in for the contracts, so every transaction has the effect that it would have.
type pool struct {
	testing.TB
	rules     poco.Rules
	config    Config
	contracts *poco.State
	now       poco.Block
	pending   []poco.Event // of the block being made

	log       []*assaypb.ChainRecord
	letters   [][]byte // the contributions log
	evidence  [][]byte // the collateral log
	decisions []*assaypb.Decision
	core      *Core
	trace     []func(*Core) ([]*assaypb.Decision, error) // all that the core was given, in order

	people  map[string]*ecdsa.PrivateKey
	names   map[poco.Address]string
	pki     *devpki.PKI
	deals   uint64
	answers map[string]func(*pool, string, *assaypb.Decision) // worker → what it does when asked; absent: honest
	reveals map[string]bool                                   // worker → false: does not reveal
	keeps   bool                                              // workers do not hand over what they revealed
}

func newPool(t testing.TB) *pool {
	pki, err := devpki.New([]byte("engine test"))
	if err != nil {
		t.Fatal(err)
	}
	p := &pool{
		TB:      t,
		now:     poco.Block{Number: 1, Time: testStart},
		people:  make(map[string]*ecdsa.PrivateKey),
		names:   make(map[poco.Address]string),
		pki:     pki,
		answers: make(map[string]func(*pool, string, *assaypb.Decision)),
		reveals: make(map[string]bool),
	}
	p.rules = poco.Rules{ChainID: 1337, Hub: testHub, Owner: p.who("owner")}
	p.contracts = poco.New(p.rules)
	p.config = Config{
		ChainID: 1337, Hub: testHub, Rules: p.rules, Confirmations: testConfirmations, QuoteRoot: pki.Root(),
		Pools: []Pool{{Address: testPool, Owner: p.key("poolOwner")}},
	}
	p.core = New(p.config)
	p.publish(0, pki.Collateral(time.Unix(testStart, 0), false))
	p.must("owner", poco.AddCategory{Name: "XS", WorkClockTimeRef: nRLC(300)})
	p.must("owner", poco.Register{At: testApp, Resource: poco.Resource{
		Kind: poco.App, Owner: p.who("appOwner"), MREnclave: fmt.Appendf(nil, `{"framework":"SCONE","fingerprint":"%x"}`, testEnclave.MREnclave),
	}})
	p.must("owner", poco.Register{At: testPool, Resource: poco.Resource{Kind: poco.Workerpool, Owner: p.who("poolOwner")}})
	p.must("requester", poco.Deposit{Amount: nRLC(1_000_000)})
	p.must("poolOwner", poco.Deposit{Amount: nRLC(1_000_000)})
	p.seal()
	return p
}

// publish appends a set to the collateral log, in force from an instant on.
func (p *pool) publish(from uint64, set *devpki.Collateral) {
	p.Helper()
	raw, err := set.JSON()
	if err != nil {
		p.Fatal(err)
	}
	loaded, err := attest.Load(raw, p.config.QuoteRoot)
	if err != nil {
		p.Fatal(err)
	}
	hash := loaded.Hash()
	p.witness(&assaypb.CollateralRecord{Hash: hash[:], ActiveFrom: from, Body: &assaypb.CollateralRecord_Set{Set: raw}})
}

// decree appends a policy to the collateral log.
func (p *pool) decree(from uint64, policy string) {
	p.Helper()
	hash := attest.HashPolicy([]byte(policy))
	p.witness(&assaypb.CollateralRecord{Hash: hash[:], ActiveFrom: from, Body: &assaypb.CollateralRecord_Policy{Policy: []byte(policy)}})
}

func (p *pool) witness(record *assaypb.CollateralRecord) {
	p.Helper()
	value, err := proto.Marshal(record)
	if err != nil {
		p.Fatal(err)
	}
	p.evidence = append(p.evidence, value)
	p.give(func(c *Core) ([]*assaypb.Decision, error) { return nil, c.Collateral(value) })
}

// give gives the core something, and keeps it for those that are to see the same.
func (p *pool) give(step func(*Core) ([]*assaypb.Decision, error)) []*assaypb.Decision {
	p.Helper()
	p.trace = append(p.trace, step)
	due, err := step(p.core)
	if err != nil {
		p.Fatal(err)
	}
	return due
}

// retrace gives another core all that the one under test was given, and returns what it
// decides, as bytes.
func (p *pool) retrace(c *Core) ([]byte, error) {
	var out []byte
	for _, step := range p.trace {
		due, err := step(c)
		if err != nil {
			return nil, err
		}
		for _, decision := range due {
			value, err := proto.MarshalOptions{Deterministic: true}.Marshal(decision)
			if err != nil {
				return nil, err
			}
			out = append(out, value...)
		}
	}
	return out, nil
}

func nRLC(n uint64) poco.Amount { return *uint256.NewInt(n) }

func (p *pool) key(name string) *ecdsa.PrivateKey {
	if p.people[name] == nil {
		key, err := crypto.ToECDSA(crypto.Keccak256([]byte(name)))
		if err != nil {
			p.Fatal(err)
		}
		p.people[name] = key
		p.names[crypto.PubkeyToAddress(key.PublicKey)] = name
	}
	return p.people[name]
}

func (p *pool) who(name string) poco.Address { return crypto.PubkeyToAddress(p.key(name).PublicKey) }

// try makes a call in the block being made.
func (p *pool) try(sender string, command poco.Command) error {
	events, err := p.contracts.Decide(p.now, p.who(sender), command)
	for _, event := range events {
		if err := p.contracts.Evolve(p.now, event); err != nil {
			p.Fatal(err)
		}
	}
	p.pending = append(p.pending, events...)
	return err
}

func (p *pool) must(sender string, command poco.Command) {
	p.Helper()
	if err := p.try(sender, command); err != nil {
		p.Fatalf("%s: %T: %v", sender, command, err)
	}
}

// append writes to the chain log and lets the engine read it.
func (p *pool) append(record *assaypb.ChainRecord) {
	p.Helper()
	record.Sequence, record.ChainId = uint64(len(p.log)), p.rules.ChainID
	p.log = append(p.log, record)
	p.give(func(c *Core) ([]*assaypb.Decision, error) { return nil, c.Follow(record) })
}

func blockHash(number, branch uint64) []byte {
	return crypto.Keccak256(number64(number), number64(branch))
}

func number64(n uint64) []byte { return number(n) }

// seal ends the block being made, marks the head, and starts another block a second later.
func (p *pool) seal() {
	p.Helper()
	if len(p.pending) > 0 {
		block := &assaypb.Block{Number: p.now.Number, Time: p.now.Time, Hash: blockHash(p.now.Number, 0)}
		for i, event := range p.pending {
			message := wire.ToProto(event)
			message.LogIndex = uint32(i)
			block.Events = append(block.Events, message)
		}
		p.pending = nil
		p.append(&assaypb.ChainRecord{Body: &assaypb.ChainRecord_Block{Block: block}})
	}
	p.append(&assaypb.ChainRecord{Body: &assaypb.ChainRecord_Mark{Mark: &assaypb.Mark{
		HeadNumber: p.now.Number, HeadTime: p.now.Time, FinalizedNumber: p.now.Number - min(p.now.Number, 8),
	}}})
	p.now.Number++
	p.now.Time++
}

// turn seals a block and carries out what the engine decides on it. It says whether
// anything was decided.
func (p *pool) turn() bool {
	p.Helper()
	p.seal()
	due := p.give(func(c *Core) ([]*assaypb.Decision, error) { return c.Plan(), nil })
	for _, decision := range due {
		p.record(decision)
	}
	for _, decision := range due {
		p.act(decision)
	}
	return len(due) > 0
}

// settle takes turns until nothing more is decided.
func (p *pool) settle() {
	p.Helper()
	for quiet := 0; quiet <= testConfirmations+1; {
		if p.turn() {
			quiet = 0
		} else {
			quiet++
		}
	}
}

// wait lets time pass and then settles.
func (p *pool) wait(seconds uint64) {
	p.Helper()
	p.now.Time += seconds
	p.settle()
}

// record writes a decision to the log as it would be read back.
func (p *pool) record(decision *assaypb.Decision) {
	p.Helper()
	for _, known := range p.decisions {
		if string(known.Id) == string(decision.Id) {
			p.Fatalf("decided twice: %v", decision)
		}
	}
	p.decisions = append(p.decisions, decision)
	p.give(func(c *Core) ([]*assaypb.Decision, error) { return nil, c.Decided(decision) })
}

// act does what workers and settlement do about a decision.
func (p *pool) act(decision *assaypb.Decision) {
	p.Helper()
	switch body := decision.Body.(type) {
	case *assaypb.Decision_Intent:
		p.send(decision, body.Intent)
	case *assaypb.Decision_Assignment:
		worker := p.names[common.BytesToAddress(decision.Worker)]
		if answer := p.answers[worker]; answer != nil {
			answer(p, worker, decision)
		} else {
			p.contribute(worker, decision, "right")
		}
	case *assaypb.Decision_Consensus:
		for _, winner := range body.Consensus.Winners {
			p.reveal(p.names[poco.Address(winner)], poco.Hash(decision.Task))
		}
	}
}

// send makes the transaction of an intent, and records what became of it.
func (p *pool) send(decision *assaypb.Decision, intent *assaypb.Intent) {
	p.Helper()
	task := poco.Hash(decision.Task)
	var command poco.Command
	switch intent.Action {
	case assaypb.Intent_INITIALIZE:
		command = poco.Initialize{Deal: poco.Hash(intent.Deal), Index: nRLC(intent.Index)}
	case assaypb.Intent_REOPEN:
		command = poco.Reopen{Task: task}
	case assaypb.Intent_FINALIZE:
		command = poco.Finalize{Task: task, Results: intent.Results, ResultsCallback: intent.ResultsCallback}
	case assaypb.Intent_CLAIM:
		command = poco.Claim{Task: task}
	}
	status := assaypb.Outcome_SUCCEEDED
	if err := p.try("poolOwner", command); err != nil {
		status = assaypb.Outcome_REVERTED
	}
	p.record(&assaypb.Decision{
		Id: crypto.Keccak256(decision.Id), ChainId: p.rules.ChainID, Workerpool: testPool[:], Task: task[:], Time: p.now.Time,
		Body: &assaypb.Decision_Outcome{Outcome: &assaypb.Outcome{Intent: decision.Id, Status: status}},
	})
}

// hire has workers deposit and offer themselves.
func (p *pool) hire(names ...string) {
	p.Helper()
	for _, name := range names {
		p.must(name, poco.Deposit{Amount: nRLC(100_000)})
		p.post(p.seal65(name, &assaypb.WorkerPayload{Body: &assaypb.WorkerPayload_Heartbeat{
			Heartbeat: &assaypb.Heartbeat{Workerpool: testPool[:], Slots: 4, Session: 1, Enclave: name != "bare"},
		}}))
	}
	p.settle()
}

// seal65 signs a payload as workers do.
func (p *pool) seal65(name string, payload *assaypb.WorkerPayload) []byte {
	p.Helper()
	if payload.ChainId == 0 {
		payload.ChainId = p.rules.ChainID
	}
	if payload.Hub == nil {
		payload.Hub = testHub[:]
	}
	if payload.Worker == nil {
		payload.Worker = p.who(name).Bytes()
	}
	raw, err := proto.Marshal(payload)
	if err != nil {
		p.Fatal(err)
	}
	signature, err := contracts.SignMessage(p.key(name), crypto.Keccak256Hash(raw))
	if err != nil {
		p.Fatal(err)
	}
	value, err := proto.Marshal(&assaypb.WorkerMessage{Payload: raw, Signature: signature})
	if err != nil {
		p.Fatal(err)
	}
	return value
}

// post appends to the contributions log and returns the engine's answer, nil for none.
func (p *pool) post(value []byte) *assaypb.Decision {
	p.Helper()
	p.letters = append(p.letters, value)
	offset := uint64(len(p.letters) - 1)
	due := p.give(func(c *Core) ([]*assaypb.Decision, error) {
		decision, err := c.Judge(0, offset, value)
		if decision == nil {
			return nil, err
		}
		return []*assaypb.Decision{decision}, err
	})
	if len(due) == 0 {
		return nil
	}
	p.record(due[0])
	return due[0]
}

// contribution is what a worker says of a task, with a quote where one is asked for.
func (p *pool) contribution(name string, asked *assaypb.Decision, result string) *assaypb.Contribution {
	p.Helper()
	task, worker := poco.Hash(asked.Task), p.who(name)
	digest := crypto.Keccak256Hash([]byte(result))
	resultHash, seal := contracts.ResultHash(task, digest), contracts.ResultSeal(worker, task, digest)
	body := &assaypb.Contribution{Task: task[:], ResultHash: resultHash[:], ResultSeal: seal[:]}
	if asked.GetAssignment().Tag[31]&1 == 1 {
		p.vouch(name, body, poco.Hash(asked.GetAssignment().Anchor))
	}
	return body
}

// vouch has a worker's enclave sign and quote a result.
func (p *pool) vouch(name string, body *assaypb.Contribution, anchor poco.Hash) {
	p.Helper()
	p.vouchOn(name, testEnclave, body, p.bound(name, body, anchor))
}

// bound is what a worker's quote of a result must bind.
func (p *pool) bound(name string, body *assaypb.Contribution, anchor poco.Hash) contracts.Binding {
	return contracts.Binding{
		ChainID: p.rules.ChainID, Hub: testHub, Task: poco.Hash(body.Task), Worker: p.who(name), EnclaveChallenge: p.who(name + "'s enclave"),
		ResultHash: poco.Hash(body.ResultHash), ResultSeal: poco.Hash(body.ResultSeal), Anchor: anchor,
	}
}

// vouchOn has an enclave on a machine, with the key of the worker's enclave, sign a
// result and quote a binding.
func (p *pool) vouchOn(machine string, enclave devpki.Enclave, body *assaypb.Contribution, binding contracts.Binding) {
	p.Helper()
	signature, err := contracts.SignMessage(p.key(p.names[binding.EnclaveChallenge]), contracts.EnclaveHash(poco.Hash(body.ResultHash), poco.Hash(body.ResultSeal)))
	if err != nil {
		p.Fatal(err)
	}
	body.EnclaveChallenge, body.EnclaveSignature = binding.EnclaveChallenge[:], signature
	body.Quote = p.quote(p.pki, machine, enclave, binding)
}

func (p *pool) quote(pki *devpki.PKI, name string, enclave devpki.Enclave, binding contracts.Binding) []byte {
	p.Helper()
	machine, err := pki.Machine(name)
	if err != nil {
		p.Fatal(err)
	}
	quote, err := machine.Quote(enclave, binding.ReportData())
	if err != nil {
		p.Fatal(err)
	}
	return quote
}

func signed(body *assaypb.Contribution) *assaypb.WorkerPayload {
	return &assaypb.WorkerPayload{Body: &assaypb.WorkerPayload_Contribution{Contribution: body}}
}

// contribute answers an assignment, and sends the contribution to the contracts once it
// is authorized.
func (p *pool) contribute(name string, asked *assaypb.Decision, result string) {
	p.Helper()
	body := p.contribution(name, asked, result)
	answer := p.post(p.seal65(name, signed(body)))
	verdict := answer.GetVerdict()
	if verdict.GetOutcome() != assaypb.Verdict_ACCEPTED {
		return
	}
	task := poco.Hash(body.Task)
	if asked.GetAssignment().Finalizes {
		p.tolerate(p.try(name, poco.ContributeAndFinalize{
			Task: task, Digest: crypto.Keccak256Hash([]byte(result)), Results: []byte(result),
			EnclaveChallenge: common.BytesToAddress(body.EnclaveChallenge), EnclaveSign: body.EnclaveSignature, Authorization: verdict.Authorization,
		}))
		return
	}
	p.tolerate(p.try(name, poco.Contribute{
		Task: task, ResultHash: poco.Hash(body.ResultHash), ResultSeal: poco.Hash(body.ResultSeal),
		EnclaveChallenge: common.BytesToAddress(body.EnclaveChallenge), EnclaveSign: body.EnclaveSignature, Authorization: verdict.Authorization,
	}))
}

// tolerate lets the contracts refuse: time may have passed, or others been faster.
func (p *pool) tolerate(err error) {
	p.Helper()
	revert := (*poco.Revert)(nil)
	if err != nil && !errors.As(err, &revert) {
		p.Fatal(err)
	}
}

func (p *pool) reveal(name string, task poco.Hash) {
	p.Helper()
	if reveals, said := p.reveals[name]; said && !reveals {
		return
	}
	p.tolerate(p.try(name, poco.Reveal{Task: task, Digest: crypto.Keccak256Hash([]byte("right"))}))
	if deal := p.core.tasks[task].deal; deal.Callback != (poco.Address{}) && !p.keeps {
		p.post(p.handover(name, task, "right"))
	}
}

// handover is a worker's message with the result of a task.
func (p *pool) handover(name string, task poco.Hash, result string) []byte {
	p.Helper()
	return p.seal65(name, &assaypb.WorkerPayload{Body: &assaypb.WorkerPayload_Result{
		Result: &assaypb.Result{Task: task[:], Result: []byte(result)},
	}})
}

// deal makes a deal with the pool under test, unless change makes it another's, and
// returns its first task.
func (p *pool) deal(trust uint64, change func(*poco.Orders)) poco.Hash {
	p.Helper()
	p.deals++
	salt := poco.Hash{31: byte(p.deals)}
	orders := poco.Orders{
		App:        poco.AppOrder{App: testApp, Price: nRLC(5), Volume: nRLC(1), Salt: salt},
		Workerpool: poco.WorkerpoolOrder{Workerpool: testPool, Price: nRLC(1000), Volume: nRLC(1), Trust: nRLC(trust), Salt: salt},
		Request: poco.RequestOrder{App: testApp, AppMaxPrice: nRLC(5), Workerpool: testPool, WorkerpoolMaxPrice: nRLC(1000),
			Requester: p.who("requester"), Volume: nRLC(1), Trust: nRLC(trust), Params: "{}", Salt: salt},
	}
	if change != nil {
		change(&orders)
	}
	orders.App.Sign = p.sign("appOwner", p.rules.OrderHash(orders.App))
	orders.Workerpool.Sign = p.sign("poolOwner", p.rules.OrderHash(orders.Workerpool))
	orders.Request.Sign = p.sign("requester", p.rules.OrderHash(orders.Request))
	p.must("requester", poco.MatchOrders{Orders: orders})
	none := nRLC(0)
	return poco.TaskID(poco.DealID(p.rules.OrderHash(orders.Request), &none), &none)
}

func (p *pool) sign(name string, hash poco.Hash) []byte {
	p.Helper()
	signature, err := crypto.Sign(hash[:], p.key(name))
	if err != nil {
		p.Fatal(err)
	}
	signature[64] += 27
	return signature
}

func inEnclave(orders *poco.Orders) {
	tag := poco.Hash{31: 3}
	orders.App.Tag, orders.Workerpool.Tag, orders.Request.Tag = tag, tag, tag
}

func callingBack(orders *poco.Orders) { orders.Request.Callback = common.HexToAddress("0xca11") }

func (p *pool) status(task poco.Hash) poco.TaskStatus {
	known, ok := p.contracts.Task(task)
	if !ok {
		return poco.TaskUnset
	}
	return known.Status
}

// counted tells how often each kind of thing was decided.
func (p *pool) counted() map[string]int {
	counts := make(map[string]int)
	for _, decision := range p.decisions {
		switch body := decision.Body.(type) {
		case *assaypb.Decision_Assignment:
			counts["assignment"]++
		case *assaypb.Decision_Verdict:
			counts[body.Verdict.Reason.String()]++
		case *assaypb.Decision_Consensus:
			counts["consensus"]++
		case *assaypb.Decision_Intent:
			counts[body.Intent.Action.String()]++
		case *assaypb.Decision_Alert:
			counts[body.Alert.Name]++
		}
	}
	return counts
}

// restart folds the logs into another core, as after a crash.
func (p *pool) restart() {
	p.Helper()
	fresh := New(p.config)
	for _, value := range p.evidence {
		if err := fresh.Collateral(value); err != nil {
			p.Fatal(err)
		}
	}
	for _, record := range p.log {
		if err := fresh.Replay(record); err != nil {
			p.Fatal(err)
		}
	}
	if err := fresh.settle(); err != nil {
		p.Fatal(err)
	}
	for _, decision := range p.decisions {
		if err := fresh.Decided(decision); err != nil {
			p.Fatal(err)
		}
	}
	for offset, value := range p.letters {
		if decision, err := fresh.Judge(0, uint64(offset), value); err != nil || decision != nil {
			p.Fatalf("letter %d was judged before, and is judged again: %v, %v", offset, decision, err)
		}
	}
	p.core = fresh
}
