package collateral

import (
	"encoding/json"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"

	"assay/consensus/attest"
)

// MaxPolicySize is the largest policy that is read, in bytes.
const MaxPolicySize = 256 << 10

// ErrPolicy says that a policy cannot be one of the log.
var ErrPolicy = errors.New("not a policy for the log")

// ReadPolicy reads a policy, YAML or JSON.
func ReadPolicy(raw []byte) (attest.Policy, error) {
	text, err := policyJSON(raw)
	if err != nil {
		return attest.Policy{}, err
	}
	return attest.ParsePolicy(text)
}

// policyJSON is a policy as JSON.
func policyJSON(raw []byte) ([]byte, error) {
	if len(raw) > MaxPolicySize {
		return nil, fmt.Errorf("the policy has more than %d bytes", MaxPolicySize)
	}
	if json.Valid(raw) {
		return raw, nil
	}
	var document any
	if err := yaml.Unmarshal(raw, &document); err != nil {
		return nil, err
	}
	return json.Marshal(document)
}

// readLogged reads a policy of the log. It must say its version, lest a forgotten key
// means no condition, and must not name what depends on the task: an enclave outside of
// an app, report data.
func readLogged(raw []byte) (attest.Policy, error) {
	text, err := policyJSON(raw)
	if err != nil {
		return attest.Policy{}, fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	policy, err := attest.ParsePolicy(text)
	if err != nil {
		return attest.Policy{}, fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	var head struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(text, &head); err != nil || head.Version == nil {
		return attest.Policy{}, fmt.Errorf("%w: it says no version", ErrPolicy)
	}
	if len(policy.Identities) > 0 || policy.ReportData != nil {
		return attest.Policy{}, fmt.Errorf("%w: it names an enclave for every app, or report data: name enclaves under apps", ErrPolicy)
	}
	return policy, nil
}
