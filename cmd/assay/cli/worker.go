package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"assay/internal/telemetry"
	"assay/workers"
)

func workerCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "worker",
		Short: "Run tasks for a workerpool: contribute, reveal, earn",
		Long: `Offer this machine to a workerpool, run the tasks that it assigns, contribute and
reveal. Inside an SGX enclave (EGo) tasks that ask for one are taken too; on a development
chain without one as well, and quoted for by a development root.`,
		Example: "  assay worker --chain arbitrum-one --rpc https://… --key-file worker.json --password-file secret --workerpool 0x…",
		Args:    cobra.NoArgs,
		RunE:    runWorker,
	}
	bind(command, "chain", "rpc", "kafka", "key-file", "password-file", "workerpool", "slots", "quote-mode", "metrics")
	return command
}

func runWorker(command *cobra.Command, _ []string) error {
	ctx := command.Context()
	config, log, err := start(command)
	if err != nil {
		return err
	}
	key, err := config.key()
	if err != nil {
		return usage(err)
	}
	pools, err := config.pools()
	if err == nil && len(pools) != 1 {
		err = errors.New("name the one workerpool to work for: --workerpool")
	}
	if err != nil {
		return usage(err)
	}
	if config.QuoteMode != "result" && config.QuoteMode != "session" {
		return usage(fmt.Errorf("--quote-mode %s: use result or session", config.QuoteMode))
	}
	deps, closeAll, err := config.connect(ctx, log)
	if err != nil {
		return err
	}
	defer closeAll()
	enclave, err := deps.NewEnclave(key)
	if err != nil {
		return err
	}
	fleet, err := deps.NewFleet([]workers.Agent{{
		Key: key, Workerpool: pools[0], Slots: config.Slots, Enclave: enclave, Session: config.QuoteMode == "session",
	}})
	if err != nil {
		return usage(err)
	}
	return config.role(ctx, deps, telemetry.NewRegistry(), fleet.Run)
}
