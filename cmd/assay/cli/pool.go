package cli

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"assay/consensus/engine"
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
	bind(command, "chain", "rpc", "kafka", "key-file", "password-file", "workerpool", "members", "quote-root", "metrics")
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
	deps, closeAll, err := config.connect(ctx, log)
	if err != nil {
		return err
	}
	defer closeAll()
	return config.role(ctx, log, always, deps.NewPool(pools, root).Run)
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

// quoteRoot is the certificate that enclave quotes must chain to; nil where none is
// named, and then no quote is accepted.
func (c Config) quoteRoot() (*x509.Certificate, error) {
	if c.QuoteRoot == "" {
		return nil, nil
	}
	data, err := os.ReadFile(c.QuoteRoot)
	if err != nil {
		return nil, fmt.Errorf("reading the root of enclave quotes: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("--quote-root %s: not a PEM file", c.QuoteRoot)
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("--quote-root %s: %w", c.QuoteRoot, err)
	}
	return root, nil
}
