package cli

import (
	"github.com/spf13/cobra"

	"assay/cmd/assay/roles"
)

func migrateCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the ClickHouse database up to date",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			config, _, err := start(command)
			if err != nil {
				return err
			}
			database, err := config.database()
			if err != nil {
				return usage(err)
			}
			return roles.Migrate(command.Context(), database, config.ClickHouseCluster)
		},
	}
	bind(command, "clickhouse", "clickhouse-database", "clickhouse-user", "clickhouse-password-file", "clickhouse-cluster")
	return command
}
