package workers

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/edgelesssys/ego/attestation"
)

// ego is what we ask of the enclave that this process may run in.
type ego struct {
	selfReport func() (attestation.Report, error)
	sealKey    func() (key, info []byte, err error)
	quote      func(reportData []byte) ([]byte, error)
}

// enclave is the enclave that this process runs in; ErrNoEnclave outside of one. There is
// no build tag to tell, ego-go builds the same files.
//
// The report of ourselves comes first because ego's sealing keys are all zero, without an
// error, where there is no enclave.
func (e ego) enclave() (*Enclave, error) {
	self, err := e.selfReport()
	switch {
	case err != nil && err.Error() == "OE_UNSUPPORTED":
		return nil, ErrNoEnclave
	case err != nil:
		return nil, fmt.Errorf("asking the enclave for a report of itself: %w", err)
	case self.Debug:
		return nil, errors.New("this enclave was signed for debugging: anyone may read its memory, and pools refuse its quotes; sign it with debug off")
	}
	secret, _, err := e.sealKey()
	if err != nil {
		return nil, fmt.Errorf("asking the enclave for its sealing key: %w", err)
	}
	if len(bytes.Trim(secret, "\x00")) == 0 {
		return nil, errors.New("the enclave's sealing key is all zero: everyone knows it")
	}
	return &Enclave{quoter: e, secret: secret}, nil
}

// Quote always passes all 64 bytes: ego panics on none and pads what is short.
func (e ego) Quote(reportData [64]byte) ([]byte, error) {
	quote, err := e.quote(reportData[:])
	if err != nil {
		return nil, fmt.Errorf("asking the enclave for a quote: %w", err)
	}
	return quote, nil
}
