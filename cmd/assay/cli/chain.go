package cli

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/spf13/cobra"

	"assay/cmd/assay/roles"
	"assay/contracts/deploy"
	"assay/internal/devchain"
	"assay/schema/chains"
)

func chainCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "chain",
		Short: "Look at the chains that Assay knows, or make one to develop on",
		Args:  cobra.NoArgs,
		RunE:  help,
	}
	command.AddCommand(presetsCommand(), devCommand(), deployCommand())
	return command
}

func presetsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "presets",
		Short: "Print the chains that --chain can name",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			presets, err := chains.All()
			if err != nil {
				return err
			}
			encoder := json.NewEncoder(command.OutOrStdout())
			encoder.SetIndent("", "  ")
			return encoder.Encode(presets)
		},
	}
}

func devCommand() *cobra.Command {
	var dir string
	var port int
	var block time.Duration
	command := &cobra.Command{
		Use:   "dev",
		Short: "Run a development chain that keeps its blocks, and gives coins to the account of --key-file",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			config, log, err := start(command)
			if err != nil {
				return err
			}
			key, err := config.key()
			if err != nil {
				return usage(err)
			}
			coins := new(big.Int).Exp(big.NewInt(10), big.NewInt(27), nil)
			chain, err := devchain.Start(devchain.Config{
				Dir: dir, ChainID: 1337, Port: port, Period: block, Log: log,
				Alloc: map[common.Address]*big.Int{crypto.PubkeyToAddress(key.PublicKey): coins},
			})
			if err != nil {
				return err
			}
			log.Info("the chain answers", "http", chain.HTTPURL(), "ws", chain.WSURL())
			<-command.Context().Done()
			return chain.Close()
		},
	}
	command.Flags().StringVar(&dir, "dir", "data/chain", "folder to keep the chain in")
	command.Flags().IntVar(&port, "port", 8545, "port of JSON-RPC over HTTP and WebSocket, on loopback")
	command.Flags().DurationVar(&block, "block-time", time.Second, "time between blocks")
	bind(command, "key-file", "password-file")
	return command
}

func deployCommand() *cobra.Command {
	var packages, out, name string
	command := &cobra.Command{
		Use:   "deploy",
		Short: "Deploy the PoCo contracts on a development chain, and write its preset file",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			config, _, err := start(command)
			if err != nil {
				return err
			}
			key, err := config.key()
			if err != nil {
				return usage(err)
			}
			client, err := rpc.DialContext(command.Context(), config.RPC)
			if err != nil {
				return fmt.Errorf("the chain's RPC endpoint cannot be reached, check --rpc: %w", roles.WithoutURL(err))
			}
			defer client.Close()
			deployed, err := deploy.Deploy(command.Context(), deploy.Config{Client: client, Key: key, Packages: packages})
			if err != nil {
				return err
			}
			return writePreset(command, client, name, out, deployed)
		},
	}
	command.Flags().StringVar(&packages, "packages", "node_modules", "folder with the npm package @iexec/poco (`make deps`)")
	command.Flags().StringVar(&out, "out", "dev.json", "preset file to write")
	command.Flags().StringVar(&name, "name", "dev", "name of the chain: it names the topics and the endpoints")
	bind(command, "rpc", "key-file", "password-file")
	return command
}

// devConfirmations is how deep a block is before a pool acts on it, on a chain of one
// node.
const devConfirmations = 2

func writePreset(command *cobra.Command, client *rpc.Client, name, out string, deployed deploy.Deployment) error {
	var id string
	if err := client.CallContext(command.Context(), &id, "eth_chainId"); err != nil {
		return err
	}
	chainID, ok := new(big.Int).SetString(id, 0)
	if !ok || !chainID.IsUint64() {
		return fmt.Errorf("the RPC endpoint says that its chain id is %q", id)
	}
	preset := DevPreset(name, chainID.Uint64(), deployed)
	data, err := json.MarshalIndent(preset, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(out, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the preset: %w", err)
	}
	_, err = fmt.Fprintf(command.OutOrStdout(), "PoCo is at %s on chain %d; use it with --chain %s\n", preset.Hub, preset.ChainID, out)
	return err
}

// DevPreset describes a development chain with the contracts of @iexec/poco 6.1.0.
func DevPreset(name string, chainID uint64, deployed deploy.Deployment) chains.Preset {
	return chains.Preset{
		Name:               name,
		ChainID:            chainID,
		Hub:                deployed.Hub.Hex(),
		AppRegistry:        deployed.AppRegistry.Hex(),
		DatasetRegistry:    deployed.DatasetRegistry.Hex(),
		WorkerpoolRegistry: deployed.WorkerpoolRegistry.Hex(),
		Native:             deployed.Native,
		Confirmations:      devConfirmations,
		Eras:               []chains.Era{{CallbackGas: 100_000}},
	}
}
