package permissions

import (
	"math/big"

	"assay/indexer/projection/entity"
	"assay/indexer/projection/table"
)

// Rows are rows of this package's tables. The histories get tombstones only: all else in them
// the database copies from the rows themselves.
type Rows struct {
	Orders     []Order
	Whitelists []Whitelist

	OrdersHistory     []Order
	WhitelistsHistory []Whitelist
}

// Tables lists the tables.
func (r *Rows) Tables() []table.Table {
	return []table.Table{
		table.Of("dataset_orders", r.Orders),
		table.Of("dataset_whitelists", r.Whitelists),
		table.Of("dataset_orders_history", r.OrdersHistory),
		table.Of("dataset_whitelists_history", r.WhitelistsHistory),
	}
}

// Order is a row of dataset_orders.
type Order struct {
	Chain              uint64   `ch:"chain"`
	ID                 string   `ch:"id"`
	Dataset            string   `ch:"dataset"`
	Price              *big.Int `ch:"price"`
	Volume             *big.Int `ch:"volume"`
	Tag                *string  `ch:"tag"`
	AppRestrict        *string  `ch:"app_restrict"`
	WorkerpoolRestrict *string  `ch:"workerpool_restrict"`
	RequesterRestrict  *string  `ch:"requester_restrict"`
	Sources            []string `ch:"sources"`
	Signers            []string `ch:"signers"`
	Consumed           *big.Int `ch:"consumed"`
	Closed             bool     `ch:"closed"`
	KnownAt            uint64   `ch:"known_at"`
	Block              uint64   `ch:"block_number"`
	Version            uint64   `ch:"version"`
	Deleted            uint8    `ch:"deleted"`
}

// Identify sets the id.
func (r *Order) Identify(id string) { r.ID = id }

// Identity is the id.
func (r *Order) Identity() string { return r.ID }

// Stamp sets what is not of the order.
func (r *Order) Stamp(s entity.Stamp) {
	r.Chain, r.Block, r.Version, r.Deleted = s.Chain, s.Block, s.Version, s.Deleted
	if r.Consumed == nil {
		r.Consumed = new(big.Int) // a tombstone
	}
}

// Whitelist is a row of dataset_whitelists.
type Whitelist struct {
	Chain     uint64 `ch:"chain"`
	ID        string `ch:"id"`
	Whitelist string `ch:"whitelist"`
	Block     uint64 `ch:"block_number"`
	Version   uint64 `ch:"version"`
	Deleted   uint8  `ch:"deleted"`
}

// Identify sets the id.
func (r *Whitelist) Identify(id string) { r.ID = id }

// Identity is the id.
func (r *Whitelist) Identity() string { return r.ID }

// Stamp sets what is not of the whitelist.
func (r *Whitelist) Stamp(s entity.Stamp) {
	r.Chain, r.Block, r.Version, r.Deleted = s.Chain, s.Block, s.Version, s.Deleted
}
