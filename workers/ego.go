//go:build cgo

package workers

import (
	"fmt"

	"github.com/edgelesssys/ego/enclave"
)

// NewEgoEnclave returns the enclave that this process runs in, by ego. Outside of one
// it returns ErrNoEnclave: there is no build tag to tell, ego-go builds the same files.
//
// Asking for a report of ourselves comes first because ego's sealing keys are all zero,
// without an error, where there is no enclave.
func NewEgoEnclave() (*Enclave, error) {
	if _, err := enclave.GetSelfReport(); err != nil {
		if err.Error() == "OE_UNSUPPORTED" {
			return nil, ErrNoEnclave
		}
		return nil, fmt.Errorf("asking the enclave for a report of itself: %w", err)
	}
	// The key that is the same at every start; ego's successor to it is a new one each time.
	secret, _, err := enclave.GetUniqueSealKey() //nolint:staticcheck // see above
	if err != nil {
		return nil, fmt.Errorf("asking the enclave for its sealing key: %w", err)
	}
	return &Enclave{quoter: egoQuoter{}, secret: secret}, nil
}

type egoQuoter struct{}

// Quote always passes all 64 bytes: ego panics on none and pads what is short.
func (egoQuoter) Quote(reportData [64]byte) ([]byte, error) {
	return enclave.GetRemoteReport(reportData[:])
}
