package devchain_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/internal/devchain"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/log"
)

// childEnv makes this test binary run a chain until it is killed.
const childEnv = "ASSAY_TEST_CHAIN_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		runChild(dir)
	}
	for name, value := range map[string]string{"rapid.checks": "6", "rapid.steps": "20"} { // a history takes long
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func runChild(dir string) {
	alloc := map[common.Address]*big.Int{}
	for _, key := range keys {
		alloc[addressOf(key)] = new(big.Int).Exp(big.NewInt(10), big.NewInt(24), nil)
	}
	chain, err := devchain.Start(devchain.Config{Dir: dir, ChainID: chainID, Alloc: alloc, Period: 10 * time.Millisecond})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(chain.HTTPURL())
	for i := uint64(0); ; i++ { // forks as well, so that a kill can hit one
		time.Sleep(15 * time.Millisecond)
		if err := chain.Fork(1 + i%3); err != nil && !errors.Is(err, devchain.ErrFinal) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// spawn runs a chain in a process of its own.
func spawn(t *testing.T, dir string) (*exec.Cmd, *ethclient.Client) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the chain did not start: %v", cmd.Wait())
	}
	return cmd, dial(t, strings.TrimSpace(url))
}

// loadUntil sends transfers until the head is at least so high, and returns the
// transactions and what the client saw last.
func loadUntil(t *testing.T, client *ethclient.Client, nonce, height uint64) (uint64, *types.Header, *types.Header) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		for range 10 {
			check(t, client.SendTransaction(t.Context(), transfer(t, keys[0], nonce)))
			nonce++
		}
		h := head(t, client)
		if h.Number.Uint64() >= height {
			return nonce, h, headerAt(t, client, h.Number.Int64()-int64(devchain.DefaultFinality))
		}
		if time.Now().After(deadline) {
			t.Fatalf("the head is block %d, want %d", h.Number, height)
		}
	}
}

func TestKilledChainComesBackAtItsHead(t *testing.T) {
	cfg := config(t)
	var nonce uint64
	var seen, final *types.Header
	for kills := range uint64(4) {
		cmd, client := spawn(t, cfg.Dir)
		if kills > 0 {
			checkKept(t, client, seen, final)
			var err error
			nonce, err = client.NonceAt(t.Context(), addressOf(keys[0]), nil)
			check(t, err)
		}
		_, seen, final = loadUntil(t, client, nonce, 40*(kills+1))
		check(t, cmd.Process.Kill())
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) {
			t.Fatal(err)
		}
	}
	chain, client := reopen(t, cfg, nil)
	checkKept(t, client, seen, final)
	checkTimes(t, client)
	balance, err := client.BalanceAt(t.Context(), sink, nil)
	check(t, err)
	nonce, err = client.NonceAt(t.Context(), addressOf(keys[0]), nil)
	check(t, err)
	if balance.Uint64() != nonce || nonce == 0 {
		t.Errorf("%d transfers of %d transactions", balance, nonce)
	}
	check(t, chain.Seal())
	check(t, chain.Close())
}

// checkKept checks that a chain still has the height that was seen and the block that
// was final.
func checkKept(t *testing.T, client *ethclient.Client, seen, final *types.Header) {
	t.Helper()
	if h := head(t, client); h.Number.Cmp(seen.Number) < 0 {
		t.Fatalf("the head is block %d, but block %d was seen", h.Number, seen.Number)
	}
	if got := headerAt(t, client, final.Number.Int64()); got.Hash() != final.Hash() {
		t.Fatalf("block %d was final and changed", final.Number)
	}
}

// occupy listens on some port until release is called.
func occupy(t *testing.T) (port int, release func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	addr, isTCP := listener.Addr().(*net.TCPAddr)
	if !isTCP {
		t.Fatalf("not a TCP address: %v", listener.Addr())
	}
	return addr.Port, func() { check(t, listener.Close()) }
}

func TestStartRefusesABusyPort(t *testing.T) {
	cfg := config(t)
	port, release := occupy(t)
	defer release()
	cfg.Port = port
	_, err := devchain.Start(cfg)
	wantError(t, err, devchain.ErrPortTaken)
}

func TestStartUsesThePortItIsGiven(t *testing.T) {
	cfg := config(t)
	port, release := occupy(t)
	release()
	cfg.Port = port
	chain, _ := open(t, cfg)
	if want := fmt.Sprintf("http://127.0.0.1:%d", cfg.Port); chain.HTTPURL() != want {
		t.Errorf("the chain is at %s, want %s", chain.HTTPURL(), want)
	}
}

func TestStartRefusesADirectoryInUse(t *testing.T) {
	cfg := config(t)
	open(t, cfg)
	_, err := devchain.Start(cfg)
	wantError(t, err, devchain.ErrInUse)
}

func TestStartRefusesAnotherChain(t *testing.T) {
	cfg := config(t)
	chain, _ := reopen(t, cfg, nil)
	check(t, chain.Close())
	for name, change := range map[string]func(*devchain.Config){
		"chain id":         func(c *devchain.Config) { c.ChainID++ },
		"initial balances": func(c *devchain.Config) { c.Alloc = nil },
		"gas limit":        func(c *devchain.Config) { c.GasLimit = 1e8 },
	} {
		t.Run(name, func(t *testing.T) {
			other := cfg
			change(&other)
			_, err := devchain.Start(other)
			wantError(t, err, devchain.ErrOtherChain)
		})
	}
	chain, _ = reopen(t, cfg, nil) // the refused starts did no harm
	check(t, chain.Close())
}

// files calls change with each file below dir whose name contains part.
func files(t *testing.T, dir, part string, change func(path string, size int64) error) {
	t.Helper()
	changed := 0
	check(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() || !strings.Contains(info.Name(), part) {
			return err
		}
		changed++
		return change(path, info.Size())
	}))
	if changed == 0 {
		t.Fatalf("there is no file %q to damage", part)
	}
}

func garble(path string, size int64) error {
	data := make([]byte, size)
	if _, err := rand.Read(data); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

func remove(path string, _ int64) error { return os.Remove(path) }

func halve(path string, size int64) error { return os.Truncate(path, size/2) }

func TestStartRefusesACorruptDirectory(t *testing.T) {
	sound := config(t)
	chain, client := reopen(t, sound, nil)
	for nonce := range uint64(40) {
		send(t, client, nonce, nonce+1)
		check(t, chain.Seal())
	}
	check(t, chain.Close())
	for name, damage := range map[string]func(t *testing.T, dir string){
		"garbage everywhere":        func(t *testing.T, dir string) { files(t, dir, "", garble) },
		"a garbled manifest":        func(t *testing.T, dir string) { files(t, dir, "MANIFEST", garble) },
		"half a manifest":           func(t *testing.T, dir string) { files(t, dir, "MANIFEST", halve) },
		"half a write-ahead log":    func(t *testing.T, dir string) { files(t, dir, ".log", halve) },
		"a garbled write-ahead log": func(t *testing.T, dir string) { files(t, dir, ".log", garble) },
		"no write-ahead log":        func(t *testing.T, dir string) { files(t, dir, ".log", remove) },
		"a garbled freezer": func(t *testing.T, dir string) {
			files(t, filepath.Join(dir, "devchain", "chaindata", "ancient"), "", garble)
		},
		"half a witness": func(t *testing.T, dir string) { check(t, halve(filepath.Join(dir, "head"), 40)) },
		"no database": func(t *testing.T, dir string) {
			check(t, os.RemoveAll(filepath.Join(dir, "devchain", "chaindata")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := sound
			cfg.Dir = filepath.Join(t.TempDir(), "copy")
			check(t, os.CopyFS(cfg.Dir, os.DirFS(sound.Dir)))
			damage(t, cfg.Dir)
			_, err := devchain.Start(cfg)
			wantError(t, err, devchain.ErrCorrupt)
		})
	}
}

func TestGethsWarningsGoToTheCallersLogger(t *testing.T) {
	standard := slog.Default()
	var out bytes.Buffer
	cfg := config(t)
	cfg.Log = slog.New(slog.NewTextHandler(&out, nil))
	chain, _ := reopen(t, cfg, nil)
	if out.Len() != 0 {
		t.Errorf("a start that went well logged %s", out.String())
	}
	log.Info("quiet")
	log.Warn("loud", "why", "test")
	check(t, chain.Close())
	if got := out.String(); strings.Contains(got, "quiet") || !strings.Contains(got, "loud") || !strings.Contains(got, "why=test") {
		t.Errorf("the log is %q", got)
	}
	if slog.Default() != standard {
		t.Error("the program's default logger was replaced")
	}
}
