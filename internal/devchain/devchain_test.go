package devchain_test

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"assay/internal/devchain"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
)

const (
	chainID  = 65535
	patience = 30 * time.Second // bounds what a test waits for
)

// keys are accounts with an initial balance.
var keys = func() []*ecdsa.PrivateKey {
	keys := make([]*ecdsa.PrivateKey, 16)
	for i := range keys {
		key, err := crypto.ToECDSA(crypto.Keccak256(fmt.Appendf(nil, "key %d", i)))
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
}()

func addressOf(key *ecdsa.PrivateKey) common.Address { return crypto.PubkeyToAddress(key.PublicKey) }

func config(t testing.TB) devchain.Config {
	alloc := map[common.Address]*big.Int{}
	for _, key := range keys {
		alloc[addressOf(key)] = new(big.Int).Mul(big.NewInt(1e6), big.NewInt(params.Ether))
	}
	return devchain.Config{Dir: t.TempDir(), ChainID: chainID, Alloc: alloc, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// open starts a chain and connects to it over HTTP. Both end with the test.
func open(t testing.TB, cfg devchain.Config) (*devchain.Chain, *ethclient.Client) {
	t.Helper()
	chain, err := devchain.Start(cfg)
	check(t, err)
	t.Cleanup(func() { check(t, chain.Close()) })
	return chain, dial(t, chain.HTTPURL())
}

func dial(t testing.TB, url string) *ethclient.Client {
	t.Helper()
	client, err := ethclient.Dial(url)
	check(t, err)
	t.Cleanup(client.Close)
	return client
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError checks an error's kind and that it is one line.
func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error is not one line: %v", err)
	}
}

// headerAt returns a header; number < 0 is one of the tags of package rpc.
func headerAt(t testing.TB, client *ethclient.Client, number int64) *types.Header {
	t.Helper()
	header, err := client.HeaderByNumber(context.Background(), big.NewInt(number))
	check(t, err)
	return header
}

func head(t testing.TB, client *ethclient.Client) *types.Header {
	t.Helper()
	return headerAt(t, client, int64(rpc.LatestBlockNumber))
}

// sink is where the tests' transfers go.
var sink = common.Address{0xaa}

// transfer makes a key's transaction with a nonce. It moves 1 wei.
func transfer(t testing.TB, key *ecdsa.PrivateKey, nonce uint64) *types.Transaction {
	t.Helper()
	return sign(t, key, &types.DynamicFeeTx{Nonce: nonce, To: &sink, Value: big.NewInt(1), Gas: params.TxGas})
}

func sign(t testing.TB, key *ecdsa.PrivateKey, data *types.DynamicFeeTx) *types.Transaction {
	t.Helper()
	data.ChainID, data.GasTipCap, data.GasFeeCap = big.NewInt(chainID), big.NewInt(1), big.NewInt(10*params.GWei)
	tx, err := types.SignNewTx(key, types.NewCancunSigner(data.ChainID), data)
	check(t, err)
	return tx
}

// send sends transfers of the first key with the nonces from ≤ n < to.
func send(t testing.TB, client *ethclient.Client, from, to uint64) {
	t.Helper()
	for nonce := from; nonce < to; nonce++ {
		check(t, client.SendTransaction(context.Background(), transfer(t, keys[0], nonce)))
	}
}

// minedIn returns the number of the block that a transaction is in.
func minedIn(t testing.TB, client *ethclient.Client, tx *types.Transaction) uint64 {
	t.Helper()
	receipt, err := client.TransactionReceipt(context.Background(), tx.Hash())
	if err != nil {
		t.Fatalf("receipt of %s: %v", tx.Hash(), err)
	}
	if receipt.Status != types.ReceiptStatusSuccessful {
		t.Fatalf("transaction %s failed", tx.Hash())
	}
	return receipt.BlockNumber.Uint64()
}

func TestNewChainIsReadyForClients(t *testing.T) {
	before := uint64(time.Now().Unix())
	_, client := open(t, config(t))
	ctx := t.Context()
	if id, err := client.ChainID(ctx); err != nil || id.Uint64() != chainID {
		t.Errorf("chain id %d (%v), want %d", id, err, chainID)
	}
	if h := head(t, client); h.Time < before || h.GasLimit != devchain.DefaultGasLimit {
		t.Errorf("the head has time %d and gas limit %d, want now and %d", h.Time, h.GasLimit, devchain.DefaultGasLimit)
	}
	if balance, err := client.BalanceAt(ctx, addressOf(keys[0]), nil); err != nil || balance.Cmp(config(t).Alloc[addressOf(keys[0])]) != 0 {
		t.Errorf("balance %s (%v)", balance, err)
	}
	if _, err := client.TransactionReceipt(ctx, common.Hash{1}); !errors.Is(err, ethereum.NotFound) {
		t.Errorf("the receipt of an unknown transaction gave %v, want not found", err)
	}
}

func TestSealIncludesWhatWasSent(t *testing.T) {
	chain, client := open(t, config(t))
	send(t, client, 0, 50)
	check(t, chain.Seal())
	for nonce := range uint64(50) {
		if block := minedIn(t, client, transfer(t, keys[0], nonce)); block != 2 {
			t.Fatalf("transaction %d is in block %d, want 2", nonce, block)
		}
	}
}

func TestThousandsOfTransactionsOfOneAccountFitOneBlock(t *testing.T) {
	const n = 3000
	chain, client := open(t, config(t))
	send(t, client, 0, n)
	check(t, chain.Seal())
	if block := minedIn(t, client, transfer(t, keys[0], n-1)); block != 2 {
		t.Errorf("the last transaction is in block %d, want 2", block)
	}
}

func TestTravelMovesTheClock(t *testing.T) {
	chain, client := open(t, config(t))
	clock := time.Unix(int64(head(t, client).Time), 0).Add(1000 * time.Second)
	chain.SetClock(func() time.Time { return clock })
	sealAt := func(want time.Time) {
		t.Helper()
		check(t, chain.Seal())
		if got := int64(head(t, client).Time); got != want.Unix() {
			t.Fatalf("the block's time is %d, want %d", got, want.Unix())
		}
	}
	start := clock
	sealAt(start)
	sealAt(start.Add(time.Second)) // later than its parent, though no time has passed
	check(t, chain.Travel(time.Hour))
	sealAt(start.Add(2*time.Second + time.Hour)) // later by what was asked for, not by what the clock says
	clock = clock.Add(10 * time.Second)
	sealAt(start.Add(12*time.Second + time.Hour)) // the clock goes on from there
	check(t, chain.Travel(time.Millisecond))
	sealAt(start.Add(14*time.Second + time.Hour)) // whole seconds, rounded up
	check(t, chain.Travel(time.Hour))
	check(t, chain.Travel(time.Hour)) // journeys add up
	sealAt(start.Add(15*time.Second + 3*time.Hour))
	if err := chain.Travel(-time.Second); err == nil {
		t.Error("travelling back was accepted")
	}
}

func TestRestartKeepsHeadStateAndTime(t *testing.T) {
	cfg := config(t)
	chain, client := reopen(t, cfg, nil)
	for nonce := range uint64(50) {
		send(t, client, nonce, nonce+1)
		check(t, chain.Seal())
	}
	check(t, chain.Travel(24*time.Hour))
	check(t, chain.Seal())
	before, final := head(t, client), headerAt(t, client, int64(rpc.FinalizedBlockNumber))

	chain, client = reopen(t, cfg, chain)
	if after := head(t, client); after.Hash() != before.Hash() {
		t.Fatalf("the head is block %d, want block %d", after.Number, before.Number)
	}
	for _, tag := range []rpc.BlockNumber{rpc.FinalizedBlockNumber, rpc.SafeBlockNumber} {
		if got := headerAt(t, client, int64(tag)); got.Hash() != final.Hash() {
			t.Errorf("the tag %s names block %d, want %d", tag, got.Number, final.Number)
		}
	}
	for _, number := range []int64{3, 40, before.Number.Int64()} {
		balance, err := client.BalanceAt(t.Context(), sink, big.NewInt(number))
		check(t, err)
		if want := min(number-1, 50); balance.Int64() != want {
			t.Errorf("the balance at block %d is %d, want %d", number, balance, want)
		}
	}
	minedIn(t, client, transfer(t, keys[0], 0))
	check(t, chain.Seal())
	if got, want := head(t, client).Time, before.Time; got <= want || got > want+60 {
		t.Errorf("the first block after the restart has time %d, want soon after %d", got, want)
	}
	check(t, chain.Close())
}

// reopen closes a chain, if there is one, and starts the one in cfg.Dir.
func reopen(t testing.TB, cfg devchain.Config, chain *devchain.Chain) (*devchain.Chain, *ethclient.Client) {
	t.Helper()
	if chain != nil {
		check(t, chain.Close())
	}
	chain, err := devchain.Start(cfg)
	check(t, err)
	return chain, dial(t, chain.HTTPURL())
}

func TestPeriodSealsWhileClientsSend(t *testing.T) {
	const each = 40
	cfg := config(t)
	cfg.Period = 20 * time.Millisecond
	chain, client := open(t, cfg)
	errs := make(chan error)
	for _, key := range keys {
		go func() {
			for nonce := range uint64(each) {
				if err := client.SendTransaction(t.Context(), transfer(t, key, nonce)); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for i := range 10 { // what moves the chain gets in between
		check(t, chain.Travel(time.Minute))
		check(t, chain.Fork(uint64(1+i%2)))
	}
	for range keys {
		check(t, <-errs)
	}
	awaitBalance(t, client, int64(each*len(keys)))
	checkTimes(t, client)
}

// awaitBalance waits until the sink has got so much.
func awaitBalance(t testing.TB, client *ethclient.Client, want int64) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		balance, err := client.BalanceAt(t.Context(), sink, nil)
		check(t, err)
		if balance.Int64() == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d transactions are mined", balance, want)
		}
	}
}

// checkTimes checks that every block builds on the one before and is later.
func checkTimes(t testing.TB, client *ethclient.Client) {
	t.Helper()
	for block := head(t, client); block.Number.Int64() > 1; {
		parent := headerAt(t, client, block.Number.Int64()-1)
		if block.ParentHash != parent.Hash() || block.Time <= parent.Time {
			t.Fatalf("block %d (time %d) does not follow block %d (time %d)", block.Number, block.Time, parent.Number, parent.Time)
		}
		block = parent
	}
}

func TestSealAfterCloseIsAnError(t *testing.T) {
	chain, err := devchain.Start(config(t))
	check(t, err)
	check(t, chain.Close())
	if err := chain.Seal(); err == nil {
		t.Error("a closed chain sealed a block")
	}
}

func BenchmarkSeal(b *testing.B) {
	for _, n := range []uint64{0, 10, 200} {
		b.Run(fmt.Sprintf("txs=%d", n), func(b *testing.B) {
			chain, client := open(b, config(b))
			var nonce uint64
			for b.Loop() {
				send(b, client, nonce, nonce+n)
				nonce += n
				check(b, chain.Seal())
			}
		})
	}
}
