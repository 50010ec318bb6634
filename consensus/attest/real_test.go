package attest_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"assay/consensus/attest"
)

const realQuotes = "../../../shared/quotes"

// realMeta is what is known of a real quote.
type realMeta struct {
	Time       time.Time
	MREnclave  string `json:"mrenclave"`
	MRTD       string `json:"mrtd"`
	ReportData string `json:"report_data"`
	Verdict    string `json:"verdict"`
	TCBStatus  string `json:"tcb_status"`
}

func realRoot(t testing.TB) *x509.Certificate {
	t.Helper()
	der, err := os.ReadFile(filepath.Join(realQuotes, "intel-sgx-root-ca.der"))
	if err != nil {
		t.Skip("no collection of real quotes at ", realQuotes)
	}
	return must(x509.ParseCertificate(der))
}

// lax accepts every status but Revoked, and what real quotes carry besides.
func lax() *attest.Policy {
	policy := must(attest.ParsePolicy([]byte(`{}`)))
	return &policy
}

// The classes by which real quotes are refused, and why.
var realRefusals = map[string]attest.Class{
	"sgx3_automata_debug_00a067_2025-07":   attest.ClassIdentity,   // debug
	"sgx3_chinenye_90c06f_2025-09":         attest.ClassCollateral, // TCB info was reformatted
	"sgx3_chinenye_90c06f_compact_2025-10": attest.ClassExpired,    // QE identity
	"sgx3_cmc_invalid_quote_2026-03":       attest.ClassFormat,
	"sgx3_cross_fmspc":                     attest.ClassCollateral, // another platform's
	"sgx3_integritee_debug_00906e_2022-12": attest.ClassCollateral, // PCK CRL of the other CA, and debug
	"sgx3_mobilecoin_00906e_2023-07":       attest.ClassExpired,    // PCK CRL
	"sgx3_oe_debug_00906e_2023-07":         attest.ClassExpired,    // PCK CRL, and debug
	"tdx4_google_50806f_2023-07":           attest.ClassFormat,     // bytes after the end
	"tdx4_google_50806f_trimmed_2023-07":   attest.ClassTCB,
	"tdx4_oasis_outofdate_50806f_2023-07":  attest.ClassTCB,
	"tdx4_phala_tappd_b0c06f_2025-07":      attest.ClassTCB,
	"tdx4_trustee_debugTD_50806f_2023-07":  attest.ClassIdentity, // debug
	"tdx5_intel_90c06f_2025-07":            attest.ClassTCB,
	"tdx5_phala_outdated_90c06f_2026-03":   attest.ClassTCB,
	"tdx_cmc_invalid_quote_2026-03":        attest.ClassFormat,
	"tdx_cmc_invalid_tcbinfo_2026-03":      attest.ClassCollateral,
}

func TestRealQuotes(t *testing.T) {
	root := realRoot(t)
	for _, path := range must(filepath.Glob(realQuotes + "/*/quote.bin")) {
		folder := filepath.Dir(path)
		t.Run(filepath.Base(folder), func(t *testing.T) { realQuote(t, folder, root) })
	}
}

func realQuote(t *testing.T, folder string, root *x509.Certificate) {
	var meta realMeta
	if err := json.Unmarshal(must(os.ReadFile(filepath.Join(folder, "meta.json"))), &meta); err != nil {
		t.Fatal(err)
	}
	raw, expected := must(os.ReadFile(filepath.Join(folder, "quote.bin"))), [64]byte(must(hex.DecodeString(meta.ReportData)))
	set, _ := attest.Load(must(os.ReadFile(filepath.Join(folder, "collateral.json"))), root) // Judge reports its flaws
	verdict := attest.Judge(raw, set, lax(), meta.Time, expected)
	report := verdict.Report()
	if meta.Verdict == "reject" {
		if verdict.Accepted() || verdict.Refusal().Class != realRefusals[filepath.Base(folder)] {
			t.Errorf("accepted %t, %v", verdict.Accepted(), verdict.Refusal())
		}
		return
	}
	if !verdict.Accepted() || report.TCBStatus.String() != meta.TCBStatus || hex.EncodeToString(report.UniqueID) != meta.MREnclave+meta.MRTD {
		t.Fatalf("accepted %t with status %s for %x: %v", verdict.Accepted(), report.TCBStatus, report.UniqueID, verdict.Refusal())
	}
	strictly(t, filepath.Base(folder), meta, raw, set)
}

// strictly judges a sound quote by the strict policy: of those at hand, only the Ice Lake
// machine passes. The TDs that are up to date are padded, or their host keeps a way in.
func strictly(t *testing.T, name string, meta realMeta, raw []byte, set *attest.Collateral) {
	want := map[string]attest.Class{
		"sgx3_automata_00606a_2025-08": "", "sgx3_phala_00a067_2025-07": attest.ClassTCB, "sgx3_cmc_c0806f_2026-03": attest.ClassTCB,
		"tdx4_automata_00806f_2025-07": attest.ClassFormat, "tdx4_phala_b0c06f_2025-07": attest.ClassFormat, "tdx_cmc_2026-03": attest.ClassFormat,
		"tdx_cmc_outdated_tcbinfo_2026-03": attest.ClassFormat, "tdx4_trustee_00a06d_2025-11": attest.ClassFormat,
		"tdx4_oe_50806f_2023-07":      attest.ClassIdentity, // SEPT_VE_DISABLE is not set
		"tdx5_alibaba_90c06f_2025-07": attest.ClassIdentity, // MR_SERVICETD
	}
	policy := attest.Strict()
	verdict := attest.Judge(raw, set, &policy, meta.Time, [64]byte(must(hex.DecodeString(meta.ReportData))))
	class := attest.Class("")
	if refusal := verdict.Refusal(); refusal != nil {
		class = refusal.Class
	}
	if expected, known := want[name]; !known || class != expected {
		t.Errorf("the strict policy: %v, want %q", verdict.Refusal(), expected)
	}
}

// A collateral set that ran out is good for as long as the policy says, and no longer.
func TestRealQuoteWithinGrace(t *testing.T) {
	root := realRoot(t)
	folder := filepath.Join(realQuotes, "sgx3_chinenye_90c06f_compact_2025-10")
	raw := must(os.ReadFile(filepath.Join(folder, "quote.bin")))
	set := must(attest.Load(must(os.ReadFile(filepath.Join(folder, "collateral.json"))), root))
	policy := attest.Strict()
	data := must(attest.Parse(raw))
	for days, want := range map[int]bool{0: false, 35: false, 36: true} {
		policy.CollateralGrace = time.Duration(days) * 24 * time.Hour
		verdict := attest.Judge(raw, set, &policy, time.Date(2025, 10, 20, 0, 0, 0, 0, time.UTC), data.ReportData())
		if verdict.Accepted() != want {
			t.Errorf("%d days: %v", days, verdict.Refusal())
		}
	}
}

// Intel's root is the published one, whose fingerprint many know.
func TestIntelRoot(t *testing.T) {
	const published = "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3"
	if sum := sha256.Sum256(attest.IntelRoot().Raw); hex.EncodeToString(sum[:]) != published {
		t.Errorf("its fingerprint is %x", sum)
	}
}
