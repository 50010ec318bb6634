package engine

import (
	"encoding/binary"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// The kinds of decision, as they enter identities. They are stored: never renumber.
const (
	kindAssignment byte = iota + 1
	kindVerdict
	kindConsensus
	kindIntent
	kindAlert
	kindSettlement
)

// identity is keccak256 over a decision's kind, chain and causes. Every cause has a
// fixed width or comes last, so no two lists of causes read the same.
func identity(kind byte, chainID uint64, causes ...[]byte) common.Hash {
	var head [9]byte
	head[0] = kind
	binary.BigEndian.PutUint64(head[1:], chainID)
	return crypto.Keccak256Hash(append([][]byte{head[:]}, causes...)...)
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
