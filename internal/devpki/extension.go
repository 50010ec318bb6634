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

// SGXExtension names Intel's SGX extension of a PCK certificate, or a member of it
// (Intel SGX PCK Certificate and CRL Profile Specification, 1.3.5).
func SGXExtension(member ...int) asn1.ObjectIdentifier {
	return append(asn1.ObjectIdentifier{1, 2, 840, 113741, 1, 13, 1}, member...)
}

// Member is one named value of the extension.
type Member struct {
	ID    asn1.ObjectIdentifier
	Value any
}

// Platform is what a PCK certificate says of its machine.
type Platform struct {
	PPID, Instance, PCEID, FMSPC []byte
	Components                   [16]int // security versions
	PCESVN                       int
	Levels, Members              func([]Member) []Member // change what is encoded, if not nil
}

func newPlatform(ppid, instance []byte) *Platform {
	platform := &Platform{PPID: ppid, Instance: instance, PCEID: []byte{0, 0}, FMSPC: FMSPC[:], PCESVN: pceSVN}
	for i, svn := range cpuSVN {
		platform.Components[i] = int(svn)
	}
	return platform
}

// extension is that of a certificate that a platform CA issued.
func (p *Platform) extension() ([]byte, error) {
	var levels []Member
	for i, svn := range p.Components {
		levels = append(levels, Member{SGXExtension(2, i+1), svn})
	}
	levels = append(levels, Member{SGXExtension(2, 17), p.PCESVN}, Member{SGXExtension(2, 18), cpuSVN[:]})
	if p.Levels != nil {
		levels = p.Levels(levels)
	}
	members := []Member{
		{SGXExtension(1), p.PPID},
		{SGXExtension(2), levels},
		{SGXExtension(3), p.PCEID},
		{SGXExtension(4), p.FMSPC},
		{SGXExtension(5), asn1.Enumerated(1)}, // scalable SGX
		{SGXExtension(6), p.Instance},
		{SGXExtension(7), []Member{{SGXExtension(7, 1), true}, {SGXExtension(7, 2), true}, {SGXExtension(7, 3), true}}},
	}
	if p.Members != nil {
		members = p.Members(members)
	}
	return asn1.Marshal(members)
}
