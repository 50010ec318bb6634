package projection

import (
	"reflect"
	"testing"
	"time"

	"assay/schema/assaypb"
)

func TestAttestationGivesARow(t *testing.T) {
	decision := func(a *assaypb.Attestation) *assaypb.Decision {
		return &assaypb.Decision{
			Id: []byte{1}, ChainId: 7, Workerpool: []byte{2}, Task: []byte{3}, Worker: []byte{4},
			Body: &assaypb.Decision_Verdict{Verdict: &assaypb.Verdict{Outcome: assaypb.Verdict_ACCEPTED, Reason: assaypb.Reason_REASON_OK, Attestation: a}},
		}
	}
	moment := func(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
	for name, c := range map[string]struct {
		a    *assaypb.Attestation
		want Attestation
	}{
		"accepted": {
			&assaypb.Attestation{
				Accepted: true, Mode: assaypb.Attestation_SESSION, Tee: assaypb.Attestation_TDX, TcbStatus: "UpToDate", PlatformStatus: "SWHardeningNeeded",
				QeStatus: "OutOfDate", ModuleStatus: "Unknown", Advisories: []string{"INTEL-SA-1"}, Mrenclave: []byte{5}, Mrsigner: []byte{6}, ProductId: 7, Svn: 8,
				Fmspc: []byte{9}, PlatformId: []byte{10}, EvaluationNumber: 11, CollateralHash: []byte{12}, PolicyHash: []byte{13},
				NotBefore: 14, NotAfter: 15, JudgedAt: 16, Quote: []byte{0xff, 0}, ReportData: []byte{17},
			},
			Attestation{
				Chain: 7, Verdict: "0x01", Workerpool: "0x02", Task: "0x03", Worker: "0x04", Accepted: true, Mode: "SESSION", TEE: "TDX",
				TCBStatus: "UpToDate", PlatformStatus: "SWHardeningNeeded", QEStatus: "OutOfDate", ModuleStatus: "Unknown", Advisories: []string{"INTEL-SA-1"},
				MREnclave: "0x05", MRSigner: "0x06", ProductID: 7, SVN: 8, FMSPC: "0x09", PlatformID: "0x0a", EvaluationNumber: 11,
				CollateralHash: "0x0c", PolicyHash: "0x0d", NotBefore: moment(14), NotAfter: moment(15), JudgedAt: moment(16),
				Quote: "\xff\x00", ReportData: "0x11", Version: 42,
			},
		},
		"refused": {
			&assaypb.Attestation{Class: "format", Check: "structure", Detail: "short", Mode: assaypb.Attestation_RESULT, TcbStatus: "Unknown", Quote: []byte{1}},
			Attestation{
				Chain: 7, Verdict: "0x01", Workerpool: "0x02", Task: "0x03", Worker: "0x04", Class: "format", Check: "structure", Detail: "short",
				Mode: "RESULT", TCBStatus: "Unknown", Advisories: []string{}, NotBefore: moment(0), NotAfter: moment(0), JudgedAt: moment(0), Quote: "\x01", Version: 42,
			},
		},
	} {
		rows, err := Decisions{Chain: 7}.Apply(3, 42, decision(c.a))
		if err != nil || len(rows.Attestations) != 1 || rows.Len() != 3 || !reflect.DeepEqual(rows.Attestations[0], c.want) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", name, err, rows.Attestations, c.want)
		}
	}
	if rows, err := (Decisions{Chain: 7}).Apply(3, 42, decision(nil)); err != nil || len(rows.Attestations) != 0 {
		t.Errorf("no quote: %+v, %v", rows.Attestations, err)
	}
}
