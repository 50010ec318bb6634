package cli

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"assay/indexer/audit"
	"assay/indexer/rpctest"
	"assay/internal/clickhouse"
	"assay/internal/clickhouse/dump"
	"assay/internal/kafka"
)

// forking is a chain that forks, a node of it, and what an index writes to.
type forking struct {
	*testing.T
	rng    *rand.Rand
	chain  *rpctest.Chain
	node   *rpctest.Node
	broker *kafka.Broker
	engine *clickhouse.Engine
	dir    string
}

func newForking(t *testing.T, market *rpctest.Market) *forking {
	t.Helper()
	f := &forking{T: t, rng: rand.New(rand.NewSource(1)), dir: t.TempDir()}
	f.chain = rpctest.NewChain(rpctest.MarketPreset().ChainID, market)
	f.chain.Grow(100)
	var err error
	f.node, err = rpctest.Serve(f.chain, rpctest.Faults{})
	must(t, err)
	t.Cleanup(func() { must(t, f.node.Close()) })
	f.broker, err = kafka.StartBroker(filepath.Join(f.dir, "kafka"), 0)
	must(t, err)
	t.Cleanup(func() { must(t, f.broker.Close()) })
	if f.engine, err = clickhouse.StartEngine(t.Context(), filepath.Join(f.dir, "clickhouse")); err != nil {
		t.Skip("run `make deps` first: ", err)
	}
	t.Cleanup(func() { must(t, f.engine.Close()) })
	return f
}

// index runs `assay index` in a process of its own. Its topics and its database have the
// name that is given.
func (f *forking) index(name string) *process {
	f.Helper()
	preset, path := rpctest.MarketPreset(), filepath.Join(f.dir, name+".json")
	preset.Name = name
	data, err := json.Marshal(preset)
	must(f.T, err)
	must(f.T, os.WriteFile(path, data, 0o600))
	state := ""
	if name == "killed" { // little of its state is in memory
		state = filepath.Join(f.dir, "state")
	}
	return spawn(f, "index", "--state", state, "--state-rows", "20", "--chain", path, "--rpc", f.node.WSURL(), "--verify", "receipts", "--kafka", f.broker.Addr(),
		"--clickhouse", "unix:"+f.engine.Config("").Socket, "--clickhouse-database", name, "--metrics", "127.0.0.1:0", "--log-level", "error")
}

// stop ends an index as a supervisor does.
func (f *forking) stop(p *process) {
	f.Helper()
	must(f.T, p.command.Process.Signal(syscall.SIGTERM))
	if code, stderr := p.exit(time.Minute); code != 0 {
		f.Errorf("told to stop it exits with %d: %s", code, stderr)
	}
}

// open connects to a database, as soon as an index has made its tables.
func (f *forking) open(name string, p *process) driver.Conn {
	f.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		db, err := clickhouse.Open(f.Context(), f.engine.Config(name))
		if err == nil {
			err = db.Exec(f.Context(), "SELECT 1 FROM dataprotector_sale")
		}
		if err == nil {
			f.Cleanup(func() { must(f.T, db.Close()) })
			return db
		}
		if time.Now().After(deadline) || !p.alive() {
			f.Fatalf("no tables: %v; %s", err, &p.stderr)
		}
	}
}

// churn forks the chain as deep as finality lets it, and has it grow beyond.
func (f *forking) churn(most int) {
	depth := f.chain.Fork(f.rng.Intn(10))
	f.chain.Grow(depth + 1 + f.rng.Intn(most))
}

// await waits until rows of the chain's newest block are visible.
func (f *forking) await(db driver.Conn, p *process) {
	f.Helper()
	head := f.chain.Head()
	f.until(p, fmt.Sprintf("block %d", head.Number), func() bool {
		var found bool
		must(f.T, db.QueryRow(f.Context(), "SELECT count() > 0 FROM heads FINAL WHERE head_hash = ?", head.Hash.Hex()).Scan(&found))
		return found
	})
}

func (f *forking) until(p *process, what string, happened func() bool) {
	f.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) || !p.alive() {
			f.Fatalf("waited in vain for %s; %s", what, &p.stderr)
		}
	}
}

// unfinished says whether a batch was begun whose rows may not all be there.
func unfinished(t testing.TB, db driver.Conn) (is bool) {
	t.Helper()
	if err := db.QueryRow(t.Context(), "SELECT (SELECT max(last) + 1 FROM plans) > (SELECT max(next_offset) FROM progress)").Scan(&is); err != nil {
		t.Fatal(err)
	}
	return is
}

// rows are all that a reader sees of a database, but versions: they are the records' places
// in the log, which forks move. Where a sink stands is no row of the chain.
func rows(t testing.TB, db driver.Conn) map[string][]string {
	t.Helper()
	found, err := dump.Rows(t.Context(), db, "plans", "progress")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// same compares two databases, and that there is something in them.
func same(t testing.TB, got, want map[string][]string) {
	t.Helper()
	if differences := dump.Differences(got, want); differences != "" {
		t.Errorf("not as in a fresh sync:\n%.5000s", differences)
	}
	if len(want) < 60 || dump.Count(want) < 2_000 {
		t.Errorf("only %d tables with %d rows", len(want), dump.Count(want))
	}
	t.Logf("%d rows in %d tables", dump.Count(want), len(want))
}

// TestKills kills `assay index` (kill -9) again and again, while it catches up, while it
// writes a batch, and while it follows a chain that forks all the time. At the end every
// row of every table is that of an index that saw only the final chain and was left alone.
// ASSAY_KILLS says how many times.
func TestKills(t *testing.T) {
	kills := number("ASSAY_KILLS", 8)
	f := newForking(t, rpctest.NewMarket(11, 4))
	p := f.index("killed")
	db := f.open("killed", p)
	within, live := 0, 0
	for range kills {
		switch f.rng.Intn(3) {
		case 0: // wherever it is in catching up
			time.Sleep(time.Duration(f.rng.Intn(700)) * time.Millisecond)
		case 1: // as soon as it writes a batch
			f.churn(40)
			for deadline := time.Now().Add(5 * time.Second); !unfinished(t, db) && time.Now().Before(deadline); {
				if f.rng.Intn(20) == 0 {
					f.churn(3)
				}
			}
			time.Sleep(time.Duration(f.rng.Intn(10)) * time.Millisecond)
		case 2: // at the head of a chain that forks
			f.await(db, p)
			for range f.rng.Intn(30) {
				f.churn(2)
				time.Sleep(time.Duration(f.rng.Intn(20)) * time.Millisecond)
			}
			live++
		}
		if !p.alive() {
			t.Fatalf("it ended by itself: %s", &p.stderr)
		}
		p.kill()
		if unfinished(t, db) {
			within++
		}
		f.churn(60)
		p = f.index("killed")
	}
	f.await(db, p)
	f.stop(p)
	fresh := f.index("fresh")
	freshDB := f.open("fresh", fresh)
	f.await(freshDB, fresh)
	f.stop(fresh)
	t.Logf("%d kills, %d of them in the middle of a batch, %d at the head; %d blocks", kills, within, live, f.chain.Head().Number)
	same(t, rows(t, db), rows(t, freshDB))
	report, err := audit.Cross(t.Context(), db, rpctest.MarketPreset())
	must(t, err)
	for _, d := range report.Differences {
		t.Error(d)
	}
	if within == 0 {
		t.Error("no kill hit a batch")
	}
}

// TestTwoIndexes runs two for one chain by mistake, more than once. One of them ends with an
// exit code and a line that says why; the other goes on, and what is in the tables is the
// chain's.
func TestTwoIndexes(t *testing.T) {
	f := newForking(t, rpctest.NewMarket(12, 4))
	last := f.index("two")
	db := f.open("two", last)
	f.await(db, last)
	for range 2 {
		first, second := last, f.index("two")
		for deadline := time.Now().Add(2 * time.Minute); first.alive() && second.alive(); time.Sleep(50 * time.Millisecond) {
			if f.churn(3); time.Now().After(deadline) {
				t.Fatal("both go on")
			}
		}
		stopped := second
		if last = first; second.alive() {
			stopped, last = first, second
		}
		code, stderr := stopped.exit(time.Minute)
		if code != 1 || !strings.Contains(stderr, "assay: another ") || !strings.Contains(stderr, "this one stops") || strings.Count(stderr, "\n") != 1 {
			t.Errorf("exit %d: %s", code, stderr)
		}
		t.Log(strings.TrimSpace(stderr))
		f.churn(5)
		f.await(db, last)
	}
	f.stop(last)
	fresh := f.index("fresh")
	freshDB := f.open("fresh", fresh)
	f.await(freshDB, fresh)
	f.stop(fresh)
	same(t, rows(t, db), rows(t, freshDB))
}
