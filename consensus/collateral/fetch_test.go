package collateral

import (
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"assay/consensus/attest"
	"assay/internal/devpki"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

var (
	instant = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	pki     = must(devpki.New([]byte("collateral tests")))
	key     = attest.Key{TEE: attest.SGX, FMSPC: devpki.FMSPC, CA: "Intel SGX PCK Platform CA"}
	tdxKey  = attest.Key{TEE: attest.TDX, FMSPC: devpki.FMSPC, CA: "Intel SGX PCK Platform CA"}
)

// pccs is a service with the API of a PCCS. Change may spoil an answer.
type pccs struct {
	crl    func(der []byte) []byte // how lists are encoded
	change func(path string, header http.Header, body []byte) (status int, changed []byte)
}

func (p pccs) start(t *testing.T) *Fetcher {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(p.answer))
	t.Cleanup(server.Close)
	return &Fetcher{Client: server.Client(), Service: server.URL}
}

func (p pccs) answer(w http.ResponseWriter, r *http.Request) {
	tdx := strings.HasPrefix(r.URL.Path, "/tdx/")
	file := must(pki.Collateral(instant, tdx).File())
	signed := func(member, text, signature string) []byte {
		return fmt.Appendf(nil, `{%q:%s,"signature":%q}`, member, text, signature)
	}
	chain := func(name, text string) { w.Header().Set(name, url.PathEscape(text)) }
	var body []byte
	switch at, query := r.URL.Path, r.URL.Query(); {
	case at == "/sgx/certification/v4/rootcacrl":
		body = []byte(file.RootCRL)
	case at == "/sgx/certification/v4/pckcrl" && query.Get("ca") == "platform" && query.Get("encoding") == "der":
		chain("SGX-PCK-CRL-Issuer-Chain", file.PCKCRLChain)
		body = must(hex.DecodeString(file.PCKCRL))
		if p.crl != nil {
			body = p.crl(body)
		}
	case strings.HasSuffix(at, "x/certification/v4/tcb") && query.Get("fmspc") == fmt.Sprintf("%x", devpki.FMSPC):
		chain("TCB-Info-Issuer-Chain", file.TCBChain)
		body = signed("tcbInfo", file.TCBInfo, file.TCBSignature)
	case strings.HasSuffix(at, "x/certification/v4/qe/identity"):
		chain("SGX-Enclave-Identity-Issuer-Chain", file.QEChain)
		body = signed("enclaveIdentity", file.QEIdentity, file.QESignature)
	default:
		http.NotFound(w, r)
		return
	}
	if p.change != nil {
		var status int
		if status, body = p.change(r.URL.Path, w.Header(), body); status != 0 {
			w.WriteHeader(status)
		}
	}
	w.Write(body) //nolint:errcheck // the client notices
}

func TestFetchedSetLoads(t *testing.T) {
	forms := map[string]func([]byte) []byte{
		"DER": nil,
		"hex": func(der []byte) []byte { return []byte(hex.EncodeToString(der) + "\n") },
		"PEM": func(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}) },
	}
	for name, form := range forms {
		fetcher := pccs{crl: form}.start(t)
		for _, key := range []attest.Key{key, tdxKey} {
			raw, err := fetcher.Fetch(t.Context(), key)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			set, err := attest.Load(raw, pki.Root())
			if err != nil || set.Key() != key {
				t.Errorf("%s: %v for %v", name, err, set.Key())
			}
			want := must(attest.Load(must(pki.Collateral(instant, key.TEE == attest.TDX).JSON()), pki.Root()))
			if set.Hash() != want.Hash() {
				t.Errorf("%s: what was fetched differs from what is offered", name)
			}
		}
	}
}

// Where the older name of a header, or another address of the root CRL, is in use.
func TestFetchElsewhere(t *testing.T) {
	older := pccs{change: func(_ string, header http.Header, body []byte) (int, []byte) {
		if chain := header.Get("TCB-Info-Issuer-Chain"); chain != "" {
			header.Del("TCB-Info-Issuer-Chain")
			header.Set("SGX-TCB-Info-Issuer-Chain", chain)
		}
		return 0, body
	}}.start(t)
	der := must(hex.DecodeString(must(pki.Collateral(instant, false).File()).RootCRL))
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(der) //nolint:errcheck // the client notices
	}))
	defer elsewhere.Close()
	older.RootCRL = elsewhere.URL
	raw, err := older.Fetch(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := attest.Load(raw, pki.Root()); err != nil {
		t.Error(err)
	}
}

func TestFetchSaysWhatFailed(t *testing.T) {
	spoil := func(suffix string, change func(http.Header, []byte) (int, []byte)) pccs {
		return pccs{change: func(path string, header http.Header, body []byte) (int, []byte) {
			if !strings.HasSuffix(path, suffix) {
				return 0, body
			}
			return change(header, body)
		}}
	}
	status := func(http.Header, []byte) (int, []byte) { return http.StatusServiceUnavailable, nil }
	text := func(text string) func(http.Header, []byte) (int, []byte) {
		return func(http.Header, []byte) (int, []byte) { return 0, []byte(text) }
	}
	anonymous := func(header http.Header, body []byte) (int, []byte) {
		clear(header)
		return 0, body
	}
	for name, c := range map[string]struct {
		service pccs
		says    string
	}{
		"no root CRL":       {spoil("rootcacrl", status), "fetching the root CRL"},
		"no PCK CRL":        {spoil("pckcrl", status), "503"},
		"no TCB info":       {spoil("/tcb", status), "fetching the TCB info"},
		"no QE identity":    {spoil("identity", status), "fetching the QE identity"},
		"PCK CRL by nobody": {spoil("pckcrl", anonymous), "does not say who issued it"},
		"TCB info nonsense": {spoil("/tcb", text("nonsense")), "tcb?fmspc=de7e10900000"},
		"no signature":      {spoil("/tcb", text(`{"tcbInfo":{}}`)), "no signature"},
		"no text":           {spoil("/tcb", text(`{"signature":"00"}`)), "has no tcbInfo"},
		"an endless answer": {spoil("identity", text(strings.Repeat("x", attest.MaxCollateralSize+2))), "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			if raw, err := c.service.start(t).Fetch(t.Context(), key); err == nil || raw != nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
		})
	}
	unknown := attest.Key{TEE: attest.SGX, CA: "Some CA"}
	if _, err := (pccs{}).start(t).Fetch(t.Context(), unknown); !errors.Is(err, ErrUnknownCA) {
		t.Error(err)
	}
	gone := pccs{}.start(t)
	gone.Service = "http://127.0.0.1:1"
	if _, err := gone.Fetch(t.Context(), key); err == nil {
		t.Error("fetched from nowhere")
	}
}

func TestFindTakesTheNewest(t *testing.T) {
	file := func(change func(*devpki.Collateral), tdx bool) *fstest.MapFile {
		c := pki.Collateral(instant, tdx)
		change(c)
		return &fstest.MapFile{Data: must(c.JSON())}
	}
	evaluation := func(n int) func(*devpki.Collateral) {
		return func(c *devpki.Collateral) { c.TCBInfo.Evaluation, c.QEIdentity.Evaluation = n, n }
	}
	directory := fstest.MapFS{
		"a.json": file(evaluation(16), false), "b.json": file(evaluation(18), false), "c.json": file(evaluation(17), false),
		"d.json": file(evaluation(20), true), "broken.json": {Data: []byte("{")}, "notes.txt": {Data: []byte("x")},
	}
	raw, err := Find(directory, key, pki.Root())
	if err != nil {
		t.Fatal(err)
	}
	if set := must(attest.Load(raw, pki.Root())); set.EvaluationNumber() != 18 {
		t.Errorf("evaluation %d", set.EvaluationNumber())
	}
	other := key
	other.FMSPC[0]++
	if _, err := Find(directory, other, pki.Root()); !errors.Is(err, ErrNoSet) || !strings.Contains(err.Error(), "broken.json") {
		t.Error(err)
	}
}

// The members are those that attest.Load reads.
func TestFileHasTheMembersOfCollateral(t *testing.T) {
	ours, theirs := map[string]string{}, map[string]string{}
	for into, file := range map[*map[string]string]any{&ours: File{}, &theirs: devpki.File{}} {
		if err := json.Unmarshal(must(json.Marshal(file)), into); err != nil {
			t.Fatal(err)
		}
	}
	if fmt.Sprint(ours) != fmt.Sprint(theirs) || len(ours) != 9 {
		t.Errorf("members %v", ours)
	}
}
