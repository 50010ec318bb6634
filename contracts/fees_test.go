package contracts_test

import (
	"log/slog"
	"math/big"
	"testing"

	"assay/contracts"
	"assay/internal/devchain"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
)

// TestRepriceTakesTheWaitingPlace has a transaction wait in a real node's pool that pays
// less than the base fee, and replaces it.
func TestRepriceTakesTheWaitingPlace(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("in a hurry")))
	must(err)
	chain, err := devchain.Start(devchain.Config{Dir: t.TempDir(), ChainID: chainID, Log: slog.New(slog.DiscardHandler),
		Alloc: map[common.Address]*big.Int{crypto.PubkeyToAddress(key.PublicKey): big.NewInt(1e18)}})
	must(err)
	t.Cleanup(func() { must(chain.Close()) })
	client, err := rpc.DialContext(t.Context(), chain.HTTPURL())
	must(err)
	t.Cleanup(client.Close)
	wallet := contracts.NewWallet(client, key, chainID)

	to := common.HexToAddress("0x1234")
	cheap, err := wallet.SignWith(contracts.Tx{To: &to, Gas: 21_000}, contracts.Fees{Tip: big.NewInt(1), Max: big.NewInt(2)})
	must(err)
	must(wallet.Submit(t.Context(), cheap))
	must(chain.Seal())
	if nonce, err := wallet.MinedNonce(t.Context()); err != nil || nonce != 0 {
		t.Fatalf("the cheap transaction was mined: nonce %d, %v", nonce, err)
	}
	dearer, err := wallet.Reprice(t.Context(), cheap)
	must(err)
	if dearer == nil || dearer.Nonce() != cheap.Nonce() || *dearer.To() != to {
		t.Fatalf("replaced by %v", dearer)
	}
	must(wallet.Submit(t.Context(), dearer))
	must(chain.Seal())
	receipt, err := wallet.Wait(t.Context(), dearer.Hash())
	must(err)
	if receipt.Status != 1 {
		t.Error("the replacement failed")
	}
	if again, err := wallet.Reprice(t.Context(), dearer); err != nil || again != nil {
		t.Errorf("what pays enough is to pay %v, %v", again, err)
	}
}
