package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"assay/consensus/secondopinion"
	"assay/internal/kafka"
	"assay/internal/telemetry"
	"assay/schema"
)

func attestWatchCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "watch",
		Short: "Ask ego about every quote that is judged, and raise an alarm where it disagrees",
		Long: `Follow a chain's decisions, ask ego's verifier about every quote that is judged from now
on, and raise an alarm where it disagrees: in the log, as a metric, and as an alert in the
decisions log. It never votes.

Only programs that were built with the tag ego can ask.`,
		Example: "  assay attest watch --chain arbitrum-one --kafka kafka:9092",
		Args:    cobra.NoArgs,
		RunE:    runAttestWatch,
	}
	bind(command, "chain", "kafka", "metrics")
	return command
}

func runAttestWatch(command *cobra.Command, _ []string) error {
	ctx := command.Context()
	config, log, err := start(command)
	if err != nil {
		return err
	}
	if !secondopinion.Built {
		return usage(errors.New("this program has no second opinion: build it with the tag ego, see docs/attestation.md"))
	}
	preset, err := config.preset()
	if err != nil {
		return usage(err)
	}
	client := kafka.NewClient(config.Kafka)
	defer client.Close() //nolint:errcheck // nothing is under way any more
	if err := pingKafka(ctx, client); err != nil {
		return err
	}
	watcher := secondopinion.NewWatcher(preset.Name, client, schema.TopicsOf(preset.Name), secondopinion.Ego, log)
	registry := telemetry.NewRegistry()
	if err := registry.Register(watcher); err != nil {
		return err
	}
	ready := func() error { return pingKafka(ctx, client) }
	return config.measured(ctx, log, registry, ready, watcher.Run)
}

func pingKafka(ctx context.Context, client *kafka.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := client.Ping(ctx); err != nil {
		return fmt.Errorf("Kafka cannot be reached, check --kafka: %w", err)
	}
	return nil
}
