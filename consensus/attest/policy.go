package attest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/edgelesssys/ego/attestation/tcbstatus"
)

// Policy says which sound quotes are good enough. It is data: two nodes with the same
// policy come to the same verdict. The zero value accepts nothing.
type Policy struct {
	AllowDebug   bool // accept enclaves that their owner can look into
	AllowPadding bool // accept zero bytes after a TDX quote, as some quote providers leave them
	LaxTD        bool // do not ask for a TD's page-fault protection and independence of service TDs

	Statuses           []tcbstatus.Status // that are accepted; Revoked never is
	AnyAdvisory        bool               // a status that is accepted, is so whatever its advisories
	AcceptedAdvisories []string           // else these are tolerated with a status other than UpToDate
	DeniedAdvisories   []string           // never accepted

	MinEvaluation   uint32        // the lowest tcbEvaluationDataNumber of collateral
	MaxAge          time.Duration // of TCB info and QE identity since their issue; 0: no limit
	CollateralGrace time.Duration // how long after its end collateral still counts
	PlatformGrace   time.Duration // how long after its level's date a platform may be OutOfDate

	DeniedFMSPCs    [][6]byte
	DeniedPlatforms [][32]byte // by SHA-256 of the PPID

	Identities []Identity            // one of which the enclave must have; none: any enclave
	Apps       map[string][]Identity // the same by app address (lower case, 0x), see ForApp
	ReportData *[64]byte             // that is expected, besides what the caller expects

	// PlatformWeight is how many contributions of one physical platform count in one
	// task; 0 means any number. Who attacks the platform has them all.
	PlatformWeight int
}

// Identity is what an enclave may be. Nil members are no condition.
type Identity struct {
	MREnclave *[32]byte
	MRSigner  *[32]byte
	ProductID *uint16
	MinSVN    *uint16
	MRTD      *[48]byte
	RTMR      [4]*[48]byte
}

// Strict is the policy where none is given: current platforms, and those that Intel
// never calls better than SWHardeningNeeded (Ice Lake), with the two advisories that
// software answers.
func Strict() Policy {
	return Policy{
		Statuses:           []tcbstatus.Status{tcbstatus.UpToDate, tcbstatus.SWHardeningNeeded},
		AcceptedAdvisories: []string{"INTEL-SA-00334", "INTEL-SA-00615"},
		PlatformWeight:     1,
	}
}

// policyFile is a policy as JSON. With "version": 1 an absent key means what Strict
// says; without, it is the small form, where an absent key is no condition.
type policyFile struct {
	Version            *int                      `json:"version"`
	AllowDebug         bool                      `json:"allow_debug"`
	AllowPadding       *bool                     `json:"allow_padding"`
	LaxTD              *bool                     `json:"lax_td"`
	AllowedStatus      *[]string                 `json:"allowed_status"`
	AcceptedAdvisories *[]string                 `json:"accepted_advisories"`
	DeniedAdvisories   []string                  `json:"denied_advisories"`
	MinEvaluation      uint32                    `json:"min_tcb_eval"`
	MaxAgeHours        uint32                    `json:"max_age_hours"`
	CollateralGrace    uint32                    `json:"collateral_grace_hours"`
	PlatformGrace      uint32                    `json:"platform_grace_hours"`
	DeniedFMSPC        []hex6                    `json:"denied_fmspc"`
	DeniedPlatforms    []hex32                   `json:"denied_platforms"`
	ReportData         *hex64                    `json:"report_data"`
	Apps               map[string][]identityFile `json:"apps"`
	PlatformWeight     *int                      `json:"platform_weight"`
	identityFile
}

type identityFile struct {
	MREnclave *measured `json:"mrenclave"`
	MRSigner  *hex32    `json:"mrsigner"`
	Prod      *uint16   `json:"prod"`
	MinSVN    *uint16   `json:"min_svn"`
	MRTD      *hex48    `json:"mrtd"`
	RTMRs     []*hex48  `json:"rtmrs"` // up to 4; null is no condition
}

// Bytes of a fixed width, in hex with 0x or without.
type (
	hex6  [6]byte
	hex32 [32]byte
	hex48 [48]byte
	hex64 [64]byte
)

// UnmarshalText reads hex.
func (h *hex6) UnmarshalText(text []byte) error { return fixed(h[:], text) }

// UnmarshalText reads hex.
func (h *hex32) UnmarshalText(text []byte) error { return fixed(h[:], text) }

// UnmarshalText reads hex.
func (h *hex48) UnmarshalText(text []byte) error { return fixed(h[:], text) }

// UnmarshalText reads hex.
func (h *hex64) UnmarshalText(text []byte) error { return fixed(h[:], text) }

func fixed(into, text []byte) error {
	raw, err := hex.DecodeString(strings.TrimPrefix(string(text), "0x"))
	if err != nil || len(raw) != len(into) {
		return fmt.Errorf("%q is not %d bytes in hex", text, len(into))
	}
	copy(into, raw)
	return nil
}

// measured is an enclave's measurement (32 bytes) or a TD's (48).
type measured Identity

// UnmarshalText reads hex.
func (m *measured) UnmarshalText(text []byte) error {
	if len(strings.TrimPrefix(string(text), "0x")) == 96 {
		m.MRTD = new([48]byte)
		return fixed(m.MRTD[:], text)
	}
	m.MREnclave = new([32]byte)
	return fixed(m.MREnclave[:], text)
}

// ParsePolicy reads a policy from JSON, in the small or the full form. A key that is not
// known is an error: a condition that nobody checks is none.
func ParsePolicy(raw []byte) (Policy, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	var file policyFile
	if err := decoder.Decode(&file); err != nil {
		return Policy{}, fmt.Errorf("reading the policy: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return Policy{}, fmt.Errorf("reading the policy: there is more after its end")
	}
	policy, err := file.policy()
	if err != nil {
		return Policy{}, fmt.Errorf("reading the policy: %w", err)
	}
	return policy, nil
}

func (f *policyFile) policy() (Policy, error) {
	policy := Strict()
	switch {
	case f.Version == nil:
		policy = unconditional()
	case *f.Version != 1:
		return policy, fmt.Errorf("version %d, want 1", *f.Version)
	}
	policy.AllowDebug = f.AllowDebug
	set(&policy.AllowPadding, f.AllowPadding)
	set(&policy.LaxTD, f.LaxTD)
	set(&policy.PlatformWeight, f.PlatformWeight)
	if f.AcceptedAdvisories != nil {
		policy.AnyAdvisory, policy.AcceptedAdvisories = false, *f.AcceptedAdvisories
	}
	policy.DeniedAdvisories = f.DeniedAdvisories
	policy.MinEvaluation = f.MinEvaluation
	policy.MaxAge = time.Duration(f.MaxAgeHours) * time.Hour
	policy.CollateralGrace = time.Duration(f.CollateralGrace) * time.Hour
	policy.PlatformGrace = time.Duration(f.PlatformGrace) * time.Hour
	if policy.PlatformWeight < 0 {
		return policy, fmt.Errorf("platform_weight is negative")
	}
	policy.ReportData = (*[64]byte)(f.ReportData)
	for _, fmspc := range f.DeniedFMSPC {
		policy.DeniedFMSPCs = append(policy.DeniedFMSPCs, fmspc)
	}
	for _, id := range f.DeniedPlatforms {
		policy.DeniedPlatforms = append(policy.DeniedPlatforms, id)
	}
	if err := f.readStatuses(&policy); err != nil {
		return policy, err
	}
	return policy, f.readIdentities(&policy)
}

func set[T any](into *T, value *T) {
	if value != nil {
		*into = *value
	}
}

// unconditional accepts every sound quote of an enclave that is not a debug one.
func unconditional() Policy {
	policy := Policy{AnyAdvisory: true, AllowPadding: true, LaxTD: true}
	for s := tcbstatus.UpToDate; s < tcbstatus.Unknown; s++ {
		if s != tcbstatus.Revoked {
			policy.Statuses = append(policy.Statuses, s)
		}
	}
	return policy
}

func (f *policyFile) readStatuses(policy *Policy) error {
	if f.AllowedStatus == nil {
		return nil
	}
	policy.Statuses = nil
	for _, name := range *f.AllowedStatus {
		status, err := parseStatus(name)
		if err != nil {
			return err
		}
		policy.Statuses = append(policy.Statuses, status)
	}
	return nil
}

func (f *policyFile) readIdentities(policy *Policy) error {
	identity, err := f.identity()
	if err != nil {
		return err
	}
	if identity != (Identity{}) {
		policy.Identities = []Identity{identity}
	}
	for app, list := range f.Apps {
		if len(list) == 0 {
			return fmt.Errorf("no identity for app %s", app)
		}
		for _, each := range list {
			identity, err := each.identity()
			if err != nil {
				return fmt.Errorf("app %s: %w", app, err)
			}
			if identity == (Identity{}) {
				return fmt.Errorf("app %s: an identity without any condition", app)
			}
			if policy.Apps == nil {
				policy.Apps = map[string][]Identity{}
			}
			key := strings.ToLower(app)
			policy.Apps[key] = append(policy.Apps[key], identity)
		}
	}
	return nil
}

func (f *identityFile) identity() (Identity, error) {
	identity := Identity{MRSigner: (*[32]byte)(f.MRSigner), ProductID: f.Prod, MinSVN: f.MinSVN, MRTD: (*[48]byte)(f.MRTD)}
	if f.MREnclave != nil {
		if f.MREnclave.MRTD != nil && f.MRTD != nil {
			return identity, fmt.Errorf("mrenclave and mrtd both name a TD")
		}
		identity.MREnclave = f.MREnclave.MREnclave
		if f.MREnclave.MRTD != nil {
			identity.MRTD = f.MREnclave.MRTD
		}
	}
	if len(f.RTMRs) > len(identity.RTMR) {
		return identity, fmt.Errorf("%d rtmrs, there are %d", len(f.RTMRs), len(identity.RTMR))
	}
	for i, rtmr := range f.RTMRs {
		identity.RTMR[i] = (*[48]byte)(rtmr)
	}
	return identity, nil
}

// HashPolicy is the content address of a policy's bytes.
func HashPolicy(raw []byte) [32]byte { return sha256.Sum256(raw) }

// ForApp is the policy for the enclaves of one app: those that the policy names for it,
// else the one whose fingerprint the app has on the chain (m_appMREnclave).
func (p Policy) ForApp(app string, onChain []byte) (Policy, error) {
	if identities, ok := p.Apps[strings.ToLower(app)]; ok {
		p.Identities = identities
		return p, nil
	}
	identity, err := ParseFingerprint(onChain)
	if err != nil {
		return Policy{}, fmt.Errorf("app %s: %w", app, err)
	}
	p.Identities = []Identity{identity}
	return p, nil
}

// checkAdvisories refuses what Intel says against a platform of an accepted status.
func (p *Policy) checkAdvisories(status tcbstatus.Status, advisories []string) *Error {
	for _, advisory := range advisories {
		if slices.Contains(p.DeniedAdvisories, advisory) {
			return refuse(ClassPolicy, "advisory %s is denied", advisory)
		}
		if status != tcbstatus.UpToDate && !p.AnyAdvisory && !slices.Contains(p.AcceptedAdvisories, advisory) {
			return refuse(ClassTCB, "status %s with advisory %s, which is not accepted", status, advisory)
		}
	}
	return nil
}
