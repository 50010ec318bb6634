package attest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"math/big"
	"time"

	"github.com/edgelesssys/ego/attestation"
	"github.com/edgelesssys/ego/attestation/tcbstatus"
)

// Attribute flags of an enclave (Intel SDM, SECS.ATTRIBUTES).
const (
	flagInit  = 1 << 0
	flagDebug = 1 << 1
)

// Report is what a verified quote says of an enclave, in ego's words: UniqueID is
// MRENCLAVE, SignerID is MRSIGNER.
type Report struct {
	attestation.Report
}

// unknown is the report of a quote that was not verified. Its status must be said: the
// zero value of ego's reads as up to date.
func unknown() Report {
	return Report{attestation.Report{TCBStatus: tcbstatus.Unknown}}
}

// Verify says what a quote proves at an instant (a block's time) under a trusted root.
// It must carry exactly the expected report data. Every error is an *Error, and the
// report that comes with it is empty and of status Unknown.
func Verify(raw []byte, root *x509.Certificate, at time.Time, expected [64]byte) (Report, error) {
	report, err := verify(raw, root, at, expected)
	if err != nil {
		return unknown(), err
	}
	return report, nil
}

func verify(raw []byte, root *x509.Certificate, at time.Time, expected [64]byte) (Report, *Error) {
	quote, err := parse(raw)
	if err != nil {
		return unknown(), err
	}
	pck, err := verifyChain(quote.Certificates, root, at)
	if err != nil {
		return unknown(), err
	}
	if err := quote.verifySignatures(pck); err != nil {
		return unknown(), err
	}
	if err := checkIdentity(quote.Body); err != nil {
		return unknown(), err
	}
	if quote.Body.Data != expected {
		return unknown(), refuse(ClassBinding, "report data is %x, want %x", quote.Body.Data, expected)
	}
	return reportOf(quote.Body), nil
}

// verifySignatures goes from the machine's PCK key through the quoting enclave's report
// to the quote (checks 4.1.2.4.12, 13 and 16 of Intel's quote verification library).
func (q Quote) verifySignatures(pck *ecdsa.PublicKey) *Error {
	if !verifyRaw(pck, q.QEReport[:], q.QESignature) {
		return refuse(ClassSignature, "the PCK key did not sign the quoting enclave's report")
	}
	vouched := sha256.Sum256(append(q.AttestationKey[:], q.QEAuth...))
	var want [64]byte
	copy(want[:], vouched[:])
	if parseBody(q.QEReport[:]).Data != want {
		return refuse(ClassSignature, "the quoting enclave's report vouches for another attestation key")
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append([]byte{4}, q.AttestationKey[:]...))
	if err != nil {
		return refuse(ClassSignature, "the attestation key is not on the curve")
	}
	if !verifyRaw(key, q.Signed, q.Signature) {
		return refuse(ClassSignature, "the attestation key did not sign header and report body")
	}
	return nil
}

// verifyRaw checks r ‖ s over the SHA-256 of a message.
func verifyRaw(key *ecdsa.PublicKey, message []byte, signature [64]byte) bool {
	digest := sha256.Sum256(message)
	r := new(big.Int).SetBytes(signature[:32])
	s := new(big.Int).SetBytes(signature[32:])
	return ecdsa.Verify(key, digest[:], r, s)
}

// checkIdentity refuses enclaves that anyone may look into.
func checkIdentity(body Body) *Error {
	flags := binary.LittleEndian.Uint64(body.Attributes[:])
	if flags&flagDebug != 0 {
		return refuse(ClassIdentity, "a debug enclave: its owner reads its memory")
	}
	if flags&flagInit == 0 {
		return refuse(ClassIdentity, "the enclave was not initialized")
	}
	return nil
}

func reportOf(body Body) Report {
	product := make([]byte, 16) // as Open Enclave has it
	binary.LittleEndian.PutUint16(product, body.ProductID)
	report := unknown()
	report.Data = body.Data[:]
	report.SecurityVersion = uint(body.SVN)
	report.UniqueID = body.MREnclave[:]
	report.SignerID = body.MRSigner[:]
	report.ProductID = product
	return report
}
