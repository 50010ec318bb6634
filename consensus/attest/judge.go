package attest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"time"

	"github.com/edgelesssys/ego/attestation"
	"github.com/edgelesssys/ego/attestation/tcbstatus"
)

// Judge says what a quote proves at an instant (a block's time): by the collateral for its
// platform, under the collateral's root, by a policy, and for exactly this report data.
func Judge(raw []byte, from Source, policy *Policy, at time.Time, expected [64]byte) Verdict {
	return (*Platforms)(nil).Judge(raw, from, policy, at, expected)
}

// Judge does what the function Judge does, and remembers the machine: a further quote of
// it costs one signature. The verdict is the same.
func (p *Platforms) Judge(raw []byte, from Source, policy *Policy, at time.Time, expected [64]byte) Verdict {
	j := judgement{raw: raw, root: from.trusted(), from: from, policy: policy, at: at, expected: expected, known: p}
	if err := j.run(); err != nil {
		return Verdict{refusal: err}
	}
	return j.verdict()
}

// judgement is a quote on its way through the checks.
type judgement struct {
	raw      []byte
	root     *x509.Certificate
	from     Source
	policy   *Policy
	at       time.Time
	expected [64]byte
	known    *Platforms

	quote      Quote
	key        [32]byte // of the platform among the known ones
	platform   *platform
	set        *Collateral // for the platform
	familiar   bool        // the platform was known
	levels     []*level    // of platform, quoting enclave and, if it has any, TDX module
	status     tcbstatus.Status
	advisories []string
}

// run makes the checks in order, up to the first that refuses.
func (j *judgement) run() *Error {
	for i := range checklist {
		if err := checklist[i].run(j); err != nil {
			refusal := *err // a set's own flaw is shared by all that it refuses
			refusal.Check = checklist[i].Name
			return &refusal
		}
	}
	return nil
}

// Check is one of the things that a quote must pass.
type Check struct {
	Item int    // in docs/attestation.md
	Name string // as in Error.Check
	What string // that is checked
	run  func(*judgement) *Error
}

// Checklist returns all checks, in the order in which they are made.
func Checklist() []Check { return slices.Clone(checklist[:]) }

// The order is that of cost and of meaning: nothing is looked at before what it rests on.
var checklist = [...]Check{
	{1, "structure", "the quote is of a kind we read, every length is exact, nothing follows it", (*judgement).checkStructure},
	{2, "certification-data", "it carries the platform's certificates", (*judgement).checkCertification},
	{3, "chain", "they lead from the trusted root to a PCK certificate", (*judgement).checkChain},
	{4, "validity", "each of them is valid at the instant", (*judgement).checkValidity},
	{5, "collateral", "the collateral is there, complete and signed under the same root", (*judgement).checkCollateral},
	{5, "revocation-lists", "the revocation lists are current, and of the CA that certified the platform", (*judgement).checkRevocationLists},
	{5, "revocation", "neither the platform, nor its CA, nor the collateral's signer is revoked", (*judgement).checkRevocation},
	{6, "platform", "the PCK certificate describes the platform that the collateral is for", (*judgement).checkPlatform},
	{7, "tcb-info", "the TCB info is of this kind of enclave and current", (*judgement).checkTCBInfo},
	{8, "qe-signature", "the PCK key signed the quoting enclave's report", (*judgement).checkQESignature},
	{9, "qe-report-data", "that report vouches for the attestation key", (*judgement).checkQEReportData},
	{10, "qe-identity", "it is the quoting enclave that Intel describes", (*judgement).checkQEIdentity},
	{11, "quote-signature", "the attestation key signed the quote", (*judgement).checkQuoteSignature},
	{12, "tcb-level", "platform, quoting enclave and TDX module reach a known level", (*judgement).checkLevels},
	{13, "tcb-status", "the policy accepts their status and its advisories", (*judgement).checkStatus},
	{13, "evaluation", "the collateral is of an evaluation and an age that the policy accepts", (*judgement).checkEvaluation},
	{13, "denied", "the policy denies neither platform nor family", (*judgement).checkDenied},
	{14, "enclave", "the enclave is initialized, not for debugging, and an expected one", (*judgement).checkEnclave},
	{15, "report-data", "all 64 bytes of report data are the expected ones", (*judgement).checkReportData},
	{16, "td", "a TD cannot be looked into, and ran under the module that Intel describes", (*judgement).checkTD},
}

func (j *judgement) checkStructure() (err *Error) {
	if len(j.raw) == 0 {
		return refuse(ClassFormat, "%v", attestation.ErrEmptyReport)
	}
	if j.quote, err = parse(j.raw); err != nil {
		return err
	}
	if j.quote.Padding > 0 && (!j.policy.AllowPadding || j.quote.TEE != TDX) {
		return refuse(ClassFormat, "%d zero bytes follow the quote", j.quote.Padding)
	}
	return nil
}

func (j *judgement) checkCertification() *Error {
	if kind := j.quote.certification; kind != certificatePCK {
		return refuse(ClassFormat, "certification data of type %d, want %d (PCK chain)", kind, certificatePCK)
	}
	return nil
}

func (j *judgement) checkChain() (err *Error) {
	j.key = sha256.Sum256(j.quote.vouched)
	if j.platform = j.known.find(j.key, j.root); j.platform != nil {
		j.familiar = true
		return nil
	}
	j.platform, err = readPlatform(j.quote.chain, j.root, j.from)
	return err
}

func (j *judgement) checkValidity() *Error {
	for _, certificate := range []*x509.Certificate{j.platform.leaf, j.platform.ca, j.root} {
		if err := validity(certificate).check(certificate.Subject.CommonName, j.at, 0); err != nil {
			return err
		}
	}
	return nil
}

func (j *judgement) checkCollateral() *Error {
	if j.set = j.from.find(j.quote.TEE, j.platform); j.set == nil {
		return refuse(ClassCollateral, "there is no collateral for this platform")
	}
	if j.set.fault != nil {
		return j.set.fault
	}
	for _, signer := range append([]*x509.Certificate{j.set.ca}, j.set.signers...) {
		if err := validity(signer).check(signer.Subject.CommonName+" of the collateral", j.at, 0); err != nil {
			return err
		}
	}
	return nil
}

// checkRevocationLists is 4.1.2.4.6 of Intel's quote verification library.
func (j *judgement) checkRevocationLists() *Error {
	ours, theirs := j.platform.ca, j.set.ca
	if !bytes.Equal(ours.RawSubject, theirs.RawSubject) || !theirs.PublicKey.(*ecdsa.PublicKey).Equal(ours.PublicKey) { // parseCertificate saw to the type
		return refuse(ClassCollateral, "the PCK CRL is that of %s, the platform was certified by %s", theirs.Subject.CommonName, ours.Subject.CommonName)
	}
	if err := j.set.rootCRL.window.check("the root CRL", j.at, j.policy.CollateralGrace); err != nil {
		return err
	}
	return j.set.pckCRL.window.check("the PCK CRL", j.at, j.policy.CollateralGrace)
}

// checkRevocation is 4.1.2.4.7, with the signers of the collateral.
func (j *judgement) checkRevocation() *Error {
	if err := j.set.pckCRL.refuse(j.platform.leaf); err != nil {
		return err
	}
	for _, certificate := range append([]*x509.Certificate{j.platform.ca, j.set.ca}, j.set.signers...) {
		if err := j.set.rootCRL.refuse(certificate); err != nil {
			return err
		}
	}
	return nil
}

// checkPlatform is 4.1.2.4.10.
func (j *judgement) checkPlatform() *Error {
	if err := j.platform.describe(); err != nil {
		return err
	}
	d, info := &j.platform.description, &j.set.tcb
	if !bytes.Equal(d.fmspc[:], info.FMSPC) || !bytes.Equal(d.pceID[:], info.PCEID) {
		return refuse(ClassCollateral, "the collateral is for platforms %x with PCE %x, this is one of %x with PCE %x",
			[]byte(info.FMSPC), []byte(info.PCEID), d.fmspc, d.pceID)
	}
	return nil
}

func (j *judgement) checkTCBInfo() *Error {
	if j.set.tcb.ID != string(j.quote.TEE) {
		return refuse(ClassCollateral, "the TCB info is for %s, the quote of %s", j.set.tcb.ID, j.quote.TEE)
	}
	return j.set.tcb.window().check("the TCB info", j.at, j.policy.CollateralGrace)
}

// checkQESignature is 4.1.2.4.12.
func (j *judgement) checkQESignature() *Error {
	if j.familiar {
		return nil
	}
	pck := j.platform.leaf.PublicKey.(*ecdsa.PublicKey) // parseCertificate saw to the type
	if !verifyRaw(pck, j.quote.qeReport, j.quote.qeSignature) {
		return refuse(ClassSignature, "the PCK key did not sign the quoting enclave's report")
	}
	j.platform.quoting = parseEnclave(j.quote.qeReport)
	return nil
}

// checkQEReportData is 4.1.2.4.13, and holds the second half to zero.
func (j *judgement) checkQEReportData() *Error {
	if j.familiar {
		return nil
	}
	vouched := sha256.Sum256(slices.Concat(j.quote.attestationKey, j.quote.qeAuth))
	var want [64]byte
	copy(want[:], vouched[:])
	if j.platform.quoting.Data != want {
		return refuse(ClassSignature, "the quoting enclave's report vouches for another attestation key")
	}
	return nil
}

// checkQEIdentity is 4.1.2.4.14 and 15.
func (j *judgement) checkQEIdentity() *Error {
	identity, qe := &j.set.qe, &j.platform.quoting
	if err := identity.window().check("the QE identity", j.at, j.policy.CollateralGrace); err != nil {
		return err
	}
	switch {
	case !bytes.Equal(qe.MRSigner[:], identity.MRSigner):
		return refuse(ClassQE, "the quoting enclave was signed by %x", qe.MRSigner)
	case qe.ProductID != *identity.ProductID:
		return refuse(ClassQE, "the quoting enclave is product %d, want %d", qe.ProductID, *identity.ProductID)
	case !masked(qe.MiscSelect[:], identity.MiscSelect, identity.MiscSelectMask):
		return refuse(ClassQE, "the quoting enclave has MISCSELECT %x", qe.MiscSelect)
	case !masked(qe.Attributes[:], identity.Attributes, identity.AttributesMask):
		return refuse(ClassQE, "the quoting enclave has attributes %x", qe.Attributes)
	case qe.flags()&flagDebug != 0 || qe.flags()&flagInit == 0:
		return refuse(ClassQE, "the quoting enclave is one for debugging, or was not initialized")
	case findVersion(identity.Levels, qe.SVN) == nil:
		return refuse(ClassQE, "security version %d of the quoting enclave is below every level", qe.SVN)
	}
	return nil
}

// checkQuoteSignature is 4.1.2.4.16. Everything about the platform now holds, so it is
// remembered.
func (j *judgement) checkQuoteSignature() *Error {
	if !j.familiar {
		if j.platform.attestation = point(j.quote.attestationKey); j.platform.attestation == nil {
			return refuse(ClassSignature, "the attestation key is not on the curve")
		}
		if j.set != nil {
			j.known.add(j.key, j.platform)
		}
	}
	if !verifyRaw(j.platform.attestation, j.quote.signed, j.quote.signature) {
		return refuse(ClassSignature, "the attestation key did not sign header and report body")
	}
	return nil
}

// checkLevels is 4.1.2.4.17.
func (j *judgement) checkLevels() *Error {
	var td *TD
	if j.quote.TEE == TDX {
		td = &j.quote.TD
	}
	platform := j.set.tcb.find(j.platform.description, td)
	if platform == nil {
		return refuse(ClassTCB, "the platform's firmware is below every level")
	}
	j.levels = append(j.levels, platform, findVersion(j.set.qe.Levels, j.platform.quoting.SVN))
	if td != nil {
		_, level, err := j.set.tcb.module(td)
		if err != nil {
			return err
		}
		if level != nil {
			j.levels = append(j.levels, level)
		}
	}
	j.status = platform.status()
	for i, level := range j.levels {
		if i > 0 {
			j.status = merge(j.status, level.status())
		}
		for _, advisory := range level.Advisories {
			if !slices.Contains(j.advisories, advisory) {
				j.advisories = append(j.advisories, advisory)
			}
		}
	}
	return nil
}

func (j *judgement) checkStatus() *Error {
	switch {
	case j.status == tcbstatus.Revoked: // whatever the policy says
		return refuse(ClassTCB, "the platform's status is %s", j.status)
	case !slices.Contains(j.policy.Statuses, j.status) && !j.withinGrace():
		return refuse(ClassTCB, "the platform's status is %s %v, which the policy does not accept", j.status, j.advisories)
	}
	return j.policy.checkAdvisories(j.status, j.advisories)
}

// withinGrace says that the platform is out of date, but not for long.
func (j *judgement) withinGrace() bool {
	if j.status != tcbstatus.OutOfDate || j.policy.PlatformGrace == 0 {
		return false
	}
	for _, level := range j.levels {
		if level.status() == tcbstatus.OutOfDate && j.at.After(level.Date.Add(j.policy.PlatformGrace)) {
			return false
		}
	}
	return true
}

func (j *judgement) checkEvaluation() *Error {
	if number := j.set.EvaluationNumber(); number < j.policy.MinEvaluation {
		return refuse(ClassPolicy, "the collateral is of evaluation %d, at least %d is asked for", number, j.policy.MinEvaluation)
	}
	for _, issued := range []time.Time{j.set.tcb.IssueDate, j.set.qe.IssueDate} {
		if j.policy.MaxAge > 0 && j.at.After(issued.Add(j.policy.MaxAge)) {
			return refuse(ClassPolicy, "the collateral was issued at %s, more than %s ago", stamp(issued), j.policy.MaxAge)
		}
	}
	return nil
}

func (j *judgement) checkDenied() *Error {
	d := &j.platform.description
	switch {
	case slices.Contains(j.policy.DeniedFMSPCs, d.fmspc):
		return refuse(ClassPolicy, "platforms of family %x are denied", d.fmspc)
	case slices.Contains(j.policy.DeniedPlatforms, d.platform):
		return refuse(ClassPolicy, "platform %x is denied", d.platform)
	}
	return nil
}

// checkEnclave refuses enclaves that anyone may look into, and other ones than expected.
func (j *judgement) checkEnclave() *Error {
	if j.quote.TEE == SGX {
		flags := j.quote.Enclave.flags()
		if flags&flagDebug != 0 && !j.policy.AllowDebug {
			return refuse(ClassIdentity, "a debug enclave: its owner reads its memory")
		}
		if flags&flagInit == 0 {
			return refuse(ClassIdentity, "the enclave was not initialized")
		}
	} else if j.quote.TD.Attributes&tdDebug != 0 && !j.policy.AllowDebug {
		return refuse(ClassIdentity, "a debug TD: its owner reads its memory")
	}
	if len(j.policy.Identities) == 0 || slices.ContainsFunc(j.policy.Identities, j.quote.is) {
		return nil
	}
	if j.quote.TEE == TDX {
		return refuse(ClassIdentity, "MRTD %x, or what it measured since, is not an expected one", j.quote.TD.MRTD)
	}
	e := &j.quote.Enclave
	return refuse(ClassIdentity, "MRENCLAVE %x (MRSIGNER %x, product %d, security version %d) is not an expected one",
		e.MREnclave, e.MRSigner, e.ProductID, e.SVN)
}

// is says that the quote is of an enclave with that identity.
func (q *Quote) is(identity Identity) bool {
	enclave, td := &q.Enclave, &q.TD
	if q.TEE == TDX {
		return identity.MREnclave == nil && identity.MRSigner == nil && identity.ProductID == nil && identity.MinSVN == nil &&
			is(td.MRTD, identity.MRTD) && is(td.RTMR[0], identity.RTMR[0]) && is(td.RTMR[1], identity.RTMR[1]) &&
			is(td.RTMR[2], identity.RTMR[2]) && is(td.RTMR[3], identity.RTMR[3])
	}
	return identity.MRTD == nil && identity.RTMR == [4]*[48]byte{} &&
		is(enclave.MREnclave, identity.MREnclave) && is(enclave.MRSigner, identity.MRSigner) &&
		is(enclave.ProductID, identity.ProductID) && (identity.MinSVN == nil || enclave.SVN >= *identity.MinSVN)
}

// is says that a value is the wanted one, if one is wanted.
func is[T comparable](value T, wanted *T) bool { return wanted == nil || value == *wanted }

func (j *judgement) checkReportData() *Error {
	data := j.quote.ReportData()
	for _, expected := range []*[64]byte{&j.expected, j.policy.ReportData} {
		if expected != nil && data != *expected {
			return refuse(ClassBinding, "report data is %x, want %x", data, *expected)
		}
	}
	return nil
}

// checkTD holds a TD to what the TDX module promises only of some (Intel TDX Module ABI, TD_PARAMS).
func (j *judgement) checkTD() *Error {
	if j.quote.TEE != TDX {
		return nil
	}
	td := &j.quote.TD
	module, _, err := j.set.tcb.module(td)
	if err != nil {
		return err
	}
	switch {
	case !bytes.Equal(td.MRSignerSEAM[:], module.MRSigner) || !masked(td.SEAMAttributes[:], module.Attributes, module.Mask):
		return refuse(ClassIdentity, "the TD ran under a TDX module that Intel does not describe")
	case td.Attributes&tdTUD&^tdDebug != 0:
		return refuse(ClassIdentity, "the TD can be profiled: attributes %#x", td.Attributes)
	case td.Attributes&^uint64(tdKnown) != 0:
		return refuse(ClassIdentity, "the TD has reserved attributes: %#x", td.Attributes)
	case td.XFAM&xfamAlways != xfamAlways || td.XFAM&^xfamKnown != 0:
		return refuse(ClassIdentity, "the TD uses processor state %#x", td.XFAM)
	case j.policy.LaxTD:
		return nil
	case td.Attributes&tdSeptVEDisable == 0:
		return refuse(ClassIdentity, "the TD lets its host inject page faults (SEPT_VE_DISABLE is not set)")
	case td.Attributes&tdMigratable != 0 || td.MRServiceTD != [48]byte{}:
		return refuse(ClassIdentity, "another TD may move or look into this one")
	}
	return nil
}
