package model

import "time"

// Attestation is a row of the table attestations, but for the quote. Those columns that
// say nothing of a refused quote are null there.
type Attestation struct {
	Chain             uint64     `ch:"chain"`
	VerdictID         string     `ch:"verdict"`
	TaskID            string     `ch:"task"`
	Worker            string     `ch:"worker"`
	WorkerpoolAddress string     `ch:"workerpool"`
	Accepted          bool       `ch:"accepted"`
	Class             *string    `ch:"class" sql:"nullIf(toString(class), '')"`
	Check             *string    `ch:"check_name" sql:"nullIf(toString(check_name), '')"`
	Detail            string     `ch:"detail" sql:"toValidUTF8(detail)"`
	Mode              string     `ch:"mode"`
	Tee               *string    `ch:"tee" sql:"nullIf(toString(tee), '')"`
	TcbStatus         string     `ch:"tcb_status" sql:"if(tcb_status = '', 'Unknown', tcb_status)"`
	PlatformStatus    string     `ch:"platform_status" sql:"if(platform_status = '', 'Unknown', platform_status)"`
	QeStatus          string     `ch:"qe_status" sql:"if(qe_status = '', 'Unknown', qe_status)"`
	ModuleStatus      string     `ch:"module_status" sql:"if(module_status = '', 'Unknown', module_status)"`
	Advisories        []string   `ch:"advisories"`
	Mrenclave         *string    `ch:"mrenclave" sql:"nullIf(mrenclave, '')"`
	Mrsigner          *string    `ch:"mrsigner" sql:"nullIf(mrsigner, '')"`
	ProductID         *uint64    `ch:"product_id" sql:"if(ifNull(mrsigner, '') = '', NULL, toUInt64(product_id))"`
	Svn               *uint64    `ch:"svn" sql:"if(ifNull(mrsigner, '') = '', NULL, toUInt64(svn))"`
	Fmspc             *string    `ch:"fmspc" sql:"nullIf(fmspc, '')"`
	PlatformID        *string    `ch:"platform_id" sql:"nullIf(platform_id, '')"`
	EvaluationNumber  *uint64    `ch:"evaluation_number" sql:"if(ifNull(collateral_hash, '') = '', NULL, toUInt64(evaluation_number))"`
	CollateralHash    *string    `ch:"collateral_hash" sql:"nullIf(collateral_hash, '')"`
	PolicyHash        *string    `ch:"policy_hash" sql:"nullIf(policy_hash, '')"`
	NotBefore         *time.Time `ch:"not_before" sql:"nullIf(not_before, toDateTime(0, 'UTC'))"`
	NotAfter          *time.Time `ch:"not_after" sql:"nullIf(not_after, toDateTime(0, 'UTC'))"`
	JudgedAt          time.Time  `ch:"judged_at"`
	ReportData        *string    `ch:"report_data" sql:"nullIf(report_data, '')"`
}

// Quote is the quote of a row of attestations, which is read only where it is asked for.
type Quote struct {
	Chain     uint64 `ch:"chain"`
	VerdictID string `ch:"verdict"`
	Quote     string `ch:"quote" sql:"concat('0x', lower(hex(quote)))"`
}
