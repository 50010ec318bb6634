package contracts

import (
	"crypto/ecdsa"
	"math/big"

	"assay/contracts/bindings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// The four orders that make a deal (IexecLibOrders_v5), field by field as in Solidity.
// Prices are nRLC per task, volumes are numbers of tasks; an amount that is nil is
// zero; a restriction that is zero restricts nothing.
type (
	// AppOrder offers an app.
	AppOrder bindings.IexecLibOrdersV5AppOrder
	// DatasetOrder offers a dataset. The zero order stands for no dataset.
	DatasetOrder bindings.IexecLibOrdersV5DatasetOrder
	// WorkerpoolOrder offers computation in one category with at most so much trust.
	WorkerpoolOrder bindings.IexecLibOrdersV5WorkerpoolOrder
	// RequestOrder asks for tasks and names the highest prices.
	RequestOrder bindings.IexecLibOrdersV5RequestOrder
)

// Domain is where an order is valid: one PoCo contract on one chain.
type Domain struct {
	ChainID uint64
	Hub     common.Address
}

// The EIP-712 types (IexecLibOrders_v5).
const (
	domainType     = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
	appOrderType   = "AppOrder(address app,uint256 appprice,uint256 volume,bytes32 tag,address datasetrestrict,address workerpoolrestrict,address requesterrestrict,bytes32 salt)"
	datasetType    = "DatasetOrder(address dataset,uint256 datasetprice,uint256 volume,bytes32 tag,address apprestrict,address workerpoolrestrict,address requesterrestrict,bytes32 salt)"
	workerpoolType = "WorkerpoolOrder(address workerpool,uint256 workerpoolprice,uint256 volume,bytes32 tag,uint256 category,uint256 trust,address apprestrict,address datasetrestrict,address requesterrestrict,bytes32 salt)"
	requestType    = "RequestOrder(address app,uint256 appmaxprice,address dataset,uint256 datasetmaxprice,address workerpool,uint256 workerpoolmaxprice,address requester,uint256 volume,bytes32 tag,uint256 category,uint256 trust,address beneficiary,address callback,string params,bytes32 salt)"
)

var (
	domainTypeHash     = crypto.Keccak256([]byte(domainType))
	appOrderTypeHash   = crypto.Keccak256([]byte(appOrderType))
	datasetTypeHash    = crypto.Keccak256([]byte(datasetType))
	workerpoolTypeHash = crypto.Keccak256([]byte(workerpoolType))
	requestTypeHash    = crypto.Keccak256([]byte(requestType))

	domainName    = crypto.Keccak256([]byte("iExecODB"))
	domainVersion = crypto.Keccak256([]byte("5.0.0"))
)

// Separator is the EIP-712 domain separator: eip712domain_separator() of the contract.
func (d Domain) Separator() common.Hash {
	return crypto.Keccak256Hash(domainTypeHash, domainName, domainVersion, number(new(big.Int).SetUint64(d.ChainID)), word(d.Hub))
}

func (d Domain) digest(fields ...[]byte) common.Hash {
	separator := d.Separator()
	return crypto.Keccak256Hash([]byte("\x19\x01"), separator[:], crypto.Keccak256(fields...))
}

// RecoverOrder returns the address whose key signed an order's hash, by the rules of
// RecoverMessage. The contract also takes other forms: 64 bytes (EIP-2098), the word
// of a contract (ERC-1271), orders signed on the chain (ManageAppOrderCall).
func RecoverOrder(hash common.Hash, sign []byte) (common.Address, error) {
	return recoverDigest(hash[:], sign)
}

// Hash identifies the order in its domain; its signature is no part of it.
func (o AppOrder) Hash(d Domain) common.Hash {
	return d.digest(appOrderTypeHash, word(o.App), number(o.Appprice), number(o.Volume), o.Tag[:],
		word(o.Datasetrestrict), word(o.Workerpoolrestrict), word(o.Requesterrestrict), o.Salt[:])
}

// Hash identifies the order in its domain; its signature is no part of it.
func (o DatasetOrder) Hash(d Domain) common.Hash {
	return d.digest(datasetTypeHash, word(o.Dataset), number(o.Datasetprice), number(o.Volume), o.Tag[:],
		word(o.Apprestrict), word(o.Workerpoolrestrict), word(o.Requesterrestrict), o.Salt[:])
}

// Hash identifies the order in its domain; its signature is no part of it.
func (o WorkerpoolOrder) Hash(d Domain) common.Hash {
	return d.digest(workerpoolTypeHash, word(o.Workerpool), number(o.Workerpoolprice), number(o.Volume), o.Tag[:],
		number(o.Category), number(o.Trust),
		word(o.Apprestrict), word(o.Datasetrestrict), word(o.Requesterrestrict), o.Salt[:])
}

// Hash identifies the order in its domain; its signature is no part of it.
func (o RequestOrder) Hash(d Domain) common.Hash {
	return d.digest(requestTypeHash, word(o.App), number(o.Appmaxprice), word(o.Dataset), number(o.Datasetmaxprice),
		word(o.Workerpool), number(o.Workerpoolmaxprice), word(o.Requester), number(o.Volume), o.Tag[:],
		number(o.Category), number(o.Trust), word(o.Beneficiary), word(o.Callback),
		crypto.Keccak256([]byte(o.Params)), o.Salt[:])
}

// Signed returns the order with its signature by key, the app owner's.
func (o AppOrder) Signed(d Domain, key *ecdsa.PrivateKey) (AppOrder, error) {
	var err error
	o.Sign, err = signDigest(key, o.Hash(d).Bytes())
	return o, err
}

// Signed returns the order with its signature by key, the dataset owner's.
func (o DatasetOrder) Signed(d Domain, key *ecdsa.PrivateKey) (DatasetOrder, error) {
	var err error
	o.Sign, err = signDigest(key, o.Hash(d).Bytes())
	return o, err
}

// Signed returns the order with its signature by key, the workerpool owner's.
func (o WorkerpoolOrder) Signed(d Domain, key *ecdsa.PrivateKey) (WorkerpoolOrder, error) {
	var err error
	o.Sign, err = signDigest(key, o.Hash(d).Bytes())
	return o, err
}

// Signed returns the order with its signature by key, the requester's.
func (o RequestOrder) Signed(d Domain, key *ecdsa.PrivateKey) (RequestOrder, error) {
	var err error
	o.Sign, err = signDigest(key, o.Hash(d).Bytes())
	return o, err
}

// packable returns the order with amounts that the ABI encoder takes.
func (o AppOrder) packable() bindings.IexecLibOrdersV5AppOrder {
	o.Appprice, o.Volume = amount(o.Appprice), amount(o.Volume)
	return bindings.IexecLibOrdersV5AppOrder(o)
}

func (o DatasetOrder) packable() bindings.IexecLibOrdersV5DatasetOrder {
	o.Datasetprice, o.Volume = amount(o.Datasetprice), amount(o.Volume)
	return bindings.IexecLibOrdersV5DatasetOrder(o)
}

func (o WorkerpoolOrder) packable() bindings.IexecLibOrdersV5WorkerpoolOrder {
	o.Workerpoolprice, o.Volume = amount(o.Workerpoolprice), amount(o.Volume)
	o.Category, o.Trust = amount(o.Category), amount(o.Trust)
	return bindings.IexecLibOrdersV5WorkerpoolOrder(o)
}

func (o RequestOrder) packable() bindings.IexecLibOrdersV5RequestOrder {
	o.Appmaxprice, o.Datasetmaxprice = amount(o.Appmaxprice), amount(o.Datasetmaxprice)
	o.Workerpoolmaxprice, o.Volume = amount(o.Workerpoolmaxprice), amount(o.Volume)
	o.Category, o.Trust = amount(o.Category), amount(o.Trust)
	return bindings.IexecLibOrdersV5RequestOrder(o)
}
