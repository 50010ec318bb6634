package dataprotector

import "assay/indexer/projection/entity"

// How notes are written down, field by field. A change here needs a new format of what lies
// on a shelf (projection.shelfFormat).

func entryKey(c *entity.Codec, e *entry) {
	c.Text(&e.path)
	c.Text(&e.kind)
}

func originFields(c *entity.Codec, o *origin) {
	c.Number(&o.block)
	c.Number(&o.time)
	c.Text(&o.tx)
}

func dataFields(c *entity.Codec, n *dataNote) {
	c.Text(&n.schema)
	c.Texts(&n.entries)
	c.Text(&n.collection)
	for _, x := range []*bool{&n.subscribable, &n.rentable, &n.sold, &n.rentalTerms, &n.saleTerms} {
		c.Flag(x)
	}
	originFields(c, &n.origin)
}

func collectionFields(c *entity.Codec, n *collectionNote) {
	c.Address(&n.owner)
	c.Flag(&n.terms)
	originFields(c, &n.origin)
}

func termsFields(c *entity.Codec, t *terms) {
	c.Big(&t.price)
	c.Number(&t.duration)
}
