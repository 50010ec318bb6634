package devpki

import (
	"crypto"
	"encoding/asn1"
)

const crypto256 = crypto.SHA256

// cpuSVN is the security version of every development machine.
var cpuSVN = [16]byte{2, 2, 25, 27, 3, 255, 0, 6}

// FMSPC is the family of every development machine. No Intel platform has it.
var FMSPC = [6]byte{0xde, 0x7e, 0x10, 0x90, 0x00, 0x00}

// pceSVN is the security version of the provisioning enclave.
const pceSVN = 16

// sgxOID names Intel's SGX extension of a PCK certificate, or a member of it
// (Intel SGX PCK Certificate and CRL Profile Specification, 1.3.5).
func sgxOID(member ...int) asn1.ObjectIdentifier {
	return append(asn1.ObjectIdentifier{1, 2, 840, 113741, 1, 13, 1}, member...)
}

// member is one named value of the extension.
type member struct {
	ID    asn1.ObjectIdentifier
	Value any
}

// platformExtension is the extension of a certificate that a platform CA issued.
func platformExtension(ppid, instance []byte) ([]byte, error) {
	var levels []member
	for i, svn := range cpuSVN {
		levels = append(levels, member{sgxOID(2, i+1), int(svn)})
	}
	levels = append(levels, member{sgxOID(2, 17), pceSVN}, member{sgxOID(2, 18), cpuSVN[:]})
	return asn1.Marshal([]member{
		{sgxOID(1), ppid},
		{sgxOID(2), levels},
		{sgxOID(3), []byte{0, 0}}, // PCEID
		{sgxOID(4), FMSPC[:]},
		{sgxOID(5), asn1.Enumerated(1)}, // scalable SGX
		{sgxOID(6), instance},
		{sgxOID(7), []member{{sgxOID(7, 1), true}, {sgxOID(7, 2), true}, {sgxOID(7, 3), true}}},
	})
}
