package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"assay/cmd/assay/whatif"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
)

const demoLog = "../whatif/testdata/demo.log"

// demoPreset describes the chain of the recorded demo.
func demoPreset(t *testing.T) string {
	return textFile(t, "demo.json", `{"name":"demo","chainId":65535,"hub":"0x00000000000000000000000000000000000000b0"}`)
}

func textFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestReplayFromKafkaAndFromFile: the log in Kafka, recorded by `assay export`, is the
// file, and both give the same report.
func TestReplayFromKafkaAndFromFile(t *testing.T) {
	broker, err := kafka.StartBroker(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Close() })
	whole := fill(t, broker.Addr())
	preset, copied := demoPreset(t), filepath.Join(t.TempDir(), "copy.log")
	if _, stderr, code := run(t, "export", "--chain", preset, "--kafka", broker.Addr(), "--log", copied); code != 0 {
		t.Fatalf("export: exit %d: %s", code, stderr)
	}
	if got, err := os.ReadFile(copied); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("%d bytes recorded, want %d: %v", len(got), len(whole), err)
	}
	policy := textFile(t, "policy.yaml", "trust: {fixed: 1}\n")
	fromKafka, stderr, code := run(t, "replay", "--policy", policy, "--chain", preset, "--kafka", broker.Addr())
	if code != 0 {
		t.Fatalf("from Kafka: exit %d: %s", code, stderr)
	}
	fromFile, stderr, code := run(t, "replay", "--policy", policy, "--chain", preset, "--log", copied)
	if code != 0 || fromFile != fromKafka {
		t.Errorf("from the file: exit %d: %s", code, stderr)
	}
	var report whatif.Tables
	if err := json.Unmarshal([]byte(fromKafka), &report); err != nil || len(report.Tasks) != 16 {
		t.Errorf("%d tasks in the report, want 16: %v", len(report.Tasks), err)
	}
}

// fill appends the recorded demo to a broker's log, and returns the file.
func fill(t *testing.T, broker string) []byte {
	t.Helper()
	client := kafka.NewClient([]string{broker})
	defer client.Close()
	if err := client.CreateTopic(t.Context(), "assay.demo.log", 1, schema.MaxRecordBytes); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(demoLog)
	if err != nil {
		t.Fatal(err)
	}
	err = whatif.ReadLog(bytes.NewReader(whole), func(record *assaypb.ChainRecord) error {
		value, err := proto.Marshal(record)
		if err != nil {
			return err
		}
		return client.Append(t.Context(), "assay.demo.log", kafka.Message{Value: value})
	}, func(int64) {})
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

func TestReplayWritesEachFormat(t *testing.T) {
	preset, policy := demoPreset(t), textFile(t, "policy.yaml", "")
	for format, files := range map[string][]string{
		"csv": {"totals.csv", "workers.csv", "pools.csv", "tasks.csv"}, "parquet": {"totals.parquet", "tasks.parquet"},
	} {
		out := filepath.Join(t.TempDir(), "report")
		stdout, stderr, code := run(t, "replay", "--policy", policy, "--chain", preset, "--log", demoLog, "--format", format, "--out", out)
		if code != 0 || !strings.Contains(stdout, "workers_earned_nrlc") {
			t.Errorf("%s: exit %d: %s%s", format, code, stdout, stderr)
		}
		for _, name := range files {
			if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	out := filepath.Join(t.TempDir(), "report.json")
	if _, stderr, code := run(t, "replay", "--policy", policy, "--chain", preset, "--log", demoLog, "--out", out); code != 0 {
		t.Errorf("json: exit %d: %s", code, stderr)
	}
	if data, err := os.ReadFile(out); err != nil || !json.Valid(data) {
		t.Errorf("report.json: %v", err)
	}
}

func TestReplayWrongInput(t *testing.T) {
	preset, policy := demoPreset(t), textFile(t, "policy.yaml", "")
	broker, err := kafka.StartBroker(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Close() })
	for name, c := range map[string]struct {
		arguments []string
		says      string
		code      int
	}{
		"no policy":     {[]string{"replay", "--chain", preset, "--log", demoLog}, "--policy", exitUsage},
		"absent policy": {[]string{"replay", "--chain", preset, "--log", demoLog, "--policy", "absent"}, "absent", exitUsage},
		"wrong policy": {
			[]string{"replay", "--chain", preset, "--log", demoLog, "--policy", textFile(t, "p", "trsut: {fixed: 1}")}, "trsut", exitUsage,
		},
		"format":       {[]string{"replay", "--chain", preset, "--policy", policy, "--format", "xml"}, "parquet", exitUsage},
		"no folder":    {[]string{"replay", "--chain", preset, "--policy", policy, "--format", "csv"}, "--out", exitUsage},
		"no chain":     {[]string{"replay", "--chain", "nowhere", "--policy", policy}, "nowhere", exitUsage},
		"absent log":   {[]string{"replay", "--chain", preset, "--policy", policy, "--log", "absent"}, "--log", exitUsage},
		"another log":  {[]string{"replay", "--chain", "arbitrum-one", "--policy", policy, "--log", demoLog}, "of chain 65535", exitUsage},
		"damaged log":  {[]string{"replay", "--chain", preset, "--policy", policy, "--log", policy + "x"}, "--log", exitUsage},
		"cut log":      {[]string{"replay", "--chain", preset, "--policy", policy, "--log", textFile(t, "l", "\x05ab")}, "damaged", exitUsage},
		"no such log":  {[]string{"replay", "--chain", preset, "--policy", policy, "--kafka", broker.Addr()}, "assay.demo.log", 1},
		"no broker":    {[]string{"replay", "--chain", preset, "--policy", policy, "--kafka", "127.0.0.1:1"}, "--kafka", 1},
		"nowhere":      {[]string{"replay", "--chain", preset, "--policy", policy, "--log", demoLog, "--out", "/dev/null/x"}, "writing the report", 1},
		"export where": {[]string{"export", "--chain", preset}, "--log", exitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			_, stderr, code := run(t, c.arguments...)
			if code != c.code || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit %d, want %d; it says %q, want %q in one line", code, c.code, stderr, c.says)
			}
		})
	}
}
