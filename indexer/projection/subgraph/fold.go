package subgraph

import (
	"bytes"

	"assay/consensus/poco"
	"assay/contracts"
	"assay/indexer/projection/entity"
	"assay/schema/assaypb"
)

// Fold makes rows of one chain's blocks, and takes them back by its book. It reads a state
// that somebody else evolves. It is not safe for concurrent use.
type Fold struct {
	*entity.Book[Rows]
	state  *poco.State
	domain contracts.Domain // of orders

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

// kind is all entities of one type of this subgraph that can change.
type kind[K comparable, N any, R any, P entity.Row[R]] = entity.Kind[K, N, R, P, Rows]

// ended is what will not change any more once the block is final.
type ended struct {
	deals, tasks  []poco.Hash
	contributions []contributionID
}

// New starts a fold beside a state to which nothing has happened yet.
func New(state *poco.State) *Fold {
	rules := state.Rules()
	f := &Fold{state: state, domain: contracts.Domain{ChainID: rules.ChainID, Hub: rules.Hub}}
	f.keepMarket()
	f.keepWork()
	f.keepOrders()
	f.Book = entity.NewBook(rules.ChainID, (*Rows).immutable,
		&f.accounts, &f.apps, &f.datasets, &f.workerpools, &f.categories, &f.deals, &f.tasks, &f.contributions,
		&f.protocol, &f.appOrders, &f.datasetOrders, &f.poolOrders, &f.requestOrders)
	return f
}

// Block returns the rows of a block whose events the state has folded. events are those of
// the block in the rules' words, nil where they have none.
func (f *Fold) Block(block *assaypb.Block, events []poco.Event, version uint64) Rows {
	return f.Book.Block(block.Number, version, func(rows *Rows) func() {
		h := handler{Fold: f, rows: rows, block: block}
		for i, event := range events {
			h.message = block.Events[i]
			h.handle(event)
		}
		return func() { f.forget(h.ended) }
	})
}

func (f *Fold) forget(e ended) {
	for _, id := range e.deals {
		f.deals.Forget(id)
	}
	for _, id := range e.tasks {
		f.tasks.Forget(id)
	}
	for _, id := range e.contributions {
		f.contributions.Forget(id)
	}
}

// transaction returns a transaction's id, after making its row where the last event was of
// another.
func (h *handler) transaction() string {
	if h.tx != "" && bytes.Equal(h.txHash, h.message.TxHash) {
		return h.tx
	}
	h.txHash, h.tx = h.message.TxHash, data(h.message.TxHash)
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
func (h *handler) id() string {
	return decimal(h.block.Number) + "-" + decimal(uint64(h.message.LogIndex))
}
