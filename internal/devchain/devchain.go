// Package devchain is a development chain: a persistent go-ethereum node inside this
// process, with JSON-RPC over HTTP and WebSocket on loopback. It has no peers and no
// miner; blocks are sealed when the caller asks, or every period. It can travel in
// time and fork, so that deadlines and reorgs can be shown and tested.
//
// Blocks are built by geth's own block builder from geth's own transaction pool and
// go through geth's ordinary import, so what a client sees over RPC is what any geth
// would show. The part that a beacon client plays on a public chain (which block is
// built on, which branch is the canonical one, what is final) is in seal.go.
//
// # Finality
//
// The tags `finalized` and `safe` name the block that is Config.Finality blocks behind
// the head, and nothing that Fork does abandons it: a deeper fork is refused with
// ErrFinal.
//
// # Crashes
//
// Every block and its whole state are written before the block becomes the head, so a
// process that is killed at any moment starts again at the head it had shown. The pool
// is memory only: transactions that were waiting are gone, as on any node that
// restarts, and their senders send them again. (Losing power may lose the last
// blocks.)
package devchain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/node"
)

// Defaults of Config.
const (
	DefaultGasLimit = 200_000_000
	DefaultFinality = 32
)

// Config describes a chain. The chain id, the initial balances and the gas limit are
// part of its identity: a directory made with others is refused with ErrOtherChain.
type Config struct {
	Dir      string                      // where the chain is kept
	ChainID  uint64                      //
	Alloc    map[common.Address]*big.Int // initial balances, wei
	Port     int                         // of HTTP and WebSocket alike, on 127.0.0.1; 0: any free one
	GasLimit uint64                      // of a block; 0: DefaultGasLimit
	Period   time.Duration               // between blocks; 0: blocks are sealed by Seal only
	Finality uint64                      // blocks behind the head that are final; 0: DefaultFinality
	Log      *slog.Logger                // gets geth's warnings and errors; nil: slog.Default
}

// Errors that a caller can tell apart.
var (
	ErrOtherChain = errors.New("the directory holds a chain made with another chain id, gas limit or initial balances")
	ErrInUse      = errors.New("another process uses the directory")
	ErrPortTaken  = errors.New("the port is taken")
	ErrFinal      = errors.New("the fork would abandon a final block")
)

// Chain is a running development chain. Its methods may be called from several
// goroutines; sealing, travelling and forking happen one at a time.
type Chain struct {
	config Config
	node   *node.Node
	eth    *eth.Ethereum
	addr   string

	mu     sync.Mutex    // serializes everything that makes blocks
	offset time.Duration // of the chain's clock against the wall clock
	now    func() time.Time

	stop    context.CancelFunc
	stopped chan struct{} // closed when the periodic sealer has ended
}

// Start opens the chain in cfg.Dir, creating it if there is none, and serves it. A new
// chain has one empty block on top of its genesis, so that the latest block's time is
// the present.
func Start(cfg Config) (*Chain, error) {
	cfg = cfg.withDefaults()
	routeLogs(cfg.Log)
	stack, backend, err := openNode(cfg)
	if err != nil {
		return nil, fmt.Errorf("starting the development chain in %s: %w", cfg.Dir, err)
	}
	c := &Chain{config: cfg, node: stack, eth: backend, now: time.Now, stopped: make(chan struct{})}
	if err := c.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the development chain in %s: %w", cfg.Dir, err), stack.Close())
	}
	return c, nil
}

func (cfg Config) withDefaults() Config {
	if cfg.GasLimit == 0 {
		cfg.GasLimit = DefaultGasLimit
	}
	if cfg.Finality == 0 {
		cfg.Finality = DefaultFinality
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return cfg
}

// begin makes an opened node ready for clients.
func (c *Chain) begin() error {
	addr, err := net.ResolveTCPAddr("tcp", c.node.HTTPEndpoint()[len("http://"):])
	if err != nil {
		return fmt.Errorf("reading the RPC address: %w", err)
	}
	c.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(addr.Port))
	c.eth.SetSynced()
	c.resumeClock()
	if err := c.markFinal(c.head()); err != nil {
		return err
	}
	if c.head().Number.Sign() == 0 {
		if err := c.Seal(); err != nil {
			return err
		}
	}
	if err := c.awaitTxIndex(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	go c.sealPeriodically(ctx)
	return nil
}

// awaitTxIndex waits until geth's index of transactions covers the chain: until then
// it answers "transaction indexing is in progress" where it should say "unknown".
func (c *Chain) awaitTxIndex() error {
	const patience = 30 * time.Second
	for deadline := time.Now().Add(patience); !c.eth.BlockChain().TxIndexDone(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("transactions are not indexed after %s", patience)
		}
	}
	return nil
}

// HTTPURL is the address of the JSON-RPC endpoint.
func (c *Chain) HTTPURL() string { return "http://" + c.addr }

// WSURL is the address of the JSON-RPC endpoint that takes subscriptions.
func (c *Chain) WSURL() string { return "ws://" + c.addr }

// Close stops sealing and serving, and releases the directory.
func (c *Chain) Close() error {
	c.stop()
	<-c.stopped
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.node.Close(); err != nil {
		return fmt.Errorf("stopping the development chain: %w", err)
	}
	return nil
}

// explain puts the errors of a start into the words of this package.
func explain(cfg Config, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: another program listens on 127.0.0.1:%d, choose another port or stop it", ErrPortTaken, cfg.Port)
	case isLocked(err):
		return fmt.Errorf("%w: stop it, or choose another directory", ErrInUse)
	case isOtherChain(err):
		return fmt.Errorf("%w: choose another directory, or delete it", ErrOtherChain)
	}
	return err
}
