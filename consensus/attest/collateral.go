package attest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// MaxCollateralSize is the largest collateral file that is read, in bytes. Real ones
// have 10 to 30 kB.
const MaxCollateralSize = 1 << 20

// Key says which platforms a collateral set is for. One set per key is active at a time.
type Key struct {
	TEE   TEE
	FMSPC [6]byte
	CA    string // common name of the CA that issued the PCK certificates
}

// Collateral is all that Intel says about a family of platforms at a time: how current
// its firmware must be, what its quoting enclave is, and which certificates are revoked.
// It is immutable, and safe for concurrent use.
type Collateral struct {
	root    *x509.Certificate
	ca      *x509.Certificate // of the PCK certificates
	signers []*x509.Certificate
	rootCRL crl
	pckCRL  crl
	tcb     tcbInfo
	qe      qeIdentity
	hash    [32]byte
	valid   window // of all of it together
	fault   *Error // why it may not be used
}

// collateralFile is the file's form: the member names are those of Intel's
// sgx_ql_qve_collateral_t. The signed JSON is a string, so that it stays byte for byte.
type collateralFile struct {
	PCKCRLChain  string `json:"pck_crl_issuer_chain"`
	RootCRL      string `json:"root_ca_crl"` // DER, in hex, as is the next
	PCKCRL       string `json:"pck_crl"`
	TCBChain     string `json:"tcb_info_issuer_chain"`
	TCBInfo      string `json:"tcb_info"`
	TCBSignature string `json:"tcb_info_signature"` // r ‖ s, in hex, as is the last
	QEChain      string `json:"qe_identity_issuer_chain"`
	QEIdentity   string `json:"qe_identity"`
	QESignature  string `json:"qe_identity_signature"`
}

// Load reads a collateral set and checks every signature in it, once. What depends on
// the time is left to Judge. The set that comes with an error (an *Error) is good for one
// thing only: Judge refuses every quote by it, for the quote's own flaws or else for this.
func Load(raw []byte, root *x509.Certificate) (*Collateral, error) {
	set := &Collateral{root: root}
	if set.fault = set.load(raw); set.fault != nil {
		return set, set.fault
	}
	return set, nil
}

func (c *Collateral) load(raw []byte) *Error {
	if c.root == nil {
		return refuse(ClassChain, "there is no trusted root")
	}
	if len(raw) > MaxCollateralSize {
		return refuse(ClassCollateral, "%d bytes of collateral, more than %d", len(raw), MaxCollateralSize)
	}
	var file collateralFile
	if err := json.Unmarshal(raw, &file); err != nil {
		return refuse(ClassCollateral, "the collateral cannot be read: %v", err)
	}
	c.hash = file.hash()
	for _, step := range []func(*collateralFile) *Error{c.loadRevocations, c.loadTCBInfo, c.loadQEIdentity} {
		if err := step(&file); err != nil {
			return err
		}
	}
	if (c.tcb.ID == string(TDX)) != (c.qe.ID == "TD_QE") {
		return refuse(ClassCollateral, "TCB info for %s with the identity of %s", c.tcb.ID, c.qe.ID)
	}
	c.valid = validity(c.root).narrow(validity(c.ca))
	for _, signer := range c.signers {
		c.valid = c.valid.narrow(validity(signer))
	}
	for _, w := range []window{c.rootCRL.window, c.pckCRL.window, c.tcb.window(), c.qe.window()} {
		c.valid = c.valid.narrow(w)
	}
	return nil
}

// hash is the content address of a set: the SHA-256 of its members, each behind its length.
func (f *collateralFile) hash() (sum [32]byte) {
	h := sha256.New()
	for _, member := range []string{
		f.PCKCRLChain, f.RootCRL, f.PCKCRL, f.TCBChain, f.TCBInfo, f.TCBSignature, f.QEChain, f.QEIdentity, f.QESignature,
	} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(member))))
		h.Write([]byte(member))
	}
	h.Sum(sum[:0])
	return sum
}

// Hash is the content address of the set.
func (c *Collateral) Hash() [32]byte { return c.hash }

// Key says which platforms the set is for.
func (c *Collateral) Key() Key {
	if c.fault != nil || c.ca == nil {
		return Key{}
	}
	return Key{TEE: TEE(c.tcb.ID), FMSPC: [6]byte(c.tcb.FMSPC), CA: c.ca.Subject.CommonName}
}

// Valid is when all of the set is valid together. From may be after to: then it never is.
func (c *Collateral) Valid() (from, to time.Time) { return c.valid.from, c.valid.to }

// EvaluationNumber is that of Intel's evaluation of the firmware: the lower of the set's two.
func (c *Collateral) EvaluationNumber() uint32 { return min(c.tcb.Evaluation, c.qe.Evaluation) }

// Succeeds checks that a set may take the place of an older one: it is for the same
// platforms and goes back neither in evaluation number nor in any date of issue.
func (c *Collateral) Succeeds(old *Collateral) error {
	switch {
	case c.fault != nil:
		return c.fault
	case c.Key() != old.Key():
		return refuse(ClassCollateral, "the set is for %v, not for %v", c.Key(), old.Key())
	case c.tcb.Evaluation < old.tcb.Evaluation || c.qe.Evaluation < old.qe.Evaluation:
		return refuse(ClassCollateral, "the set goes back in evaluation number, from %d to %d", old.EvaluationNumber(), c.EvaluationNumber())
	case c.tcb.IssueDate.Before(old.tcb.IssueDate) || c.qe.IssueDate.Before(old.qe.IssueDate) ||
		c.pckCRL.from.Before(old.pckCRL.from) || c.rootCRL.from.Before(old.rootCRL.from):
		return refuse(ClassCollateral, "the set was issued before the one it would replace")
	}
	return nil
}

func (c *Collateral) loadRevocations(file *collateralFile) *Error {
	chain, err := c.chain(file.PCKCRLChain, "PCK CRL")
	if err != nil {
		return err
	}
	if err := checkPlatformCA(chain); err != nil {
		return inCollateral(err)
	}
	c.ca = chain
	if c.rootCRL, err = parseCRL(file.RootCRL, c.root, "root CRL"); err != nil {
		return err
	}
	c.pckCRL, err = parseCRL(file.PCKCRL, c.ca, "PCK CRL")
	return err
}

// chain reads an issuer's chain: the issuer's certificate and the trusted root.
func (c *Collateral) chain(text, what string) (*x509.Certificate, *Error) {
	der, err := splitChain([]byte(text), 2)
	if err != nil {
		return nil, inCollateral(err)
	}
	if !bytes.Equal(der[1], c.root.Raw) {
		return nil, refuse(ClassCollateral, "the chain of the %s does not end in the trusted root", what)
	}
	issuer, err := parseCertificate(der[0], what+" issuer")
	if err == nil {
		err = checkIssued(issuer, c.root)
	}
	return issuer, inCollateral(err)
}

func (c *Collateral) loadTCBInfo(file *collateralFile) (err *Error) {
	if err = c.signed("TCB info", file.TCBChain, file.TCBInfo, file.TCBSignature); err != nil {
		return err
	}
	c.tcb, err = parseTCBInfo(file.TCBInfo)
	return err
}

func (c *Collateral) loadQEIdentity(file *collateralFile) (err *Error) {
	if err = c.signed("QE identity", file.QEChain, file.QEIdentity, file.QESignature); err != nil {
		return err
	}
	c.qe, err = parseQEIdentity(file.QEIdentity)
	return err
}

// signed checks that Intel's TCB signer signed exactly these bytes.
func (c *Collateral) signed(what, chain, text, signature string) *Error {
	signer, err := c.chain(chain, what)
	if err == nil {
		err = inCollateral(checkSigner(signer, nameTCBSigner))
	}
	if err != nil {
		return err
	}
	proof, bad := hex.DecodeString(signature)
	if bad != nil || len(proof) != 64 || !verifyRaw(signer.PublicKey.(*ecdsa.PublicKey), []byte(text), proof) { // chain saw to the type
		return refuse(ClassCollateral, "the signature of the %s does not hold over its bytes", what)
	}
	c.signers = append(c.signers, signer)
	return nil
}

// inCollateral makes a flaw of a chain one of the collateral.
func inCollateral(err *Error) *Error {
	if err != nil {
		err.Class, err.Detail = ClassCollateral, "collateral: "+err.Detail
	}
	return err
}

// crl is a revocation list.
type crl struct {
	window
	issuer  *x509.Certificate
	revoked map[string]bool // by serial number, as text
}

func parseCRL(text string, issuer *x509.Certificate, what string) (crl, *Error) {
	der, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return crl{}, refuse(ClassCollateral, "the %s is not hex", what)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return crl{}, refuse(ClassCollateral, "the %s: %v", what, err)
	}
	if !bytes.Equal(list.RawIssuer, issuer.RawSubject) || list.SignatureAlgorithm != x509.ECDSAWithSHA256 {
		return crl{}, refuse(ClassCollateral, "the %s was issued by %s, want %s", what, list.Issuer.CommonName, issuer.Subject.CommonName)
	}
	if err := list.CheckSignatureFrom(issuer); err != nil {
		return crl{}, refuse(ClassCollateral, "the %s: %v", what, err)
	}
	for _, extension := range list.Extensions {
		if extension.Critical { // it would cover less than all certificates, or changes only
			return crl{}, refuse(ClassCollateral, "the %s has a critical extension %s", what, extension.Id)
		}
	}
	out := crl{window{list.ThisUpdate, list.NextUpdate}, issuer, make(map[string]bool, len(list.RevokedCertificateEntries))}
	for _, entry := range list.RevokedCertificateEntries {
		out.revoked[fmt.Sprintf("%x", entry.SerialNumber)] = true
	}
	return out, nil
}

// refuse refuses a certificate that is on the list.
func (c *crl) refuse(certificate *x509.Certificate) *Error {
	if len(c.revoked) > 0 && c.revoked[fmt.Sprintf("%x", certificate.SerialNumber)] {
		return refuse(ClassRevoked, "%s %x is revoked", certificate.Subject.CommonName, certificate.SerialNumber)
	}
	return nil
}
