package cli

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"assay/cmd/assay/roles"
	"assay/indexer/source"
	"assay/internal/kafka"
	"assay/internal/telemetry"
)

// poll is how often roles ask a chain for news.
const poll = time.Second

// connect dials what a role that works on a chain stands on, and makes sure that it is
// what the settings say.
func (c Config) connect(ctx context.Context, log *slog.Logger) (deps roles.Deps, closeAll func(), err error) {
	deps = roles.Deps{Poll: poll, Log: log}
	if deps.Preset, err = c.preset(); err != nil {
		return deps, nil, &exitError{exitUsage, err}
	}
	if deps.Endpoints, err = source.Dial(ctx, c.endpoints(), log); err != nil {
		return deps, nil, fmt.Errorf("the chain's RPC endpoint cannot be reached, check --rpc: %w", err)
	}
	if deps.Verify, err = source.ParseVerify(c.Verify); err != nil {
		return deps, nil, &exitError{exitUsage, fmt.Errorf("--verify: %w", err)}
	}
	deps.Kafka = kafka.NewClient(c.Kafka)
	closeAll = func() {
		for _, endpoint := range deps.Endpoints {
			endpoint.RPC.Close()
		}
		if err := deps.Kafka.Close(); err != nil {
			log.Debug("closing the connections to Kafka", "error", err)
		}
	}
	if deps.RPC, err = deps.CheckChain(ctx); err == nil {
		err = c.checkKafka(ctx, deps)
	}
	if err != nil {
		closeAll()
	}
	return deps, closeAll, err
}

func (c Config) checkKafka(ctx context.Context, deps roles.Deps) error {
	if err := pingKafka(ctx, deps.Kafka); err != nil {
		return err
	}
	return deps.CreateTopics(ctx)
}

// pools are the addresses that --workerpool names, or else the chain's preset.
func (c Config) pools() ([]common.Address, error) {
	if len(c.Workerpool) > 0 {
		return addresses("workerpool", c.Workerpool)
	}
	preset, err := c.preset()
	if err != nil {
		return nil, err
	}
	return addresses("workerpool", preset.Workerpools)
}

func addresses(setting string, texts []string) ([]common.Address, error) {
	found := make([]common.Address, len(texts))
	for i, text := range texts {
		if !common.IsHexAddress(text) {
			return nil, &exitError{exitUsage, fmt.Errorf("--%s %s: not an address", setting, text)}
		}
		found[i] = common.HexToAddress(text)
	}
	return found, nil
}

// role runs a role that acts on the chain and the chain log: it is ready as they are.
func (c Config) role(ctx context.Context, deps roles.Deps, registry *prometheus.Registry, run func(context.Context) error) error {
	around := &neighbours{deps: deps}
	if err := registry.Register(around); err != nil {
		return err
	}
	return c.measured(ctx, deps.Log, registry, around.ready, run)
}

// measured runs a role's parts beside its /metrics, /healthz and /readyz, until the first
// of them fails or ctx ends.
func (c Config) measured(
	ctx context.Context, log *slog.Logger, registry *prometheus.Registry, ready func() error, parts ...func(context.Context) error,
) error {
	listener, err := telemetry.Listen(c.Metrics, "metrics")
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return telemetry.Serve(ctx, listener, telemetry.Handler(registry, ready), log)
	})
	for _, part := range parts {
		group.Go(func() error { return part(ctx) })
	}
	return group.Wait()
}

// start is how every role begins: settings, then the logger.
func start(command *cobra.Command) (Config, *slog.Logger, error) {
	config, err := load(command)
	if err != nil {
		return Config{}, nil, usage(err)
	}
	log, err := config.logger()
	return config, log, usage(err)
}

// usage marks an error as one of wrong settings.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{exitUsage, err}
}
