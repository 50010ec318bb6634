package attest_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edgelesssys/ego/attestation/tcbstatus"

	"assay/consensus/attest"
	"assay/contracts"
	"assay/internal/devpki"
)

var instant = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// must unwraps what cannot fail with the test's own input.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

var (
	pki     = must(devpki.New([]byte("attest tests")))
	machine = must(pki.Machine("a"))
	enclave = devpki.Enclave{MREnclave: [32]byte{0xaa}, MRSigner: [32]byte{0xbb}, ProductID: 7, SecurityVersion: 3}
	binding = contracts.Binding{
		ChainID: 134, Hub: [20]byte{1}, Task: [32]byte{2}, Worker: [20]byte{3}, EnclaveChallenge: [20]byte{4},
		ResultHash: [32]byte{5}, ResultSeal: [32]byte{6}, Anchor: [32]byte{7},
	}
	good = must(machine.Quote(enclave, binding.ReportData()))
)

// verify judges a quote as the engine does, by whatever collateral the good one needs.
func verify(raw []byte) (attest.Report, error) { return verifyAt(raw, instant) }

var currentSet = sync.OnceValue(func() *attest.Collateral { return scene{}.build().set })

func verifyAt(raw []byte, at time.Time) (attest.Report, error) {
	policy := attest.Strict()
	verdict := attest.Judge(raw, currentSet(), &policy, at, binding.ReportData())
	if refusal := verdict.Refusal(); refusal != nil {
		return verdict.Report(), refusal
	}
	return verdict.Report(), nil
}

// refused checks that a quote is refused with a class, and that nothing about the
// report reads as trusted.
func refused(t *testing.T, raw []byte, want attest.Class) {
	t.Helper()
	report, err := verify(raw)
	if got := attest.ClassOf(err); err == nil || got != want {
		t.Errorf("got class %q (%v), want %q", got, err, want)
	}
	if report.TCBStatus != tcbstatus.Unknown || report.UniqueID != nil {
		t.Errorf("a refused quote reports %+v", report)
	}
}

func TestGoodQuoteIsReported(t *testing.T) {
	for name, raw := range map[string][]byte{"raw": good, "as ego wraps it": devpki.WrapOE(good)} {
		report, err := verify(raw)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		data := binding.ReportData()
		if !bytes.Equal(report.UniqueID, enclave.MREnclave[:]) || !bytes.Equal(report.SignerID, enclave.MRSigner[:]) ||
			!bytes.Equal(report.Data, data[:]) || report.SecurityVersion != 3 || report.Debug ||
			binary.LittleEndian.Uint16(report.ProductID) != 7 || len(report.ProductID) != 16 {
			t.Errorf("%s: report %+v", name, report)
		}
	}
}

// Open Enclave's header is not signed, so every change of it must be one of its meaning.
// What follows it is in TestEverySingleBitFlipIsRefused.
func TestEveryFlippedByteOfTheHeaderIsRefused(t *testing.T) {
	raw := devpki.WrapOE(good)
	for i := range raw[:len(raw)-len(good)] {
		for flip := range 255 {
			changed := bytes.Clone(raw)
			changed[i] ^= byte(flip + 1)
			refused(t, changed, attest.ClassFormat)
		}
	}
}

func TestEveryOtherLengthIsRefused(t *testing.T) {
	for n := range good {
		refused(t, good[:n], attest.ClassFormat)
	}
	refused(t, append(bytes.Clone(good), 0), attest.ClassFormat)
	refused(t, append(devpki.WrapOE(good), 0), attest.ClassFormat)
	refused(t, make([]byte, attest.MaxQuoteSize+1), attest.ClassFormat)
	refused(t, nil, attest.ClassFormat)
}

// Offsets into a quote.
const (
	atSection = 48 + 384 + 4
	atKey     = atSection + 64
	atQE      = atKey + 64
	atAuth    = atQE + 384 + 64
	atCert    = atAuth + 2 + 32
)

func TestWrongStructureIsRefused(t *testing.T) {
	put16 := func(at int, value uint16) []byte {
		changed := bytes.Clone(good)
		binary.LittleEndian.PutUint16(changed[at:], value)
		return changed
	}
	put32 := func(at int, value uint32) []byte {
		changed := bytes.Clone(good)
		binary.LittleEndian.PutUint32(changed[at:], value)
		return changed
	}
	for name, raw := range map[string][]byte{
		"version 4":               put16(0, 4),
		"attestation key type 3":  put16(2, 3),
		"TEE type TDX":            put32(4, 0x81),
		"another QE vendor":       put16(12, 0),
		"section length huge":     put32(432, 1<<31),
		"auth length huge":        put16(atAuth, 0xffff),
		"certification type 1":    put16(atCert, 1),
		"certification type 4":    put16(atCert, 4),
		"chain length huge":       put32(atCert+2, 1<<31),
		"chain length one less":   put32(atCert+2, binary.LittleEndian.Uint32(good[atCert+2:])-1),
		"OE header of type local": put32WrapOE(4, 1),
	} {
		t.Run(name, func(t *testing.T) { refused(t, raw, attest.ClassFormat) })
	}
}

func put32WrapOE(at int, value uint32) []byte {
	wrapped := devpki.WrapOE(good)
	binary.LittleEndian.PutUint32(wrapped[at:], value)
	return wrapped
}

// rechained replaces the PEM text of a quote.
func rechained(quote []byte, chain string) []byte {
	out := bytes.Clone(quote[:atCert+2])
	out = binary.LittleEndian.AppendUint32(out, uint32(len(chain)))
	out = append(out, chain...)
	binary.LittleEndian.PutUint32(out[432:], uint32(len(out)-atSection))
	return out
}

func chainOf(quote []byte) string { return string(quote[atCert+6:]) }

func certificatesOf(quote []byte) []string {
	return strings.SplitAfter(chainOf(quote), "-----END CERTIFICATE-----\n")[:3]
}

func TestChainMustBeCanonical(t *testing.T) {
	chain := chainOf(good)
	if _, err := verify(rechained(good, chain+"\x00")); err != nil {
		t.Errorf("the zero byte that Intel ends chains with: %v", err)
	}
	c := certificatesOf(good)
	for name, text := range map[string]string{
		"two zero bytes":    chain + "\x00\x00",
		"text before":       "x" + chain,
		"text after":        chain + "x",
		"a blank line":      strings.Replace(chain, "\n-----BEGIN", "\n\n-----BEGIN", 1),
		"Windows lines":     strings.ReplaceAll(chain, "\n", "\r\n"),
		"a header":          strings.Replace(chain, "CERTIFICATE-----\n", "CERTIFICATE-----\nA: b\n\n", 1),
		"a fourth":          chain + c[2],
		"only two":          c[0] + c[1],
		"none":              "",
		"lines joined":      strings.Replace(chain, "\nMII", "MII", 1),
		"another PEM block": strings.ReplaceAll(chain, "CERTIFICATE", "PRIVATE KEY"),
	} {
		t.Run(name, func(t *testing.T) { refused(t, rechained(good, text), attest.ClassChain) })
	}
}

func TestChainMustLeadToTheTrustedRoot(t *testing.T) {
	foreign := must(must(devpki.New([]byte("foreign"))).Machine("a"))
	theirs := must(foreign.Quote(enclave, binding.ReportData()))
	refused(t, theirs, attest.ClassChain)

	ours, other := certificatesOf(good), certificatesOf(theirs)
	for name, chain := range map[string][3]string{
		"foreign leaf and CA under our root": {other[0], other[1], ours[2]},
		"foreign leaf under our CA":          {other[0], ours[1], ours[2]},
		"root first":                         {ours[2], ours[1], ours[0]},
		"leaf and CA exchanged":              {ours[1], ours[0], ours[2]},
		"CA as leaf":                         {ours[1], ours[1], ours[2]},
		"root as CA":                         {ours[0], ours[2], ours[2]},
		"leaf as CA":                         {ours[0], ours[0], ours[2]},
	} {
		t.Run(name, func(t *testing.T) { refused(t, rechained(good, chain[0]+chain[1]+chain[2]), attest.ClassChain) })
	}
}

func TestCertificatesMustBeValidAtTheInstant(t *testing.T) {
	for _, at := range []time.Time{time.Date(2018, 5, 21, 10, 45, 9, 0, time.UTC), time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC), {}} {
		if _, err := verifyAt(good, at); attest.ClassOf(err) != attest.ClassExpired {
			t.Errorf("at %s: %v", at, err)
		}
	}
}

// Another machine's parts do not make a quote of this one's.
func TestSignaturesMustBelongTogether(t *testing.T) {
	theirs := must(must(pki.Machine("b")).Quote(enclave, binding.ReportData()))
	take := func(from, to int) []byte {
		changed := bytes.Clone(good)
		copy(changed[from:to], theirs[from:to])
		return changed
	}
	for name, raw := range map[string][]byte{
		"attestation key substituted":   take(atKey, atQE),
		"key and signature substituted": take(atSection, atQE),
		"QE report of another machine":  take(atQE, atQE+384),
		"QE signature of another":       take(atQE+384, atAuth),
		"everything but the chain":      take(atSection, atCert),
		"quote signature of another":    take(atSection, atKey),
		"quote signature zero":          zeroed(atSection, atKey),
		"attestation key zero":          zeroed(atKey, atQE),
		"QE signature zero":             zeroed(atQE+384, atAuth),
	} {
		t.Run(name, func(t *testing.T) { refused(t, raw, attest.ClassSignature) })
	}
}

func zeroed(from, to int) []byte {
	changed := bytes.Clone(good)
	clear(changed[from:to])
	return changed
}

func TestDebugEnclaveIsRefused(t *testing.T) {
	open := enclave
	open.Debug = true
	refused(t, must(machine.Quote(open, binding.ReportData())), attest.ClassIdentity)
}

// A quote is good for one contribution: whatever else it is presented for, it is refused.
func TestQuoteIsBoundToItsContribution(t *testing.T) {
	for name, change := range map[string]func(*contracts.Binding){
		"another chain":     func(b *contracts.Binding) { b.ChainID = 42161 },
		"another contract":  func(b *contracts.Binding) { b.Hub[0]++ },
		"another task":      func(b *contracts.Binding) { b.Task[0]++ },
		"another worker":    func(b *contracts.Binding) { b.Worker[0]++ },
		"another key":       func(b *contracts.Binding) { b.EnclaveChallenge[0]++ },
		"another result":    func(b *contracts.Binding) { b.ResultHash[0]++ },
		"another seal":      func(b *contracts.Binding) { b.ResultSeal[0]++ },
		"an earlier anchor": func(b *contracts.Binding) { b.Anchor[0]++ },
	} {
		t.Run(name, func(t *testing.T) {
			other := binding
			change(&other)
			refused(t, must(machine.Quote(enclave, other.ReportData())), attest.ClassBinding)
		})
	}
	t.Run("every byte of the report data", func(t *testing.T) {
		for i := range 64 {
			data := binding.ReportData()
			data[i] ^= 1
			refused(t, must(machine.Quote(enclave, data)), attest.ClassBinding)
		}
	})
}

func TestErrorsThatAreNoneOfOurs(t *testing.T) {
	if class := attest.ClassOf(errors.New("other")); class != "" {
		t.Errorf("class %q", class)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(good)
	f.Add(devpki.WrapOE(good))
	f.Add(good[:500])
	f.Fuzz(func(t *testing.T, raw []byte) {
		quote, parseErr := attest.Parse(raw)
		report, err := verify(raw)
		if err != nil && (report.TCBStatus != tcbstatus.Unknown || attest.ClassOf(err) == "") {
			t.Errorf("refused with %v and %+v", err, report)
		}
		if err == nil && (parseErr != nil || quote.ReportData() != binding.ReportData()) {
			t.Error("a quote was accepted that cannot be read or says something else")
		}
	})
}
