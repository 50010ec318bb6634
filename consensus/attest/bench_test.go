package attest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"assay/consensus/attest"
	"assay/internal/devpki"
)

// yardstick is one P-256 verification by crypto/ecdsa, as a quote asks for: of r and s,
// over the digest of a message.
func yardstick() func() {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	digest := sha256.Sum256([]byte("a quote"))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		panic(err)
	}
	raw := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return func() {
		if !ecdsa.Verify(&key.PublicKey, digest[:], new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])) {
			panic("the yardstick is broken")
		}
	}
}

// against measures work and yardstick in turn, and reports the ratio of the shortest
// times: what else the machine does lengthens either, and shortens neither.
func against(b *testing.B, work func()) {
	unit := yardstick()
	quickest := func(f func(), best time.Duration) time.Duration {
		const batch = 8
		start := time.Now()
		for range batch {
			f()
		}
		return min(best, time.Since(start)/batch)
	}
	const long = time.Hour
	one, many := long, long
	b.ReportAllocs()
	for b.Loop() {
		one, many = quickest(unit, one), quickest(work, many)
	}
	b.ReportMetric(0, "ns/op") // of both together: says nothing
	b.ReportMetric(float64(many.Nanoseconds()), "ns")
	b.ReportMetric(float64(one.Nanoseconds()), "ns/P-256")
	b.ReportMetric(float64(many)/float64(one), "×P-256")
}

func (p props) mustBe(accepted bool, known *attest.Platforms) {
	if verdict := p.judge(known); verdict.Accepted() != accepted {
		panic(verdict.Refusal())
	}
}

// A further quote of a machine: at most 1.15 × P-256.
func BenchmarkKnownPlatform(b *testing.B) {
	for _, name := range []string{"SGX v3", "TDX v4", "TDX v5, TD 1.5"} {
		b.Run(name, func(b *testing.B) {
			props, known := kinds[name].build(), attest.NewPlatforms(8)
			props.mustBe(true, known)
			against(b, func() { props.mustBe(true, known) })
		})
	}
}

// The first quote of a machine: at most 6 × P-256.
func BenchmarkNewPlatform(b *testing.B) {
	for _, name := range []string{"SGX v3", "TDX v4", "TDX v5, TD 1.5"} {
		b.Run(name, func(b *testing.B) {
			props := kinds[name].build()
			against(b, func() { props.mustBe(true, nil) })
		})
	}
}

// The dearest messages that are refused: at most 0.5 ms. Each is of a new machine, as
// far as it goes.
func BenchmarkRefused(b *testing.B) {
	again := must(devpki.NewChanged([]byte("attest tests"), devpki.Changes{CA: func(c *x509.Certificate) { c.SerialNumber.SetInt64(77) }}))
	ca := func(d *devpki.Draft) { d.Chain = devpki.Chain(machine.PCK(), again.CA(), pki.Root()) } // that the collateral does not know
	largest := scene{quote: func(raw []byte) []byte { return append(raw, make([]byte, attest.MaxQuoteSize-len(raw))...) }}
	for name, s := range map[string]scene{
		"quote signature": {draft: ca, quote: flip(atSection + 3)},
		"QE signature":    {draft: ca, quote: flip(atQE + 100)},
		"MRENCLAVE":       {draft: ca, policy: func(p *attest.Policy) { p.Identities = []attest.Identity{{MREnclave: &[32]byte{}}} }},
		"report data":     {draft: ca, policy: func(p *attest.Policy) { p.ReportData = &[64]byte{} }},
		"revoked":         {draft: ca, collateral: func(c *devpki.Collateral) { c.PCKCRL.RevokedCertificateEntries = revoked(machine.PCK()) }},
		"largest":         largest,
	} {
		b.Run(name, func(b *testing.B) {
			props := s.build()
			against(b, func() { props.mustBe(false, nil) })
		})
	}
}

// Once for each collateral set.
func BenchmarkLoad(b *testing.B) {
	raw := must(pki.Collateral(instant, true).JSON())
	against(b, func() { must(attest.Load(raw, pki.Root())) })
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		must(attest.Parse(good))
	}
}
