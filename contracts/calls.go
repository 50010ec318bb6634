package contracts

import (
	"math/big"

	"assay/contracts/bindings"

	"github.com/ethereum/go-ethereum/common"
)

// Calldata of the transactions that Assay sends. Amounts are nRLC; nil is zero, and
// what does not fit 256 bits wraps, as everywhere in the EVM.

// DepositCall stakes RLC of the sender, who has approved the hub before (token mode).
func DepositCall(nRLC *big.Int) []byte { return hub.PackDeposit(amount(nRLC)) }

// DepositForCall stakes RLC of the sender for another (token mode).
func DepositForCall(nRLC *big.Int, owner common.Address) []byte {
	return hub.PackDepositFor(amount(nRLC), owner)
}

// DepositForArrayCall stakes RLC of the sender for others (token mode).
func DepositForArrayCall(nRLC []*big.Int, owners []common.Address) []byte {
	return hub.PackDepositForArray(amounts(nRLC), owners)
}

// NativeDepositCall stakes the value sent with it, Wei(nRLC) (native mode).
func NativeDepositCall() []byte { return nativeEscrow.PackDeposit() }

// NativeDepositForCall stakes the value sent with it for another (native mode).
func NativeDepositForCall(owner common.Address) []byte { return nativeEscrow.PackDepositFor(owner) }

// Wei is what nRLC is in the chain's own coin, where that coin is RLC.
func Wei(nRLC *big.Int) *big.Int { return new(big.Int).Mul(amount(nRLC), big.NewInt(1e9)) }

// WithdrawCall gives staked RLC back to the sender.
func WithdrawCall(nRLC *big.Int) []byte { return hub.PackWithdraw(amount(nRLC)) }

// ApproveCall lets a spender take RLC of the sender; sent to the token.
func ApproveCall(spender common.Address, nRLC *big.Int) []byte {
	return token.PackApprove(spender, amount(nRLC))
}

// TransferCall sends RLC; sent to the token, or to the hub to move stake.
func TransferCall(to common.Address, nRLC *big.Int) []byte {
	return token.PackTransfer(to, amount(nRLC))
}

// ApproveAndDepositCall stakes RLC of the sender in one transaction; sent to the token
// (approveAndCall, IexecEscrowTokenFacet.receiveApproval).
func ApproveAndDepositCall(hub common.Address, nRLC *big.Int) []byte {
	return token.PackApproveAndCall(hub, amount(nRLC), nil)
}

// CreateAppCall registers an app; sent to the app registry.
func CreateAppCall(owner common.Address, a App) []byte {
	return appRegistry.PackCreateApp(owner, a.Name, a.Type, a.Multiaddr, a.Checksum, a.MREnclave)
}

// CreateDatasetCall registers a dataset; sent to the dataset registry.
func CreateDatasetCall(owner common.Address, d Dataset) []byte {
	return datasetRegistry.PackCreateDataset(owner, d.Name, d.Multiaddr, d.Checksum)
}

// CreateWorkerpoolCall registers a workerpool; sent to the workerpool registry.
func CreateWorkerpoolCall(owner common.Address, description string) []byte {
	return workerpoolRegistry.PackCreateWorkerpool(owner, description)
}

// ChangePolicyCall changes a workerpool's policy; its owner sends it to the workerpool.
func ChangePolicyCall(p Policy) []byte {
	return workerpool.PackChangePolicy(amount(p.WorkerStakeRatio), amount(p.SchedulerRewardRatio))
}

// CreateCategoryCall adds a category; the hub's owner sends it.
func CreateCategoryCall(c Category) []byte {
	return hub.PackCreateCategory(c.Name, c.Description, amount(c.WorkClockTimeRef))
}

// SetTeeBrokerCall names who authorizes contributions from enclaves in the pool
// owners' place; the hub's owner sends it.
func SetTeeBrokerCall(broker common.Address) []byte { return hub.PackSetTeeBroker(broker) }

// MatchOrdersCall makes a deal that the requester pays.
func MatchOrdersCall(a AppOrder, d DatasetOrder, w WorkerpoolOrder, r RequestOrder) []byte {
	return hub.PackMatchOrders(a.packable(), d.packable(), w.packable(), r.packable())
}

// SponsorMatchOrdersCall makes a deal that the sender pays.
func SponsorMatchOrdersCall(a AppOrder, d DatasetOrder, w WorkerpoolOrder, r RequestOrder) []byte {
	return hub.PackSponsorMatchOrders(a.packable(), d.packable(), w.packable(), r.packable())
}

// OrderOperation is what an order's owner does with it on the chain.
type OrderOperation uint8

// The operations (IexecLibOrders_v5.OrderOperationEnum).
const (
	SignOrder  OrderOperation = iota // it needs no signature from then on
	CloseOrder                       // it is used up
)

// ManageAppOrderCall signs or closes an order; the app's owner sends it.
func ManageAppOrderCall(o AppOrder, operation OrderOperation) []byte {
	return hub.PackManageAppOrder(bindings.IexecLibOrdersV5AppOrderOperation{Order: o.packable(), Operation: uint8(operation)})
}

// ManageDatasetOrderCall signs or closes an order; the dataset's owner sends it.
func ManageDatasetOrderCall(o DatasetOrder, operation OrderOperation) []byte {
	return hub.PackManageDatasetOrder(bindings.IexecLibOrdersV5DatasetOrderOperation{Order: o.packable(), Operation: uint8(operation)})
}

// ManageWorkerpoolOrderCall signs or closes an order; the workerpool's owner sends it.
func ManageWorkerpoolOrderCall(o WorkerpoolOrder, operation OrderOperation) []byte {
	return hub.PackManageWorkerpoolOrder(bindings.IexecLibOrdersV5WorkerpoolOrderOperation{Order: o.packable(), Operation: uint8(operation)})
}

// ManageRequestOrderCall signs or closes an order; the requester sends it.
func ManageRequestOrderCall(o RequestOrder, operation OrderOperation) []byte {
	return hub.PackManageRequestOrder(bindings.IexecLibOrdersV5RequestOrderOperation{Order: o.packable(), Operation: uint8(operation)})
}

// InitializeCall starts a task's clock; anyone may.
func InitializeCall(deal common.Hash, index uint64) []byte {
	return hub.PackInitialize(deal, new(big.Int).SetUint64(index))
}

// InitializeArrayCall starts several tasks: deals[i], indices[i].
func InitializeArrayCall(deals []common.Hash, indices []uint64) []byte {
	return hub.PackInitializeArray(hashes(deals), numbers(indices))
}

// InitializeAndClaimArrayCall fails several tasks that nobody has initialized.
func InitializeAndClaimArrayCall(deals []common.Hash, indices []uint64) []byte {
	return hub.PackInitializeAndClaimArray(hashes(deals), numbers(indices))
}

// ContributeCall commits the sending worker to a result. The challenge is zero and the
// enclave's signature empty where there is no enclave.
func ContributeCall(task, resultHash, resultSeal common.Hash, challenge common.Address, enclaveSign, authorization []byte) []byte {
	return hub.PackContribute(task, resultHash, resultSeal, challenge, enclaveSign, authorization)
}

// RevealCall proves the sending worker's contribution.
func RevealCall(task, digest common.Hash) []byte { return hub.PackReveal(task, digest) }

// ReopenCall rejects winners that did not reveal; the pool's owner sends it.
func ReopenCall(task common.Hash) []byte { return hub.PackReopen(task) }

// FinalizeCall completes a task and pays; the pool's owner sends it.
func FinalizeCall(task common.Hash, results, resultsCallback []byte) []byte {
	return hub.PackFinalize(task, results, resultsCallback)
}

// ClaimCall fails a task after its final deadline; anyone may.
func ClaimCall(task common.Hash) []byte { return hub.PackClaim(task) }

// ClaimArrayCall fails several tasks.
func ClaimArrayCall(tasks []common.Hash) []byte { return hub.PackClaimArray(hashes(tasks)) }

// ContributeAndFinalizeCall contributes and completes a task of a deal with trust 1 in
// one transaction of the worker.
func ContributeAndFinalizeCall(task, digest common.Hash, results, resultsCallback []byte, challenge common.Address, enclaveSign, authorization []byte) []byte {
	return hub.PackContributeAndFinalize(task, digest, results, resultsCallback, challenge, enclaveSign, authorization)
}

func amounts(values []*big.Int) []*big.Int {
	out := make([]*big.Int, len(values))
	for i, value := range values {
		out[i] = amount(value)
	}
	return out
}

func numbers(values []uint64) []*big.Int {
	out := make([]*big.Int, len(values))
	for i, value := range values {
		out[i] = new(big.Int).SetUint64(value)
	}
	return out
}

func hashes(values []common.Hash) [][32]byte {
	out := make([][32]byte, len(values))
	for i, value := range values {
		out[i] = value
	}
	return out
}
