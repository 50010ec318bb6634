package attest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	_ "embed" // Intel's root
	"encoding/pem"
	"errors"
	"sync"
	"time"
)

//go:embed intel_root.pem
var intelRoot []byte

// IntelRoot is Intel's SGX root certificate: every SGX and TDX platform's chain ends there.
var IntelRoot = sync.OnceValue(func() *x509.Certificate {
	block, _ := pem.Decode(intelRoot)
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		panic(err) // the bytes are ours
	}
	return root
})

// The names are Intel's (SGX PCK Certificate and CRL Profile).
const (
	namePCK         = "Intel SGX PCK Certificate"
	namePlatformCA  = "Intel SGX PCK Platform CA"
	nameProcessorCA = "Intel SGX PCK Processor CA"
	nameTCBSigner   = "Intel SGX TCB Signing"
)

// splitChain takes PEM blocks apart. Only the canonical encoding is let pass, so that no
// bit of a quote can change and the quote remain good. Intel ends the text with a zero
// byte, or with none.
func splitChain(text []byte, count int) ([][]byte, *Error) {
	rest := bytes.TrimSuffix(text, []byte{0})
	chain := make([][]byte, count)
	for i := range chain {
		block, after := pem.Decode(rest)
		text := canonical{rest[:len(rest)-len(after)]}
		if block == nil || pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: block.Bytes}) != nil || len(text.left) != 0 {
			return nil, refuse(ClassChain, "certificate %d of the chain is not canonical PEM", i)
		}
		chain[i], rest = block.Bytes, after
	}
	if len(rest) != 0 {
		return nil, refuse(ClassChain, "%d bytes after the %d certificates of the chain", len(rest), count)
	}
	return chain, nil
}

// canonical is a text that must be just what is written to it.
type canonical struct{ left []byte }

func (c *canonical) Write(part []byte) (int, error) {
	if !bytes.HasPrefix(c.left, part) {
		return 0, errNotCanonical
	}
	c.left = c.left[len(part):]
	return len(part), nil
}

var errNotCanonical = errors.New("not canonical")

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

// checkSigner checks that a certificate is of the given name and signs data, not
// certificates.
func checkSigner(certificate *x509.Certificate, name string) *Error {
	if got := certificate.Subject.CommonName; got != name {
		return refuse(ClassChain, "the leaf is %q, want %q", got, name)
	}
	if certificate.IsCA || certificate.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return refuse(ClassChain, "%s is not a certificate for signing data", name)
	}
	return nil
}

// checkPlatformCA checks that a certificate is one of the two CAs that certify machines.
func checkPlatformCA(certificate *x509.Certificate) *Error {
	switch name := certificate.Subject.CommonName; name {
	case namePlatformCA, nameProcessorCA:
		return nil
	default:
		return refuse(ClassChain, "%q certifies no machines", name)
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

// window is the time in which something is valid, both ends included.
type window struct{ from, to time.Time }

func validity(certificate *x509.Certificate) window {
	return window{certificate.NotBefore, certificate.NotAfter}
}

// check refuses an instant outside the window. Grace is added to its end.
func (w window) check(what string, at time.Time, grace time.Duration) *Error {
	switch {
	case at.Before(w.from):
		return refuse(ClassExpired, "%s is valid from %s, not yet at %s", what, stamp(w.from), stamp(at))
	case at.After(w.to.Add(grace)):
		return refuse(ClassExpired, "%s was valid until %s, not at %s", what, stamp(w.to), stamp(at))
	}
	return nil
}

// narrow is the time in which both are valid.
func (w window) narrow(other window) window {
	if other.from.After(w.from) {
		w.from = other.from
	}
	if other.to.Before(w.to) {
		w.to = other.to
	}
	return w
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }
