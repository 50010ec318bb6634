package subgraph

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"assay/consensus/poco"
	"assay/contracts"
	"assay/indexer/projection/entity"
	"assay/schema/assaypb"
)

// An order becomes known when it is first mentioned on the chain: as a whole when it was
// broadcast, and by what the deal tells when it was matched without that. What an order
// says never changes, so its row does not either.

// orders is the kind of one of the four orders. What is noted of an order is that it has a
// row; the row is kept until the block's rows are written.
type orders[R any, P entity.Row[R]] struct {
	entity.Kind[poco.Hash, struct{}, R, P, Rows]
	fresh map[poco.Hash]R
}

func keep[R any, P entity.Row[R]](rows, history func(*Rows) *[]R) orders[R, P] {
	o := orders[R, P]{fresh: map[poco.Hash]R{}}
	o.Kind = kind[poco.Hash, struct{}, R, P]{
		Notes: entity.NewNotes((*entity.Codec).Hash, (*entity.Codec).Nothing),
		Name:  hash, Rows: rows, History: history,
		Row: func(id poco.Hash, _ struct{}) R { return o.fresh[id] },
	}
	return o
}

// mention makes the row of an order that has none.
func (o *orders[R, P]) mention(block uint64, id poco.Hash, r R) {
	if o.Has(id) {
		return
	}
	P(&r).Identify(hash(id))
	o.fresh[id] = r
	o.Set(block, id, struct{}{})
}

// Write adds the rows of all orders that were mentioned since a position.
func (o *orders[R, P]) Write(rows *Rows, since int, s entity.Stamp) {
	o.Kind.Write(rows, since, s)
	clear(o.fresh)
}

func (f *Fold) keepOrders() {
	f.appOrders = keep[AppOrder, *AppOrder](
		func(r *Rows) *[]AppOrder { return &r.AppOrder }, func(r *Rows) *[]AppOrder { return &r.AppOrderHistory })
	f.datasetOrders = keep[DatasetOrder, *DatasetOrder](
		func(r *Rows) *[]DatasetOrder { return &r.DatasetOrder }, func(r *Rows) *[]DatasetOrder { return &r.DatasetOrderHistory })
	f.poolOrders = keep[WorkerpoolOrder, *WorkerpoolOrder](
		func(r *Rows) *[]WorkerpoolOrder { return &r.WorkerpoolOrder }, func(r *Rows) *[]WorkerpoolOrder { return &r.WorkerpoolOrderHistory })
	f.requestOrders = keep[RequestOrder, *RequestOrder](
		func(r *Rows) *[]RequestOrder { return &r.RequestOrder }, func(r *Rows) *[]RequestOrder { return &r.RequestOrderHistory })
}

// order makes the rows of a deal's orders. That they fit tells what a request asks for
// (IexecPoco1Facet._matchOrders), but not its trust: the deal's is at least 1.
func (h *handler) order(e poco.OrdersMatched, d *poco.Deal) {
	h.appOrders.mention(h.block.Number, e.AppHash, AppOrder{App: address(d.App.Pointer), Appprice: d.App.Price.ToBig()})
	if e.DatasetHash != (poco.Hash{}) {
		h.datasetOrders.mention(h.block.Number, e.DatasetHash, DatasetOrder{
			Dataset: optional(address(d.Dataset.Pointer)), Datasetprice: d.Dataset.Price.ToBig(),
		})
	}
	h.poolOrders.mention(h.block.Number, e.WorkerpoolHash, WorkerpoolOrder{
		Workerpool: address(d.Workerpool.Pointer), Workerpoolprice: d.Workerpool.Price.ToBig(), Category: optional(d.Category.Dec()),
	})
	request := RequestOrder{
		App: optional(address(d.App.Pointer)), Dataset: optional(address(d.Dataset.Pointer)), Requester: address(d.Requester),
		Category: optional(d.Category.Dec()), Beneficiary: optional(address(d.Beneficiary)), Callback: optional(address(d.Callback)),
		Params: optional(text(d.Params)),
	}
	if d.Trust.CmpUint64(1) > 0 {
		request.Trust = d.Trust.ToBig()
	}
	h.requestOrders.mention(h.block.Number, e.RequestHash, request)
}

// broadcast makes the row of an order that was broadcast, if what it is for is registered:
// anybody may broadcast anything.
func (h *handler) broadcast(message *assaypb.BroadcastOrder) {
	order, err := contracts.ReadBroadcast(message)
	if err != nil {
		return // not an order; the event itself is kept in events
	}
	id := order.Hash(h.domain)
	switch o := order.(type) {
	case contracts.AppOrder:
		if h.apps.Has(o.App) {
			h.appOrders.mention(h.block.Number, id, appOrder(o))
		}
	case contracts.DatasetOrder:
		if h.datasets.Has(o.Dataset) {
			h.datasetOrders.mention(h.block.Number, id, datasetOrder(o))
		}
	case contracts.WorkerpoolOrder:
		if h.workerpools.Has(o.Workerpool) {
			h.poolOrders.mention(h.block.Number, id, workerpoolOrder(o))
		}
	case contracts.RequestOrder:
		if h.apps.Has(o.App) {
			for _, a := range []common.Address{o.Requester, o.Beneficiary, o.Callback} {
				h.account(a)
			}
			h.requestOrders.mention(h.block.Number, id, requestOrder(o))
		}
	}
}

func appOrder(o contracts.AppOrder) AppOrder {
	return AppOrder{
		App: address(o.App), Appprice: o.Appprice, Volume: o.Volume, Tag: optional(hash(o.Tag)),
		Datasetrestrict: optional(address(o.Datasetrestrict)), Workerpoolrestrict: optional(address(o.Workerpoolrestrict)),
		Requesterrestrict: optional(address(o.Requesterrestrict)), Salt: optional(hash(o.Salt)), Sign: optional(data(o.Sign)),
	}
}

func datasetOrder(o contracts.DatasetOrder) DatasetOrder {
	return DatasetOrder{
		Dataset: optional(address(o.Dataset)), Datasetprice: o.Datasetprice, Volume: o.Volume, Tag: optional(hash(o.Tag)),
		Apprestrict: optional(address(o.Apprestrict)), Workerpoolrestrict: optional(address(o.Workerpoolrestrict)),
		Requesterrestrict: optional(address(o.Requesterrestrict)), Salt: optional(hash(o.Salt)), Sign: optional(data(o.Sign)),
	}
}

func workerpoolOrder(o contracts.WorkerpoolOrder) WorkerpoolOrder {
	return WorkerpoolOrder{
		Workerpool: address(o.Workerpool), Workerpoolprice: o.Workerpoolprice, Volume: o.Volume, Tag: optional(hash(o.Tag)),
		Category: category(o.Category), Trust: o.Trust, Apprestrict: optional(address(o.Apprestrict)),
		Datasetrestrict: optional(address(o.Datasetrestrict)), Requesterrestrict: optional(address(o.Requesterrestrict)),
		Salt: optional(hash(o.Salt)), Sign: optional(data(o.Sign)),
	}
}

func requestOrder(o contracts.RequestOrder) RequestOrder {
	return RequestOrder{
		App: optional(address(o.App)), Appmaxprice: o.Appmaxprice, Dataset: optional(address(o.Dataset)), Datasetmaxprice: o.Datasetmaxprice,
		Workerpool: optional(address(o.Workerpool)), Workerpoolmaxprice: o.Workerpoolmaxprice, Requester: address(o.Requester),
		Volume: o.Volume, Tag: optional(hash(o.Tag)), Category: category(o.Category), Trust: o.Trust,
		Beneficiary: optional(address(o.Beneficiary)), Callback: optional(address(o.Callback)), Params: optional(text(o.Params)),
		Salt: optional(hash(o.Salt)), Sign: optional(data(o.Sign)),
	}
}

func category(id *big.Int) *string { return optional(id.String()) }
