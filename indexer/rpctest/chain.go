package rpctest

import (
	"runtime"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
)

// Chain is a chain and all its abandoned branches. It may be used by many goroutines.
type Chain struct {
	ID       uint64
	Finality uint64 // blocks behind the head that are final

	mu      sync.RWMutex
	traffic Traffic
	blocks  []*Block // canonical, by number
	all     map[common.Hash]*Block
	final   uint64 // newest final block ever
	salt    uint64
	wake    chan struct{} // closed when the head changes
}

// blockTime is the time between two blocks of a token's chain, in seconds.
const blockTime = 5

// NewChain returns a chain of one block, the genesis.
func NewChain(id uint64, traffic Traffic) *Chain {
	c := &Chain{ID: id, Finality: 10, traffic: traffic, all: map[common.Hash]*Block{}, wake: make(chan struct{})}
	genesis := &Block{chain: id, Time: 1_700_000_000, play: func() []Tx { return nil }}
	genesis.seal()
	genesis.link(common.Hash{})
	c.blocks, c.all[genesis.Hash] = []*Block{genesis}, genesis
	return c
}

// Grow adds blocks.
func (c *Chain) Grow(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := uint64(len(c.blocks))
	fresh := make([]*Block, n)
	now := c.blocks[first-1].Time
	for i := range fresh {
		b := &Block{Number: first + uint64(i), salt: c.salt, chain: c.ID}
		var seconds uint64
		b.play, seconds = c.traffic.Play(b.Number, b.salt)
		now += seconds
		b.Time, fresh[i] = now, b
	}
	c.sealAll(fresh)
	for _, b := range fresh {
		b.link(c.blocks[len(c.blocks)-1].Hash)
		c.blocks, c.all[b.Hash] = append(c.blocks, b), b
	}
	if head := uint64(len(c.blocks) - 1); head > c.Finality {
		c.final = max(c.final, head-c.Finality)
	}
	close(c.wake)
	c.wake = make(chan struct{})
}

// sealAll seals on all processors: that is what takes the time.
func (c *Chain) sealAll(blocks []*Block) {
	var wait sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wait.Go(func() {
			for i := w; i < len(blocks); i += workers {
				blocks[i].seal()
			}
		})
	}
	wait.Wait()
}

// Fork abandons the newest blocks, but no final ones; what Grow adds next is another
// branch. It returns how many were abandoned.
func (c *Chain) Fork(depth int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	depth = min(depth, len(c.blocks)-1-int(c.final))
	for range depth {
		c.traffic.Abandon()
	}
	c.blocks = c.blocks[:len(c.blocks)-depth]
	c.salt++
	return depth
}

// Reset abandons blocks whether or not they are final: what no chain should do.
func (c *Chain) Reset(depth int) {
	c.mu.Lock()
	c.final = min(c.final, uint64(len(c.blocks)-1-depth))
	c.mu.Unlock()
	c.Fork(depth)
}

// Head is the newest block.
func (c *Chain) Head() *Block {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.blocks[len(c.blocks)-1]
}

// Logs returns the logs of all canonical blocks, in order.
func (c *Chain) Logs(visit func(b *Block, log Log)) {
	c.mu.RLock()
	blocks := append([]*Block(nil), c.blocks...)
	c.mu.RUnlock()
	for _, b := range blocks {
		for _, tx := range b.play() {
			for _, log := range tx.Logs {
				visit(b, log)
			}
		}
	}
}

// call answers eth_call with the newest state: nothing that is asked for changes.
func (c *Chain) call(to common.Address, data []byte) ([]byte, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.traffic.Call(to, data)
}

// view is the chain as a node sees it that may lag behind.
type view struct {
	chain *Chain
	head  uint64
}

// see returns the chain's view some blocks behind the head.
func (c *Chain) see(lag uint64) view {
	c.mu.RLock()
	defer c.mu.RUnlock()
	head := uint64(len(c.blocks) - 1)
	return view{chain: c, head: head - min(lag, head)}
}

// at returns a canonical block, or nil.
func (v view) at(number uint64) *Block {
	v.chain.mu.RLock()
	defer v.chain.mu.RUnlock()
	if number > v.head || number >= uint64(len(v.chain.blocks)) {
		return nil
	}
	return v.chain.blocks[number]
}

// final returns the newest final block.
func (v view) final() *Block {
	v.chain.mu.RLock()
	defer v.chain.mu.RUnlock()
	return v.chain.blocks[min(v.chain.final, v.head)]
}

// of returns any block by its hash, unless the node is too far behind to have it.
func (v view) of(hash common.Hash) *Block {
	v.chain.mu.RLock()
	defer v.chain.mu.RUnlock()
	b := v.chain.all[hash]
	if b == nil || b.Number > v.head {
		return nil
	}
	return b
}

// find returns the canonical block of a transaction, and the transaction's place in it.
func (v view) find(tx common.Hash) (*Block, int) {
	v.chain.mu.RLock()
	defer v.chain.mu.RUnlock()
	for _, b := range v.chain.blocks[:min(v.head+1, uint64(len(v.chain.blocks)))] {
		if i := slices.Index(b.txs, tx); i >= 0 {
			return b, i
		}
	}
	return nil, 0
}

// changed is closed when the head changes.
func (c *Chain) changed() <-chan struct{} {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.wake
}
