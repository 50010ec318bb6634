package devpki

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Layout of quotes (Intel SGX ECDSA QuoteLibReference, appendix A.4, and Intel TDX DCAP
// Quoting Library API, appendix A.3).
const (
	headerSize  = 48
	enclaveSize = 384
	td10Size    = 584
	td15Size    = 648
	teeTDX      = 0x81
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

// qeSigner stands for who signed the quoting enclave.
var qeSigner = sha256.Sum256([]byte("development quoting enclave signer"))

// Enclave is what runs on a machine.
type Enclave struct {
	MREnclave, MRSigner [32]byte
	ProductID           uint16
	SecurityVersion     uint16
	Debug               bool
}

// Report is what the processor says of an enclave.
func (e Enclave) Report(data [64]byte) []byte {
	out := make([]byte, enclaveSize)
	copy(out[0:], cpuSVN[:])
	out[48] = 0x05 // INIT, 64 bit
	if e.Debug {
		out[48] |= 0x02
	}
	out[56] = 0xe7 // XFRM
	copy(out[64:], e.MREnclave[:])
	copy(out[128:], e.MRSigner[:])
	binary.LittleEndian.PutUint16(out[256:], e.ProductID)
	binary.LittleEndian.PutUint16(out[258:], e.SecurityVersion)
	copy(out[320:], data[:])
	return out
}

// TD is a trust domain, a virtual machine that its host cannot look into. Its zero
// value is a sound one on a development machine.
type TD struct {
	MRTD        [48]byte
	RTMR        [4][48]byte
	ServiceTD   [48]byte
	Attributes  uint64 // besides SEPT_VE_DISABLE, which they turn off
	XFAM        uint64 // besides the usual
	Module, SVN byte   // version and security version of the TDX module, less the usual
}

// Report is what the TDX module says of a TD: of version 1.0, or, with service TDs, 1.5.
func (t TD) Report(data [64]byte, v15 bool) []byte {
	out := make([]byte, td10Size, td15Size)
	copy(out, []byte{5 + t.SVN, 1 + t.Module, 2})
	binary.LittleEndian.PutUint64(out[120:], t.Attributes^1<<28)
	binary.LittleEndian.PutUint64(out[128:], t.XFAM^0x642e7)
	copy(out[136:], t.MRTD[:])
	for i := range t.RTMR {
		copy(out[328+48*i:], t.RTMR[i][:])
	}
	copy(out[520:], data[:])
	if v15 {
		out = append(out, out[:16]...) // TCBSVN after an update
		out = append(out, t.ServiceTD[:]...)
	}
	return out
}

// Draft is a quote that is not signed yet: all that goes into one.
type Draft struct {
	machine      *Machine
	Header       []byte
	Report       []byte
	QEReport     []byte
	QEData       []byte // of QEReport; nil: the hash of the attestation key and Auth
	Auth         []byte
	Outer, Inner uint16 // kinds of certification data; versions 4 and 5 have both
	Chain        []byte
	Key          []byte // attestation key; nil: the machine's
	Signature    []byte // of the quote; nil: the right one
	QESignature  []byte // of QEReport; nil: the right one
	version      uint16
}

// Draft prepares a quote of a version (3, 4, 5) around a report, of an enclave or a TD.
func (m *Machine) Draft(version uint16, report []byte) *Draft {
	draft := &Draft{
		machine: m, Header: make([]byte, headerSize), Report: report, Auth: qeAuth[:], Outer: 6, Inner: 5,
		Chain: Chain(m.leaf, m.pki.ca, m.pki.root), version: version,
	}
	quoting := Enclave{MREnclave: sha256.Sum256([]byte("development quoting enclave")), MRSigner: qeSigner, ProductID: 1, SecurityVersion: 11}
	binary.LittleEndian.PutUint16(draft.Header[0:], version)
	binary.LittleEndian.PutUint16(draft.Header[2:], 2) // ECDSA with P-256
	if len(report) != enclaveSize {
		binary.LittleEndian.PutUint32(draft.Header[4:], teeTDX)
		quoting.ProductID = 2
	} else {
		binary.LittleEndian.PutUint16(draft.Header[8:], 11) // QE's SVN
		binary.LittleEndian.PutUint16(draft.Header[10:], pceSVN)
	}
	copy(draft.Header[12:], qeVendor[:])
	draft.QEReport = quoting.Report([64]byte{})
	draft.QEReport[48] |= 0x10 // may use the provisioning key
	return draft
}

// Quote signs the draft.
func (d *Draft) Quote() ([]byte, error) {
	signed := slices.Clone(d.Header)
	if d.version == 5 {
		kind := map[int]uint16{enclaveSize: 1, td10Size: 2, td15Size: 3}[len(d.Report)]
		signed = binary.LittleEndian.AppendUint16(signed, kind)
		signed = binary.LittleEndian.AppendUint32(signed, uint32(len(d.Report)))
	}
	signed = append(signed, d.Report...)
	section, err := d.section(signed)
	if err != nil {
		return nil, err
	}
	signed = binary.LittleEndian.AppendUint32(signed, uint32(len(section)))
	return append(signed, section...), nil
}

// section is all that follows header, report and its own length.
func (d *Draft) section(signed []byte) ([]byte, error) {
	key := d.Key
	var err error
	if key == nil {
		if key, err = rawPublic(d.machine.attestation); err != nil {
			return nil, err
		}
	}
	proof := d.Signature
	if proof == nil {
		if proof, err = sign(d.machine.attestation, signed); err != nil {
			return nil, err
		}
	}
	certification, err := d.certification(key)
	if err != nil {
		return nil, err
	}
	out := slices.Concat(proof, key)
	if d.version > 3 {
		out = binary.LittleEndian.AppendUint16(out, d.Outer)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(certification)))
	}
	return append(out, certification...), nil
}

// certification is the report by which the PCK key vouches for the attestation key, and
// the certificates that vouch for the PCK key.
func (d *Draft) certification(key []byte) ([]byte, error) {
	report, data := slices.Clone(d.QEReport), d.QEData
	if data == nil {
		bound := sha256.Sum256(slices.Concat(key, d.Auth))
		data = bound[:]
	}
	copy(report[320:], data)
	proof := d.QESignature
	if proof == nil {
		var err error
		if proof, err = sign(d.machine.pck, report); err != nil {
			return nil, err
		}
	}
	out := slices.Concat(report, proof)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(d.Auth)))
	out = append(out, d.Auth...)
	out = binary.LittleEndian.AppendUint16(out, d.Inner)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(d.Chain)))
	return append(out, d.Chain...), nil
}

// WrapOE puts the header before a quote that Open Enclave, and so EGo, puts there.
func WrapOE(quote []byte) []byte {
	out := binary.LittleEndian.AppendUint32(nil, 1) // version
	out = binary.LittleEndian.AppendUint32(out, 2)  // remote report
	out = binary.LittleEndian.AppendUint64(out, uint64(len(quote)))
	return append(out, quote...)
}
