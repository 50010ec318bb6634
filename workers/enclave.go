package workers

import (
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"assay/contracts"
	"assay/internal/devpki"
)

// ErrNoEnclave says that this process does not run in an enclave.
var ErrNoEnclave = errors.New("this process does not run in an SGX enclave")

// Quoter makes quotes of the enclave that it runs in.
type Quoter interface {
	Quote(reportData [64]byte) ([]byte, error)
}

// Enclave is where tasks whose deal asks for one are run.
type Enclave struct {
	quoter Quoter
	secret []byte // only this enclave knows it, on this machine
}

// quote has a binding quoted.
func (e *Enclave) quote(binding contracts.Binding) ([]byte, error) {
	quote, err := e.quoter.Quote(binding.ReportData())
	if err != nil {
		return nil, fmt.Errorf("asking for a quote: %w", err)
	}
	return quote, nil
}

// NewDevEnclave makes an enclave of a development machine: its quotes are real in form
// and vouched for by nobody. The secret stands in for the sealing key.
func NewDevEnclave(machine *devpki.Machine, measured devpki.Enclave, secret []byte) *Enclave {
	return &Enclave{quoter: devQuoter{machine, measured}, secret: secret}
}

type devQuoter struct {
	machine *devpki.Machine
	enclave devpki.Enclave
}

// Quote wraps the quote as EGo does, so that both kinds of worker look alike.
func (q devQuoter) Quote(reportData [64]byte) ([]byte, error) {
	quote, err := q.machine.Quote(q.enclave, reportData)
	if err != nil {
		return nil, err
	}
	return devpki.WrapOE(quote), nil
}

// challengeKey is the key whose address is a contribution's enclave challenge. It is
// born in the enclave, out of the sealing secret, so that the enclave that starts again
// has it again and nobody else ever does.
func (e *Enclave) challengeKey(chainID uint64, hub common.Address, task common.Hash, worker common.Address) (*ecdsa.PrivateKey, error) {
	var chain [8]byte
	binary.BigEndian.PutUint64(chain[:], chainID)
	info := "assay/enclave-challenge/v1" + string(chain[:]) + string(hub[:]) + string(task[:]) + string(worker[:])
	wide, err := hkdf.Key(sha256.New, e.secret, nil, info, 48)
	if err != nil {
		return nil, fmt.Errorf("deriving the enclave's key: %w", err)
	}
	// 1 ≤ d < n, without a bias that matters: 48 bytes modulo n-1.
	order := new(big.Int).Sub(crypto.S256().Params().N, big.NewInt(1))
	scalar := new(big.Int).Mod(new(big.Int).SetBytes(wide), order)
	scalar.Add(scalar, big.NewInt(1))
	return crypto.ToECDSA(scalar.FillBytes(make([]byte, 32)))
}
