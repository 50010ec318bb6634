package attest_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/edgelesssys/ego/attestation/tcbstatus"

	"assay/consensus/attest"
	"assay/internal/devpki"
)

// scene is a quote with all that it is judged by. Every part is sound unless it is changed.
type scene struct {
	version    uint16 // of the quote; 0: 3, or 4 of a TD
	tdx, td15  bool
	enclave    func(*devpki.Enclave)
	td         func(*devpki.TD)
	changes    devpki.Changes
	draft      func(*devpki.Draft)
	quote      func([]byte) []byte // after it is signed
	collateral func(*devpki.Collateral)
	file       func(*devpki.File) // after it is signed
	policy     func(*attest.Policy)
	at         time.Time // when it is judged; zero: instant
	pki        *devpki.PKI
	trust      *devpki.PKI // whose root is trusted; nil: the quote's
}

// props are what a scene comes down to.
type props struct {
	raw      []byte
	set      *attest.Collateral
	policy   attest.Policy
	at       time.Time
	expected [64]byte
}

func (p props) judge(known *attest.Platforms) attest.Verdict {
	return known.Judge(p.raw, p.set, &p.policy, p.at, p.expected)
}

func change[T any](value *T, by func(*T)) {
	if by != nil {
		by(value)
	}
}

func (s scene) build() props {
	if s.pki == nil {
		s.pki = must(devpki.NewChanged([]byte("attest tests"), s.changes))
	}
	if s.trust == nil {
		s.trust = s.pki
	}
	p := props{policy: attest.Strict(), at: instant, expected: binding.ReportData()}
	change(&p.policy, s.policy)
	if !s.at.IsZero() {
		p.at = s.at
	}
	p.raw = s.signedQuote()
	set := s.pki.Collateral(instant, s.tdx)
	change(set, s.collateral)
	file := must(set.File())
	change(&file, s.file)
	p.set, _ = attest.Load(must(json.Marshal(file)), s.trust.Root()) // Judge reports its flaws
	return p
}

func (s scene) signedQuote() []byte {
	var report []byte
	if s.tdx {
		td := devpki.TD{MRTD: [48]byte{0xdd}, RTMR: [4][48]byte{{1}, {2}, {3}, {4}}}
		change(&td, s.td)
		report = td.Report(binding.ReportData(), s.td15)
	} else {
		e := enclave
		change(&e, s.enclave)
		report = e.Report(binding.ReportData())
	}
	if s.version == 0 {
		s.version = map[bool]uint16{false: 3, true: 4}[s.tdx]
	}
	draft := must(s.pki.Machine("a")).Draft(s.version, report)
	change(draft, s.draft)
	raw := must(draft.Quote())
	if s.quote != nil {
		raw = s.quote(raw)
	}
	return raw
}

// accepts judges a scene, and fails unless it is accepted.
func (s scene) accepts(t *testing.T) attest.Report {
	t.Helper()
	verdict := s.build().judge(nil)
	if !verdict.Accepted() || verdict.Refusal() != nil {
		t.Fatalf("refused: %v", verdict.Refusal())
	}
	return verdict.Report()
}

// refuses judges a scene, and fails unless it is refused by that check, with that class,
// and nothing about it reads as trusted.
func (s scene) refuses(t *testing.T, check string, class attest.Class) {
	t.Helper()
	verdict := s.build().judge(nil)
	refusal := verdict.Refusal()
	if verdict.Accepted() || refusal == nil {
		t.Fatal("accepted")
	}
	if refusal.Check != check || refusal.Class != class {
		t.Errorf("refused by %s (%s), want %s (%s): %v", refusal.Check, refusal.Class, check, class, refusal)
	}
	reportsNothing(t, verdict)
}

func reportsNothing(t *testing.T, verdict attest.Verdict) {
	t.Helper()
	report := verdict.Report()
	if report.TCBStatus != tcbstatus.Unknown || report.PlatformStatus != tcbstatus.Unknown || report.QEStatus != tcbstatus.Unknown ||
		report.ModuleStatus != tcbstatus.Unknown || report.UniqueID != nil || report.PlatformID != [32]byte{} {
		t.Errorf("a refused quote reports %+v", report)
	}
}
