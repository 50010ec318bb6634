package projection

import (
	"time"

	"assay/schema/assaypb"
)

// Attestation is a row of attestations.
type Attestation struct {
	Chain            uint64    `ch:"chain"`
	Verdict          string    `ch:"verdict"`
	Workerpool       string    `ch:"workerpool"`
	Task             string    `ch:"task"`
	Worker           string    `ch:"worker"`
	Accepted         bool      `ch:"accepted"`
	Class            string    `ch:"class"`
	Check            string    `ch:"check_name"`
	Detail           string    `ch:"detail"`
	Mode             string    `ch:"mode"`
	TEE              string    `ch:"tee"`
	TCBStatus        string    `ch:"tcb_status"`
	PlatformStatus   string    `ch:"platform_status"`
	QEStatus         string    `ch:"qe_status"`
	ModuleStatus     string    `ch:"module_status"`
	Advisories       []string  `ch:"advisories"`
	MREnclave        string    `ch:"mrenclave"`
	MRSigner         string    `ch:"mrsigner"`
	ProductID        uint32    `ch:"product_id"`
	SVN              uint32    `ch:"svn"`
	FMSPC            string    `ch:"fmspc"`
	PlatformID       string    `ch:"platform_id"`
	EvaluationNumber uint32    `ch:"evaluation_number"`
	CollateralHash   string    `ch:"collateral_hash"`
	PolicyHash       string    `ch:"policy_hash"`
	NotBefore        time.Time `ch:"not_before"`
	NotAfter         time.Time `ch:"not_after"`
	JudgedAt         time.Time `ch:"judged_at"`
	Quote            string    `ch:"quote"` // raw bytes
	ReportData       string    `ch:"report_data"`
	Version          uint64    `ch:"version"`
	Deleted          uint8     `ch:"deleted"`
}

// attestation is the row of what became of a verdict's quote.
func (d Decisions) attestation(decision *assaypb.Decision, a *assaypb.Attestation, offset uint64) Attestation {
	tee := enumName(a.Tee.Descriptor(), a.Tee.Number())
	if a.Tee == assaypb.Attestation_TEE_UNSPECIFIED {
		tee = ""
	}
	return Attestation{
		Chain: d.Chain, Verdict: hexOf(decision.Id), Workerpool: optionalHex(decision.Workerpool),
		Task: optionalHex(decision.Task), Worker: optionalHex(decision.Worker),
		Accepted: a.Accepted, Class: a.Class, Check: a.Check, Detail: a.Detail,
		Mode: enumName(a.Mode.Descriptor(), a.Mode.Number()), TEE: tee,
		TCBStatus: a.TcbStatus, PlatformStatus: a.PlatformStatus, QEStatus: a.QeStatus, ModuleStatus: a.ModuleStatus,
		Advisories: append([]string{}, a.Advisories...),
		MREnclave:  optionalHex(a.Mrenclave), MRSigner: optionalHex(a.Mrsigner), ProductID: a.ProductId, SVN: a.Svn,
		FMSPC: optionalHex(a.Fmspc), PlatformID: optionalHex(a.PlatformId), EvaluationNumber: a.EvaluationNumber,
		CollateralHash: optionalHex(a.CollateralHash), PolicyHash: optionalHex(a.PolicyHash),
		NotBefore: at(a.NotBefore), NotAfter: at(a.NotAfter), JudgedAt: at(a.JudgedAt),
		Quote: string(a.Quote), ReportData: optionalHex(a.ReportData), Version: offset,
	}
}
