package poco

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// AppOrder offers an app (IexecLibOrders_v5.AppOrder). A restriction is a single
// address, an ERC-734 group, or zero for anybody.
type AppOrder struct {
	App                Address
	Price              Amount // nRLC per task
	Volume             Amount // how many tasks
	Tag                Hash
	DatasetRestrict    Address
	WorkerpoolRestrict Address
	RequesterRestrict  Address
	Salt               Hash
	Sign               []byte
}

// DatasetOrder offers a dataset (IexecLibOrders_v5.DatasetOrder). A zero Dataset stands
// for none.
type DatasetOrder struct {
	Dataset            Address
	Price              Amount // nRLC per task
	Volume             Amount
	Tag                Hash
	AppRestrict        Address
	WorkerpoolRestrict Address
	RequesterRestrict  Address
	Salt               Hash
	Sign               []byte
}

// WorkerpoolOrder offers a workerpool (IexecLibOrders_v5.WorkerpoolOrder).
type WorkerpoolOrder struct {
	Workerpool        Address
	Price             Amount // nRLC per task
	Volume            Amount
	Tag               Hash
	Category          Amount
	Trust             Amount // the most that it can be asked for
	AppRestrict       Address
	DatasetRestrict   Address
	RequesterRestrict Address
	Salt              Hash
	Sign              []byte
}

// RequestOrder asks for tasks (IexecLibOrders_v5.RequestOrder).
type RequestOrder struct {
	App                Address
	AppMaxPrice        Amount // nRLC per task
	Dataset            Address
	DatasetMaxPrice    Amount
	Workerpool         Address // a restriction
	WorkerpoolMaxPrice Amount
	Requester          Address
	Volume             Amount
	Tag                Hash
	Category           Amount
	Trust              Amount
	Beneficiary        Address
	Callback           Address
	Params             string
	Salt               Hash
	Sign               []byte
}

// Order types of EIP-712, as IexecLibOrders_v5 spells them.
const (
	domainType     = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
	appType        = "AppOrder(address app,uint256 appprice,uint256 volume,bytes32 tag,address datasetrestrict,address workerpoolrestrict,address requesterrestrict,bytes32 salt)"
	datasetType    = "DatasetOrder(address dataset,uint256 datasetprice,uint256 volume,bytes32 tag,address apprestrict,address workerpoolrestrict,address requesterrestrict,bytes32 salt)"
	workerpoolType = "WorkerpoolOrder(address workerpool,uint256 workerpoolprice,uint256 volume,bytes32 tag,uint256 category,uint256 trust,address apprestrict,address datasetrestrict,address requesterrestrict,bytes32 salt)"
	requestType    = "RequestOrder(address app,uint256 appmaxprice,address dataset,uint256 datasetmaxprice,address workerpool,uint256 workerpoolmaxprice,address requester,uint256 volume,bytes32 tag,uint256 category,uint256 trust,address beneficiary,address callback,string params,bytes32 salt)"
)

var (
	domainTypeHash     = typeHash(domainType)
	appTypeHash        = typeHash(appType)
	datasetTypeHash    = typeHash(datasetType)
	workerpoolTypeHash = typeHash(workerpoolType)
	requestTypeHash    = typeHash(requestType)

	appOperationTypeHash        = typeHash("AppOrderOperation(AppOrder order,uint256 operation)" + appType)
	datasetOperationTypeHash    = typeHash("DatasetOrderOperation(DatasetOrder order,uint256 operation)" + datasetType)
	workerpoolOperationTypeHash = typeHash("WorkerpoolOrderOperation(WorkerpoolOrder order,uint256 operation)" + workerpoolType)
	requestOperationTypeHash    = typeHash("RequestOrderOperation(RequestOrder order,uint256 operation)" + requestType)
)

func typeHash(spelling string) Hash { return crypto.Keccak256Hash([]byte(spelling)) }

// AnyOrder is an AppOrder, DatasetOrder, WorkerpoolOrder or RequestOrder.
type AnyOrder interface {
	kind() OrderKind
	volume() Amount
	structHash() Hash
	operationType() Hash
}

// OrderHash is an order's identity and what its owner signs: its EIP-712 digest on a
// chain.
func (r *Rules) OrderHash(order AnyOrder) Hash { return r.digest(order.structHash()) }

// OperationHash is what the owner of an order signs for another account to sign (close
// false) or close the order in its name.
func (r *Rules) OperationHash(order AnyOrder, close bool) Hash {
	operation := new(Amount)
	if close {
		operation = one
	}
	return r.digest(encode(order.operationType(), order.structHash(), *operation))
}

// digest is EIP-712's: keccak256(0x1901 ‖ domain ‖ struct).
func (r *Rules) digest(structHash Hash) Hash {
	domain := encode(domainTypeHash, crypto.Keccak256Hash([]byte("iExecODB")), crypto.Keccak256Hash([]byte("5.0.0")),
		*uint256.NewInt(r.ChainID), r.Hub)
	return crypto.Keccak256Hash([]byte{0x19, 0x01}, domain[:], structHash[:])
}

// encode is keccak256 over abi.encode of words.
func encode(words ...any) Hash {
	data := make([]byte, 0, 32*len(words))
	for _, word := range words {
		switch w := word.(type) {
		case Hash:
			data = append(data, w[:]...)
		case Address:
			data = append(data, common.LeftPadBytes(w[:], 32)...)
		case Amount:
			b := w.Bytes32()
			data = append(data, b[:]...)
		}
	}
	return crypto.Keccak256Hash(data)
}

func (o AppOrder) kind() OrderKind        { return AppOrderKind }
func (o DatasetOrder) kind() OrderKind    { return DatasetOrderKind }
func (o WorkerpoolOrder) kind() OrderKind { return WorkerpoolOrderKind }
func (o RequestOrder) kind() OrderKind    { return RequestOrderKind }

func (o AppOrder) volume() Amount        { return o.Volume }
func (o DatasetOrder) volume() Amount    { return o.Volume }
func (o WorkerpoolOrder) volume() Amount { return o.Volume }
func (o RequestOrder) volume() Amount    { return o.Volume }

func (o AppOrder) operationType() Hash        { return appOperationTypeHash }
func (o DatasetOrder) operationType() Hash    { return datasetOperationTypeHash }
func (o WorkerpoolOrder) operationType() Hash { return workerpoolOperationTypeHash }
func (o RequestOrder) operationType() Hash    { return requestOperationTypeHash }

func (o AppOrder) structHash() Hash {
	return encode(appTypeHash, o.App, o.Price, o.Volume, o.Tag,
		o.DatasetRestrict, o.WorkerpoolRestrict, o.RequesterRestrict, o.Salt)
}

func (o DatasetOrder) structHash() Hash {
	return encode(datasetTypeHash, o.Dataset, o.Price, o.Volume, o.Tag,
		o.AppRestrict, o.WorkerpoolRestrict, o.RequesterRestrict, o.Salt)
}

func (o WorkerpoolOrder) structHash() Hash {
	return encode(workerpoolTypeHash, o.Workerpool, o.Price, o.Volume, o.Tag, o.Category, o.Trust,
		o.AppRestrict, o.DatasetRestrict, o.RequesterRestrict, o.Salt)
}

func (o RequestOrder) structHash() Hash {
	return encode(requestTypeHash, o.App, o.AppMaxPrice, o.Dataset, o.DatasetMaxPrice, o.Workerpool, o.WorkerpoolMaxPrice,
		o.Requester, o.Volume, o.Tag, o.Category, o.Trust, o.Beneficiary, o.Callback,
		crypto.Keccak256Hash([]byte(o.Params)), o.Salt)
}
