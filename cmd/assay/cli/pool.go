package cli

import (
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"assay/cmd/assay/roles"
	"assay/consensus/collateral"
	"assay/consensus/engine"
	"assay/internal/telemetry"
)

func poolCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "pool",
		Short: "Decide for workerpools, and settle their tasks on the chain",
		Long: `Decide for one or more workerpools of one owner: initialize tasks, assign workers, judge
and authorize contributions, reopen, finalize and claim. The owner's key signs
authorizations and pays for transactions.`,
		Example: "  assay pool --chain arbitrum-one --rpc https://… --key-file owner.json --password-file secret --workerpool 0x…",
		Args:    cobra.NoArgs,
		RunE:    runPool,
	}
	bind(command, "chain", "rpc", "kafka", "key-file", "password-file", "workerpool", "members", "quote-root", "policy", "metrics")
	return command
}

func runPool(command *cobra.Command, _ []string) error {
	ctx := command.Context()
	config, log, err := start(command)
	if err != nil {
		return err
	}
	pools, err := config.owned()
	if err != nil {
		return usage(err)
	}
	root, err := config.quoteRoot()
	if err != nil {
		return usage(err)
	}
	policy, err := config.policy()
	if err != nil {
		return usage(err)
	}
	deps, closeAll, err := config.connect(ctx, log)
	if err != nil {
		return err
	}
	defer closeAll()
	pool, err := deps.NewPool(pools, root)
	if err != nil {
		return usage(err)
	}
	if policy != nil {
		if err := deps.PublishPolicy(ctx, policy); err != nil {
			return err
		}
	}
	registry := telemetry.NewRegistry()
	if err := registry.Register(pool.Metrics); err != nil {
		return err
	}
	return config.role(ctx, deps, registry, pool.Run)
}

// owned are the workerpools to decide for.
func (c Config) owned() ([]engine.Pool, error) {
	key, err := c.key()
	if err != nil {
		return nil, err
	}
	found, err := c.pools()
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errors.New("name the workerpool to decide for: --workerpool")
	}
	members, err := addresses("members", c.Members)
	if err != nil {
		return nil, err
	}
	allowed := make(map[common.Address]bool, len(members))
	for _, member := range members {
		allowed[member] = true
	}
	pools := make([]engine.Pool, len(found))
	for i, address := range found {
		pools[i] = engine.Pool{Address: address, Owner: key, Members: allowed}
	}
	return pools, nil
}

// quoteRoot is the certificate that enclave quotes must chain to: the one that is named,
// if the chain allows it, or the chain's own.
func (c Config) quoteRoot() (*x509.Certificate, error) {
	preset, err := c.preset()
	if err != nil || c.QuoteRoot == "" {
		return nil, err
	}
	named, err := readRoot("--quote-root", c.QuoteRoot)
	if err != nil {
		return nil, err
	}
	return roles.QuoteRoot(preset, named)
}

// policy is the file of the policy by which quotes are to be judged, if one is named.
func (c Config) policy() ([]byte, error) {
	if c.Policy == "" {
		return nil, nil
	}
	raw, err := readFlagFile("--policy", c.Policy, collateral.MaxPolicySize)
	if err != nil {
		return nil, err
	}
	if _, err := collateral.ReadPolicy(raw); err != nil {
		return nil, fmt.Errorf("--policy %s: %w", c.Policy, err)
	}
	return raw, nil
}
