package cli

import (
	"github.com/spf13/cobra"

	"assay/graphql/analytics"
	"assay/graphql/subgraph"
	"assay/internal/clickhouse"
	"assay/internal/telemetry"
)

func serveCommand() *cobra.Command {
	command := &cobra.Command{
		Use:     "serve",
		Short:   "Serve the marketplace over GraphQL",
		Long:    "Serve the rows of ClickHouse over GraphQL at /graphql, with GraphiQL for browsers, and\n/metrics, /healthz and /readyz beside it.",
		Example: "  assay serve --listen :8080 --clickhouse clickhouse:8123",
		Args:    cobra.NoArgs,
		RunE:    runServe,
	}
	bind(command, "listen", "client-header", "clickhouse", "clickhouse-database", "clickhouse-user", "clickhouse-password-file")
	return command
}

func runServe(command *cobra.Command, _ []string) error {
	config, log, err := start(command)
	if err != nil {
		return err
	}
	listener, err := telemetry.Listen(config.Listen, "listen")
	if err != nil {
		return err
	}
	database, err := config.database()
	if err != nil {
		return usage(err)
	}
	// A user of its own is bounded in the database (deploy/clickhouse/reader.xml), and may not
	// ask for less.
	database.ReadOnly = database.User == "default"
	db, err := clickhouse.Open(command.Context(), database)
	if err != nil {
		return err
	}
	subgraphs, err := subgraph.Site(log)
	if err != nil {
		return err
	}
	log.Info("GraphQL answers", "address", listener.Addr().String())
	return analytics.Serve(command.Context(), listener, analytics.Config{ClientHeader: config.ClientHeader, Database: db, Log: log, Metrics: telemetry.NewRegistry(), Beside: subgraphs})
}
