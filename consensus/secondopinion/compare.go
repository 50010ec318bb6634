package secondopinion

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/edgelesssys/ego/attestation"
	"github.com/edgelesssys/ego/attestation/tcbstatus"

	"assay/consensus/attest"
)

// Outcome is what a second opinion comes to.
type Outcome string

// The outcomes. They are the values of a metric's label.
const (
	Agrees    Outcome = "agrees"
	Disagrees Outcome = "disagrees"
	None      Outcome = "none" // ego could not judge
)

// Ours is what we said of a quote.
type Ours struct {
	Refused attest.Class       // empty where we accepted it
	Why     string             // we refused it, for a person
	Report  attestation.Report // of a quote that we accepted
}

// left are the classes of refusals for what ego leaves to its caller: it says whose
// enclave speaks on what platform, not whether that is the one that was asked.
var left = []attest.Class{attest.ClassIdentity, attest.ClassBinding, attest.ClassPolicy}

// unasked are Open Enclave's results (oe_result_t) that say nothing about a quote: there
// was no collateral to be had, or no library to fetch it.
var unasked = []string{
	"OE_QUOTE_PROVIDER_LOAD_ERROR", "OE_QUOTE_PROVIDER_CALL_ERROR", "OE_QUOTE_LIBRARY_LOAD_ERROR",
	"OE_SERVICE_UNAVAILABLE", "OE_OUT_OF_MEMORY", "OE_UNSUPPORTED",
}

// Compare says whether ego's report and error (as eclient.VerifyRemoteReport returns them)
// agree with our verdict, and else what the matter is.
func Compare(ours Ours, theirs attestation.Report, err error) (Outcome, string) {
	level := errors.Is(err, attestation.ErrTCBLevelInvalid) // then the report is complete
	switch {
	case err != nil && !level && slices.Contains(unasked, err.Error()):
		return None, err.Error()
	case ours.Refused != "" && (err != nil || slices.Contains(left, ours.Refused)):
		return Agrees, ""
	case ours.Refused != "":
		return Disagrees, fmt.Sprintf("ego accepts, with TCB status %s, a quote that we refused (%s): %s", theirs.TCBStatus, ours.Refused, ours.Why)
	case err != nil && !level:
		return Disagrees, fmt.Sprintf("ego refuses a quote that we accepted: %v", err)
	}
	if found := differences(ours.Report, theirs); len(found) > 0 {
		return Disagrees, "ego reads a quote that we accepted differently: " + strings.Join(found, ", ")
	}
	return Agrees, ""
}

// differences lists where two reports of one quote differ. A status that we accept and ego
// does not (ErrTCBLevelInvalid) is a matter of policy, unless it is another status.
func differences(ours, theirs attestation.Report) (found []string) {
	add := func(differ bool, name string, ours, theirs any) {
		if differ {
			found = append(found, fmt.Sprintf("%s %v, we say %v", name, theirs, ours))
		}
	}
	add(hardened(ours.TCBStatus) != hardened(theirs.TCBStatus), "TCB status", ours.TCBStatus, theirs.TCBStatus)
	for _, field := range []struct {
		name         string
		ours, theirs []byte
	}{
		{"MRENCLAVE", ours.UniqueID, theirs.UniqueID}, {"MRSIGNER", ours.SignerID, theirs.SignerID},
		{"product", ours.ProductID, theirs.ProductID}, {"report data", ours.Data, theirs.Data},
	} {
		add(!bytes.Equal(field.ours, field.theirs), field.name, fmt.Sprintf("%x", field.ours), fmt.Sprintf("%x", field.theirs))
	}
	add(ours.SecurityVersion != theirs.SecurityVersion, "security version", ours.SecurityVersion, theirs.SecurityVersion)
	add(ours.Debug != theirs.Debug, "debug", ours.Debug, theirs.Debug)
	return found
}

// hardened takes SWHardeningNeeded for UpToDate, as Open Enclave does since it learned of
// load value injection (INTEL-SA-00334).
func hardened(status tcbstatus.Status) tcbstatus.Status {
	if status == tcbstatus.SWHardeningNeeded {
		return tcbstatus.UpToDate
	}
	return status
}
