package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"path/filepath"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
	"golang.org/x/sync/errgroup"

	"assay/internal/clickhouse"
	"assay/internal/devchain"
	"assay/internal/kafka"
)

// chainID of the demo's chain. It is no public chain's, so that nothing signed here is
// worth anything elsewhere.
const chainID = 65535

// chainFinality is how many blocks deep a block of the demo's chain is final.
const chainFinality = 16

// world is what the roles run on: the chain, Kafka and ClickHouse.
type world struct {
	chain    *devchain.Chain
	broker   *kafka.Broker
	engine   *clickhouse.Engine
	rpc      *rpc.Client
	kafka    *kafka.Client
	database clickhouse.Config
}

// open starts the three servers at the same time.
func open(ctx context.Context, dir string, who cast, block time.Duration, log *slog.Logger) (*world, error) {
	w := &world{}
	var group errgroup.Group
	group.Go(func() (err error) {
		w.chain, err = devchain.Start(devchain.Config{
			Dir:      filepath.Join(dir, "chain"),
			ChainID:  chainID,
			Alloc:    allowance(who),
			Period:   block,
			Finality: chainFinality,
			Log:      log,
		})
		return err
	})
	group.Go(func() (err error) {
		w.broker, err = kafka.StartBroker(filepath.Join(dir, "kafka"), 0)
		return err
	})
	group.Go(func() (err error) {
		w.engine, err = clickhouse.StartEngine(ctx, filepath.Join(dir, "clickhouse"))
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.kafka = kafka.NewClient([]string{w.broker.Addr()})
	w.database = w.engine.Config("assay")
	var err error
	if w.rpc, err = rpc.DialContext(ctx, w.chain.WSURL()); err != nil {
		return nil, errors.Join(fmt.Errorf("dialling the chain: %w", err), w.close())
	}
	return w, nil
}

// allowance gives every player coins to pay gas with.
func allowance(who cast) map[common.Address]*big.Int {
	coins := new(big.Int).Exp(big.NewInt(10), big.NewInt(24), nil)
	alloc := make(map[common.Address]*big.Int)
	for _, player := range who.players() {
		alloc[player.address] = coins
	}
	return alloc
}

// close stops what was started, the clients first.
func (w *world) close() error {
	var failures []error
	if w.rpc != nil {
		w.rpc.Close()
	}
	if w.kafka != nil {
		failures = append(failures, w.kafka.Close())
	}
	if w.engine != nil {
		failures = append(failures, w.engine.Close())
	}
	if w.broker != nil {
		failures = append(failures, w.broker.Close())
	}
	if w.chain != nil {
		failures = append(failures, w.chain.Close())
	}
	return errors.Join(failures...)
}
