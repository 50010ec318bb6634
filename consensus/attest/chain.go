package attest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"time"
)

// verifyChain follows the certificates from the trusted root down to the machine and
// returns its PCK key. The names are Intel's (SGX PCK Certificate and CRL Profile).
func verifyChain(der [chainLength][]byte, root *x509.Certificate, at time.Time) (*ecdsa.PublicKey, *Error) {
	if !bytes.Equal(der[2], root.Raw) {
		return nil, refuse(ClassChain, "the root is not the trusted one")
	}
	platform, err := parseCertificate(der[1], "platform CA")
	if err != nil {
		return nil, err
	}
	leaf, err := parseCertificate(der[0], "PCK certificate")
	if err != nil {
		return nil, err
	}
	if err := checkNames(leaf, platform); err != nil {
		return nil, err
	}
	if err := checkIssued(platform, root); err != nil {
		return nil, err
	}
	if err := checkIssued(leaf, platform); err != nil {
		return nil, err
	}
	for _, certificate := range []*x509.Certificate{leaf, platform, root} {
		if at.Before(certificate.NotBefore) || at.After(certificate.NotAfter) {
			return nil, refuse(ClassExpired, "%s is not valid at %s", certificate.Subject.CommonName, at.UTC().Format(time.RFC3339))
		}
	}
	return leaf.PublicKey.(*ecdsa.PublicKey), nil // parseCertificate saw to the type
}

// parseCertificate reads a certificate with a P-256 key, signed with SHA-256.
func parseCertificate(der []byte, what string) (*x509.Certificate, *Error) {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, refuse(ClassChain, "%s: %v", what, err)
	}
	key, ok := certificate.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() || certificate.SignatureAlgorithm != x509.ECDSAWithSHA256 {
		return nil, refuse(ClassChain, "%s is not ECDSA on P-256 with SHA-256", what)
	}
	if len(certificate.UnhandledCriticalExtensions) != 0 {
		return nil, refuse(ClassChain, "%s has unknown critical extensions", what)
	}
	return certificate, nil
}

func checkNames(leaf, platform *x509.Certificate) *Error {
	if name := leaf.Subject.CommonName; name != "Intel SGX PCK Certificate" {
		return refuse(ClassChain, "the leaf is %q, not a PCK certificate", name)
	}
	if leaf.IsCA || leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return refuse(ClassChain, "the leaf is not a certificate for signing reports")
	}
	switch name := platform.Subject.CommonName; name {
	case "Intel SGX PCK Platform CA", "Intel SGX PCK Processor CA":
		return nil
	default:
		return refuse(ClassChain, "the PCK certificate was issued by %q", name)
	}
}

// checkIssued checks that parent issued child: name, right to sign, signature.
func checkIssued(child, parent *x509.Certificate) *Error {
	if !bytes.Equal(child.RawIssuer, parent.RawSubject) {
		return refuse(ClassChain, "%s was not issued by %s", child.Subject.CommonName, parent.Subject.CommonName)
	}
	if err := child.CheckSignatureFrom(parent); err != nil {
		return refuse(ClassChain, "%s: %v", child.Subject.CommonName, err)
	}
	return nil
}
