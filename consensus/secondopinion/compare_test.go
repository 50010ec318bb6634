package secondopinion_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/edgelesssys/ego/attestation"
	"github.com/edgelesssys/ego/attestation/tcbstatus"

	"assay/consensus/attest"
	"assay/consensus/secondopinion"
)

func report(change func(*attestation.Report)) attestation.Report {
	r := attestation.Report{
		Data: []byte{1}, UniqueID: []byte{2}, SignerID: []byte{3}, ProductID: []byte{4}, SecurityVersion: 5,
		TCBStatus: tcbstatus.UpToDate, TCBAdvisories: []string{"INTEL-SA-00615"},
	}
	if change != nil {
		change(&r)
	}
	return r
}

func status(s tcbstatus.Status) func(*attestation.Report) {
	return func(r *attestation.Report) { r.TCBStatus = s }
}

var (
	errFailed  = errors.New("OE_VERIFY_FAILED")
	errLevel   = fmt.Errorf("of a TCB: %w", attestation.ErrTCBLevelInvalid)
	errOffline = errors.New("OE_QUOTE_PROVIDER_LOAD_ERROR")
	accepted   = secondopinion.Ours{Report: report(nil)}
)

func refused(class attest.Class) secondopinion.Ours { return secondopinion.Ours{Refused: class} }

func TestCompare(t *testing.T) {
	for name, c := range map[string]struct {
		ours   secondopinion.Ours
		theirs attestation.Report
		err    error
		want   secondopinion.Outcome
	}{
		"both accept":                            {accepted, report(nil), nil, secondopinion.Agrees},
		"we accept, ego refuses":                 {accepted, attestation.Report{}, errFailed, secondopinion.Disagrees},
		"we accept, ego has no collateral":       {accepted, attestation.Report{}, errOffline, secondopinion.None},
		"we refuse, ego has no collateral":       {refused(attest.ClassSignature), attestation.Report{}, errOffline, secondopinion.None},
		"both refuse":                            {refused(attest.ClassSignature), attestation.Report{}, errFailed, secondopinion.Agrees},
		"both refuse the level":                  {refused(attest.ClassTCB), report(status(tcbstatus.Revoked)), errLevel, secondopinion.Agrees},
		"an old platform that both know":         {secondopinion.Ours{Report: report(status(tcbstatus.OutOfDate))}, report(status(tcbstatus.OutOfDate)), errLevel, secondopinion.Agrees},
		"we say hardening, ego up to date":       {secondopinion.Ours{Report: report(status(tcbstatus.SWHardeningNeeded))}, report(nil), nil, secondopinion.Agrees},
		"we say up to date, ego revoked":         {accepted, report(status(tcbstatus.Revoked)), errLevel, secondopinion.Disagrees},
		"we say up to date, ego out of date":     {accepted, report(status(tcbstatus.OutOfDate)), errLevel, secondopinion.Disagrees},
		"ego reads another enclave":              {accepted, report(func(r *attestation.Report) { r.UniqueID = []byte{9} }), nil, secondopinion.Disagrees},
		"ego reads another signer":               {accepted, report(func(r *attestation.Report) { r.SignerID = nil }), nil, secondopinion.Disagrees},
		"ego reads another product":              {accepted, report(func(r *attestation.Report) { r.ProductID = []byte{0} }), nil, secondopinion.Disagrees},
		"ego reads another version":              {accepted, report(func(r *attestation.Report) { r.SecurityVersion++ }), nil, secondopinion.Disagrees},
		"ego reads other report data":            {accepted, report(func(r *attestation.Report) { r.Data = []byte{1, 0} }), nil, secondopinion.Disagrees},
		"ego reads a debug enclave":              {accepted, report(func(r *attestation.Report) { r.Debug = true }), nil, secondopinion.Disagrees},
		"another task's quote":                   {refused(attest.ClassBinding), report(nil), nil, secondopinion.Agrees},
		"another enclave than expected":          {refused(attest.ClassIdentity), report(nil), nil, secondopinion.Agrees},
		"a platform that the policy denies":      {refused(attest.ClassPolicy), report(nil), nil, secondopinion.Agrees},
		"ego accepts a signature that we do not": {refused(attest.ClassSignature), report(nil), nil, secondopinion.Disagrees},
		"ego accepts what was revoked":           {refused(attest.ClassRevoked), report(nil), nil, secondopinion.Disagrees},
		"our collateral has ended":               {refused(attest.ClassExpired), report(nil), nil, secondopinion.Disagrees},
		"we lack collateral":                     {refused(attest.ClassCollateral), report(nil), nil, secondopinion.Disagrees},
		"we find no level, ego does":             {refused(attest.ClassTCB), report(nil), nil, secondopinion.Disagrees},
	} {
		got, why := secondopinion.Compare(c.ours, c.theirs, c.err)
		if got != c.want || (why == "") != (got == secondopinion.Agrees) {
			t.Errorf("%s: %s (%s), want %s", name, got, why, c.want)
		}
	}
}
