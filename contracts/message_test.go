package contracts

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"
)

func testKey(t testing.TB) (*ecdsa.PrivateKey, common.Address) {
	t.Helper()
	key, err := crypto.HexToECDSA("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")
	if err != nil {
		t.Fatal(err)
	}
	return key, crypto.PubkeyToAddress(key.PublicKey)
}

// The key, message and signature of the web3.js documentation's example of
// eth.accounts.sign, whose message "Some data" is 9 bytes; ours are always 32, so this
// checks prefix and v by way of the digest.
func TestSignDigestKnownAnswer(t *testing.T) {
	key, _ := testKey(t)
	digest := crypto.Keccak256([]byte("\x19Ethereum Signed Message:\n9Some data"))
	if want := common.FromHex("0x1da44b586eb0729ff70a73c326926f6ed5a25f5b056e7f47fbc6e58d86871655"); !bytes.Equal(digest, want) {
		t.Fatalf("digest is %x, want %x", digest, want)
	}
	signature, err := signDigest(key, digest)
	want := common.FromHex("0xb91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd" +
		"6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c")
	if err != nil || !bytes.Equal(signature, want) {
		t.Fatalf("signature is %x, %v; want %x", signature, err, want)
	}
}

func TestSignMessageRoundTrip(t *testing.T) {
	key, want := testKey(t)
	rapid.Check(t, func(t *rapid.T) {
		hash := common.Hash(words().Draw(t, "hash"))
		signature, err := SignMessage(key, hash)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := RecoverMessage(hash, signature); err != nil || got != want {
			t.Fatalf("recovered %s, %v; want %s", got, err, want)
		}
		if got, err := RecoverMessage(crypto.Keccak256Hash(hash[:]), signature); err == nil && got == want {
			t.Fatal("the signature holds for another hash")
		}
	})
}

func TestRecoverMessageTakesOneFormOnly(t *testing.T) {
	key, _ := testKey(t)
	hash := crypto.Keccak256Hash([]byte("x"))
	good, err := SignMessage(key, hash)
	if err != nil {
		t.Fatal(err)
	}
	highS := bytes.Clone(good)
	s := new(big.Int).Sub(crypto.S256().Params().N, new(big.Int).SetBytes(good[32:64]))
	s.FillBytes(highS[32:64])
	highS[64] = 27 + 28 - highS[64]
	edit := func(at int, value byte) []byte {
		b := bytes.Clone(good)
		b[at] = value
		return b
	}
	for name, bad := range map[string][]byte{
		"empty": nil, "64 bytes": good[:64], "66 bytes": append(bytes.Clone(good), 0),
		"v of 0 or 1": edit(64, good[64]-27), "v of 29": edit(64, 29), "v of 255": edit(64, 255),
		"s in the upper half": highS, "zeros": make([]byte, 65),
		"zero r":                      append(make([]byte, 32), good[32:]...),
		"r that is no x of the curve": append(bytes.Repeat([]byte{0xff}, 32), good[32:]...),
	} {
		if got, err := RecoverMessage(hash, bad); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: recovered %s, %v; want ErrSignature", name, got, err)
		}
	}
}

func FuzzRecoverMessage(f *testing.F) {
	key, _ := testKey(f)
	signature, err := SignMessage(key, common.Hash{1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{1}, signature)
	f.Fuzz(func(t *testing.T, hash, signature []byte) {
		signer, err := RecoverMessage(common.BytesToHash(hash), signature)
		if err != nil && (!errors.Is(err, ErrSignature) || signer != (common.Address{})) {
			t.Errorf("%s, %v: want the zero address and ErrSignature", signer, err)
		}
	})
}
