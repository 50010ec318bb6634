package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"
	"golang.org/x/sync/errgroup"

	"assay/cmd/assay/roles"
	"assay/graphql/analytics"
	"assay/indexer/rpctest"
	"assay/indexer/source"
	"assay/internal/clickhouse"
	"assay/internal/kafka"
	"assay/internal/telemetry"
	"assay/schema/chains"
)

// The benchmark's two processes beside the test's own: this binary again, told by the
// environment what to be.
const (
	benchRole   = "ASSAY_BENCH_ROLE"   // chain or index
	benchEvents = "ASSAY_BENCH_EVENTS" // how many transfers the chain has
	benchBlocks = "ASSAY_BENCH_BLOCKS" // in how many blocks
	benchURL    = "ASSAY_BENCH_URL"
	benchDir    = "ASSAY_BENCH_DIR"
	benchVerify = "ASSAY_BENCH_VERIFY"
	benchLive   = "ASSAY_BENCH_LIVE"       // how many blocks to follow
	benchPprof  = "ASSAY_BENCH_CPUPROFILE" // file to write the index's profile to
)

var benchPreset = chains.Preset{Name: "bench", ChainID: 31337, Hub: "0x1000000000000000000000000000000000000001"}

// benchAccounts is how many accounts pay each other.
const benchAccounts = 300

// benchMain is what the two other processes do.
func benchMain() {
	var err error
	switch os.Getenv(benchRole) {
	case "":
		return
	case "chain":
		err = benchChain()
	case "index":
		collectOften()
		err = benchIndex(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// truth is what the chain's process says of itself.
type truth struct {
	URL      string
	Head     uint64
	Balances map[common.Address]*big.Int
}

// benchChain serves a token's chain until its input ends.
func benchChain() error {
	blocks := number(benchBlocks, 5_000)
	hub := common.HexToAddress(benchPreset.Hub)
	chain := rpctest.NewChain(benchPreset.ChainID, rpctest.NewERC20(hub, benchAccounts, number(benchEvents, 100_000)/blocks))
	chain.Grow(blocks)
	node, err := rpctest.Serve(chain, rpctest.Faults{})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(truth{node.URL(), chain.Head().Number, chain.Balances(hub)}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// benchIndex is `assay index` and `assay serve` in one process, with the embedded broker
// and database, until its input ends. It prints where GraphQL answers.
func benchIndex(ctx context.Context) error {
	if path := os.Getenv(benchPprof); path != "" {
		path += "." + os.Getenv(benchVerify)
		file, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	broker, err := kafka.StartBroker(filepath.Join(os.Getenv(benchDir), "kafka"), 0)
	if err != nil {
		return err
	}
	engine, err := clickhouse.StartEngine(ctx, filepath.Join(os.Getenv(benchDir), "clickhouse"))
	if err != nil {
		return err
	}
	defer engine.Close()
	if err := roles.Migrate(ctx, engine.Config("assay"), ""); err != nil {
		return err
	}
	db, err := clickhouse.Open(ctx, engine.Config("assay"))
	if err != nil {
		return err
	}
	endpoints, err := source.Dial(ctx, []string{os.Getenv(benchURL)}, log)
	if err != nil {
		return err
	}
	deps := roles.Deps{
		Preset: benchPreset, RPC: endpoints[0].RPC, Endpoints: endpoints, Kafka: kafka.NewClient([]string{broker.Addr()}),
		Verify: source.Verify(os.Getenv(benchVerify)), Poll: poll, Log: log,
	}
	if err := deps.CreateTopics(ctx); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + listener.Addr().String())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return deps.NewIndex(db).Run(ctx) })
	group.Go(func() error {
		return analytics.Serve(ctx, listener, analytics.Config{Database: db, Log: log, Metrics: telemetry.NewRegistry()})
	})
	go func() {
		io.Copy(io.Discard, os.Stdin) //nolint:errcheck // its end is what is waited for
		cancel()
	}()
	return group.Wait()
}

// child is one of the other processes.
type child struct {
	command *exec.Cmd
	out     *bufio.Reader
	stop    func()
}

func startChild(t *testing.T, environment ...string) *child {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), environment...)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	must(t, err)
	out, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	c := &child{command: command, out: bufio.NewReaderSize(out, 1<<20)}
	c.stop = func() {
		in.Close()
		command.Wait() //nolint:errcheck // as above
		c.stop = func() {}
	}
	t.Cleanup(func() { c.stop() })
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// use is what a process had of the machine: processor time, and memory at its peak.
type use struct {
	seconds   float64
	megabytes int
}

// used is what a process used, and what its children did, of which the database is one.
func (c *child) used(t *testing.T) (own, children use) {
	t.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*/status")
	must(t, err)
	for _, path := range processes {
		status, err := os.ReadFile(path)
		switch {
		case err != nil: // it has ended
		case bytes.Contains(status, fmt.Appendf(nil, "\nPid:\t%d\n", c.command.Process.Pid)):
			own = useOf(t, path, status)
		case bytes.Contains(status, fmt.Appendf(nil, "\nPPid:\t%d\n", c.command.Process.Pid)):
			children = useOf(t, path, status)
		}
	}
	return own, children
}

var peak = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// useOf reads Linux's accounts of a process (proc(5)), in ticks of 10 ms.
func useOf(t *testing.T, path string, status []byte) (u use) {
	t.Helper()
	if found := peak.FindSubmatch(status); found != nil {
		kilobytes, err := strconv.Atoi(string(found[1]))
		must(t, err)
		u.megabytes = kilobytes >> 10
	}
	stat, err := os.ReadFile(strings.TrimSuffix(path, "us"))
	must(t, err)
	for _, field := range strings.Fields(string(stat[bytes.LastIndexByte(stat, ')'):]))[12:14] {
		ticks, err := strconv.Atoi(field)
		must(t, err)
		u.seconds += float64(ticks) / 100
	}
	return u
}

// TestBenchIndex measures an index from its process's start until GraphQL answers with the
// balances of all accounts, each equal to the chain's own, beside a client that fetches
// the same logs and drops them. The chain is another process on the same machine. Without
// ASSAY_BENCH_EVENTS it only shows that this works.
func TestBenchIndex(t *testing.T) {
	if _, err := os.Stat(packages); err != nil {
		t.Skip("run `make deps` first: ", err)
	}
	events, levels := number(benchEvents, 2_000), []string{"live", "receipts"}
	if os.Getenv(benchEvents) == "" {
		t.Setenv(benchEvents, strconv.Itoa(events))
		t.Setenv(benchBlocks, "100")
		levels = levels[:1]
	}
	chain := startChild(t, benchRole+"=chain")
	var want truth
	must(t, json.NewDecoder(chain.out).Decode(&want))
	t.Logf("%-28s %10s %10s %12s %10s %14s %14s", "", "seconds", "start", "events/s", "of ceiling", "CPU s", "peak MB")
	var ceiling float64
	for _, workers := range []int{1, 4} {
		start := time.Now()
		drop(t, want, workers, events)
		ceiling = max(ceiling, float64(events)/time.Since(start).Seconds())
		t.Logf("%-28s %10.2f %10s %12.0f", fmt.Sprintf("fetch and drop, %d workers", workers), time.Since(start).Seconds(), "", float64(events)/time.Since(start).Seconds())
	}
	for _, level := range levels {
		start := time.Now()
		index := startChild(t, benchRole+"=index", benchURL+"="+want.URL, benchDir+"="+t.TempDir(), benchVerify+"="+level)
		api, err := index.out.ReadString('\n')
		must(t, err)
		up := time.Since(start).Seconds()
		awaitBalances(t, strings.TrimSpace(api), want)
		took := time.Since(start).Seconds()
		own, database := index.used(t)
		t.Logf("%-28s %10.2f %10.2f %12.0f %9.0f%% %6.2f + %5.2f %6d + %5d", "index, --verify "+level, took, up,
			float64(events)/took, 100*float64(events)/took/ceiling, own.seconds, database.seconds, own.megabytes, database.megabytes)
		index.stop()
	}
}

// drop fetches all logs of the chain in ranges and forgets them, with go-ethereum's client.
func drop(t *testing.T, chain truth, workers, events int) {
	t.Helper()
	client, err := ethclient.Dial(chain.URL)
	must(t, err)
	defer client.Close()
	const span = 400
	var next, found atomic.Uint64
	var group errgroup.Group
	for range workers {
		group.Go(func() error {
			for from := next.Add(span) - span + 1; from <= chain.Head; from = next.Add(span) - span + 1 {
				logs, err := client.FilterLogs(t.Context(), ethereum.FilterQuery{
					FromBlock: new(big.Int).SetUint64(from), ToBlock: new(big.Int).SetUint64(min(chain.Head, from+span-1)),
					Addresses: []common.Address{common.HexToAddress(benchPreset.Hub)},
				})
				if err != nil {
					return err
				}
				found.Add(uint64(len(logs)))
			}
			return nil
		})
	}
	must(t, group.Wait())
	if found.Load() != uint64(events) {
		t.Fatalf("%d logs, want %d", found.Load(), events)
	}
}

// awaitBalances returns once GraphQL answers at the chain's head, where every balance must
// be the chain's own.
func awaitBalances(t *testing.T, api string, want truth) {
	t.Helper()
	awaitHead(t, api, want.Head, 50*time.Millisecond) // more often, and the database is busy with answering
	var accounts struct {
		Data *struct {
			Accounts struct {
				Nodes []struct {
					Address common.Address
					Stake   string
				}
			}
		}
		Errors json.RawMessage
	}
	for deadline := time.Now().Add(time.Minute); accounts.Data == nil; time.Sleep(20 * time.Millisecond) {
		query(t, api, `{accounts(first:1000){nodes{address stake}}}`, &accounts)
		if time.Now().After(deadline) { // who has just asked for the head again and again is refused for a while
			t.Fatalf("no answer in a minute: %s", accounts.Errors)
		}
	}
	right := 0
	for _, a := range accounts.Data.Accounts.Nodes {
		if balance := want.Balances[a.Address]; balance != nil && balance.String() == a.Stake {
			right++
		}
	}
	if right != len(want.Balances) || right == 0 {
		t.Fatalf("%d of %d balances are right: %+v", right, len(want.Balances), accounts)
	}
}

// query asks; an API that is not up yet, or refuses, leaves into as it is.
func query(t *testing.T, api, document string, into any) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": document})
	must(t, err)
	response, err := http.Post(api+"/graphql", "application/json", bytes.NewReader(body)) //nolint:noctx // our own server
	if err != nil {
		return
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	must(t, err)
	if err := json.Unmarshal(answer, into); err != nil {
		t.Fatalf("%s: %v", answer, err)
	}
}

// TestLive measures how long after a block is sealed GraphQL answers with it, on a chain
// with a block every second.
func TestLive(t *testing.T) {
	if _, err := os.Stat(packages); err != nil {
		t.Skip("run `make deps` first: ", err)
	}
	blocks := max(1, number(benchLive, 5))
	hub := common.HexToAddress(benchPreset.Hub)
	chain := rpctest.NewChain(benchPreset.ChainID, rpctest.NewERC20(hub, benchAccounts, 50))
	chain.Grow(20)
	node, err := rpctest.Serve(chain, rpctest.Faults{})
	must(t, err)
	t.Cleanup(func() { node.Close() })
	index := startChild(t, benchRole+"=index", benchURL+"="+node.WSURL(), benchDir+"="+t.TempDir(), benchVerify+"=live")
	api, err := index.out.ReadString('\n')
	must(t, err)
	api = strings.TrimSpace(api)
	awaitHead(t, api, chain.Head().Number, 5*time.Millisecond)
	var took []time.Duration
	for range blocks {
		chain.Grow(1)
		sealed := time.Now()
		awaitHead(t, api, chain.Head().Number, 5*time.Millisecond)
		took = append(took, time.Since(sealed))
		time.Sleep(max(0, time.Second-time.Since(sealed)))
	}
	promptly(t, took)
}

// promptly prints how long blocks took from their head to GraphQL. In a benchmark the p95
// must be under a second; elsewhere the machine has more to do.
func promptly(t *testing.T, took []time.Duration) {
	t.Helper()
	slices.Sort(took)
	p95, bound := took[(len(took)*95-1)/100], 5*time.Second
	if os.Getenv(benchLive) != "" {
		bound = time.Second
	}
	t.Logf("from a block's head to GraphQL, %d blocks: median %s, p95 %s, longest %s", len(took), took[len(took)/2], p95, took[len(took)-1])
	if p95 > bound {
		t.Errorf("p95 is %s, want under %s", p95, bound)
	}
}

// awaitHead returns once GraphQL answers at a block, or a later one.
// awaitHead asks for the head, each time after a pause, until it is there.
func awaitHead(t *testing.T, api string, head uint64, pause time.Duration) {
	t.Helper()
	var meta struct {
		Data struct {
			Meta struct{ Chains []struct{ HeadNumber uint64 } }
		}
	}
	for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(pause) {
		query(t, api, `{meta{chains{headNumber}}}`, &meta)
		if all := meta.Data.Meta.Chains; len(all) == 1 && all[0].HeadNumber >= head {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("block %d did not appear: %+v", head, meta)
		}
	}
}
