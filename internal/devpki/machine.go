package devpki

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
)

// Machine is one platform: a PCK certificate of its own and a quoting enclave.
type Machine struct {
	pki         *PKI
	leaf        *x509.Certificate
	pck         *ecdsa.PrivateKey
	attestation *ecdsa.PrivateKey // of the quoting enclave
}

// Machine returns the platform of that name, always the same one.
func (p *PKI) Machine(id string) (*Machine, error) {
	machine := &Machine{pki: p}
	var err error
	if machine.pck, err = deriveKey(p.seed, "PCK "+id); err != nil {
		return nil, err
	}
	if machine.attestation, err = deriveKey(p.seed, "attestation "+id); err != nil {
		return nil, err
	}
	machine.leaf, err = p.issueLeaf(id, &machine.pck.PublicKey)
	return machine, err
}

// PCK is the machine's certificate.
func (m *Machine) PCK() *x509.Certificate { return m.leaf }

// Quote is a raw SGX quote, version 3, of an enclave on this machine.
func (m *Machine) Quote(enclave Enclave, data [64]byte) ([]byte, error) {
	return m.Draft(3, enclave.Report(data)).Quote()
}

// rawPublic is a public key as quotes carry it: x ‖ y.
func rawPublic(key *ecdsa.PrivateKey) ([]byte, error) {
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	return point[1:], nil
}

// sign returns r ‖ s, deterministically.
func sign(key *ecdsa.PrivateKey, message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	der, err := key.Sign(nil, digest[:], crypto256)
	if err != nil {
		return nil, err
	}
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &pair); err != nil {
		return nil, err
	}
	out := make([]byte, 64)
	pair.R.FillBytes(out[:32])
	pair.S.FillBytes(out[32:])
	return out, nil
}

// issueLeaf makes a machine's PCK certificate.
func (p *PKI) issueLeaf(id string, public *ecdsa.PublicKey) (*x509.Certificate, error) {
	unique, err := derive(p.seed, "identity "+id, 36)
	if err != nil {
		return nil, err
	}
	platform := newPlatform(unique[:16], unique[16:32])
	if p.changes.Platform != nil {
		p.changes.Platform(platform)
	}
	extension, err := platform.extension()
	if err != nil {
		return nil, fmt.Errorf("describing machine %q: %w", id, err)
	}
	serial := new(big.Int).SetBytes(unique[32:])
	template := leaf("Intel SGX PCK Certificate", serial.Add(serial, big.NewInt(4)))
	template.ExtraExtensions = []pkix.Extension{{Id: SGXExtension(), Value: extension}}
	return issue(changed(template, p.changes.PCK), p.ca, public, p.key)
}
