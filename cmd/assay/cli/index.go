package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"assay/cmd/assay/roles"
	"assay/internal/clickhouse"
)

// maxLag is how many blocks an index may be behind the chain and still be ready.
const maxLag = 20

func indexCommand() *cobra.Command {
	command := &cobra.Command{
		Use:     "index",
		Short:   "Follow a chain into the chain log, and the logs into ClickHouse",
		Example: "  assay index --chain arbitrum-one --rpc https://… --kafka kafka:9092 --clickhouse clickhouse:8123",
		Args:    cobra.NoArgs,
		RunE:    runIndex,
	}
	bind(command, "chain", "rpc", "verify", "kafka", "clickhouse", "clickhouse-database", "clickhouse-user", "clickhouse-password-file", "metrics")
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
	if err := roles.Migrate(ctx, database); err != nil {
		return err
	}
	db, err := clickhouse.Open(ctx, database)
	if err != nil {
		return err
	}
	index := deps.NewIndex(db)
	return config.role(ctx, log, func() error {
		if lag := index.Source.Status().Lag(); lag > maxLag {
			return fmt.Errorf("%d blocks behind the chain", lag)
		}
		return nil
	}, index.Run)
}
