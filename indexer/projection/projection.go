package projection

import (
	"bytes"
	"fmt"

	"assay/consensus/poco"
	"assay/consensus/poco/wire"
	"assay/indexer/projection/dataprotector"
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

	journal       *journal
	deals         notes[poco.Hash, dealNote]
	tasks         notes[poco.Hash, taskNote]
	contributions notes[contributionID, contributionNote]
	accounts      notes[poco.Address, accountNote]
	resources     notes[poco.Address, resourceNote]
	categories    notes[uint64, uint64] // block of the last change

	entities    *subgraph.Fold      // nil: the chain names no registries, so there is no market
	permissions *permissions.Fold   // nil: as entities
	sharing     *dataprotector.Fold // nil: the chain has no DataProtector
	spellings   spellings

	head Head   // as last written
	time uint64 // of the newest block
}

// past is what it takes to retract a block.
type past struct {
	number   uint64
	hash     []byte
	parent   []byte
	before   uint64 // time of the block before it in the log
	mark     poco.Mark
	notes    []func()
	touched  []entity
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
	j := &journal{}
	p := &Projection{
		chain:         preset.ChainID,
		state:         poco.New(poco.RulesOf(preset)),
		spellings:     spellings{},
		journal:       j,
		deals:         newNotes[poco.Hash, dealNote](j),
		tasks:         newNotes[poco.Hash, taskNote](j),
		contributions: newNotes[contributionID, contributionNote](j),
		accounts:      newNotes[poco.Address, accountNote](j),
		resources:     newNotes[poco.Address, resourceNote](j),
		categories:    newNotes[uint64, uint64](j),
	}
	if preset.AppRegistry != "" {
		p.entities, p.permissions = subgraph.New(p.state), permissions.New(p.state)
	}
	if preset.DataProtector.Core != "" {
		p.sharing = dataprotector.New(p.state)
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
	if err := p.fold(rows, record); err != nil {
		return fmt.Errorf("record %d of the chain log: %w", record.Sequence, err)
	}
	p.next++
	return nil
}

func (p *Projection) fold(rows *Rows, record *assaypb.ChainRecord) error {
	switch body := record.Body.(type) {
	case *assaypb.ChainRecord_Block:
		return p.block(rows, body.Block, record.Sequence)
	case *assaypb.ChainRecord_Retraction:
		return p.retract(rows, body.Retraction, record.Sequence)
	case *assaypb.ChainRecord_Mark:
		return p.mark(rows, body.Mark, record.Sequence)
	default:
		return fmt.Errorf("neither a block nor a retraction nor a mark")
	}
}

// block folds a block's events and adds its rows and those of all that it touched.
func (p *Projection) block(rows *Rows, block *assaypb.Block, version uint64) error {
	if n := len(p.past); n > 0 && block.Number <= p.past[n-1].number {
		return fmt.Errorf("block %d follows block %d", block.Number, p.past[n-1].number)
	}
	past := past{number: block.Number, hash: block.Hash, parent: block.ParentHash, before: p.time, mark: p.state.Mark()}
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
	past.notes = p.journal.take()

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
	if p.entities != nil {
		entities, allowed := p.entities.Block(block, events, version), p.permissions.Block(block, version)
		rows.More.Append(entities.Tables()...)
		rows.More.Append(allowed.Tables()...)
	}
	if p.sharing != nil {
		entities := p.sharing.Block(block, version)
		rows.More.Append(entities.Tables()...)
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
	for i := len(past.notes) - 1; i >= 0; i-- {
		past.notes[i]()
	}
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
	if p.entities != nil {
		entities, allowed := p.entities.Retract(version), p.permissions.Retract(version)
		rows.More.Append(entities.Tables()...)
		rows.More.Append(allowed.Tables()...)
	}
	if p.sharing != nil {
		entities := p.sharing.Retract(version)
		rows.More.Append(entities.Tables()...)
	}
	for _, m := range past.measures {
		rows.Measures = append(rows.Measures, m.negated())
	}
	if head, lowered := p.lower(past, version); lowered {
		rows.Heads = []Head{head}
		rows.lower([]Head{head})
	}
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
		p.past = append([]past(nil), p.past[final:]...)
	}
	if p.entities != nil {
		p.entities.Final(mark.FinalizedNumber)
		p.permissions.Final(mark.FinalizedNumber)
	}
	if p.sharing != nil {
		p.sharing.Final(mark.FinalizedNumber)
	}
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
			delete(p.deals.values, e.Hash)
		case poco.KindTask:
			if note := p.tasks.get(e.Hash); note.endedAt == 0 || note.block != final.number {
				continue
			}
			delete(p.tasks.values, e.Hash)
			for _, key := range p.contributionsOf(e.Hash) {
				delete(p.contributions.values, contributionID{key.Hash, key.Address})
			}
		}
	}
}
