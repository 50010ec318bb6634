package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/indexer/audit"
	"assay/internal/clickhouse"
)

// TestAudit: the roles settle a deal; the audit of it exits with 0, after one nRLC was
// changed with 3, and without a database with 2.
func TestAudit(t *testing.T) {
	s := start3(t)
	task := s.deal()
	s.command(append([]string{"migrate"}, s.common...)...)
	api := s.free()
	s.role(append(append([]string{"index", "--metrics", s.free()}, s.common...), s.chain...)...)
	s.role(append([]string{"serve", "--listen", api}, s.common...)...)
	s.role(append([]string{"pool", "--metrics", s.free(), "--key-file", s.file("pool")}, s.chain...)...)
	s.role(append([]string{"worker", "--metrics", s.free(), "--key-file", s.file("worker")}, s.chain...)...)
	s.until("the task is completed, and served so", func() bool { return s.completed(api, task) })

	line := append(append([]string{"audit", "--all", "--json"}, s.common...), s.chain...)
	var report audit.Report
	s.until("the task is final", func() bool { // the index goes on all the while
		out, stderr, code := run(t, line...)
		if code == exitUsage && (strings.Contains(stderr, "final") || strings.Contains(stderr, "no such contract")) {
			return false // the newest final block is before the contracts
		}
		if code != 0 || strings.Count(out, "\n") != 1 {
			t.Fatalf("exit %d: %s%s", code, out, stderr)
		}
		s.ok(json.Unmarshal([]byte(out), &report))
		return report.Compared.Contracts["tasks"].Compared == 1 && report.Compared.Log.Settlements == 1
	})
	if !report.Equal || report.Compared.ClickHouse["tasks"].Of != 1 || report.Chain != "dev" {
		t.Errorf("%+v", report)
	}
	out, stderr, code := run(t, append(append([]string{"audit"}, s.common...), s.chain...)...)
	if code != 0 || !strings.Contains(out, "equal.") || !strings.Contains(out, "supply") {
		t.Errorf("exit %d: %s%s", code, out, stderr)
	}
	harm(s)
	out, stderr, code = run(t, append(append([]string{"audit"}, s.common...), s.chain...)...)
	if code != exitDifferent || !strings.Contains(out, "earned: expected") || !strings.Contains(out, "caused by Reward (block") {
		t.Errorf("exit %d: %s%s", code, out, stderr)
	}
	out, _, code = run(t, line...)
	if s.ok(json.Unmarshal([]byte(out), &report)); code != exitDifferent || report.Equal || len(report.Differences) < 2 || report.Differences[0].Cause == nil ||
		!slices.ContainsFunc(report.Differences, func(d audit.Difference) bool { return d.In == "tables" && d.Kind == "payouts = accounts" }) {
		t.Errorf("exit %d: %s", code, out)
	}
	out, stderr, code = run(t, append([]string{"audit", "--clickhouse", "127.0.0.1:1"}, s.chain...)...)
	if code != exitUsage || out != "" || !strings.Contains(stderr, "ClickHouse at 127.0.0.1:1") {
		t.Errorf("without a database: exit %d: %s%s", code, out, stderr)
	}
}

// harm changes what somebody earned by one nRLC.
func harm(s *servers) {
	s.Helper()
	socket := strings.TrimPrefix(s.common[1], "unix:")
	db, err := clickhouse.Open(s.Context(), clickhouse.Config{Socket: socket, Database: "assay"})
	s.ok(err)
	defer func() { s.ok(db.Close()) }()
	s.ok(db.Exec(s.Context(), "ALTER TABLE accounts UPDATE earned = earned + 1 WHERE address IN (SELECT address FROM accounts FINAL WHERE earned > 0 ORDER BY address LIMIT 1) SETTINGS mutations_sync = 1"))
}

// TestAuditInterrupted: Ctrl-C during an audit must not look like equality.
func TestAuditInterrupted(t *testing.T) {
	var stderr bytes.Buffer
	if code := report(t.Context(), audited{}.exit(t.Context().Err()), &stderr); code != 0 {
		t.Errorf("no error: exit %d", code)
	}
	secret := &url.Error{Op: "Post", URL: "https://node/key?token=secret", Err: errors.New("no route")}
	if text := (audited{}).exit(fmt.Errorf("asking: %w", secret)).Error(); text != `asking: Post "https://node/…": no route` {
		t.Errorf("it says %q", text)
	}
	if code := report(canceled(t), audited{}.exit(canceled(t).Err()), &stderr); code != exitUsage {
		t.Errorf("interrupted: exit %d", code)
	}
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// TestBars: where there is no terminal, a long run says now and then how far it is, in
// plain lines; on a terminal it draws a bar.
func TestBars(t *testing.T) {
	var out bytes.Buffer
	b := newBars(&out, false)
	b.show("records", 1, 10)
	if out.Len() != 0 {
		t.Errorf("it says %q at once", &out)
	}
	b.said = time.Now().Add(-quiet)
	b.show("records", 5, 10)
	b.show("records", 6, 10)
	if b.close(); out.String() != "5 of 10 records\n" {
		t.Errorf("it says %q", &out)
	}
	out.Reset()
	b = newBars(&out, true)
	b.show("records", 5, 10)
	b.show("records", 10, 10)
	if b.close(); !strings.Contains(out.String(), "records") {
		t.Errorf("it draws %q", &out)
	}
}

// TestCompletenessIsLoud: a range that was not believed is said in so many words, however
// many ranges there are.
func TestCompletenessIsLoud(t *testing.T) {
	ledger := audit.Ledger{Start: 10, Head: 109, Percent: 99, Blocks: map[audit.State]uint64{audit.StateReceipts: 99, audit.StateFailed: 1}}
	for i := range uint64(maxRanges + 5) {
		ledger.Ranges = append(ledger.Ranges, audit.Range{From: 10 + i, To: 10 + i, State: audit.StateReceipts})
	}
	ledger.Ranges = append(ledger.Ranges, audit.Range{From: 109, To: 109, State: audit.StateFailed, Failure: "another root"})
	text := ranges(ledger) + completeness(ledger)
	for _, want := range []string{"AND 6 RANGES MORE", "99.00 % of blocks 10 to 109", "receipts 99", "failed 1, owed 0", "NOT COMPLETE: blocks 109 to 109 FAILED, their events are not in the log: another root"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q: %s", want, text)
		}
	}
}
