package devpki

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"math/big"
)

// Layout of an SGX quote, version 3 (Intel SGX ECDSA QuoteLibReference, appendix A).
const (
	headerSize = 48
	bodySize   = 384
)

// qeVendor is Intel's, in every quote of its quoting enclave.
var qeVendor = [16]byte{0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07}

// qeAuth is the quoting enclave's authentication data, as in every quote on record.
var qeAuth = func() (auth [32]byte) {
	for i := range auth {
		auth[i] = byte(i)
	}
	return auth
}()

// Machine is one SGX platform: a PCK certificate of its own and a quoting enclave.
type Machine struct {
	pki           *PKI
	leaf          *x509.Certificate
	attestation   *ecdsa.PrivateKey // of the quoting enclave
	qeReport      [bodySize]byte
	qeReportProof [64]byte // the PCK key's signature over qeReport
}

// Enclave is what runs on a machine.
type Enclave struct {
	MREnclave, MRSigner [32]byte
	ProductID           uint16
	SecurityVersion     uint16
	Debug               bool
}

// Machine returns the platform of that name, always the same one.
func (p *PKI) Machine(id string) (*Machine, error) {
	pck, err := deriveKey(p.seed, "PCK "+id)
	if err != nil {
		return nil, err
	}
	attestation, err := deriveKey(p.seed, "attestation "+id)
	if err != nil {
		return nil, err
	}
	leaf, err := p.issueLeaf(id, &pck.PublicKey)
	if err != nil {
		return nil, err
	}
	machine := &Machine{pki: p, leaf: leaf, attestation: attestation}
	if err := machine.certifyQuotingEnclave(pck); err != nil {
		return nil, err
	}
	return machine, nil
}

// certifyQuotingEnclave makes the report by which the PCK key vouches for the attestation key.
func (m *Machine) certifyQuotingEnclave(pck *ecdsa.PrivateKey) error {
	public, err := rawPublic(m.attestation)
	if err != nil {
		return err
	}
	bound := sha256.Sum256(append(public, qeAuth[:]...))
	var data [64]byte
	copy(data[:], bound[:])
	m.qeReport = body(Enclave{
		MREnclave: sha256.Sum256([]byte("development quoting enclave")),
		MRSigner:  sha256.Sum256([]byte("development quoting enclave signer")),
		ProductID: 1, SecurityVersion: 11,
	}, data)
	m.qeReportProof, err = sign(pck, m.qeReport[:])
	return err
}

// Quote is a raw SGX quote, version 3, of an enclave on this machine.
func (m *Machine) Quote(enclave Enclave, data [64]byte) ([]byte, error) {
	var header [headerSize]byte
	binary.LittleEndian.PutUint16(header[0:], 3)  // version
	binary.LittleEndian.PutUint16(header[2:], 2)  // ECDSA with P-256
	binary.LittleEndian.PutUint16(header[8:], 11) // QE's SVN
	binary.LittleEndian.PutUint16(header[10:], 16)
	copy(header[12:], qeVendor[:])
	report := body(enclave, data)
	signed := append(header[:], report[:]...)
	signature, err := m.signatureSection(signed)
	if err != nil {
		return nil, err
	}
	signed = binary.LittleEndian.AppendUint32(signed, uint32(len(signature)))
	return append(signed, signature...), nil
}

// signatureSection is all that follows header, report body and its own length.
func (m *Machine) signatureSection(signed []byte) ([]byte, error) {
	proof, err := sign(m.attestation, signed)
	if err != nil {
		return nil, err
	}
	public, err := rawPublic(m.attestation)
	if err != nil {
		return nil, err
	}
	chain := m.pki.chain(m.leaf)
	out := append(proof[:], public...)
	out = append(out, m.qeReport[:]...)
	out = append(out, m.qeReportProof[:]...)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(qeAuth)))
	out = append(out, qeAuth[:]...)
	out = binary.LittleEndian.AppendUint16(out, 5) // certification data: PCK chain
	out = binary.LittleEndian.AppendUint32(out, uint32(len(chain)))
	return append(out, chain...), nil
}

// body is a report body: what the processor says of an enclave.
func body(enclave Enclave, data [64]byte) (out [bodySize]byte) {
	copy(out[0:], cpuSVN[:])
	out[48] = 0x05 // INIT, 64 bit
	if enclave.Debug {
		out[48] |= 0x02
	}
	out[56] = 0xe7 // XFRM
	copy(out[64:], enclave.MREnclave[:])
	copy(out[128:], enclave.MRSigner[:])
	binary.LittleEndian.PutUint16(out[256:], enclave.ProductID)
	binary.LittleEndian.PutUint16(out[258:], enclave.SecurityVersion)
	copy(out[320:], data[:])
	return out
}

// WrapOE puts the header before a quote that Open Enclave, and so EGo, puts there.
func WrapOE(quote []byte) []byte {
	out := binary.LittleEndian.AppendUint32(nil, 1) // version
	out = binary.LittleEndian.AppendUint32(out, 2)  // remote report
	out = binary.LittleEndian.AppendUint64(out, uint64(len(quote)))
	return append(out, quote...)
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
func sign(key *ecdsa.PrivateKey, message []byte) (out [64]byte, err error) {
	digest := sha256.Sum256(message)
	der, err := key.Sign(nil, digest[:], crypto256)
	if err != nil {
		return out, err
	}
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &pair); err != nil {
		return out, err
	}
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
	extension, err := platformExtension(unique[:16], unique[16:32])
	if err != nil {
		return nil, fmt.Errorf("describing machine %q: %w", id, err)
	}
	serial := new(big.Int).SetBytes(unique[32:])
	return issue(&x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(3)), Subject: name("Intel SGX PCK Certificate"),
		NotBefore: notBefore, NotAfter: notAfter, BasicConstraintsValid: true,
		KeyUsage:        x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
		ExtraExtensions: []pkix.Extension{{Id: sgxOID(), Value: extension}},
	}, p.platform, public, p.key)
}
