package attest_test

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edgelesssys/ego/attestation/tcbstatus"

	"assay/consensus/attest"
	"assay/internal/devpki"
)

// kinds are the quotes that we read.
var kinds = map[string]scene{
	"SGX v3":           {},
	"SGX v3, OE":       {quote: devpki.WrapOE},
	"SGX v4":           {version: 4},
	"SGX v5":           {version: 5},
	"TDX v4":           {tdx: true},
	"TDX v5, TD 1.0":   {tdx: true, version: 5},
	"TDX v5, TD 1.5":   {tdx: true, version: 5, td15: true},
	"TDX v4, module 0": {tdx: true, td: func(d *devpki.TD) { d.Module = 255 }},
}

func TestEveryKindIsAccepted(t *testing.T) {
	for name, s := range kinds {
		t.Run(name, func(t *testing.T) {
			report := s.accepts(t)
			data := binding.ReportData()
			if report.TCBStatus != tcbstatus.UpToDate || report.PlatformStatus != tcbstatus.UpToDate || report.QEStatus != tcbstatus.UpToDate ||
				!bytes.Equal(report.Data, data[:]) || report.FMSPC != devpki.FMSPC || report.EvaluationNumber != 17 || report.Debug {
				t.Errorf("report %+v", report)
			}
			id := enclave.MREnclave[:]
			if s.tdx {
				id = append([]byte{0xdd}, make([]byte, 47)...)
			}
			if !bytes.Equal(report.UniqueID, id) || (report.TEE == attest.TDX) != s.tdx {
				t.Errorf("identity %x of a %s", report.UniqueID, report.TEE)
			}
		})
	}
}

func TestReportSaysWhatItRestsOn(t *testing.T) {
	props := scene{collateral: withStatus("SWHardeningNeeded", "INTEL-SA-00615")}.build()
	report := props.judge(nil).Report()
	if report.TCBStatus != tcbstatus.SWHardeningNeeded || !reflect.DeepEqual(report.TCBAdvisories, []string{"INTEL-SA-00615"}) {
		t.Errorf("status %s %v", report.TCBStatus, report.TCBAdvisories)
	}
	if report.ModuleStatus != tcbstatus.Unknown || report.CollateralHash != props.set.Hash() || report.CollateralHash == [32]byte{} {
		t.Errorf("report %+v", report)
	}
	if !report.NotBefore.Equal(instant.Add(-24*time.Hour)) || !report.NotAfter.Equal(instant.Add(29*24*time.Hour)) {
		t.Errorf("valid from %s to %s", report.NotBefore, report.NotAfter)
	}
	if report.SecurityVersion != 3 || !bytes.Equal(report.SignerID, enclave.MRSigner[:]) || len(report.ProductID) != 16 || binary.LittleEndian.Uint16(report.ProductID) != 7 {
		t.Errorf("report %+v", report)
	}
	other := scene{pki: must(devpki.New([]byte("another")))}.accepts(t)
	if other.PlatformID == report.PlatformID {
		t.Error("two machines are one platform")
	}
	td := scene{tdx: true, td: func(d *devpki.TD) { d.SVN = 256 - 2 }, policy: func(p *attest.Policy) { *p = *lax() }}.accepts(t)
	if td.ModuleStatus != tcbstatus.OutOfDate || td.PlatformStatus != tcbstatus.UpToDate || td.TCBStatus != tcbstatus.OutOfDate {
		t.Errorf("statuses %s, %s, together %s", td.PlatformStatus, td.ModuleStatus, td.TCBStatus)
	}
}

// What is unusual and yet sound.
func TestAccepted(t *testing.T) {
	set := func(change func(c *devpki.Collateral)) scene { return scene{collateral: change} }
	policy := func(change func(p *attest.Policy)) scene { return scene{policy: change} }
	seven, three := uint16(7), uint16(3)
	signer, own := enclave.MRSigner, enclave.MREnclave
	for name, s := range map[string]scene{
		"ok_svn_higher_than_level": {changes: devpki.Changes{Platform: func(p *devpki.Platform) { p.Components[1]++; p.PCESVN += 3 }}},
		"ok_fmspc_upper_case":      set(func(c *devpki.Collateral) { c.TCBInfo.FMSPC = "DE7E10900000" }),
		"ok_processor_ca":          {changes: devpki.Changes{CA: common("Intel SGX PCK Processor CA")}},
		"ok_others_revoked": set(func(c *devpki.Collateral) {
			c.PCKCRL.RevokedCertificateEntries = revoked(pki.Signer())
			c.RootCRL.RevokedCertificateEntries = revoked(machine.PCK())
		}),
		"ok_first_instant":                     {at: instant.Add(-24 * time.Hour)},
		"ok_last_instant":                      {at: instant.Add(29 * 24 * time.Hour)},
		"ok_in_grace":                          {at: instant.Add(30 * 24 * time.Hour), policy: func(p *attest.Policy) { p.CollateralGrace = 24 * time.Hour }},
		"ok_chain_ends_in_a_zero":              {draft: func(d *devpki.Draft) { d.Chain = append(d.Chain, 0) }},
		"ok_no_auth":                           {draft: func(d *devpki.Draft) { d.Auth = nil }},
		"ok_td_padded":                         {tdx: true, quote: func(q []byte) []byte { return append(q, 0, 0, 0) }, policy: func(p *attest.Policy) { p.AllowPadding = true }},
		"ok_td_lax":                            {tdx: true, td: func(d *devpki.TD) { d.Attributes = 1 << 28 }, policy: func(p *attest.Policy) { p.LaxTD = true }},
		"ok_td_protection_keys":                {tdx: true, td: func(d *devpki.TD) { d.Attributes = 1 << 30 }},
		"ok_td_index_0_and_1_are_the_module's": {tdx: true, collateral: func(c *devpki.Collateral) { c.TCBInfo.Levels[0].TCB.TDX[0].SVN = 99 }},
		"ok_debug_where_allowed":               {enclave: func(e *devpki.Enclave) { e.Debug = true }, policy: func(p *attest.Policy) { p.AllowDebug = true }},
		"ok_debug_td_where_allowed":            {tdx: true, td: func(d *devpki.TD) { d.Attributes = 1 }, policy: func(p *attest.Policy) { p.AllowDebug = true }},
		"ok_outofdate_in_grace":                {collateral: withStatus("OutOfDate"), policy: func(p *attest.Policy) { p.PlatformGrace = 365 * 24 * time.Hour }},
		"ok_outofdate_allowed":                 {collateral: withStatus("OutOfDate"), policy: func(p *attest.Policy) { p.Statuses = append(p.Statuses, tcbstatus.OutOfDate) }},
		"ok_swhardening":                       {collateral: withStatus("SWHardeningNeeded", "INTEL-SA-00334", "INTEL-SA-00615")},
		"ok_swhardening_any":                   {collateral: withStatus("SWHardeningNeeded", "INTEL-SA-99999"), policy: func(p *attest.Policy) { p.AnyAdvisory = true }},
		"ok_up_to_date_with_advisory":          {collateral: withStatus("UpToDate", "INTEL-SA-99999")},
		"ok_mrenclave":                         policy(func(p *attest.Policy) { p.Identities = []attest.Identity{{MRSigner: &[32]byte{}}, {MREnclave: &own}} }),
		"ok_mrsigner": policy(func(p *attest.Policy) {
			p.Identities = []attest.Identity{{MRSigner: &signer, ProductID: &seven, MinSVN: &three}}
		}),
		"ok_mrtd": {tdx: true, policy: func(p *attest.Policy) {
			p.Identities = []attest.Identity{{MRTD: &[48]byte{0xdd}, RTMR: [4]*[48]byte{{1}, nil, {3}, {4}}}}
		}},
		"ok_eval_number": policy(func(p *attest.Policy) { p.MinEvaluation = 17 }),
		"ok_age":         policy(func(p *attest.Policy) { p.MaxAge = 24 * time.Hour }),
		"ok_denied_others": policy(func(p *attest.Policy) {
			p.DeniedFMSPCs, p.DeniedPlatforms, p.DeniedAdvisories = [][6]byte{{1}}, [][32]byte{{1}}, []string{"INTEL-SA-00001"}
		}),
	} {
		t.Run(name, func(t *testing.T) { s.accepts(t) })
	}
}

// A CA that was certified again, with the same name and key, is the same CA.
func TestCAThatWasCertifiedAgain(t *testing.T) {
	again := must(devpki.NewChanged([]byte("attest tests"), devpki.Changes{CA: func(c *x509.Certificate) { c.SerialNumber.SetInt64(77) }}))
	scene{draft: func(d *devpki.Draft) { d.Chain = devpki.Chain(machine.PCK(), again.CA(), pki.Root()) }}.accepts(t)
	listed := scene{
		draft:      func(d *devpki.Draft) { d.Chain = devpki.Chain(machine.PCK(), again.CA(), pki.Root()) },
		collateral: func(c *devpki.Collateral) { c.RootCRL.RevokedCertificateEntries = revoked(again.CA()) },
	}
	listed.refuses(t, "revocation", attest.ClassRevoked)
}

// Item 17: nothing that was not accepted reads as trusted.
func TestZeroVerdictIsARefusal(t *testing.T) {
	var zero attest.Verdict
	if zero.Accepted() || zero.Refusal() == nil {
		t.Error("the zero verdict accepts")
	}
	reportsNothing(t, zero)
	for name, verdict := range map[string]attest.Verdict{
		"no set":          attest.Judge(good, attest.NewSets(pki.Root()), lax(), instant, binding.ReportData()),
		"a nil set":       attest.Judge(good, (*attest.Collateral)(nil), lax(), instant, binding.ReportData()),
		"an empty set":    attest.Judge(good, &attest.Collateral{}, lax(), instant, binding.ReportData()),
		"an empty policy": attest.Judge(good, scene{}.build().set, &attest.Policy{}, instant, binding.ReportData()),
		"an empty quote":  attest.Judge(nil, scene{}.build().set, lax(), instant, binding.ReportData()),
	} {
		if verdict.Accepted() || verdict.Refusal() == nil {
			t.Errorf("%s: accepted", name)
		}
		reportsNothing(t, verdict)
	}
}

// A quote without collateral for its platform is refused with its own words.
func TestNoCollateral(t *testing.T) {
	root := pki.Root()
	set, err := attest.Load([]byte("{}"), root)
	if attest.ClassOf(err) != attest.ClassCollateral {
		t.Errorf("%v", err)
	}
	if refusal := attest.Judge(good, set, lax(), instant, binding.ReportData()).Refusal(); refusal.Check != "collateral" {
		t.Errorf("%v", refusal)
	}
	if _, err := attest.Load([]byte("{}"), nil); attest.ClassOf(err) != attest.ClassChain {
		t.Errorf("without a root: %v", err)
	}
}

// Every bit of a quote matters: whichever is flipped, the quote is refused, whether the
// machine is known or not.
func TestEverySingleBitFlipIsRefused(t *testing.T) {
	for name, s := range kinds {
		step := 7 // of the other kinds, bits of every place in a byte
		if name == "SGX v3" || name == "TDX v5, TD 1.5" {
			step = 1
		}
		t.Run(name, func(t *testing.T) {
			props := s.build()
			known := attest.NewPlatforms(8)
			if !props.judge(known).Accepted() {
				t.Fatal("the quote itself is refused")
			}
			whole := props.raw
			for bit := 0; bit < 8*len(whole); bit += step {
				props.raw = bytes.Clone(whole)
				props.raw[bit/8] ^= 1 << (bit % 8)
				if props.judge(known).Accepted() {
					t.Fatalf("bit %d of byte %d does not matter", bit%8, bit/8)
				}
			}
		})
	}
}

func TestEveryOtherLengthIsRefusedOfEveryKind(t *testing.T) {
	for name, s := range kinds {
		props := s.build()
		whole := props.raw
		for n := range whole {
			props.raw = whole[:n]
			if refusal := props.judge(nil).Refusal(); refusal == nil || refusal.Class != attest.ClassFormat {
				t.Fatalf("%s: %d bytes: %v", name, n, refusal)
			}
		}
	}
}

// inFull is all that a verdict says.
func inFull(v attest.Verdict) string {
	return fmt.Sprintf("%t %+v %v", v.Accepted(), v.Report(), v.Refusal())
}

// Item 18: the verdict does not depend on what was judged before, nor on who else judges.
func TestVerdictIsTheSameEverywhere(t *testing.T) {
	var scenes []props
	for _, cases := range negatives() {
		for _, c := range cases {
			scenes = append(scenes, c.scene.build())
		}
	}
	for _, s := range kinds {
		scenes = append(scenes, s.build())
	}
	var cold []attest.Verdict
	for _, s := range scenes {
		cold = append(cold, s.judge(nil))
	}
	known := attest.NewPlatforms(4) // so few that they are forgotten again and again
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 2 * len(scenes) {
				n := (i*(worker+1) + worker) % len(scenes)
				if warm := scenes[n].judge(known); inFull(warm) != inFull(cold[n]) {
					t.Errorf("scene %d: warm %v, cold %v", n, warm.Refusal(), cold[n].Refusal())
				}
			}
		})
	}
	group.Wait()
}

// A machine that was verified is judged anew by each set, policy and instant.
func TestKnownPlatformIsNoVerdict(t *testing.T) {
	known := attest.NewPlatforms(8)
	if !(scene{}).build().judge(known).Accepted() {
		t.Fatal("refused")
	}
	for _, c := range []negative{
		{"revoked since", "revocation", attest.ClassRevoked, scene{collateral: func(c *devpki.Collateral) { c.PCKCRL.RevokedCertificateEntries = revoked(machine.PCK()) }}},
		{"out of date since", "tcb-status", attest.ClassTCB, scene{collateral: withStatus("OutOfDate")}},
		{"denied since", "denied", attest.ClassPolicy, scene{policy: func(p *attest.Policy) { p.DeniedPlatforms = [][32]byte{platformID} }}},
		{"expired since", "revocation-lists", attest.ClassExpired, scene{at: instant.Add(30 * 24 * time.Hour)}},
		{"another root", "chain", attest.ClassChain, scene{pki: pki, trust: foreign}},
	} {
		if refusal := c.scene.build().judge(known).Refusal(); refusal == nil || refusal.Check != c.check {
			t.Errorf("%s: %v", c.name, refusal)
		}
	}
}

// Platforms are forgotten, the older half first, and what the caller does to a quote's
// bytes afterwards changes nothing.
func TestPlatformsKeepNothingOfTheQuote(t *testing.T) {
	known := attest.NewPlatforms(1)
	props := scene{}.build()
	first := props.judge(known)
	raw := bytes.Clone(props.raw)
	clear(props.raw)
	props.raw = raw
	if second := props.judge(known); inFull(first) != inFull(second) {
		t.Errorf("%v after the bytes of the first quote changed", second.Refusal())
	}
}

func TestChecklistIsInOrder(t *testing.T) {
	last, names := 0, map[string]bool{}
	for _, check := range attest.Checklist() {
		if check.Item < last || check.What == "" || names[check.Name] {
			t.Errorf("check %+v after item %d", check, last)
		}
		last, names[check.Name] = check.Item, true
	}
}

// A set may not take the place of another's, or of a newer one.
func TestSetSucceedsAnother(t *testing.T) {
	load := func(change func(*devpki.Collateral)) *attest.Collateral { return scene{collateral: change}.build().set }
	base := load(nil)
	for name, c := range map[string]struct {
		next *attest.Collateral
		ok   bool
	}{
		"itself":             {base, true},
		"newer":              {scene{collateral: func(c *devpki.Collateral) { c.TCBInfo.Evaluation = 18; c.TCBInfo.IssueDate = "2024-12-31T05:00:00Z" }}.build().set, true},
		"lower evaluation":   {load(func(c *devpki.Collateral) { c.TCBInfo.Evaluation = 16 }), false},
		"lower QE":           {load(func(c *devpki.Collateral) { c.QEIdentity.Evaluation = 16 }), false},
		"older TCB info":     {load(func(c *devpki.Collateral) { c.TCBInfo.IssueDate = "2024-12-01T00:00:00Z" }), false},
		"older QE identity":  {load(func(c *devpki.Collateral) { c.QEIdentity.IssueDate = "2024-12-01T00:00:00Z" }), false},
		"older PCK CRL":      {load(func(c *devpki.Collateral) { c.PCKCRL.ThisUpdate = instant.Add(-25 * time.Hour) }), false},
		"older root CRL":     {load(func(c *devpki.Collateral) { c.RootCRL.ThisUpdate = instant.Add(-25 * time.Hour) }), false},
		"another family":     {load(func(c *devpki.Collateral) { c.TCBInfo.FMSPC = "010203040506" }), false},
		"another TEE":        {scene{tdx: true}.build().set, false},
		"one that is broken": {scene{file: func(f *devpki.File) { f.TCBInfo += " " }}.build().set, false},
	} {
		if err := c.next.Succeeds(base); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if key := base.Key(); key != (attest.Key{TEE: attest.SGX, FMSPC: devpki.FMSPC, CA: "Intel SGX PCK Platform CA"}) {
		t.Errorf("key %v", key)
	}
}

// Of many sets the platform's own is taken.
func TestSetsAreChosenByPlatform(t *testing.T) {
	sets := attest.NewSets(pki.Root())
	for _, s := range []scene{
		{}, {tdx: true}, {collateral: func(c *devpki.Collateral) { c.TCBInfo.FMSPC = "010203040506"; c.TCBInfo.Levels[0].Status = "Revoked" }},
		{collateral: func(c *devpki.Collateral) { c.TCBInfo.Evaluation++ }}, // newer than the first
	} {
		sets = must(sets.With(s.build().set))
	}
	known := attest.NewPlatforms(8)
	for range 2 {
		for name, s := range kinds {
			props := s.build()
			if verdict := known.Judge(props.raw, sets, &props.policy, props.at, props.expected); !verdict.Accepted() {
				t.Errorf("%s: %v", name, verdict.Refusal())
			}
		}
	}
	if len(sets.All()) != 3 {
		t.Errorf("%d sets are active", len(sets.All()))
	}
	for name, s := range map[string]scene{
		"unknown family": {changes: devpki.Changes{Platform: func(p *devpki.Platform) { p.FMSPC = []byte{9, 9, 9, 9, 9, 9} }}},
		"unknown CA":     {changes: devpki.Changes{CA: common("Intel SGX PCK Processor CA")}},
		"no family":      {changes: devpki.Changes{Platform: func(p *devpki.Platform) { p.FMSPC = nil }}},
	} {
		props := s.build()
		refusal := known.Judge(props.raw, sets, &props.policy, props.at, props.expected).Refusal()
		if refusal == nil || refusal.Check != "collateral" || !strings.Contains(refusal.Detail, "no collateral for this platform") {
			t.Errorf("%s: %v", name, refusal)
		}
	}
}

// A quote says which set it asks for.
func TestKeyOfAQuote(t *testing.T) {
	for name, s := range kinds {
		props := s.build()
		quote := must(attest.Parse(props.raw))
		if key := must(quote.Key()); key != props.set.Key() {
			t.Errorf("%s: %v, want %v", name, key, props.set.Key())
		}
	}
	for name, s := range map[string]scene{
		"no chain":       {draft: func(d *devpki.Draft) { d.Chain = nil }},
		"no certificate": {draft: func(d *devpki.Draft) { d.Chain = bytes.Replace(d.Chain, []byte("MI"), []byte("AA"), 1) }},
		"no platform":    {changes: devpki.Changes{PCK: func(c *x509.Certificate) { c.ExtraExtensions = nil }}},
	} {
		quote := must(attest.Parse(s.build().raw))
		if key, err := quote.Key(); attest.ClassOf(err) != attest.ClassChain {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
	from, to := scene{}.build().set.Valid()
	if !from.Equal(instant.Add(-24*time.Hour)) || !to.Equal(instant.Add(29*24*time.Hour)) {
		t.Errorf("valid from %s to %s", from, to)
	}
}

func TestSetsTakeNoWorseSet(t *testing.T) {
	sets := must(attest.NewSets(pki.Root()).With(scene{}.build().set))
	for name, s := range map[string]scene{
		"foreign": {pki: foreign},
		"broken":  {file: func(f *devpki.File) { f.QESignature = "" }},
		"older":   {collateral: func(c *devpki.Collateral) { c.TCBInfo.Evaluation-- }},
	} {
		if _, err := sets.With(s.build().set); attest.ClassOf(err) != attest.ClassCollateral {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := attest.NewSets(nil).With(scene{}.build().set); err == nil {
		t.Error("a set is taken under no root")
	}
}

// The content address is that of the content, not of how the file is laid out.
func TestHashOfASet(t *testing.T) {
	file := must(pki.Collateral(instant, false).JSON())
	var members map[string]string
	if err := json.Unmarshal(file, &members); err != nil {
		t.Fatal(err)
	}
	plain, indented := must(attest.Load(file, pki.Root())), must(attest.Load(must(json.MarshalIndent(members, "", "\t")), pki.Root()))
	if plain.Hash() != indented.Hash() {
		t.Error("the layout matters")
	}
	other := must(attest.Load(must(pki.Collateral(instant.Add(time.Second), false).JSON()), pki.Root()))
	if other.Hash() == plain.Hash() {
		t.Error("the content does not matter")
	}
	large := append(bytes.Repeat([]byte(" "), attest.MaxCollateralSize), file...)
	if _, err := attest.Load(large, pki.Root()); attest.ClassOf(err) != attest.ClassCollateral {
		t.Errorf("too large a file: %v", err)
	}
}
