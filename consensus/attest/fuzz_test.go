package attest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/edgelesssys/ego/attestation/tcbstatus"

	"assay/consensus/attest"
	"assay/internal/devpki"
)

// realFiles adds the real files of a name to a corpus, where they are at hand.
func realFiles(f *testing.F, name string) {
	for _, path := range must(filepath.Glob(filepath.Join(realQuotes, "*", name))) {
		f.Add(must(os.ReadFile(path)))
	}
}

func FuzzJudge(f *testing.F) {
	for _, s := range kinds {
		f.Add(s.build().raw)
	}
	realFiles(f, "quote.bin")
	sgx, tdx := scene{}.build().set, scene{tdx: true}.build().set
	known := attest.NewPlatforms(16)
	policy := lax()
	f.Fuzz(func(t *testing.T, raw []byte) {
		quote, parseErr := attest.Parse(raw)
		for _, set := range []*attest.Collateral{sgx, tdx} {
			verdict := known.Judge(raw, set, policy, instant, binding.ReportData())
			report, refusal := verdict.Report(), verdict.Refusal()
			if verdict.Accepted() && (parseErr != nil || quote.ReportData() != binding.ReportData() || refusal != nil) {
				t.Error("a quote was accepted that cannot be read or says something else")
			}
			if !verdict.Accepted() && (report.TCBStatus != tcbstatus.Unknown || refusal.Class == "" || refusal.Check == "") {
				t.Errorf("refused with %v and %+v", refusal, report)
			}
		}
	})
}

func FuzzLoad(f *testing.F) {
	f.Add(must(pki.Collateral(instant, false).JSON()))
	f.Add(must(pki.Collateral(instant, true).JSON()))
	realFiles(f, "collateral.json")
	root := pki.Root()
	f.Fuzz(func(t *testing.T, raw []byte) {
		set, err := attest.Load(raw, root)
		verdict := attest.Judge(good, set, lax(), instant, binding.ReportData())
		if err != nil && (attest.ClassOf(err) == "" || verdict.Accepted()) {
			t.Errorf("the set of %v accepts %t", err, verdict.Accepted())
		}
	})
}

// What the signer signs may be anything; what it means is read with care.
func FuzzSignedTexts(f *testing.F) {
	set := must(pki.Collateral(instant, true).File())
	f.Add(set.TCBInfo, set.QEIdentity)
	set = must(pki.Collateral(instant, false).File())
	f.Add(set.TCBInfo, set.QEIdentity)
	quote, td := scene{}.build().raw, scene{tdx: true, version: 5, td15: true}.build().raw
	f.Fuzz(func(t *testing.T, info, identity string) {
		texts := []string{info, identity}
		c := pki.Collateral(instant, false)
		c.Signed = func(string) (text string) { text, texts = texts[0], texts[1:]; return text }
		set, err := attest.Load(must(json.Marshal(must(c.File()))), pki.Root())
		if err != nil && attest.ClassOf(err) != attest.ClassCollateral {
			t.Error(err)
		}
		for _, raw := range [][]byte{quote, td} {
			if verdict := attest.Judge(raw, set, lax(), instant, binding.ReportData()); err != nil && verdict.Accepted() {
				t.Error("accepted by a set that does not load")
			}
		}
	})
}

func FuzzParsePolicy(f *testing.F) {
	f.Add([]byte(`{"allow_debug":false,"allowed_status":["UpToDate"],"accepted_advisories":["INTEL-SA-00615"],"min_tcb_eval":1,"max_age_hours":9,"prod":1,"min_svn":2}`))
	f.Add([]byte(`{"version":1,"apps":{"0x00":[{"rtmrs":["",""],"prod":4}]},"denied_fmspc":["00606a000000"],"platform_weight":1}`))
	set := scene{collateral: withStatus("Revoked")}.build().set
	debug := scene{enclave: func(e *devpki.Enclave) { e.Debug = true }}.build()
	f.Fuzz(func(t *testing.T, raw []byte) {
		policy, err := attest.ParsePolicy(raw)
		if err != nil {
			return
		}
		if attest.Judge(good, set, &policy, instant, binding.ReportData()).Accepted() {
			t.Error("a policy accepts a platform that was revoked")
		}
		debug.policy = policy
		if !policy.AllowDebug && debug.judge(nil).Accepted() {
			t.Error("a policy accepts a debug enclave, and does not say so")
		}
	})
}

func FuzzParseFingerprint(f *testing.F) {
	f.Add([]byte(`{"framework":"SCONE","fingerprint":"00"}`))
	f.Add(make([]byte, 32))
	f.Fuzz(func(t *testing.T, raw []byte) {
		identity, err := attest.ParseFingerprint(raw)
		if err == nil && identity == (attest.Identity{}) {
			t.Error("a fingerprint of anything")
		}
	})
}
