package devchain

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/miner"
)

// Seal makes one block of the transactions that the pool holds, as many as fit, and
// makes it the head. It considers all that clients had sent before the call, except
// what they sent while another block was being sealed, which may wait for the next.
func (c *Chain) Seal() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seal()
}

// Travel moves the chain's clock: the next block's time is d later than it would have
// been, in whole seconds rounded up, and later blocks go on from there. The chain
// remembers by its blocks' times: a restart before the next block forgets the journey.
func (c *Chain) Travel(d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("travelling by %s: a chain's time only goes forward", d)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	then := time.Unix(int64(c.nextTime(c.head())), 0).Add((d + time.Second - 1).Truncate(time.Second))
	c.offset = then.Sub(c.now())
	return nil
}

// Fork abandons the newest depth blocks for as many empty ones of the same times, and
// seals a block on top of them. The transactions of the abandoned blocks return to the
// pool, so the sealed block includes them again, if they fit and are still valid
// there. It returns ErrFinal if the fork would reach below finality; then nothing has
// happened.
func (c *Chain) Fork(depth uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	abandoned, err := c.newest(depth)
	if err != nil {
		return fmt.Errorf("forking %d blocks deep: %w", depth, err)
	}
	if err := c.replace(abandoned); err != nil {
		return fmt.Errorf("forking %d blocks deep: %w", depth, err)
	}
	return c.seal()
}

// newest returns the newest depth blocks, the oldest of them first. None is final.
func (c *Chain) newest(depth uint64) ([]*types.Header, error) {
	head, final := c.head().Number.Uint64(), c.eth.BlockChain().CurrentFinalBlock().Number.Uint64()
	if depth > head-final {
		return nil, fmt.Errorf("%w: the head is block %d, and block %d is final", ErrFinal, head, final)
	}
	headers := make([]*types.Header, depth)
	for i := range headers {
		number := head - depth + 1 + uint64(i)
		if headers[i] = c.eth.BlockChain().GetHeaderByNumber(number); headers[i] == nil {
			return nil, fmt.Errorf("block %d is missing", number)
		}
	}
	return headers, nil
}

// replace makes a branch of empty blocks beside the given ones and switches to its tip.
func (c *Chain) replace(abandoned []*types.Header) error {
	if len(abandoned) == 0 {
		return nil
	}
	parent, tip := abandoned[0].ParentHash, (*types.Block)(nil)
	for _, header := range abandoned {
		block, err := c.build(parent, header.Time, false)
		if err != nil {
			return err
		}
		parent, tip = block.Hash(), block
	}
	return c.adopt(tip)
}

// seal builds a block on the head and adopts it.
func (c *Chain) seal() error {
	head := c.head()
	if err := c.drain(); err != nil {
		return fmt.Errorf("sealing block %d: %w", head.Number.Uint64()+1, err)
	}
	block, err := c.build(head.Hash(), c.nextTime(head), true)
	if err != nil {
		return fmt.Errorf("sealing block %d: %w", head.Number.Uint64()+1, err)
	}
	if err := c.adopt(block); err != nil {
		return fmt.Errorf("sealing block %d: %w", head.Number.Uint64()+1, err)
	}
	return nil
}

// build makes a block on a parent, of the pool's transactions or empty, and stores it
// without making it the head. Its random value makes it differ from any other.
func (c *Chain) build(parent common.Hash, time uint64, pool bool) (*types.Block, error) {
	args := &miner.BuildPayloadArgs{Parent: parent, Timestamp: time, BeaconRoot: new(common.Hash)}
	if _, err := rand.Read(args.Random[:]); err != nil {
		return nil, err
	}
	// Of geth's ways to build a block the only one that answers when it is done, and
	// with its error. Without transactions of ours it takes the pool's.
	block, _, err := c.eth.Miner().BuildTestingPayload(args, nil, !pool, nil)
	if err != nil {
		return nil, fmt.Errorf("building: %w", err)
	}
	if _, err := c.eth.BlockChain().InsertBlockWithoutSetHead(context.Background(), block, false); err != nil {
		return nil, fmt.Errorf("storing: %w", err)
	}
	return block, nil
}

// adopt makes a stored block the head.
func (c *Chain) adopt(block *types.Block) error {
	if err := c.eth.ChainDb().SyncKeyValue(); err != nil {
		return fmt.Errorf("writing it to the disk: %w", err)
	}
	if err := c.witness.note(block); err != nil {
		return err
	}
	if _, err := c.eth.BlockChain().SetCanonical(block); err != nil {
		return fmt.Errorf("making it the head: %w", err)
	}
	if err := c.markFinal(block.Header()); err != nil {
		return err
	}
	return c.settle()
}

// markFinal moves finality to its distance behind the head. It never moves back.
func (c *Chain) markFinal(head *types.Header) error {
	chain := c.eth.BlockChain()
	number := head.Number.Uint64() - min(head.Number.Uint64(), c.config.Finality)
	if final := chain.CurrentFinalBlock(); final != nil {
		number = max(number, final.Number.Uint64())
	}
	header := chain.GetHeaderByNumber(number)
	if header == nil {
		return fmt.Errorf("block %d, which is to be final, is missing", number)
	}
	chain.SetFinalized(header)
	chain.SetSafe(header)
	return nil
}

func (c *Chain) head() *types.Header { return c.eth.BlockChain().CurrentBlock() }

// resumeClock lets the chain's clock go on from the head if that is in the future.
func (c *Chain) resumeClock() {
	if ahead := time.Unix(int64(c.head().Time), 0).Sub(c.now()); ahead > 0 {
		c.offset = ahead
	}
}

// nextTime is the time of a block sealed now: the chain's clock, but later than its parent.
func (c *Chain) nextTime(parent *types.Header) uint64 {
	return max(parent.Time+1, uint64(c.now().Add(c.offset).Unix()))
}

// sealPeriodically seals a block every period until stop is closed. A block that fails
// loses nothing, its transactions wait in the pool for the next one.
func (c *Chain) sealPeriodically(stop <-chan struct{}) {
	defer close(c.stopped)
	if c.config.Period <= 0 {
		return
	}
	ticker := time.NewTicker(c.config.Period)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			if err := c.Seal(); err != nil {
				c.config.Log.Error("the development chain did not seal a block and will try again", "err", err)
			}
		}
	}
}
