package dataprotector

import (
	"slices"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"assay/consensus/poco"
	"assay/schema/assaypb"
)

// handler handles the events of one block, one after the other.
type handler struct {
	*Fold
	rows  *Rows
	block *assaypb.Block
	event *assaypb.Event
}

func (h *handler) handle() {
	switch body := h.event.Body.(type) {
	case *assaypb.Event_ResourceTransfer:
		h.resourceTransfer(body.ResourceTransfer)
	case *assaypb.Event_DatasetSchema:
		h.datasetSchema(body.DatasetSchema)
	case *assaypb.Event_WhitelistTransfer:
		h.whitelistTransfer(body.WhitelistTransfer)
	case *assaypb.Event_NewAppAddedToAddOnlyAppWhitelist:
		h.appAdded(body.NewAppAddedToAddOnlyAppWhitelist)
	case *assaypb.Event_CollectionTransfer:
		h.collectionTransfer(body.CollectionTransfer)
	case *assaypb.Event_NewSubscriptionParams:
		h.subscriptionTerms(body.NewSubscriptionParams)
	case *assaypb.Event_NewSubscription:
		h.subscription(body.NewSubscription)
	case *assaypb.Event_ProtectedDataConsumed:
		h.consumed(body.ProtectedDataConsumed)
	case *assaypb.Event_NewRental:
		h.rental(body.NewRental)
	case *assaypb.Event_ProtectedDataSold:
		h.sale(body.ProtectedDataSold)
	default:
		h.change()
	}
}

// change handles what changes protected data and makes nothing new but terms.
func (h *handler) change() {
	switch body := h.event.Body.(type) {
	case *assaypb.Event_ProtectedDataTransfer:
		h.move(body.ProtectedDataTransfer)
	case *assaypb.Event_ProtectedDataAddedForSubscription:
		h.edit(body.ProtectedDataAddedForSubscription.ProtectedData, func(n *dataNote) { n.subscribable = true })
	case *assaypb.Event_ProtectedDataRemovedFromSubscription:
		h.edit(body.ProtectedDataRemovedFromSubscription.ProtectedData, func(n *dataNote) { n.subscribable = false })
	case *assaypb.Event_ProtectedDataAddedForRenting:
		e := body.ProtectedDataAddedForRenting
		if h.edit(e.ProtectedData, func(n *dataNote) { n.rentable, n.rentalTerms = true, true }) {
			h.rentalParams.Set(h.block.Number, common.BytesToAddress(e.ProtectedData), terms{number(e.Price), e.Duration})
		}
	case *assaypb.Event_ProtectedDataRemovedFromRenting:
		h.edit(body.ProtectedDataRemovedFromRenting.ProtectedData, func(n *dataNote) { n.rentable, n.rentalTerms = false, false })
	case *assaypb.Event_ProtectedDataAddedForSale:
		e := body.ProtectedDataAddedForSale
		if h.edit(e.ProtectedData, func(n *dataNote) { n.sold, n.saleTerms = true, true }) {
			h.saleParams.Set(h.block.Number, common.BytesToAddress(e.ProtectedData), number(e.Price))
		}
	case *assaypb.Event_ProtectedDataRemovedFromSale:
		h.edit(body.ProtectedDataRemovedFromSale.ProtectedData, func(n *dataNote) { n.sold, n.saleTerms = false, false })
	}
}

// edit changes what is known of protected data, and says whether there is such.
func (h *handler) edit(id []byte, change func(*dataNote)) bool {
	a := common.BytesToAddress(id)
	if !h.datas.Has(a) {
		return false
	}
	now := h.datas.Get(a)
	change(&now)
	h.datas.Set(h.block.Number, a, now)
	return true
}

// account returns the id of an account that an entity mentions, which has a row from then on.
func (h *handler) account(a []byte) string {
	key := common.BytesToAddress(a)
	if !h.accounts.Has(key) {
		h.accounts.Set(h.block.Number, key, struct{}{})
	}
	return address(key)
}

func (h *handler) origin() origin {
	return origin{block: h.block.Number, time: h.block.Time, tx: h.tx()}
}

func (h *handler) tx() string { return hexutil.Encode(h.event.TxHash) }

// id is that of what the event makes: the transaction and the log index, nothing between.
func (h *handler) id() string { return h.tx() + strconv.FormatUint(uint64(h.event.LogIndex), 10) }

func collectionOf(id []byte) string { return number(id).String() }

// resourceTransfer gives protected data and whitelisted apps their new owners, whom the state
// knows.
func (h *handler) resourceTransfer(e *assaypb.ResourceTransfer) {
	a := common.BytesToAddress(e.Resource)
	switch {
	case h.datas.Has(a):
		h.account(e.To)
		h.datas.Set(h.block.Number, a, h.datas.Get(a))
	case h.apps.Has(a):
		h.account(e.To)
		h.apps.Set(h.block.Number, a, h.apps.Get(a))
	}
}

// datasetSchema makes protected data. Said again, it begins anew, as in the official
// subgraph; but what the sharing contract did with it stands.
func (h *handler) datasetSchema(e *assaypb.DatasetSchema) {
	a := common.BytesToAddress(e.Dataset)
	r, known := h.state.Resource(a)
	if !known || r.Kind != poco.Dataset {
		return
	}
	h.account(r.Owner[:])
	now := h.datas.Get(a)
	now.schema, now.entries, now.origin = e.Schema, nil, h.origin()
	for _, entry := range entriesOf(e.Schema) {
		if !h.entries.Has(entry) {
			h.entries.Set(h.block.Number, entry, struct{}{})
		}
		now.entries = append(now.entries, entry.id())
	}
	h.datas.Set(h.block.Number, a, now)
}

func (h *handler) whitelistTransfer(e *assaypb.WhitelistTransfer) {
	h.account(e.To)
	h.whitelists.Set(h.block.Number, common.BytesToAddress(e.Whitelist), common.BytesToAddress(e.To))
}

// appAdded believes registered whitelists only: anybody can emit the event.
func (h *handler) appAdded(e *assaypb.NewAppAddedToAddOnlyAppWhitelist) {
	list, a := common.BytesToAddress(e.Whitelist), common.BytesToAddress(e.App)
	r, known := h.state.Resource(a)
	if !h.whitelists.Has(list) || !known || r.Kind != poco.App {
		return
	}
	h.account(r.Owner[:])
	lists := h.apps.Get(a)
	if id := address(list); !slices.Contains(lists, id) {
		lists = append(slices.Clone(lists), id)
	}
	h.apps.Set(h.block.Number, a, lists)
}

func (h *handler) collectionTransfer(e *assaypb.CollectionTransfer) {
	id := collectionOf(e.Collection)
	h.account(e.To)
	now := h.collections.Get(id)
	if !h.collections.Has(id) {
		now.origin = h.origin()
	}
	now.owner = common.BytesToAddress(e.To)
	h.collections.Set(h.block.Number, id, now)
}

func (h *handler) subscriptionTerms(e *assaypb.NewSubscriptionParams) {
	id := collectionOf(e.Collection)
	if !h.collections.Has(id) {
		return
	}
	h.subscriptionParams.Set(h.block.Number, id, terms{number(e.Price), e.Duration})
	now := h.collections.Get(id)
	now.terms = true
	h.collections.Set(h.block.Number, id, now)
}

func (h *handler) subscription(e *assaypb.NewSubscription) {
	id := collectionOf(e.Collection)
	if !h.collections.Has(id) {
		return
	}
	h.rows.CollectionSubscription = append(h.rows.CollectionSubscription, CollectionSubscription{
		ID: h.id(), Collection: id, Subscriber: h.account(e.Subscriber), EndDate: e.EndDate,
		CreationTimestamp: h.block.Time, BlockNumber: h.block.Number, TransactionHash: h.tx(),
	})
}

// move puts protected data into a collection, or takes it out (collection 0).
func (h *handler) move(e *assaypb.ProtectedDataTransfer) {
	id := collectionOf(e.NewCollection)
	if !h.collections.Has(id) {
		id = ""
	}
	h.edit(e.ProtectedData, func(n *dataNote) { n.collection = id })
}

func (h *handler) consumed(e *assaypb.ProtectedDataConsumed) {
	a := common.BytesToAddress(e.ProtectedData)
	now := h.datas.Get(a)
	if now.collection == "" { // nor is it without being protected data
		return
	}
	mode := "RENTING"
	if e.Mode == 0 {
		mode = "SUBSCRIPTION"
	}
	h.rows.Consumption = append(h.rows.Consumption, Consumption{
		ID: h.id(), DealID: hexutil.Encode(e.Deal), ProtectedData: address(a), Collection: now.collection, Mode: mode,
		BlockNumber: h.block.Number, TransactionHash: h.tx(),
	})
}

func (h *handler) rental(e *assaypb.NewRental) {
	a, id := common.BytesToAddress(e.ProtectedData), collectionOf(e.Collection)
	if !h.collections.Has(id) || !h.rentalParams.Has(a) {
		return
	}
	h.rows.Rental = append(h.rows.Rental, Rental{
		ID: h.id(), Renter: h.account(e.Renter), ProtectedData: address(a), CreationTimestamp: h.block.Time, EndDate: e.EndDate,
		Collection: id, RentalParams: address(a), BlockNumber: h.block.Number, TransactionHash: h.tx(),
	})
}

// sale also takes the data off the market. Its terms stay named, as in the official subgraph:
// they are what it was sold for.
func (h *handler) sale(e *assaypb.ProtectedDataSold) {
	a, id := common.BytesToAddress(e.ProtectedData), collectionOf(e.CollectionFrom)
	if !h.collections.Has(id) || !h.saleParams.Has(a) {
		return
	}
	h.edit(e.ProtectedData, func(n *dataNote) { n.sold = false })
	h.rows.Sale = append(h.rows.Sale, Sale{
		ID: h.id(), Buyer: h.account(e.To), ProtectedData: address(a), CreationTimestamp: h.block.Time,
		Collection: id, SaleParams: address(a), BlockNumber: h.block.Number, TransactionHash: h.tx(),
	})
}
