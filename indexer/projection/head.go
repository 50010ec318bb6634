package projection

import "assay/schema/assaypb"

func (p *Projection) headRow(mark *assaypb.Mark, version uint64) Head {
	return Head{
		Chain: p.chain, HeadNumber: mark.HeadNumber, HeadHash: hexOf(mark.HeadHash), HeadTime: at(mark.HeadTime),
		FinalizedNumber: mark.FinalizedNumber, FinalizedHash: hexOf(mark.FinalizedHash), Version: version, Written: version,
	}
}

// lower takes the head back below a block that leaves the chain, or that comes where another
// without events was, unless it is there already: that of the database, of which these rows
// make another, and the fold's. The block below may be in no log: its hash is known from its
// child, its time is that of the newest block in the log at or below it.
func (p *Projection) lower(rows *Rows, number uint64, parent []byte, before, version uint64) {
	rows.stood(p.head)
	if max(p.head.HeadNumber, rows.Stood[0].HeadNumber) < number {
		return
	}
	below := p.head
	below.HeadNumber, below.HeadHash, below.HeadTime = number-1, hexOf(parent), at(before)
	below.Version, below.Written = version, version
	rows.lower([]Head{below})
	if p.head.HeadNumber >= number {
		p.head, rows.Heads = below, []Head{below}
	}
}

// coverageRow is the ledger of a mark.
func (p *Projection) coverageRow(mark *assaypb.Mark, version uint64) Coverage {
	row := Coverage{Chain: p.chain, Version: version}
	for _, c := range mark.Ledger {
		row.FromNumber, row.ToNumber = append(row.FromNumber, c.FromNumber), append(row.ToNumber, c.ToNumber)
		row.Verification = append(row.Verification, enumName(c.Verification.Descriptor(), c.Verification.Number()))
		row.Failure = append(row.Failure, c.Failure)
	}
	return row
}
