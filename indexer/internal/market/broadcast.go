package market

import (
	"github.com/ethereum/go-ethereum/common"

	"assay/consensus/poco"
	"assay/contracts/bindings"
	"assay/schema/assaypb"
)

var hub = bindings.NewHub().GetABI()

// Broadcast publishes an order on chain (IexecRelayFacet), which nobody checks.
func (m *Market) Broadcast(sender poco.Address, order poco.AnyOrder) {
	kind, event, packed := broadcastOf(order)
	data, err := hub.Events[event].Inputs.Pack(packed)
	if err != nil {
		panic(err) // the types are the ABI's own
	}
	block := m.Head()
	tx := m.transaction(sender)
	block.Block.Events = append(block.Block.Events, &assaypb.Event{
		LogIndex: uint32(2 * len(block.Events)), TxHash: tx.Hash, TxIndex: tx.Index, Emitter: common.HexToAddress(Preset.Hub).Bytes(),
		Body: &assaypb.Event_BroadcastOrder{BroadcastOrder: &assaypb.BroadcastOrder{Kind: kind, Data: data}},
	})
}

func broadcastOf(order poco.AnyOrder) (assaypb.OrderKind, string, any) {
	switch o := order.(type) {
	case poco.AppOrder:
		return assaypb.OrderKind_ORDER_KIND_APP, "BroadcastAppOrder", bindings.IexecLibOrdersV5AppOrder{
			App: o.App, Appprice: o.Price.ToBig(), Volume: o.Volume.ToBig(), Tag: o.Tag, Datasetrestrict: o.DatasetRestrict,
			Workerpoolrestrict: o.WorkerpoolRestrict, Requesterrestrict: o.RequesterRestrict, Salt: o.Salt, Sign: o.Sign,
		}
	case poco.DatasetOrder:
		return assaypb.OrderKind_ORDER_KIND_DATASET, "BroadcastDatasetOrder", bindings.IexecLibOrdersV5DatasetOrder{
			Dataset: o.Dataset, Datasetprice: o.Price.ToBig(), Volume: o.Volume.ToBig(), Tag: o.Tag, Apprestrict: o.AppRestrict,
			Workerpoolrestrict: o.WorkerpoolRestrict, Requesterrestrict: o.RequesterRestrict, Salt: o.Salt, Sign: o.Sign,
		}
	case poco.WorkerpoolOrder:
		return assaypb.OrderKind_ORDER_KIND_WORKERPOOL, "BroadcastWorkerpoolOrder", bindings.IexecLibOrdersV5WorkerpoolOrder{
			Workerpool: o.Workerpool, Workerpoolprice: o.Price.ToBig(), Volume: o.Volume.ToBig(), Tag: o.Tag,
			Category: o.Category.ToBig(), Trust: o.Trust.ToBig(), Apprestrict: o.AppRestrict,
			Datasetrestrict: o.DatasetRestrict, Requesterrestrict: o.RequesterRestrict, Salt: o.Salt, Sign: o.Sign,
		}
	default:
		r, _ := order.(poco.RequestOrder)
		return assaypb.OrderKind_ORDER_KIND_REQUEST, "BroadcastRequestOrder", bindings.IexecLibOrdersV5RequestOrder{
			App: r.App, Appmaxprice: r.AppMaxPrice.ToBig(), Dataset: r.Dataset, Datasetmaxprice: r.DatasetMaxPrice.ToBig(),
			Workerpool: r.Workerpool, Workerpoolmaxprice: r.WorkerpoolMaxPrice.ToBig(), Requester: r.Requester, Volume: r.Volume.ToBig(),
			Tag: r.Tag, Category: r.Category.ToBig(), Trust: r.Trust.ToBig(), Beneficiary: r.Beneficiary, Callback: r.Callback,
			Params: r.Params, Salt: r.Salt, Sign: r.Sign,
		}
	}
}
