package source_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
	"google.golang.org/protobuf/proto"

	"assay/contracts"
	"assay/contracts/deploy"
	"assay/indexer/projection"
	"assay/indexer/source"
	"assay/internal/devchain"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

const chainID = 31337

// actor is one account that plays every part on a real deployment.
type actor struct {
	t      *testing.T
	ctx    context.Context
	key    *ecdsa.PrivateKey
	chain  *devchain.Chain
	wallet *contracts.Wallet
	client *contracts.Client
	at     deploy.Deployment
	nonce  uint64
	mined  uint64 // block of the last transaction
	salt   byte
	seen   func() uint64 // newest block that the source has indexed
}

func newActor(t *testing.T) *actor {
	t.Helper()
	modules := filepath.Join("..", "..", "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "@iexec", "poco", "package.json")); err != nil {
		t.Skip("@iexec/poco is not installed: run `make deps`")
	}
	a := &actor{t: t}
	var cancel context.CancelFunc
	a.ctx, cancel = context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	var err error
	a.key, err = crypto.ToECDSA(crypto.Keccak256([]byte("actor")))
	a.ok(err)
	rich := new(big.Int).Mul(big.NewInt(100_000_000), big.NewInt(1e18))
	a.chain, err = devchain.Start(devchain.Config{
		Dir: t.TempDir(), ChainID: chainID, Period: 20 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
		Alloc: map[common.Address]*big.Int{crypto.PubkeyToAddress(a.key.PublicKey): rich},
	})
	a.ok(err)
	client := a.dial(a.chain.HTTPURL())
	t.Cleanup(func() { a.ok(a.chain.Close()) })
	a.wallet = contracts.NewWallet(client, a.key, chainID)
	a.at, err = deploy.Deploy(a.ctx, deploy.Config{Client: client, Key: a.key, Packages: modules})
	a.ok(err)
	a.client, a.nonce = contracts.NewClient(client, a.at.Hub), a.at.NextNonce
	return a
}

func (a *actor) dial(url string) *rpc.Client {
	a.t.Helper()
	client, err := rpc.DialContext(a.ctx, url)
	a.ok(err)
	a.t.Cleanup(client.Close)
	return client
}

func (a *actor) ok(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// send makes a call and waits until it is in a block.
func (a *actor) send(to common.Address, data []byte) {
	a.t.Helper()
	tx, err := a.wallet.Sign(a.ctx, to, data, nil, a.nonce)
	a.ok(err)
	a.ok(a.wallet.Submit(a.ctx, tx))
	receipt, err := a.wallet.Wait(a.ctx, tx.Hash())
	a.ok(err)
	if receipt.Status != 1 {
		a.t.Fatalf("transaction %s was reverted", tx.Hash())
	}
	a.nonce++
	a.mined = receipt.BlockNumber.Uint64()
}

func (a *actor) preset() chains.Preset {
	return chains.Preset{
		Name: "devchain", ChainID: chainID, Hub: a.at.Hub.Hex(), AppRegistry: a.at.AppRegistry.Hex(),
		DatasetRegistry: a.at.DatasetRegistry.Hex(), WorkerpoolRegistry: a.at.WorkerpoolRegistry.Hex(),
	}
}

// market registers one resource of each kind and returns their addresses.
func (a *actor) market() (app, dataset, pool common.Address) {
	me := a.wallet.Address()
	appData := contracts.App{Name: "cat \xff", Type: "DOCKER", Multiaddr: []byte{0xff}, MREnclave: []byte("{}")}
	data := contracts.Dataset{Name: "data", Multiaddr: []byte("/ipfs/x"), Checksum: common.Hash{7}}
	a.send(a.at.AppRegistry, contracts.CreateAppCall(me, appData))
	a.send(a.at.DatasetRegistry, contracts.CreateDatasetCall(me, data))
	a.send(a.at.WorkerpoolRegistry, contracts.CreateWorkerpoolCall(me, "pool"))
	var err error
	app, err = a.client.PredictApp(a.ctx, a.at.AppRegistry, me, appData)
	a.ok(err)
	dataset, err = a.client.PredictDataset(a.ctx, a.at.DatasetRegistry, me, data)
	a.ok(err)
	pool, err = a.client.PredictWorkerpool(a.ctx, a.at.WorkerpoolRegistry, me, "pool")
	a.ok(err)
	return app, dataset, pool
}

// oddParams are what a requester may ask for although nobody can do it.
var oddParams = []string{"not JSON, not even text: \xff", `["JSON", "but no object"]`, "null", "\x00", strings.Repeat("long ", 2_000)}

// deal matches orders for one task and returns the deal and the task.
func (a *actor) deal(app, dataset, pool common.Address, trust int64) (deal, task common.Hash) {
	a.salt++
	d := contracts.Domain{ChainID: chainID, Hub: a.at.Hub}
	salt := [32]byte{a.salt}
	one := big.NewInt(1)
	ao, err := contracts.AppOrder{App: app, Appprice: big.NewInt(3), Volume: one, Salt: salt}.Signed(d, a.key)
	a.ok(err)
	do, err := contracts.DatasetOrder{Dataset: dataset, Datasetprice: big.NewInt(5), Volume: one, Salt: salt}.Signed(d, a.key)
	a.ok(err)
	wo, err := contracts.WorkerpoolOrder{Workerpool: pool, Workerpoolprice: big.NewInt(1_000_000_007), Volume: one, Trust: big.NewInt(trust), Salt: salt}.Signed(d, a.key)
	a.ok(err)
	ro, err := contracts.RequestOrder{
		App: app, Appmaxprice: big.NewInt(3), Dataset: dataset, Datasetmaxprice: big.NewInt(5), Workerpool: pool,
		Workerpoolmaxprice: big.NewInt(1_000_000_007), Requester: a.wallet.Address(), Volume: one, Trust: big.NewInt(trust),
		Params: oddParams[int(a.salt)%len(oddParams)], Salt: salt,
	}.Signed(d, a.key)
	a.ok(err)
	a.send(a.at.Hub, contracts.MatchOrdersCall(ao, do, wo, ro))
	deal = contracts.DealID(ro.Hash(d), new(big.Int))
	a.send(a.at.Hub, contracts.InitializeCall(deal, 0))
	return deal, contracts.TaskID(deal, 0)
}

func (a *actor) authorize(task common.Hash) []byte {
	sign, err := contracts.SignMessage(a.key, contracts.AuthorizationHash(a.wallet.Address(), task, common.Address{}))
	a.ok(err)
	return sign
}

// play makes one deal of each ending but reopen, with a fork in between.
func (a *actor) play() {
	me, digest := a.wallet.Address(), common.Hash{42}
	a.send(a.at.Token, contracts.ApproveAndDepositCall(a.at.Hub, big.NewInt(50_000_000_000)))
	app, dataset, pool := a.market()
	a.send(pool, contracts.ChangePolicyCall(contracts.Policy{WorkerStakeRatio: big.NewInt(35), SchedulerRewardRatio: big.NewInt(5)}))

	_, task := a.deal(app, dataset, pool, 1) // contribute, reveal, finalize
	a.send(a.at.Hub, contracts.ContributeCall(task, contracts.ResultHash(task, digest), contracts.ResultSeal(me, task, digest), common.Address{}, nil, a.authorize(task)))
	a.send(a.at.Hub, contracts.RevealCall(task, digest))
	a.wait("the source has what will be abandoned", func() bool { return a.seen() >= a.mined })
	head, err := ethclient.NewClient(a.dial(a.chain.HTTPURL())).BlockNumber(a.ctx)
	a.ok(err)
	a.ok(a.chain.Fork(head - a.mined + 3))
	a.settleNonce()
	a.send(a.at.Hub, contracts.FinalizeCall(task, []byte("results"), nil))

	_, silent := a.deal(app, dataset, pool, 3) // nobody contributes
	a.ok(a.chain.Travel(3001 * time.Second))
	a.ok(a.chain.Seal())
	a.send(a.at.Hub, contracts.ClaimCall(silent))

	_, quick := a.deal(app, common.Address{}, pool, 0) // contributeAndFinalize, which empties the kitty
	a.send(a.at.Hub, contracts.ContributeAndFinalizeCall(quick, digest, []byte("quick"), nil, common.Address{}, nil, a.authorize(quick)))
	a.send(a.at.Hub, contracts.WithdrawCall(big.NewInt(1)))
	for range oddParams {
		a.deal(app, common.Address{}, pool, 1)
	}
}

// settleNonce waits until all that was sent is in blocks again after a fork.
func (a *actor) settleNonce() {
	a.wait("the abandoned transactions are mined again", func() bool {
		mined, err := a.wallet.MinedNonce(a.ctx)
		a.ok(err)
		return mined == a.nonce
	})
}

func (a *actor) wait(what string, condition func() bool) {
	a.t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			a.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// TestTheRealContracts follows a real deployment over WebSocket through a real broker,
// and compares what the projection makes of the log with what the contract answers.
func TestTheRealContracts(t *testing.T) {
	a := newActor(t)
	broker, err := kafka.StartBroker(t.TempDir(), 0)
	a.ok(err)
	log := kafka.NewClient([]string{broker.Addr()})
	t.Cleanup(func() { a.ok(errors.Join(log.Close(), broker.Close())) })
	s := source.New(source.Config{Preset: a.preset(), Endpoints: []source.Endpoint{{Name: "dev", RPC: a.dial(a.chain.WSURL())}}, Kafka: log, Topic: "log", Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(a.ctx)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()

	a.seen = func() uint64 { return s.Status().Indexed }
	a.play()
	a.wait("the source passes the last transaction", func() bool { return s.Status().Indexed > a.mined })
	cancel()
	a.ok(<-done)
	if s.Status().Retracted == 0 {
		t.Error("the fork retracted nothing")
	}
	a.compare(log)
	a.comparePresets()
}

// comparePresets finds the preset of the deployment right, and others wrong.
func (a *actor) comparePresets() {
	a.t.Helper()
	endpoint := source.Endpoint{Name: "dev", RPC: a.dial(a.chain.HTTPURL())}
	wrong := func(preset chains.Preset) (points []string) {
		findings, err := source.ComparePreset(a.ctx, preset, endpoint)
		a.ok(err)
		for _, f := range findings {
			if f.Verdict == source.Differs {
				points = append(points, f.What)
			}
		}
		return points
	}
	if points := wrong(a.preset()); len(points) > 0 {
		a.t.Errorf("the deployment's own preset differs in %v", points)
	}
	other := a.preset()
	other.AppRegistry, other.Native = other.DatasetRegistry, true
	if points := wrong(other); !slices.Equal(points, []string{"hub's app registry", "RLC"}) {
		a.t.Errorf("a wrong preset differs in %v", points)
	}
}

// compare folds the log and asks the contract, at the log's last mark, for the same.
func (a *actor) compare(log *kafka.Client) {
	a.t.Helper()
	end, err := log.End(a.ctx, "log", 0)
	a.ok(err)
	p := projection.New(a.preset())
	var rows projection.Rows
	var mark *assaypb.Mark
	a.ok(log.Read(a.ctx, "log", 0, 0, end, func(m kafka.Message) error {
		record, counts, err := schema.ReadRecord(m.Value, m.Offset)
		if err != nil || !counts {
			return err
		}
		if record.GetMark() != nil {
			mark = record.GetMark()
		}
		for _, tx := range record.GetBlock().GetTransactions() {
			a.compareTransaction(record.GetBlock(), tx)
		}
		more, err := p.Apply(record)
		rows.Add(more)
		return err
	}))
	at := contracts.AtHash(common.BytesToHash(mark.HeadHash))
	accounts, tasks := map[string]projection.Account{}, map[string]projection.Task{}
	for _, row := range rows.Accounts { // the last of each key counts
		accounts[row.Address] = row
	}
	for _, row := range rows.Tasks {
		tasks[row.ID] = row
	}
	for _, row := range accounts {
		address := common.HexToAddress(row.Address)
		account, err := a.client.Account(a.ctx, address, at)
		a.ok(err)
		score, err := a.client.Score(a.ctx, address, at)
		a.ok(err)
		if row.Stake.Cmp(account.Stake) != 0 || row.Locked.Cmp(account.Locked) != 0 || row.Score.Cmp(score) != 0 {
			a.t.Errorf("account %s: rows say %s, %s, score %s; the contract %s, %s, %s",
				row.Address, row.Stake, row.Locked, row.Score, account.Stake, account.Locked, score)
		}
	}
	statuses := map[uint8]string{1: "ACTIVE", 2: "REVEALING", 3: "COMPLETED", 4: "FAILED"}
	ended := map[string]int{}
	for _, row := range tasks {
		task, err := a.client.Task(a.ctx, common.HexToHash(row.ID), at)
		a.ok(err)
		if row.Status != statuses[task.Status] || !bytes.Equal([]byte(row.Results), task.Results) || row.FinalDeadline.Unix() != task.FinalDeadline.Int64() ||
			row.ContributionDeadline.Unix() != task.ContributionDeadline.Int64() || row.RevealDeadline.Unix() != task.RevealDeadline.Int64() {
			a.t.Errorf("task %s: rows say %+v, the contract %+v", row.ID, row, task)
		}
		ended[row.Status]++
	}
	if len(accounts) < 3 || ended["COMPLETED"] != 2 || ended["FAILED"] != 1 {
		a.t.Errorf("%d accounts, tasks by status %v", len(accounts), ended)
	}
	var policies int
	for _, row := range rows.Resources {
		if row.Kind == "WORKERPOOL" && row.WorkerStakeRatio.Int64() == 35 && row.SchedulerRewardRatio.Int64() == 5 {
			policies++
		}
	}
	if policies == 0 {
		a.t.Error("the pool's change of policy is missing")
	}
}

// compareTransaction asks the node for a transaction of the log.
func (a *actor) compareTransaction(block *assaypb.Block, got *assaypb.Transaction) {
	a.t.Helper()
	client := ethclient.NewClient(a.dial(a.chain.HTTPURL()))
	hash := common.BytesToHash(got.Hash)
	tx, _, err := client.TransactionByHash(a.ctx, hash)
	a.ok(err)
	receipt, err := client.TransactionReceipt(a.ctx, hash)
	a.ok(err)
	want := &assaypb.Transaction{
		Hash: hash[:], Index: uint32(receipt.TransactionIndex), From: a.wallet.Address().Bytes(), Value: tx.Value().Bytes(),
		GasLimit: tx.Gas(), GasUsed: receipt.GasUsed, GasPrice: receipt.EffectiveGasPrice.Bytes(),
	}
	if tx.To() != nil {
		want.To = tx.To().Bytes()
	}
	if receipt.BlockHash == common.BytesToHash(block.Hash) && !proto.Equal(got, want) { // else it was mined again after the fork
		a.t.Errorf("block %d: transaction %v, want %v", block.Number, got, want)
	}
}
