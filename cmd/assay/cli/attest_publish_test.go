package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/internal/devpki"
	"assay/internal/kafka"
	"assay/schema"
)

// TestPublish: what is fetched goes into the collateral log once, a policy beside it, and
// nothing that goes back or cannot be read.
func TestPublish(t *testing.T) {
	f := newAttestFiles(t)
	broker := need(kafka.StartBroker(t.TempDir(), 0))
	t.Cleanup(func() {
		if err := broker.Close(); err != nil {
			t.Error(err)
		}
	})
	service := servePCCS(t, need(os.ReadFile(filepath.Join(f.dir, "collateral.json"))))
	root, quote := filepath.Join(f.dir, "root.der"), filepath.Join(f.dir, "quote.bin")
	fetch := []string{"fetch", "--publish", "--root", root, "--from", service, "--quote", quote, "--at", "2025-01-01T00:00:00Z"}
	set := func(at time.Time) string {
		return f.write(t, at.Format("150405.json"), need(need(devpki.New([]byte("cli tests"))).Collateral(at, false).JSON()))
	}
	start := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	later, earlier := set(start.Add(time.Hour)), set(start.Add(-time.Hour))
	policy := f.write(t, "policy.yaml", []byte("version: 1\nplatform_weight: 3 # of sixteen\n"))
	bad := f.write(t, "bad.yaml", []byte("allow_debug: true\n"))
	for i, c := range []struct {
		arguments []string
		says      string
		code      int
	}{
		{fetch, "appended, counts from 2025-01-01T00:00:00Z", 0},
		{fetch, "is in the log already", 0},
		{[]string{"publish", "--root", root, "--collateral", later, "--active-from", "2025-01-01T02:00:00Z"}, "appended, counts from 2025-01-01T02:00:00Z", 0},
		{[]string{"publish", "--root", root, "--collateral", earlier}, "issued before", exitDifferent},
		{fetch, "issued before", exitDifferent},
		{[]string{"publish", "--collateral", later}, "trusted root", exitDifferent},
		{[]string{"publish", "--policy", policy}, "policy ", 0},
		{[]string{"publish", "--policy", policy}, "is in the log already", 0},
		{[]string{"publish", "--policy", bad}, "says no version", exitDifferent},
		{[]string{"publish", "--policy", policy, "--active-from", "2999-01-01T00:00:00Z"}, "days ahead", exitUsage},
		{[]string{"publish"}, "--collateral or --policy", exitUsage},
		{[]string{"publish", "--policy", policy, "--active-from", "now"}, "--active-from", exitUsage},
	} {
		out, errs, code := run(t, append(append([]string{"attest"}, c.arguments...), "--kafka", broker.Addr())...)
		if code != c.code || !strings.Contains(out+errs, c.says) {
			t.Errorf("step %d: code %d, %s%s", i, code, out, errs)
		}
	}
	client := kafka.NewClient([]string{broker.Addr()})
	end, err := client.End(t.Context(), schema.Collateral, 0)
	if err != nil || end != 3 || client.Close() != nil {
		t.Errorf("the log has %d records, %v", end, err)
	}
}
