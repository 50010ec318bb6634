package devchain_test

import (
	"context"
	"crypto/ecdsa"
	"log/slog"
	"math/big"
	"testing"
	"time"

	"assay/internal/devchain"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
)

const chainID = 65535

// key is an account with an initial balance.
var (
	key, _  = crypto.HexToECDSA("4646464646464646464646464646464646464646464646464646464646464646")
	account = crypto.PubkeyToAddress(key.PublicKey)
)

func config(t testing.TB) devchain.Config {
	return devchain.Config{
		Dir: t.TempDir(), ChainID: chainID,
		Alloc: map[common.Address]*big.Int{account: new(big.Int).Mul(big.NewInt(1e6), big.NewInt(params.Ether))},
		Log:   slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

// open starts a chain and connects to it over HTTP. Both end with the test.
func open(t testing.TB, cfg devchain.Config) (*devchain.Chain, *ethclient.Client) {
	t.Helper()
	chain, err := devchain.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := chain.Close(); err != nil {
			t.Error(err)
		}
	})
	return chain, dial(t, chain.HTTPURL())
}

func dial(t testing.TB, url string) *ethclient.Client {
	t.Helper()
	client, err := ethclient.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// transfer makes the account's transaction with a nonce.
func transfer(t testing.TB, nonce uint64) *types.Transaction {
	return transferFrom(t, key, nonce)
}

func transferFrom(t testing.TB, key *ecdsa.PrivateKey, nonce uint64) *types.Transaction {
	t.Helper()
	tx, err := types.SignNewTx(key, types.NewCancunSigner(big.NewInt(chainID)), &types.DynamicFeeTx{
		ChainID: big.NewInt(chainID), Nonce: nonce, To: &common.Address{0xaa}, Value: big.NewInt(1),
		Gas: params.TxGas, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(10 * params.GWei),
	})
	check(t, err)
	return tx
}

func TestSealIncludesWhatWasSent(t *testing.T) {
	chain, client := open(t, config(t))
	ctx := t.Context()
	if id := must(client.ChainID(ctx))(t); id.Uint64() != chainID {
		t.Errorf("chain id %d, want %d", id, chainID)
	}
	for nonce := range uint64(50) {
		check(t, client.SendTransaction(ctx, transfer(t, nonce)))
	}
	if err := chain.Seal(); err != nil {
		t.Fatal(err)
	}
	for nonce := range uint64(50) {
		receipt := must(client.TransactionReceipt(ctx, transfer(t, nonce).Hash()))(t)
		if receipt.Status != types.ReceiptStatusSuccessful || receipt.BlockNumber.Uint64() != 2 {
			t.Fatalf("transaction %d: status %d in block %d, want success in block 2", nonce, receipt.Status, receipt.BlockNumber)
		}
	}
}

func TestForkReplacesBlocksAndKeepsTransactions(t *testing.T) {
	chain, client := open(t, config(t))
	ctx := t.Context()
	for nonce := range uint64(10) {
		check(t, client.SendTransaction(ctx, transfer(t, nonce)))
		check(t, chain.Seal())
	}
	check(t, client.SendTransaction(ctx, transfer(t, 10)))
	before := must(client.HeaderByNumber(ctx, big.NewInt(8)))(t)
	check(t, chain.Fork(4))
	after := must(client.HeaderByNumber(ctx, big.NewInt(8)))(t)
	if before.Hash() == after.Hash() {
		t.Error("block 8 is the same after the fork")
	}
	if head := must(client.BlockNumber(ctx))(t); head != 12 {
		t.Errorf("head %d, want 12", head)
	}
	for nonce := range uint64(11) {
		receipt, err := client.TransactionReceipt(ctx, transfer(t, nonce).Hash())
		check(t, err)
		t.Log(nonce, receipt.BlockNumber)
	}
}

func TestSubscription(t *testing.T) {
	chain, _ := open(t, config(t))
	client, err := rpc.DialContext(context.Background(), chain.WSURL())
	check(t, err)
	defer client.Close()
	heads := make(chan *types.Header, 10)
	sub, err := ethclient.NewClient(client).SubscribeNewHead(t.Context(), heads)
	check(t, err)
	defer sub.Unsubscribe()
	check(t, chain.Seal())
	select {
	case h := <-heads:
		t.Log(h.Number)
	case <-time.After(5 * time.Second):
		t.Fatal("no head")
	}
}
