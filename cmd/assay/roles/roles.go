// Package roles puts together what each role of Assay consists of. The sub-commands run
// one role against the addresses they are given, the demo runs all of them against
// embedded servers: the wiring is the same.
package roles

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/url"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"golang.org/x/sync/errgroup"

	"assay/consensus/collateral"
	"assay/consensus/engine"
	"assay/consensus/poco"
	"assay/consensus/settlement"
	"assay/indexer/sink"
	"assay/indexer/source"
	"assay/internal/clickhouse"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/chains"
	migrations "assay/schema/clickhouse"
	"assay/workers"
)

// Deps are what roles stand on.
type Deps struct {
	Preset chains.Preset
	RPC    *rpc.Client
	Kafka  *kafka.Client
	Poll   time.Duration // how often the chain is asked for news

	Endpoints []source.Endpoint // that an index reads; none: RPC
	Verify    source.Verify     // how much of what they answer an index proves

	State     string // directory for the state of an index; empty: in memory only
	StateRows int    // of it that stay in memory; 0: the sink's default

	Log *slog.Logger
}

// Partitions of the contributions and decisions logs, keyed by task.
const Partitions = 4

// Topics are the names of the chain's logs.
func (d Deps) Topics() schema.Topics { return schema.TopicsOf(d.Preset.Name) }

// Hub is the address of the PoCo contract.
func (d Deps) Hub() common.Address { return common.HexToAddress(d.Preset.Hub) }

// CheckChain makes sure that the endpoints serve the preset's chain, and that there is a
// contract at the hub's address. It returns the first endpoint that answers.
func (d Deps) CheckChain(ctx context.Context) (*rpc.Client, error) {
	return source.Check(ctx, d.Preset, d.endpoints(), d.Log)
}

// WithoutURL is what went wrong with a request, without the address: endpoints' addresses
// hold API keys.
func WithoutURL(err error) error {
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// CreateTopics makes the chain's logs, where they are missing.
func (d Deps) CreateTopics(ctx context.Context) error {
	topics := d.Topics()
	if err := d.Kafka.CreateTopic(ctx, topics.Log, 1, schema.MaxRecordBytes); err != nil {
		return err
	}
	if err := collateral.CreateTopic(ctx, d.Kafka); err != nil {
		return err
	}
	for _, topic := range []string{topics.Contributions, topics.Decisions} {
		if err := d.Kafka.CreateTopic(ctx, topic, Partitions, schema.MaxMessageBytes); err != nil {
			return err
		}
	}
	return nil
}

// Migrate brings the database up to date. Its tables are those of a cluster where one is
// named.
func Migrate(ctx context.Context, database clickhouse.Config, cluster string) error {
	if cluster == "" {
		return clickhouse.Migrate(ctx, database, migrations.Migrations)
	}
	clustered, err := migrations.Cluster(migrations.Migrations, cluster)
	if err != nil {
		return err
	}
	return clickhouse.Migrate(ctx, database, clustered)
}

// Index is the role that follows the chain and writes rows.
type Index struct {
	Source  *source.Source
	newSink func() *sink.Sink
	log     *slog.Logger
}

// NewIndex prepares an index that writes to a migrated database.
func (d Deps) NewIndex(db driver.Conn) *Index {
	topics := d.Topics()
	return &Index{
		Source: source.New(source.Config{
			Preset: d.Preset, Endpoints: d.endpoints(), Verify: d.Verify, Kafka: d.Kafka, Topic: topics.Log, Poll: d.Poll, Log: d.Log,
		}),
		newSink: func() *sink.Sink {
			return sink.New(sink.Config{
				Preset: d.Preset, Topics: topics, Kafka: d.Kafka, DB: db, Log: d.Log, State: d.State, StateRows: d.StateRows,
			})
		},
		log: d.Log,
	}
}

// endpoints are those that the chain is read from.
func (d Deps) endpoints() []source.Endpoint {
	if len(d.Endpoints) > 0 {
		return d.Endpoints
	}
	return []source.Endpoint{{Name: "chain", RPC: d.RPC}}
}

// Run indexes until ctx ends.
func (i *Index) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return i.Source.Run(ctx) })
	group.Go(func() error { return i.sink(ctx) })
	return group.Wait()
}

// Of two indexes that were started by mistake one should end, not both: the sink of one may
// be second while the source of the other is. Whose sink is second waits a while for the
// other to end, and gives up only if it is second again soon after.
const (
	sinkWaits   = 5 * time.Second
	sinkGivesUp = time.Minute
)

// sink writes rows until ctx ends.
func (i *Index) sink(ctx context.Context) error {
	var lost time.Time
	for {
		err := i.newSink().Run(ctx)
		if !errors.As(err, new(*sink.FencedError)) || time.Since(lost) < sinkGivesUp {
			return err
		}
		lost = time.Now()
		i.log.Warn("waiting whether the other one goes on", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(sinkWaits):
		}
	}
}

// Pool is the role that decides for workerpools and settles.
type Pool struct {
	Settlement *settlement.Settlement
	Metrics    *engine.Metrics
	config     engine.Config
	deps       Deps
}

// NewPool prepares to decide for pools. root is whom enclave quotes must chain to; nil
// where none is named, see QuoteRoot.
func (d Deps) NewPool(pools []engine.Pool, root *x509.Certificate) (*Pool, error) {
	root, err := QuoteRoot(d.Preset, root)
	if err != nil {
		return nil, err
	}
	owners := make(map[common.Address]common.Address)
	var keys []*ecdsa.PrivateKey
	for _, pool := range pools {
		owners[pool.Address] = crypto.PubkeyToAddress(pool.Owner.PublicKey)
		keys = append(keys, pool.Owner)
	}
	node := settlement.NewNode(d.RPC, d.Hub(), d.Preset.ChainID, keys)
	return &Pool{
		deps:    d,
		Metrics: &engine.Metrics{},
		config: engine.Config{
			ChainID:       d.Preset.ChainID,
			Hub:           d.Hub(),
			Rules:         poco.RulesOf(d.Preset),
			Confirmations: d.Preset.Confirmations,
			Pools:         pools,
			QuoteRoot:     root,
		},
		Settlement: settlement.New(settlement.Config{
			ChainID:       d.Preset.ChainID,
			Confirmations: d.Preset.Confirmations,
			Owners:        owners,
			Poll:          d.Poll,
		}, node, d.Kafka, d.Topics(), d.Log),
	}, nil
}

// Run decides and settles until ctx ends. On a development chain it also says that
// development machines are up to date.
func (p *Pool) Run(ctx context.Context) error {
	group, running := errgroup.WithContext(ctx)
	if p.deps.Preset.Development {
		if err := p.deps.vouchForDevelopment(ctx); err != nil {
			return err
		}
		group.Go(func() error { return p.deps.keepVouching(running) })
	}
	group.Go(func() error {
		return engine.Run(running, p.config, p.deps.Kafka, p.deps.Topics(), p.Metrics, p.deps.Log)
	})
	group.Go(func() error { return p.Settlement.Run(running) })
	return group.Wait()
}

// NewFleet prepares workers.
func (d Deps) NewFleet(members []workers.Agent) (*workers.Fleet, error) {
	return workers.New(workers.Config{
		ChainID: d.Preset.ChainID,
		Hub:     d.Hub(),
		Topics:  d.Topics(),
		Kafka:   d.Kafka,
		RPC:     d.RPC,
		Depth:   d.Preset.Confirmations,
		Poll:    d.Poll,
		Log:     d.Log,
	}, members)
}
