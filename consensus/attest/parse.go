package attest

import "encoding/binary"

// Layout of quotes (Intel SGX ECDSA QuoteLibReference, appendix A.4, and Intel TDX DCAP
// Quoting Library API, appendix A.3).
const (
	headerSize       = 48
	oeHeaderSize     = 16
	certificatePCK   = 5 // certification data: PCK chain in PEM
	certificateQE    = 6 // certification data of versions 4 and 5: the quoting enclave's report
	bodyKindEnclave  = 1 // of a quote of version 5
	bodyKindTD10     = 2
	bodyKindTD15     = 3
	teeTypeSGX       = 0
	teeTypeTDX       = 0x81
	keyTypeECDSAP256 = 2

	// MaxQuoteSize is the largest quote that is read, in bytes. Real ones have 4 to 8 kB.
	MaxQuoteSize = 16 << 10
)

// TEE is the kind of enclave that a quote is of.
type TEE string

// The kinds of enclaves.
const (
	SGX TEE = "SGX"
	TDX TEE = "TDX" // a whole virtual machine: a trust domain (TD)
)

// intelQE is the vendor of the quoting enclave.
var intelQE = [16]byte{0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07}

// Quote is a quote, taken apart and not yet believed. Slices point into the bytes that
// were parsed.
type Quote struct {
	Version uint16
	TEE     TEE
	Enclave Enclave // of an SGX quote
	TD      TD      // of a TDX quote
	Padding int     // zero bytes after the end

	signed         []byte // header and report body: what the attestation key signs
	signature      []byte // r ‖ s
	vouched        []byte // all that says who the attestation key is, from it to the last certificate
	attestationKey []byte // x ‖ y
	qeReport       []byte
	qeSignature    []byte // the PCK key's, over qeReport
	qeAuth         []byte
	certification  uint16 // what kind of data chain is
	chain          []byte // PEM: PCK, platform CA, root
}

// ReportData is what the enclave had quoted.
func (q *Quote) ReportData() [64]byte {
	if q.TEE == TDX {
		return q.TD.Data
	}
	return q.Enclave.Data
}

// Parse reads a quote, raw or behind Open Enclave's header as ego makes them. Every
// length must be exact and nothing but zero bytes may follow. The error is an *Error of
// ClassFormat.
func Parse(raw []byte) (Quote, error) {
	quote, err := parse(raw)
	if err != nil {
		return Quote{}, err
	}
	return quote, nil
}

func parse(raw []byte) (quote Quote, err *Error) {
	if len(raw) > MaxQuoteSize {
		return quote, refuse(ClassFormat, "%d bytes, more than %d", len(raw), MaxQuoteSize)
	}
	if raw, err = unwrap(raw); err != nil {
		return quote, err
	}
	in := cursor{rest: raw}
	header := in.take(headerSize)
	if in.short {
		return quote, refuse(ClassFormat, "only %d bytes", len(raw))
	}
	if err = quote.parseHeader(header); err != nil {
		return quote, err
	}
	if err = quote.parseBody(&in); err != nil {
		return quote, err
	}
	quote.signed = raw[:len(raw)-len(in.rest)]
	section := cursor{rest: in.take(int(in.uint32()))}
	if in.short {
		return quote, refuse(ClassFormat, "lengths do not add up to %d bytes", len(raw))
	}
	for _, b := range in.rest {
		if b != 0 {
			return quote, refuse(ClassFormat, "%d bytes follow the quote", len(in.rest))
		}
	}
	quote.Padding = len(in.rest)
	return quote, quote.parseSection(&section)
}

// unwrap takes Open Enclave's header off (oe_report_header_t), if there is one.
func unwrap(raw []byte) ([]byte, *Error) {
	if len(raw) < oeHeaderSize {
		return nil, refuse(ClassFormat, "only %d bytes", len(raw))
	}
	if binary.LittleEndian.Uint32(raw) != 1 {
		return raw, nil
	}
	if kind := binary.LittleEndian.Uint32(raw[4:]); kind != 2 {
		return nil, refuse(ClassFormat, "Open Enclave report of type %d, not a remote one", kind)
	}
	quote := raw[oeHeaderSize:]
	if size := binary.LittleEndian.Uint64(raw[8:]); size != uint64(len(quote)) {
		return nil, refuse(ClassFormat, "Open Enclave header announces %d bytes, %d follow", size, len(quote))
	}
	return quote, nil
}

func (q *Quote) parseHeader(header []byte) *Error {
	q.Version = binary.LittleEndian.Uint16(header)
	tee := binary.LittleEndian.Uint32(header[4:]) // reserved in version 3, and zero: SGX
	switch {
	case q.Version < 3 || q.Version > 5:
		return refuse(ClassFormat, "quote version %d, want 3, 4 or 5", q.Version)
	case binary.LittleEndian.Uint16(header[2:]) != keyTypeECDSAP256:
		return refuse(ClassFormat, "attestation key type %d, want 2 (ECDSA P-256)", binary.LittleEndian.Uint16(header[2:]))
	case tee != teeTypeSGX && (tee != teeTypeTDX || q.Version == 3):
		return refuse(ClassFormat, "TEE type %#x in a quote of version %d", tee, q.Version)
	case [16]byte(header[12:28]) != intelQE:
		return refuse(ClassFormat, "quoting enclave of vendor %x", header[12:28])
	}
	q.TEE = SGX
	if tee == teeTypeTDX {
		q.TEE = TDX
	}
	return nil
}

// parseBody reads the report, which announces kind and size in version 5.
func (q *Quote) parseBody(in *cursor) *Error {
	kind := uint16(bodyKindEnclave)
	if q.TEE == TDX {
		kind = bodyKindTD10
	}
	announced := -1
	if q.Version == 5 {
		if said := in.uint16(); q.TEE == TDX && said == bodyKindTD15 {
			kind = bodyKindTD15
		} else if said != kind && !in.short {
			return refuse(ClassFormat, "report of kind %d in a quote for %s", said, q.TEE)
		}
		announced = int(in.uint32())
	}
	size := map[uint16]int{bodyKindEnclave: enclaveSize, bodyKindTD10: td10Size, bodyKindTD15: td15Size}[kind]
	if announced >= 0 && announced != size && !in.short {
		return refuse(ClassFormat, "a report of kind %d announces %d bytes, want %d", kind, announced, size)
	}
	raw := in.take(size)
	switch {
	case in.short:
		return refuse(ClassFormat, "the quote ends within its report")
	case q.TEE == TDX:
		q.TD = parseTD(raw)
	default:
		q.Enclave = parseEnclave(raw)
	}
	return nil
}

// parseSection reads the signature section.
func (q *Quote) parseSection(in *cursor) *Error {
	q.signature = in.take(64)
	q.vouched = in.rest
	q.attestationKey = in.take(64)
	if q.Version > 3 { // one more envelope
		kind := in.uint16()
		if size := in.uint32(); !in.short && (kind != certificateQE || int(size) != len(in.rest)) {
			return refuse(ClassFormat, "outer certification data of type %d with %d of %d bytes, want type %d",
				kind, size, len(in.rest), certificateQE)
		}
	}
	q.qeReport = in.take(enclaveSize)
	q.qeSignature = in.take(64)
	q.qeAuth = in.take(int(in.uint16()))
	q.certification = in.uint16()
	q.chain = in.take(int(in.uint32()))
	if in.short || len(in.rest) != 0 {
		return refuse(ClassFormat, "lengths within the signature section do not add up")
	}
	return nil
}

// cursor reads from the front of a byte string and remembers if it ran out.
type cursor struct {
	rest  []byte
	short bool
}

// take returns the next n bytes; nil once there are too few.
func (c *cursor) take(n int) []byte {
	if c.short || n < 0 || n > len(c.rest) {
		c.short = true
		return nil
	}
	taken := c.rest[:n:n]
	c.rest = c.rest[n:]
	return taken
}

func (c *cursor) uint16() uint16 {
	if raw := c.take(2); raw != nil {
		return binary.LittleEndian.Uint16(raw)
	}
	return 0
}

func (c *cursor) uint32() uint32 {
	if raw := c.take(4); raw != nil {
		return binary.LittleEndian.Uint32(raw)
	}
	return 0
}
