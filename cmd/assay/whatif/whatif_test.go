package whatif

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"assay/consensus/poco"
	"assay/consensus/replay"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

var update = flag.Bool("update", false, "write the golden files anew")

// demo is the log of a run of `assay demo`: 16 tasks, a fork, a liar, a reopening and a
// claim. To record another: assay demo --data DIR, then assay export on its Kafka.
const demo = "testdata/demo.log"

func demoReport(t *testing.T, policy replay.Policy) *replay.Report {
	t.Helper()
	file, err := os.Open(demo)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fold := replay.New(poco.RulesOf(chains.Preset{ChainID: 65535}), policy)
	if err := ReadLog(file, fold.Add, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	report, err := fold.Report()
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func policyOf(t *testing.T, path string) replay.Policy {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// TestChainsOwnRulesChangeNothingInTheDemo: every column before is the one after.
func TestChainsOwnRulesChangeNothingInTheDemo(t *testing.T) {
	tables := TablesOf(demoReport(t, replay.Policy{}))
	if len(tables.Tasks) != 16 || len(tables.Workers) < 5 || len(tables.Pools) != 2 {
		t.Fatalf("%d tasks, %d workers, %d pools", len(tables.Tasks), len(tables.Workers), len(tables.Pools))
	}
	unchanged(t, tables.Totals)
	unchanged(t, tables.Workers)
	unchanged(t, tables.Pools)
	unchanged(t, tables.Tasks)
}

func unchanged[R any](t *testing.T, rows []R) {
	t.Helper()
	for _, row := range rows {
		values := reflect.ValueOf(row)
		for i := range values.NumField() {
			before, ok := strings.CutSuffix(values.Type().Field(i).Name, "Before")
			if !ok {
				continue
			}
			if after := values.FieldByName(before + "After"); !values.Field(i).Equal(after) {
				t.Errorf("%s: %v before, %v after", before, values.Field(i), after)
			}
		}
	}
}

// TestReportsOfTheDemo compares the report under a policy with golden files, and what
// the formats say with each other.
func TestReportsOfTheDemo(t *testing.T) {
	tables := TablesOf(demoReport(t, policyOf(t, "testdata/policy.yaml")))
	dir := t.TempDir()
	for _, format := range []string{"csv", "parquet"} {
		if err := WriteFolder(dir, format, tables); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"totals", "workers", "pools", "tasks"} {
		golden(t, name+".csv", read(t, filepath.Join(dir, name+".csv")))
	}
	var out bytes.Buffer
	if err := WriteJSON(&out, tables); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", out.Bytes())
	var again Tables
	if err := json.Unmarshal(out.Bytes(), &again); err != nil || !reflect.DeepEqual(again, tables) {
		t.Errorf("the JSON does not read back as it was written: %v", err)
	}
	sameParquet(t, filepath.Join(dir, "totals.parquet"), tables.Totals)
	sameParquet(t, filepath.Join(dir, "workers.parquet"), tables.Workers)
	sameParquet(t, filepath.Join(dir, "pools.parquet"), tables.Pools)
	sameParquet(t, filepath.Join(dir, "tasks.parquet"), tables.Tasks)
}

func sameParquet[R any](t *testing.T, path string, want []R) {
	t.Helper()
	got, err := parquet.ReadFile[R](path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s does not read back as it was written", filepath.Base(path))
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want := read(t, path); !bytes.Equal(got, want) {
		t.Errorf("%s is\n%s\nwant\n%s\n(-update writes it anew)", name, got, want)
	}
}

func TestParsePolicy(t *testing.T) {
	five := uint64(5)
	for text, want := range map[string]replay.Policy{
		"":                                       {},
		"# nothing\n":                            {},
		"trust: {minimum: 5}":                    {Trust: replay.Trust{Minimum: 5}},
		"trust: {multiply: 5}":                   {Trust: replay.Trust{Multiply: 5}},
		"weight: {function: poco, cap: 5}":       {Weight: replay.Weight{Cap: 5}},
		"weight: {function: constant, value: 5}": {Weight: replay.Weight{Curve: replay.Constant, Value: 5}},
		"weight: {function: log}":                {Weight: replay.Weight{Curve: replay.Log}},
		"stake: 5":                               {Stake: &five},
		"reward: {scheduler: 5, log: ceil}":      {Reward: replay.Reward{Scheduler: &five, Log: replay.Up}},
		"reward: {split: weight}":                {Reward: replay.Reward{Split: replay.ByWeight}},
	} {
		if got, err := ParsePolicy([]byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
}

func TestParsePolicyRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"trsut: {fixed: 1}":                    "trsut",
		"trust: {fxed: 1}":                     "fxed",
		"trust: {fixed: 1, minimum: 2}":        "one of",
		"trust: {fixed: 0}":                    "at least 1",
		"trust: {fixed: -1}":                   "-1",
		"trust: {multiply: 1.5}":               "1.5",
		"weight: {function: cubic}":            "linear",
		"weight: {function: constant}":         "weight.value",
		"weight: {value: 3}":                   "weight.value",
		"weight: {cap: 0}":                     "at least 1",
		"stake: 2000000":                       "stake",
		"reward: {scheduler: 101}":             "at most 100",
		"reward: {split: fair}":                "equal",
		"reward: {split: equal, log: ceil}":    "reward.log",
		"stake: 1\n---\nstake: 2\n":            "one policy",
		"- 1":                                  "",
		"trust: {fixed: 18446744073709551616}": "",
	} {
		if _, err := ParsePolicy([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want an error that says %q", text, err, says)
		}
	}
}

func FuzzParsePolicy(f *testing.F) {
	f.Add([]byte("trust: {fixed: 5}"))
	f.Add([]byte("weight: {function: constant, value: 1}\nreward: {split: equal}"))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = ParsePolicy(data) }) // it does not panic
}

func TestDamagedLogs(t *testing.T) {
	whole := read(t, demo)
	for name, data := range map[string][]byte{
		"cut off":       whole[:len(whole)-1],
		"no length":     bytes.Repeat([]byte{0xff}, 20),
		"too long":      {0xff, 0xff, 0xff, 0x7f},
		"not a message": {3, 0xff, 0xff, 0xff},
	} {
		if err := ReadLog(bytes.NewReader(data), func(*assaypb.ChainRecord) error { return nil }, func(int64) {}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	refused := errors.New("refused")
	if err := ReadLog(bytes.NewReader(whole), func(*assaypb.ChainRecord) error { return refused }, func(int64) {}); !errors.Is(err, refused) {
		t.Errorf("got %v, want what the handler says", err)
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add([]byte{2, 8, 1})
	f.Fuzz(func(_ *testing.T, data []byte) {
		fold := replay.New(poco.RulesOf(chains.Preset{ChainID: 1}), replay.Policy{})
		_ = ReadLog(bytes.NewReader(data), fold.Add, func(int64) {}) // it does not panic
	})
}
