package contracts

import (
	"bytes"
	"errors"
	"strings"

	"assay/contracts/bindings"
	"assay/schema/assaypb"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

var (
	hub                = bindings.NewHub()
	nativeEscrow       = bindings.NewNativeEscrow()
	token              = bindings.NewToken()
	appRegistry        = bindings.NewAppRegistry()
	datasetRegistry    = bindings.NewDatasetRegistry()
	workerpoolRegistry = bindings.NewWorkerpoolRegistry()
	app                = bindings.NewApp()
	dataset            = bindings.NewDataset()
	workerpool         = bindings.NewWorkerpool()
)

// PolicyUpdateTopic is the first topic of the one event that comes from contracts
// other than hub and registries: every workerpool emits it itself.
var PolicyUpdateTopic = workerpool.GetABI().Events["PolicyUpdate"].ID

// decode reads a log into the body of an event.
type decode = func(*types.Log, *assaypb.Event) error

// reading makes a decoder out of a generated one and of what to do with the result.
func reading[T any](unpack func(*types.Log) (*T, error), fill func(*T, *assaypb.Event)) decode {
	return func(log *types.Log, event *assaypb.Event) error {
		raw, err := unpack(log)
		if err != nil {
			return err
		}
		fill(raw, event)
		return nil
	}
}

func rulesOf(contract abi.ABI, decoders map[string]decode) map[common.Hash]rule {
	rules := make(map[common.Hash]rule, len(decoders))
	for name, decode := range decoders {
		event := contract.Events[name]
		rules[event.ID] = rule{event: event, decode: decode}
	}
	return rules
}

// text makes a string of the chain fit for Protobuf, which refuses what is not UTF-8.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// transfer reads the most frequent event of all without reflection, unless its data is
// not the one word that it should be.
func transfer(log *types.Log, out *assaypb.Event) error {
	if len(log.Data) != common.HashLength {
		return slowTransfer(log, out)
	}
	sides := make([]byte, 0, 2*common.AddressLength)
	sides = append(append(sides, log.Topics[1][12:]...), log.Topics[2][12:]...)
	out.Body = &assaypb.Event_Transfer{Transfer: &assaypb.Transfer{
		From: sides[:20:20], To: sides[20:], Value: common.CopyBytes(bytes.TrimLeft(log.Data, "\x00"))}}
	return nil
}

var slowTransfer = reading(hub.UnpackTransferEvent, func(e *bindings.HubTransfer, out *assaypb.Event) {
	out.Body = &assaypb.Event_Transfer{Transfer: &assaypb.Transfer{From: e.From[:], To: e.To[:], Value: e.Value.Bytes()}}
})

var hubRules = rulesOf(hub.GetABI(), map[string]decode{
	"Transfer": transfer,
	"Approval": reading(hub.UnpackApprovalEvent, func(e *bindings.HubApproval, out *assaypb.Event) {
		out.Body = &assaypb.Event_Approval{Approval: &assaypb.Approval{Owner: e.Owner[:], Spender: e.Spender[:], Value: e.Value.Bytes()}}
	}),
	"Lock": reading(hub.UnpackLockEvent, func(e *bindings.HubLock, out *assaypb.Event) {
		out.Body = &assaypb.Event_Lock{Lock: &assaypb.Lock{Owner: e.Owner[:], Amount: e.Amount.Bytes()}}
	}),
	"Unlock": reading(hub.UnpackUnlockEvent, func(e *bindings.HubUnlock, out *assaypb.Event) {
		out.Body = &assaypb.Event_Unlock{Unlock: &assaypb.Unlock{Owner: e.Owner[:], Amount: e.Amount.Bytes()}}
	}),
	"Reward": reading(hub.UnpackRewardEvent, func(e *bindings.HubReward, out *assaypb.Event) {
		out.Body = &assaypb.Event_Reward{Reward: &assaypb.Reward{Owner: e.Owner[:], Amount: e.Amount.Bytes(), Ref: e.Ref[:]}}
	}),
	"Seize": reading(hub.UnpackSeizeEvent, func(e *bindings.HubSeize, out *assaypb.Event) {
		out.Body = &assaypb.Event_Seize{Seize: &assaypb.Seize{Owner: e.Owner[:], Amount: e.Amount.Bytes(), Ref: e.Ref[:]}}
	}),
	"CreateCategory": reading(hub.UnpackCreateCategoryEvent, func(e *bindings.HubCreateCategory, out *assaypb.Event) {
		out.Body = &assaypb.Event_CreateCategory{CreateCategory: &assaypb.CreateCategory{
			Category: e.Catid.Bytes(), Name: text(e.Name), Description: text(e.Description), WorkClockTimeRef: e.WorkClockTimeRef.Bytes()}}
	}),
	"SchedulerNotice": reading(hub.UnpackSchedulerNoticeEvent, func(e *bindings.HubSchedulerNotice, out *assaypb.Event) {
		out.Body = &assaypb.Event_SchedulerNotice{SchedulerNotice: &assaypb.SchedulerNotice{Workerpool: e.Workerpool[:], Deal: e.Dealid[:]}}
	}),
	"OrdersMatched": reading(hub.UnpackOrdersMatchedEvent, func(e *bindings.HubOrdersMatched, out *assaypb.Event) {
		out.Body = &assaypb.Event_OrdersMatched{OrdersMatched: &assaypb.OrdersMatched{
			Deal: e.Dealid[:], AppHash: e.AppHash[:], DatasetHash: e.DatasetHash[:],
			WorkerpoolHash: e.WorkerpoolHash[:], RequestHash: e.RequestHash[:], Volume: e.Volume.Bytes()}}
	}),
	"DealSponsored": reading(hub.UnpackDealSponsoredEvent, func(e *bindings.HubDealSponsored, out *assaypb.Event) {
		out.Body = &assaypb.Event_DealSponsored{DealSponsored: &assaypb.DealSponsored{Deal: e.DealId[:], Sponsor: e.Sponsor[:]}}
	}),
	"TaskInitialize": reading(hub.UnpackTaskInitializeEvent, func(e *bindings.HubTaskInitialize, out *assaypb.Event) {
		out.Body = &assaypb.Event_TaskInitialize{TaskInitialize: &assaypb.TaskInitialize{Task: e.Taskid[:], Workerpool: e.Workerpool[:]}}
	}),
	"TaskContribute": reading(hub.UnpackTaskContributeEvent, func(e *bindings.HubTaskContribute, out *assaypb.Event) {
		out.Body = &assaypb.Event_TaskContribute{TaskContribute: &assaypb.TaskContribute{Task: e.Taskid[:], Worker: e.Worker[:], ResultHash: e.Hash[:]}}
	}),
	"TaskConsensus": reading(hub.UnpackTaskConsensusEvent, func(e *bindings.HubTaskConsensus, out *assaypb.Event) {
		out.Body = &assaypb.Event_TaskConsensus{TaskConsensus: &assaypb.TaskConsensus{Task: e.Taskid[:], Consensus: e.Consensus[:]}}
	}),
	"TaskReveal": reading(hub.UnpackTaskRevealEvent, func(e *bindings.HubTaskReveal, out *assaypb.Event) {
		out.Body = &assaypb.Event_TaskReveal{TaskReveal: &assaypb.TaskReveal{Task: e.Taskid[:], Worker: e.Worker[:], Digest: e.Digest[:]}}
	}),
	"TaskReopen": reading(hub.UnpackTaskReopenEvent, func(e *bindings.HubTaskReopen, out *assaypb.Event) {
		out.Body = &assaypb.Event_TaskReopen{TaskReopen: &assaypb.TaskReopen{Task: e.Taskid[:]}}
	}),
	"TaskFinalize": reading(hub.UnpackTaskFinalizeEvent, func(e *bindings.HubTaskFinalize, out *assaypb.Event) {
		out.Body = &assaypb.Event_TaskFinalize{TaskFinalize: &assaypb.TaskFinalize{Task: e.Taskid[:], Results: e.Results}}
	}),
	"TaskClaimed": reading(hub.UnpackTaskClaimedEvent, func(e *bindings.HubTaskClaimed, out *assaypb.Event) {
		out.Body = &assaypb.Event_TaskClaimed{TaskClaimed: &assaypb.TaskClaimed{Task: e.Taskid[:]}}
	}),
	"AccurateContribution": reading(hub.UnpackAccurateContributionEvent, func(e *bindings.HubAccurateContribution, out *assaypb.Event) {
		out.Body = &assaypb.Event_AccurateContribution{AccurateContribution: &assaypb.AccurateContribution{Worker: e.Worker[:], Task: e.Taskid[:]}}
	}),
	"FaultyContribution": reading(hub.UnpackFaultyContributionEvent, func(e *bindings.HubFaultyContribution, out *assaypb.Event) {
		out.Body = &assaypb.Event_FaultyContribution{FaultyContribution: &assaypb.FaultyContribution{Worker: e.Worker[:], Task: e.Taskid[:]}}
	}),
	"SchedulerNoticeBoost": reading(hub.UnpackSchedulerNoticeBoostEvent, func(e *bindings.HubSchedulerNoticeBoost, out *assaypb.Event) {
		out.Body = &assaypb.Event_SchedulerNoticeBoost{SchedulerNoticeBoost: &assaypb.SchedulerNoticeBoost{
			Workerpool: e.Workerpool[:], Deal: e.DealId[:], App: e.App[:], Dataset: e.Dataset[:], Category: e.Category.Bytes(),
			Tag: e.Tag[:], Params: text(e.Params), Beneficiary: e.Beneficiary[:]}}
	}),
	"ResultPushedBoost": reading(hub.UnpackResultPushedBoostEvent, func(e *bindings.HubResultPushedBoost, out *assaypb.Event) {
		out.Body = &assaypb.Event_ResultPushedBoost{ResultPushedBoost: &assaypb.ResultPushedBoost{Deal: e.DealId[:], Index: e.Index.Bytes(), Results: e.Results}}
	}),
	"DealSponsoredBoost": reading(hub.UnpackDealSponsoredBoostEvent, func(e *bindings.HubDealSponsoredBoost, out *assaypb.Event) {
		out.Body = &assaypb.Event_DealSponsoredBoost{DealSponsoredBoost: &assaypb.DealSponsoredBoost{Deal: e.DealId[:], Sponsor: e.Sponsor[:]}}
	}),
	"OwnershipTransferred": ownershipTransferred,

	"SignedAppOrder":        orderSigned(assaypb.OrderKind_ORDER_KIND_APP),
	"SignedDatasetOrder":    orderSigned(assaypb.OrderKind_ORDER_KIND_DATASET),
	"SignedWorkerpoolOrder": orderSigned(assaypb.OrderKind_ORDER_KIND_WORKERPOOL),
	"SignedRequestOrder":    orderSigned(assaypb.OrderKind_ORDER_KIND_REQUEST),
	"ClosedAppOrder":        orderClosed(assaypb.OrderKind_ORDER_KIND_APP),
	"ClosedDatasetOrder":    orderClosed(assaypb.OrderKind_ORDER_KIND_DATASET),
	"ClosedWorkerpoolOrder": orderClosed(assaypb.OrderKind_ORDER_KIND_WORKERPOOL),
	"ClosedRequestOrder":    orderClosed(assaypb.OrderKind_ORDER_KIND_REQUEST),

	"BroadcastAppOrder":        broadcast(assaypb.OrderKind_ORDER_KIND_APP),
	"BroadcastDatasetOrder":    broadcast(assaypb.OrderKind_ORDER_KIND_DATASET),
	"BroadcastWorkerpoolOrder": broadcast(assaypb.OrderKind_ORDER_KIND_WORKERPOOL),
	"BroadcastRequestOrder":    broadcast(assaypb.OrderKind_ORDER_KIND_REQUEST),
})

var (
	appRegistryRules        = registryRules(appRegistry.GetABI(), assaypb.ResourceKind_RESOURCE_KIND_APP)
	datasetRegistryRules    = registryRules(datasetRegistry.GetABI(), assaypb.ResourceKind_RESOURCE_KIND_DATASET)
	workerpoolRegistryRules = registryRules(workerpoolRegistry.GetABI(), assaypb.ResourceKind_RESOURCE_KIND_WORKERPOOL)
)

// registryRules are those of an ERC-721 registry, whose Transfer shares its topic with
// the ERC-20 Transfer of the hub but has the token as a third indexed argument.
func registryRules(registry abi.ABI, kind assaypb.ResourceKind) map[common.Hash]rule {
	return rulesOf(registry, map[string]decode{
		"Transfer": reading(appRegistry.UnpackTransferEvent, func(e *bindings.AppRegistryTransfer, out *assaypb.Event) {
			out.Body = &assaypb.Event_ResourceTransfer{ResourceTransfer: &assaypb.ResourceTransfer{
				Kind: kind, From: e.From[:], To: e.To[:], Resource: common.BigToAddress(e.TokenId).Bytes()}}
		}),
		"OwnershipTransferred": ownershipTransferred,
	})
}

var workerpoolRules = rulesOf(workerpool.GetABI(), map[string]decode{
	"PolicyUpdate": func(log *types.Log, out *assaypb.Event) error {
		e, err := workerpool.UnpackPolicyUpdateEvent(log)
		if err != nil {
			return err
		}
		out.Body = &assaypb.Event_PolicyUpdate{PolicyUpdate: &assaypb.PolicyUpdate{
			Workerpool:              log.Address.Bytes(),
			OldWorkerStakeRatio:     e.OldWorkerStakeRatioPolicy.Bytes(),
			NewWorkerStakeRatio:     e.NewWorkerStakeRatioPolicy.Bytes(),
			OldSchedulerRewardRatio: e.OldSchedulerRewardRatioPolicy.Bytes(),
			NewSchedulerRewardRatio: e.NewSchedulerRewardRatioPolicy.Bytes(),
		}}
		return nil
	},
})

var ownershipTransferred = reading(hub.UnpackOwnershipTransferredEvent, func(e *bindings.HubOwnershipTransferred, out *assaypb.Event) {
	out.Body = &assaypb.Event_OwnershipTransferred{OwnershipTransferred: &assaypb.OwnershipTransferred{From: e.PreviousOwner[:], To: e.NewOwner[:]}}
})

var errData = errors.New("not the data that the event declares")

// orderSigned reads the four Signed*Order events, which all carry one hash.
func orderSigned(kind assaypb.OrderKind) decode {
	return func(log *types.Log, out *assaypb.Event) error {
		if len(log.Data) != common.HashLength {
			return errData
		}
		out.Body = &assaypb.Event_OrderSigned{OrderSigned: &assaypb.OrderSigned{Kind: kind, Hash: common.CopyBytes(log.Data)}}
		return nil
	}
}

// orderClosed reads the four Closed*Order events, which all carry one hash.
func orderClosed(kind assaypb.OrderKind) decode {
	return func(log *types.Log, out *assaypb.Event) error {
		if len(log.Data) != common.HashLength {
			return errData
		}
		out.Body = &assaypb.Event_OrderClosed{OrderClosed: &assaypb.OrderClosed{Kind: kind, Hash: common.CopyBytes(log.Data)}}
		return nil
	}
}

func broadcast(kind assaypb.OrderKind) decode {
	return func(log *types.Log, out *assaypb.Event) error {
		out.Body = &assaypb.Event_BroadcastOrder{BroadcastOrder: &assaypb.BroadcastOrder{Kind: kind, Data: common.CopyBytes(log.Data)}}
		return nil
	}
}
