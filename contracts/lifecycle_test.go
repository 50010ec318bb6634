package contracts_test

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/contracts"
	"assay/contracts/deploy"
	"assay/internal/devchain"
	"assay/schema/assaypb"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

const chainID = 31337

// Prices and what comes of them are the worked example of the protocol's facts, which
// was run on the real contracts: see TestConsensusPaysAsTheWorkedExample.
const (
	poolPrice    = 1000000007
	appPrice     = 3
	datasetPrice = 5
)

// market is a deployment with one of everything, and what the tests do with it.
type market struct {
	t       *testing.T
	ctx     context.Context
	chain   *devchain.Chain
	rpc     *rpc.Client
	d       deploy.Deployment
	client  *contracts.Client
	domain  contracts.Domain
	decoder contracts.Decoder

	deployer, provider, scheduler, requester *trader
	workers                                  []*trader
	app, dataset, pool                       common.Address
	salt                                     byte
}

// trader is an account of the market.
type trader struct {
	*contracts.Wallet
	key *ecdsa.PrivateKey
}

var stake = big.NewInt(10_000_000_000)

func newMarket(t *testing.T, native bool) *market {
	t.Helper()
	t.Parallel() // they mostly wait for blocks
	modules := filepath.Join("..", "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "@iexec", "poco", "package.json")); err != nil {
		t.Skip("@iexec/poco is not installed: run `make deps`")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	m := &market{t: t, ctx: ctx}
	keys := m.start()
	var err error
	m.d, err = deploy.Deploy(ctx, deploy.Config{Client: m.rpc, Key: keys[0], Packages: modules, Native: native})
	m.must(err)
	m.client = contracts.NewClient(m.rpc, m.d.Hub)
	m.domain = contracts.Domain{ChainID: chainID, Hub: m.d.Hub}
	m.decoder = contracts.Decoder{Hub: m.d.Hub, AppRegistry: m.d.AppRegistry,
		DatasetRegistry: m.d.DatasetRegistry, WorkerpoolRegistry: m.d.WorkerpoolRegistry}
	traders := make([]*trader, len(keys))
	var grants []deploy.Grant
	for i, key := range keys {
		traders[i] = &trader{contracts.NewWallet(m.rpc, key, chainID), key}
		grants = append(grants, deploy.Grant{Owner: traders[i].Address(), NRLC: stake})
	}
	m.deployer, m.provider, m.scheduler, m.requester, m.workers = traders[0], traders[1], traders[2], traders[3], traders[4:]
	m.must(deploy.Stake(ctx, m.deployer.Wallet, m.d, grants[1:]...))
	m.register()
	return m
}

// start starts a chain where eight accounts are rich, and returns their keys.
func (m *market) start() []*ecdsa.PrivateKey {
	alloc := map[common.Address]*big.Int{}
	keys := make([]*ecdsa.PrivateKey, 8)
	for i := range keys {
		key, err := crypto.ToECDSA(crypto.Keccak256(fmt.Append(nil, "trader ", i)))
		m.must(err)
		keys[i] = key
		alloc[crypto.PubkeyToAddress(key.PublicKey)] = new(big.Int).Mul(big.NewInt(1e9), big.NewInt(1e18))
	}
	var err error
	m.chain, err = devchain.Start(devchain.Config{Dir: m.t.TempDir(), ChainID: chainID, Alloc: alloc,
		Period: 20 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	m.must(err)
	m.rpc, err = rpc.DialContext(m.ctx, m.chain.HTTPURL())
	m.must(err)
	m.t.Cleanup(func() {
		m.rpc.Close()
		if err := m.chain.Close(); err != nil {
			m.t.Error(err)
		}
	})
	return keys
}

var (
	testApp = contracts.App{Name: "word count", Type: "DOCKER", Multiaddr: []byte("registry/app:1"),
		Checksum: common.Hash{1}, MREnclave: []byte("{}")}
	testDataset = contracts.Dataset{Name: "corpus", Multiaddr: []byte("/ipfs/x"), Checksum: common.Hash{2}}
)

func (m *market) register() {
	var err error
	m.app, err = deploy.RegisterApp(m.ctx, m.client, m.provider.Wallet, m.d.AppRegistry, testApp)
	m.must(err)
	m.dataset, err = deploy.RegisterDataset(m.ctx, m.client, m.provider.Wallet, m.d.DatasetRegistry, testDataset)
	m.must(err)
	m.pool, err = deploy.RegisterWorkerpool(m.ctx, m.client, m.scheduler.Wallet, m.d.WorkerpoolRegistry, "pool")
	m.must(err)
}

func (m *market) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// send makes one transaction of the hub and returns its events.
func (m *market) send(who *trader, call []byte) []*assaypb.Event {
	m.t.Helper()
	receipts, err := who.Send(m.ctx, contracts.Call{To: m.d.Hub, Data: call})
	m.must(err)
	var events []*assaypb.Event
	for _, log := range receipts[0].Logs {
		event, err := m.decoder.Decode(*log)
		m.must(err)
		events = append(events, event)
	}
	return events
}

// refused makes a call that the contract refuses, and returns why.
func (m *market) refused(who *trader, call []byte) string {
	m.t.Helper()
	_, err := who.Send(m.ctx, contracts.Call{To: m.d.Hub, Data: call})
	var revert *contracts.RevertError
	if !errors.As(err, &revert) {
		m.t.Fatalf("the call gives %v; want a RevertError", err)
	}
	return revert.Reason
}

// orders are four that match, signed by their owners.
type orders struct {
	app     contracts.AppOrder
	dataset contracts.DatasetOrder
	pool    contracts.WorkerpoolOrder
	request contracts.RequestOrder
}

func (m *market) orders(trust int64, tag common.Hash) orders {
	m.t.Helper()
	m.salt++
	salt := [32]byte{m.salt}
	one := big.NewInt(1)
	var o orders
	var err error
	o.app, err = contracts.AppOrder{App: m.app, Appprice: big.NewInt(appPrice), Volume: one, Tag: tag, Salt: salt}.Signed(m.domain, m.provider.key)
	m.must(err)
	o.dataset, err = contracts.DatasetOrder{Dataset: m.dataset, Datasetprice: big.NewInt(datasetPrice), Volume: one, Salt: salt}.Signed(m.domain, m.provider.key)
	m.must(err)
	o.pool, err = contracts.WorkerpoolOrder{Workerpool: m.pool, Workerpoolprice: big.NewInt(poolPrice), Volume: one, Tag: tag,
		Trust: big.NewInt(trust), Salt: salt}.Signed(m.domain, m.scheduler.key)
	m.must(err)
	o.request, err = contracts.RequestOrder{App: m.app, Appmaxprice: big.NewInt(appPrice), Dataset: m.dataset,
		Datasetmaxprice: big.NewInt(datasetPrice), Workerpool: m.pool, Workerpoolmaxprice: big.NewInt(poolPrice),
		Requester: m.requester.Address(), Volume: one, Tag: tag, Trust: big.NewInt(trust),
		Params: `{"iexec_args":"x"}`, Salt: salt}.Signed(m.domain, m.requester.key)
	m.must(err)
	return o
}

func (o orders) match() []byte {
	return contracts.MatchOrdersCall(o.app, o.dataset, o.pool, o.request)
}

// task makes a deal of one task and initializes it.
func (m *market) task(trust int64, tag common.Hash) (deal, task common.Hash) {
	m.t.Helper()
	o := m.orders(trust, tag)
	m.send(m.requester, o.match())
	deal = contracts.DealID(o.request.Hash(m.domain), nil)
	m.send(m.scheduler, contracts.InitializeCall(deal, 0))
	return deal, contracts.TaskID(deal, 0)
}

// contribution is the call by which a worker commits to a digest.
func (m *market) contribution(worker *trader, task, digest common.Hash) []byte {
	m.t.Helper()
	authorization, err := contracts.SignMessage(m.scheduler.key, contracts.AuthorizationHash(worker.Address(), task, common.Address{}))
	m.must(err)
	return contracts.ContributeCall(task, contracts.ResultHash(task, digest),
		contracts.ResultSeal(worker.Address(), task, digest), common.Address{}, nil, authorization)
}

// enclaved is the call by which a worker with an enclave does a task by itself.
func (m *market) enclaved(worker *trader, task, digest common.Hash) []byte {
	m.t.Helper()
	enclave, err := crypto.ToECDSA(crypto.Keccak256([]byte("enclave")))
	m.must(err)
	challenge := crypto.PubkeyToAddress(enclave.PublicKey)
	authorization, err := contracts.SignMessage(m.scheduler.key, contracts.AuthorizationHash(worker.Address(), task, challenge))
	m.must(err)
	sealed := contracts.EnclaveHash(contracts.ResultHash(task, digest), contracts.ResultSeal(worker.Address(), task, digest))
	vouched, err := contracts.SignMessage(enclave, sealed)
	m.must(err)
	return contracts.ContributeAndFinalizeCall(task, digest, []byte("results"), nil, challenge, vouched, authorization)
}

func (m *market) account(owner common.Address) (free, locked int64) {
	m.t.Helper()
	account, err := m.client.Account(m.ctx, owner, contracts.Latest)
	m.must(err)
	return account.Stake.Int64(), account.Locked.Int64()
}

// travel makes the newest block so much later, which is what estimates go by.
func (m *market) travel(d time.Duration) {
	m.t.Helper()
	m.must(m.chain.Travel(d))
	m.must(m.chain.Seal())
}

// checkGains checks what accounts have more than they began with, and that nothing of theirs
// is locked any more.
func (m *market) checkGains(want map[*trader]int64) {
	m.t.Helper()
	for who, gain := range want {
		free, locked := m.account(who.Address())
		if free != stake.Int64()+gain || locked != 0 {
			m.t.Errorf("%s gained %d and has %d locked; want %d and 0", who.Address(), free-stake.Int64(), locked, gain)
		}
	}
}

func names(events []*assaypb.Event) string {
	var out []string
	for _, event := range events {
		out = append(out, strings.TrimPrefix(fmt.Sprintf("%T", event.Body), "*assaypb.Event_"))
	}
	return strings.Join(out, " ")
}

func modes(t *testing.T, test func(*testing.T, *market)) {
	t.Run("token", func(t *testing.T) { test(t, newMarket(t, false)) })
	t.Run("native", func(t *testing.T) { test(t, newMarket(t, true)) })
}

// One of four workers lies. Amounts and events are those that the contracts gave in
// the protocol's facts (1.3, 1.7): 429000002 for each winner, 13000003 for the pool.
func TestConsensusPaysAsTheWorkedExample(t *testing.T) {
	modes(t, func(t *testing.T, m *market) {
		o := m.orders(3, common.Hash{})
		matched := m.send(m.requester, o.match())
		if got, want := names(matched), "Transfer Lock Transfer Lock SchedulerNotice OrdersMatched"; got != want {
			t.Fatalf("matching emitted %s; want %s", got, want)
		}
		m.checkMatched(matched[5].GetOrdersMatched(), o)
		deal := contracts.DealID(o.request.Hash(m.domain), nil)
		task := contracts.TaskID(deal, 0)
		if got := m.send(m.scheduler, contracts.InitializeCall(deal, 0)); !slices.Equal(got[0].GetTaskInitialize().GetTask(), task[:]) {
			t.Fatalf("initialized %v; want task %s", got, task)
		}
		right, wrong := common.Hash{1}, common.Hash{2}
		for i, digest := range []common.Hash{right, wrong, right, right} {
			want := "Transfer Lock TaskContribute"
			if i == 3 {
				want += " TaskConsensus"
			}
			if got := names(m.send(m.workers[i], m.contribution(m.workers[i], task, digest))); got != want {
				t.Fatalf("contribution %d emitted %s; want %s", i, got, want)
			}
		}
		for _, i := range []int{0, 2, 3} {
			m.send(m.workers[i], contracts.RevealCall(task, right))
		}
		if got := names(m.send(m.scheduler, contracts.FinalizeCall(task, []byte("results"), nil))); !strings.HasSuffix(got, " TaskFinalize") {
			t.Fatalf("finalizing emitted %s", got)
		}
		m.checkGains(map[*trader]int64{
			m.requester: -(poolPrice + appPrice + datasetPrice), m.provider: appPrice + datasetPrice, m.scheduler: 13000003,
			m.workers[0]: 429000002, m.workers[1]: -300000002, m.workers[2]: 429000002, m.workers[3]: 429000002,
		})
		m.checkScores(1, 0, 1, 1)
		m.checkHistory()
	})
}

// checkMatched compares an event with the orders: the contract hashes them as we do.
func (m *market) checkMatched(e *assaypb.OrdersMatched, o orders) {
	m.t.Helper()
	for name, pair := range map[string][2][]byte{
		"app order":        {e.AppHash, o.app.Hash(m.domain).Bytes()},
		"dataset order":    {e.DatasetHash, o.dataset.Hash(m.domain).Bytes()},
		"workerpool order": {e.WorkerpoolHash, o.pool.Hash(m.domain).Bytes()},
		"request order":    {e.RequestHash, o.request.Hash(m.domain).Bytes()},
		"deal":             {e.Deal, contracts.DealID(o.request.Hash(m.domain), nil).Bytes()},
	} {
		if !slices.Equal(pair[0], pair[1]) {
			m.t.Errorf("%s: the contract says %x, we %x", name, pair[0], pair[1])
		}
	}
	consumed, err := m.client.Consumed(m.ctx, o.request.Hash(m.domain), contracts.Latest)
	if err != nil || consumed.Int64() != 1 {
		m.t.Errorf("%s of the request order is used, %v; want 1", consumed, err)
	}
}

func (m *market) checkScores(want ...int64) {
	m.t.Helper()
	for i, score := range want {
		got, err := m.client.Score(m.ctx, m.workers[i].Address(), contracts.Latest)
		if err != nil || got.Int64() != score {
			m.t.Errorf("score of worker %d is %s, %v; want %d", i, got, err, score)
		}
	}
}

// checkHistory decodes every log of hub and registries since the start, attaches what
// is missing, and checks that nothing is unknown but the diamond's own events.
func (m *market) checkHistory() {
	m.t.Helper()
	events := m.history()
	m.must(m.client.Attach(m.ctx, contracts.Latest, events))
	for _, event := range events {
		switch body := event.Body.(type) {
		case *assaypb.Event_Unknown:
			if topic := common.BytesToHash(body.Unknown.Topics[0]); topic != diamondCut {
				m.t.Errorf("log of %x with topic %s is unknown", event.Emitter, topic)
			}
		case *assaypb.Event_OrdersMatched:
			m.checkDeal(body.OrdersMatched.Body)
		case *assaypb.Event_TaskInitialize:
			if len(body.TaskInitialize.Deal) != 32 || len(body.TaskInitialize.Index) != 0 {
				m.t.Errorf("task 0 is said to be of deal %x, index %x", body.TaskInitialize.Deal, body.TaskInitialize.Index)
			}
		case *assaypb.Event_TaskContribute:
			m.checkSeal(body.TaskContribute)
		case *assaypb.Event_ResourceTransfer:
			m.checkResource(body.ResourceTransfer)
		}
	}
}

var diamondCut = common.HexToHash("0x8faa70878671ccd212d20771b795c50af8fd3ff6cf27f4bde57e5d4de0aeb673")

func (m *market) history() []*assaypb.Event {
	m.t.Helper()
	logs, err := ethclient.NewClient(m.rpc).FilterLogs(m.ctx, ethereum.FilterQuery{FromBlock: new(big.Int),
		Addresses: []common.Address{m.d.Hub, m.d.AppRegistry, m.d.DatasetRegistry, m.d.WorkerpoolRegistry}})
	m.must(err)
	events := make([]*assaypb.Event, len(logs))
	for i, log := range logs {
		events[i], err = m.decoder.Decode(log)
		m.must(err)
	}
	return events
}

func (m *market) checkDeal(d *assaypb.Deal) {
	m.t.Helper()
	price := new(big.Int).SetBytes(d.GetWorkerpool().GetPrice()).Int64()
	if price != poolPrice || common.BytesToAddress(d.GetApp().GetPointer()) != m.app || d.GetParams() != `{"iexec_args":"x"}` ||
		d.GetBotSize() != 1 || common.BytesToAddress(d.GetSponsor()) != m.requester.Address() || d.GetStartTime() == 0 ||
		new(big.Int).SetBytes(d.GetWorkerStake()).Int64() != 300000002 {
		m.t.Errorf("the deal's body is %v", d)
	}
}

func (m *market) checkSeal(e *assaypb.TaskContribute) {
	m.t.Helper()
	for _, digest := range []common.Hash{{1}, {2}} {
		task := common.BytesToHash(e.Task)
		seal := contracts.ResultSeal(common.BytesToAddress(e.Worker), task, digest)
		if contracts.ResultHash(task, digest) == common.BytesToHash(e.ResultHash) && common.BytesToHash(e.ResultSeal) == seal {
			return
		}
	}
	m.t.Errorf("contribution of %x has hash %x and seal %x, which belong to no digest", e.Worker, e.ResultHash, e.ResultSeal)
}

func (m *market) checkResource(e *assaypb.ResourceTransfer) {
	m.t.Helper()
	want := map[assaypb.ResourceKind]*assaypb.Resource{
		assaypb.ResourceKind_RESOURCE_KIND_APP: {Name: testApp.Name, Type: testApp.Type, Multiaddr: testApp.Multiaddr,
			Checksum: testApp.Checksum[:], Mrenclave: testApp.MREnclave},
		assaypb.ResourceKind_RESOURCE_KIND_DATASET:    {Name: testDataset.Name, Multiaddr: testDataset.Multiaddr, Checksum: testDataset.Checksum[:]},
		assaypb.ResourceKind_RESOURCE_KIND_WORKERPOOL: {Name: "pool"},
	}[e.Kind]
	if got := e.Body.String(); got != want.String() {
		m.t.Errorf("resource %x is %s; want %s", e.Resource, got, want)
	}
}

// A worker with an enclave does everything in one transaction; money moves before the
// contribution is told of.
func TestContributeAndFinalize(t *testing.T) {
	m := newMarket(t, false)
	_, task := m.task(1, common.Hash{31: 3})
	events := names(m.send(m.workers[0], m.enclaved(m.workers[0], task, common.Hash{1})))
	if !strings.HasSuffix(events, "TaskContribute TaskConsensus TaskReveal TaskFinalize") {
		t.Errorf("emitted %s", events)
	}
	m.checkGains(map[*trader]int64{m.workers[0]: 990000006, m.scheduler: 10000001})
	m.checkHistory()
}

// Winners that do not reveal are rejected; a deal nobody works on is claimed.
func TestReopenAndClaim(t *testing.T) {
	m := newMarket(t, false)
	_, task := m.task(1, common.Hash{})
	m.send(m.workers[0], m.contribution(m.workers[0], task, common.Hash{1}))
	if reason := m.refused(m.scheduler, contracts.ReopenCall(task)); reason != "" {
		t.Errorf("reopening before the reveal deadline is refused with %q; want no reason", reason)
	}
	m.travel(2 * 300 * time.Second)
	if got := names(m.send(m.scheduler, contracts.ReopenCall(task))); got != "TaskReopen" {
		t.Errorf("reopening emitted %s", got)
	}
	contribution, err := m.client.Contribution(m.ctx, task, m.workers[0].Address(), contracts.Latest)
	if err != nil || contribution.Status != 3 {
		t.Errorf("the contribution is %+v, %v; want it rejected", contribution, err)
	}
	m.travel(10 * 300 * time.Second)
	events := names(m.send(m.requester, contracts.ClaimCall(task)))
	if !strings.HasSuffix(events, "TaskClaimed") {
		t.Errorf("claiming emitted %s", events)
	}
	m.checkGains(map[*trader]int64{m.requester: 0, m.workers[0]: 0, m.scheduler: -300000002})
	if _, locked := m.account(contracts.KittyAddress); locked != 300000002 {
		t.Errorf("the kitty holds %d; want the pool's stake", locked)
	}
	m.checkHistory()
}

func TestRefusedCallsSayWhy(t *testing.T) {
	m := newMarket(t, false)
	o := m.orders(1, common.Hash{})
	o.request.Volume = new(big.Int) // signed for another volume
	if reason := m.refused(m.requester, o.match()); reason != "iExecV5-matchOrders-0x50" {
		t.Errorf("the reason is %q", reason)
	}
	o = m.orders(1, common.Hash{})
	m.send(m.requester, o.match())
	if reason := m.refused(m.requester, o.match()); reason != "iExecV5-matchOrders-0x60" {
		t.Errorf("matching again is refused with %q", reason)
	}
	m.checkMinedRevert(o)
}

// checkMinedRevert sends without asking first: the transaction reverts in its block.
func (m *market) checkMinedRevert(o orders) {
	m.t.Helper()
	_, err := m.requester.Send(m.ctx, contracts.Call{To: m.d.Hub, Data: o.match(), Gas: 1_000_000})
	var revert *contracts.RevertError
	if !errors.As(err, &revert) || revert.Reason != "iExecV5-matchOrders-0x60" {
		m.t.Errorf("a transaction that reverts in its block gives %v", err)
	}
}

func TestOrdersSignedAndClosedOnTheChain(t *testing.T) {
	m := newMarket(t, false)
	o := m.orders(1, common.Hash{})
	o.app.Sign, o.dataset.Sign, o.pool.Sign, o.request.Sign = nil, nil, nil, nil
	m.send(m.provider, contracts.ManageAppOrderCall(o.app, contracts.SignOrder))
	m.send(m.provider, contracts.ManageDatasetOrderCall(o.dataset, contracts.SignOrder))
	m.send(m.scheduler, contracts.ManageWorkerpoolOrderCall(o.pool, contracts.SignOrder))
	m.send(m.requester, contracts.ManageRequestOrderCall(o.request, contracts.SignOrder))
	m.send(m.requester, o.match())
	other := m.orders(1, common.Hash{})
	other.app.Volume = big.NewInt(77)
	m.send(m.provider, contracts.ManageAppOrderCall(other.app, contracts.CloseOrder))
	m.send(m.provider, contracts.ManageDatasetOrderCall(other.dataset, contracts.CloseOrder))
	m.send(m.scheduler, contracts.ManageWorkerpoolOrderCall(other.pool, contracts.CloseOrder))
	m.send(m.requester, contracts.ManageRequestOrderCall(other.request, contracts.CloseOrder))

	events := m.history()
	m.must(m.client.Attach(m.ctx, contracts.Latest, events))
	signers := map[common.Hash]common.Address{}
	volumes := map[common.Hash]int64{}
	for _, event := range events {
		if e := event.GetOrderSigned(); e != nil {
			signers[common.BytesToHash(e.Hash)] = common.BytesToAddress(e.Signer)
		}
		if e := event.GetOrderClosed(); e != nil {
			volumes[common.BytesToHash(e.Hash)] = new(big.Int).SetBytes(e.Volume).Int64()
		}
	}
	if len(signers) != 4 || signers[o.pool.Hash(m.domain)] != m.scheduler.Address() || signers[o.request.Hash(m.domain)] != m.requester.Address() {
		t.Errorf("signers are %v", signers)
	}
	if len(volumes) != 4 || volumes[other.app.Hash(m.domain)] != 77 || volumes[other.request.Hash(m.domain)] != 1 {
		t.Errorf("volumes are %v", volumes)
	}
}

func TestPolicyAndMetadata(t *testing.T) {
	m := newMarket(t, false)
	policy := contracts.Policy{WorkerStakeRatio: big.NewInt(50), SchedulerRewardRatio: big.NewInt(7)}
	receipts, err := m.scheduler.Send(m.ctx, contracts.Call{To: m.pool, Data: contracts.ChangePolicyCall(policy)})
	m.must(err)
	event, err := m.decoder.Decode(*receipts[0].Logs[0])
	m.must(err)
	e := event.GetPolicyUpdate()
	if !slices.Equal(e.GetOldWorkerStakeRatio(), []byte{30}) || !slices.Equal(e.GetNewWorkerStakeRatio(), []byte{50}) ||
		!slices.Equal(e.GetOldSchedulerRewardRatio(), []byte{1}) || !slices.Equal(e.GetNewSchedulerRewardRatio(), []byte{7}) ||
		common.BytesToAddress(e.GetWorkerpool()) != m.pool {
		t.Errorf("the event is %v", e)
	}
	got, err := m.client.Policy(m.ctx, m.pool, contracts.Latest)
	if err != nil || got.WorkerStakeRatio.Int64() != 50 || got.SchedulerRewardRatio.Int64() != 7 {
		t.Errorf("the policy reads as %v, %v", got, err)
	}
	before, err := m.client.Policy(m.ctx, m.pool, contracts.AtNumber(receipts[0].BlockNumber.Uint64()-1))
	if err != nil || before.WorkerStakeRatio.Int64() != 30 {
		t.Errorf("the policy before reads as %v, %v", before, err)
	}
	if owner, err := m.client.Owner(m.ctx, m.pool, contracts.AtHash(receipts[0].BlockHash)); err != nil || owner != m.scheduler.Address() {
		t.Errorf("the pool's owner is %s, %v", owner, err)
	}
	if again, err := deploy.RegisterApp(m.ctx, m.client, m.provider.Wallet, m.d.AppRegistry, testApp); err != nil || again != m.app {
		t.Errorf("registering again gives %s, %v; want %s", again, err, m.app)
	}
}

// More accounts than one transaction stakes for.
func TestStakeForMany(t *testing.T) {
	modes(t, func(t *testing.T, m *market) {
		grants := make([]deploy.Grant, 65)
		for i := range grants {
			grants[i] = deploy.Grant{Owner: common.BigToAddress(big.NewInt(int64(0xabc000 + i))), NRLC: big.NewInt(int64(1 + i))}
		}
		m.must(deploy.Stake(m.ctx, m.deployer.Wallet, m.d, grants...))
		for _, grant := range grants {
			if free, _ := m.account(grant.Owner); free != grant.NRLC.Int64() {
				t.Errorf("%s has %d nRLC; want %s", grant.Owner, free, grant.NRLC)
			}
		}
	})
}

func TestMoneyInAndOut(t *testing.T) {
	modes(t, func(t *testing.T, m *market) {
		who := m.workers[0]
		if !m.d.Native {
			m.must(deploy.Fund(m.ctx, m.deployer.Wallet, m.d, deploy.Grant{Owner: who.Address(), NRLC: big.NewInt(500)}))
		}
		m.must(deploy.Deposit(m.ctx, who.Wallet, m.d, big.NewInt(300)))
		m.checkGains(map[*trader]int64{who: 300})
		m.send(who, contracts.WithdrawCall(big.NewInt(100)))
		m.checkGains(map[*trader]int64{who: 200})
		if m.d.Native {
			return
		}
		balance, err := m.client.Balance(m.ctx, m.d.Token, who.Address(), contracts.Latest)
		if err != nil || balance.Int64() != 300 {
			t.Errorf("%s nRLC outside, %v; want 300", balance, err)
		}
	})
}

func TestAddressesTellAWrongHub(t *testing.T) {
	m := newMarket(t, false)
	for _, c := range []struct {
		name    string
		hub     common.Address
		chainID uint64
		want    func(error) bool
	}{
		{"the hub", m.d.Hub, chainID, func(err error) bool { return err == nil }},
		{"no contract", common.HexToAddress("0xdead"), chainID, func(err error) bool { return errors.Is(err, contracts.ErrNoContract) }},
		{"another contract", m.d.Token, chainID, func(err error) bool {
			var revert *contracts.RevertError
			return errors.As(err, &revert)
		}},
		{"another chain", m.d.Hub, chainID + 1, func(err error) bool { return errors.Is(err, contracts.ErrNotConfigured) }},
	} {
		_, err := contracts.NewClient(m.rpc, c.hub).Addresses(m.ctx, c.chainID, contracts.Latest)
		if !c.want(err) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// State of a branch without the event is not silently taken for empty data.
func TestAttachRefusesTheStateOfAnotherBranch(t *testing.T) {
	m := newMarket(t, false)
	_, task := m.task(1, common.Hash{})
	for _, event := range m.history() {
		if event.GetOrdersMatched() == nil && event.GetTaskInitialize() == nil {
			continue
		}
		if err := m.client.Attach(m.ctx, contracts.AtNumber(0), []*assaypb.Event{event}); err == nil {
			t.Errorf("%v could be attached to before it happened", event)
		}
	}
	worker := m.workers[0].Address()
	event := &assaypb.Event{Body: &assaypb.Event_TaskContribute{TaskContribute: &assaypb.TaskContribute{
		Task: task[:], Worker: worker[:], ResultHash: make([]byte, 32)}}}
	if err := m.client.Attach(m.ctx, contracts.Latest, []*assaypb.Event{event}); !errors.Is(err, contracts.ErrAbsent) {
		t.Errorf("a contribution that is not there gives %v; want ErrAbsent", err)
	}
}
