package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"assay/cmd/assay/whatif"
	"assay/consensus/poco"
	"assay/consensus/replay"
)

// replayFlags are what `assay replay` is told beside the settings of roles.
type replayFlags struct{ policy, log, format, out string }

func replayCommand() *cobra.Command {
	var f replayFlags
	command := &cobra.Command{
		Use:   "replay",
		Short: "Replay a recorded chain log under other rules, and report what would have changed",
		Long: `Fold the chain log as it is, and beside it settle every task again under a policy: another
trust, weight of workers, stake, or split of rewards. Who contributed what and who revealed is
taken as recorded; consensus, payments, seizures and scores are computed again. The report
has every worker, workerpool and task before and after, and the totals.

A policy file (YAML) has any of these keys; what it leaves out stays as on the chain:

  trust:
    fixed: 5          # every deal's; or minimum: 5, or multiply: 2
  weight:
    function: linear  # poco, constant (with value: 3), linear, log
    cap: 10
  stake: 50           # percent of the workerpool's price
  reward:
    scheduler: 10     # percent for the workerpool's owner
    split: equal      # log-weight, weight, equal
    log: ceil         # how log weights are rounded: era, floor, ceil`,
		Example: `  assay replay --policy policy.yaml --chain arbitrum-one --kafka kafka:9092 --format csv --out report
  assay replay --policy policy.yaml --chain arbitrum-one --log arbitrum.log > report.json`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return runReplay(command, f) },
	}
	flags := command.Flags()
	flags.StringVar(&f.policy, "policy", "", "YAML file with the other rules")
	flags.StringVar(&f.log, "log", "", "file that assay export recorded; none: read the log from Kafka")
	flags.StringVar(&f.format, "format", "json", strings.Join(whatif.Formats, ", "))
	flags.StringVar(&f.out, "out", "", "folder to write csv or parquet to, or file for json; none: json to standard output")
	bind(command, "chain", "kafka")
	return command
}

func (f replayFlags) check() error {
	switch {
	case f.policy == "":
		return errors.New("name the other rules: --policy FILE")
	case !slices.Contains(whatif.Formats, f.format):
		return fmt.Errorf("--format %s: use one of %s", f.format, strings.Join(whatif.Formats, ", "))
	case f.format != "json" && f.out == "":
		return fmt.Errorf("--format %s writes several files: name the folder with --out", f.format)
	}
	return nil
}

func runReplay(command *cobra.Command, f replayFlags) error {
	config, _, err := start(command)
	if err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return usage(err)
	}
	text, err := os.ReadFile(f.policy)
	if err != nil {
		return usage(fmt.Errorf("reading the policy: %w", err))
	}
	policy, err := whatif.ParsePolicy(text)
	if err != nil {
		return usage(fmt.Errorf("policy %s: %w", f.policy, err))
	}
	preset, err := config.preset()
	if err != nil {
		return usage(err)
	}
	fold := replay.New(poco.RulesOf(preset), policy)
	show := newBars(command.ErrOrStderr(), term.IsTerminal(int(os.Stderr.Fd())))
	err = config.readLog(command.Context(), preset, f.log, show, fold.Add)
	show.close()
	if err != nil {
		return err
	}
	report, err := fold.Report()
	if err != nil {
		return err
	}
	return f.write(command, whatif.TablesOf(report))
}

// write writes the report, and the totals for who looks on.
func (f replayFlags) write(command *cobra.Command, tables whatif.Tables) error {
	if f.out == "" {
		return whatif.WriteJSON(command.OutOrStdout(), tables)
	}
	if err := f.save(tables); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	totals := table.NewWriter()
	totals.SetStyle(table.StyleLight)
	totals.AppendHeader(table.Row{"", "before", "after", "difference"})
	for _, t := range tables.Totals {
		totals.AppendRow(table.Row{t.Name, t.Before, t.After, t.Difference})
	}
	_, err := fmt.Fprintln(command.OutOrStdout(), totals.Render())
	return err
}

func (f replayFlags) save(tables whatif.Tables) error {
	if f.format != "json" {
		return whatif.WriteFolder(f.out, f.format, tables)
	}
	file, err := os.Create(f.out)
	if err != nil {
		return err
	}
	return errors.Join(whatif.WriteJSON(file, tables), file.Close())
}
