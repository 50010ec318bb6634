package engine

import (
	"fmt"
	"time"

	"assay/consensus/collateral"
	"assay/schema/assaypb"
)

// warnBefore is how long before a set of collateral ends the operator is told, in
// seconds: seven days, of the thirty that Intel's sets last.
const warnBefore = 7 * 24 * 3600

// ending tells, once for each set, that it ends soon and nothing replaces it.
func (c *Core) ending() []*assaypb.Decision {
	var due []*assaypb.Decision
	for _, end := range c.endings() {
		id := identity(kindAlert, c.config.ChainID, end.Hash[:], []byte("collateral_ends"))
		if int64(c.now)+warnBefore < end.At.Unix() || c.warned[id] {
			continue
		}
		c.warned[id] = true
		due = append(due, &assaypb.Decision{
			Id: id.Bytes(), ChainId: c.config.ChainID, Time: c.now,
			Body: &assaypb.Decision_Alert{Alert: &assaypb.Alert{Name: "collateral_ends", Detail: fmt.Sprintf(
				"the collateral for %s platforms of family %x (%s) ends at %s: publish the next (assay attest fetch)",
				end.Key.TEE, end.Key.FMSPC, end.Key.CA, end.At.UTC().Format(time.RFC3339))}},
		})
	}
	return due
}

// endings are when the sets in force at the block's time end.
func (c *Core) endings() []collateral.Ending {
	c.collateral.At(c.now)
	return c.collateral.Endings()
}
