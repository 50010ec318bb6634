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
// Every block and its whole state are on the disk before the block becomes the head, so
// a process that is killed at any moment starts again at the head it had shown, or the
// one that it was about to show. The pool is memory only: transactions that were
// waiting are gone, as on any node that restarts, and their senders send them again.
package devchain

import (
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
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
	ErrCorrupt    = errors.New("the directory is corrupt, restore it or delete it to begin anew")
	ErrPortTaken  = errors.New("the port is taken")
	ErrFinal      = errors.New("the fork would abandon a final block")
)

// Chain is a running development chain. Its methods may be called from several
// goroutines; sealing, travelling and forking happen one at a time.
type Chain struct {
	config  Config
	node    *node.Node
	eth     *eth.Ethereum
	witness witness
	probe   *types.Transaction // see drain
	addr    string

	mu     sync.Mutex    // serializes everything that makes blocks
	offset time.Duration // of the chain's clock against the wall clock
	now    func() time.Time

	stop    func()        // ends the periodic sealer
	stopped chan struct{} // closed when it has ended
}

// Start opens the chain in cfg.Dir, creating it if there is none, and serves it. A new
// chain has one empty block on top of its genesis, so that the latest block's time is
// the present. It returns ErrOtherChain, ErrInUse, ErrCorrupt or ErrPortTaken where that
// is the reason.
func Start(cfg Config) (*Chain, error) {
	c, err := start(cfg.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("starting the development chain in %s: %w", cfg.Dir, err)
	}
	return c, nil
}

func start(cfg Config) (*Chain, error) {
	if err := checkPort(cfg.Port); err != nil {
		return nil, err
	}
	routeLogs(cfg.Log)
	stack, backend, err := openNode(cfg)
	if err != nil {
		return nil, err
	}
	c := &Chain{config: cfg, node: stack, eth: backend, now: time.Now, stopped: make(chan struct{})}
	if err := c.begin(); err != nil {
		return nil, errors.Join(err, stack.Close())
	}
	return c, nil
}

// checkPort fails early if the port is taken, before a database is opened.
func checkPort(port int) error {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: another program listens on 127.0.0.1:%d, choose another port or stop it", ErrPortTaken, port)
	}
	if err != nil {
		return err
	}
	return listener.Close()
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
	addr, err := net.ResolveTCPAddr("tcp", strings.TrimPrefix(c.node.HTTPEndpoint(), "http://"))
	if err != nil {
		return fmt.Errorf("reading the RPC address: %w", err)
	}
	c.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(addr.Port))
	if c.witness, err = openWitness(c.config.Dir); err != nil {
		return err
	}
	if c.probe, err = newProbe(c.eth.BlockChain().Config()); err != nil {
		return err
	}
	if err := c.resume(); err != nil {
		return err
	}
	stop := make(chan struct{})
	c.stop = sync.OnceFunc(func() { close(stop) })
	go c.sealPeriodically(stop)
	return nil
}

// resume takes the chain up where it was left, or at its genesis.
func (c *Chain) resume() error {
	c.eth.SetSynced()
	if err := c.recover(); err != nil {
		return err
	}
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
	return c.settle()
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
	if err := errors.Join(c.node.Close(), c.witness.file.Close()); err != nil {
		return fmt.Errorf("stopping the development chain: %w", err)
	}
	return nil
}
