package projection

import (
	"bytes"
	"fmt"

	"assay/consensus/poco"
	"assay/consensus/poco/wire"
	"assay/indexer/projection/dataprotector"
	"assay/indexer/projection/entity"
	"assay/indexer/projection/permissions"
	"assay/indexer/projection/subgraph"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

// Projection folds one chain log. It is not safe for concurrent use, and after an
// error it is of no more use: the log is not what the rules say a log can be.
type Projection struct {
	chain uint64
	state *poco.State
	next  uint64 // sequence of the next record
	past  []past // blocks that can still be retracted, oldest first

	notes
	folds     []fold // in one order, for ever: their numbers are in what lies on a shelf
	spellings spellings
	seen      map[poco.Key]bool // in a block: see touched

	head Head   // as last written
	time uint64 // of the newest block

	shelf  *entity.Shelf // nil: all is in memory
	failed error         // why it is of no more use
	offset uint64        // where in the log the next record is not before
	preset poco.Hash     // what the chain is
}

// past is what it takes to retract a block.
type past struct {
	number   uint64
	hash     []byte
	parent   []byte
	before   uint64 // time of the block before it in the log
	head     Head   // as it was written before the block
	record   uint64 // of the block, its sequence
	offset   uint64 // of the record
	mark     poco.Mark
	notes    []int // positions
	touched  []thing
	events   []uint32 // log indices
	payments []uint32 // log indices
	postings []uint32 // log indices of the events that gave them
	settled  []settledTask
	measures []Measure
}

// GapError says that a record is missing from the log.
type GapError struct{ Want, Got uint64 }

func (e *GapError) Error() string {
	return fmt.Sprintf("the chain log has a gap: record %d is missing (found %d)", e.Want, e.Got)
}

// New starts a fold at the beginning of a chain's log.
func New(preset chains.Preset) *Projection {
	return newProjection(preset, poco.New(poco.RulesOf(preset)))
}

func newProjection(preset chains.Preset, state *poco.State) *Projection {
	p := &Projection{chain: preset.ChainID, state: state, spellings: spellings{}, notes: newNotes()}
	if preset.AppRegistry != "" { // else there is no market
		p.folds = append(p.folds,
			folded[subgraph.Rows, *subgraph.Rows]{subgraph.New(p.state)},
			folded[permissions.Rows, *permissions.Rows]{permissions.New(p.state)})
	}
	if preset.DataProtector.Core != "" {
		p.folds = append(p.folds, folded[dataprotector.Rows, *dataprotector.Rows]{dataprotector.New(p.state)})
	}
	p.state.ForgetOrders() // rows of orders are made of their events
	return p
}

// Next is the sequence of the record that the fold wants next.
func (p *Projection) Next() uint64 { return p.next }

// Apply folds the next record and returns the rows that it changes. A record that was
// folded before, as a producer's retry leaves it in the log, changes nothing.
func (p *Projection) Apply(record *assaypb.ChainRecord) (Rows, error) {
	var rows Rows
	if err := p.ApplyTo(&rows, record); err != nil {
		return Rows{}, err
	}
	return rows, nil
}

// ApplyTo is Apply that appends to rows.
func (p *Projection) ApplyTo(rows *Rows, record *assaypb.ChainRecord) error {
	switch {
	case record.ChainId != p.chain:
		return fmt.Errorf("record %d is of chain %d, not %d", record.Sequence, record.ChainId, p.chain)
	case record.Sequence < p.next:
		return nil
	case record.Sequence > p.next:
		return &GapError{Want: p.next, Got: record.Sequence}
	}
	err := p.fold(rows, record)
	if damage := p.damage(); damage != nil {
		err = damage // what it led to says nothing
	}
	if err != nil {
		p.failed = fmt.Errorf("record %d of the chain log: %w", record.Sequence, err)
		return p.failed
	}
	p.next, p.offset = p.next+1, record.GetOffset()+1
	return nil
}

func (p *Projection) fold(rows *Rows, record *assaypb.ChainRecord) error {
	switch body := record.Body.(type) {
	case *assaypb.ChainRecord_Block:
		return p.block(rows, body.Block, record)
	case *assaypb.ChainRecord_Retraction:
		return p.retract(rows, body.Retraction, record.Sequence)
	case *assaypb.ChainRecord_Mark:
		return p.mark(rows, body.Mark, record.Sequence)
	default:
		return fmt.Errorf("neither a block nor a retraction nor a mark")
	}
}

// block folds a block's events and adds its rows and those of all that it touched.
func (p *Projection) block(rows *Rows, block *assaypb.Block, record *assaypb.ChainRecord) error {
	version := record.Sequence
	if n := len(p.past); n > 0 && block.Number <= p.past[n-1].number {
		return fmt.Errorf("block %d follows block %d", block.Number, p.past[n-1].number)
	}
	past := past{
		number: block.Number, hash: block.Hash, parent: block.ParentHash, before: p.time, head: p.head,
		record: record.Sequence, offset: record.GetOffset(), mark: p.state.Mark(), notes: p.positions(),
	}
	events, err := p.evolve(block)
	if err != nil {
		return fmt.Errorf("block %d: %w", block.Number, err)
	}
	b := p.book(block, events)
	p.observe(block, events, b.payments)
	if past.touched, err = p.touched(past.mark, events); err != nil {
		return err
	}
	p.date(past.touched, block.Number)

	p.lower(rows, block.Number, block.ParentHash, p.time, version)
	rows.Blocks = append(rows.Blocks, p.blockRow(block, version))
	txs := transactions(block)
	past.events = p.eventRows(rows, block, txs, version)
	for _, s := range b.payments {
		event := block.Events[s.event]
		past.payments = append(past.payments, event.LogIndex)
		rows.Payouts = append(rows.Payouts, p.payoutRow(block, event, s, version))
	}
	if past.postings, err = p.postingRows(rows, block, events, txs, b.causes, version); err != nil {
		return fmt.Errorf("block %d: %w", block.Number, err)
	}
	past.settled = p.settlementRows(rows, block, b.settlements, version)
	past.measures = p.measures(block, events, b)
	rows.Measures = append(rows.Measures, past.measures...)
	p.past, p.time = append(p.past, past), block.Time
	p.entityRows(rows, past.touched, version)
	for _, fold := range p.folds {
		fold.block(&rows.More, block, events, version)
	}
	return nil
}

// evolve folds the events into the contract's state and returns them in its words, nil
// for those that mean nothing to it.
func (p *Projection) evolve(block *assaypb.Block) ([]poco.Event, error) {
	at := poco.Block{Number: block.Number, Time: block.Time}
	events := make([]poco.Event, len(block.Events))
	for i, message := range block.Events {
		event, err := wire.FromProto(message)
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", message.LogIndex, err)
		}
		if event == nil {
			continue
		}
		if err := p.state.Evolve(at, event); err != nil {
			return nil, fmt.Errorf("event %d: %w", message.LogIndex, err)
		}
		events[i] = event
	}
	return events, nil
}

// retract undoes the newest block.
func (p *Projection) retract(rows *Rows, retraction *assaypb.Retraction, version uint64) error {
	n := len(p.past)
	if n == 0 || !bytes.Equal(p.past[n-1].hash, retraction.Hash) {
		return fmt.Errorf("block %d (%x) is retracted but is not the newest block above finality",
			retraction.Number, retraction.Hash)
	}
	past := p.past[n-1]
	if err := p.state.Rollback(past.mark); err != nil {
		return fmt.Errorf("undoing block %d: %w", past.number, err)
	}
	p.undo(past.notes)
	p.past, p.time = p.past[:n-1], past.before

	rows.Blocks = append(rows.Blocks, p.blockTombstone(past.number, version))
	for _, index := range past.events {
		rows.Events = append(rows.Events, p.eventTombstone(past.number, index, version))
	}
	for _, index := range past.payments {
		rows.Payouts = append(rows.Payouts, p.payoutTombstone(past.number, index, version))
	}
	p.ledgerTombstones(rows, past, version)
	p.entityRows(rows, past.touched, version)
	p.historyTombstones(rows, past.touched, past.number, version)
	for _, fold := range p.folds {
		fold.retract(&rows.More, version)
	}
	for _, m := range past.measures {
		rows.Measures = append(rows.Measures, m.negated())
	}
	p.lower(rows, past.number, past.parent, past.before, version)
	return nil
}

// mark forgets how to undo blocks that are final, and what ended in them.
func (p *Projection) mark(rows *Rows, mark *assaypb.Mark, version uint64) error {
	final := 0
	for final < len(p.past) && p.past[final].number <= mark.FinalizedNumber {
		p.forget(p.past[final])
		final++
	}
	if final > 0 {
		if err := p.state.Release(p.past[final-1].mark); err != nil {
			return fmt.Errorf("finalizing block %d: %w", mark.FinalizedNumber, err)
		}
		p.state.Forget()
		clear(p.past[:final])
		p.past = p.past[final:]
		p.release(p.settled())
	}
	for _, fold := range p.folds {
		fold.Final(mark.FinalizedNumber)
	}
	rows.stood(p.head)
	p.head = p.headRow(mark, version)
	rows.Coverage, rows.Heads = []Coverage{p.coverageRow(mark, version)}, []Head{p.head}
	return nil
}

// forget lets go of the notes that no later block asks for: of deals, which never change,
// and of tasks that ended in a block that is now final.
func (p *Projection) forget(final past) {
	for _, e := range final.touched {
		switch e.Kind {
		case poco.KindDeal:
			p.deals.Forget(e.Hash)
		case poco.KindTask:
			if note, block, _ := p.tasks.Dated(e.Hash); note.endedAt == 0 || block != final.number {
				continue
			}
			p.tasks.Forget(e.Hash)
			for _, key := range p.contributionsOf(e.Hash) {
				p.contributions.Forget(contributionID{key.Hash, key.Address})
			}
		}
	}
}

// settled are the positions up to which notes are final.
func (p *Projection) settled() []int {
	if len(p.past) > 0 {
		return p.past[0].notes
	}
	return p.positions()
}
