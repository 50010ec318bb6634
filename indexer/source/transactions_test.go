package source

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"assay/indexer/rpctest"
	"assay/schema/assaypb"
)

func marketRig(t *testing.T, blocks int, verify Verify, faults ...rpctest.Faults) *rig {
	t.Helper()
	chain := rpctest.NewChain(preset.ChainID, rpctest.NewMarket(1, 6))
	chain.Grow(blocks)
	return rigOf(t, chain, rpctest.MarketPreset(), verify, faults...)
}

// TestTransactionsAreAttached: each of a block's events' transactions once, in block
// order, however much is verified and whatever the endpoint serves.
func TestTransactionsAreAttached(t *testing.T) {
	for name, c := range map[string]struct {
		verify Verify
		faults rpctest.Faults
	}{
		"live":        {VerifyLive, rpctest.Faults{}},
		"receipts":    {VerifyReceipts, rpctest.Faults{}},
		"off":         {VerifyOff, rpctest.Faults{}},
		"no receipts": {VerifyLive, rpctest.Faults{NoReceipts: true}},
		"batch limit": {VerifyLive, rpctest.Faults{MaxBatch: 3}},
		"null blocks": {VerifyLive, rpctest.Faults{NullEvery: 4}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := marketRig(t, 60, c.verify, c.faults)
			if err := r.run(); err != nil {
				t.Fatal(err)
			}
			blocks := 0
			for _, record := range r.log.records(t) {
				if b := record.GetBlock(); b != nil {
					blocks++
					checkTransactions(t, b)
				}
			}
			if blocks < 20 {
				t.Errorf("%d blocks hold events", blocks)
			}
		})
	}
}

// checkTransactions compares a block's transactions with its events, and with what the
// chain of rpctest makes every transaction cost.
func checkTransactions(t *testing.T, b *assaypb.Block) {
	t.Helper()
	at := 0
	for _, e := range b.Events {
		if at > 0 && bytes.Equal(b.Transactions[at-1].Hash, e.TxHash) {
			continue
		}
		if at == len(b.Transactions) {
			t.Fatalf("block %d lacks transaction %x", b.Number, e.TxHash)
		}
		tx := b.Transactions[at]
		if !bytes.Equal(tx.Hash, e.TxHash) || tx.Index != e.TxIndex || common.BytesToAddress(tx.To) != common.BytesToAddress(e.Emitter) || len(tx.From) != 20 ||
			!bytes.Equal(tx.Value, []byte{byte(tx.Index)}) || tx.GasLimit != 90_000 || tx.GasUsed != 50_000 || !bytes.Equal(tx.GasPrice, []byte{3}) {
			t.Errorf("block %d, event %d of transaction %d: %v", b.Number, e.LogIndex, e.TxIndex, tx)
		}
		at++
	}
	if at != len(b.Transactions) {
		t.Errorf("block %d has events of %d transactions, and %d transactions", b.Number, at, len(b.Transactions))
	}
}

// TestAPlainTokenHasNoTransactions: nobody asks for them.
func TestAPlainTokenHasNoTransactions(t *testing.T) {
	r := newRig(t, 60, VerifyReceipts, rpctest.Faults{})
	if err := r.run(); err != nil {
		t.Fatal(err)
	}
	for _, record := range r.log.records(t) {
		if b := record.GetBlock(); len(b.GetTransactions()) > 0 {
			t.Fatalf("%v", b)
		}
	}
}

// TestFalseTransactions are not believed: another endpoint is asked, and if there is none
// the source stops.
func TestFalseTransactions(t *testing.T) {
	lie := rpctest.Faults{FalseTx: 7}
	r := marketRig(t, 60, VerifyOff, lie, rpctest.Faults{})
	if err := r.run(); err != nil {
		t.Fatal(err)
	}
	for _, record := range r.log.records(t) {
		if b := record.GetBlock(); b != nil {
			checkTransactions(t, b)
		}
	}
	var doubted *DoubtError
	if err := marketRig(t, 60, VerifyOff, lie).run(); !errors.As(err, &doubted) || doubted.Number%7 != 0 {
		t.Errorf("it ended with %v", err)
	}
}

// TestALogMissingBesideAnother: since transactions are asked for with their receipts, a
// log that is missing in a block of which others are known is missed.
func TestALogMissingBesideAnother(t *testing.T) {
	var doubted *DoubtError
	if err := marketRig(t, 60, VerifyOff, rpctest.Faults{MissEvery: 1}).run(); !errors.As(err, &doubted) {
		t.Errorf("it ended with %v", err)
	}
}
