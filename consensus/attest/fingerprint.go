package attest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrNoFingerprint says that an app names no enclave that a quote could be compared with.
var ErrNoFingerprint = errors.New("the app has no enclave fingerprint")

// maxFingerprint bounds m_appMREnclave, in bytes. Real ones have 64 to 250.
const maxFingerprint = 4096

// ParseFingerprint reads the enclave of an app from its m_appMREnclave. There are four
// forms: the JSON that iExec's SDK writes for Scone, Gramine and TDX apps, with the
// measurement in hex as "fingerprint"; the measurement alone, in hex; the same as
// bytes; and the older Scone form, measurement|entrypoint.
func ParseFingerprint(onChain []byte) (Identity, error) {
	text := bytes.TrimSpace(onChain)
	switch {
	case len(text) == 0:
		return Identity{}, ErrNoFingerprint
	case len(text) > maxFingerprint:
		return Identity{}, fmt.Errorf("%w: %d bytes are not one", ErrNoFingerprint, len(text))
	case len(onChain) == 32 || len(onChain) == 48:
		return measurement(fmt.Sprintf("%x", onChain))
	case text[0] == '{':
		return parseFingerprintJSON(text)
	}
	first, _, _ := strings.Cut(string(text), "|")
	return measurement(first)
}

func parseFingerprintJSON(text []byte) (Identity, error) {
	var config struct {
		Framework   string `json:"framework"`
		Provider    string `json:"provider"` // as the framework was called before
		Fingerprint string `json:"fingerprint"`
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrNoFingerprint, err)
	}
	identity, err := measurement(config.Fingerprint)
	if err != nil {
		return identity, err
	}
	framework := strings.ToUpper(config.Framework + config.Provider)
	if tdx := identity.MRTD != nil; tdx != (framework == "TDX") {
		return Identity{}, fmt.Errorf("%w: %q cannot be a fingerprint under %q", ErrNoFingerprint, config.Fingerprint, framework)
	}
	return identity, nil
}

// measurement reads an MRENCLAVE (32 bytes in hex) or an MRTD (48 bytes in hex).
func measurement(text string) (Identity, error) {
	var read measured
	if err := read.UnmarshalText([]byte(strings.TrimSpace(text))); err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrNoFingerprint, err)
	}
	return Identity(read), nil
}
