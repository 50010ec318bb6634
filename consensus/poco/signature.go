package poco

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// The ways in which a signature reverts instead of failing.
var (
	errSignatureFormat = &Revert{Reason: "invalid-signature-format"}
	errSignatureV      = &Revert{Reason: "invalid-signature-v"}
)

// signed says whether an account signed a hash (SignatureVerifier._verifySignature): a
// contract is asked (ERC-1271), of an account the key is recovered. A signature of 64
// bytes is short (EIP-2098); any other length but 65 is a *Revert. A signature from
// which nothing can be recovered counts as the zero address's. Before PoCo 5.5 (legacy) v
// could be 0 or 1 as well, s could be high, and another v was a *Revert.
func (s *State) signed(account Address, hash Hash, signature []byte, legacy bool) (bool, error) {
	if s.rules.Contracts != nil {
		if valid, contract := s.rules.Contracts.Signed(account, hash, signature); contract {
			return valid, nil
		}
	}
	switch len(signature) {
	case 65:
	case 64:
		signature = expand(signature)
	default:
		return false, errSignatureFormat
	}
	if legacy {
		return recoverLegacy(account, hash, signature)
	}
	return recoverSigner(hash, signature, true) == account, nil
}

func recoverLegacy(account Address, hash Hash, signature []byte) (bool, error) {
	v := signature[64]
	if v < 27 {
		v += 27
	}
	if v != 27 && v != 28 {
		return false, errSignatureV
	}
	return recoverSigner(hash, append(append([]byte(nil), signature[:64]...), v), false) == account, nil
}

// SignerOf returns whose signature of a hash the bytes are, by the rules from PoCo 5.5 on;
// the zero address for nobody's. What a contract would accept (ERC-1271) is not asked.
func SignerOf(hash Hash, signature []byte) Address {
	switch len(signature) {
	case 65:
		return recoverSigner(hash, signature, true)
	case 64:
		return recoverSigner(hash, expand(signature), true)
	}
	return Address{}
}

// expand turns r ‖ (v and s) into r ‖ s ‖ v (EIP-2098).
func expand(short []byte) []byte {
	long := append([]byte(nil), short...)
	v := long[32] >> 7
	long[32] &= 0x7f
	return append(long, 27+v)
}

// recoverSigner recovers the signer of a hash from r ‖ s ‖ v as OpenZeppelin's
// ECDSA.tryRecover does: s must be in the lower half (if low), v 27 or 28. Where there is
// none it is the zero address.
func recoverSigner(hash Hash, signature []byte, low bool) Address {
	r, s, v := common.BytesToHash(signature[:32]).Big(), common.BytesToHash(signature[32:64]).Big(), signature[64]
	if v != 27 && v != 28 || !crypto.ValidateSignatureValues(v-27, r, s, low) {
		return Address{}
	}
	key, err := crypto.SigToPub(hash[:], append(append([]byte(nil), signature[:64]...), v-27))
	if err != nil {
		return Address{}
	}
	return crypto.PubkeyToAddress(*key)
}

// messageHash is what is signed of a message (EIP-191): its parts are packed and hashed,
// and the hash is prefixed.
func messageHash(parts ...[]byte) Hash {
	hash := crypto.Keccak256(parts...)
	return crypto.Keccak256Hash([]byte("\x19Ethereum Signed Message:\n32"), hash)
}

// AuthorizationMessage is what the workerpool's owner (or the TEE broker) signs to let a
// worker contribute to a task with an enclave, or with none (zero).
func AuthorizationMessage(worker Address, task Hash, enclave Address) Hash {
	return messageHash(worker[:], task[:], enclave[:])
}

// EnclaveMessage is what the enclave signs of a contribution.
func EnclaveMessage(resultHash, resultSeal Hash) Hash {
	return messageHash(resultHash[:], resultSeal[:])
}

// EnclaveMessageBoost is what the enclave signs of a Boost result. The digest is that of
// the results, or of the callback's data where the deal has a callback.
func EnclaveMessageBoost(worker Address, task, digest Hash) Hash {
	return messageHash(worker[:], task[:], digest[:])
}

// hasEnclaveBit says whether a tag asks for an enclave.
func hasEnclaveBit(tag Hash) bool { return tag[31]&1 != 0 }

func or(tags ...Hash) Hash {
	var merged uint256.Int
	for _, tag := range tags {
		merged.Or(&merged, new(uint256.Int).SetBytes32(tag[:]))
	}
	return merged.Bytes32()
}
