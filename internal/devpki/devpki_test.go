package devpki

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"
	"testing"
)

func machine(t *testing.T, seed, id string) *Machine {
	t.Helper()
	pki, err := New([]byte(seed))
	if err != nil {
		t.Fatal(err)
	}
	m, err := pki.Machine(id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func quote(t *testing.T, m *Machine) []byte {
	t.Helper()
	q, err := m.Quote(Enclave{MREnclave: [32]byte{1}}, [64]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestSeedAndNameMakeTheMachine(t *testing.T) {
	first := quote(t, machine(t, "seed", "a"))
	if !bytes.Equal(first, quote(t, machine(t, "seed", "a"))) {
		t.Error("the same machine makes another quote after a restart")
	}
	if bytes.Equal(first, quote(t, machine(t, "seed", "b"))) {
		t.Error("two machines make the same quote")
	}
	if bytes.Equal(first, quote(t, machine(t, "other seed", "a"))) {
		t.Error("two hierarchies make the same quote")
	}
}

func TestChainLeadsToTheRoot(t *testing.T) {
	m := machine(t, "seed", "a")
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(m.pki.Root())
	between.AddCert(m.pki.ca)
	_, err := m.leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, CurrentTime: notBefore,
	})
	if err != nil {
		t.Error(err)
	}
}

func TestLeafDescribesThePlatform(t *testing.T) {
	leaf := machine(t, "seed", "a").leaf
	for _, extension := range leaf.Extensions {
		if extension.Id.Equal(SGXExtension()) {
			if !bytes.Contains(extension.Value, FMSPC[:]) || !bytes.Contains(extension.Value, cpuSVN[:]) {
				t.Error("the extension lacks family or security version")
			}
			return
		}
	}
	t.Error("the PCK certificate has no SGX extension")
}

func TestWrapOEAnnouncesTheLength(t *testing.T) {
	wrapped := WrapOE([]byte("quote"))
	if string(wrapped[16:]) != "quote" || binary.LittleEndian.Uint64(wrapped[8:]) != 5 {
		t.Errorf("wrapped as %x", wrapped)
	}
}
