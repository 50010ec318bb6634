package attest

import "encoding/binary"

// Sizes of reports, in bytes.
const (
	enclaveSize = 384
	td10Size    = 584
	td15Size    = 648
)

// Flags of an enclave (Intel SDM, SECS.ATTRIBUTES).
const (
	flagInit  = 1 << 0
	flagDebug = 1 << 1
)

// Attributes of a TD and the processor state that it may use (Intel TDX Module ABI, TD_PARAMS; the
// XFAM masks are those that the module itself demands).
const (
	tdTUD                   = 0xff // what lets its owner look into a TD: debug, profiling
	tdDebug                 = 1 << 0
	tdLASS                  = 1 << 27
	tdSeptVEDisable         = 1 << 28
	tdMigratable            = 1 << 29
	tdProtectionKeys        = 1 << 30
	tdKeyLocker             = 1 << 31
	tdPerfmon               = 1 << 63
	tdKnown                 = tdTUD | tdLASS | tdSeptVEDisable | tdMigratable | tdProtectionKeys | tdKeyLocker | tdPerfmon
	xfamAlways       uint64 = 0x3
	xfamKnown        uint64 = 0x6dbe7
)

// Enclave is an SGX enclave's report, as the processor made it.
type Enclave struct {
	CPUSVN     [16]byte
	MiscSelect [4]byte
	Attributes [16]byte // flags (8 bytes, little endian), XFRM
	MREnclave  [32]byte
	MRSigner   [32]byte
	ProductID  uint16
	SVN        uint16
	Data       [64]byte
}

func (e *Enclave) flags() uint64 { return binary.LittleEndian.Uint64(e.Attributes[:]) }

// parseEnclave reads a report of enclaveSize bytes.
func parseEnclave(raw []byte) Enclave {
	return Enclave{
		CPUSVN:     [16]byte(raw[0:]),
		MiscSelect: [4]byte(raw[16:]),
		Attributes: [16]byte(raw[48:]),
		MREnclave:  [32]byte(raw[64:]),
		MRSigner:   [32]byte(raw[128:]),
		ProductID:  binary.LittleEndian.Uint16(raw[256:]),
		SVN:        binary.LittleEndian.Uint16(raw[258:]),
		Data:       [64]byte(raw[320:]),
	}
}

// TD is a trust domain's report, as the TDX module made it.
type TD struct {
	TCBSVN         [16]byte // [0] and [1] are the module's security version and version
	MRSignerSEAM   [48]byte // who signed the TDX module; zero for Intel
	SEAMAttributes [8]byte
	Attributes     uint64
	XFAM           uint64
	MRTD           [48]byte
	RTMR           [4][48]byte // measured while it ran
	Data           [64]byte
	MRServiceTD    [48]byte // of a TD 1.5 report: the service TDs that may look into it
}

// parseTD reads a report of td10Size or td15Size bytes.
func parseTD(raw []byte) TD {
	td := TD{
		TCBSVN:         [16]byte(raw[0:]),
		MRSignerSEAM:   [48]byte(raw[64:]),
		SEAMAttributes: [8]byte(raw[112:]),
		Attributes:     binary.LittleEndian.Uint64(raw[120:]),
		XFAM:           binary.LittleEndian.Uint64(raw[128:]),
		MRTD:           [48]byte(raw[136:]),
		Data:           [64]byte(raw[520:]),
	}
	for i := range td.RTMR {
		td.RTMR[i] = [48]byte(raw[328+48*i:])
	}
	if len(raw) == td15Size {
		td.MRServiceTD = [48]byte(raw[600:])
	}
	return td
}
