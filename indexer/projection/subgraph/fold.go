package subgraph

import (
	"bytes"
	"fmt"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"assay/consensus/poco"
	"assay/contracts"
	"assay/schema/assaypb"
)

// Fold makes rows of one chain's blocks. It reads a state that somebody else evolves. It is
// not safe for concurrent use.
type Fold struct {
	chain  uint64
	state  *poco.State
	domain contracts.Domain // of orders
	past   []past           // blocks that can still be retracted, oldest first

	accounts      kind[poco.Address, accountNote, Account, *Account]
	apps          kind[poco.Address, resourceNote, App, *App]
	datasets      kind[poco.Address, resourceNote, Dataset, *Dataset]
	workerpools   kind[poco.Address, resourceNote, Workerpool, *Workerpool]
	categories    kind[uint64, categoryNote, Category, *Category]
	deals         kind[poco.Hash, dealNote, Deal, *Deal]
	tasks         kind[poco.Hash, taskNote, Task, *Task]
	contributions kind[contributionID, contributionNote, Contribution, *Contribution]
	protocol      kind[struct{}, protocolNote, Protocol, *Protocol]
	appOrders     orders[AppOrder, *AppOrder]
	datasetOrders orders[DatasetOrder, *DatasetOrder]
	poolOrders    orders[WorkerpoolOrder, *WorkerpoolOrder]
	requestOrders orders[RequestOrder, *RequestOrder]
}

// past is what it takes to retract a block, and to forget what ended in it.
type past struct {
	number    uint64
	positions []int  // of each ledger, before the block
	made      []made // rows that never change
	ended     ended
}

// made is a row of an immutable entity.
type made struct {
	list int // which, in Rows.immutable
	id   string
}

// ended is what will not change any more once the block is final.
type ended struct {
	deals, tasks  []poco.Hash
	contributions []contributionID
}

// New starts a fold beside a state to which nothing has happened yet.
func New(state *poco.State) *Fold {
	rules := state.Rules()
	f := &Fold{
		chain: rules.ChainID, state: state, domain: contracts.Domain{ChainID: rules.ChainID, Hub: rules.Hub},
	}
	f.keepMarket()
	f.keepWork()
	f.keepOrders()
	return f
}

// ledgers lists all that can be undone, always in one order.
func (f *Fold) ledgers() []ledger {
	return []ledger{
		&f.accounts, &f.apps, &f.datasets, &f.workerpools, &f.categories, &f.deals, &f.tasks, &f.contributions,
		&f.protocol, &f.appOrders, &f.datasetOrders, &f.poolOrders, &f.requestOrders,
	}
}

// Block returns the rows of a block whose events the state has folded. events are those of
// the block in the rules' words, nil where they have none.
func (f *Fold) Block(block *assaypb.Block, events []poco.Event, version uint64) Rows {
	p := past{number: block.Number}
	for _, l := range f.ledgers() {
		p.positions = append(p.positions, l.position())
	}
	var rows Rows
	h := handler{Fold: f, rows: &rows, block: block}
	for i, event := range events {
		h.message = block.Events[i]
		h.handle(event)
	}
	s := stamp{chain: f.chain, block: block.Number, version: version}
	for i, l := range rows.immutable() {
		l.stamp(s, func(id string) { p.made = append(p.made, made{i, id}) })
	}
	for i, l := range f.ledgers() {
		l.write(&rows, p.positions[i], s)
	}
	p.ended = h.ended
	f.past = append(f.past, p)
	return rows
}

// Retract returns the rows that take back the newest block, which the state has undone.
func (f *Fold) Retract(version uint64) Rows {
	p := f.past[len(f.past)-1]
	f.past = f.past[:len(f.past)-1]
	var rows Rows
	s := stamp{chain: f.chain, block: p.number, version: version}
	lists := rows.immutable()
	for _, m := range p.made {
		lists[m.list].bury(m.id, s)
	}
	for i, l := range f.ledgers() {
		l.retract(&rows, p.positions[i], s)
	}
	return rows
}

// Final lets go of what only undoing blocks up to a number needed, and of all that ended in
// them.
func (f *Fold) Final(number uint64) {
	n := 0
	for n < len(f.past) && f.past[n].number <= number {
		f.forget(f.past[n].ended)
		n++
	}
	if n == 0 {
		return
	}
	for i, l := range f.ledgers() {
		before := l.position()
		if n < len(f.past) {
			before = f.past[n].positions[i]
		}
		l.release(before)
	}
	clear(f.past[:n])
	f.past = f.past[n:]
}

func (f *Fold) forget(e ended) {
	for _, id := range e.deals {
		delete(f.deals.notes, id)
	}
	for _, id := range e.tasks {
		delete(f.tasks.notes, id)
	}
	for _, id := range e.contributions {
		delete(f.contributions.notes, id)
	}
}

// transaction returns a transaction's id, after making its row where the last event was of
// another.
func (h *handler) transaction() string {
	if h.tx != "" && bytes.Equal(h.txHash, h.message.TxHash) {
		return h.tx
	}
	h.txHash, h.tx = h.message.TxHash, hexutil.Encode(h.message.TxHash)
	row := Transaction{ID: h.tx, Timestamp: h.block.Time, BlockNumber: h.block.Number}
	if tx := h.find(h.txHash); tx != nil {
		row.Value, row.GasPrice = number(tx.Value), number(tx.GasPrice)
		row.GasLimit, row.GasUsed = tx.GasLimit, tx.GasUsed
		row.From, row.To = h.party(tx.From), h.party(tx.To)
	}
	h.rows.Transaction = append(h.rows.Transaction, row)
	return h.tx
}

// party is an account that a transaction names; nil where it names none.
func (h *handler) party(b []byte) *string {
	if len(b) != len(poco.Address{}) {
		return nil
	}
	id := h.account(poco.Address(b))
	return &id
}

// find looks for a transaction in the block. They are in the order of the events.
func (h *handler) find(hash []byte) *assaypb.Transaction {
	list := h.block.Transactions
	for i := range list {
		place := (h.place + i) % len(list)
		if bytes.Equal(list[place].Hash, hash) {
			h.place = place
			return list[place]
		}
	}
	return nil // a block of an older log
}

// id is the event's id.
func (h *handler) id() string { return fmt.Sprintf("%d-%d", h.block.Number, h.message.LogIndex) }
