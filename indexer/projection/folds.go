package projection

import (
	"assay/consensus/poco"
	"assay/indexer/projection/entity"
	"assay/indexer/projection/table"
	"assay/schema/assaypb"
)

// fold makes rows of tables of its own of the same blocks.
type fold interface {
	entity.Shelved
	Unshelve(on *entity.Shelf, first byte)
	Final(number uint64)
	block(to *table.Set, block *assaypb.Block, events []poco.Event, version uint64)
	retract(to *table.Set, version uint64)
}

// folding is a fold with rows S.
type folding[S any] interface {
	entity.Shelved
	Unshelve(on *entity.Shelf, first byte)
	Final(number uint64)
	Block(block *assaypb.Block, events []poco.Event, version uint64) S
	Retract(version uint64) S
}

// folded is a fold, whatever its rows.
type folded[S any, P interface {
	*S
	Tables() []table.Table
}] struct{ folding[S] }

func (f folded[S, P]) block(to *table.Set, block *assaypb.Block, events []poco.Event, version uint64) {
	rows := f.Block(block, events, version)
	to.Append(P(&rows).Tables()...)
}

func (f folded[S, P]) retract(to *table.Set, version uint64) {
	rows := f.Retract(version)
	to.Append(P(&rows).Tables()...)
}
