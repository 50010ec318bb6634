package devchain

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/history"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
)

// lockPatience is how long to wait for a directory that another process holds: the
// kernel may free the locks of a killed process a moment after its death.
const lockPatience = 5 * time.Second

// openNode opens the node, waiting a little for a directory that is still locked.
func openNode(cfg Config) (*node.Node, *eth.Ethereum, error) {
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(50 * time.Millisecond) {
		stack, backend, err := tryOpenNode(cfg)
		if err == nil {
			return stack, backend, nil
		}
		if !isLocked(err) {
			return nil, nil, err
		}
		if time.Now().After(deadline) {
			return nil, nil, fmt.Errorf("%w: stop it, or choose another directory", ErrInUse)
		}
	}
}

// tryOpenNode opens the database and starts serving RPC. On an error nothing is left
// open.
func tryOpenNode(cfg Config) (_ *node.Node, _ *eth.Ethereum, err error) {
	stack, err := node.New(nodeConfig(cfg))
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeFailed(stack))
		}
	}()
	backend, err := openChain(stack, ethConfig(cfg))
	if err != nil {
		return nil, nil, err
	}
	system := filters.NewFilterSystem(backend.APIBackend, filters.Config{})
	stack.RegisterAPIs([]rpc.API{{Namespace: "eth", Service: filters.NewFilterAPI(system)}})
	if err := stack.Start(); err != nil {
		return nil, nil, err
	}
	return stack, backend, nil
}

// openChain opens the database. What it cannot open for another reason than that it
// may not, or not now, is corrupt.
func openChain(stack *node.Node, config ethconfig.Config) (*eth.Ethereum, error) {
	backend, err := orFatal(func() (*eth.Ethereum, error) { return eth.New(stack, &config) })
	var mismatch *core.GenesisMismatchError
	switch {
	case err == nil || isLocked(err):
		return backend, err
	case errors.As(err, &mismatch):
		return nil, fmt.Errorf("%w: choose another directory, or delete it", ErrOtherChain)
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOSPC):
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// closeFailed releases a node that did not start; geth may have closed it already.
func closeFailed(stack *node.Node) error {
	if err := stack.Close(); !errors.Is(err, node.ErrNodeStopped) {
		return err
	}
	return nil
}

func nodeConfig(cfg Config) *node.Config {
	const host = "127.0.0.1"
	modules := []string{"eth", "net", "web3", "txpool"}
	return &node.Config{
		Name:    "devchain",
		DataDir: cfg.Dir,
		P2P:     p2p.Config{NoDial: true, NoDiscovery: true},
		Logger:  gethLogger(cfg.Log),

		HTTPHost: host, HTTPPort: cfg.Port, HTTPModules: modules,
		WSHost: host, WSPort: cfg.Port, WSModules: modules,
		HTTPTimeouts:         rpc.DefaultHTTPTimeouts,
		BatchRequestLimit:    node.DefaultConfig.BatchRequestLimit,
		BatchResponseMaxSize: node.DefaultConfig.BatchResponseMaxSize,
	}
}

func ethConfig(cfg Config) ethconfig.Config {
	config := ethconfig.Defaults
	config.Genesis = genesis(cfg)
	config.NetworkId = cfg.ChainID
	config.SyncMode = ethconfig.FullSync
	config.HistoryMode = history.HistoryPolicy{Mode: history.KeepAll}

	// The state of every block goes to disk at once and stays there: a killed process
	// finds its head again, and calls work at any block.
	config.StateScheme = rawdb.HashScheme
	config.NoPruning = true
	config.SnapshotCache = 0
	config.DatabaseCache = 64
	config.DatabaseHandles = 256
	config.TrieCleanCache = 32
	config.TrieDirtyCache = 0
	config.BlobPool.Datadir = ""

	config.TransactionHistory = 0 // index all
	config.LogNoHistory = true    // no log index: blooms do at this size, and never lag behind the head
	config.RPCGasCap = 0
	config.RPCTxFeeCap = 0
	config.RPCEVMTimeout = 30 * time.Second

	config.Miner.GasCeil = cfg.GasLimit
	config.Miner.GasPrice = big.NewInt(1) // wei: any tip will do
	config.Miner.Recommit = 10 * time.Second

	const perAccount, all = 16_384, 131_072
	config.TxPool.NoLocals = true
	config.TxPool.AccountSlots, config.TxPool.AccountQueue = perAccount, perAccount
	config.TxPool.GlobalSlots, config.TxPool.GlobalQueue = all, all
	return config
}

// genesis is geth's development genesis, with Osaka active from the start. The
// chain id is written into it, so that its hash tells chains apart.
func genesis(cfg Config) *core.Genesis {
	genesis := core.DeveloperGenesisBlock(cfg.GasLimit, nil)
	genesis.Config.ChainID = new(big.Int).SetUint64(cfg.ChainID)
	genesis.Config.AmsterdamTime, genesis.Config.BogotaTime = nil, nil // Osaka, and its gas costs, is where public chains are
	genesis.ExtraData = binary.BigEndian.AppendUint64(nil, cfg.ChainID)
	genesis.BaseFee = big.NewInt(params.GWei)
	for address, balance := range cfg.Alloc {
		genesis.Alloc[address] = types.Account{Balance: balance}
	}
	return genesis
}

// isLocked says that another process holds the node's directory, or, for a moment
// after its death, only the database inside.
func isLocked(err error) bool {
	return errors.Is(err, node.ErrDatadirUsed) || errors.Is(err, syscall.EAGAIN)
}
