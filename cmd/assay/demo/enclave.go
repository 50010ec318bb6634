package demo

import (
	"encoding/hex"
	"fmt"

	"assay/internal/devpki"
	"assay/workers"
)

// enclaveOf gives a worker a machine of its own: real quotes in form, vouched for by the
// demo's root only.
func enclaveOf(pki *devpki.PKI, worker hand) (*workers.Enclave, error) {
	machine, err := pki.Machine(worker.address.Hex())
	if err != nil {
		return nil, fmt.Errorf("making the enclave of %s: %w", worker.address, err)
	}
	var measured devpki.Enclave
	if _, err := hex.Decode(measured.MREnclave[:], []byte(measurement)); err != nil {
		return nil, err
	}
	return workers.NewDevEnclave(machine, measured, worker.address.Bytes()), nil
}
