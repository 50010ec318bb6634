package projection

import "assay/schema/assaypb"

func (p *Projection) headRow(mark *assaypb.Mark, version uint64) Head {
	return Head{
		Chain: p.chain, HeadNumber: mark.HeadNumber, HeadHash: hexOf(mark.HeadHash), HeadTime: at(mark.HeadTime),
		FinalizedNumber: mark.FinalizedNumber, FinalizedHash: hexOf(mark.FinalizedHash), Version: version, Written: version,
	}
}

// lower takes the head back below a block that has left the chain, if it is not there yet.
// The block below may be in no log: its hash is known from its child, its time is that of
// the newest block in the log at or below it.
func (p *Projection) lower(gone past, version uint64) (Head, bool) {
	if p.head.HeadNumber < gone.number {
		return Head{}, false
	}
	p.head.HeadNumber, p.head.HeadHash = gone.number-1, hexOf(gone.parent)
	p.head.Version, p.head.Written = version, version
	p.head.HeadTime = at(gone.before)
	return p.head, true
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
