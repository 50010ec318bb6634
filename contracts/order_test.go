package contracts

import (
	"fmt"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"pgregory.net/rapid"
)

// The type hashes that stand as constants in IexecLibOrders_v5.sol.
func TestTypeHashes(t *testing.T) {
	for text, want := range map[string]string{
		domainType:     "0x8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f",
		appOrderType:   "0x60815a0eeec47dddf1615fe53b31d016c31444e01b9d796db365443a6445d008",
		datasetType:    "0x6cfc932a5a3d22c4359295b9f433edff52b60703fa47690a04a83e40933dd47c",
		workerpoolType: "0xaa3429fb281b34691803133d3d978a75bb77c617ed6bc9aa162b9b30920022bb",
		requestType:    "0xf24e853034a3a450aba845a82914fbb564ad85accca6cf62be112a154520fae0",
	} {
		if got := crypto.Keccak256Hash([]byte(text)); got != common.HexToHash(want) {
			t.Errorf("hash of %s is %s, the contract's is %s", text, got, want)
		}
	}
}

// field is one member of an order as go-ethereum's own EIP-712 encoder wants it.
type field struct {
	name, kind string
	value      any
}

// typedHash is the order's hash by that encoder, the oracle of these tests.
func typedHash(t *rapid.T, d Domain, primary string, fields []field) common.Hash {
	data := apitypes.TypedData{
		PrimaryType: primary,
		Types: apitypes.Types{"EIP712Domain": {
			{Name: "name", Type: "string"}, {Name: "version", Type: "string"},
			{Name: "chainId", Type: "uint256"}, {Name: "verifyingContract", Type: "address"},
		}},
		Domain: apitypes.TypedDataDomain{
			Name: "iExecODB", Version: "5.0.0",
			ChainId: (*math.HexOrDecimal256)(new(big.Int).SetUint64(d.ChainID)), VerifyingContract: d.Hub.Hex(),
		},
		Message: apitypes.TypedDataMessage{},
	}
	for _, f := range fields {
		data.Types[primary] = append(data.Types[primary], apitypes.Type{Name: f.name, Type: f.kind})
		data.Message[f.name] = plain(f.value)
	}
	digest, _, err := apitypes.TypedDataAndHash(data)
	if err != nil {
		t.Fatal(err)
	}
	return common.BytesToHash(digest)
}

// plain is a value in the encoder's JSON form.
func plain(value any) any {
	switch v := value.(type) {
	case common.Address:
		return v.Hex()
	case *big.Int:
		return v.String()
	case [32]byte:
		return common.Hash(v).Hex()
	case string:
		return v
	default:
		panic(fmt.Sprintf("no JSON form of %T", value))
	}
}

func addresses() *rapid.Generator[common.Address] {
	return rapid.Custom(func(t *rapid.T) common.Address {
		return common.BytesToAddress(rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "address"))
	})
}

func words() *rapid.Generator[[32]byte] {
	return rapid.Custom(func(t *rapid.T) [32]byte {
		return [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "word"))
	})
}

func uints() *rapid.Generator[*big.Int] {
	return rapid.Custom(func(t *rapid.T) *big.Int {
		return new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 32).Draw(t, "uint256"))
	})
}

func domains() *rapid.Generator[Domain] {
	return rapid.Custom(func(t *rapid.T) Domain {
		return Domain{rapid.Uint64().Draw(t, "chain"), addresses().Draw(t, "hub")}
	})
}

func TestAppOrderHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := domains().Draw(t, "domain")
		o := AppOrder{
			App: addresses().Draw(t, "app"), Appprice: uints().Draw(t, "price"), Volume: uints().Draw(t, "volume"),
			Tag: words().Draw(t, "tag"), Datasetrestrict: addresses().Draw(t, "dataset"),
			Workerpoolrestrict: addresses().Draw(t, "pool"), Requesterrestrict: addresses().Draw(t, "requester"),
			Salt: words().Draw(t, "salt"),
		}
		want := typedHash(t, d, "AppOrder", []field{
			{"app", "address", o.App}, {"appprice", "uint256", o.Appprice}, {"volume", "uint256", o.Volume},
			{"tag", "bytes32", o.Tag}, {"datasetrestrict", "address", o.Datasetrestrict},
			{"workerpoolrestrict", "address", o.Workerpoolrestrict}, {"requesterrestrict", "address", o.Requesterrestrict},
			{"salt", "bytes32", o.Salt},
		})
		if got := o.Hash(d); got != want {
			t.Fatalf("hash is %s, want %s", got, want)
		}
	})
}

func TestDatasetOrderHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := domains().Draw(t, "domain")
		o := DatasetOrder{
			Dataset: addresses().Draw(t, "dataset"), Datasetprice: uints().Draw(t, "price"), Volume: uints().Draw(t, "volume"),
			Tag: words().Draw(t, "tag"), Apprestrict: addresses().Draw(t, "app"),
			Workerpoolrestrict: addresses().Draw(t, "pool"), Requesterrestrict: addresses().Draw(t, "requester"),
			Salt: words().Draw(t, "salt"),
		}
		want := typedHash(t, d, "DatasetOrder", []field{
			{"dataset", "address", o.Dataset}, {"datasetprice", "uint256", o.Datasetprice}, {"volume", "uint256", o.Volume},
			{"tag", "bytes32", o.Tag}, {"apprestrict", "address", o.Apprestrict},
			{"workerpoolrestrict", "address", o.Workerpoolrestrict}, {"requesterrestrict", "address", o.Requesterrestrict},
			{"salt", "bytes32", o.Salt},
		})
		if got := o.Hash(d); got != want {
			t.Fatalf("hash is %s, want %s", got, want)
		}
	})
}

func TestWorkerpoolOrderHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := domains().Draw(t, "domain")
		o := WorkerpoolOrder{
			Workerpool: addresses().Draw(t, "pool"), Workerpoolprice: uints().Draw(t, "price"), Volume: uints().Draw(t, "volume"),
			Tag: words().Draw(t, "tag"), Category: uints().Draw(t, "category"), Trust: uints().Draw(t, "trust"),
			Apprestrict: addresses().Draw(t, "app"), Datasetrestrict: addresses().Draw(t, "dataset"),
			Requesterrestrict: addresses().Draw(t, "requester"), Salt: words().Draw(t, "salt"),
		}
		want := typedHash(t, d, "WorkerpoolOrder", []field{
			{"workerpool", "address", o.Workerpool}, {"workerpoolprice", "uint256", o.Workerpoolprice},
			{"volume", "uint256", o.Volume}, {"tag", "bytes32", o.Tag}, {"category", "uint256", o.Category},
			{"trust", "uint256", o.Trust}, {"apprestrict", "address", o.Apprestrict},
			{"datasetrestrict", "address", o.Datasetrestrict}, {"requesterrestrict", "address", o.Requesterrestrict},
			{"salt", "bytes32", o.Salt},
		})
		if got := o.Hash(d); got != want {
			t.Fatalf("hash is %s, want %s", got, want)
		}
	})
}

func TestRequestOrderHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := domains().Draw(t, "domain")
		o := RequestOrder{
			App: addresses().Draw(t, "app"), Appmaxprice: uints().Draw(t, "app price"),
			Dataset: addresses().Draw(t, "dataset"), Datasetmaxprice: uints().Draw(t, "dataset price"),
			Workerpool: addresses().Draw(t, "pool"), Workerpoolmaxprice: uints().Draw(t, "pool price"),
			Requester: addresses().Draw(t, "requester"), Volume: uints().Draw(t, "volume"), Tag: words().Draw(t, "tag"),
			Category: uints().Draw(t, "category"), Trust: uints().Draw(t, "trust"),
			Beneficiary: addresses().Draw(t, "beneficiary"), Callback: addresses().Draw(t, "callback"),
			Params: rapid.String().Draw(t, "params"), Salt: words().Draw(t, "salt"),
		}
		want := typedHash(t, d, "RequestOrder", []field{
			{"app", "address", o.App}, {"appmaxprice", "uint256", o.Appmaxprice}, {"dataset", "address", o.Dataset},
			{"datasetmaxprice", "uint256", o.Datasetmaxprice}, {"workerpool", "address", o.Workerpool},
			{"workerpoolmaxprice", "uint256", o.Workerpoolmaxprice}, {"requester", "address", o.Requester},
			{"volume", "uint256", o.Volume}, {"tag", "bytes32", o.Tag}, {"category", "uint256", o.Category},
			{"trust", "uint256", o.Trust}, {"beneficiary", "address", o.Beneficiary}, {"callback", "address", o.Callback},
			{"params", "string", o.Params}, {"salt", "bytes32", o.Salt},
		})
		if got := o.Hash(d); got != want {
			t.Fatalf("hash is %s, want %s", got, want)
		}
	})
}

func TestOrderAmountThatIsNilIsZero(t *testing.T) {
	d := Domain{1, common.HexToAddress("0x01")}
	zero := new(big.Int)
	if (AppOrder{}).Hash(d) != (AppOrder{Appprice: zero, Volume: zero}).Hash(d) {
		t.Error("an amount of nil does not hash as zero")
	}
	if len(MatchOrdersCall(AppOrder{}, DatasetOrder{}, WorkerpoolOrder{}, RequestOrder{})) == 0 {
		t.Error("orders with amounts of nil cannot be encoded")
	}
}

func TestSignedOrderRecoversToItsSigner(t *testing.T) {
	key, want := testKey(t)
	d := Domain{42161, common.HexToAddress("0x3eca1B216A7DF1C7689aEb259fFB83ADFB894E7f")}
	a, errA := AppOrder{Volume: big.NewInt(1)}.Signed(d, key)
	s, errS := DatasetOrder{Volume: big.NewInt(2)}.Signed(d, key)
	w, errW := WorkerpoolOrder{Volume: big.NewInt(3)}.Signed(d, key)
	r, errR := RequestOrder{Volume: big.NewInt(4), Params: "{}"}.Signed(d, key)
	for _, order := range []struct {
		hash common.Hash
		sign []byte
		err  error
	}{{a.Hash(d), a.Sign, errA}, {s.Hash(d), s.Sign, errS}, {w.Hash(d), w.Sign, errW}, {r.Hash(d), r.Sign, errR}} {
		got, err := RecoverOrder(order.hash, order.sign)
		if order.err != nil || err != nil || got != want {
			t.Errorf("order %s recovers to %s, %v, %v; want %s", order.hash, got, order.err, err, want)
		}
	}
}
