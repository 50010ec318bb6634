package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"assay/indexer/audit"
	"assay/internal/clickhouse"
	"assay/schema"
)

// asDemo makes the test's binary play the demo instead: a process that can be killed.
const asDemo = "ASSAY_TEST_DEMO"

func TestMain(m *testing.M) {
	clickhouse.ChildMain()
	if dir := os.Getenv(asDemo); dir != "" {
		os.Exit(playFor(dir))
	}
	os.Exit(m.Run())
}

// playFor runs the demo in a folder as the command would.
func playFor(dir string) int {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := Run(context.Background(), testOptions(dir, os.Stdout, os.Stderr), log); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func testOptions(dir string, out, progress io.Writer) Options {
	return Options{
		Workers: minWorkers, Tasks: 8, Seed: 7, Data: dir, Listen: "127.0.0.1:0", Block: 250 * time.Millisecond,
		Exit: true, JSON: true, Out: out, Progress: progress,
	}
}

func needPackages(t *testing.T) {
	t.Helper()
	if _, err := findPackages(""); err != nil {
		t.Skip("run `make deps` first: ", err)
	}
}

// summaryOf reads the last line of standard output.
func summaryOf(t *testing.T, out []byte) Summary {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var summary Summary
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &summary); err != nil {
		t.Fatalf("the last line is no summary: %v\n%s", err, out)
	}
	return summary
}

// settled checks that every ending came about and every nRLC is accounted for.
func settled(t *testing.T, summary Summary) {
	t.Helper()
	if !summary.Reconciled || summary.Differences != 0 {
		t.Errorf("%d of %d accounts differ from the contract", summary.Differences, summary.Accounts)
	}
	if summary.Postings == 0 || summary.LedgerSum != "0" {
		t.Errorf("%d postings add up to %s nRLC", summary.Postings, summary.LedgerSum)
	}
	if summary.Tasks["COMPLETED"] != 7 || summary.Tasks["FAILED"] != 1 || total(summary.Tasks) != 8 {
		t.Errorf("tasks ended %v, want 7 completed and 1 failed", summary.Tasks)
	}
	for _, reason := range []string{"OK", "MALFORMED", "OVERSIZED", "BAD_SIGNATURE", "REPLAYED", "WRONG_ENCLAVE"} {
		if summary.Reasons[reason] == 0 {
			t.Errorf("no verdict says %s: %v", reason, summary.Reasons)
		}
	}
}

// TestDemo plays the demo from beginning to end, and once more on what it left.
func TestDemo(t *testing.T) {
	needPackages(t)
	dir := t.TempDir()
	var first bytes.Buffer
	run(t, dir, &first)
	summary := summaryOf(t, first.Bytes())
	settled(t, summary)
	if summary.Retracted == 0 {
		t.Error("the chain's fork retracted nothing")
	}
	for _, ending := range []string{"PoCo contract", "kitty", "worker, lying", "pool B owner"} {
		if !strings.Contains(first.String(), ending) {
			t.Errorf("the closing table does not name %q", ending)
		}
	}
	var second bytes.Buffer
	run(t, dir, &second)
	again := summaryOf(t, second.Bytes())
	settled(t, again)
	if again.Verdicts["ACCEPTED"] != summary.Verdicts["ACCEPTED"] || again.Accounts != summary.Accounts {
		t.Errorf("a second run on the same folder did something: %+v after %+v", again, summary)
	}
	audited(t, dir)
}

// audited starts the servers on what a demo left, and audits all of it.
func audited(t *testing.T, dir string) {
	t.Helper()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	log, options := slog.New(slog.DiscardHandler), testOptions(dir, io.Discard, io.Discard)
	who := newCast(options.Seed, options.Workers)
	w, err := open(t.Context(), dir, who, options.Block, log)
	ok(err)
	defer func() { ok(w.close()) }()
	packages, err := findPackages("")
	ok(err)
	m, err := setUp(t.Context(), w, who, offers(options.Seed, options.Tasks), packages)
	ok(err)
	db, err := clickhouse.Open(t.Context(), w.database)
	ok(err)
	defer func() { ok(db.Close()) }()
	preset := m.preset()
	report, err := audit.Run(t.Context(), audit.Config{
		Preset: preset, Topics: schema.TopicsOf(preset.Name), Kafka: w.kafka, RPC: w.rpc, DB: db, All: true,
	})
	ok(err)
	for _, difference := range report.Differences {
		t.Error(difference)
	}
	if report.Compared.Log.Settlements < 8 || report.Compared.Contracts["tasks"].Compared != 8 {
		t.Errorf("the audit compared %+v, %+v", report.Compared.Log, report.Compared.Contracts["tasks"])
	}
	t.Logf("audited in %.1f s: %+v", report.Seconds, report.Compared.Log)
}

func run(t *testing.T, dir string, out io.Writer) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	if err := Run(t.Context(), testOptions(dir, out, t.Output()), log); err != nil {
		t.Fatal(err)
	}
}

// TestKilledAndResumed kills the demo at random moments, without any warning, and starts
// it again on the same folder: in the end every nRLC must be where the contract has it.
func TestKilledAndResumed(t *testing.T) {
	needPackages(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	for i := range 7 { // sooner at first, so that no part of the play is spared
		killAfter(t, dir, time.Duration(random.Int64N(int64(i+1)*int64(time.Second))))
	}
	var out bytes.Buffer
	run(t, dir, &out)
	settled(t, summaryOf(t, out.Bytes()))
}

// killAfter starts the demo and kills it that long after.
func killAfter(t *testing.T, dir string, after time.Duration) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), asDemo+"="+dir)
	progress, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(after, func() { _ = command.Process.Kill() }) // it may have ended
	lines := bufio.NewScanner(progress)
	said := []string{"nothing"}
	for lines.Scan() {
		said = append(said, lines.Text())
	}
	ended := command.Wait()
	failed := (*exec.ExitError)(nil)
	if errors.As(ended, &failed) && failed.Exited() {
		t.Fatalf("the demo failed by itself:\n%s", strings.Join(said, "\n"))
	}
	t.Logf("killed after %s; it had come to: %s", after.Round(time.Millisecond), said[len(said)-1])
}

// TestSameFolderOtherPlot: a folder keeps to the seed it was made with.
func TestSameFolderOtherPlot(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := openFolder(Options{Data: dir, Workers: 8, Tasks: 8, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	_, _, err := openFolder(Options{Data: dir, Workers: 8, Tasks: 8, Seed: 2})
	if err == nil || !strings.Contains(err.Error(), "--seed 1") {
		t.Errorf("got %v, want an error that names the folder's own seed", err)
	}
}

// TestBusyPort is told before anything is started.
func TestBusyPort(t *testing.T) {
	needPackages(t)
	options := testOptions(t.TempDir(), io.Discard, io.Discard)
	options.Listen = "256.0.0.1:80"
	err := Run(t.Context(), options, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("got %v, want an error that names --listen", err)
	}
}
