package dataprotector

import (
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"assay/consensus/poco"
	"assay/indexer/projection/entity"
	"assay/schema/assaypb"
)

// Fold makes rows of one chain's blocks, and takes them back by its book. It reads a state
// that somebody else evolves. It is not safe for concurrent use.
type Fold struct {
	*entity.Book[Rows]
	state *poco.State

	accounts           kind[poco.Address, struct{}, Account, *Account]
	entries            kind[entry, struct{}, SchemaEntry, *SchemaEntry]
	datas              kind[poco.Address, dataNote, ProtectedData, *ProtectedData]
	collections        kind[string, collectionNote, Collection, *Collection]
	subscriptionParams kind[string, terms, SubscriptionParam, *SubscriptionParam]
	rentalParams       kind[poco.Address, terms, RentalParam, *RentalParam]
	saleParams         kind[poco.Address, *big.Int, SaleParam, *SaleParam]
	whitelists         kind[poco.Address, poco.Address, AddOnlyAppWhitelist, *AddOnlyAppWhitelist] // by address, their owners
	apps               kind[poco.Address, []string, App, *App]                                     // by address, the lists they are on
}

type kind[K comparable, N any, R any, P entity.Row[R]] = entity.Kind[K, N, R, P, Rows]

// origin is where something began.
type origin struct {
	block, time uint64 // time: seconds since 1970
	tx          string
}

// dataNote is what is known of protected data beside what the registry says.
type dataNote struct {
	schema                       string
	entries                      []string
	collection                   string // its id; empty: none
	subscribable, rentable, sold bool   // sold: it is for sale
	rentalTerms, saleTerms       bool   // the owner has said for what
	origin                       origin
}

type collectionNote struct {
	owner  poco.Address
	terms  bool // the owner has said for what one can subscribe
	origin origin
}

// terms are for what one can rent or subscribe.
type terms struct {
	price    *big.Int // nRLC
	duration uint64   // seconds
}

// New starts a fold beside a state to which nothing has happened yet.
func New(state *poco.State) *Fold {
	f := &Fold{state: state}
	f.keepPeople()
	f.keepData()
	f.keepTerms()
	f.Book = entity.NewBook(state.Rules().ChainID, (*Rows).immutable, &f.accounts, &f.entries, &f.datas, &f.collections,
		&f.subscriptionParams, &f.rentalParams, &f.saleParams, &f.whitelists, &f.apps)
	return f
}

// Block returns the rows of a block whose events the state has folded. It reads them as the
// log has them: most mean nothing to the state.
func (f *Fold) Block(block *assaypb.Block, _ []poco.Event, version uint64) Rows {
	return f.Book.Block(block.Number, version, func(rows *Rows) func() {
		h := handler{Fold: f, rows: rows, block: block}
		for _, event := range block.Events {
			h.event = event
			h.handle()
		}
		return nil
	})
}

func (f *Fold) keepPeople() {
	f.accounts = kind[poco.Address, struct{}, Account, *Account]{
		Notes: entity.NewNotes((*entity.Codec).Address, (*entity.Codec).Nothing),
		Name:  address, Row: func(a poco.Address, _ struct{}) Account { return Account{ID: address(a)} },
		Rows: func(r *Rows) *[]Account { return &r.Account }, History: func(r *Rows) *[]Account { return &r.AccountHistory },
	}
	f.whitelists = kind[poco.Address, poco.Address, AddOnlyAppWhitelist, *AddOnlyAppWhitelist]{
		Notes: entity.NewNotes((*entity.Codec).Address, (*entity.Codec).Address),
		Name:  address, Row: func(a, owner poco.Address) AddOnlyAppWhitelist {
			return AddOnlyAppWhitelist{ID: address(a), Owner: address(owner)}
		},
		Rows:    func(r *Rows) *[]AddOnlyAppWhitelist { return &r.AddOnlyAppWhitelist },
		History: func(r *Rows) *[]AddOnlyAppWhitelist { return &r.AddOnlyAppWhitelistHistory },
	}
	f.apps = kind[poco.Address, []string, App, *App]{
		Notes: entity.NewNotes((*entity.Codec).Address, (*entity.Codec).Texts),
		Name:  address, Row: func(a poco.Address, lists []string) App {
			return App{ID: address(a), Owner: address(f.resource(a).Owner), AddOnlyAppWhitelists: lists}
		},
		Rows: func(r *Rows) *[]App { return &r.App }, History: func(r *Rows) *[]App { return &r.AppHistory },
	}
}

func (f *Fold) keepData() {
	f.entries = kind[entry, struct{}, SchemaEntry, *SchemaEntry]{
		Notes: entity.NewNotes(entryKey, (*entity.Codec).Nothing),
		Name:  entry.id, Row: func(e entry, _ struct{}) SchemaEntry { return SchemaEntry{ID: e.id(), Path: &e.path, Type: &e.kind} },
		Rows: func(r *Rows) *[]SchemaEntry { return &r.SchemaEntry }, History: func(r *Rows) *[]SchemaEntry { return &r.SchemaEntryHistory },
	}
	f.datas = kind[poco.Address, dataNote, ProtectedData, *ProtectedData]{
		Notes: entity.NewNotes((*entity.Codec).Address, dataFields),
		Name:  address, Row: f.dataRow,
		Rows: func(r *Rows) *[]ProtectedData { return &r.ProtectedData }, History: func(r *Rows) *[]ProtectedData { return &r.ProtectedDataHistory },
	}
	f.collections = kind[string, collectionNote, Collection, *Collection]{
		Notes: entity.NewNotes((*entity.Codec).Text, collectionFields),
		Name:  itself, Row: func(id string, n collectionNote) Collection {
			return Collection{
				ID: id, Owner: address(n.owner), SubscriptionParams: present(n.terms, id),
				CreationTimestamp: n.origin.time, BlockNumber: n.origin.block, TransactionHash: n.origin.tx,
			}
		},
		Rows: func(r *Rows) *[]Collection { return &r.Collection }, History: func(r *Rows) *[]Collection { return &r.CollectionHistory },
	}
}

func (f *Fold) dataRow(a poco.Address, n dataNote) ProtectedData {
	r, id := f.resource(a), address(a)
	return ProtectedData{
		ID: id, Owner: address(r.Owner), Name: text(r.Name), JsonSchema: n.schema, Schema: n.entries,
		Collection:               present(n.collection != "", n.collection),
		IsIncludedInSubscription: &n.subscribable, IsRentable: &n.rentable, IsForSale: &n.sold,
		RentalParams: present(n.rentalTerms, id), SaleParams: present(n.saleTerms, id),
		Multiaddr: hexutil.Encode(r.Multiaddr), Checksum: hexutil.Encode(r.Checksum[:]),
		CreationTimestamp: n.origin.time, TransactionHash: n.origin.tx, BlockNumber: n.origin.block,
	}
}

func (f *Fold) keepTerms() {
	f.subscriptionParams = kind[string, terms, SubscriptionParam, *SubscriptionParam]{
		Notes: entity.NewNotes((*entity.Codec).Text, termsFields),
		Name:  itself, Row: func(id string, t terms) SubscriptionParam {
			return SubscriptionParam{ID: id, Duration: t.duration, Price: t.price}
		},
		Rows: func(r *Rows) *[]SubscriptionParam { return &r.SubscriptionParam }, History: func(r *Rows) *[]SubscriptionParam { return &r.SubscriptionParamHistory },
	}
	f.rentalParams = kind[poco.Address, terms, RentalParam, *RentalParam]{
		Notes: entity.NewNotes((*entity.Codec).Address, termsFields),
		Name:  address, Row: func(a poco.Address, t terms) RentalParam {
			return RentalParam{ID: address(a), Duration: t.duration, Price: t.price}
		},
		Rows: func(r *Rows) *[]RentalParam { return &r.RentalParam }, History: func(r *Rows) *[]RentalParam { return &r.RentalParamHistory },
	}
	f.saleParams = kind[poco.Address, *big.Int, SaleParam, *SaleParam]{
		Notes: entity.NewNotes((*entity.Codec).Address, (*entity.Codec).Big),
		Name:  address, Row: func(a poco.Address, price *big.Int) SaleParam { return SaleParam{ID: address(a), Price: price} },
		Rows: func(r *Rows) *[]SaleParam { return &r.SaleParam }, History: func(r *Rows) *[]SaleParam { return &r.SaleParamHistory },
	}
}

// resource is what the registry says, nothing of what it does not have.
func (f *Fold) resource(a poco.Address) *poco.Resource {
	if r, ok := f.state.Resource(a); ok {
		return r
	}
	return &poco.Resource{}
}

// The spelling of values in rows.

func address(a poco.Address) string { return hexutil.Encode(a[:]) }

func itself(id string) string { return id }

func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func number(b []byte) *big.Int { return new(big.Int).SetBytes(b) }

// present is a reference that may be null.
func present(is bool, id string) *string {
	if !is {
		return nil
	}
	return &id
}
