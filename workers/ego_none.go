//go:build !cgo

package workers

// NewEgoEnclave returns ErrNoEnclave: ego needs cgo.
func NewEgoEnclave() (*Enclave, error) { return nil, ErrNoEnclave }
