package cli

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/internal/devpki"
)

// servePCCS offers a set as a PCCS does.
func servePCCS(t *testing.T, raw []byte) string {
	t.Helper()
	var file devpki.File
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	handle := func(mux *http.ServeMux, path, header, chain string, body []byte) {
		mux.HandleFunc("/sgx/certification/v4/"+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(header, url.PathEscape(chain))
			w.Write(body) //nolint:errcheck // the client notices
		})
	}
	mux := http.NewServeMux()
	handle(mux, "rootcacrl", "X", "", []byte(file.RootCRL))
	handle(mux, "pckcrl", "SGX-PCK-CRL-Issuer-Chain", file.PCKCRLChain, need(hex.DecodeString(file.PCKCRL)))
	handle(mux, "tcb", "TCB-Info-Issuer-Chain", file.TCBChain, fmt.Appendf(nil, `{"tcbInfo":%s,"signature":%q}`, file.TCBInfo, file.TCBSignature))
	handle(mux, "qe/identity", "SGX-Enclave-Identity-Issuer-Chain", file.QEChain, fmt.Appendf(nil, `{"enclaveIdentity":%s,"signature":%q}`, file.QEIdentity, file.QESignature))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func TestFetchedCollateralJudges(t *testing.T) {
	f := newAttestFiles(t)
	service := servePCCS(t, need(os.ReadFile(filepath.Join(f.dir, "collateral.json"))))
	root, quote, out := filepath.Join(f.dir, "root.der"), filepath.Join(f.dir, "quote.bin"), filepath.Join(f.dir, "fetched.json")
	for name, more := range map[string][]string{
		"by quote":       {"--from", service, "--quote", quote},
		"by name":        {"--from", service + "/", "--fmspc", hex.EncodeToString(devpki.FMSPC[:])},
		"from files":     {"--from", f.dir, "--quote", quote},
		"after its like": {"--from", service, "--quote", quote, "--previous", filepath.Join(f.dir, "collateral.json")},
	} {
		arguments := append([]string{"attest", "fetch", "--root", root, "--at", "2025-01-01T00:00:00Z", "--out", out}, more...)
		if _, errs, code := run(t, arguments...); code != 0 || errs != "" {
			t.Errorf("%s: code %d, %s", name, code, errs)
		}
		if text, _, code := f.run(t, "--collateral", out); code != 0 {
			t.Errorf("%s: %s", name, text)
		}
		if err := os.Remove(out); err != nil {
			t.Error(err)
		}
	}
	text, errs, code := run(t, "attest", "fetch", "--root", root, "--from", service, "--quote", quote, "--at", "2025-01-25T00:00:00Z")
	if code != 0 || !strings.Contains(text, "tcb_info") || !strings.Contains(errs, "ends in 120h") {
		t.Errorf("code %d, %s", code, errs)
	}
}

func TestFetchRefusesWhatDoesNotHold(t *testing.T) {
	f := newAttestFiles(t)
	raw := need(os.ReadFile(filepath.Join(f.dir, "collateral.json")))
	good, quote, root := servePCCS(t, raw), filepath.Join(f.dir, "quote.bin"), filepath.Join(f.dir, "root.der")
	edited := servePCCS(t, []byte(strings.Replace(string(raw), `OutOfDate`, `UpToDate`, 1)))
	newer := need(devpki.New([]byte("cli tests"))).Collateral(time.Date(2025, 1, 2, 0, 0, 0, 0, time.UTC), false)
	previous := f.write(t, "newer.bin", need(newer.JSON()))
	for name, c := range map[string]struct {
		code int
		says string
		more []string
	}{
		"edited":                {exitDifferent, "signature of the TCB info", []string{"--from", edited}},
		"ended":                 {exitDifferent, "not at 2026", []string{"--from", good, "--at", "2026-01-01T00:00:00Z"}},
		"going back":            {exitDifferent, "issued before", []string{"--from", good, "--previous", previous}},
		"of no previous":        {exitDifferent, "--previous", []string{"--from", good, "--previous", filepath.Join(f.dir, "absent")}},
		"of a broken previous":  {exitDifferent, "--previous", []string{"--from", good, "--previous", quote}},
		"not under Intel":       {exitDifferent, "does not end in the trusted root", []string{"--from", good, "--root", ""}},
		"of another family":     {exitDifferent, "the set is for", []string{"--from", good, "--quote", "", "--fmspc", "010203040506"}},
		"from nowhere":          {exitUsage, "fetching the root CRL", []string{"--from", "http://127.0.0.1:1"}},
		"from an empty folder":  {exitUsage, "no collateral for", []string{"--from", t.TempDir()}},
		"files not of Intel":    {exitUsage, "no collateral for", []string{"--from", f.dir, "--root", ""}},
		"no family":             {exitUsage, "--fmspc", []string{"--quote", ""}},
		"no such CA":            {exitUsage, "--ca", []string{"--quote", "", "--fmspc", "010203040506", "--ca", "x"}},
		"no such TEE":           {exitUsage, "--tee", []string{"--quote", "", "--fmspc", "010203040506", "--tee", "sev"}},
		"no such quote":         {exitUsage, "--quote", []string{"--quote", filepath.Join(f.dir, "absent")}},
		"no quote":              {exitUsage, "--quote", []string{"--quote", root}},
		"no instant":            {exitUsage, "--at", []string{"--at", "now"}},
		"a root that is absent": {exitUsage, "--root", []string{"--from", good, "--root", filepath.Join(f.dir, "absent")}},
	} {
		out := filepath.Join(f.dir, "out.json")
		arguments := append([]string{"attest", "fetch", "--root", root, "--quote", quote, "--at", "2025-01-01T00:00:00Z", "--out", out}, c.more...)
		if _, errs, code := run(t, arguments...); code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("%s: code %d, %s", name, code, errs)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s: a file was written", name)
		}
	}
}
