package contracts

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// ErrSignature says that bytes are no signature at all; a signature by another key
// recovers another address instead.
var ErrSignature = errors.New("malformed signature")

// SignMessage signs a hash as wallets sign a message (EIP-191, "\x19Ethereum Signed
// Message:\n32"): 65 bytes r‖s‖v, v 27 or 28.
func SignMessage(key *ecdsa.PrivateKey, hash common.Hash) ([]byte, error) {
	return signDigest(key, accounts.TextHash(hash[:]))
}

// RecoverMessage returns the address that signed a hash with SignMessage. It takes
// exactly the one form that SignMessage writes: 65 bytes, s in the lower half, v 27 or
// 28, so that nobody can turn one signature into another.
func RecoverMessage(hash common.Hash, signature []byte) (common.Address, error) {
	return recoverDigest(accounts.TextHash(hash[:]), signature)
}

func signDigest(key *ecdsa.PrivateKey, digest []byte) ([]byte, error) {
	signature, err := crypto.Sign(digest, key)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	signature[crypto.RecoveryIDOffset] += 27
	return signature, nil
}

func recoverDigest(digest, signature []byte) (common.Address, error) {
	if len(signature) != crypto.SignatureLength {
		return common.Address{}, fmt.Errorf("%w: %d bytes, not %d", ErrSignature, len(signature), crypto.SignatureLength)
	}
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:64])
	v := signature[crypto.RecoveryIDOffset] - 27
	if !crypto.ValidateSignatureValues(v, r, s, true) {
		return common.Address{}, fmt.Errorf("%w: r, s or v is out of range", ErrSignature)
	}
	plain := append(append(make([]byte, 0, crypto.SignatureLength), signature[:64]...), v)
	public, err := crypto.SigToPub(digest, plain)
	if err != nil {
		return common.Address{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return crypto.PubkeyToAddress(*public), nil
}
