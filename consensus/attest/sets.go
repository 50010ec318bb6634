package attest

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"maps"
)

// Source is where Judge finds the collateral for a quote: one set (*Collateral), or all
// that are active (*Sets).
type Source interface {
	// trusted is the root.
	trusted() *x509.Certificate
	// issuer is a CA of platforms that was verified before, if its certificate is this one.
	issuer(der []byte) *x509.Certificate
	// find returns the set for a platform; nil if there is none.
	find(tee TEE, machine *platform) *Collateral
}

// Key says which collateral a quote asks for, by its certificates, which nobody has
// verified yet.
func (q *Quote) Key() (Key, error) {
	der, err := splitChain(q.chain, 3)
	if err != nil {
		return Key{}, err
	}
	leaf, err := parseCertificate(der[0], "PCK certificate")
	if err != nil {
		return Key{}, err
	}
	d, err := describe(leaf)
	if err != nil {
		return Key{}, err
	}
	return Key{TEE: q.TEE, FMSPC: d.fmspc, CA: leaf.Issuer.CommonName}, nil
}

func (c *Collateral) trusted() *x509.Certificate {
	if c == nil {
		return nil
	}
	return c.root
}

func (c *Collateral) issuer(der []byte) *x509.Certificate {
	if c.ca != nil && bytes.Equal(c.ca.Raw, der) {
		return c.ca
	}
	return nil
}

// find returns the set itself: the checks say whether it is for that platform.
func (c *Collateral) find(TEE, *platform) *Collateral { return c }

// Sets are the collateral sets that are active, one for each key, under one root. They
// are immutable, and safe for concurrent use.
type Sets struct {
	root    *x509.Certificate
	active  map[Key]*Collateral
	issuers map[string]*x509.Certificate // by DER
}

// NewSets returns no sets, under a root.
func NewSets(root *x509.Certificate) *Sets { return &Sets{root: root} }

// With returns the sets with one more, which takes the place of the one with its key. It
// must succeed that one (see Collateral.Succeeds) and be of the same root.
func (s *Sets) With(set *Collateral) (*Sets, error) {
	if set.fault != nil {
		return nil, set.fault
	}
	if s.root == nil || !set.root.Equal(s.root) {
		return nil, refuse(ClassCollateral, "the set is signed under another root")
	}
	if old := s.active[set.Key()]; old != nil {
		if err := set.Succeeds(old); err != nil {
			return nil, fmt.Errorf("replacing set %x: %w", old.Hash(), err)
		}
	}
	next := &Sets{root: s.root, active: map[Key]*Collateral{set.Key(): set}, issuers: map[string]*x509.Certificate{string(set.ca.Raw): set.ca}}
	for key, old := range s.active {
		if key != set.Key() {
			next.active[key], next.issuers[string(old.ca.Raw)] = old, old.ca
		}
	}
	return next, nil
}

// All returns the active sets by key.
func (s *Sets) All() map[Key]*Collateral { return maps.Clone(s.active) }

func (s *Sets) trusted() *x509.Certificate { return s.root }

func (s *Sets) issuer(der []byte) *x509.Certificate { return s.issuers[string(der)] }

func (s *Sets) find(tee TEE, machine *platform) *Collateral {
	if machine.describe() != nil {
		return nil
	}
	return s.active[Key{TEE: tee, FMSPC: machine.description.fmspc, CA: machine.ca.Subject.CommonName}]
}
