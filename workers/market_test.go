package workers_test

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"assay/contracts"
	"assay/contracts/deploy"
	"assay/internal/devchain"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
	"assay/workers"
)

const (
	chainID = 31337
	depth   = 3
)

var topics = schema.TopicsOf("test")

// market is the real chain, the real contracts and the real log, with a pool that the
// test plays: it believes every worker and is as careful about forks as an engine.
type market struct {
	t      *testing.T
	chain  *devchain.Chain
	rpc    *rpc.Client
	log    *kafka.Client
	client *contracts.Client
	d      deploy.Deployment
	owner  *contracts.Wallet // owns everything and asks for all tasks
	key    *ecdsa.PrivateKey
	pool   common.Address
	app    common.Address
	tasks  []common.Hash
	salt   byte

	judged    map[common.Hash]bool
	announced map[common.Hash]bool
}

func keyOf(name string, n int) *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(crypto.Keccak256(fmt.Append(nil, name, n)))
	if err != nil {
		panic(err)
	}
	return key
}

func addressOf(key *ecdsa.PrivateKey) common.Address { return crypto.PubkeyToAddress(key.PublicKey) }

func newMarket(t testing.TB, members []workers.Agent, period time.Duration) *market {
	t.Helper()
	modules := filepath.Join("..", "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "@iexec", "poco", "package.json")); err != nil {
		t.Skip("@iexec/poco is not installed: run `make deps`")
	}
	m := &market{key: keyOf("owner", 0), judged: make(map[common.Hash]bool), announced: make(map[common.Hash]bool)}
	m.t, _ = t.(*testing.T)
	rich := new(big.Int).Mul(big.NewInt(1e9), big.NewInt(1e18))
	alloc := map[common.Address]*big.Int{addressOf(m.key): rich}
	grants := []deploy.Grant{{Owner: addressOf(m.key), NRLC: big.NewInt(1e15)}}
	for _, member := range members {
		alloc[addressOf(member.Key)] = rich
		grants = append(grants, deploy.Grant{Owner: addressOf(member.Key), NRLC: big.NewInt(1e12)})
	}
	m.chain = need(devchain.Start(devchain.Config{
		Dir: t.TempDir(), ChainID: chainID, Alloc: alloc, Period: period, Log: slog.New(slog.DiscardHandler),
	}))(t)
	m.rpc = need(rpc.Dial(m.chain.HTTPURL()))(t)
	broker := need(kafka.StartBroker(t.TempDir(), 0))(t)
	m.log = kafka.NewClient([]string{broker.Addr()})
	t.Cleanup(func() {
		m.rpc.Close()
		if err := errors.Join(m.chain.Close(), m.log.Close(), broker.Close()); err != nil {
			t.Error(err)
		}
	})
	for _, topic := range []string{topics.Contributions, topics.Decisions} {
		check(t, m.log.CreateTopic(t.Context(), topic, 2, schema.MaxMessageBytes))
	}
	m.d = need(deploy.Deploy(t.Context(), deploy.Config{Client: m.rpc, Key: m.key, Packages: modules}))(t)
	m.client = contracts.NewClient(m.rpc, m.d.Hub)
	m.owner = contracts.NewWallet(m.rpc, m.key, chainID)
	check(t, deploy.Stake(t.Context(), m.owner, m.d, grants...))
	m.pool = need(deploy.RegisterWorkerpool(t.Context(), m.client, m.owner, m.d.WorkerpoolRegistry, "pool"))(t)
	m.app = need(deploy.RegisterApp(t.Context(), m.client, m.owner, m.d.AppRegistry, contracts.App{Name: "built-in", Type: "GO"}))(t)
	return m
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func need[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return value
	}
}

// deal makes a deal of n tasks, initializes them and waits until they cannot vanish.
func (m *market) deal(t testing.TB, n, trust int64, tag common.Hash, params string) (deal common.Hash) {
	t.Helper()
	domain := contracts.Domain{ChainID: chainID, Hub: m.d.Hub}
	m.salt++
	volume, price, confidence, salt := big.NewInt(n), big.NewInt(1000), big.NewInt(trust), [32]byte{m.salt}
	app := need(contracts.AppOrder{App: m.app, Volume: volume, Tag: tag, Salt: salt}.Signed(domain, m.key))(t)
	pool := need(contracts.WorkerpoolOrder{Workerpool: m.pool, Workerpoolprice: price, Volume: volume, Tag: tag,
		Trust: confidence, Salt: salt}.Signed(domain, m.key))(t)
	request := need(contracts.RequestOrder{App: m.app, Workerpool: m.pool, Workerpoolmaxprice: price, Requester: addressOf(m.key),
		Volume: volume, Tag: tag, Trust: confidence, Params: params, Salt: salt}.Signed(domain, m.key))(t)
	match := contracts.MatchOrdersCall(app, contracts.DatasetOrder{}, pool, request)
	need(m.owner.Send(t.Context(), contracts.Call{To: m.d.Hub, Data: match}))(t)
	deal = contracts.DealID(request.Hash(domain), nil)
	var calls []contracts.Call
	for index := range uint64(n) {
		calls = append(calls, contracts.Call{To: m.d.Hub, Data: contracts.InitializeCall(deal, index)})
		m.tasks = append(m.tasks, contracts.TaskID(deal, index))
	}
	need(m.owner.Send(t.Context(), calls...))(t)
	for range depth + 1 {
		check(t, m.chain.Seal())
	}
	return deal
}

// assign asks workers to run all tasks of a deal.
func (m *market) assign(t testing.TB, deal common.Hash, finalizes bool, members ...workers.Agent) {
	t.Helper()
	body := need(m.client.Deal(t.Context(), deal, contracts.Latest))(t)
	for index := range body.BotSize.Uint64() {
		task := contracts.TaskID(deal, index)
		state := need(m.client.Task(t.Context(), task, contracts.Latest))(t)
		for _, member := range members {
			check(t, m.decide(t.Context(), &assaypb.Decision{
				Task: task[:], Worker: addressOf(member.Key).Bytes(),
				Body: &assaypb.Decision_Assignment{Assignment: &assaypb.Assignment{
					Deal: deal[:], Index: index, App: m.app[:], Tag: body.Tag[:], Params: body.Params,
					ContributionDeadline: state.ContributionDeadline.Uint64(), Finalizes: finalizes,
				}},
			}))
		}
	}
}

func (m *market) decide(ctx context.Context, decision *assaypb.Decision) error {
	decision.ChainId, decision.Workerpool = chainID, m.pool[:]
	value, err := proto.Marshal(decision)
	if err != nil {
		return err
	}
	return m.log.Append(ctx, topics.Decisions, kafka.Message{Key: decision.Task, Value: value})
}

// run plays the pool until ctx ends.
func (m *market) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for partition := range 2 {
		group.Go(func() error {
			return m.log.Read(ctx, topics.Contributions, partition, 0, -1, func(message kafka.Message) error { return m.judge(ctx, message) })
		})
	}
	group.Go(func() error {
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-ticker.C:
				if err := m.follow(ctx); err != nil {
					return err
				}
			}
		}
	})
	return group.Wait()
}

func (m *market) judge(ctx context.Context, message kafka.Message) error {
	var envelope assaypb.WorkerMessage
	var payload assaypb.WorkerPayload
	if err := errors.Join(proto.Unmarshal(message.Value, &envelope), proto.Unmarshal(envelope.Payload, &payload)); err != nil {
		return err
	}
	id := crypto.Keccak256Hash(envelope.Payload)
	signer, err := contracts.RecoverMessage(id, envelope.Signature)
	body := payload.GetContribution()
	if err != nil || signer != common.BytesToAddress(payload.Worker) || body == nil {
		return err
	}
	authorization, err := contracts.SignMessage(m.key, contracts.AuthorizationHash(signer, common.Hash(body.Task), common.BytesToAddress(body.EnclaveChallenge)))
	if err != nil {
		return err
	}
	return m.decide(ctx, &assaypb.Decision{
		Task: body.Task, Worker: payload.Worker,
		Body: &assaypb.Decision_Verdict{Verdict: &assaypb.Verdict{
			Outcome: assaypb.Verdict_ACCEPTED, Reason: assaypb.Reason_REASON_OK, Authorization: authorization,
			ResultHash: body.ResultHash, EnclaveChallenge: body.EnclaveChallenge,
		}},
	})
}

// follow announces what is deep enough and finalizes what is revealed.
func (m *market) follow(ctx context.Context) error {
	var head struct{ Number string }
	if err := m.rpc.CallContext(ctx, &head, "eth_getBlockByNumber", "latest", false); err != nil {
		return err
	}
	var number uint64
	if _, err := fmt.Sscanf(head.Number, "0x%x", &number); err != nil {
		return err
	}
	var due []contracts.Call
	for _, id := range m.tasks {
		buried, err := m.client.Task(ctx, id, contracts.AtNumber(number-depth))
		if err != nil {
			return err
		}
		if buried.Status != revealing {
			continue
		}
		if err := m.announce(ctx, id, buried.ConsensusValue); err != nil {
			return err
		}
		if buried.RevealCounter.Cmp(buried.WinnerCounter) == 0 {
			due = append(due, contracts.Call{To: m.d.Hub, Data: contracts.FinalizeCall(id, []byte("done"), nil), Gas: 2_000_000})
		}
	}
	return m.finalize(ctx, due)
}

func (m *market) announce(ctx context.Context, id, consensus common.Hash) error {
	if m.announced[id] {
		return nil
	}
	m.announced[id] = true
	return m.decide(ctx, &assaypb.Decision{Task: id[:], Body: &assaypb.Decision_Consensus{
		Consensus: &assaypb.Consensus{ResultHash: consensus[:]},
	}})
}

func (m *market) finalize(ctx context.Context, due []contracts.Call) error {
	_, err := m.owner.Send(ctx, due...)
	var refused *contracts.RevertError
	if errors.As(err, &refused) {
		return nil // done before, or undone by a fork
	}
	return err
}

const (
	revealing = 2
	completed = 3
	proved    = 2
)

// await polls until a condition holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(120 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("no end of waiting until %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// completed says that all tasks are, deep enough.
func (m *market) completed(t testing.TB) bool {
	for _, id := range m.tasks {
		if task := need(m.client.Task(t.Context(), id, contracts.Latest))(t); task.Status != completed {
			return false
		}
	}
	return true
}

// background runs something until the returned function is called, which waits for its end.
func background(t testing.TB, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}
