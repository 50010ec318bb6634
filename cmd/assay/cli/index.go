package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"assay/cmd/assay/roles"
	"assay/indexer/source"
	"assay/internal/clickhouse"
	"assay/internal/telemetry"
)

// maxLag and maxLagSeconds are how many blocks, or else seconds, an index may be behind
// the chain and still be ready.
const (
	maxLag        = 20
	maxLagSeconds = 30
)

func indexCommand() *cobra.Command {
	command := &cobra.Command{
		Use:     "index",
		Short:   "Follow a chain into the chain log, and the logs into ClickHouse",
		Example: "  assay index --chain arbitrum-one --rpc https://… --kafka kafka:9092 --clickhouse clickhouse:8123",
		Args:    cobra.NoArgs,
		RunE:    runIndex,
	}
	bind(command, "chain", "rpc", "verify", "kafka", "clickhouse", "clickhouse-database", "clickhouse-user", "clickhouse-password-file", "clickhouse-cluster", "state", "state-rows", "metrics")
	return command
}

func runIndex(command *cobra.Command, _ []string) error {
	ctx := command.Context()
	config, log, err := start(command)
	if err != nil {
		return err
	}
	deps, closeAll, err := config.connect(ctx, log)
	if err != nil {
		return err
	}
	defer closeAll()
	database, err := config.database()
	if err != nil {
		return usage(err)
	}
	if err := roles.Migrate(ctx, database, config.ClickHouseCluster); err != nil {
		return err
	}
	db, err := clickhouse.Open(ctx, database)
	if err != nil {
		return err
	}
	deps.State, deps.StateRows = config.State, int(config.StateRows)
	index := deps.NewIndex(db)
	registry := telemetry.NewRegistry()
	if err := registry.Register(index.Source); err != nil {
		return err
	}
	ready := func() error { return indexReady(index.Source.Status()) }
	show := func(ctx context.Context) error { return progress(ctx, index.Source.Status, os.Stderr, log) }
	return config.measured(ctx, log, registry, ready, index.Run, show)
}

// indexReady says why an index is not ready: it lags by blocks and by time, or cannot go on.
func indexReady(status source.Status) error {
	switch {
	case status.Head == 0:
		return errors.New("no block of the chain was seen yet")
	case status.LastError != nil:
		return status.LastError
	case status.Lag() > maxLag && status.LagSeconds() > maxLagSeconds:
		return fmt.Errorf("%d blocks, %d seconds behind the chain", status.Lag(), status.LagSeconds())
	}
	return nil
}
