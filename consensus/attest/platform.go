package attest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"sync"
)

// platform is one machine as its certificates describe it. Once it is vouched for, it
// also has the attestation key and the quoting enclave's report, which the PCK key
// signed. It holds no verdict: whether any of it is good enough, and at what time, is
// judged for every quote.
type platform struct {
	root, ca, leaf *x509.Certificate
	description    description
	quoting        Enclave          // the quoting enclave's own report
	attestation    *ecdsa.PublicKey // what signs the quotes
}

// describe reads what the PCK certificate says of the machine, once. A machine that is
// known has been described, so what is shared does not change.
func (p *platform) describe() (err *Error) {
	if p.description == (description{}) {
		p.description, err = describe(p.leaf)
	}
	return err
}

// readPlatform follows a quote's certificates from the trusted root down to the machine.
// A CA that the collateral already has, and so was checked, is not checked twice.
func readPlatform(chain []byte, root *x509.Certificate, from Source) (*platform, *Error) {
	der, err := splitChain(chain, 3)
	if err != nil {
		return nil, err
	}
	if !root.Equal(&x509.Certificate{Raw: der[2]}) {
		return nil, refuse(ClassChain, "the root is not the trusted one")
	}
	ca := from.issuer(der[1])
	if ca == nil {
		if ca, err = readPlatformCA(der[1], root); err != nil {
			return nil, err
		}
	}
	leaf, err := parseCertificate(der[0], "PCK certificate")
	if err != nil {
		return nil, err
	}
	if err := checkSigner(leaf, namePCK); err != nil {
		return nil, err
	}
	if err := checkIssued(leaf, ca); err != nil {
		return nil, err
	}
	return &platform{root: root, ca: ca, leaf: leaf}, nil
}

func readPlatformCA(der []byte, root *x509.Certificate) (*x509.Certificate, *Error) {
	ca, err := parseCertificate(der, "platform CA")
	if err != nil {
		return nil, err
	}
	if err := checkPlatformCA(ca); err != nil {
		return nil, err
	}
	return ca, checkIssued(ca, root)
}

// verifyRaw checks r ‖ s over the SHA-256 of a message.
func verifyRaw(key *ecdsa.PublicKey, message, signature []byte) bool {
	digest := sha256.Sum256(message)
	r := new(big.Int).SetBytes(signature[:32])
	s := new(big.Int).SetBytes(signature[32:])
	return ecdsa.Verify(key, digest[:], r, s)
}

// point reads a public key x ‖ y; nil where it is not on the curve.
func point(raw []byte) *ecdsa.PublicKey {
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append([]byte{4}, raw...))
	if err != nil {
		return nil
	}
	return key
}

// Platforms remembers machines whose keys were verified, so that a further quote of the
// same machine costs one signature. It is safe for concurrent use, holds no verdict and
// changes none. Nil remembers nothing.
type Platforms struct {
	mutex      sync.Mutex
	limit      int
	young, old map[[32]byte]*platform
}

// NewPlatforms returns a memory for at least limit and at most twice as many machines.
func NewPlatforms(limit int) *Platforms {
	return &Platforms{limit: max(limit, 1), young: map[[32]byte]*platform{}}
}

// find returns the machine with this key under this root; nil if it is not known.
func (p *Platforms) find(key [32]byte, root *x509.Certificate) *platform {
	if p == nil {
		return nil
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	found := p.young[key]
	if found == nil {
		if found = p.old[key]; found != nil {
			p.put(key, found)
		}
	}
	if found == nil || !found.root.Equal(root) {
		return nil
	}
	return found
}

func (p *Platforms) add(key [32]byte, machine *platform) {
	if p == nil {
		return
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.put(key, machine)
}

// put makes room by forgetting the older generation whole.
func (p *Platforms) put(key [32]byte, machine *platform) {
	if len(p.young) >= p.limit {
		p.young, p.old = map[[32]byte]*platform{}, p.young
	}
	p.young[key] = machine
}

// description is what a PCK certificate says of the machine (Intel SGX PCK Certificate and CRL
// Profile Specification, 1.3.5).
type description struct {
	platform [32]byte // SHA-256 of the PPID
	fmspc    [6]byte  // family, model, stepping, platform, custom SKU
	pceID    [2]byte
	svn      [16]byte // security versions of the components
	pceSVN   uint16
}

var sgxExtension = asn1.ObjectIdentifier{1, 2, 840, 113741, 1, 13, 1}

// member is one named value of the extension.
type member struct {
	ID    asn1.ObjectIdentifier
	Value asn1.RawValue
}

// describe reads the SGX extension of a PCK certificate.
func describe(leaf *x509.Certificate) (description, *Error) {
	var d description
	for _, extension := range leaf.Extensions {
		if !extension.Id.Equal(sgxExtension) {
			continue
		}
		members, err := membersOf(extension.Value, sgxExtension)
		if err == nil {
			err = d.read(members)
		}
		return d, err
	}
	return d, refuse(ClassChain, "the PCK certificate has no SGX extension")
}

// membersOf reads a sequence of members, by the last part of their names. No name may
// come twice.
func membersOf(der []byte, parent asn1.ObjectIdentifier) (map[int]asn1.RawValue, *Error) {
	var list []member
	if rest, err := asn1.Unmarshal(der, &list); err != nil || len(rest) != 0 {
		return nil, refuse(ClassChain, "the SGX extension is not a list of named values")
	}
	members := make(map[int]asn1.RawValue, len(list))
	for _, m := range list {
		if len(m.ID) != len(parent)+1 || !m.ID[:len(parent)].Equal(parent) {
			return nil, refuse(ClassChain, "the SGX extension has a member %s", m.ID)
		}
		last := m.ID[len(parent)]
		if _, twice := members[last]; twice {
			return nil, refuse(ClassChain, "the SGX extension has %s twice", m.ID)
		}
		members[last] = m.Value
	}
	return members, nil
}

func (d *description) read(members map[int]asn1.RawValue) *Error {
	var ppid [16]byte
	levels, err := membersOf(members[2].FullBytes, append(sgxExtension[:len(sgxExtension):len(sgxExtension)], 2))
	if err != nil {
		return err
	}
	var kind asn1.Enumerated
	if rest, bad := asn1.Unmarshal(members[5].FullBytes, &kind); bad != nil || len(rest) != 0 {
		return refuse(ClassChain, "the SGX extension lacks the type of the machine")
	}
	var cpu [16]byte
	if !octets(members[1], ppid[:]) || !octets(members[3], d.pceID[:]) || !octets(members[4], d.fmspc[:]) || !octets(levels[18], cpu[:]) {
		return refuse(ClassChain, "the SGX extension lacks PPID, PCEID, FMSPC or CPUSVN")
	}
	for i := range d.svn {
		svn, ok := number(levels[i+1], 0xff)
		if !ok {
			return refuse(ClassChain, "the SGX extension lacks the security version of component %d", i+1)
		}
		d.svn[i] = byte(svn)
	}
	pce, ok := number(levels[17], 0xffff)
	if !ok {
		return refuse(ClassChain, "the SGX extension lacks PCESVN")
	}
	d.pceSVN, d.platform = uint16(pce), sha256.Sum256(ppid[:])
	return nil
}

// octets copies an octet string of exactly the right length.
func octets(value asn1.RawValue, into []byte) bool {
	var raw []byte
	if rest, err := asn1.Unmarshal(value.FullBytes, &raw); err != nil || len(rest) != 0 || len(raw) != len(into) {
		return false
	}
	copy(into, raw)
	return true
}

// number reads an integer from 0 to limit.
func number(value asn1.RawValue, limit int) (int, bool) {
	var n int
	rest, err := asn1.Unmarshal(value.FullBytes, &n)
	return n, err == nil && len(rest) == 0 && n >= 0 && n <= limit
}
