package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"assay/indexer/source"
	"assay/schema/chains"
)

func presetsCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "presets",
		Short: "Print the chains that --chain can name, and compare one with its chain",
		Long: `Print the presets of the chains that --chain can name. With --rpc ask the endpoint which
chain it serves, and compare that chain's preset, or the preset file that --chain names,
with what is there. It fails if anything is not as the preset says.`,
		Example: "  assay chain presets --rpc https://…\n  assay chain presets --chain dev.json --rpc http://127.0.0.1:8545",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			config, _, err := start(command)
			if err != nil {
				return err
			}
			if command.Flags().Changed("rpc") {
				return config.comparePreset(command.Context(), command.OutOrStdout())
			}
			presets, err := chains.All()
			if err != nil {
				return err
			}
			encoder := json.NewEncoder(command.OutOrStdout())
			encoder.SetIndent("", "  ")
			return encoder.Encode(presets)
		},
	}
	bind(command, "chain", "rpc")
	return command
}

// comparePreset prints how a preset compares with the chain that an endpoint serves.
func (c Config) comparePreset(ctx context.Context, out io.Writer) error {
	log, err := c.logger()
	if err != nil {
		return usage(err)
	}
	endpoints, err := source.Dial(ctx, c.endpoints()[:1], log)
	if err != nil {
		return fmt.Errorf("the chain's RPC endpoint cannot be reached, check --rpc: %w", err)
	}
	defer endpoints[0].RPC.Close()
	preset, err := c.presetOf(ctx, endpoints[0])
	if err != nil {
		return err
	}
	findings, err := source.ComparePreset(ctx, preset, endpoints[0])
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%s\tpreset\tchain\t\n", preset.Name) //nolint:errcheck // Flush tells
	wrong := 0
	for _, f := range findings {
		if f.Verdict == source.Differs {
			wrong++
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.What, f.Preset, f.Chain, f.Verdict) //nolint:errcheck // as above
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("the preset %s differs from its chain in %d of %d points", preset.Name, wrong, len(findings))
	}
	return nil
}

// presetOf is the preset that --chain names, or else the one of the endpoint's chain.
func (c Config) presetOf(ctx context.Context, endpoint source.Endpoint) (chains.Preset, error) {
	if c.Chain != "" {
		preset, err := c.preset()
		return preset, usage(err)
	}
	id, err := source.ChainID(ctx, endpoint)
	if err != nil {
		return chains.Preset{}, err
	}
	presets, err := chains.All()
	if err != nil {
		return chains.Preset{}, err
	}
	i := slices.IndexFunc(presets, func(p chains.Preset) bool { return p.ChainID == id })
	if i < 0 {
		return chains.Preset{}, usage(fmt.Errorf("no preset is of chain %d, which the endpoint serves: name a preset file with --chain", id))
	}
	return presets[i], nil
}
