package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/spf13/cobra"

	"assay/cmd/assay/roles"
	"assay/contracts"
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

// deployment is what `assay chain deploy` is asked for.
type deployment struct {
	packages, out, name string
	poolKey, workerKey  string
}

func deployCommand() *cobra.Command {
	var asked deployment
	command := &cobra.Command{
		Use:   "deploy",
		Short: "Deploy the PoCo contracts on a development chain, and write its preset file",
		Long: `Deploy the PoCo contracts and RLC on a development chain, from the account of --key-file,
and write a preset file that other commands take as --chain. With --pool-key-file a
workerpool is registered for that account; it and the account of --worker-key-file get
coins for gas and RLC to stake. Running it again changes nothing.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return asked.run(command) },
	}
	flags := command.Flags()
	flags.StringVar(&asked.packages, "packages", "node_modules", "folder with the npm package @iexec/poco (make deps)")
	flags.StringVar(&asked.out, "out", "dev.json", "preset file to write")
	flags.StringVar(&asked.name, "name", "dev", "name of the chain: it names the topics and the endpoints")
	flags.StringVar(&asked.poolKey, "pool-key-file", "", "key of the account to register a workerpool for")
	flags.StringVar(&asked.workerKey, "worker-key-file", "", "key of a worker's account to endow")
	bind(command, "rpc", "key-file", "password-file")
	return command
}

func (d deployment) run(command *cobra.Command) error {
	ctx := command.Context()
	config, _, err := start(command)
	if err != nil {
		return err
	}
	key, err := config.key()
	if err != nil {
		return usage(err)
	}
	client, err := rpc.DialContext(ctx, config.RPC)
	if err != nil {
		return fmt.Errorf("the chain's RPC endpoint cannot be reached, check --rpc: %w", roles.WithoutURL(err))
	}
	defer client.Close()
	deployed, err := deploy.Deploy(ctx, deploy.Config{Client: client, Key: key, Packages: d.packages})
	if err != nil {
		return roles.WithoutURL(err)
	}
	var id hexutil.Uint64
	if err := client.CallContext(ctx, &id, "eth_chainId"); err != nil {
		return roles.WithoutURL(err)
	}
	preset := roles.DevPreset(d.name, uint64(id), deployed)
	furnishing := furnishing{deployed, client, uint64(id), contracts.NewWallet(client, key, uint64(id))}
	if preset.Workerpools, err = d.furnish(ctx, furnishing); err != nil {
		return err
	}
	return d.write(command, preset)
}

// furnish sees to the accounts that were named, and returns the workerpools.
func (d deployment) furnish(ctx context.Context, f furnishing) (pools []string, err error) {
	if d.workerKey != "" {
		if _, err := f.endow(ctx, d.workerKey); err != nil {
			return nil, err
		}
	}
	if d.poolKey == "" {
		return nil, nil
	}
	pool, err := f.pool(ctx, d.poolKey)
	return []string{pool.Hex()}, err
}

func (d deployment) write(command *cobra.Command, preset chains.Preset) error {
	data, err := json.MarshalIndent(preset, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.out, append(data, '\n'), 0o644); err != nil { //nolint:gosec // other roles read it
		return fmt.Errorf("writing the preset: %w", err)
	}
	_, err = fmt.Fprintf(command.OutOrStdout(), "PoCo is at %s on chain %d; use it with --chain %s\n", preset.Hub, preset.ChainID, d.out)
	return err
}
