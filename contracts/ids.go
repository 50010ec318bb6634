package contracts

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// DealID is the identity of the deal that a request order makes when consumed of its
// volume was used before (IexecPoco1Facet._matchOrders).
func DealID(requestOrder common.Hash, consumed *big.Int) common.Hash {
	return crypto.Keccak256Hash(requestOrder[:], number(consumed))
}

// TaskID is the identity of a deal's task (IexecPoco2Facet.initialize). The index is
// the deal's botFirst or above.
func TaskID(deal common.Hash, index uint64) common.Hash {
	return crypto.Keccak256Hash(deal[:], number(new(big.Int).SetUint64(index)))
}

// ResultHash is what contributions to a task agree on (IexecPoco2Facet.reveal).
func ResultHash(task, digest common.Hash) common.Hash {
	return crypto.Keccak256Hash(task[:], digest[:])
}

// ResultSeal binds a result to its worker, so that a hash cannot be copied from
// another's contribution (IexecPoco2Facet.reveal).
func ResultSeal(worker common.Address, task, digest common.Hash) common.Hash {
	return crypto.Keccak256Hash(worker[:], task[:], digest[:])
}

// AuthorizationHash is what the owner of a workerpool signs (SignMessage) to let a
// worker contribute. The challenge is zero where the deal asks for no enclave.
func AuthorizationHash(worker common.Address, task common.Hash, challenge common.Address) common.Hash {
	return crypto.Keccak256Hash(worker[:], task[:], challenge[:])
}

// EnclaveHash is what the enclave's key signs (SignMessage) to vouch for a result.
func EnclaveHash(resultHash, resultSeal common.Hash) common.Hash {
	return crypto.Keccak256Hash(resultHash[:], resultSeal[:])
}

// number pads a uint256 to 32 bytes, as the ABI does.
func number(value *big.Int) []byte {
	return common.LeftPadBytes(amount(value).Bytes(), 32)
}

var maxUint256 = new(big.Int).Sub(new(big.Int).Lsh(common.Big1, 256), common.Big1)

// amount is value as a uint256: nil is zero, and what does not fit wraps.
func amount(value *big.Int) *big.Int {
	if value == nil {
		return new(big.Int)
	}
	return new(big.Int).And(value, maxUint256)
}
