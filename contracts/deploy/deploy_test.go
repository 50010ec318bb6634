package deploy

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/contracts"
	"assay/internal/devchain"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
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

// chainConfig is a chain where the deployer is rich. Without a period, the test seals.
func chainConfig(dir string, key *ecdsa.PrivateKey, period time.Duration) devchain.Config {
	rich := new(big.Int).Mul(big.NewInt(100_000_000), big.NewInt(1e18))
	return devchain.Config{
		Dir: dir, ChainID: chainID, Period: period, Log: slog.New(slog.DiscardHandler),
		Alloc: map[common.Address]*big.Int{crypto.PubkeyToAddress(key.PublicKey): rich},
	}
}

func startChain(t *testing.T, cfg devchain.Config) (*devchain.Chain, *rpc.Client) {
	t.Helper()
	chain, err := devchain.Start(cfg)
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

const fast = 20 * time.Millisecond

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func newTestPlan(t *testing.T, deployer common.Address) plan {
	t.Helper()
	dir, err := openPackage(modules)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlan(dir, deployer, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A second run finds everything done and says the same.
func TestDeployTwice(t *testing.T) {
	needPackage(t)
	for _, mode := range []struct {
		name   string
		native bool
	}{{"token", false}, {"native", true}} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			key := newKey(t, 1)
			_, client := startChain(t, chainConfig(t.TempDir(), key, fast))
			ctx := testContext(t)
			cfg := Config{Client: client, Key: key, Packages: modules, Native: mode.native}
			first, err := Deploy(ctx, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if (first.Token == common.Address{}) != mode.native {
				t.Errorf("the token is %s", first.Token)
			}
			nonce := minedNonce(ctx, t, client, key)
			if again, err := Deploy(ctx, cfg); err != nil || again != first {
				t.Errorf("a second run gives %+v, %v; want %+v", again, err, first)
			}
			if after := minedNonce(ctx, t, client, key); after != nonce {
				t.Errorf("the second run sent %d transactions", after-nonce)
			}
		})
	}
}

func minedNonce(ctx context.Context, t *testing.T, client *rpc.Client, key *ecdsa.PrivateKey) uint64 {
	t.Helper()
	nonce, err := contracts.NewWallet(client, key, chainID).MinedNonce(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return nonce
}

// Whatever step a deployment was killed after, the next run ends with the same
// addresses; so it does where the killed run left transactions waiting in the pool, with
// other fees. They wait here because the step before them was never sent.
func TestDeployResumes(t *testing.T) {
	needPackage(t)
	key := newKey(t, 1)
	for _, stop := range []struct{ mined, waiting int }{{1, 0}, {6, 3}, {7, 0}, {20, 20}, {40, 0}, {0, 40}} {
		t.Run(fmt.Sprintf("%d mined and %d waiting", stop.mined, stop.waiting), func(t *testing.T) {
			t.Parallel()
			_, client := startChain(t, chainConfig(t.TempDir(), key, fast))
			ctx := testContext(t)
			wallet := contracts.NewWallet(client, key, chainID)
			p := newTestPlan(t, wallet.Address())
			sent := sendSteps(ctx, t, wallet, p, 0, stop.mined)
			if stop.mined > 0 {
				if _, err := wallet.Wait(ctx, sent[stop.mined-1]); err != nil {
					t.Fatal(err)
				}
			}
			sendSteps(ctx, t, wallet, p, stop.mined+1, stop.mined+1+stop.waiting)
			got, err := Deploy(ctx, Config{Client: client, Key: key, Packages: modules})
			if err != nil || got != p.deployment {
				t.Errorf("resuming gives %+v, %v; want %+v", got, err, p.deployment)
			}
		})
	}
}

// sendSteps sends steps [from, to) of a plan, the last first, with fees that Deploy
// would not choose.
func sendSteps(ctx context.Context, t *testing.T, wallet *contracts.Wallet, p plan, from, to int) map[int]common.Hash {
	t.Helper()
	fees := contracts.Fees{Tip: big.NewInt(3e9), Max: big.NewInt(30e9)}
	sent := map[int]common.Hash{}
	for i := to - 1; i >= from; i-- {
		s := p.steps[i]
		tx, err := wallet.SignWith(contracts.Tx{To: s.to, Data: s.data, Nonce: uint64(i), Gas: s.gas}, fees)
		if err == nil {
			err = wallet.Submit(ctx, tx)
		}
		if err != nil {
			t.Fatal(err)
		}
		sent[i] = tx.Hash()
	}
	return sent
}

// A node that restarts forgets what waited in its pool; Deploy has to send it again.
func TestDeployOutlivesTheNodesPool(t *testing.T) {
	needPackage(t)
	t.Parallel()
	key := newKey(t, 1)
	dir := t.TempDir()
	chain, err := devchain.Start(chainConfig(dir, key, 0))
	if err != nil {
		t.Fatal(err)
	}
	client, err := rpc.Dial(chain.HTTPURL())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(testContext(t), 300*time.Millisecond)
	defer cancel()
	if _, err := Deploy(ctx, Config{Client: client, Key: key, Packages: modules}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("without blocks: %v; want the context's error", err)
	}
	client.Close()
	if err := chain.Close(); err != nil {
		t.Fatal(err)
	}
	_, client = startChain(t, chainConfig(dir, key, fast))
	if _, err := Deploy(testContext(t), Config{Client: client, Key: key, Packages: modules}); err != nil {
		t.Error(err)
	}
}

// The steps do not wait for one another: sent at once, they fill a block or two.
func TestStepsShareABlock(t *testing.T) {
	needPackage(t)
	t.Parallel()
	key := newKey(t, 1)
	_, client := startChain(t, chainConfig(t.TempDir(), key, fast))
	ctx := testContext(t)
	wallet := contracts.NewWallet(client, key, chainID)
	p := newTestPlan(t, wallet.Address())
	blocks := map[uint64]bool{}
	for _, hash := range sendSteps(ctx, t, wallet, p, 0, len(p.steps)) {
		receipt, err := wallet.Wait(ctx, hash)
		if err != nil || receipt.Status != 1 {
			t.Fatalf("%+v, %v", receipt, err)
		}
		blocks[receipt.BlockNumber.Uint64()] = true
	}
	if len(blocks) > 3 {
		t.Errorf("%d steps took %d blocks", len(p.steps), len(blocks))
	}
}

func TestDeployRefusesAnAccountThatDidOtherThings(t *testing.T) {
	needPackage(t)
	t.Parallel()
	key := newKey(t, 1)
	_, client := startChain(t, chainConfig(t.TempDir(), key, fast))
	ctx := testContext(t)
	wallet := contracts.NewWallet(client, key, chainID)
	if _, err := wallet.Send(ctx, contracts.Call{To: wallet.Address()}); err != nil {
		t.Fatal(err)
	}
	if d, err := Deploy(ctx, Config{Client: client, Key: key, Packages: modules}); !errors.Is(err, ErrFailed) {
		t.Errorf("%+v, %v; want ErrFailed", d, err)
	}
}

func TestFailedStepIsNamed(t *testing.T) {
	needPackage(t)
	t.Parallel()
	key := newKey(t, 1)
	_, client := startChain(t, chainConfig(t.TempDir(), key, fast))
	ctx := testContext(t)
	wallet := contracts.NewWallet(client, key, chainID)
	p := newTestPlan(t, wallet.Address())
	again := p.steps[slices.IndexFunc(p.steps, func(s step) bool { return s.name == "configure" })]
	again.name = "configure again"
	p.steps = append(p.steps, again)
	d := deployer{wallet: wallet, eth: ethclient.NewClient(client), plan: p, sent: map[int]*types.Transaction{}}
	if err := d.run(ctx); err != nil {
		t.Fatal(err)
	}
	err := d.check(ctx, contracts.NewClient(client, p.deployment.Hub), chainID)
	if !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), `"configure again": the contract reverted: already-configured`) {
		t.Errorf("%v; want ErrFailed, the step and the reason", err)
	}
}

func TestDeployFromABaseNonce(t *testing.T) {
	needPackage(t)
	t.Parallel()
	key := newKey(t, 1)
	_, client := startChain(t, chainConfig(t.TempDir(), key, fast))
	ctx := testContext(t)
	cfg := Config{Client: client, Key: key, Packages: modules, BaseNonce: 1}
	if _, err := Deploy(ctx, cfg); err == nil {
		t.Error("an account before its base nonce deploys")
	}
	wallet := contracts.NewWallet(client, key, chainID)
	if _, err := wallet.Send(ctx, contracts.Call{To: wallet.Address()}); err != nil {
		t.Fatal(err)
	}
	d, err := Deploy(ctx, cfg)
	if err != nil || d.Token != crypto.CreateAddress(wallet.Address(), 1) {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestDeployNeedsThePackage(t *testing.T) {
	for name, manifest := range map[string]string{
		"none": "", "another version": `{"version":"6.2.0"}`, "no JSON": "{", "not whole": `{"version":"` + Version + `"}`,
	} {
		dir := t.TempDir()
		folder := filepath.Join(dir, "@iexec", "poco")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if manifest != "" {
			if err := os.WriteFile(filepath.Join(folder, "package.json"), []byte(manifest), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		opened, err := openPackage(dir)
		if err == nil {
			_, err = newPlan(opened, common.Address{}, 0, false)
		}
		if !errors.Is(err, ErrPackage) || !strings.Contains(err.Error(), "make deps") {
			t.Errorf("%s: %v; want ErrPackage", name, err)
		}
	}
}

func TestLinkingStaysInsideTheBytecode(t *testing.T) {
	library := common.HexToAddress("0x1111111111111111111111111111111111111111")
	link := func(start, length int) artifact {
		return artifact{Bytecode: "0x00" + strings.Repeat("__", 20) + "ff", LinkReferences: map[string]map[string][]struct{ Start, Length int }{
			"lib.sol": {"Lib": {{start, length}}}}}
	}
	code, err := link(1, 20).code(library)
	if want := append(append([]byte{0}, library[:]...), 0xff); err != nil || string(code) != string(want) {
		t.Errorf("linked to %x, %v; want %x", code, err, want)
	}
	for _, bad := range []artifact{link(-1, 20), link(3, 20), link(1, 19), link(0, 20)} {
		if code, err := bad.code(library); err == nil {
			t.Errorf("%+v links to %x", bad.LinkReferences, code)
		}
	}
}

// The plan depends on nothing but its arguments: a resumed run computes the same.
func TestPlanIsDeterministic(t *testing.T) {
	needPackage(t)
	a, b := newTestPlan(t, common.Address{1}), newTestPlan(t, common.Address{1})
	if !reflect.DeepEqual(a, b) {
		t.Error("two plans of the same deployment differ")
	}
	other := newTestPlan(t, common.Address{2})
	if a.deployment == other.deployment {
		t.Error("another deployer's plan has the same addresses")
	}
}
