package attest_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/edgelesssys/ego/attestation/tcbstatus"

	"assay/consensus/attest"
	"assay/internal/devpki"
)

func TestSmallPolicyHasNoConditionThatItDoesNotName(t *testing.T) {
	empty := must(attest.ParsePolicy([]byte(`{}`)))
	for status := tcbstatus.UpToDate; status < tcbstatus.Unknown; status++ {
		verdict := scene{collateral: withStatus(status.String(), "INTEL-SA-99999"), policy: func(p *attest.Policy) { *p = empty }}.build().judge(nil)
		if verdict.Accepted() == (status == tcbstatus.Revoked) {
			t.Errorf("%s: %v", status, verdict.Refusal())
		}
	}
	scene{enclave: func(e *devpki.Enclave) { e.Debug = true }, policy: func(p *attest.Policy) { *p = empty }}.refuses(t, "enclave", attest.ClassIdentity)
}

func TestFullPolicyIsStrictWhereItSaysNothing(t *testing.T) {
	if got, want := must(attest.ParsePolicy([]byte(`{"version":1}`))), attest.Strict(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestPolicyIsReadWhole(t *testing.T) {
	hash, long := strings.Repeat("ab", 32), strings.Repeat("cd", 48)
	text := fmt.Sprintf(`{"version":1,"allow_debug":true,"allow_padding":true,"lax_td":true,"allowed_status":["UpToDate","OutOfDate"],
		"accepted_advisories":["INTEL-SA-1"],"denied_advisories":["INTEL-SA-2"],"min_tcb_eval":17,"max_age_hours":720,
		"collateral_grace_hours":24,"platform_grace_hours":48,"denied_fmspc":["00906ED50000"],"denied_platforms":[%q],
		"mrenclave":%q,"mrsigner":"0x%s","prod":1,"min_svn":2,"report_data":"%s","platform_weight":3,
		"apps":{"0xAB":[{"mrtd":%q,"rtmrs":[null,%q]}]}}`, hash, hash, hash, hash+hash, long, long)
	got := must(attest.ParsePolicy([]byte(text)))
	id, data, td := [32]byte{}, [64]byte{}, [48]byte{}
	fill(id[:], 0xab)
	fill(data[:], 0xab)
	fill(td[:], 0xcd)
	one, two := uint16(1), uint16(2)
	want := attest.Policy{
		AllowDebug: true, AllowPadding: true, LaxTD: true, Statuses: []tcbstatus.Status{tcbstatus.UpToDate, tcbstatus.OutOfDate},
		AcceptedAdvisories: []string{"INTEL-SA-1"}, DeniedAdvisories: []string{"INTEL-SA-2"}, MinEvaluation: 17, MaxAge: 720 * time.Hour,
		CollateralGrace: 24 * time.Hour, PlatformGrace: 48 * time.Hour, DeniedFMSPCs: [][6]byte{{0, 0x90, 0x6e, 0xd5, 0, 0}},
		DeniedPlatforms: [][32]byte{id}, ReportData: &data, PlatformWeight: 3,
		Identities: []attest.Identity{{MREnclave: &id, MRSigner: &id, ProductID: &one, MinSVN: &two}},
		Apps:       map[string][]attest.Identity{"0xab": {{MRTD: &td, RTMR: [4]*[48]byte{nil, &td}}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read\n%+v, want\n%+v", got, want)
	}
	if attest.HashPolicy([]byte(text)) == attest.HashPolicy([]byte(text+" ")) {
		t.Error("another text has the same address")
	}
}

func fill(into []byte, with byte) {
	for i := range into {
		into[i] = with
	}
}

func TestMREnclaveOf48BytesIsATDs(t *testing.T) {
	policy := must(attest.ParsePolicy([]byte(`{"mrenclave":"dd` + strings.Repeat("00", 47) + `"}`)))
	scene{tdx: true, policy: func(p *attest.Policy) { *p = policy }}.accepts(t)
	scene{policy: func(p *attest.Policy) { *p = policy }}.refuses(t, "enclave", attest.ClassIdentity)
}

func TestNoAdvisoryIsAcceptedByAnEmptyList(t *testing.T) {
	for text, accepted := range map[string]bool{
		`{"allowed_status":["SWHardeningNeeded"]}`:                                          true,
		`{"allowed_status":["SWHardeningNeeded"],"accepted_advisories":[]}`:                 false,
		`{"allowed_status":["SWHardeningNeeded"],"accepted_advisories":["INTEL-SA-00615"]}`: true,
		`{"allowed_status":["UpToDate"]}`:                                                   false,
		`{"allowed_status":[]}`:                                                             false,
	} {
		policy := must(attest.ParsePolicy([]byte(text)))
		verdict := scene{collateral: withStatus("SWHardeningNeeded", "INTEL-SA-00615"), policy: func(p *attest.Policy) { *p = policy }}.build().judge(nil)
		if verdict.Accepted() != accepted {
			t.Errorf("%s: %v", text, verdict.Refusal())
		}
	}
}

func TestWrongPolicies(t *testing.T) {
	for _, text := range []string{
		``, `[]`, `{`, `{} {}`, `{"version":2}`, `{"version":"1"}`, `{"alow_debug":true}`, `{"allowed_status":["Fine"]}`,
		`{"allowed_status":["Unknown"]}`, `{"denied_fmspc":["00"]}`, `{"denied_platforms":["zz"]}`, `{"mrenclave":"00"}`, `{"mrsigner":""}`,
		`{"report_data":"00"}`, `{"prod":70000}`, `{"min_svn":-1}`, `{"min_tcb_eval":-1}`, `{"max_age_hours":-5}`, `{"platform_weight":-1}`,
		`{"mrtd":"00"}`, `{"rtmrs":["00"]}`, `{"rtmrs":[""]}`, `{"rtmrs":[null,null,null,null,null]}`, `{"apps":{"0x1":[]}}`, `{"apps":{"0x1":[{}]}}`,
		`{"apps":{"0x1":[{"mrenclave":"1"}]}}`, `{"mrenclave":"` + strings.Repeat("0", 96) + `","mrtd":"` + strings.Repeat("0", 96) + `"}`,
	} {
		if policy, err := attest.ParsePolicy([]byte(text)); err == nil {
			t.Errorf("%s is read as %+v", text, policy)
		}
	}
}

func TestFingerprints(t *testing.T) {
	sgx, td := strings.Repeat("ab", 32), strings.Repeat("cd", 48)
	var id [32]byte
	var mrtd [48]byte
	fill(id[:], 0xab)
	fill(mrtd[:], 0xcd)
	enclave, domain := attest.Identity{MREnclave: &id}, attest.Identity{MRTD: &mrtd}
	for text, want := range map[string]attest.Identity{
		`{"provider":"SCONE","version":"v5","entrypoint":"python3 /app/app.py","heapSize":1073741824,"fingerprint":"` + sgx + `"}`:  enclave,
		`{"framework":"SCONE","version":"v5","entrypoint":"python3 /app/app.py","heapSize":1073741824,"fingerprint":"` + sgx + `"}`: enclave,
		`{"framework":"GRAMINE","version":"v0","fingerprint":"` + strings.ToUpper(sgx) + `"}`:                                       enclave,
		`{"framework":"TDX","version":"0.1.0","fingerprint":"0x` + td + `"}`:                                                        domain,
		sgx:                      enclave,
		"0x" + sgx:               enclave,
		sgx + "|/app/entrypoint": enclave,
		string(id[:]):            enclave,
		td:                       domain,
		string(mrtd[:]):          domain,
	} {
		got, err := attest.ParseFingerprint([]byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", " ", "{", "{}", "x", sgx[:62], `{"framework":"SCONE"}`, `{"framework":"TDX","fingerprint":"` + sgx + `"}`,
		`{"framework":"SCONE","fingerprint":"` + td + `"}`, strings.Repeat("0", 5000),
	} {
		if got, err := attest.ParseFingerprint([]byte(text)); !errors.Is(err, attest.ErrNoFingerprint) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

// An app's own word on the chain counts, unless the policy names its enclaves.
func TestPolicyForAnApp(t *testing.T) {
	own, other := fmt.Sprintf("%x", enclave.MREnclave), strings.Repeat("00", 32)
	named := must(attest.ParsePolicy([]byte(`{"version":1,"apps":{"0xAb":[{"mrenclave":"` + own + `"}]}}`)))
	for _, c := range []struct {
		app, onChain string
		accepted     bool
	}{
		{"0xaB", other, true}, {"0xaB", "", true}, {"0xcd", own, true}, {"0xcd", other, false},
	} {
		policy := must(named.ForApp(c.app, []byte(c.onChain)))
		verdict := scene{policy: func(p *attest.Policy) { *p = policy }}.build().judge(nil)
		if verdict.Accepted() != c.accepted {
			t.Errorf("app %s with %q on the chain: %v", c.app, c.onChain, verdict.Refusal())
		}
	}
	if policy, err := named.ForApp("0xcd", nil); !errors.Is(err, attest.ErrNoFingerprint) || policy.Statuses != nil {
		t.Errorf("an app without fingerprint: %+v, %v", policy, err)
	}
}
