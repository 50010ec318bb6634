package permissions

import (
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"assay/consensus/poco"
	"assay/contracts"
	"assay/indexer/projection/entity"
	"assay/schema/assaypb"
)

// Fold makes rows of one chain's blocks, and takes them back by its book. It reads a state
// that somebody else evolves. It is not safe for concurrent use.
type Fold struct {
	*entity.Book[Rows]
	state  *poco.State
	domain contracts.Domain // of orders

	orders     entity.Kind[poco.Hash, order, Order, *Order, Rows]
	whitelists entity.Kind[poco.Address, poco.Address, Whitelist, *Whitelist, Rows] // by dataset
}

// order is what is known of a dataset order.
type order struct {
	dataset  poco.Address            // zero: not known
	price    *big.Int                // nRLC; nil: not known
	volume   *big.Int                // nil: not known
	body     *contracts.DatasetOrder // nil: it was not broadcast; of one from a shelf, what a row tells
	signed   poco.Address            // who signed it on the chain last: m_presigned; zero: nobody
	signers  []poco.Address          // whose signatures are known to exist
	consumed poco.Amount
	sources  sources
	closed   bool
	knownAt  uint64 // seconds since 1970
}

// sources are the ways in which the chain told of an order.
type sources struct{ signed, broadcast, matched, closed bool }

// New starts a fold beside a state to which nothing has happened yet.
func New(state *poco.State) *Fold {
	rules := state.Rules()
	f := &Fold{state: state, domain: contracts.Domain{ChainID: rules.ChainID, Hub: rules.Hub}}
	f.orders = entity.Kind[poco.Hash, order, Order, *Order, Rows]{
		Notes: entity.NewNotes((*entity.Codec).Hash, orderFields),
		Name:  func(id poco.Hash) string { return hexutil.Encode(id[:]) }, Row: orderRow,
		Rows: func(r *Rows) *[]Order { return &r.Orders }, History: func(r *Rows) *[]Order { return &r.OrdersHistory },
	}
	f.whitelists = entity.Kind[poco.Address, poco.Address, Whitelist, *Whitelist, Rows]{
		Notes: entity.NewNotes((*entity.Codec).Address, (*entity.Codec).Address),
		Name:  address, Row: func(dataset, list poco.Address) Whitelist {
			return Whitelist{ID: address(dataset), Whitelist: address(list)}
		},
		Rows: func(r *Rows) *[]Whitelist { return &r.Whitelists }, History: func(r *Rows) *[]Whitelist { return &r.WhitelistsHistory },
	}
	f.Book = entity.NewBook(rules.ChainID, func(*Rows) []entity.List { return nil }, &f.orders, &f.whitelists)
	return f
}

// Block returns the rows of a block whose events the state has folded.
func (f *Fold) Block(block *assaypb.Block, _ []poco.Event, version uint64) Rows {
	return f.Book.Block(block.Number, version, func(*Rows) func() {
		for _, event := range block.Events {
			f.handle(block, event)
		}
		return nil
	})
}

func (f *Fold) handle(block *assaypb.Block, event *assaypb.Event) {
	switch body := event.Body.(type) {
	case *assaypb.Event_OrderSigned:
		f.signed(block, body.OrderSigned)
	case *assaypb.Event_OrderClosed:
		f.closed(block, body.OrderClosed)
	case *assaypb.Event_BroadcastOrder:
		f.broadcast(block, body.BroadcastOrder)
	case *assaypb.Event_OrdersMatched:
		f.matched(block, body.OrdersMatched)
	case *assaypb.Event_ProtectedDataTransfer:
		f.moved(block, body.ProtectedDataTransfer)
	}
}

// edit changes what is known of an order.
func (f *Fold) edit(block *assaypb.Block, id poco.Hash, change func(*order)) {
	now := f.orders.Get(id)
	if !f.orders.Has(id) {
		now.knownAt = block.Time
	}
	change(&now)
	f.orders.Set(block.Number, id, now)
}

// signed notes who signed an order on the chain (IexecOrderManagementFacet): of several the
// last counts.
func (f *Fold) signed(block *assaypb.Block, e *assaypb.OrderSigned) {
	if e.Kind != assaypb.OrderKind_ORDER_KIND_DATASET {
		return
	}
	f.edit(block, common.BytesToHash(e.Hash), func(o *order) {
		o.sources.signed, o.signed = true, common.BytesToAddress(e.Signer)
	})
}

// closed notes that an order is used up: its whole volume counts as consumed.
func (f *Fold) closed(block *assaypb.Block, e *assaypb.OrderClosed) {
	if e.Kind != assaypb.OrderKind_ORDER_KIND_DATASET {
		return
	}
	f.edit(block, common.BytesToHash(e.Hash), func(o *order) {
		o.sources.closed, o.closed = true, true
		if o.volume == nil {
			o.volume = new(big.Int).SetBytes(e.Volume)
		}
		o.consumed.SetFromBig(o.volume)
	})
}

// broadcast notes what an order says, and its signature if it is the owner's.
func (f *Fold) broadcast(block *assaypb.Block, e *assaypb.BroadcastOrder) {
	read, err := contracts.ReadBroadcast(e)
	body, is := read.(contracts.DatasetOrder)
	if err != nil || !is {
		return // the event itself is kept in events
	}
	resource, known := f.state.Resource(body.Dataset)
	if !known || resource.Kind != poco.Dataset {
		return
	}
	id := body.Hash(f.domain)
	signer := poco.SignerOf(id, body.Sign)
	f.edit(block, id, func(o *order) {
		o.dataset, o.price, o.volume, o.body, o.sources.broadcast = body.Dataset, body.Datasetprice, body.Volume, &body, true
		if signer == resource.Owner {
			o.sign(signer)
		}
	})
}

// matched notes what a deal tells of its dataset's order: that its owner had signed it.
func (f *Fold) matched(block *assaypb.Block, e *assaypb.OrdersMatched) {
	id := common.BytesToHash(e.DatasetHash)
	deal, known := f.state.Deal(common.BytesToHash(e.Deal))
	if id == (poco.Hash{}) || !known {
		return
	}
	owner := deal.Dataset.Owner
	f.edit(block, id, func(o *order) {
		o.dataset, o.sources.matched = deal.Dataset.Pointer, true
		o.consumed.Add(&o.consumed, new(poco.Amount).SetBytes(e.Volume))
		if owner == (poco.Address{}) {
			return // of a Boost deal, whose notice tells neither owner nor price
		}
		o.price = deal.Dataset.Price.ToBig()
		if o.signed != owner {
			o.sign(owner)
		}
	})
}

// sign notes that somebody's signature exists.
func (o *order) sign(by poco.Address) {
	if !slices.Contains(o.signers, by) {
		o.signers = append(slices.Clone(o.signers), by)
	}
}

// moved notes which apps may use data in a collection; out of any, there is no list.
func (f *Fold) moved(block *assaypb.Block, e *assaypb.ProtectedDataTransfer) {
	f.whitelists.Set(block.Number, common.BytesToAddress(e.ProtectedData), common.BytesToAddress(e.AppWhitelist))
}

func orderRow(id poco.Hash, o order) Order {
	row := Order{
		ID: hexutil.Encode(id[:]), Dataset: address(o.dataset), Price: o.price, Volume: o.volume, Consumed: o.consumed.ToBig(), Closed: o.closed,
		Sources: o.sources.words(), Signers: o.whoSigned(), KnownAt: o.knownAt,
	}
	if o.body != nil {
		tag, app, pool, requester := hexutil.Encode(o.body.Tag[:]), address(o.body.Apprestrict), address(o.body.Workerpoolrestrict), address(o.body.Requesterrestrict)
		row.Tag, row.AppRestrict, row.WorkerpoolRestrict, row.RequesterRestrict = &tag, &app, &pool, &requester
	}
	return row
}

func (s sources) words() []string {
	words := []string{}
	for _, source := range []struct {
		was  bool
		word string
	}{{s.signed, "SIGNED"}, {s.broadcast, "BROADCAST"}, {s.matched, "MATCHED"}, {s.closed, "CLOSED"}} {
		if source.was {
			words = append(words, source.word)
		}
	}
	return words
}

// whoSigned lists everyone for whom the contracts would take the order, were they the owner.
func (o order) whoSigned() []string {
	all := []string{}
	for _, a := range o.signers {
		all = append(all, address(a))
	}
	if by := address(o.signed); o.signed != (poco.Address{}) && !slices.Contains(all, by) {
		all = append(all, by)
	}
	slices.Sort(all)
	return all
}

func address(a poco.Address) string { return hexutil.Encode(a[:]) }
