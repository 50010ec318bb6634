package market

import "assay/schema/assaypb"

// Log writes the chain log of a market as a source would.
type Log struct {
	Records []*assaypb.ChainRecord
	final   uint64 // newest final block of any mark
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

// Fork abandons the market's newest blocks, but no final ones, and appends retractions
// for those that have events.
func (l *Log) Fork(m *Market, depth int) {
	above := int(m.Head().Number - l.final)
	for _, b := range m.Fork(min(depth, above)) {
		if len(b.Events) > 0 {
			l.append(&assaypb.ChainRecord{Body: &assaypb.ChainRecord_Retraction{
				Retraction: &assaypb.Retraction{Number: b.Number, Hash: b.Hash},
			}})
		}
	}
}

// Mark appends a mark at the market's head with finality some blocks behind it, or where
// it was if that is later.
func (l *Log) Mark(m *Market, depth uint64) {
	head := m.Head()
	l.final = max(l.final, head.Number-min(depth, head.Number))
	final := m.Blocks[l.final]
	l.append(&assaypb.ChainRecord{Body: &assaypb.ChainRecord_Mark{Mark: &assaypb.Mark{
		HeadNumber: head.Number, HeadHash: head.Hash, HeadTime: head.Time,
		FinalizedNumber: final.Number, FinalizedHash: final.Hash,
	}}})
}

// Fresh is the log of a source that saw only the market's final chain.
func Fresh(m *Market, depth uint64) *Log {
	l := &Log{}
	for _, b := range m.Blocks {
		l.Block(b)
	}
	l.Mark(m, depth)
	return l
}
