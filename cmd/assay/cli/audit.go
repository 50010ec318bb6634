package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"assay/cmd/assay/roles"
	"assay/indexer/audit"
	"assay/internal/clickhouse"
	"assay/internal/kafka"
)

// audited is what `assay audit` is asked for.
type audited struct {
	at     uint64
	all    bool
	sample uint
	seed   uint64
	json   bool
}

func auditCommand() *cobra.Command {
	var asked audited
	command := &cobra.Command{
		Use:   "audit",
		Short: "Recompute everything from the chain log, and compare it with ClickHouse and with the contracts",
		Long: `Fold the chain log anew, as far as it is indexed, and compare what comes out with every row
in ClickHouse, and with the contracts' own word after one block: the newest that is final,
or --at. The contracts are asked for a sample, or for everything with --all. Nothing is
written anywhere. Blocks that are long past need a node with an archive.

Exit 0: all is equal. Exit 3: something differs; each difference names the event that made
the expected value. Exit 2: the audit could not run.`,
		Example: "  assay audit --chain arbitrum-one --rpc https://… --kafka kafka:9092 --clickhouse clickhouse:8123 --all",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return asked.exit(asked.run(command))
		},
	}
	flags := command.Flags()
	flags.Uint64Var(&asked.at, "at", 0, "block to stop at and to compare after; not given: all that is indexed, and the newest final block")
	flags.BoolVar(&asked.all, "all", false, "ask the contracts for everything, not for a sample")
	flags.UintVar(&asked.sample, "sample", audit.DefaultSample, "how many things of a kind to ask the contracts for")
	flags.Uint64Var(&asked.seed, "seed", 1, "of the sample")
	flags.BoolVar(&asked.json, "json", false, "print one JSON object")
	bind(command, "chain", "rpc", "kafka", "clickhouse", "clickhouse-database", "clickhouse-user", "clickhouse-password-file")
	return command
}

// errDifferent says that an audit ran, and found differences.
var errDifferent = errors.New("what is indexed, the contracts and the chain log are not equal")

// exit gives an audit's errors their exit codes. An audit that was interrupted has shown
// nothing, so it did not run.
func (audited) exit(err error) error {
	switch {
	case err == nil, errors.Is(err, errPrinted):
		return err
	case errors.Is(err, errDifferent):
		return &exitError{exitDifferent, err}
	case errors.Is(err, context.Canceled):
		err = errors.New("the audit was interrupted")
	}
	return &exitError{exitUsage, withMaskedURL(err)}
}

// withMaskedURL is an error without what the endpoint's address in it hides.
func withMaskedURL(err error) error {
	failed := (*url.Error)(nil)
	if !errors.As(err, &failed) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), failed.URL, masked(failed.URL)))
}

func (a audited) run(command *cobra.Command) (err error) {
	ctx := command.Context()
	config, log, err := start(command)
	if err != nil {
		return err
	}
	cfg, closeAll, err := config.connectAudit(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	cfg.All, cfg.Sample, cfg.Seed = a.all, int(min(a.sample, 1<<30)), a.seed
	if command.Flags().Changed("at") {
		cfg.At = &a.at
	}
	bars := newBars(command.ErrOrStderr(), term.IsTerminal(int(os.Stderr.Fd())) && !a.json)
	cfg.Progress = bars.show
	report, err := audit.Run(ctx, cfg)
	bars.close()
	if err != nil {
		return err
	}
	if err := a.print(command.OutOrStdout(), report); err != nil {
		return err
	}
	if !report.Equal {
		return errDifferent
	}
	return nil
}

// connectAudit connects to what an audit reads. It creates nothing: no topic, no database.
func (c Config) connectAudit(ctx context.Context, log *slog.Logger) (cfg audit.Config, closeAll func() error, err error) {
	preset, err := c.preset()
	if err != nil {
		return cfg, nil, err
	}
	database, err := c.database()
	if err != nil {
		return cfg, nil, err
	}
	database.ReadOnly = true
	client, err := rpc.DialContext(ctx, c.endpoints()[0])
	if err != nil {
		return cfg, nil, fmt.Errorf("the chain's RPC endpoint cannot be reached, check --rpc: %w", roles.WithoutURL(err))
	}
	deps := roles.Deps{Preset: preset, RPC: client, Kafka: kafka.NewClient(c.Kafka), Log: log}
	disconnect := func() error {
		client.Close()
		return deps.Kafka.Close()
	}
	cfg = audit.Config{Preset: preset, Topics: deps.Topics(), Kafka: deps.Kafka, RPC: client}
	if cfg.DB, err = checkAudit(ctx, deps, database); err != nil {
		return cfg, nil, errors.Join(err, disconnect())
	}
	return cfg, func() error { return errors.Join(cfg.DB.Close(), disconnect()) }, nil
}

func checkAudit(ctx context.Context, deps roles.Deps, database clickhouse.Config) (driver.Conn, error) {
	if _, err := deps.CheckChain(ctx); err != nil {
		return nil, err
	}
	brief, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := deps.Kafka.Ping(brief); err != nil {
		return nil, fmt.Errorf("Kafka cannot be reached, check --kafka: %w", err)
	}
	return clickhouse.Open(ctx, database)
}

// print writes a report for a program or for a person.
func (a audited) print(out io.Writer, report *audit.Report) error {
	if a.json {
		return json.NewEncoder(out).Encode(report)
	}
	for _, difference := range report.Differences {
		if _, err := fmt.Fprintln(out, difference); err != nil {
			return err
		}
	}
	if report.Omitted > 0 {
		if _, err := fmt.Fprintf(out, "and %d differences more\n", report.Omitted); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(out, summary(report)+"\n"+ranges(report.Ledger)+"\n"+verdict(report)+"\n"+completeness(report.Ledger))
	return err
}

// maxRanges bounds how many ranges of the ledger are shown; --json has them all.
const maxRanges = 40

// ranges is the table of the ledger.
func ranges(l audit.Ledger) string {
	writer := table.NewWriter()
	writer.SetStyle(table.StyleLight)
	writer.AppendHeader(table.Row{"from block", "to block", "known", "blocks"})
	for _, r := range l.Ranges[:min(len(l.Ranges), maxRanges)] {
		writer.AppendRow(table.Row{r.From, r.To, r.State, r.To - r.From + 1})
	}
	if more := len(l.Ranges) - maxRanges; more > 0 {
		writer.AppendFooter(table.Row{"", "", fmt.Sprintf("and %d ranges more", more)})
	}
	return writer.Render()
}

// completeness says how much of the chain is in the log, and what of it is not believed.
func completeness(l audit.Ledger) string {
	text := fmt.Sprintf("The ledger of ranges, the only statement of completeness: %.2f %% of blocks %d to %d are scanned (fetched %d, bloom %d, receipts %d), failed %d, owed %d.",
		l.Percent, l.Start, l.Head, l.Blocks[audit.StateFetched], l.Blocks[audit.StateBloom], l.Blocks[audit.StateReceipts],
		l.Blocks[audit.StateFailed], l.Blocks[audit.StateOwed])
	for _, r := range l.Failed() {
		text += fmt.Sprintf("\nNOT COMPLETE: blocks %d to %d FAILED, their events are not in the log: %s", r.From, r.To, r.Failure)
	}
	return text
}

// summary is a table of what was compared.
func summary(report *audit.Report) string {
	writer := table.NewWriter()
	writer.SetStyle(table.StyleLight)
	empty := 0
	writer.AppendHeader(table.Row{"the log against", "kind", "compared", "of", "changed since", "different"})
	for _, side := range []struct {
		name   string
		counts map[string]*audit.Count
	}{{"contracts", report.Compared.Contracts}, {"ClickHouse", report.Compared.ClickHouse}, {"(tables, each other)", report.Compared.Tables}} {
		for _, kind := range slices.Sorted(maps.Keys(side.counts)) {
			c := side.counts[kind]
			if *c == (audit.Count{}) {
				empty++
				continue
			}
			writer.AppendRow(table.Row{side.name, kind, c.Compared, c.Of, c.Changed, c.Different})
		}
	}
	writer.AppendFooter(table.Row{"", fmt.Sprintf("%d without rows", empty)})
	return writer.Render()
}

func verdict(report *audit.Report) string {
	log := report.Compared.Log
	text := fmt.Sprintf("%d records of the chain log: %d blocks with %d events, %d retractions, %d marks, %d repeats; %d settlements checked.\n",
		log.Records, log.Blocks, log.Events, log.Retractions, log.Marks, log.Repeated, log.Settlements)
	text += fmt.Sprintf("ClickHouse was compared as of block %d, the contracts after block %d, in %.1f s: ", report.Indexed, report.Block, report.Seconds)
	if report.Equal {
		return text + "equal."
	}
	return text + fmt.Sprintf("%d differences.", uint64(len(report.Differences))+report.Omitted)
}
