package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/trie"
	"golang.org/x/sync/errgroup"

	"assay/schema/assaypb"
)

// entry is a block that goes into the log, and what it was made of.
type entry struct {
	header sealed
	content
	block *assaypb.Block
}

// complete adds to blocks what their logs do not carry: what attach reads, and where the
// preset asks for them their transactions.
func (s *Source) complete(ctx context.Context, entries []entry, attach func(context.Context) error) error {
	if len(entries) == 0 {
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return attach(ctx) })
	if s.preset.Registries() {
		group.Go(func() error { return s.transactions(ctx, entries) })
	}
	return group.Wait()
}

// transactions attaches to blocks the transactions of their events. A block's receipts
// prove what gas its transactions used; where all its transactions are of kinds that
// Ethereum has, they are proven by their root, and else each of ours of such a kind by
// its hash.
func (s *Source) transactions(ctx context.Context, entries []entry) error {
	if err := s.addReceipts(ctx, entries); err != nil {
		return err
	}
	bodies, err := askEach(ctx, s.nodes, entries, func(ctx context.Context, n *node, part []entry) ([][]transaction, error) {
		return n.bodies(ctx, part)
	})
	if err != nil {
		return err
	}
	for i, e := range entries {
		if e.block.Transactions, err = e.transactionsOf(bodies[i]); err != nil {
			return err
		}
	}
	return nil
}

// addReceipts asks for the receipts that are not there yet. An endpoint that does not
// serve them by block is asked for those of our transactions; nothing proves them.
func (s *Source) addReceipts(ctx context.Context, entries []entry) error {
	var lacking []*entry
	var headers []sealed
	for i := range entries {
		if entries[i].receipts == nil {
			lacking, headers = append(lacking, &entries[i]), append(headers, entries[i].header)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	if !s.noReceipts.Load() {
		lists, err := s.receipts(ctx, headers)
		if err == nil {
			return s.match(lacking, lists)
		}
		if !errors.As(err, new(*ReceiptsError)) {
			return err
		}
		s.doWithoutReceipts(err)
	}
	for _, e := range lacking {
		var err error
		e.receipts, err = ask(ctx, s.nodes, func(ctx context.Context, n *node) (receipts, error) { return n.receiptsOf(ctx, e.header, e.block) })
		if err != nil {
			return err
		}
	}
	return nil
}

// match gives blocks their receipts, which must have the very logs that were found.
func (s *Source) match(entries []*entry, lists []receipts) error {
	for i, e := range entries {
		if proven := s.ours(lists[i].logs(e.header.header)); len(proven) != len(e.logs) {
			return doubt(e.header.Number, "by its receipts it has %d logs that may be ours, the node gave %d", len(proven), len(e.logs))
		}
		e.receipts = lists[i]
	}
	return nil
}

// receiptsOf returns a block's receipts as far as they are of the block's events, asked
// for by transaction, each in its place.
func (n *node) receiptsOf(ctx context.Context, h sealed, block *assaypb.Block) (receipts, error) {
	places := placesOf(block)
	calls := make([]*call, len(places))
	for i, p := range places {
		calls[i] = &call{method: "eth_getTransactionReceipt", args: []any{p.hash}}
	}
	if err := n.batch(ctx, calls); err != nil {
		return nil, fmt.Errorf("asking for receipts of block %d: %w", h.Number, err)
	}
	list := make(receipts, places[len(places)-1].index+1)
	for i, c := range calls {
		cursor := &cursor{data: c.raw}
		if len(c.raw) == 0 || cursor.null() {
			return nil, fmt.Errorf("asking for the receipt of transaction %s: %w", places[i].hash, absent(nil))
		}
		var r receipt
		if err := cursor.receipt(&r); err != nil {
			return nil, doubt(h.Number, "the receipt of transaction %s cannot be read: %v", places[i].hash, err)
		}
		if r.block != h.Hash || r.tx != places[i].hash {
			return nil, doubt(h.Number, "asked for the receipt of %s it answered with one of %s in %s", places[i].hash, r.tx, r.block)
		}
		list[places[i].index] = r
	}
	return list, nil
}

// place is where a transaction is said to be in its block.
type place struct {
	hash  common.Hash
	index uint32
}

// placesOf are the transactions of a block's events, each once, in block order.
func placesOf(block *assaypb.Block) (places []place) {
	for _, e := range block.Events {
		if n := len(places); n == 0 || places[n-1].index != e.TxIndex {
			places = append(places, place{common.BytesToHash(e.TxHash), e.TxIndex})
		}
	}
	return places
}

// bodies returns the transactions of blocks, asked for by hash.
func (n *node) bodies(ctx context.Context, entries []entry) ([][]transaction, error) {
	calls := make([]*call, len(entries))
	for i, e := range entries {
		calls[i] = &call{method: "eth_getBlockByHash", args: []any{e.header.Hash, true}}
	}
	if err := n.batch(ctx, calls); err != nil {
		return nil, fmt.Errorf("asking for the transactions of blocks %d to %d: %w", entries[0].header.Number, entries[len(entries)-1].header.Number, err)
	}
	bodies := make([][]transaction, len(entries))
	for i, c := range calls {
		h := entries[i].header
		if len(c.raw) == 0 || string(c.raw) == "null" {
			return nil, &absentBlock{h.Hash}
		}
		txs, err := readTransactions(c.raw)
		if err == nil {
			err = checkRoot(txs, h)
		}
		if err != nil {
			return nil, doubt(h.Number, "%v", err)
		}
		bodies[i] = txs
	}
	return bodies, nil
}

// transaction is one as JSON-RPC spells it.
type transaction struct {
	Type     hexutil.Uint64  `json:"type"`
	Hash     common.Hash     `json:"hash"`
	From     common.Address  `json:"from"`
	To       *common.Address `json:"to"`
	Value    *hexutil.Big    `json:"value"`
	Gas      hexutil.Uint64  `json:"gas"`
	GasPrice *hexutil.Big    `json:"gasPrice"`

	signed *types.Transaction // nil: of a kind that Ethereum does not have
}

// readTransactions reads what a block's answer says under transactions.
func readTransactions(raw []byte) (txs []transaction, err error) {
	c := &cursor{data: raw}
	err = c.fields(func(key []byte) error {
		if string(key) != "transactions" {
			return c.ignore()
		}
		return c.elements(func() error {
			one, err := c.skip()
			if err != nil {
				return err
			}
			var tx transaction
			if err := json.Unmarshal(one, &tx); err != nil {
				return err
			}
			if tx.Type <= types.SetCodeTxType {
				tx.signed = new(types.Transaction)
				err = json.Unmarshal(one, tx.signed)
			}
			txs = append(txs, tx)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("its transactions cannot be read: %w", err)
	}
	return txs, nil
}

// checkRoot compares a block's transactions with its header, if it is known how all of
// them are hashed.
func checkRoot(txs []transaction, h sealed) error {
	list := make(types.Transactions, len(txs))
	for i, tx := range txs {
		if tx.signed == nil {
			return nil
		}
		list[i] = tx.signed
	}
	if root := types.DeriveSha(list, trie.NewStackTrie(nil)); root != h.txs {
		return fmt.Errorf("its transactions make the root %s, its header says %s", root, h.txs)
	}
	return nil
}

// check computes the hash and the sender, if it is known how.
func (t *transaction) check() error {
	if t.signed == nil {
		return nil
	}
	if hash := t.signed.Hash(); hash != t.Hash {
		return fmt.Errorf("its hash is %s, not %s", hash, t.Hash)
	}
	from, err := types.LatestSignerForChainID(t.signed.ChainId()).Sender(t.signed)
	if err == nil && from != t.From {
		err = fmt.Errorf("it was signed by %s, not %s", from, t.From)
	}
	return err
}

// transactionsOf are those of a block's transactions that have events of ours.
func (e entry) transactionsOf(txs []transaction) ([]*assaypb.Transaction, error) {
	var out []*assaypb.Transaction
	for _, p := range placesOf(e.block) {
		if int(p.index) >= len(txs) || int(p.index) >= len(e.receipts) {
			return nil, doubt(e.header.Number, "its events are of transaction %d, and it has %d transactions and %d receipts", p.index, len(txs), len(e.receipts))
		}
		tx := &txs[p.index]
		if err := tx.check(); err != nil {
			return nil, doubt(e.header.Number, "transaction %d: %v", p.index, err)
		}
		if tx.Hash != p.hash {
			return nil, doubt(e.header.Number, "its transaction %d is %s, and its events are said to be of %s", p.index, tx.Hash, p.hash)
		}
		out = append(out, tx.message(&e.receipts[p.index], p.index))
	}
	return out, nil
}

// message is the transaction as the log carries it.
func (t *transaction) message(r *receipt, index uint32) *assaypb.Transaction {
	out := &assaypb.Transaction{
		Hash: t.Hash.Bytes(), Index: index, From: t.From.Bytes(), GasLimit: uint64(t.Gas), GasUsed: r.used, GasPrice: r.price,
	}
	if t.To != nil {
		out.To = t.To.Bytes()
	}
	if t.Value != nil {
		out.Value = t.Value.ToInt().Bytes()
	}
	if r.price == nil && t.GasPrice != nil { // receipts of old nodes do not tell it
		out.GasPrice = t.GasPrice.ToInt().Bytes()
	}
	return out
}
