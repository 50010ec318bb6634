package contracts

import (
	"encoding/binary"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// bindingDomain separates the report data of a contribution from anything else that
// the same enclave may ever have quoted.
var bindingDomain = crypto.Keccak256Hash([]byte("iexec-poco/enclave-binding/v1"))

// bindingTag ends the report data and says how to read it.
const bindingTag = "EB01"

// Binding is all that an enclave's quote vouches for when it backs a contribution.
// PoCo itself never sees a quote: this is what makes one useless for another task,
// worker, chain, key, result or time.
type Binding struct {
	ChainID          uint64
	Hub              common.Address // the PoCo contract
	Task             common.Hash
	Worker           common.Address
	EnclaveChallenge common.Address // address of the key that was born in the enclave
	ResultHash       common.Hash    // keccak256(task ‖ digest)
	ResultSeal       common.Hash    // keccak256(worker ‖ task ‖ digest)
	Anchor           common.Hash    // hash of the block that initialized the task: no quote is older
}

// ReportData is what the enclave has quoted, all 64 bytes of it: the hash of the
// binding, the challenge in clear for an auditor, eight zero bytes and the tag. Every
// field of the hash has a fixed width, so no two bindings concatenate to the same.
func (b Binding) ReportData() [64]byte {
	var chain [32]byte
	binary.BigEndian.PutUint64(chain[24:], b.ChainID)
	hash := crypto.Keccak256(bindingDomain[:], chain[:], word(b.Hub), b.Task[:], word(b.Worker),
		word(b.EnclaveChallenge), b.ResultHash[:], b.ResultSeal[:], b.Anchor[:])
	var data [64]byte
	copy(data[:32], hash)
	copy(data[32:52], b.EnclaveChallenge[:])
	copy(data[60:], bindingTag)
	return data
}

// word pads an address to 32 bytes, as the ABI does.
func word(address common.Address) []byte {
	return common.LeftPadBytes(address[:], common.HashLength)
}
