// Package devpki makes SGX quotes without SGX: a certificate hierarchy of its own,
// shaped like Intel's (root, platform CA, one PCK certificate per machine), machines
// whose quoting enclave it certifies, and quotes of version 3 signed by them. They
// are structurally real, and worth nothing to anyone who does not name this root.
//
// All keys come from a seed, so a process that starts again is the same machine.
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

// PKI is a root and the platform CA below it.
type PKI struct {
	seed     []byte
	root     *x509.Certificate
	platform *x509.Certificate
	key      *ecdsa.PrivateKey // of the platform CA
}

// New returns the hierarchy of a seed, always the same one.
func New(seed []byte) (*PKI, error) {
	rootKey, err := deriveKey(seed, "root")
	if err != nil {
		return nil, err
	}
	platformKey, err := deriveKey(seed, "platform CA")
	if err != nil {
		return nil, err
	}
	rootTemplate := authority("Development SGX Root CA", 1, 1)
	root, err := issue(rootTemplate, rootTemplate, &rootKey.PublicKey, rootKey)
	if err != nil {
		return nil, err
	}
	platform, err := issue(authority("Intel SGX PCK Platform CA", 2, 0), root, &platformKey.PublicKey, rootKey)
	if err != nil {
		return nil, err
	}
	return &PKI{seed: seed, root: root, platform: platform, key: platformKey}, nil
}

// Root is the certificate to trust.
func (p *PKI) Root() *x509.Certificate { return p.root }

// chain is what a quote carries: leaf, platform CA, root.
func (p *PKI) chain(leaf *x509.Certificate) []byte {
	var out []byte
	for _, certificate := range []*x509.Certificate{leaf, p.platform, p.root} {
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

// issue signs a certificate. Without a source of randomness the signature is
// deterministic (RFC 6979), so a seed gives the same certificates every time.
func issue(template, parent *x509.Certificate, public *ecdsa.PublicKey, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	template.SignatureAlgorithm = x509.ECDSAWithSHA256
	der, err := x509.CreateCertificate(nil, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("issuing certificate %q: %w", template.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}
