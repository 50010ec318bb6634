package workers

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/edgelesssys/ego/attestation"
)

// inEnclave is ego as it is in an enclave that is as it should be.
func inEnclave() ego {
	return ego{
		selfReport: func() (attestation.Report, error) { return attestation.Report{UniqueID: make([]byte, 32)}, nil },
		sealKey:    func() (key, info []byte, err error) { return bytes.Repeat([]byte{7}, 16), nil, nil },
		quote:      func(data []byte) ([]byte, error) { return data, nil },
	}
}

func TestEgoEnclave(t *testing.T) {
	enclave, err := inEnclave().enclave()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(enclave.secret, bytes.Repeat([]byte{7}, 16)) {
		t.Error("its secret is not the sealing key")
	}
	if quoted, err := enclave.quoter.Quote([64]byte{}); err != nil || len(quoted) != 64 {
		t.Errorf("%d bytes were quoted, %v", len(quoted), err)
	}
}

// Outside of an enclave nothing may be sealed, and ego's key there is all zero.
func TestEgoNeverSealsWithoutAnEnclave(t *testing.T) {
	outside := inEnclave()
	outside.selfReport = func() (attestation.Report, error) { return attestation.Report{}, errors.New("OE_UNSUPPORTED") }
	outside.sealKey = func() (key, info []byte, err error) {
		t.Error("the sealing key was asked for")
		return make([]byte, 16), nil, nil
	}
	if enclave, err := outside.enclave(); !errors.Is(err, ErrNoEnclave) || enclave != nil {
		t.Errorf("got %v, %v", enclave, err)
	}
}

func TestEgoEnclaveThatIsNotToBeTrusted(t *testing.T) {
	broken := errors.New("broken")
	for want, change := range map[string]func(*ego){
		"a report of itself: broken": func(e *ego) {
			e.selfReport = func() (attestation.Report, error) { return attestation.Report{}, broken }
		},
		"signed for debugging": func(e *ego) {
			e.selfReport = func() (attestation.Report, error) { return attestation.Report{Debug: true}, nil }
		},
		"sealing key: broken": func(e *ego) { e.sealKey = func() (key, info []byte, err error) { return nil, nil, broken } },
		"all zero":            func(e *ego) { e.sealKey = func() (key, info []byte, err error) { return make([]byte, 16), nil, nil } },
	} {
		asked := inEnclave()
		change(&asked)
		enclave, err := asked.enclave()
		if enclave != nil || err == nil || errors.Is(err, ErrNoEnclave) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v", want, enclave, err)
		}
	}
}

func TestEgoSaysWhyThereIsNoQuote(t *testing.T) {
	asked := inEnclave()
	asked.quote = func([]byte) ([]byte, error) { return nil, errors.New("OE_SERVICE_UNAVAILABLE") }
	if _, err := asked.Quote([64]byte{}); err == nil || !strings.Contains(err.Error(), "OE_SERVICE_UNAVAILABLE") {
		t.Errorf("got %v", err)
	}
}
