package devpki

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Collateral is what is said about development machines for a while. Everything in it
// may be changed before File signs it.
type Collateral struct {
	pki             *PKI
	CA, Signer      *x509.Certificate // that the chains name
	RootCRL, PCKCRL x509.RevocationList
	CRLKey          *ecdsa.PrivateKey // that signs both lists; nil: the right ones
	TCBInfo         TCBInfo
	QEIdentity      QEIdentity
	Signed          func(text string) string // changes signed texts before they are signed
}

// Document is what the signed texts have in common.
type Document struct {
	ID         string `json:"id"`
	Version    int    `json:"version"`
	IssueDate  string `json:"issueDate"`
	NextUpdate string `json:"nextUpdate"`
	Evaluation int    `json:"tcbEvaluationDataNumber"`
}

// TCBInfo says how current firmware is (Intel PCS API, version 4).
type TCBInfo struct {
	Document
	FMSPC   string   `json:"fmspc"`
	PCEID   string   `json:"pceId"`
	Type    int      `json:"tcbType"`
	Module  *Module  `json:"tdxModule,omitempty"`
	Modules []Module `json:"tdxModuleIdentities,omitempty"`
	Levels  []Level  `json:"tcbLevels"`
}

// Module describes a TDX module.
type Module struct {
	ID         string  `json:"id,omitempty"`
	MRSigner   string  `json:"mrsigner"`
	Attributes string  `json:"attributes"`
	Mask       string  `json:"attributesMask"`
	Levels     []Level `json:"tcbLevels,omitempty"`
}

// QEIdentity describes the quoting enclave (Intel PCS API, version 4).
type QEIdentity struct {
	Document
	MiscSelect     string  `json:"miscselect"`
	MiscSelectMask string  `json:"miscselectMask"`
	Attributes     string  `json:"attributes"`
	AttributesMask string  `json:"attributesMask"`
	MRSigner       string  `json:"mrsigner"`
	ProductID      int     `json:"isvprodid"`
	Levels         []Level `json:"tcbLevels"`
}

// Level is a status and what has it.
type Level struct {
	TCB        TCB      `json:"tcb"`
	Date       string   `json:"tcbDate"`
	Status     string   `json:"tcbStatus"`
	Advisories []string `json:"advisoryIDs,omitempty"`
}

// TCB is a level's security versions: of a platform, or of one enclave or module.
type TCB struct {
	SGX    []Component `json:"sgxtcbcomponents,omitempty"`
	TDX    []Component `json:"tdxtcbcomponents,omitempty"`
	PCESVN *int        `json:"pcesvn,omitempty"`
	SVN    *int        `json:"isvsvn,omitempty"`
}

// Component is the security version of one component.
type Component struct {
	SVN int `json:"svn"`
}

// File is a collateral set as a file: the member names of Intel's
// sgx_ql_qve_collateral_t.
type File struct {
	PCKCRLChain  string `json:"pck_crl_issuer_chain"`
	RootCRL      string `json:"root_ca_crl"`
	PCKCRL       string `json:"pck_crl"`
	TCBChain     string `json:"tcb_info_issuer_chain"`
	TCBInfo      string `json:"tcb_info"`
	TCBSignature string `json:"tcb_info_signature"`
	QEChain      string `json:"qe_identity_issuer_chain"`
	QEIdentity   string `json:"qe_identity"`
	QESignature  string `json:"qe_identity_signature"`
}

// Collateral is the set by which development machines are up to date, for 30 days from
// a day before the instant: for SGX quotes, or for those of TDs.
func (p *PKI) Collateral(at time.Time, tdx bool) *Collateral {
	issued, next := at.Add(-24*time.Hour).UTC().Truncate(time.Second), at.Add(29*24*time.Hour).UTC().Truncate(time.Second)
	list := x509.RevocationList{Number: big.NewInt(1), ThisUpdate: issued, NextUpdate: next}
	document := Document{Version: 3, IssueDate: issued.Format(time.RFC3339), NextUpdate: next.Format(time.RFC3339), Evaluation: 17}
	c := &Collateral{
		pki: p, CA: p.ca, Signer: p.signer, RootCRL: list, PCKCRL: list,
		TCBInfo: TCBInfo{Document: document, FMSPC: hex.EncodeToString(FMSPC[:]), PCEID: "0000", Levels: platformLevels(tdx)},
		QEIdentity: QEIdentity{
			Document: document, MiscSelect: "00000000", MiscSelectMask: "FFFFFFFF",
			Attributes: "11000000000000000000000000000000", AttributesMask: "FBFFFFFFFFFFFFFF0000000000000000",
			MRSigner: hex.EncodeToString(qeSigner[:]), ProductID: 1, Levels: versionLevels(8, 6),
		},
	}
	c.TCBInfo.ID, c.QEIdentity.ID, c.QEIdentity.Version = "SGX", "QE", 2
	if tdx {
		c.TCBInfo.ID, c.QEIdentity.ID, c.QEIdentity.ProductID = "TDX", "TD_QE", 2
		module := Module{MRSigner: strings.Repeat("0", 96), Attributes: strings.Repeat("0", 16), Mask: strings.Repeat("F", 16)}
		first := module
		module.ID, module.Levels = "TDX_01", versionLevels(4, 2)
		c.TCBInfo.Module, c.TCBInfo.Modules = &first, []Module{module}
	}
	return c
}

// platformLevels are the levels of a platform: what development machines have, and below.
func platformLevels(tdx bool) []Level {
	var current, old []Component
	for _, svn := range cpuSVN {
		current, old = append(current, Component{int(svn)}), append(old, Component{int(svn) / 2})
	}
	now, before := pceSVN, pceSVN-5
	levels := []Level{
		{TCB: TCB{SGX: current, PCESVN: &now}, Date: "2024-03-13T00:00:00Z", Status: "UpToDate"},
		{TCB: TCB{SGX: old, PCESVN: &before}, Date: "2023-02-15T00:00:00Z", Status: "OutOfDate", Advisories: []string{"INTEL-SA-00837"}},
	}
	if tdx {
		levels[0].TCB.TDX = append([]Component{{5}, {0}, {2}}, make([]Component, 13)...)
		levels[1].TCB.TDX = append([]Component{{3}, {0}, {1}}, make([]Component, 13)...)
	}
	return levels
}

// versionLevels are the levels of one enclave or module.
func versionLevels(current, old int) []Level {
	return []Level{
		{TCB: TCB{SVN: &current}, Date: "2024-03-13T00:00:00Z", Status: "UpToDate"},
		{TCB: TCB{SVN: &old}, Date: "2021-11-10T00:00:00Z", Status: "OutOfDate", Advisories: []string{"INTEL-SA-00615"}},
	}
}

// File signs the set.
func (c *Collateral) File() (File, error) {
	var file File
	var err error
	file.PCKCRLChain = string(Chain(c.CA, c.pki.root))
	file.TCBChain = string(Chain(c.Signer, c.pki.root))
	file.QEChain = file.TCBChain
	if file.RootCRL, err = c.revoke(&c.RootCRL, c.pki.root, c.pki.rootKey); err != nil {
		return file, err
	}
	if file.PCKCRL, err = c.revoke(&c.PCKCRL, c.CA, c.pki.key); err != nil {
		return file, err
	}
	if file.TCBInfo, file.TCBSignature, err = c.sign(c.TCBInfo); err != nil {
		return file, err
	}
	file.QEIdentity, file.QESignature, err = c.sign(c.QEIdentity)
	return file, err
}

// JSON signs the set and writes it as a file.
func (c *Collateral) JSON() ([]byte, error) {
	file, err := c.File()
	if err != nil {
		return nil, err
	}
	return json.Marshal(file)
}

func (c *Collateral) revoke(list *x509.RevocationList, issuer *x509.Certificate, key *ecdsa.PrivateKey) (string, error) {
	if c.CRLKey != nil {
		key = c.CRLKey
	}
	der, err := x509.CreateRevocationList(nil, list, issuer, key)
	if err != nil {
		return "", fmt.Errorf("issuing the revocation list of %q: %w", issuer.Subject.CommonName, err)
	}
	return hex.EncodeToString(der), nil
}

func (c *Collateral) sign(document any) (text, signature string, err error) {
	raw, err := json.Marshal(document)
	if err != nil {
		return "", "", err
	}
	text = string(raw)
	if c.Signed != nil {
		text = c.Signed(text)
	}
	proof, err := sign(c.pki.signerKey, []byte(text))
	return text, hex.EncodeToString(proof), err
}
