package contracts

import (
	"fmt"

	"assay/schema/assaypb"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Order is one of the four orders.
type Order interface {
	// Hash identifies the order in its domain; its signature is no part of it.
	Hash(domain Domain) common.Hash
}

// ReadBroadcast returns the order of a Broadcast*Order event (IexecRelayFacet): an
// AppOrder, DatasetOrder, WorkerpoolOrder or RequestOrder. Anybody may broadcast anything,
// so nothing but the hash can be relied on: neither has the order's resource to exist, nor
// is its signature checked. It fails for data that holds no such order.
func ReadBroadcast(message *assaypb.BroadcastOrder) (Order, error) {
	if len(message.GetData()) == 0 {
		return nil, errData // the generated decoders take it for the zero order
	}
	switch message.GetKind() {
	case assaypb.OrderKind_ORDER_KIND_APP:
		raw, err := hub.UnpackBroadcastAppOrderEvent(broadcastLog("BroadcastAppOrder", message))
		if err != nil {
			return nil, err
		}
		return AppOrder(raw.Apporder), nil
	case assaypb.OrderKind_ORDER_KIND_DATASET:
		raw, err := hub.UnpackBroadcastDatasetOrderEvent(broadcastLog("BroadcastDatasetOrder", message))
		if err != nil {
			return nil, err
		}
		return DatasetOrder(raw.Datasetorder), nil
	case assaypb.OrderKind_ORDER_KIND_WORKERPOOL:
		raw, err := hub.UnpackBroadcastWorkerpoolOrderEvent(broadcastLog("BroadcastWorkerpoolOrder", message))
		if err != nil {
			return nil, err
		}
		return WorkerpoolOrder(raw.Workerpoolorder), nil
	case assaypb.OrderKind_ORDER_KIND_REQUEST:
		raw, err := hub.UnpackBroadcastRequestOrderEvent(broadcastLog("BroadcastRequestOrder", message))
		if err != nil {
			return nil, err
		}
		return RequestOrder(raw.Requestorder), nil
	default:
		return nil, fmt.Errorf("no kind of order: %d", message.GetKind())
	}
}

// broadcastLog is the log as the chain had it.
func broadcastLog(event string, message *assaypb.BroadcastOrder) *types.Log {
	return &types.Log{Topics: []common.Hash{hubABI.Events[event].ID}, Data: message.Data}
}

var hubABI = hub.GetABI()
