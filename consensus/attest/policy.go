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
	DeniedFMSPC        []string                  `json:"denied_fmspc"`
	DeniedPlatforms    []string                  `json:"denied_platforms"`
	ReportData         *string                   `json:"report_data"`
	Apps               map[string][]identityFile `json:"apps"`
	PlatformWeight     *int                      `json:"platform_weight"`
	identityFile
}

type identityFile struct {
	MREnclave *string  `json:"mrenclave"`
	MRSigner  *string  `json:"mrsigner"`
	Prod      *uint16  `json:"prod"`
	MinSVN    *uint16  `json:"min_svn"`
	MRTD      *string  `json:"mrtd"`
	RTMRs     []string `json:"rtmrs"` // up to 4; an empty one is no condition
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
	for _, read := range []func(*Policy) error{f.readStatuses, f.readDenied, f.readIdentities, f.readReportData} {
		if err := read(&policy); err != nil {
			return policy, err
		}
	}
	return policy, nil
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

func (f *policyFile) readDenied(policy *Policy) error {
	for _, text := range f.DeniedFMSPC {
		var fmspc [6]byte
		if err := fixed(fmspc[:], text, "denied_fmspc"); err != nil {
			return err
		}
		policy.DeniedFMSPCs = append(policy.DeniedFMSPCs, fmspc)
	}
	for _, text := range f.DeniedPlatforms {
		var id [32]byte
		if err := fixed(id[:], text, "denied_platforms"); err != nil {
			return err
		}
		policy.DeniedPlatforms = append(policy.DeniedPlatforms, id)
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
	identity := Identity{ProductID: f.Prod, MinSVN: f.MinSVN}
	var err error
	measured := f.MREnclave
	if measured != nil && len(strip(*measured)) == 96 { // a TD's measurement has 48 bytes
		if f.MRTD != nil {
			return identity, fmt.Errorf("mrenclave and mrtd both name a TD")
		}
		measured, f.MRTD = nil, measured
	}
	if identity.MREnclave, err = optional[[32]byte](measured, "mrenclave"); err != nil {
		return identity, err
	}
	if identity.MRSigner, err = optional[[32]byte](f.MRSigner, "mrsigner"); err != nil {
		return identity, err
	}
	if identity.MRTD, err = optional[[48]byte](f.MRTD, "mrtd"); err != nil {
		return identity, err
	}
	if len(f.RTMRs) > len(identity.RTMR) {
		return identity, fmt.Errorf("%d rtmrs, there are %d", len(f.RTMRs), len(identity.RTMR))
	}
	for i, text := range f.RTMRs {
		if text == "" {
			continue
		}
		if identity.RTMR[i], err = optional[[48]byte](&text, "rtmrs"); err != nil {
			return identity, err
		}
	}
	return identity, nil
}

func (f *policyFile) readReportData(policy *Policy) error {
	data, err := optional[[64]byte](f.ReportData, "report_data")
	policy.ReportData = data
	return err
}

// optional reads hex of a fixed width, where there is any.
func optional[T [32]byte | [48]byte | [64]byte](text *string, what string) (*T, error) {
	if text == nil {
		return nil, nil
	}
	var value T
	raw := make([]byte, len(value))
	if err := fixed(raw, *text, what); err != nil {
		return nil, err
	}
	value = T(raw)
	return &value, nil
}

func fixed(into []byte, text, what string) error {
	raw, err := hex.DecodeString(strip(text))
	if err != nil || len(raw) != len(into) {
		return fmt.Errorf("%s: %q is not %d bytes in hex", what, text, len(into))
	}
	copy(into, raw)
	return nil
}

func strip(text string) string { return strings.TrimPrefix(text, "0x") }

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
