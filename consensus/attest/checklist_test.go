package attest_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edgelesssys/ego/attestation"

	"assay/consensus/attest"
	"assay/internal/devpki"
)

// negative is a scene with one flaw.
type negative struct {
	name  string // as in the facts on attestation, where they name the case
	check string // that must refuse it
	class attest.Class
	scene scene
}

// Each item of the checklist has cases that are refused for it alone: everything before
// it holds, and the class is the item's.
func TestChecklist(t *testing.T) {
	covered := map[string]bool{}
	for item, cases := range negatives() {
		t.Run(fmt.Sprintf("%02d", item), func(t *testing.T) {
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) { c.scene.refuses(t, c.check, c.class) })
				covered[c.check] = true
			}
		})
	}
	for _, check := range attest.Checklist() {
		if !covered[check.Name] {
			t.Errorf("no quote is refused by %s", check.Name)
		}
	}
}

func negatives() map[int][]negative {
	return map[int][]negative{
		1: structureCases(), 2: certificationCases(), 3: chainCases(), 4: validityCases(), 5: revocationCases(),
		6: platformCases(), 7: tcbInfoCases(), 8: qeSignatureCases(), 9: qeReportDataCases(), 10: qeIdentityCases(),
		11: quoteSignatureCases(), 12: levelCases(), 13: policyCases(), 14: enclaveCases(), 15: reportDataCases(), 16: tdCases(),
	}
}

// edit changes a copy of a quote.
func edit(change func([]byte)) func([]byte) []byte {
	return func(raw []byte) []byte {
		raw = bytes.Clone(raw)
		change(raw)
		return raw
	}
}

func put16(at int, value uint16) func([]byte) []byte {
	return edit(func(raw []byte) { binary.LittleEndian.PutUint16(raw[at:], value) })
}

func put32(at int, value uint32) func([]byte) []byte {
	return edit(func(raw []byte) { binary.LittleEndian.PutUint32(raw[at:], value) })
}

func flip(at int) func([]byte) []byte { return edit(func(raw []byte) { raw[at] ^= 1 }) }

func header16(at int, value uint16) func(*devpki.Draft) {
	return func(d *devpki.Draft) { binary.LittleEndian.PutUint16(d.Header[at:], value) }
}

func structureCases() []negative {
	cut := func(n int) func([]byte) []byte { return func(raw []byte) []byte { return raw[:n] } }
	tail := func(more ...byte) func([]byte) []byte {
		return func(raw []byte) []byte { return append(bytes.Clone(raw), more...) }
	}
	const v4Section = 48 + 584 + 4
	scenes := map[string]scene{
		"empty":                             {quote: cut(0)},
		"bad_truncated_header":              {quote: cut(40)},
		"bad_truncated_body":                {quote: cut(300)},
		"bad_truncated_siglen":              {quote: cut(434)},
		"bad_truncated_signature":           {quote: cut(1000)},
		"bad_siglen_short":                  {quote: put32(432, 100)},
		"bad_siglen_huge":                   {quote: put32(432, 0xffffffff)},
		"bad_authlen_overflow":              {quote: put16(atAuth, 0xffff)},
		"bad_certlen_huge":                  {quote: put32(atCert+2, 0xfffffff0)},
		"bad_certlen_short":                 {quote: put32(atCert+2, 5)},
		"bad_version_2":                     {draft: header16(0, 2)},
		"bad_version_6":                     {version: 4, draft: header16(0, 6)},
		"bad_version_4_of_a_v3_quote":       {draft: header16(0, 4)},
		"bad_version_3_of_a_v4_quote":       {version: 4, draft: header16(0, 3)},
		"bad_keytype_3":                     {draft: header16(2, 3)},
		"bad_tee_81_in_v3":                  {draft: header16(4, 0x81)},
		"bad_tee_82":                        {version: 4, draft: header16(4, 0x82)},
		"bad_tee_sgx_of_a_td":               {tdx: true, draft: header16(4, 0)},
		"bad_qe_vendor":                     {draft: header16(12, 0)},
		"bad_trailing_byte":                 {quote: tail(1)},
		"bad_trailing_zero":                 {quote: tail(0)},
		"bad_trailing_zeros_td":             {tdx: true, quote: tail(0, 0, 0, 0)},
		"bad_trailing_zeros_sgx_lax":        {quote: tail(0), policy: func(p *attest.Policy) { p.AllowPadding = true }},
		"bad_trailing_byte_td_lax":          {tdx: true, quote: tail(0, 1), policy: func(p *attest.Policy) { p.AllowPadding = true }},
		"bad_v5_kind_4":                     {tdx: true, version: 5, quote: put16(48, 4)},
		"bad_v5_kind_sgx":                   {tdx: true, version: 5, quote: put16(48, 1)},
		"bad_v5_kind_1.5_of_1.0":            {tdx: true, version: 5, quote: put16(48, 3)},
		"bad_v5_kind_1.0_of_1.5":            {tdx: true, td15: true, version: 5, quote: put16(48, 2)},
		"bad_v5_size":                       {tdx: true, version: 5, quote: put32(50, 585)},
		"bad_v5_truncated_kind":             {tdx: true, version: 5, quote: cut(49)},
		"bad_outer_certtype_5":              {tdx: true, draft: func(d *devpki.Draft) { d.Outer = 5 }},
		"bad_outer_size":                    {tdx: true, quote: put32(v4Section+130, 700)},
		"bad_outer_size_huge":               {tdx: true, quote: put32(v4Section+130, 0xffffffff)},
		"bad_oversized":                     {tdx: true, policy: func(p *attest.Policy) { p.AllowPadding = true }, quote: func(raw []byte) []byte { return append(bytes.Clone(raw), make([]byte, attest.MaxQuoteSize)...) }},
		"bad_oe_local_report":               {quote: func(raw []byte) []byte { return put32(4, 1)(devpki.WrapOE(raw)) }},
		"bad_oe_size":                       {quote: func(raw []byte) []byte { return flip(8)(devpki.WrapOE(raw)) }},
		"bad_oe_trailing_byte":              {quote: func(raw []byte) []byte { return append(devpki.WrapOE(raw), 0) }},
		"bad_oe_version":                    {quote: func(raw []byte) []byte { return put32(0, 2)(devpki.WrapOE(raw)) }},
		"bad_truncated_before_the_oe_quote": {quote: func(raw []byte) []byte { return devpki.WrapOE(raw)[:16] }},
	}
	return all(scenes, "structure", attest.ClassFormat)
}

// all makes cases of scenes that the same check refuses.
func all(scenes map[string]scene, check string, class attest.Class) []negative {
	var out []negative
	for name, s := range scenes {
		out = append(out, negative{name, check, class, s})
	}
	return out
}

func certificationCases() []negative {
	kind := func(kind uint16) scene { return scene{draft: func(d *devpki.Draft) { d.Inner = kind }} }
	td := kind(4)
	td.tdx = true
	return all(map[string]scene{
		"bad_certtype_1": kind(1), "bad_certtype_2": kind(2), "bad_certtype_3": kind(3), "bad_certtype_4": kind(4),
		"bad_certtype_6": kind(6), "bad_certtype_7": kind(7), "bad_certtype_4_td": td,
	}, "certification-data", attest.ClassFormat)
}

var foreign = must(devpki.New([]byte("foreign")))

func chainCases() []negative {
	chain := func(of func(pki *devpki.PKI, leaf *x509.Certificate) []*x509.Certificate) scene {
		return scene{pki: pki, draft: func(d *devpki.Draft) { d.Chain = devpki.Chain(of(pki, machine.PCK())...) }}
	}
	text := func(change func(string) string) scene {
		return scene{draft: func(d *devpki.Draft) { d.Chain = []byte(change(string(d.Chain))) }}
	}
	critical := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}
	type certs = []*x509.Certificate
	return all(map[string]scene{
		"bad_foreign_root":      {pki: foreign, trust: pki},
		"bad_production_root":   {pki: pki, trust: foreign},
		"bad_chain_foreign_top": chain(func(p *devpki.PKI, l *x509.Certificate) certs { return certs{l, p.CA(), foreign.Root()} }),
		"bad_chain_foreign_ca":  chain(func(p *devpki.PKI, l *x509.Certificate) certs { return certs{l, foreign.CA(), p.Root()} }),
		"bad_chain_order":       chain(func(p *devpki.PKI, l *x509.Certificate) certs { return certs{p.Root(), p.CA(), l} }),
		"bad_chain_swapped":     chain(func(p *devpki.PKI, l *x509.Certificate) certs { return certs{p.CA(), l, p.Root()} }),
		"bad_chain_no_root":     chain(func(p *devpki.PKI, l *x509.Certificate) certs { return certs{l, p.CA()} }),
		"bad_chain_no_ca":       chain(func(p *devpki.PKI, l *x509.Certificate) certs { return certs{l, p.Root()} }),
		"bad_chain_four":        chain(func(p *devpki.PKI, l *x509.Certificate) certs { return certs{l, p.CA(), p.Root(), p.Root()} }),
		"bad_chain_root_twice":  chain(func(p *devpki.PKI, l *x509.Certificate) certs { return certs{l, p.Root(), p.Root()} }),
		"bad_chain_signer":      chain(func(p *devpki.PKI, _ *x509.Certificate) certs { return certs{p.Signer(), p.CA(), p.Root()} }),
		"bad_chain_signer_as_ca": chain(func(p *devpki.PKI, l *x509.Certificate) certs {
			return certs{l, p.Signer(), p.Root()}
		}),
		"bad_chain_empty":    text(func(string) string { return "" }),
		"bad_chain_garbage":  text(func(string) string { return "no certificate" }),
		"bad_chain_windows":  text(func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }),
		"bad_chain_two_ends": text(func(s string) string { return s + "\x00\x00" }),
		"bad_chain_not_der": text(func(s string) string {
			return "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + s[strings.Index(s, "-----END CERTIFICATE-----\n")+26:]
		}),
		"bad_leaf_cn":              {changes: devpki.Changes{PCK: common("Intel SGX PCK Certificat")}},
		"bad_leaf_is_ca":           {changes: devpki.Changes{PCK: func(c *x509.Certificate) { c.IsCA = true; c.KeyUsage |= x509.KeyUsageCertSign }}},
		"bad_leaf_no_signing":      {changes: devpki.Changes{PCK: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageContentCommitment }}},
		"bad_leaf_critical":        {changes: devpki.Changes{PCK: func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, critical) }}},
		"bad_leaf_sha384":          {changes: devpki.Changes{PCK: func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA384 }}},
		"bad_inter_cn":             {changes: devpki.Changes{CA: common("Intel SGX Some CA")}, file: foreignCA},
		"bad_leaf_issued_by_noncA": {changes: devpki.Changes{CA: func(c *x509.Certificate) { c.IsCA, c.MaxPathLen, c.MaxPathLenZero = false, 0, false }}, file: foreignCA},
		"bad_inter_other_name": {draft: func(d *devpki.Draft) {
			renamed := must(devpki.NewChanged([]byte("attest tests"), devpki.Changes{CA: func(c *x509.Certificate) { c.Subject.Organization = []string{"Other"} }}))
			d.Chain = devpki.Chain(machine.PCK(), renamed.CA(), pki.Root())
		}},
		"bad_inter_no_signing": {changes: devpki.Changes{CA: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }}, file: foreignCA},
	}, "chain", attest.ClassChain)
}

// foreignCA leaves the collateral without the CA in question, so that the quote's own is looked at.
func foreignCA(f *devpki.File) { f.PCKCRLChain = "" }

func common(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.Subject.CommonName = name }
}

func pemEnd(chain []byte) int { return bytes.Index(chain, []byte("-----END CERTIFICATE-----\n")) + 26 }

// A PCK certificate with a key of another kind is refused for that, before it is used.
func TestKeysOfOtherKinds(t *testing.T) {
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(9), Subject: pkix.Name{CommonName: "Intel SGX PCK Certificate"}}
	for name, key := range map[string]crypto.Signer{"P-384": must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), "Ed25519": edwards} {
		if name == "P-384" {
			template.SignatureAlgorithm = x509.ECDSAWithSHA256 // only the curve is another
		} else {
			template.SignatureAlgorithm = x509.UnknownSignatureAlgorithm
		}
		der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
		leaf := devpki.Chain(must(x509.ParseCertificate(der)))
		s := scene{draft: func(d *devpki.Draft) { d.Chain = slices.Concat(leaf, d.Chain[pemEnd(d.Chain):]) }}
		s.refuses(t, "chain", attest.ClassChain)
		if detail := s.build().judge(nil).Refusal().Detail; !strings.Contains(detail, "is not ECDSA on P-256") {
			t.Errorf("%s: %s", name, detail)
		}
	}
}

func validityCases() []negative {
	from := func(c *x509.Certificate) { c.NotBefore = instant.Add(time.Second) }
	to := func(c *x509.Certificate) { c.NotAfter = instant.Add(-time.Second) }
	return all(map[string]scene{
		"bad_pck_expired":      {changes: devpki.Changes{PCK: to}},
		"bad_pck_not_yet":      {changes: devpki.Changes{PCK: from}},
		"bad_inter_expired":    {changes: devpki.Changes{CA: to}},
		"bad_inter_not_yet":    {changes: devpki.Changes{CA: from}},
		"bad_root_expired":     {changes: devpki.Changes{Root: to}},
		"bad_root_not_yet":     {changes: devpki.Changes{Root: from}},
		"bad_instant_zero":     {at: time.Unix(0, 0)},
		"bad_instant_far":      {at: time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)},
		"bad_expired_in_grace": {changes: devpki.Changes{PCK: to}, policy: func(p *attest.Policy) { p.CollateralGrace = time.Hour }},
	}, "validity", attest.ClassExpired)
}

func revoked(certificate *x509.Certificate) []x509.RevocationListEntry {
	return []x509.RevocationListEntry{{SerialNumber: certificate.SerialNumber, RevocationTime: instant}}
}

func revocationCases() []negative {
	text := func(change func(f *devpki.File)) scene { return scene{file: change} }
	set := func(change func(c *devpki.Collateral)) scene { return scene{collateral: change} }
	critical := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}} // delta CRL
	theirs := must(foreign.Collateral(instant, false).File())
	processor := must(devpki.NewChanged([]byte("attest tests"), devpki.Changes{CA: common("Intel SGX PCK Processor CA")}))
	ofProcessor := must(processor.Collateral(instant, false).File())
	unsound := all(map[string]scene{
		"bad_pckcrl_flipped":  text(func(f *devpki.File) { f.PCKCRL = flipHex(f.PCKCRL) }),
		"bad_rootcrl_flipped": text(func(f *devpki.File) { f.RootCRL = flipHex(f.RootCRL) }),
		"bad_pckcrl_foreign":  text(func(f *devpki.File) { f.PCKCRL = theirs.PCKCRL }),
		"bad_rootcrl_foreign": text(func(f *devpki.File) { f.RootCRL = theirs.RootCRL }),
		"bad_pckcrl_is_root":  text(func(f *devpki.File) { f.PCKCRL = f.RootCRL }),
		"bad_rootcrl_is_pck":  text(func(f *devpki.File) { f.RootCRL = f.PCKCRL }),
		"bad_pckcrl_processor_by_another_ca": text(func(f *devpki.File) {
			f.PCKCRL = ofProcessor.PCKCRL
		}),
		"bad_pckcrl_sha384": set(func(c *devpki.Collateral) { c.PCKCRL.SignatureAlgorithm = x509.ECDSAWithSHA384 }),
		"bad_pckcrl_chain_top": text(func(f *devpki.File) {
			f.PCKCRLChain = string(devpki.Chain(pki.CA(), foreign.Root()))
		}),
		"bad_pckcrl_absent":     text(func(f *devpki.File) { f.PCKCRL = "" }),
		"bad_rootcrl_absent":    text(func(f *devpki.File) { f.RootCRL = "" }),
		"bad_pckcrl_not_hex":    text(func(f *devpki.File) { f.PCKCRL = "zz" }),
		"bad_pckcrl_chain":      text(func(f *devpki.File) { f.PCKCRLChain = theirs.PCKCRLChain }),
		"bad_pckcrl_chain_cn":   text(func(f *devpki.File) { f.PCKCRLChain = f.TCBChain }),
		"bad_pckcrl_other_key":  set(func(c *devpki.Collateral) { c.CRLKey = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }),
		"bad_pckcrl_delta":      set(func(c *devpki.Collateral) { c.PCKCRL.ExtraExtensions = []pkix.Extension{critical} }),
		"bad_collateral_no_set": {file: func(f *devpki.File) { *f = devpki.File{} }},
	}, "collateral", attest.ClassCollateral)
	stale := all(map[string]scene{
		"bad_pckcrl_expired":  set(func(c *devpki.Collateral) { c.PCKCRL.NextUpdate = instant.Add(-time.Second) }),
		"bad_pckcrl_not_yet":  set(func(c *devpki.Collateral) { c.PCKCRL.ThisUpdate = instant.Add(time.Second) }),
		"bad_rootcrl_expired": set(func(c *devpki.Collateral) { c.RootCRL.NextUpdate = instant.Add(-time.Second) }),
		"bad_rootcrl_not_yet": set(func(c *devpki.Collateral) { c.RootCRL.ThisUpdate = instant.Add(time.Second) }),
	}, "revocation-lists", attest.ClassExpired)
	other := all(map[string]scene{
		"bad_pckcrl_of_the_processor_ca": {file: func(f *devpki.File) { f.PCKCRL, f.PCKCRLChain = ofProcessor.PCKCRL, ofProcessor.PCKCRLChain }},
	}, "revocation-lists", attest.ClassCollateral)
	listed := all(map[string]scene{
		"bad_pck_revoked": set(func(c *devpki.Collateral) { c.PCKCRL.RevokedCertificateEntries = revoked(machine.PCK()) }),
		"bad_pck_revoked_among_many": set(func(c *devpki.Collateral) {
			for serial := range int64(100) {
				c.PCKCRL.RevokedCertificateEntries = append(c.PCKCRL.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: big.NewInt(serial + 10), RevocationTime: instant})
			}
			c.PCKCRL.RevokedCertificateEntries = append(c.PCKCRL.RevokedCertificateEntries, revoked(machine.PCK())...)
		}),
		"bad_inter_revoked":      set(func(c *devpki.Collateral) { c.RootCRL.RevokedCertificateEntries = revoked(pki.CA()) }),
		"bad_tcb_signer_revoked": set(func(c *devpki.Collateral) { c.RootCRL.RevokedCertificateEntries = revoked(pki.Signer()) }),
	}, "revocation", attest.ClassRevoked)
	return slices.Concat(unsound, stale, other, listed)
}

func flipHex(text string) string {
	raw := must(hex.DecodeString(text))
	raw[len(raw)-1] ^= 1
	return hex.EncodeToString(raw)
}

func platformCases() []negative {
	machine := func(change func(*devpki.Platform)) scene { return scene{changes: devpki.Changes{Platform: change}} }
	without := func(i int) func([]devpki.Member) []devpki.Member {
		return func(m []devpki.Member) []devpki.Member { return slices.Delete(m, i, i+1) }
	}
	twice := func(i int) func([]devpki.Member) []devpki.Member {
		return func(m []devpki.Member) []devpki.Member { return append(m, m[i]) }
	}
	incomplete := map[string]scene{
		"bad_no_sgx_ext": {changes: devpki.Changes{PCK: func(c *x509.Certificate) { c.ExtraExtensions = nil }}},
		"bad_sgx_ext_garbage": {changes: devpki.Changes{PCK: func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: devpki.SGXExtension(), Value: []byte{1, 2, 3}}}
		}}},
		"bad_component_256":      machine(func(p *devpki.Platform) { p.Components[3] = 256 }),
		"bad_component_negative": machine(func(p *devpki.Platform) { p.Components[3] = -1 }),
		"bad_pcesvn_huge":        machine(func(p *devpki.Platform) { p.PCESVN = 1 << 16 }),
		"bad_ppid_short":         machine(func(p *devpki.Platform) { p.PPID = p.PPID[:15] }),
		"bad_fmspc_long":         machine(func(p *devpki.Platform) { p.FMSPC = append(bytes.Clone(p.FMSPC), 0) }),
		"bad_pceid_short":        machine(func(p *devpki.Platform) { p.PCEID = p.PCEID[:1] }),
		"bad_member_of_another_name": machine(func(p *devpki.Platform) {
			p.Members = func(m []devpki.Member) []devpki.Member { m[0].ID = asn1.ObjectIdentifier{1, 2, 3}; return m }
		}),
		"bad_member_of_another_arc": machine(func(p *devpki.Platform) {
			p.Members = func(m []devpki.Member) []devpki.Member { m[0].ID[0] = 2; return m }
		}),
	}
	for i, name := range []string{"ppid", "tcb", "pceid", "fmspc", "type"} {
		incomplete["bad_ext_without_"+name] = machine(func(p *devpki.Platform) { p.Members = without(i) })
		incomplete["bad_ext_twice_"+name] = machine(func(p *devpki.Platform) { p.Members = twice(i) })
	}
	for _, i := range []int{0, 7, 15, 16, 17} {
		incomplete[fmt.Sprintf("bad_ext_without_level_%d", i+1)] = machine(func(p *devpki.Platform) { p.Levels = without(i) })
		incomplete[fmt.Sprintf("bad_ext_twice_level_%d", i+1)] = machine(func(p *devpki.Platform) { p.Levels = twice(i) })
	}
	others := map[string]scene{
		"bad_tcb_fmspc":    {collateral: func(c *devpki.Collateral) { c.TCBInfo.FMSPC = "00906ED50000" }},
		"bad_tcb_pceid":    {collateral: func(c *devpki.Collateral) { c.TCBInfo.PCEID = "0001" }},
		"bad_fmspc_of_pck": machine(func(p *devpki.Platform) { p.FMSPC = []byte{1, 2, 3, 4, 5, 6} }),
		"bad_pceid_of_pck": machine(func(p *devpki.Platform) { p.PCEID = []byte{0, 1} }),
	}
	return slices.Concat(all(incomplete, "platform", attest.ClassChain), all(others, "platform", attest.ClassCollateral))
}

func tcbInfoCases() []negative {
	set := func(change func(c *devpki.Collateral)) scene { return scene{collateral: change} }
	td := func(change func(c *devpki.Collateral)) scene { return scene{tdx: true, collateral: change} }
	text := func(change func(f *devpki.File)) scene { return scene{file: change} }
	signer := func(change func(*x509.Certificate)) scene { return scene{changes: devpki.Changes{Signer: change}} }
	signed := func(old, with string) scene {
		return set(func(c *devpki.Collateral) {
			c.Signed = func(s string) string { return strings.Replace(s, old, with, 1) }
		})
	}
	theirs := must(foreign.Collateral(instant, false).File())
	unsound := map[string]scene{
		"bad_tcb_signature":       text(func(f *devpki.File) { f.TCBSignature = flipHex(f.TCBSignature) }),
		"bad_tcb_signature_short": text(func(f *devpki.File) { f.TCBSignature = f.TCBSignature[:126] }),
		"bad_tcb_signature_zero":  text(func(f *devpki.File) { f.TCBSignature = strings.Repeat("0", 128) }),
		"bad_tcb_one_space_more":  text(func(f *devpki.File) { f.TCBInfo += " " }),
		"bad_tcb_pretty":          text(func(f *devpki.File) { f.TCBInfo = strings.ReplaceAll(f.TCBInfo, ",", ", ") }),
		"bad_tcb_status_changed":  text(func(f *devpki.File) { f.TCBInfo = strings.Replace(f.TCBInfo, "OutOfDate", "UpToDate", 1) }),
		"bad_tcb_foreign": text(func(f *devpki.File) {
			f.TCBInfo, f.TCBSignature, f.TCBChain = theirs.TCBInfo, theirs.TCBSignature, theirs.TCBChain
		}),
		"bad_tcb_signer_chain":    text(func(f *devpki.File) { f.TCBChain = f.PCKCRLChain }),
		"bad_tcb_chain_empty":     text(func(f *devpki.File) { f.TCBChain = "" }),
		"bad_tcb_signer_cn":       signer(common("Intel SGX TCB Signer")),
		"bad_tcb_signer_is_ca":    signer(func(c *x509.Certificate) { c.IsCA = true }),
		"bad_tcb_signer_no_usage": signer(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageContentCommitment }),
		"bad_tcb_swapped_with_qe": text(func(f *devpki.File) { f.TCBInfo, f.TCBSignature = f.QEIdentity, f.QESignature }),
		"bad_tcb_version_2":       set(func(c *devpki.Collateral) { c.TCBInfo.Version = 2 }),
		"bad_tcb_version_4":       set(func(c *devpki.Collateral) { c.TCBInfo.Version = 4 }),
		"bad_tcb_id":              set(func(c *devpki.Collateral) { c.TCBInfo.ID = "SGY" }),
		"bad_tcb_type_1":          set(func(c *devpki.Collateral) { c.TCBInfo.Type = 1 }),
		"bad_tcb_type_absent":     signed(`"tcbType":0,`, ""),
		"bad_tcb_no_levels":       set(func(c *devpki.Collateral) { c.TCBInfo.Levels = nil }),
		"bad_tcb_15_components":   set(func(c *devpki.Collateral) { l := &c.TCBInfo.Levels[1]; l.TCB.SGX = l.TCB.SGX[:15] }),
		"bad_tcb_17_components": set(func(c *devpki.Collateral) {
			l := &c.TCBInfo.Levels[1]
			l.TCB.SGX = append(l.TCB.SGX, devpki.Component{})
		}),
		"bad_tcb_component_256":    set(func(c *devpki.Collateral) { c.TCBInfo.Levels[1].TCB.SGX[2].SVN = 256 }),
		"bad_tcb_component_below":  set(func(c *devpki.Collateral) { c.TCBInfo.Levels[1].TCB.SGX[2].SVN = -1 }),
		"bad_tcb_component_absent": signed(`{"svn":2}`, `{}`),
		"bad_tcb_pcesvn_absent":    set(func(c *devpki.Collateral) { c.TCBInfo.Levels[0].TCB.PCESVN = nil }),
		"bad_tcb_status_unknown":   set(func(c *devpki.Collateral) { c.TCBInfo.Levels[1].Status = "Excellent" }),
		"bad_tcb_status_Unknown":   set(func(c *devpki.Collateral) { c.TCBInfo.Levels[0].Status = "Unknown" }),
		"bad_tcb_status_absent":    signed(`,"tcbStatus":"UpToDate"`, ""),
		"bad_tcb_fmspc_short":      set(func(c *devpki.Collateral) { c.TCBInfo.FMSPC = "0090" }),
		"bad_tcb_fmspc_no_hex":     set(func(c *devpki.Collateral) { c.TCBInfo.FMSPC = "zz906ED50000" }),
		"bad_tcb_pceid_absent":     set(func(c *devpki.Collateral) { c.TCBInfo.PCEID = "" }),
		"bad_tcb_date":             set(func(c *devpki.Collateral) { c.TCBInfo.IssueDate = "yesterday" }),
		"bad_tcb_no_json":          signed("{", "["),
		"bad_tcb_tdx_no_module":    td(func(c *devpki.Collateral) { c.TCBInfo.Module = nil }),
		"bad_tcb_tdx_module_short": td(func(c *devpki.Collateral) { c.TCBInfo.Module.MRSigner = "00" }),
		"bad_tcb_tdx_identity":     td(func(c *devpki.Collateral) { c.TCBInfo.Modules[0].Mask = "00" }),
		"bad_tcb_tdx_no_levels":    td(func(c *devpki.Collateral) { c.TCBInfo.Modules[0].Levels = nil }),
		"bad_tcb_tdx_svn_absent":   td(func(c *devpki.Collateral) { c.TCBInfo.Modules[0].Levels[0].TCB.SVN = nil }),
		"bad_tcb_tdx_components":   td(func(c *devpki.Collateral) { c.TCBInfo.Levels[0].TCB.TDX = nil }),
		"bad_tcb_with_the_td_qe":   set(func(c *devpki.Collateral) { c.QEIdentity.ID = "TD_QE" }),
	}
	stale := map[string]scene{
		"bad_tcb_expired": set(func(c *devpki.Collateral) { c.TCBInfo.NextUpdate = "2024-12-31T23:59:59Z" }),
		"bad_tcb_not_yet": set(func(c *devpki.Collateral) { c.TCBInfo.IssueDate = "2025-01-01T00:00:01Z" }),
	}
	signerStale := map[string]scene{
		"bad_tcb_signer_expired": signer(func(c *x509.Certificate) { c.NotAfter = instant.Add(-time.Second) }),
		"bad_tcb_signer_not_yet": signer(func(c *x509.Certificate) { c.NotBefore = instant.Add(time.Second) }),
	}
	of := must(pki.Collateral(instant, true).File())
	other := map[string]scene{
		"bad_tcb_of_tdx_for_sgx": text(func(f *devpki.File) { *f = of }),
	}
	return slices.Concat(all(unsound, "collateral", attest.ClassCollateral), all(stale, "tcb-info", attest.ClassExpired),
		all(signerStale, "collateral", attest.ClassExpired), all(other, "tcb-info", attest.ClassCollateral))
}

func qeSignatureCases() []negative {
	other := must(pki.Machine("b")).Draft(3, enclave.Report(binding.ReportData()))
	theirs := must(other.Quote())
	return all(map[string]scene{
		"bad_flip_qe_report":   {quote: flip(atQE + 100)},
		"bad_flip_qe_sig":      {quote: flip(atQE + 384 + 40)},
		"bad_qe_sig_zero":      {draft: func(d *devpki.Draft) { d.QESignature = make([]byte, 64) }},
		"bad_qe_sig_r_ge_n":    {draft: func(d *devpki.Draft) { d.QESignature = bytes.Repeat([]byte{0xff}, 64) }},
		"bad_qe_of_another":    {quote: edit(func(raw []byte) { copy(raw[atKey:atAuth], theirs[atKey:atAuth]) })},
		"bad_flip_qe_sig_td":   {tdx: true, quote: flip(48 + 584 + 4 + 134 + 384 + 5)},
		"bad_flip_qe_flags_td": {tdx: true, quote: flip(48 + 584 + 4 + 134 + 48)},
	}, "qe-signature", attest.ClassSignature)
}

func qeReportDataCases() []negative {
	data := func(change func([]byte)) func(*devpki.Draft) {
		return func(d *devpki.Draft) {
			raw := must(d.Quote())
			d.QEData = bytes.Clone(raw[atQE+320 : atQE+384])
			change(d.QEData)
		}
	}
	return all(map[string]scene{
		"bad_attkey_substituted":  {quote: edit(func(raw []byte) { copy(raw[atKey:atQE], must(hex.DecodeString(generator))) })},
		"bad_qe_rd_first":         {draft: data(func(d []byte) { d[0] ^= 1 })},
		"bad_qe_rd_second_half":   {draft: data(func(d []byte) { d[63] = 1 })},
		"bad_qe_rd_zero":          {draft: data(func(d []byte) { clear(d) })},
		"bad_qe_auth_changed":     {quote: flip(atAuth + 5)},
		"bad_qe_auth_not_covered": {draft: func(d *devpki.Draft) { data(func([]byte) {})(d); d.Auth = nil }},
	}, "qe-report-data", attest.ClassSignature)
}

// generator is P-256's: a point on the curve that is nobody's key here.
const generator = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"

func qeIdentityCases() []negative {
	set := func(change func(c *devpki.Collateral)) scene { return scene{collateral: change} }
	qe := func(change func(report []byte)) scene {
		return scene{draft: func(d *devpki.Draft) { change(d.QEReport) }}
	}
	td := qe(func(r []byte) { r[256] = 1 })
	td.tdx = true
	wrong := map[string]scene{
		"bad_qe_mrsigner":     qe(func(r []byte) { r[128] ^= 1 }),
		"bad_qe_prodid":       qe(func(r []byte) { r[256] = 2 }),
		"bad_qe_prodid_td":    td,
		"bad_qe_miscselect":   qe(func(r []byte) { r[16] = 1 }),
		"bad_qe_attributes":   qe(func(r []byte) { r[48] |= 0x20 }),
		"bad_qe_debug":        qe(func(r []byte) { r[48] |= 2 }),
		"bad_qe_not_init":     qe(func(r []byte) { r[48] &^= 1 }),
		"bad_qe_isvsvn_low":   qe(func(r []byte) { r[258] = 5 }),
		"bad_qeid_mrsigner":   set(func(c *devpki.Collateral) { c.QEIdentity.MRSigner = strings.Repeat("ab", 32) }),
		"bad_qeid_prodid":     set(func(c *devpki.Collateral) { c.QEIdentity.ProductID = 3 }),
		"bad_qeid_attributes": set(func(c *devpki.Collateral) { c.QEIdentity.Attributes = "31000000000000000000000000000000" }),
		"bad_qe_not_init_by_a_blind_mask": {
			draft:      func(d *devpki.Draft) { d.QEReport[48] &^= 1 },
			collateral: func(c *devpki.Collateral) { c.QEIdentity.AttributesMask = strings.Repeat("0", 32) },
		},
		"bad_qe_debug_by_a_blind_mask": {
			draft:      func(d *devpki.Draft) { d.QEReport[48] |= 2 },
			collateral: func(c *devpki.Collateral) { c.QEIdentity.AttributesMask = strings.Repeat("0", 32) },
		},
	}
	stale := map[string]scene{
		"bad_qeid_expired": set(func(c *devpki.Collateral) { c.QEIdentity.NextUpdate = "2024-12-31T23:59:59Z" }),
		"bad_qeid_not_yet": set(func(c *devpki.Collateral) { c.QEIdentity.IssueDate = "2025-01-01T00:00:01Z" }),
	}
	unsound := map[string]scene{
		"bad_qeid_signature":      {file: func(f *devpki.File) { f.QESignature = flipHex(f.QESignature) }},
		"bad_qeid_changed":        {file: func(f *devpki.File) { f.QEIdentity = strings.Replace(f.QEIdentity, ":11", ":1", 1) + " " }},
		"bad_qeid_chain":          {file: func(f *devpki.File) { f.QEChain = f.PCKCRLChain }},
		"bad_qeid_id":             set(func(c *devpki.Collateral) { c.QEIdentity.ID = "QVE" }),
		"bad_qeid_of_sgx_for_tdx": {tdx: true, collateral: func(c *devpki.Collateral) { c.QEIdentity.ID = "QE" }},
		"bad_qeid_version":        set(func(c *devpki.Collateral) { c.QEIdentity.Version = 1 }),
		"bad_qeid_no_levels":      set(func(c *devpki.Collateral) { c.QEIdentity.Levels = nil }),
		"bad_qeid_level_svn":      set(func(c *devpki.Collateral) { c.QEIdentity.Levels[0].TCB.SVN = nil }),
		"bad_qeid_level_no_status": set(func(c *devpki.Collateral) {
			c.Signed = func(s string) string {
				if strings.Contains(s, `"id":"QE"`) {
					s = strings.Replace(s, `,"tcbStatus":"UpToDate"`, "", 1)
				}
				return s
			}
		}),
		"bad_qeid_level_status": set(func(c *devpki.Collateral) { c.QEIdentity.Levels[0].Status = "SWHardeningNeeded" }),
		"bad_qeid_mask_short":   set(func(c *devpki.Collateral) { c.QEIdentity.AttributesMask = "FB" }),
		"bad_qeid_misc_short":   set(func(c *devpki.Collateral) { c.QEIdentity.MiscSelectMask = "" }),
		"bad_qeid_no_json":      set(func(c *devpki.Collateral) { c.QEIdentity.NextUpdate = "x" }),
	}
	return slices.Concat(all(wrong, "qe-identity", attest.ClassQE), all(stale, "qe-identity", attest.ClassExpired),
		all(unsound, "collateral", attest.ClassCollateral))
}

func quoteSignatureCases() []negative {
	n := elliptic.P256().Params().N
	return all(map[string]scene{
		"bad_flip_header":      {quote: flip(30)},
		"bad_flip_mrenclave":   {quote: flip(48 + 64)},
		"bad_flip_reportdata":  {quote: flip(48 + 320)},
		"bad_flip_signature_r": {quote: flip(atSection + 3)},
		"bad_flip_signature_s": {quote: flip(atSection + 35)},
		"bad_flip_td":          {tdx: true, quote: flip(48 + 136)},
		"bad_flip_td15":        {tdx: true, td15: true, version: 5, quote: flip(54 + 600)},
		"bad_sig_zero":         {draft: func(d *devpki.Draft) { d.Signature = make([]byte, 64) }},
		"bad_sig_r_zero":       {quote: edit(func(raw []byte) { clear(raw[atSection : atSection+32]) })},
		"bad_sig_s_zero":       {quote: edit(func(raw []byte) { clear(raw[atSection+32 : atKey]) })},
		"bad_sig_r_ge_n": {quote: edit(func(raw []byte) {
			n.FillBytes(raw[atSection : atSection+32])
		})},
		"bad_sig_s_ge_n": {quote: edit(func(raw []byte) {
			s := new(big.Int).SetBytes(raw[atSection+32 : atKey])
			if s.Add(s, n); s.BitLen() > 256 {
				s.Set(n)
			}
			s.FillBytes(raw[atSection+32 : atKey])
		})},
		"bad_attkey_zero":         {draft: func(d *devpki.Draft) { d.Key = make([]byte, 64) }},
		"bad_attkey_not_on_curve": {draft: func(d *devpki.Draft) { d.Key = append(make([]byte, 63), 1) }},
		"bad_attkey_of_another":   {draft: func(d *devpki.Draft) { d.Key = must(hex.DecodeString(generator)) }},
	}, "quote-signature", attest.ClassSignature)
}

func levelCases() []negative {
	machine := func(change func(*devpki.Platform)) scene { return scene{changes: devpki.Changes{Platform: change}} }
	set := func(change func(c *devpki.Collateral)) scene { return scene{collateral: change} }
	td := func(change func(*devpki.TD)) scene { return scene{tdx: true, td: change} }
	oneLevel := func(c *devpki.Collateral) { c.TCBInfo.Levels = c.TCBInfo.Levels[:1] }
	low, lowPCE := machine(func(p *devpki.Platform) { p.Components[0]-- }), machine(func(p *devpki.Platform) { p.PCESVN-- })
	lowLast := machine(func(p *devpki.Platform) { p.Components[15] = 5 })
	old := machine(func(p *devpki.Platform) { p.Components[7] = 2 })
	low.collateral, lowPCE.collateral, lowLast.collateral = oneLevel, oneLevel, func(c *devpki.Collateral) {
		oneLevel(c)
		c.TCBInfo.Levels[0].TCB.SGX[15].SVN = 6
	}
	lowest := map[string]scene{
		"bad_tcb_svn_low":       low,
		"bad_tcb_svn_low_last":  lowLast,
		"bad_tcb_pcesvn_low":    lowPCE,
		"bad_tcb_no_match":      old,
		"bad_tdx_svn_low":       td(func(d *devpki.TD) { d.SVN = 256 - 4 }),
		"bad_tdx_module":        td(func(d *devpki.TD) { d.Module = 1 }),
		"bad_tdx_svn_low_of_v0": td(func(d *devpki.TD) { d.Module, d.SVN = 255, 256-3 }),
		"bad_tdx_no_match": {tdx: true, collateral: func(c *devpki.Collateral) {
			for i := range c.TCBInfo.Levels {
				c.TCBInfo.Levels[i].TCB.TDX[2].SVN = 3
			}
		}},
	}
	merged := map[string]scene{
		"bad_qe_outofdate":     {draft: func(d *devpki.Draft) { d.QEReport[258] = 7 }},
		"bad_qe_revoked":       set(func(c *devpki.Collateral) { c.QEIdentity.Levels[0].Status = "Revoked" }),
		"bad_module_outofdate": td(func(d *devpki.TD) { d.SVN = 256 - 2 }),
		"bad_module_revoked":   {tdx: true, collateral: func(c *devpki.Collateral) { c.TCBInfo.Modules[0].Levels[0].Status = "Revoked" }},
	}
	return slices.Concat(all(lowest, "tcb-level", attest.ClassTCB), all(merged, "tcb-status", attest.ClassTCB))
}

// withStatus is a platform whose level has a status and advisories.
func withStatus(status string, advisories ...string) func(*devpki.Collateral) {
	return func(c *devpki.Collateral) {
		c.TCBInfo.Levels[0].Status, c.TCBInfo.Levels[0].Advisories = status, advisories
	}
}

func policyCases() []negative {
	everything := func(p *attest.Policy) {
		*p = *lax()
	}
	status := map[string]scene{
		"bad_tcb_revoked":               {collateral: withStatus("Revoked"), policy: everything},
		"bad_tcb_outofdate":             {changes: devpki.Changes{Platform: func(p *devpki.Platform) { p.PCESVN-- }}},
		"bad_tcb_outofdate_conf":        {collateral: withStatus("OutOfDateConfigurationNeeded")},
		"bad_tcb_confneeded":            {collateral: withStatus("ConfigurationNeeded")},
		"bad_tcb_conf_and_sw":           {collateral: withStatus("ConfigurationAndSWHardeningNeeded")},
		"bad_tcb_swhardening_default":   {collateral: withStatus("SWHardeningNeeded", "INTEL-SA-00657")},
		"bad_tcb_swhardening_one_bad":   {collateral: withStatus("SWHardeningNeeded", "INTEL-SA-00615", "INTEL-SA-00657")},
		"bad_tcb_no_status_allowed":     {policy: func(p *attest.Policy) { p.Statuses = nil }},
		"bad_tcb_zero_policy":           {policy: func(p *attest.Policy) { *p = attest.Policy{} }},
		"bad_tcb_revoked_by_a_wildcard": {collateral: withStatus("Revoked"), policy: func(p *attest.Policy) { p.Statuses = append(p.Statuses, 2) }},
		"bad_tcb_outofdate_grace_over": {collateral: withStatus("OutOfDate"), policy: func(p *attest.Policy) {
			p.PlatformGrace = instant.Add(-time.Second).Sub(time.Date(2024, 3, 13, 0, 0, 0, 0, time.UTC))
		}},
		"bad_tcb_outofdate_from_tomorrow": {collateral: func(c *devpki.Collateral) {
			withStatus("OutOfDate")(c)
			c.TCBInfo.Levels[0].Date = "2025-01-02T00:00:00Z"
		}},
		"bad_tcb_outofdate_conf_in_grace": {collateral: withStatus("OutOfDateConfigurationNeeded"), policy: func(p *attest.Policy) { p.PlatformGrace = 1e6 * time.Hour }},
	}
	denied := map[string]scene{
		"bad_advisory_denied": {collateral: withStatus("SWHardeningNeeded", "INTEL-SA-00615"), policy: func(p *attest.Policy) { p.DeniedAdvisories = []string{"INTEL-SA-00615"} }},
		"bad_advisory_denied_though_up_to_date": {collateral: withStatus("UpToDate", "INTEL-SA-00001"), policy: func(p *attest.Policy) {
			p.DeniedAdvisories = []string{"INTEL-SA-00001"}
		}},
	}
	evaluation := map[string]scene{
		"bad_eval_number_low":    {policy: func(p *attest.Policy) { p.MinEvaluation = 18 }},
		"bad_qe_eval_number_low": {policy: func(p *attest.Policy) { p.MinEvaluation = 17 }, collateral: func(c *devpki.Collateral) { c.QEIdentity.Evaluation = 16 }},
		"bad_collateral_too_old": {policy: func(p *attest.Policy) { p.MaxAge = 24*time.Hour - time.Second }},
	}
	lists := map[string]scene{
		"bad_fmspc_denied":    {policy: func(p *attest.Policy) { p.DeniedFMSPCs = [][6]byte{devpki.FMSPC} }},
		"bad_platform_denied": {policy: func(p *attest.Policy) { p.DeniedPlatforms = [][32]byte{{1}, platformID} }},
	}
	return slices.Concat(all(status, "tcb-status", attest.ClassTCB), all(denied, "tcb-status", attest.ClassPolicy),
		all(evaluation, "evaluation", attest.ClassPolicy), all(lists, "denied", attest.ClassPolicy))
}

// platformID is that of the machine in all scenes.
var platformID = scene{}.build().judge(nil).Report().PlatformID

func enclaveCases() []negative {
	want := func(identities ...attest.Identity) func(*attest.Policy) {
		return func(p *attest.Policy) { p.Identities = identities }
	}
	ptr := func(n uint16) *uint16 { return &n }
	other := [32]byte{1}
	signer, own := enclave.MRSigner, enclave.MREnclave
	return all(map[string]scene{
		"bad_debug_enclave":    {enclave: func(e *devpki.Enclave) { e.Debug = true }},
		"bad_not_init":         {draft: func(d *devpki.Draft) { d.Report[48] &^= 1 }},
		"bad_debug_td":         {tdx: true, td: func(d *devpki.TD) { d.Attributes = 1 }},
		"bad_mrenclave_other":  {policy: want(attest.Identity{MREnclave: &other})},
		"bad_mrsigner_other":   {policy: want(attest.Identity{MRSigner: &other})},
		"bad_isvsvn_low":       {policy: want(attest.Identity{MRSigner: &signer, ProductID: ptr(7), MinSVN: ptr(4)})},
		"bad_prodid_other":     {policy: want(attest.Identity{MRSigner: &signer, ProductID: ptr(8), MinSVN: ptr(3)})},
		"bad_none_of_two":      {policy: want(attest.Identity{MREnclave: &other}, attest.Identity{MREnclave: &own, ProductID: ptr(8)})},
		"bad_mrtd_for_sgx":     {policy: want(attest.Identity{MRTD: &[48]byte{}})},
		"bad_rtmr_for_sgx":     {policy: want(attest.Identity{RTMR: [4]*[48]byte{{}}})},
		"bad_mrtd_other":       {tdx: true, policy: want(attest.Identity{MRTD: &[48]byte{1}})},
		"bad_rtmr0_other":      {tdx: true, policy: want(attest.Identity{RTMR: [4]*[48]byte{{9}}})},
		"bad_rtmr3_other":      {tdx: true, policy: want(attest.Identity{RTMR: [4]*[48]byte{3: {9}}})},
		"bad_mrenclave_for_td": {tdx: true, policy: want(attest.Identity{MREnclave: &[32]byte{}})},
		"bad_prodid_for_td":    {tdx: true, policy: want(attest.Identity{ProductID: ptr(0)})},
	}, "enclave", attest.ClassIdentity)
}

func reportDataCases() []negative {
	scenes := map[string]scene{
		"bad_reportdata_policy": {policy: func(p *attest.Policy) { p.ReportData = &[64]byte{} }},
	}
	for _, i := range []int{0, 31, 32, 51, 52, 59, 60, 63} {
		scenes[fmt.Sprintf("bad_reportdata_byte_%d", i)] = scene{draft: func(d *devpki.Draft) { d.Report[320+i] ^= 1 }}
		scenes[fmt.Sprintf("bad_reportdata_byte_%d_td", i)] = scene{tdx: true, draft: func(d *devpki.Draft) { d.Report[520+i] ^= 1 }}
	}
	return all(scenes, "report-data", attest.ClassBinding)
}

func tdCases() []negative {
	td := func(change func(*devpki.TD)) scene { return scene{tdx: true, td: change} }
	unless := func(s scene) scene {
		s.policy = func(p *attest.Policy) { p.LaxTD, p.AllowDebug = true, true }
		return s
	}
	return all(map[string]scene{
		"bad_tud_profiling":          unless(td(func(d *devpki.TD) { d.Attributes = 1 << 4 })),
		"bad_sept_ve_enabled":        td(func(d *devpki.TD) { d.Attributes = 1 << 28 }),
		"bad_migratable":             td(func(d *devpki.TD) { d.Attributes = 1 << 29 }),
		"bad_reserved_attribute_8":   unless(td(func(d *devpki.TD) { d.Attributes = 1 << 8 })),
		"bad_reserved_attribute_40":  unless(td(func(d *devpki.TD) { d.Attributes = 1 << 40 })),
		"bad_xfam_without_sse":       unless(td(func(d *devpki.TD) { d.XFAM = 2 })),
		"bad_xfam_unknown":           unless(td(func(d *devpki.TD) { d.XFAM = 1 << 40 })),
		"bad_mrsignerseam":           unless(scene{tdx: true, draft: func(d *devpki.Draft) { d.Report[64] = 1 }}),
		"bad_seamattributes":         unless(scene{tdx: true, draft: func(d *devpki.Draft) { d.Report[112] = 1 }}),
		"bad_module_of_another":      {tdx: true, collateral: func(c *devpki.Collateral) { c.TCBInfo.Modules[0].MRSigner = strings.Repeat("1", 96) }},
		"bad_service_td":             {tdx: true, td15: true, version: 5, td: func(d *devpki.TD) { d.ServiceTD[47] = 1 }},
		"bad_mrsignerseam_module_v0": {tdx: true, td: func(d *devpki.TD) { d.Module = 255 }, draft: func(d *devpki.Draft) { d.Report[64] = 1 }},
	}, "td", attest.ClassIdentity)
}

// Refusals speak ego's language where ego has a word.
func TestRefusalsUnwrapToEgosErrors(t *testing.T) {
	refusal := scene{collateral: withStatus("Revoked")}.build().judge(nil).Refusal()
	if !errors.Is(refusal, attestation.ErrTCBLevelInvalid) {
		t.Errorf("%v", refusal)
	}
	if refusal := (scene{quote: func([]byte) []byte { return nil }}).build().judge(nil).Refusal(); refusal.Detail != attestation.ErrEmptyReport.Error() {
		t.Errorf("%v", refusal)
	}
}
