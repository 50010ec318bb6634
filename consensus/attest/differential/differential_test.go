package differential_test

import (
	"context"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edgelesssys/ego/attestation/tcbstatus"
	googletest "github.com/google/go-tdx-guest/testing"
	"github.com/google/go-tdx-guest/testing/testdata"
	"github.com/google/go-tdx-guest/verify"
	"github.com/oasisprotocol/oasis-core/go/common/sgx/pcs"

	"assay/consensus/attest"
	"assay/internal/devpki"
)

// quotes is the collection of real quotes.
const quotes = "../../../../shared/quotes"

var instant = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// vector is a quote with all that it is judged by.
type vector struct {
	name string
	raw  []byte
	file devpki.File
	root *x509.Certificate
	at   time.Time
	tdx  bool
	v5   bool
}

// ours judges a vector; it passes what the policy in question lets pass.
func (v vector) ours(policy attest.Policy) error {
	set, _ := attest.Load(must(json.Marshal(v.file)), v.root) // Judge reports its flaws
	var data [64]byte
	if quote, err := attest.Parse(v.raw); err == nil {
		data = quote.ReportData()
	}
	if refusal := attest.Judge(v.raw, set, &policy, v.at, data).Refusal(); refusal != nil {
		return refusal
	}
	return nil
}

// vectors are all of them; those that are real where they are at hand.
func vectors(t *testing.T) []vector {
	return append(append(realVectors(t), googleVector(t)), madeVectors()...)
}

// googleVector is go-tdx-guest's own quote with its collateral: a real one that is always
// at hand.
func googleVector(t *testing.T) vector {
	chain := func(header map[string][]string) string {
		for _, values := range header {
			return must(url.QueryUnescape(values[0]))
		}
		return ""
	}
	var info struct {
		TCBInfo   json.RawMessage
		Signature string
	}
	var identity struct {
		EnclaveIdentity json.RawMessage
		Signature       string
	}
	if err := errors.Join(json.Unmarshal(testdata.TcbInfoBody, &info), json.Unmarshal(testdata.QeIdentityBody, &identity)); err != nil {
		t.Fatal(err)
	}
	const header = 48 + 584 // of the quote, with the report; then the length of the signature section
	raw := testdata.RawQuote
	end := header + 4 + binary.LittleEndian.Uint32(raw[header:]) // other bytes follow
	return vector{
		name: "go-tdx-guest's", raw: raw[:end], root: attest.IntelRoot(), at: time.Date(2023, 7, 1, 1, 0, 0, 0, time.UTC), tdx: true,
		file: devpki.File{
			PCKCRL: hex.EncodeToString(testdata.PckCrlBody), PCKCRLChain: chain(googletest.PckCrlHeader), RootCRL: hex.EncodeToString(testdata.RootCrlBody),
			TCBInfo: string(info.TCBInfo), TCBSignature: info.Signature, TCBChain: chain(googletest.TcbInfoHeader),
			QEIdentity: string(identity.EnclaveIdentity), QESignature: identity.Signature, QEChain: chain(googletest.QeIdentityHeader),
		},
	}
}

func realVectors(t *testing.T) (out []vector) {
	der, err := os.ReadFile(filepath.Join(quotes, "intel-sgx-root-ca.der"))
	if err != nil {
		t.Log("no collection of real quotes at ", quotes)
		return nil
	}
	for _, path := range must(filepath.Glob(filepath.Join(quotes, "*", "quote.bin"))) {
		folder := filepath.Dir(path)
		v := vector{name: filepath.Base(folder), raw: must(os.ReadFile(path)), root: must(x509.ParseCertificate(der))}
		var meta struct{ Time time.Time }
		for name, into := range map[string]any{"collateral.json": &v.file, "meta.json": &meta} {
			if err := json.Unmarshal(must(os.ReadFile(filepath.Join(folder, name))), into); err != nil {
				t.Fatal(err)
			}
		}
		v.at, v.tdx, v.v5 = meta.Time, strings.HasPrefix(v.name, "tdx"), strings.HasPrefix(v.name, "tdx5")
		out = append(out, v)
	}
	return out
}

// flaw is what is wrong with a development quote. Nil members change nothing.
type flaw struct {
	changes    devpki.Changes
	draft      func(*devpki.Draft)
	collateral func(*devpki.Collateral)
	file       func(*devpki.File)
	quote      func([]byte) []byte
	td         devpki.TD
	debug      bool
}

// madeVectors has every flaw twice: of an SGX quote of version 3 and of a TDX quote of
// version 4.
func madeVectors() (out []vector) {
	for name, f := range flaws() {
		out = append(out, made("SGX "+name, f, false), made("TDX "+name, f, true))
	}
	return out
}

func made(name string, f flaw, tdx bool) vector {
	rootChange := f.changes.Root
	f.changes.Root = func(c *x509.Certificate) { // Google's verifier wants the name, and follows the address to the root CRL
		c.Subject.CommonName = "Intel SGX Root CA"
		c.CRLDistributionPoints = []string{"https://crl.invalid/root"}
		if rootChange != nil {
			rootChange(c)
		}
	}
	pki := must(devpki.NewChanged([]byte("differential tests"), f.changes))
	report, version := devpki.Enclave{MREnclave: [32]byte{1}, Debug: f.debug}.Report([64]byte{2}), uint16(3)
	if tdx {
		if f.debug {
			f.td.Attributes |= 1
		}
		f.td.MRTD[0] = 1
		report, version = f.td.Report([64]byte{2}, false), 4
	}
	draft, set := must(pki.Machine("m")).Draft(version, report), pki.Collateral(instant, tdx)
	if f.draft != nil {
		f.draft(draft)
	}
	if f.collateral != nil {
		f.collateral(set)
	}
	v := vector{name: name, raw: must(draft.Quote()), file: must(set.File()), root: pki.Root(), at: instant, tdx: tdx}
	if f.file != nil {
		f.file(&v.file)
	}
	if f.quote != nil {
		v.raw = f.quote(v.raw)
	}
	return v
}

func flaws() map[string]flaw {
	set := func(change func(*devpki.Collateral)) flaw { return flaw{collateral: change} }
	status := func(name string) flaw { return set(func(c *devpki.Collateral) { c.TCBInfo.Levels[0].Status = name }) }
	good := must(devpki.New([]byte("differential tests")))
	machine := must(good.Machine("m"))
	listed := func(c *x509.Certificate) []x509.RevocationListEntry {
		return []x509.RevocationListEntry{{SerialNumber: c.SerialNumber, RevocationTime: instant}}
	}
	qe := func(change func([]byte)) flaw { return flaw{draft: func(d *devpki.Draft) { change(d.QEReport) }} }
	return map[string]flaw{
		"good":                {},
		"OutOfDate":           status("OutOfDate"),
		"SWHardeningNeeded":   status("SWHardeningNeeded"),
		"ConfigurationNeeded": status("ConfigurationNeeded"),
		"Revoked":             status("Revoked"),
		"debug":               {debug: true},
		"trailing byte":       {quote: func(q []byte) []byte { return append(q, 1) }},
		"PCK revoked":         set(func(c *devpki.Collateral) { c.PCKCRL.RevokedCertificateEntries = listed(machine.PCK()) }),
		"CA revoked":          set(func(c *devpki.Collateral) { c.RootCRL.RevokedCertificateEntries = listed(good.CA()) }),
		"TCB signer revoked":  set(func(c *devpki.Collateral) { c.RootCRL.RevokedCertificateEntries = listed(good.Signer()) }),
		"PCK CRL expired":     set(func(c *devpki.Collateral) { c.PCKCRL.NextUpdate = instant.Add(-time.Second) }),
		"root CRL expired":    set(func(c *devpki.Collateral) { c.RootCRL.NextUpdate = instant.Add(-time.Second) }),
		"TCB info expired":    set(func(c *devpki.Collateral) { c.TCBInfo.NextUpdate = "2024-12-31T00:00:00Z" }),
		"TCB info early":      set(func(c *devpki.Collateral) { c.TCBInfo.IssueDate = "2025-01-01T00:00:01Z" }),
		"QE identity expired": set(func(c *devpki.Collateral) { c.QEIdentity.NextUpdate = "2024-12-31T00:00:00Z" }),
		"other FMSPC":         set(func(c *devpki.Collateral) { c.TCBInfo.FMSPC = "010203040506" }),
		"FMSPC in capitals":   set(func(c *devpki.Collateral) { c.TCBInfo.FMSPC = strings.ToUpper(c.TCBInfo.FMSPC) }),
		"other PCEID":         set(func(c *devpki.Collateral) { c.TCBInfo.PCEID = "0001" }),
		"TCB type 1":          set(func(c *devpki.Collateral) { c.TCBInfo.Type = 1 }),
		"TCB info version 2":  set(func(c *devpki.Collateral) { c.TCBInfo.Version = 2 }),
		"TCB info edited":     {file: func(f *devpki.File) { f.TCBInfo = strings.Replace(f.TCBInfo, "OutOfDate", "UpToDate", 1) }},
		"PCESVN low": {changes: devpki.Changes{Platform: func(p *devpki.Platform) { p.PCESVN-- }}, collateral: func(c *devpki.Collateral) {
			c.TCBInfo.Levels = c.TCBInfo.Levels[:1]
		}},
		"PCESVN high":     {changes: devpki.Changes{Platform: func(p *devpki.Platform) { p.PCESVN++ }}},
		"component low":   {changes: devpki.Changes{Platform: func(p *devpki.Platform) { p.Components[0]-- }}},
		"QE MRSIGNER":     qe(func(r []byte) { r[128] ^= 1 }),
		"QE product":      qe(func(r []byte) { r[256] ^= 4 }),
		"QE out of date":  qe(func(r []byte) { r[258] = 7 }),
		"QE debug":        qe(func(r []byte) { r[48] |= 2 }),
		"QE report data":  {draft: func(d *devpki.Draft) { d.QEData = make([]byte, 64) }},
		"leaf name":       {changes: devpki.Changes{PCK: func(c *x509.Certificate) { c.Subject.CommonName = "x" }}},
		"leaf is CA":      {changes: devpki.Changes{PCK: func(c *x509.Certificate) { c.IsCA = true }}},
		"CA is none":      {changes: devpki.Changes{CA: func(c *x509.Certificate) { c.IsCA, c.MaxPathLen, c.MaxPathLenZero = false, 0, false }}},
		"PCK expired":     {changes: devpki.Changes{PCK: func(c *x509.Certificate) { c.NotAfter = instant.Add(-time.Second) }}},
		"quote signature": {draft: func(d *devpki.Draft) { d.Signature = make([]byte, 64) }},
		"SEPT_VE enabled": {td: devpki.TD{Attributes: 1 << 28}},
	}
}

// compare judges all vectors that a verifier can read, and fails on every disagreement
// that is not explained, and on every explanation of none.
func compare(t *testing.T, theirs func(vector) error, can func(vector) bool, policy attest.Policy, explained map[string]string) {
	all := vectors(t)
	seen := map[string]bool{}
	for _, v := range all {
		if !can(v) {
			continue
		}
		our, their := v.ours(policy), theirs(v)
		seen[v.name] = true
		switch why := explained[v.name]; {
		case (our == nil) != (their == nil) && why == "":
			t.Errorf("%s: we say %v, they say %v", v.name, our, their)
		case (our == nil) == (their == nil) && why != "":
			t.Errorf("%s: no disagreement, though %s", v.name, why)
		}
	}
	if !seen["tdx_cmc_2026-03"] && !seen["sgx3_phala_00a067_2025-07"] {
		return // the real ones are not at hand
	}
	for name := range explained {
		if !seen[name] {
			t.Errorf("there is no vector %s", name)
		}
	}
}

// oasis judges with oasis-core, which takes no revocation lists.
func oasis(v vector) error {
	pcs.IntelTrustRoots.AddCert(v.root)
	var quote pcs.Quote
	if err := quote.UnmarshalBinary(v.raw); err != nil {
		return err
	}
	var bundle pcs.TCBBundle
	err := json.Unmarshal(fmt.Appendf(nil, `{"tcb_info":{"tcbInfo":%s,"signature":%q},"qe_id":{"enclaveIdentity":%s,"signature":%q}}`,
		v.file.TCBInfo, v.file.TCBSignature, v.file.QEIdentity, v.file.QESignature), &bundle)
	if err != nil {
		return err
	}
	bundle.TCBInfo.TCBInfo, bundle.QEIdentity.EnclaveIdentity = json.RawMessage(v.file.TCBInfo), json.RawMessage(v.file.QEIdentity)
	bundle.Certificates = []byte(v.file.TCBChain)
	_, err = quote.Verify(&pcs.QuotePolicy{TCBValidityPeriod: 30, TDX: &pcs.TdxQuotePolicy{}}, v.at, &bundle)
	return err
}

// google judges with go-tdx-guest, which fetches collateral by URL.
func google(v vector) error {
	roots := x509.NewCertPool()
	roots.AddCert(v.root)
	return verify.RawTdxQuote(v.raw, &verify.Options{CheckRevocations: true, GetCollateral: true, Getter: getter{v.file}, Now: v.at, TrustedRoots: roots})
}

type getter struct{ file devpki.File }

// Get answers as Intel's service does.
func (g getter) Get(address string) (map[string][]string, []byte, error) {
	header := func(name, chain string) map[string][]string {
		return map[string][]string{name: {url.QueryEscape(chain)}}
	}
	switch {
	case strings.Contains(address, "pckcrl"):
		body, err := hex.DecodeString(g.file.PCKCRL)
		return header("Sgx-Pck-Crl-Issuer-Chain", g.file.PCKCRLChain), body, err
	case strings.Contains(address, "/tcb?"):
		return header("Tcb-Info-Issuer-Chain", g.file.TCBChain), fmt.Appendf(nil, `{"tcbInfo":%s,"signature":%q}`, g.file.TCBInfo, g.file.TCBSignature), nil
	case strings.Contains(address, "qe/identity"):
		return header("Sgx-Enclave-Identity-Issuer-Chain", g.file.QEChain), fmt.Appendf(nil, `{"enclaveIdentity":%s,"signature":%q}`, g.file.QEIdentity, g.file.QESignature), nil
	}
	body, err := hex.DecodeString(g.file.RootCRL)
	return nil, body, err
}

// phala judges with the npm package @phala/dcap-qvl. Its roots are a matter of its own,
// so the script hands ours over.
func phala(t *testing.T) func(vector) error {
	if _, err := os.Stat("node_modules/@phala/dcap-qvl"); err != nil {
		t.Skip("no @phala/dcap-qvl here: run `npm ci` in consensus/attest/differential")
	}
	command := exec.CommandContext(context.WithoutCancel(t.Context()), "node", "phala.mjs")
	command.Stderr = os.Stderr
	in, out := must(command.StdinPipe()), must(command.StdoutPipe())
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(in.Close(), command.Wait()); err != nil {
			t.Error(err)
		}
	})
	ask, answers := json.NewEncoder(in), json.NewDecoder(out)
	return func(v vector) error {
		var answer struct{ Status, Error string }
		question := map[string]any{"quote": hex.EncodeToString(v.raw), "collateral": v.file, "root": hex.EncodeToString(v.root.Raw), "now": v.at.Unix()}
		if err := errors.Join(ask.Encode(question), answers.Decode(&answer)); err != nil {
			t.Fatal(err)
		}
		if answer.Error != "" {
			return errors.New(answer.Error)
		}
		return nil
	}
}

// lax accepts every status but Revoked, and what real quotes carry besides.
func lax() attest.Policy { return must(attest.ParsePolicy([]byte(`{}`))) }

func withStatuses(policy attest.Policy, statuses ...tcbstatus.Status) attest.Policy {
	policy.Statuses = statuses
	return policy
}

// both explains a flaw of SGX and TDX quotes alike.
func both(explained map[string]string) map[string]string {
	out := map[string]string{}
	for name, why := range explained {
		out["SGX "+name], out["TDX "+name] = why, why
	}
	return out
}

// also adds explanations.
func also(explained, more map[string]string) map[string]string {
	maps.Copy(explained, more)
	return explained
}

func TestOasis(t *testing.T) {
	policy := withStatuses(lax(), tcbstatus.UpToDate, tcbstatus.SWHardeningNeeded)
	policy.AllowPadding, policy.MaxAge = false, 30*24*time.Hour
	const noCRL, noNextUpdate, unchecked = "it reads no revocation lists", "it goes by the age since issueDate", "it does not look at that"
	explained := both(map[string]string{
		"PCK revoked": noCRL, "CA revoked": noCRL, "TCB signer revoked": noCRL, "PCK CRL expired": noCRL, "root CRL expired": noCRL,
		"TCB info expired": noNextUpdate, "QE identity expired": noNextUpdate,
		"other PCEID": unchecked, "TCB type 1": unchecked, "leaf name": unchecked, "leaf is CA": unchecked,
	})
	compare(t, oasis, func(v vector) bool { return !v.v5 }, policy, also(explained, map[string]string{"sgx3_mobilecoin_00906e_2023-07": noCRL}))
}

func TestGoogle(t *testing.T) {
	const capitals, debug = "it compares FMSPCs as text, Intel writes them in both cases", "debug is a matter of its package validate"
	compare(t, google, func(v vector) bool { return v.tdx && !v.v5 }, withStatuses(lax(), tcbstatus.UpToDate), map[string]string{
		"tdx4_phala_b0c06f_2025-07": capitals, "TDX FMSPC in capitals": capitals,
		"tdx4_trustee_debugTD_50806f_2023-07": debug, "TDX debug": debug,
		"TDX trailing byte":  "it passes over what follows a quote",
		"TDX TCB info early": "it looks at nextUpdate only",
		"TDX TCB type 1":     "it does not look at that",
		"TDX leaf is CA":     "it does not look at that",
	})
}

func TestPhala(t *testing.T) {
	const stale, unchecked, td = "it does not look when a revocation list ends", "it does not look at that", "its policy for TDs, which only our strict one has"
	explained := both(map[string]string{
		"PCK CRL expired": stale, "root CRL expired": stale, "other PCEID": unchecked, "leaf name": unchecked, "CA is none": unchecked,
		"TCB type 1": unchecked, "trailing byte": "it passes over what follows a quote",
	})
	compare(t, phala(t), func(vector) bool { return true }, lax(), also(explained, map[string]string{
		"sgx3_mobilecoin_00906e_2023-07": stale, "tdx4_oe_50806f_2023-07": td, "tdx5_alibaba_90c06f_2025-07": td, "TDX SEPT_VE enabled": td,
		"SGX TCB info version 2": "it reads version 2 for SGX",
	}))
}

// Agreement on a refusal would mean little if the reason were ours alone. That platform's
// firmware is below all that the sample's TCB info knows; all else holds.
func TestGooglesQuoteIsRefusedForItsLevelOnly(t *testing.T) {
	if err := googleVector(t).ours(lax()); attest.ClassOf(err) != attest.ClassTCB {
		t.Error(err)
	}
}
