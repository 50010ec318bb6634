//go:build cgo

package workers

import "github.com/edgelesssys/ego/enclave"

// NewEgoEnclave returns the enclave that this process runs in, by ego. Outside of one it
// returns ErrNoEnclave.
func NewEgoEnclave() (*Enclave, error) {
	return ego{
		selfReport: enclave.GetSelfReport,
		// The key that is the same at every start; ego's successor to it is a new one each time.
		sealKey: enclave.GetUniqueSealKey, //nolint:staticcheck // see above
		quote:   enclave.GetRemoteReport,
	}.enclave()
}
