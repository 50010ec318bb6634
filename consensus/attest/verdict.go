package attest

import (
	"encoding/binary"
	"time"

	"github.com/edgelesssys/ego/attestation"
	"github.com/edgelesssys/ego/attestation/tcbstatus"
)

// Report is what a verified quote says of an enclave, in ego's words: UniqueID is
// MRENCLAVE (MRTD of a TD), SignerID is MRSIGNER, and TCBStatus is the platform's status
// with those of the quoting enclave and the TDX module taken into account.
type Report struct {
	attestation.Report
	TEE              TEE
	PlatformStatus   tcbstatus.Status
	QEStatus         tcbstatus.Status
	ModuleStatus     tcbstatus.Status // of the TDX module; Unknown where it has no levels of its own
	FMSPC            [6]byte          // the platform's family
	PlatformID       [32]byte         // SHA-256 of the PPID: one physical platform
	EvaluationNumber uint32           // of the collateral
	CollateralHash   [32]byte
	NotBefore        time.Time // when certificates and collateral are all valid
	NotAfter         time.Time
}

// unknown is the report of a quote that was not verified. Its statuses must be said: the
// zero value of ego's reads as up to date.
func unknown() Report {
	return Report{
		Report:         attestation.Report{TCBStatus: tcbstatus.Unknown},
		PlatformStatus: tcbstatus.Unknown, QEStatus: tcbstatus.Unknown, ModuleStatus: tcbstatus.Unknown,
	}
}

// Verdict is what became of a quote. Only Judge makes one that accepts: the zero value
// is a refusal.
type Verdict struct {
	accepted bool
	report   Report
	refusal  *Error
}

// Accepted says whether the quote was accepted.
func (v Verdict) Accepted() bool { return v.accepted }

// Report is what an accepted quote says. That of a refused one is empty, and every
// status in it is Unknown.
func (v Verdict) Report() Report {
	if !v.accepted {
		return unknown()
	}
	return v.report
}

// Refusal is why the quote was not accepted; nil where it was.
func (v Verdict) Refusal() *Error {
	if !v.accepted && v.refusal == nil {
		return refuse(ClassPolicy, "nobody judged it")
	}
	return v.refusal
}

// verdict accepts.
func (j *judgement) verdict() Verdict {
	report := unknown()
	report.TEE = j.quote.TEE
	data := j.quote.ReportData()
	report.Data = data[:]
	if j.quote.TEE == TDX {
		report.Debug = j.quote.TD.Attributes&tdDebug != 0
		report.UniqueID = append([]byte{}, j.quote.TD.MRTD[:]...)
	} else {
		enclave := &j.quote.Enclave
		report.Debug = enclave.flags()&flagDebug != 0
		report.UniqueID = append([]byte{}, enclave.MREnclave[:]...)
		report.SignerID = append([]byte{}, enclave.MRSigner[:]...)
		report.SecurityVersion = uint(enclave.SVN)
		report.ProductID = make([]byte, 16) // as Open Enclave has it
		binary.LittleEndian.PutUint16(report.ProductID, enclave.ProductID)
	}
	j.describe(&report)
	return Verdict{accepted: true, report: report}
}

// describe adds what the collateral says of the platform.
func (j *judgement) describe(report *Report) {
	d := &j.platform.description
	report.TCBStatus, report.TCBAdvisories = j.status, j.advisories
	report.PlatformStatus, report.QEStatus, report.ModuleStatus = j.levels[0].status(), j.levels[1].status(), tcbstatus.Unknown
	if len(j.levels) > 2 {
		report.ModuleStatus = j.levels[2].status()
	}
	report.FMSPC, report.PlatformID = d.fmspc, d.platform
	report.EvaluationNumber, report.CollateralHash = j.set.EvaluationNumber(), j.set.hash
	valid := j.set.valid.narrow(validity(j.platform.leaf)).narrow(validity(j.platform.ca))
	report.NotBefore, report.NotAfter = valid.from, valid.to
}
