package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"assay/workers"
)

func workerCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "worker",
		Short: "Run tasks for a workerpool: contribute, reveal, earn",
		Long: `Offer this machine to a workerpool, run the tasks that it assigns, contribute and
reveal. Inside an SGX enclave (EGo) tasks that ask for one are taken too.`,
		Example: "  assay worker --chain arbitrum-one --rpc https://… --key-file worker.json --password-file secret --workerpool 0x…",
		Args:    cobra.NoArgs,
		RunE:    runWorker,
	}
	bind(command, "chain", "rpc", "kafka", "key-file", "password-file", "workerpool", "slots", "metrics")
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
	deps, closeAll, err := config.connect(ctx, log)
	if err != nil {
		return err
	}
	defer closeAll()
	enclave, err := workers.NewEgoEnclave()
	if err != nil && !errors.Is(err, workers.ErrNoEnclave) {
		return err
	}
	fleet, err := deps.NewFleet([]workers.Agent{{Key: key, Workerpool: pools[0], Slots: config.Slots, Enclave: enclave}})
	if err != nil {
		return usage(err)
	}
	return config.role(ctx, log, always, fleet.Run)
}
