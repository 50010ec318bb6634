package audit

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"google.golang.org/protobuf/proto"

	"assay/contracts"
	"assay/contracts/deploy"
	"assay/indexer/projection"
	"assay/indexer/sink"
	"assay/internal/clickhouse"
	"assay/internal/devchain"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
	"assay/schema/chains"
	migrations "assay/schema/clickhouse"
)

func TestMain(m *testing.M) {
	clickhouse.ChildMain()
	os.Exit(m.Run())
}

const chainID = 31337

// world is a chain with the real contracts, its log, and the index of it.
type world struct {
	*testing.T
	chain      *devchain.Chain
	rpc        *rpc.Client
	deployment deploy.Deployment
	owner      *player // of everything: hub, app, dataset, pool, requests
	workers    []*player
	kafka      *kafka.Client
	engine     *clickhouse.Engine
	preset     chains.Preset
	topics     schema.Topics
	mined      uint64 // block of the last transaction
	next       uint64 // sequence of the next record
	salt       byte
	copy       driver.Conn // nil: there is none yet
	decided    uint64      // records of the decisions log
}

type player struct {
	key    *ecdsa.PrivateKey
	wallet *contracts.Wallet
}

func newWorld(t *testing.T) *world {
	t.Helper()
	modules := filepath.Join("..", "..", "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "@iexec", "poco", "package.json")); err != nil {
		t.Skip("@iexec/poco is not installed: run `make deps`")
	}
	w := &world{T: t}
	keys, alloc := []*ecdsa.PrivateKey{}, map[common.Address]*big.Int{}
	for i := range 4 {
		key, err := crypto.ToECDSA(crypto.Keccak256([]byte("audit"), []byte{byte(i)}))
		w.ok(err)
		keys = append(keys, key)
		alloc[crypto.PubkeyToAddress(key.PublicKey)] = new(big.Int).Mul(big.NewInt(100_000_000), big.NewInt(1e18))
	}
	var err error
	w.chain, err = devchain.Start(devchain.Config{Dir: t.TempDir(), ChainID: chainID, Period: 20 * time.Millisecond, Finality: finality,
		Alloc: alloc, Log: slog.New(slog.DiscardHandler)})
	w.ok(err)
	t.Cleanup(func() { w.ok(w.chain.Close()) })
	w.rpc, err = rpc.Dial(w.chain.HTTPURL())
	w.ok(err)
	t.Cleanup(w.rpc.Close)
	w.deployment, err = deploy.Deploy(t.Context(), deploy.Config{Client: w.rpc, Key: keys[0], Packages: modules})
	w.ok(err)
	for _, key := range keys {
		w.workers = append(w.workers, &player{key, contracts.NewWallet(w.rpc, key, chainID)})
	}
	w.owner, w.workers = w.workers[0], w.workers[1:]
	w.startServers()
	return w
}

func (w *world) startServers() {
	broker, err := kafka.StartBroker(w.TempDir(), 0)
	w.ok(err)
	w.kafka = kafka.NewClient([]string{broker.Addr()})
	w.Cleanup(func() { w.ok(errors.Join(w.kafka.Close(), broker.Close())) })
	w.engine, err = clickhouse.StartEngine(w.Context(), w.TempDir())
	if errors.Is(err, clickhouse.ErrNoLibrary) {
		w.Skip("the ClickHouse engine is not installed: run `make deps`")
	}
	w.ok(err)
	w.Cleanup(func() { w.ok(w.engine.Close()) })
	at := w.deployment
	w.preset = chains.Preset{Name: "audited", ChainID: chainID, Hub: at.Hub.Hex(), AppRegistry: at.AppRegistry.Hex(),
		DatasetRegistry: at.DatasetRegistry.Hex(), WorkerpoolRegistry: at.WorkerpoolRegistry.Hex()}
	w.topics = schema.TopicsOf(w.preset.Name)
	w.ok(w.kafka.CreateTopic(w.Context(), w.topics.Log, 1, schema.MaxRecordBytes))
	w.ok(w.kafka.CreateTopic(w.Context(), w.topics.Decisions, 1, schema.MaxMessageBytes))
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// by makes a call and waits until it is in a block.
func (w *world) by(p *player, to common.Address, data []byte) {
	w.Helper()
	receipts, err := p.wallet.Send(w.Context(), contracts.Call{To: to, Data: data})
	w.ok(err)
	for _, receipt := range receipts {
		w.mined = max(w.mined, receipt.BlockNumber.Uint64())
	}
}

// play makes a market in which everything happens once: agreement against a liar, a
// shortcut, a task that nobody does, one that goes on.
func (w *world) play() {
	at := w.deployment
	for _, p := range append(w.workers, w.owner) {
		w.ok(deploy.Stake(w.Context(), w.owner.wallet, at, deploy.Grant{Owner: p.wallet.Address(), NRLC: big.NewInt(50_000_000_000)}))
	}
	client, me := contracts.NewClient(w.rpc, at.Hub), w.owner.wallet
	app, err := deploy.RegisterApp(w.Context(), client, me, at.AppRegistry, contracts.App{Name: "cat \xff", Type: "DOCKER", Multiaddr: []byte{0xff}, MREnclave: []byte("{}")})
	w.ok(err)
	dataset, err := deploy.RegisterDataset(w.Context(), client, me, at.DatasetRegistry, contracts.Dataset{Name: "data", Multiaddr: []byte("/ipfs/x"), Checksum: common.Hash{7}})
	w.ok(err)
	pool, err := deploy.RegisterWorkerpool(w.Context(), client, me, at.WorkerpoolRegistry, "pool")
	w.ok(err)
	w.by(w.owner, pool, contracts.ChangePolicyCall(contracts.Policy{WorkerStakeRatio: big.NewInt(35), SchedulerRewardRatio: big.NewInt(5)}))

	good, bad := common.Hash{42}, common.Hash{66}
	disputed := w.deal(app, dataset, pool, 3)
	for i, digest := range []common.Hash{good, bad, good} {
		w.contribute(w.workers[i], disputed, digest)
	}
	w.contribute(w.owner, disputed, good)
	for _, p := range []*player{w.workers[0], w.workers[2], w.owner} {
		w.by(p, at.Hub, contracts.RevealCall(disputed, good))
	}
	w.by(w.owner, at.Hub, contracts.FinalizeCall(disputed, []byte("results\xff"), nil))
	silent := w.deal(app, common.Address{}, pool, 3)
	w.ok(w.chain.Travel(3001 * time.Second))
	w.ok(w.chain.Seal())
	w.by(w.workers[0], at.Hub, contracts.ClaimCall(silent))
	quick := w.deal(app, common.Address{}, pool, 0)
	w.by(w.workers[1], at.Hub, contracts.ContributeAndFinalizeCall(quick, good, []byte("quick"), nil, common.Address{}, nil, w.authorize(w.workers[1], quick)))
	w.contribute(w.workers[0], w.deal(app, dataset, pool, 4), good)
	w.by(w.workers[2], at.Hub, contracts.WithdrawCall(big.NewInt(1)))
}

func (w *world) deal(app, dataset, pool common.Address, trust int64) (task common.Hash) {
	w.salt++
	d, key := contracts.Domain{ChainID: chainID, Hub: w.deployment.Hub}, w.owner.key
	salt, one, price := [32]byte{w.salt}, big.NewInt(1), big.NewInt(1_000_000_007)
	ao, err := contracts.AppOrder{App: app, Appprice: big.NewInt(3), Volume: one, Salt: salt}.Signed(d, key)
	w.ok(err)
	var do contracts.DatasetOrder
	if dataset != (common.Address{}) {
		do, err = contracts.DatasetOrder{Dataset: dataset, Datasetprice: big.NewInt(5), Volume: one, Salt: salt}.Signed(d, key)
		w.ok(err)
	}
	wo, err := contracts.WorkerpoolOrder{Workerpool: pool, Workerpoolprice: price, Volume: one, Trust: big.NewInt(trust), Salt: salt}.Signed(d, key)
	w.ok(err)
	ro, err := contracts.RequestOrder{App: app, Appmaxprice: big.NewInt(3), Dataset: dataset, Datasetmaxprice: big.NewInt(5), Workerpool: pool,
		Workerpoolmaxprice: price, Requester: w.owner.wallet.Address(), Volume: one, Trust: big.NewInt(trust), Params: "not text: \xff", Salt: salt}.Signed(d, key)
	w.ok(err)
	w.by(w.owner, w.deployment.Hub, contracts.MatchOrdersCall(ao, do, wo, ro))
	deal := contracts.DealID(ro.Hash(d), new(big.Int))
	w.by(w.owner, w.deployment.Hub, contracts.InitializeCall(deal, 0))
	return contracts.TaskID(deal, 0)
}

func (w *world) authorize(p *player, task common.Hash) []byte {
	sign, err := contracts.SignMessage(w.owner.key, contracts.AuthorizationHash(p.wallet.Address(), task, common.Address{}))
	w.ok(err)
	return sign
}

func (w *world) contribute(p *player, task, digest common.Hash) {
	w.Helper()
	seal := contracts.ResultSeal(p.wallet.Address(), task, digest)
	w.by(p, w.deployment.Hub, contracts.ContributeCall(task, contracts.ResultHash(task, digest), seal, common.Address{}, nil, w.authorize(p, task)))
}

// finality is how far behind the head the chain is final.
const finality = 4

// log writes the chain log up to a block beyond all that was played, as a source would.
func (w *world) log() {
	w.Helper()
	head := w.mined + 3*finality
	w.until("the chain comes to its last block", func() bool {
		var found *header
		w.ok(w.rpc.CallContext(w.Context(), &found, "eth_getBlockByNumber", hexutil.Uint64(head+1), false))
		return found != nil
	})
	a := newAuditor(w.config(nil))
	for number := uint64(1); number <= head; number++ {
		h, err := a.header(w.Context(), number)
		w.ok(err)
		if block := w.block(a, number, h); len(block.Events) > 0 {
			if number > w.mined/2 && number < w.mined { // what happened was first in another block
				w.fork(block)
			}
			w.append(&assaypb.ChainRecord{Body: &assaypb.ChainRecord_Block{Block: block}})
		}
		if number%10 == 0 || number == head {
			final, err := a.header(w.Context(), number-finality)
			w.ok(err)
			w.append(&assaypb.ChainRecord{Body: &assaypb.ChainRecord_Mark{Mark: &assaypb.Mark{HeadNumber: number, HeadHash: h.Hash[:],
				HeadTime: uint64(h.Time), FinalizedNumber: number - finality, FinalizedHash: final.Hash[:], Ledger: ledgerTo(number)}}})
		}
	}
}

// fork writes a block with the same events as another and a deposit more, and its retraction.
func (w *world) fork(block *assaypb.Block) {
	gone := proto.CloneOf(block)
	gone.Hash[31] ^= 1
	more := proto.CloneOf(gone.Events[len(gone.Events)-1])
	more.LogIndex++
	more.Body = &assaypb.Event_Transfer{Transfer: &assaypb.Transfer{From: make([]byte, 20), To: bytes.Repeat([]byte{9}, 20), Value: []byte{1}}}
	gone.Events = append(gone.Events, more)
	w.append(&assaypb.ChainRecord{Body: &assaypb.ChainRecord_Block{Block: gone}})
	w.append(&assaypb.ChainRecord{Body: &assaypb.ChainRecord_Retraction{Retraction: &assaypb.Retraction{Number: gone.Number, Hash: gone.Hash}}})
}

// decide writes verdicts on quotes to the decisions log.
func (w *world) decide() {
	w.Helper()
	for i := range byte(3) {
		decision := &assaypb.Decision{Id: bytes.Repeat([]byte{i + 1}, 32), ChainId: chainID, Task: bytes.Repeat([]byte{i}, 32), Time: 1_700_000_000,
			Body: &assaypb.Decision_Verdict{Verdict: &assaypb.Verdict{Detail: "it's \xe2\x9c\x93", Attestation: &assaypb.Attestation{Accepted: true, Advisories: []string{"INTEL-SA-1"}}}}}
		value, err := proto.Marshal(decision)
		w.ok(err)
		w.ok(w.kafka.Append(w.Context(), w.topics.Decisions, kafka.Message{Key: decision.Task, Value: value}))
		w.decided++
	}
}

// ledgerTo is the ledger of a log up to a block, of which one was not believed.
func ledgerTo(number uint64) []*assaypb.Coverage {
	failed := covered(3, 3, assaypb.Verification_VERIFICATION_FAILED)
	failed.Failure = "it's \\ not\nbelieved"
	return []*assaypb.Coverage{covered(1, 2, assaypb.Verification_VERIFICATION_RECEIPTS), failed, covered(4, number, assaypb.Verification_VERIFICATION_FETCHED)}
}

func (w *world) block(a *auditor, number uint64, h *header) *assaypb.Block {
	var logs []types.Log
	w.ok(w.rpc.CallContext(w.Context(), &logs, "eth_getLogs", map[string]any{"blockHash": h.Hash}))
	block := &assaypb.Block{Number: number, Hash: h.Hash[:], ParentHash: h.Parent[:], Time: uint64(h.Time)}
	for i := range logs {
		if event := a.watched(canonical{Block: block}, &logs[i]); event != nil {
			block.Events = append(block.Events, event)
		}
	}
	w.ok(a.chain.Attach(w.Context(), contracts.Latest, block.Events))
	return block
}

func (w *world) append(record *assaypb.ChainRecord) {
	record.ChainId, record.Sequence = chainID, w.next
	w.next++
	value, err := proto.Marshal(record)
	w.ok(err)
	w.ok(w.kafka.Append(w.Context(), w.topics.Log, kafka.Message{Key: []byte("audited"), Value: value}))
}

// index runs the sink until all of the log is in the database.
func (w *world) index() driver.Conn {
	w.Helper()
	config := w.engine.Config("indexed")
	w.ok(clickhouse.Migrate(w.Context(), config, migrations.Migrations))
	db, err := clickhouse.Open(w.Context(), config)
	w.ok(err)
	w.Cleanup(func() { w.ok(db.Close()) })
	to := sink.New(sink.Config{Preset: w.preset, Topics: w.topics, Kafka: w.kafka, DB: db, Log: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(w.Context())
	ended := make(chan error, 1)
	go func() { ended <- to.Run(ctx) }()
	w.until("the log is written", func() bool { return to.Status().Records == w.next+w.decided })
	stop()
	w.ok(<-ended)
	return db
}

func (w *world) until(what string, happened func() bool) {
	w.Helper()
	for deadline := time.Now().Add(time.Minute); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatalf("waited in vain: %s", what)
		}
	}
}

// copyOf is a copy of the database in which these tables may be harmed: when the test ends
// they are made good again.
func (w *world) copyOf(t *testing.T, harmed ...string) driver.Conn {
	t.Helper()
	if w.copy == nil {
		var err error
		w.copy, err = clickhouse.Open(w.Context(), w.engine.Config("copy"))
		ok(t, err)
		w.Cleanup(func() { w.ok(w.copy.Close()) })
		for _, table := range w.tables() {
			ok(t, w.copy.Exec(t.Context(), "CREATE TABLE "+table+" AS indexed."+table))
			w.fill(table)
		}
	}
	t.Cleanup(func() {
		for _, table := range harmed {
			w.ok(w.copy.Exec(w.Context(), "TRUNCATE TABLE "+table))
			w.fill(table)
		}
	})
	return w.copy
}

// tables are all that an audit reads.
func (w *world) tables() []string {
	tables := []string{"progress", "plans", "series"}
	for _, one := range projection.Schema() {
		if one.Name != "measures" { // which keeps nothing
			tables = append(tables, one.Name)
		}
	}
	return tables
}

func (w *world) fill(table string) {
	w.ok(w.copy.Exec(w.Context(), "INSERT INTO "+table+" SELECT * FROM indexed."+table+" SETTINGS insert_deduplicate = 0"))
}

func (w *world) config(db driver.Conn) Config {
	return Config{Preset: w.preset, Topics: w.topics, Kafka: w.kafka, RPC: w.rpc, DB: db, Sample: DefaultSample}
}

// records are those of the chain log.
func (w *world) records() []*assaypb.ChainRecord {
	w.Helper()
	end, err := w.kafka.End(w.Context(), w.topics.Log, 0)
	w.ok(err)
	var out []*assaypb.ChainRecord
	w.ok(w.kafka.Read(w.Context(), w.topics.Log, 0, 0, end, func(m kafka.Message) error {
		record := &assaypb.ChainRecord{}
		out = append(out, record)
		return proto.Unmarshal(m.Value, record)
	}))
	return out
}

// write writes another chain log, and lets the database believe that it was filled from
// that as far as it was from the true one.
func (w *world) write(t *testing.T, db driver.Conn, name string, records []*assaypb.ChainRecord) schema.Topics {
	t.Helper()
	topics := schema.TopicsOf(strings.ReplaceAll(name, " ", "-"))
	topics.Decisions = w.topics.Decisions
	ok(t, w.kafka.CreateTopic(t.Context(), topics.Log, 1, schema.MaxRecordBytes))
	var messages []kafka.Message
	for _, record := range records {
		record = proto.CloneOf(record)
		record.Offset = nil // it may be elsewhere now
		value, err := proto.Marshal(record)
		ok(t, err)
		messages = append(messages, kafka.Message{Key: []byte("audited"), Value: value})
	}
	ok(t, w.kafka.Append(t.Context(), topics.Log, messages...))
	ok(t, db.Exec(t.Context(), "INSERT INTO progress SELECT chain, ?, partition, next_offset FROM progress FINAL WHERE topic = ?", topics.Log, w.topics.Log))
	return topics
}
