package market

import "assay/schema/assaypb"

// Log writes the chain log of a market as a source would.
type Log struct {
	Records []*assaypb.ChainRecord
}

func (l *Log) append(record *assaypb.ChainRecord) {
	record.ChainId, record.Sequence = Preset.ChainID, uint64(len(l.Records))
	l.Records = append(l.Records, record)
}

// Block appends a block if it has events.
func (l *Log) Block(b Block) {
	if len(b.Events) > 0 {
		l.append(&assaypb.ChainRecord{Body: &assaypb.ChainRecord_Block{Block: b.Block}})
	}
}

// Retract appends retractions for those abandoned blocks that have events.
func (l *Log) Retract(gone []Block) {
	for _, b := range gone {
		if len(b.Events) > 0 {
			l.append(&assaypb.ChainRecord{Body: &assaypb.ChainRecord_Retraction{
				Retraction: &assaypb.Retraction{Number: b.Number, Hash: b.Hash},
			}})
		}
	}
}

// Mark appends a mark at the market's head with finality some blocks behind it.
func (l *Log) Mark(m *Market, depth int) {
	head, final := m.Head(), m.Blocks[max(0, len(m.Blocks)-1-depth)]
	l.append(&assaypb.ChainRecord{Body: &assaypb.ChainRecord_Mark{Mark: &assaypb.Mark{
		HeadNumber: head.Number, HeadHash: head.Hash, HeadTime: head.Time,
		FinalizedNumber: final.Number, FinalizedHash: final.Hash,
	}}})
}

// Fresh is the log of a source that saw only the market's final chain.
func Fresh(m *Market, depth int) *Log {
	l := &Log{}
	for _, b := range m.Blocks {
		l.Block(b)
	}
	l.Mark(m, depth)
	return l
}
