package contracts

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Every preimage is spelled out byte by byte here; that the contract's is the same is
// shown in lifecycle_test.go, where the contract accepts what these make.
func TestIDs(t *testing.T) {
	const (
		a  = "1111111111111111111111111111111111111111111111111111111111111111"
		b  = "2222222222222222222222222222222222222222222222222222222222222222"
		w  = "3333333333333333333333333333333333333333"
		e  = "4444444444444444444444444444444444444444"
		n7 = "0000000000000000000000000000000000000000000000000000000000000007"
	)
	hashA, hashB := common.HexToHash(a), common.HexToHash(b)
	worker, challenge := common.HexToAddress(w), common.HexToAddress(e)
	for name, c := range map[string]struct {
		got      common.Hash
		preimage string
	}{
		"deal":          {DealID(hashA, big.NewInt(7)), a + n7},
		"task":          {TaskID(hashA, 7), a + n7},
		"result hash":   {ResultHash(hashA, hashB), a + b},
		"result seal":   {ResultSeal(worker, hashA, hashB), w + a + b},
		"authorization": {AuthorizationHash(worker, hashA, challenge), w + a + e},
		"enclave":       {EnclaveHash(hashA, hashB), a + b},
	} {
		if want := crypto.Keccak256Hash(common.FromHex(c.preimage)); c.got != want {
			t.Errorf("%s: %s, want keccak256(%s) = %s", name, c.got, c.preimage, want)
		}
	}
}

func TestAmountIsAUint256(t *testing.T) {
	for _, c := range []struct{ in, want *big.Int }{
		{nil, new(big.Int)},
		{big.NewInt(5), big.NewInt(5)},
		{big.NewInt(-1), maxUint256},
		{new(big.Int).Lsh(common.Big1, 256), new(big.Int)},
		{maxUint256, maxUint256},
	} {
		if got := amount(c.in); got.Cmp(c.want) != 0 {
			t.Errorf("amount(%s) is %s, want %s", c.in, got, c.want)
		}
	}
}
