package subgraph

import (
	"assay/consensus/poco"
	"assay/indexer/projection/entity"
)

// How notes are written down, field by field. A change here needs a new format of what lies
// on a shelf (projection.shelfFormat).

func accountFields(c *entity.Codec, n *accountNote) { c.Number(&n.score) }

func resourceFields(c *entity.Codec, n *resourceNote) {
	c.Number(&n.transferred)
	c.Amount(&n.usages)
	c.Number(&n.used)
}

func categoryFields(c *entity.Codec, n *categoryNote) { c.Number(&n.timestamp) }

func protocolFields(c *entity.Codec, n *protocolNote) {
	for _, x := range []*uint64{&n.apps, &n.datasets, &n.workerpools, &n.deals, &n.completed, &n.claimed} {
		c.Number(x)
	}
	c.Amount(&n.tasks)
}

func dealFields(c *entity.Codec, n *dealNote) {
	for _, x := range []*uint64{&n.timestamp, &n.completed, &n.claimed} {
		c.Number(x)
	}
	for _, x := range []*poco.Hash{&n.app, &n.dataset, &n.workerpool, &n.request} {
		c.Hash(x)
	}
	c.Flag(&n.boost)
}

func taskFields(c *entity.Codec, n *taskNote) {
	c.Number(&n.timestamp)
	c.Hash(&n.deal)
	c.Number(&n.index)
}

func contributionKey(c *entity.Codec, id *contributionID) {
	c.Hash(&id.task)
	c.Address(&id.worker)
}

func contributionFields(c *entity.Codec, n *contributionNote) {
	c.Number(&n.timestamp)
	status := uint64(n.status)
	c.Number(&status)
	n.status = poco.ContributionStatus(status)
}
