package model

import (
	"math/big"
	"time"
)

// DatasetPermission is a right to use a dataset: a row that permissionsOf (package
// analytics) makes.
type DatasetPermission struct {
	Chain          uint64   `ch:"chain"`
	ID             string   `ch:"id"` // the order's hash, or that of the event that made it
	DatasetAddress string   `ch:"dataset"`
	Kind           string   `ch:"kind"`
	AppIs          *string  `ch:"app_restrict"`
	WorkerpoolIs   *string  `ch:"workerpool_restrict"`
	RequesterIs    *string  `ch:"requester_restrict"`
	Tag            *string  `ch:"tag"`
	Price          *string  `ch:"price" sql:"toString(price)"`
	Volume         *string  `ch:"volume" sql:"toString(volume)"`
	Consumed       *string  `ch:"consumed" sql:"toString(consumed)"`
	Closed         bool     `ch:"closed"`
	Signers        []string `ch:"signers"`
	Sources        []string `ch:"sources"`
	Known          uint64   `ch:"known_at"` // seconds since 1970
	Ends           uint64   `ch:"ends"`     // seconds since 1970; 0: never
	Holds          *uint8   `ch:"active"`
	BlockNumber    uint64   `ch:"block_number"`
}

// OrderHash is the order's, nil of what is none.
func (p *DatasetPermission) OrderHash() *string {
	if p.Kind != "ORDER" {
		return nil
	}
	return &p.ID
}

// App is which apps are let.
func (p *DatasetPermission) App() *Restriction { return &Restriction{p.Chain, p.AppIs} }

// Workerpool is which worker pools are let.
func (p *DatasetPermission) Workerpool() *Restriction { return &Restriction{p.Chain, p.WorkerpoolIs} }

// Requester is which requesters are let.
func (p *DatasetPermission) Requester() *Restriction { return &Restriction{p.Chain, p.RequesterIs} }

// PriceRLC is the price in RLC.
func (p *DatasetPermission) PriceRLC() *string {
	if p.Price == nil {
		return nil
	}
	rlc := RLC(*p.Price)
	return &rlc
}

// Remaining is for how many tasks the order can still be used, nil if that is not known.
func (p *DatasetPermission) Remaining() *string {
	if p.Volume == nil || p.Consumed == nil {
		return nil
	}
	volume, _ := new(big.Int).SetString(*p.Volume, 10)
	consumed, _ := new(big.Int).SetString(*p.Consumed, 10)
	left := "0"
	if volume.Cmp(consumed) > 0 {
		left = volume.Sub(volume, consumed).String()
	}
	return &left
}

// Since is when it became known.
func (p *DatasetPermission) Since() time.Time { return time.Unix(int64(min(p.Known, farthest)), 0) }

// Until is when it ends, nil for never.
func (p *DatasetPermission) Until() *time.Time {
	if p.Ends == 0 {
		return nil
	}
	end := time.Unix(int64(min(p.Ends, farthest)), 0)
	return &end
}

// farthest is the last second of the year 9999, after which RFC 3339 has no times.
const farthest = 253402300799

// Active is whether it can be used, nil if the chain does not tell.
func (p *DatasetPermission) Active() *bool {
	if p.Holds == nil {
		return nil
	}
	active := *p.Holds == 1
	return &active
}

// Restriction is whom an order lets.
type Restriction struct {
	Chain uint64
	Only  *string // nil: not known; the zero address: anybody
}

// Anybody is the restriction that lets all.
const Anybody = "0x0000000000000000000000000000000000000000"

// Address is the one that is let, nil for anybody and where it is not known.
func (r *Restriction) Address() *string {
	if r.Only == nil || *r.Only == Anybody {
		return nil
	}
	return r.Only
}

// DatasetSharing is how a dataset is shared: a row that sharingOf (package analytics) makes.
type DatasetSharing struct {
	Chain                uint64  `ch:"chain"`
	Dataset              string  `ch:"dataset"`
	Collection           string  `ch:"collection"`
	CollectionOwner      string  `ch:"collection_owner"`
	Whitelist            *string `ch:"whitelist"`
	InSubscription       bool    `ch:"in_subscription"`
	SubscriptionPrice    *string `ch:"subscription_price"`
	SubscriptionDuration *uint64 `ch:"subscription_duration"`
	RentalPrice          *string `ch:"rental_price"`
	RentalDuration       *uint64 `ch:"rental_duration"`
	SalePrice            *string `ch:"sale_price"`
}

// DatasetSale is a row of the table dataprotector_sale.
type DatasetSale struct {
	Chain       uint64 `ch:"chain"`
	ID          string `ch:"id"`
	Dataset     string `ch:"protectedData"`
	Buyer       string `ch:"buyer"`
	Collection  string `ch:"collection"`
	Seconds     uint64 `ch:"creationTimestamp"` // since 1970
	BlockNumber uint64 `ch:"block_number"`
	TxHash      string `ch:"transactionHash"`
}

// Time is when it was sold.
func (s *DatasetSale) Time() time.Time { return time.Unix(int64(min(s.Seconds, farthest)), 0) }
