package cli

import (
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"assay/cmd/assay/demo"
)

func demoCommand() *cobra.Command {
	options := demo.Options{}
	command := &cobra.Command{
		Use:   "demo",
		Short: "Play a whole marketplace on this machine, and account for every nRLC",
		Long: `Start a chain, Kafka and ClickHouse in this process, deploy the real PoCo contracts, run
every role of Assay, and make deals that end in every way a deal can: by consensus, by an
enclave's word, after a reopening, by a claim. At last compare every account that GraphQL
serves with the contract's own word: one nRLC of difference is an error (exit 3).

The API stays up until Ctrl-C. With --data a later run goes on where this one stopped.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := load(command)
			if err != nil {
				return usage(err)
			}
			log, err := config.logger()
			if err != nil {
				return usage(err)
			}
			options.Listen = config.Listen
			options.Out, options.Progress = command.OutOrStdout(), command.ErrOrStderr()
			options.Terminal = term.IsTerminal(int(os.Stderr.Fd())) && !options.JSON
			return runDemo(command, options, log)
		},
	}
	flags := command.Flags()
	flags.IntVar(&options.Workers, "workers", 8, "how many workers")
	flags.IntVar(&options.Tasks, "tasks", 16, "how many tasks")
	flags.Uint64Var(&options.Seed, "seed", 1, "keys, deals and prices follow from it")
	flags.StringVar(&options.Data, "data", "", "folder to keep everything in and to go on from; none: a temporary one")
	flags.StringVar(&options.Packages, "packages", "", "node_modules folder with the compiled contracts; none: looked for from here up")
	flags.DurationVar(&options.Block, "block-time", 500*time.Millisecond, "time between blocks")
	flags.BoolVar(&options.Exit, "exit", false, "end after the closing table")
	flags.BoolVar(&options.JSON, "json", false, "print the summary as one JSON object on the last line of standard output")
	bind(command, "listen")
	quiet := flags.Lookup("log-level")
	quiet.DefValue = "warn"
	if err := quiet.Value.Set(quiet.DefValue); err != nil {
		panic(err) // a string flag takes any string
	}
	return command
}

func runDemo(command *cobra.Command, options demo.Options, log *slog.Logger) error {
	err := demo.Run(command.Context(), options, log)
	if errors.Is(err, demo.ErrDifferent) {
		return &exitError{exitDifferent, err}
	}
	return err
}
