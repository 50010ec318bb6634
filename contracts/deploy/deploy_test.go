package deploy

import (
	"context"
	"crypto/ecdsa"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"assay/internal/devchain"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
)

const chainID = 31337

var modules = filepath.Join("..", "..", "node_modules")

// needPackage skips where `make deps` did not run; CI runs it.
func needPackage(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(modules, "@iexec", "poco", "package.json")); err != nil {
		t.Skip("@iexec/poco is not installed: run `make deps`")
	}
}

func newKey(t *testing.T, seed byte) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte{seed}))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// startChain starts a chain that seals every period, where the deployer is rich.
func startChain(t *testing.T, key *ecdsa.PrivateKey, period time.Duration) (*devchain.Chain, *rpc.Client) {
	t.Helper()
	rich := new(big.Int).Mul(big.NewInt(100_000_000), big.NewInt(1e18))
	chain, err := devchain.Start(devchain.Config{
		Dir: t.TempDir(), ChainID: chainID, Period: period,
		Alloc: map[common.Address]*big.Int{crypto.PubkeyToAddress(key.PublicKey): rich},
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := rpc.Dial(chain.HTTPURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		if err := chain.Close(); err != nil {
			t.Error(err)
		}
	})
	return chain, client
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestDeploy(t *testing.T) {
	needPackage(t)
	for _, mode := range []struct {
		name   string
		native bool
	}{{"token", false}, {"native", true}} {
		t.Run(mode.name, func(t *testing.T) {
			key := newKey(t, 1)
			_, client := startChain(t, key, 200*time.Millisecond)
			ctx := testContext(t)
			start := time.Now()
			d, err := Deploy(ctx, Config{Client: client, Key: key, Packages: modules, Native: mode.native})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("deployed in %s", time.Since(start))
			again, err := Deploy(ctx, Config{Client: client, Key: key, Packages: modules, Native: mode.native})
			if err != nil || again != d {
				t.Fatalf("a second run returned %+v, %v; want %+v", again, err, d)
			}
		})
	}
}
