// Package cli is Assay's command line: one sub-command per role, each of them only
// wiring.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes beside 0 (done) and 1 (failed).
const (
	exitUsage     = 2 // could not start: a wrong flag, setting or file
	exitDifferent = 3 // what was compared differs
)

// exitError is an error that ends the process with a code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// New returns the command `assay` with all its sub-commands.
func New() *cobra.Command {
	root := &cobra.Command{
		Use:           "assay",
		Short:         "Settle and index iExec's marketplace for computing",
		Long:          long,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          help,
	}
	root.SetFlagErrorFunc(func(command *cobra.Command, err error) error {
		return &exitError{exitUsage, fmt.Errorf("%w (see `%s --help`)", err, command.CommandPath())}
	})
	root.AddCommand(demoCommand(), indexCommand(), poolCommand(), workerCommand(), serveCommand(),
		auditCommand(), migrateCommand(), replayCommand(), exportCommand(), chainCommand(), attestCommand(), healthCommand(), versionCommand())
	return root
}

// help is what a command does that only has sub-commands.
func help(command *cobra.Command, _ []string) error { return command.Help() }

const long = `Assay is an event-sourced settlement engine and proof-of-contribution indexer for
iExec's marketplace: it follows the PoCo contracts of a chain, judges what workers
contribute, settles tasks on the chain, and serves all of it over GraphQL.

Every setting of a role is a flag, an environment variable (ASSAY_ and the flag's name
in capitals, - as _) and a key of the YAML file named by --config; a flag wins over the
environment, the environment over the file.`

// Main runs the command line and returns the process's exit code.
func Main(arguments []string, stderr io.Writer) int {
	collectOften()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	root := New()
	root.SetArgs(arguments)
	err := root.ExecuteContext(ctx)
	return report(ctx, err, stderr)
}

// collectOften keeps the process small: what it holds is mostly rows and records on their way,
// which a collector that waits until there are twice as many lets lie. Who sets GOGC decides.
func collectOften() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}

func report(ctx context.Context, err error, stderr io.Writer) int {
	coded := (*exitError)(nil)
	switch {
	case err == nil, errors.Is(err, errPrinted), ctx.Err() != nil && errors.Is(err, context.Canceled):
		return 0
	case errors.As(err, &coded):
		say(stderr, err)
		return coded.code
	}
	say(stderr, err)
	return 1
}

func say(stderr io.Writer, err error) {
	text := strings.ReplaceAll(err.Error(), "\n", "; ") // of errors that were joined
	fmt.Fprintln(stderr, "assay:", text)                //nolint:errcheck // there is nowhere else to say it
}
