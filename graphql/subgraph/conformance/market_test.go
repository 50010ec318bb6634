package conformance_test

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"assay/contracts"
	"assay/contracts/deploy"
	"assay/internal/devchain"
	"assay/schema/chains"
)

// modules is where npm put the contracts.
var modules = filepath.Join("..", "..", "..", "node_modules")

// market is a development chain with the real contracts, and the people who use them.
// Blocks are sealed by the test alone, so it knows what is in each.
type market struct {
	t      testing.TB
	ctx    context.Context
	id     uint64
	chain  *devchain.Chain
	node   *ethclient.Client
	at     deploy.Deployment
	client *contracts.Client
	domain contracts.Domain
	people []*person
	salt   byte
	sent   []*types.Transaction // since the last block
}

// person is an account of the market. The first has deployed the contracts.
type person struct {
	*contracts.Wallet
	key   *ecdsa.PrivateKey
	nonce uint64
}

const people = 10

func newMarket(t testing.TB, id uint64) *market {
	t.Helper()
	if _, err := os.Stat(filepath.Join(modules, "@iexec", "poco", "package.json")); err != nil {
		t.Skip("@iexec/poco is not installed: run `make deps`")
	}
	m := &market{t: t, ctx: t.Context(), id: id}
	alloc := map[common.Address]*big.Int{}
	keys := make([]*ecdsa.PrivateKey, people)
	for i := range keys {
		key, err := crypto.ToECDSA(crypto.Keccak256(fmt.Append(nil, "person ", i)))
		m.must(err)
		keys[i] = key
		alloc[crypto.PubkeyToAddress(key.PublicKey)] = new(big.Int).Mul(big.NewInt(1e9), big.NewInt(1e18))
	}
	var err error
	m.chain, err = devchain.Start(devchain.Config{Dir: t.TempDir(), ChainID: id, Alloc: alloc, Log: slog.New(slog.DiscardHandler)})
	m.must(err)
	t.Cleanup(func() { m.must(m.chain.Close()) })
	client := m.dial(m.chain.HTTPURL())
	m.node = ethclient.NewClient(client)
	for _, key := range keys {
		m.people = append(m.people, &person{Wallet: contracts.NewWallet(client, key, id), key: key})
	}
	m.deploy(client)
	m.client = contracts.NewClient(client, m.at.Hub)
	m.domain = contracts.Domain{ChainID: id, Hub: m.at.Hub}
	return m
}

func (m *market) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *market) dial(url string) *rpc.Client {
	m.t.Helper()
	client, err := rpc.DialContext(m.ctx, url)
	m.must(err)
	m.t.Cleanup(client.Close)
	return client
}

// deploy seals blocks until the contracts stand.
func (m *market) deploy(client *rpc.Client) {
	m.t.Helper()
	done := make(chan error, 1)
	go func() {
		var err error
		m.at, err = deploy.Deploy(m.ctx, deploy.Config{Client: client, Key: m.people[0].key, Packages: modules})
		done <- err
	}()
	for {
		select {
		case err := <-done:
			m.must(err)
			m.people[0].nonce = m.at.NextNonce
			return
		case <-time.After(10 * time.Millisecond):
			m.must(m.chain.Seal())
		}
	}
}

func (m *market) preset() chains.Preset {
	return chains.Preset{
		Name: fmt.Sprint("market", m.id), ChainID: m.id, Hub: m.at.Hub.Hex(), AppRegistry: m.at.AppRegistry.Hex(),
		DatasetRegistry: m.at.DatasetRegistry.Hex(), WorkerpoolRegistry: m.at.WorkerpoolRegistry.Hex(),
	}
}

// send hands a call to the node, for the next block.
func (m *market) send(who *person, to common.Address, data []byte) {
	m.t.Helper()
	fees, err := who.Fees(m.ctx)
	m.must(err)
	tx, err := who.SignWith(contracts.Tx{To: &to, Data: data, Nonce: who.nonce, Gas: 6_000_000}, fees)
	m.must(err)
	m.must(who.Submit(m.ctx, tx))
	who.nonce++
	m.sent = append(m.sent, tx)
}

// call is send to the hub.
func (m *market) call(who *person, data []byte) {
	m.t.Helper()
	m.send(who, m.at.Hub, data)
}

// seal makes a block of what was sent, all of which must succeed.
func (m *market) seal() {
	m.t.Helper()
	m.must(m.chain.Seal())
	m.settled()
	m.sent = nil
}

// settled checks that all that was sent is in blocks and did not fail.
func (m *market) settled() {
	m.t.Helper()
	for i, tx := range m.sent {
		receipt, err := m.node.TransactionReceipt(m.ctx, tx.Hash())
		m.must(err)
		if receipt.Status != types.ReceiptStatusSuccessful {
			m.t.Fatalf("transaction %d of the block fails: %v", i, m.people[0].RevertOf(m.ctx, tx, receipt))
		}
	}
}

// fork abandons the newest blocks; what was in them comes into one new block.
func (m *market) fork(depth uint64) {
	m.t.Helper()
	m.must(m.chain.Fork(depth))
}

// travel makes the next block so much later.
func (m *market) travel(d time.Duration) {
	m.t.Helper()
	m.must(m.chain.Travel(d))
}

func (m *market) head() *types.Header {
	m.t.Helper()
	header, err := m.node.HeaderByNumber(m.ctx, nil)
	m.must(err)
	return header
}

// signed signs whatever contracts.*Order it is given.
func signed[O interface {
	Signed(contracts.Domain, *ecdsa.PrivateKey) (O, error)
}](m *market, order O, by *person) O {
	m.t.Helper()
	out, err := order.Signed(m.domain, by.key)
	m.must(err)
	return out
}

// authorize is a scheduler's word that a worker may contribute, from an enclave if one is
// named.
func (m *market) authorize(scheduler, worker *person, task common.Hash, enclave common.Address) []byte {
	m.t.Helper()
	sign, err := contracts.SignMessage(scheduler.key, contracts.AuthorizationHash(worker.Address(), task, enclave))
	m.must(err)
	return sign
}

// contribute commits a worker to a digest.
func (m *market) contribute(scheduler, worker *person, task, digest common.Hash) {
	m.t.Helper()
	m.call(worker, contracts.ContributeCall(task, contracts.ResultHash(task, digest), contracts.ResultSeal(worker.Address(), task, digest),
		common.Address{}, nil, m.authorize(scheduler, worker, task, common.Address{})))
}

// enclaved lets a worker with an enclave do a task by itself.
func (m *market) enclaved(scheduler, worker *person, task, digest common.Hash, results []byte) {
	m.t.Helper()
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("enclave")))
	m.must(err)
	challenge := crypto.PubkeyToAddress(key.PublicKey)
	vouched, err := contracts.SignMessage(key, contracts.EnclaveHash(contracts.ResultHash(task, digest), contracts.ResultSeal(worker.Address(), task, digest)))
	m.must(err)
	m.call(worker, contracts.ContributeAndFinalizeCall(task, digest, results, nil, challenge, vouched, m.authorize(scheduler, worker, task, challenge)))
}

// where is where a registry will put what is created next.
func (m *market) where(address common.Address, err error) common.Address {
	m.t.Helper()
	m.must(err)
	return address
}
