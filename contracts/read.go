package contracts

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// MaxBatch is how many reads go into one JSON-RPC request: public endpoints refuse
// larger ones.
const MaxBatch = 100

// ErrNoContract says that nothing answers at an address: no contract is there, or not
// the one that was expected.
var ErrNoContract = errors.New("no such contract")

// At is the block after which the state is read. The zero value is the newest block.
type At struct {
	block   any
	bundled bool
}

// Latest reads after the newest block. So does Bundled, with many reads in one eth_call
// (package multicall) where the node can; for what does not change any more, since the
// node may see other blocks for different calls.
var (
	Latest  = At{}
	Bundled = At{bundled: true}
)

// AtNumber reads after the block with this number.
func AtNumber(number uint64) At { return At{block: hexutil.Uint64(number)} }

// AtHash reads after the block with this hash, whether or not it is still canonical
// (EIP-1898).
func AtHash(hash common.Hash) At { return At{block: map[string]common.Hash{"blockHash": hash}} }

func (a At) param() any {
	if a.block == nil {
		return "latest"
	}
	return a.block
}

// Read is one call of a contract's view, an element of a batch. Err is set by
// Client.Batch: a *RevertError, ErrNoContract, or what the node or the decoder says.
type Read struct {
	Err    error
	to     common.Address
	data   []byte
	unpack func([]byte) error
}

// read calls a view and stores its one result.
func read[T any](to common.Address, data []byte, unpack func([]byte) (T, error), into *T) *Read {
	return &Read{to: to, data: data, unpack: func(answer []byte) error {
		value, err := unpack(answer)
		if err == nil {
			*into = value
		}
		return err
	}}
}

// Batch makes the reads, MaxBatch of them in one JSON-RPC request, all at one block.
// An error is about the transport, and the reads' own errors are then void; else each
// read has its own.
func (c *Client) Batch(ctx context.Context, at At, reads ...*Read) error {
	for len(reads) > 0 {
		n := min(len(reads), MaxBatch)
		if !at.bundled || !c.bundle(ctx, reads[:n]) {
			if err := c.request(ctx, at, reads[:n]); err != nil {
				return err
			}
		}
		reads = reads[n:]
	}
	return nil
}

func (c *Client) request(ctx context.Context, at At, reads []*Read) error {
	batch := make([]rpc.BatchElem, len(reads))
	answers := make([]hexutil.Bytes, len(reads))
	for i, r := range reads {
		call := map[string]any{"to": r.to, "data": hexutil.Bytes(r.data)}
		batch[i] = rpc.BatchElem{Method: "eth_call", Args: []any{call, at.param()}, Result: &answers[i]}
	}
	if err := c.rpc.BatchCallContext(ctx, batch); err != nil {
		return fmt.Errorf("reading the contracts: %w", err)
	}
	for i, r := range reads {
		r.Err = r.finish(batch[i].Error, answers[i])
	}
	return nil
}

func (r *Read) finish(err error, answer []byte) error {
	if err != nil {
		return revertOf(err)
	}
	if len(answer) == 0 {
		return fmt.Errorf("%w at %s", ErrNoContract, r.to)
	}
	if err := r.unpack(answer); err != nil {
		return fmt.Errorf("unexpected answer of contract %s: %w", r.to, err)
	}
	return nil
}

// one makes a few reads and returns the first error of any kind.
func (c *Client) one(ctx context.Context, at At, what fmt.Stringer, reads ...*Read) error {
	if err := c.Batch(ctx, at, reads...); err != nil {
		return err
	}
	for _, r := range reads {
		if r.Err != nil {
			return fmt.Errorf("reading %s: %w", what, r.Err)
		}
	}
	return nil
}
