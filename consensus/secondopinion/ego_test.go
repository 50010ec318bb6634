//go:build ego

package secondopinion_test

import (
	"errors"
	"testing"

	"github.com/edgelesssys/ego/attestation"
	"github.com/edgelesssys/ego/attestation/tcbstatus"

	"assay/consensus/secondopinion"
	"assay/internal/devpki"
)

// These run against the stand-in (stub/oehostverify.c), which says what the quote's
// report data tells it to say: result and TCB status.
func ask(t *testing.T, result, status byte) (attestation.Report, error) {
	t.Helper()
	pki, err := devpki.New([]byte("second opinion"))
	if err != nil {
		t.Fatal(err)
	}
	machine, err := pki.Machine("m")
	if err != nil {
		t.Fatal(err)
	}
	enclave := devpki.Enclave{MREnclave: [32]byte{1, 2}, MRSigner: [32]byte{3}, ProductID: 0x405, SecurityVersion: 0x607}
	quote, err := machine.Quote(enclave, [64]byte{result, status})
	if err != nil {
		t.Fatal(err)
	}
	return secondopinion.Ego(devpki.WrapOE(quote))
}

func TestEgoReadsAQuote(t *testing.T) {
	report, err := ask(t, 0, byte(tcbstatus.SWHardeningNeeded))
	if err != nil {
		t.Fatal(err)
	}
	if report.UniqueID[1] != 2 || report.SignerID[0] != 3 || report.ProductID[1] != 4 || report.SecurityVersion != 0x607 ||
		report.Debug || len(report.Data) != 64 || report.TCBStatus != tcbstatus.SWHardeningNeeded || len(report.TCBAdvisories) != 1 {
		t.Errorf("got %+v", report)
	}
}

// Whatever is not said with a report says Unknown to us: the zero value reads as up to date.
func TestEgoRefuses(t *testing.T) {
	const verifyFailed, levelInvalid = 11, 67
	if report, err := ask(t, verifyFailed, 0); err == nil || err.Error() != "OE_VERIFY_FAILED" || report.TCBStatus != tcbstatus.Unknown {
		t.Errorf("got %+v, %v", report, err)
	}
	if report, err := ask(t, levelInvalid, byte(tcbstatus.Revoked)); !errors.Is(err, attestation.ErrTCBLevelInvalid) || report.TCBStatus != tcbstatus.Revoked {
		t.Errorf("got %+v, %v", report, err)
	}
	if report, err := secondopinion.Ego(nil); !errors.Is(err, attestation.ErrEmptyReport) || report.TCBStatus != tcbstatus.Unknown {
		t.Errorf("got %+v, %v", report, err)
	}
}
