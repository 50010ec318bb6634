package poco_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"assay/consensus/poco"
)

func TestTypeHashesAreTheContracts(t *testing.T) {
	// IexecLibOrders_v5.sol
	for got, want := range map[poco.Hash]string{
		poco.TypeHashes.Domain:              "0x8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f",
		poco.TypeHashes.App:                 "0x60815a0eeec47dddf1615fe53b31d016c31444e01b9d796db365443a6445d008",
		poco.TypeHashes.Dataset:             "0x6cfc932a5a3d22c4359295b9f433edff52b60703fa47690a04a83e40933dd47c",
		poco.TypeHashes.Workerpool:          "0xaa3429fb281b34691803133d3d978a75bb77c617ed6bc9aa162b9b30920022bb",
		poco.TypeHashes.Request:             "0xf24e853034a3a450aba845a82914fbb564ad85accca6cf62be112a154520fae0",
		poco.TypeHashes.AppOperation:        "0x0638bb0702457e2b4b01be8a202579b8bf97e587fb4f2cc4d4aad01f21a06ee0",
		poco.TypeHashes.DatasetOperation:    "0x075eb6f7578ff4292c241bd2484cd5c1d5e6ecc2ddd3317e1d8176b5a45865ec",
		poco.TypeHashes.WorkerpoolOperation: "0x322d980b7d7a6a1f7c39ff0c5445da6ae1d8e0393ff0dd468c8be3e2c8644388",
		poco.TypeHashes.RequestOperation:    "0x0ded7b52c2d77595a40d242eca751df172b18e686326dbbed3f4748828af77c7",
	} {
		if got != common.HexToHash(want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestEveryFieldOfAnOrderEntersItsHash(t *testing.T) {
	r := rules()
	seen := map[poco.Hash]bool{}
	see := func(order poco.AnyOrder) {
		t.Helper()
		hash := r.OrderHash(order)
		if seen[hash] {
			t.Errorf("%+v has the hash of another order", order)
		}
		seen[hash] = true
		for _, closing := range []bool{false, true} {
			operation := r.OperationHash(order, closing)
			if seen[operation] {
				t.Errorf("operating on %+v has the hash of another", order)
			}
			seen[operation] = true
		}
	}
	a, h, n := poco.Address{1}, poco.Hash{1}, amount(1)
	for _, o := range []poco.AppOrder{
		{}, {App: a}, {Price: n}, {Volume: n}, {Tag: h}, {DatasetRestrict: a}, {WorkerpoolRestrict: a}, {RequesterRestrict: a}, {Salt: h},
	} {
		see(o)
	}
	for _, o := range []poco.DatasetOrder{
		{}, {Dataset: a}, {Price: n}, {Volume: n}, {Tag: h}, {AppRestrict: a}, {WorkerpoolRestrict: a}, {RequesterRestrict: a}, {Salt: h},
	} {
		see(o)
	}
	for _, o := range []poco.WorkerpoolOrder{
		{}, {Workerpool: a}, {Price: n}, {Volume: n}, {Tag: h}, {Category: n}, {Trust: n}, {AppRestrict: a}, {DatasetRestrict: a},
		{RequesterRestrict: a}, {Salt: h},
	} {
		see(o)
	}
	for _, o := range []poco.RequestOrder{
		{}, {App: a}, {AppMaxPrice: n}, {Dataset: a}, {DatasetMaxPrice: n}, {Workerpool: a}, {WorkerpoolMaxPrice: n}, {Requester: a},
		{Volume: n}, {Tag: h}, {Category: n}, {Trust: n}, {Beneficiary: a}, {Callback: a}, {Params: "p"}, {Salt: h},
	} {
		see(o)
	}
}

func TestASignatureIsNoPartOfAnOrder(t *testing.T) {
	r := rules()
	equal(t, "hash", r.OrderHash(poco.AppOrder{Sign: []byte{1}}), r.OrderHash(poco.AppOrder{}))
}

func TestAnOrderIsOfOneChainAndHub(t *testing.T) {
	here, chain, hub := rules(), rules(), rules()
	chain.ChainID++
	hub.Hub[0]++
	hashes := map[poco.Hash]bool{
		here.OrderHash(poco.AppOrder{}): true, chain.OrderHash(poco.AppOrder{}): true, hub.OrderHash(poco.AppOrder{}): true,
	}
	equal(t, "different hashes", len(hashes), 3)
}

func TestIdentitiesAreThePackedHashes(t *testing.T) {
	worker, task, digest, index := poco.Address{1}, poco.Hash{2}, poco.Hash{3}, amount(258)
	equal(t, "task", poco.TaskID(task, &index), crypto.Keccak256Hash(append(task[:], common.LeftPadBytes([]byte{1, 2}, 32)...)))
	equal(t, "result hash", poco.ResultHash(task, digest), crypto.Keccak256Hash(append(task[:], digest[:]...)))
	equal(t, "seal", poco.ResultSeal(worker, task, digest), crypto.Keccak256Hash(append(append(worker[:], task[:]...), digest[:]...)))
}
