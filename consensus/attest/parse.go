package attest

import (
	"bytes"
	"encoding/binary"
	"encoding/pem"
)

// Layout of an SGX quote, version 3 (Intel SGX ECDSA QuoteLibReference, appendix A.4).
const (
	headerSize    = 48
	bodySize      = 384
	oeHeaderSize  = 16
	chainLength   = 3
	certification = 5 // certification data: PCK chain in PEM

	// MaxQuoteSize is the largest quote that is read, in bytes. Real ones have 4 to 5 kB.
	MaxQuoteSize = 16 << 10
)

// intelQE is the vendor of the quoting enclave.
var intelQE = [16]byte{0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07}

// Body is an enclave's report, as the processor made it.
type Body struct {
	CPUSVN     [16]byte
	Attributes [16]byte // flags (8 bytes, little endian), XFRM
	MREnclave  [32]byte
	MRSigner   [32]byte
	ProductID  uint16
	SVN        uint16
	Data       [64]byte
}

// Quote is an SGX quote of version 3, taken apart and not yet believed.
type Quote struct {
	Body           Body
	Signed         []byte // header and report body: what the attestation key signs
	Signature      [64]byte
	AttestationKey [64]byte // x ‖ y
	QEReport       [bodySize]byte
	QESignature    [64]byte // the PCK key's, over QEReport
	QEAuth         []byte
	Certificates   [chainLength][]byte // DER: PCK, platform CA, root
}

// Parse reads a quote, raw or behind Open Enclave's header as ego makes them. Every
// length must be exact and nothing may follow. The error is an *Error of ClassFormat.
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
	quote.Signed = in.take(headerSize + bodySize)
	section := cursor{rest: in.take(int(in.uint32()))}
	if in.short || len(in.rest) != 0 {
		return quote, refuse(ClassFormat, "lengths do not add up to %d bytes", len(raw))
	}
	if err = checkHeader(quote.Signed[:headerSize]); err != nil {
		return quote, err
	}
	quote.Body = parseBody(quote.Signed[headerSize:])
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

func checkHeader(header []byte) *Error {
	switch {
	case binary.LittleEndian.Uint16(header) != 3:
		return refuse(ClassFormat, "quote version %d, want 3", binary.LittleEndian.Uint16(header))
	case binary.LittleEndian.Uint16(header[2:]) != 2:
		return refuse(ClassFormat, "attestation key type %d, want 2 (ECDSA P-256)", binary.LittleEndian.Uint16(header[2:]))
	case binary.LittleEndian.Uint32(header[4:]) != 0:
		return refuse(ClassFormat, "TEE type %#x in a quote of version 3", binary.LittleEndian.Uint32(header[4:]))
	case [16]byte(header[12:28]) != intelQE:
		return refuse(ClassFormat, "quoting enclave of vendor %x", header[12:28])
	}
	return nil
}

// parseBody reads a report body of bodySize bytes.
func parseBody(raw []byte) Body {
	return Body{
		CPUSVN:     [16]byte(raw[0:]),
		Attributes: [16]byte(raw[48:]),
		MREnclave:  [32]byte(raw[64:]),
		MRSigner:   [32]byte(raw[128:]),
		ProductID:  binary.LittleEndian.Uint16(raw[256:]),
		SVN:        binary.LittleEndian.Uint16(raw[258:]),
		Data:       [64]byte(raw[320:]),
	}
}

// parseSection reads the signature section.
func (q *Quote) parseSection(in *cursor) *Error {
	copy(q.Signature[:], in.take(64))
	copy(q.AttestationKey[:], in.take(64))
	copy(q.QEReport[:], in.take(bodySize))
	copy(q.QESignature[:], in.take(64))
	q.QEAuth = in.take(int(in.uint16()))
	kind := in.uint16()
	chain := in.take(int(in.uint32()))
	if in.short || len(in.rest) != 0 {
		return refuse(ClassFormat, "lengths within the signature section do not add up")
	}
	if kind != certification {
		return refuse(ClassFormat, "certification data of type %d, want %d (PCK chain)", kind, certification)
	}
	return q.parseChain(chain)
}

// parseChain takes the PEM blocks apart. Only the canonical encoding is let pass, so
// that no bit of a quote can change and the quote remain good. Intel ends the text with
// a zero byte.
func (q *Quote) parseChain(text []byte) *Error {
	rest := bytes.TrimSuffix(text, []byte{0})
	for i := range q.Certificates {
		var block *pem.Block
		whole := rest
		block, rest = pem.Decode(whole)
		if block == nil || !bytes.Equal(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: block.Bytes}), whole[:len(whole)-len(rest)]) {
			return refuse(ClassFormat, "certificate %d of the chain is not canonical PEM", i)
		}
		q.Certificates[i] = block.Bytes
	}
	if len(rest) != 0 {
		return refuse(ClassFormat, "%d bytes after the certificate chain", len(rest))
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
