package permissions

import (
	"assay/consensus/poco"
	"assay/contracts"
	"assay/indexer/projection/entity"
)

// orderFields is how what is known of an order is written down. A change here needs a new
// format of what lies on a shelf (projection.shelfFormat).
func orderFields(c *entity.Codec, o *order) {
	c.Address(&o.dataset)
	c.Big(&o.price)
	c.Big(&o.volume)
	if has := o.body != nil; bodyFollows(c, &has) {
		if o.body == nil {
			o.body = &contracts.DatasetOrder{}
		}
		c.Hash((*poco.Hash)(&o.body.Tag))
		for _, x := range []*poco.Address{&o.body.Apprestrict, &o.body.Workerpoolrestrict, &o.body.Requesterrestrict} {
			c.Address(x)
		}
	}
	c.Address(&o.signed)
	c.Addresses(&o.signers)
	c.Amount(&o.consumed)
	for _, x := range []*bool{&o.sources.signed, &o.sources.broadcast, &o.sources.matched, &o.sources.closed, &o.closed} {
		c.Flag(x)
	}
	c.Number(&o.knownAt)
}

func bodyFollows(c *entity.Codec, has *bool) bool {
	c.Flag(has)
	return *has
}
