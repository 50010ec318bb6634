package cli

import (
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/consensus/attest"
	"assay/internal/devpki"
)

const quotes = "../../../../shared/quotes"

// attestFiles are the arguments that judge a development quote, and where its parts are.
type attestFiles struct {
	dir       string
	quote     []byte
	arguments []string
}

func (f attestFiles) write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func need[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func newAttestFiles(t *testing.T) attestFiles {
	f := attestFiles{dir: t.TempDir()}
	pki := need(devpki.New([]byte("cli tests")))
	f.quote = need(need(pki.Machine("a")).Quote(devpki.Enclave{MREnclave: [32]byte{0xaa}, MRSigner: [32]byte{0xbb}}, [64]byte{7}))
	f.arguments = []string{
		"attest", "verify", "--at", "2025-01-01T00:00:00Z",
		"--quote", f.write(t, "quote.bin", f.quote),
		"--collateral", f.write(t, "collateral.json", need(pki.Collateral(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), false).JSON())),
		"--root", f.write(t, "root.der", pki.Root().Raw),
	}
	f.write(t, "root.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pki.Root().Raw}))
	return f
}

func (f attestFiles) run(t *testing.T, more ...string) (stdout, stderr string, code int) {
	t.Helper()
	return run(t, append(f.arguments[:len(f.arguments):len(f.arguments)], more...)...)
}

func TestAttestVerifyExplainsEveryCheck(t *testing.T) {
	f := newAttestFiles(t)
	out, _, code := f.run(t)
	if code != 0 || !strings.Contains(out, "accepted") || !strings.Contains(out, "nothing says what this quote was made for") {
		t.Errorf("code %d:\n%s", code, out)
	}
	last := -1
	for _, check := range attest.Checklist() {
		at := strings.Index(out, check.What)
		if at < last {
			t.Errorf("%s is missing, or in another place than it is made", check.Name)
		}
		last = at
	}
	out, errs, code := f.run(t, "--report-data", strings.Repeat("0", 128))
	if code != exitDifferent || !strings.Contains(out, "FAIL  15  report-data") || !strings.Contains(out, "rejected, class binding") ||
		strings.Contains(out, "accepted") || !strings.Contains(errs, "report data") {
		t.Errorf("code %d:\n%s%s", code, out, errs)
	}
}

func TestAttestVerifyPrintsJSON(t *testing.T) {
	f := newAttestFiles(t)
	out, _, code := f.run(t, "--json", "--report-data", "07"+strings.Repeat("0", 126))
	var got map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 {
		t.Fatalf("code %d, %v: %s", code, err, out)
	}
	id, _ := got["platformId"].(string)
	delete(got, "platformId")
	want := `{"advisories":[],"check":"","class":"","mrenclave":"aa` + strings.Repeat("0", 62) + `","mrsigner":"bb` + strings.Repeat("0", 62) +
		`","tcbStatus":"UpToDate","verdict":"accept"}`
	if text := string(need(json.Marshal(got))); text != want || len(id) != 64 {
		t.Errorf("printed %s, platform %q", text, id)
	}
	out, _, code = f.run(t, "--json", "--at", "2026-01-01T00:00:00Z")
	want = `{"verdict":"reject","class":"expired","check":"revocation-lists","tcbStatus":"Unknown","advisories":[],"mrenclave":"","mrsigner":"","platformId":""}`
	if code != exitDifferent || strings.TrimSpace(out) != want {
		t.Errorf("code %d: %s", code, out)
	}
}

func TestAttestVerifyReadsEveryForm(t *testing.T) {
	f := newAttestFiles(t)
	wrapped := devpki.WrapOE(f.quote)
	for name, more := range map[string][]string{
		"hex":             {"--quote", f.write(t, "q.hex", []byte(hex.EncodeToString(f.quote)+"\n"))},
		"hex with prefix": {"--quote", f.write(t, "q.0x", []byte("0x"+hex.EncodeToString(f.quote)))},
		"OE":              {"--quote", f.write(t, "q.oe", wrapped)},
		"PEM root":        {"--root", filepath.Join(f.dir, "root.pem")},
		"small policy":    {"--policy", f.write(t, "p.json", []byte(`{"mrenclave":"aa`+strings.Repeat("0", 62)+`","prod":0}`))},
		"YAML policy":     {"--policy", f.write(t, "p.yaml", []byte("version: 1\nallowed_status: [UpToDate] # only\nmin_tcb_eval: 17\n"))},
		"report data":     {"--policy", f.write(t, "r.json", []byte(`{"report_data":"07`+strings.Repeat("0", 126)+`"}`))},
	} {
		if out, errs, code := f.run(t, more...); code != 0 {
			t.Errorf("%s: code %d\n%s%s", name, code, out, errs)
		}
	}
}

func TestAttestVerifyRejects(t *testing.T) {
	f := newAttestFiles(t)
	for name, c := range map[string]struct {
		class string
		more  []string
	}{
		"no quote":               {"format", []string{"--quote", f.write(t, "empty", nil)}},
		"another MRENCLAVE":      {"identity", []string{"--policy", f.write(t, "m.json", []byte(`{"mrenclave":"`+strings.Repeat("0", 64)+`"}`))}},
		"a newer evaluation":     {"policy", []string{"--policy", f.write(t, "e.yaml", []byte("version: 1\nmin_tcb_eval: 99"))}},
		"policy's report data":   {"binding", []string{"--policy", f.write(t, "d.json", []byte(`{"report_data":"`+strings.Repeat("0", 128)+`"}`))}},
		"no root but Intel's":    {"chain", []string{"--root", ""}},
		"collateral of nonsense": {"collateral", []string{"--collateral", f.write(t, "c.json", []byte("nonsense"))}},
		"too large a quote":      {"format", []string{"--quote", f.write(t, "large", make([]byte, 1<<20))}},
	} {
		out, errs, code := f.run(t, append(c.more, "--json")...)
		if code != exitDifferent || !strings.Contains(out, `"class":"`+c.class+`"`) || !strings.Contains(out, `"tcbStatus":"Unknown"`) {
			t.Errorf("%s: code %d\n%s%s", name, code, out, errs)
		}
	}
}

func TestAttestVerifyCannotRun(t *testing.T) {
	f := newAttestFiles(t)
	for name, more := range map[string][]string{
		"quote is absent":      {"--quote", filepath.Join(f.dir, "absent")},
		"no quote named":       {"--quote", ""},
		"collateral is absent": {"--collateral", filepath.Join(f.dir, "absent")},
		"root is absent":       {"--root", filepath.Join(f.dir, "absent")},
		"root is none":         {"--root", filepath.Join(f.dir, "quote.bin")},
		"policy is absent":     {"--policy", filepath.Join(f.dir, "absent")},
		"policy is nonsense":   {"--policy", f.write(t, "n.yaml", []byte("a: [b"))},
		"policy of numbers":    {"--policy", f.write(t, "k.yaml", []byte("1: 2"))},
		"unknown condition":    {"--policy", f.write(t, "u.yaml", []byte("version: 1\nallow_everything: true"))},
		"no instant":           {"--at", ""},
		"not an instant":       {"--at", "today"},
		"short report data":    {"--report-data", "00"},
		"unknown flag":         {"--nonsense"},
		"an argument":          {"x"},
	} {
		if out, errs, code := f.run(t, more...); code != exitUsage || out != "" || errs == "" {
			t.Errorf("%s: code %d\n%s%s", name, code, out, errs)
		}
	}
}

// The policy in docs/attestation.md is what holds where none is given.
func TestDocumentedPolicyIsTheStrictOne(t *testing.T) {
	text := string(need(os.ReadFile("../../../docs/attestation.md")))
	_, text, _ = strings.Cut(text, "```yaml\n")
	text, _, found := strings.Cut(text, "\napps:")
	f := attestFiles{dir: t.TempDir()}
	policy := need(readPolicy(f.write(t, "policy.yaml", []byte(text))))
	if got, want := fmt.Sprintf("%+v", policy), fmt.Sprintf("%+v", attest.Strict()); !found || got != want {
		t.Errorf("documented\n%s\nstrict\n%s", got, want)
	}
}

// Real quotes get the verdict that is known of them.
func TestAttestVerifyOfRealQuotes(t *testing.T) {
	paths := need(filepath.Glob(filepath.Join(quotes, "*", "meta.json")))
	if len(paths) == 0 {
		t.Skip("no collection of real quotes at ", quotes)
	}
	f := attestFiles{dir: t.TempDir()}
	policy := f.write(t, "policy.json", []byte(`{"allowed_status":["UpToDate","SWHardeningNeeded","ConfigurationNeeded",
		"ConfigurationAndSWHardeningNeeded","OutOfDate","OutOfDateConfigurationNeeded"]}`))
	for _, path := range paths {
		folder := filepath.Dir(path)
		var meta struct {
			Time, Verdict string
			Status        string `json:"tcb_status"`
			Data          string `json:"report_data"`
		}
		if err := json.Unmarshal(need(os.ReadFile(path)), &meta); err != nil {
			t.Fatal(err)
		}
		for _, root := range []string{"", filepath.Join(quotes, "intel-sgx-root-ca.der")} {
			out, _, code := run(t, "attest", "verify", "--quote", filepath.Join(folder, "quote.bin"), "--collateral", filepath.Join(folder, "collateral.json"),
				"--at", meta.Time, "--root", root, "--policy", policy, "--report-data", meta.Data, "--json")
			var got struct{ Verdict, TCBStatus string }
			if err := json.Unmarshal([]byte(out), &got); err != nil {
				t.Fatal(err)
			}
			accepted := meta.Verdict == "accept"
			if got.Verdict != meta.Verdict || (code == 0) != accepted || accepted && got.TCBStatus != meta.Status {
				t.Errorf("%s: code %d, %s", filepath.Base(folder), code, out)
			}
		}
	}
}
