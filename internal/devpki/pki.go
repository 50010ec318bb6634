// Package devpki makes SGX and TDX quotes without SGX and TDX: a certificate hierarchy of
// its own, shaped like Intel's (root, platform CA, one PCK certificate per machine, TCB
// signer), machines whose quoting enclave it certifies, quotes signed by them, and the
// collateral by which such quotes are judged. They are structurally real, and worth
// nothing to anyone who does not name this root.
//
// All keys come from a seed, so a process that starts again is the same machine. A test
// may change any part of it before it is signed: Changes for certificates, Draft for
// quotes, Collateral for what is said about platforms.
package devpki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// The hierarchy is valid for as long as Intel's root is, so that a test may travel.
var (
	notBefore = time.Date(2018, 5, 21, 10, 45, 10, 0, time.UTC)
	notAfter  = time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC)
)

// PKI is a root and what is right below it.
type PKI struct {
	seed             []byte
	changes          Changes
	root, ca, signer *x509.Certificate
	rootKey, key     *ecdsa.PrivateKey // of root and platform CA
	signerKey        *ecdsa.PrivateKey // of the TCB signer
}

// Changes make a hierarchy differ from a good one. Nil members change nothing.
type Changes struct {
	Root, CA, PCK, Signer func(*x509.Certificate) // before it is issued
	Platform              func(*Platform)         // that a PCK certificate describes
}

// New returns the hierarchy of a seed, always the same one.
func New(seed []byte) (*PKI, error) { return NewChanged(seed, Changes{}) }

// NewChanged returns a hierarchy with the same keys as New's, and other certificates.
func NewChanged(seed []byte, changes Changes) (*PKI, error) {
	p := &PKI{seed: seed, changes: changes}
	for purpose, key := range map[string]**ecdsa.PrivateKey{"root": &p.rootKey, "platform CA": &p.key, "TCB signer": &p.signerKey} {
		derived, err := deriveKey(seed, purpose)
		if err != nil {
			return nil, err
		}
		*key = derived
	}
	var err error
	root := changed(authority("Development SGX Root CA", 1, 1), changes.Root)
	if p.root, err = issue(root, root, &p.rootKey.PublicKey, p.rootKey); err != nil {
		return nil, err
	}
	ca := changed(authority("Intel SGX PCK Platform CA", 2, 0), changes.CA)
	if p.ca, err = issue(ca, p.root, &p.key.PublicKey, p.rootKey); err != nil {
		return nil, err
	}
	signer := changed(leaf("Intel SGX TCB Signing", big.NewInt(3)), changes.Signer)
	if p.signer, err = issue(signer, p.root, &p.signerKey.PublicKey, p.rootKey); err != nil {
		return nil, err
	}
	return p, nil
}

func changed(template *x509.Certificate, change func(*x509.Certificate)) *x509.Certificate {
	if change != nil {
		change(template)
	}
	return template
}

// Root is the certificate to trust.
func (p *PKI) Root() *x509.Certificate { return p.root }

// CA is the certificate of the CA that certifies machines.
func (p *PKI) CA() *x509.Certificate { return p.ca }

// Signer is the certificate of who signs TCB info and QE identity.
func (p *PKI) Signer() *x509.Certificate { return p.signer }

// Chain is a text of certificates, as quotes and collateral carry them.
func Chain(certificates ...*x509.Certificate) []byte {
	var out []byte
	for _, certificate := range certificates {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})...)
	}
	return out
}

// deriveKey makes the P-256 key of a purpose out of a seed.
func deriveKey(seed []byte, purpose string) (*ecdsa.PrivateKey, error) {
	wide, err := derive(seed, "key "+purpose, 48)
	if err != nil {
		return nil, err
	}
	// 1 ≤ d < n, without a bias that matters: 48 bytes modulo n-1.
	order := new(big.Int).Sub(elliptic.P256().Params().N, big.NewInt(1))
	scalar := new(big.Int).Mod(new(big.Int).SetBytes(wide), order)
	scalar.Add(scalar, big.NewInt(1))
	return ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar.FillBytes(make([]byte, 32)))
}

// derive makes the bytes of a purpose out of a seed.
func derive(seed []byte, purpose string, size int) ([]byte, error) {
	return hkdf.Key(sha256.New, seed, nil, "assay/devpki/"+purpose, size)
}

// name is a subject as Intel writes them.
func name(common string) pkix.Name {
	return pkix.Name{
		CommonName: common, Organization: []string{"Assay development"},
		Locality: []string{"Santa Clara"}, Province: []string{"CA"}, Country: []string{"US"},
	}
}

// authority is the template of a CA certificate.
func authority(common string, serial int64, pathLen int) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: name(common), NotBefore: notBefore, NotAfter: notAfter,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true,
		IsCA: true, MaxPathLen: pathLen, MaxPathLenZero: pathLen == 0,
	}
}

// leaf is the template of a certificate that signs data.
func leaf(common string, serial *big.Int) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: serial, Subject: name(common), NotBefore: notBefore, NotAfter: notAfter,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment, BasicConstraintsValid: true,
		CRLDistributionPoints: []string{"https://crl.invalid/"}, // Intel's name one, and some verifiers count extensions
	}
}

// issue signs a certificate. Without a source of randomness the signature is
// deterministic (RFC 6979), so a seed gives the same certificates every time.
func issue(template, parent *x509.Certificate, public *ecdsa.PublicKey, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	if template.SignatureAlgorithm == x509.UnknownSignatureAlgorithm {
		template.SignatureAlgorithm = x509.ECDSAWithSHA256
	}
	if template.SubjectKeyId == nil {
		point, err := public.Bytes()
		if err != nil {
			return nil, fmt.Errorf("issuing certificate %q: %w", template.Subject.CommonName, err)
		}
		id := sha256.Sum256(point)
		template.SubjectKeyId = id[:20]
	}
	der, err := x509.CreateCertificate(nil, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("issuing certificate %q: %w", template.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}
