package cli

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"assay/consensus/attest"
	"assay/consensus/collateral"
	"assay/internal/kafka"
)

const activeFromUsage = "instant on the chain's clock from which it counts (default: now, or 10 minutes from now if it takes the place of another)"

func attestPublishCommand() *cobra.Command {
	var root, set, policy, activeFrom string
	command := &cobra.Command{
		Use:   "publish",
		Short: "Append collateral or a policy to the log that engines judge quotes by",
		Long: `Verify a collateral set or a policy and append it to the collateral log, which all chains
share. A set must succeed the newest one for its platforms; what the log has already is
not appended again. The process exits with 3 if it is refused, and then appends nothing.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			p := publish{at: time.Now(), activeFrom: activeFrom}
			if err := p.read(root, set, policy); err != nil {
				return &exitError{exitUsage, err}
			}
			return p.run(command)
		},
	}
	command.Flags().StringVar(&set, "collateral", "", "file with the collateral (JSON)")
	command.Flags().StringVar(&policy, "policy", "", "file with the policy (YAML or JSON)")
	command.Flags().StringVar(&root, "root", "", "file with the root certificate that the collateral must chain to (default: Intel's)")
	command.Flags().StringVar(&activeFrom, "active-from", "", activeFromUsage)
	bind(command, "kafka")
	return command
}

// farthest is how far ahead of its time something may be published.
const farthest = 30 * 24 * time.Hour

// publish is a set or a policy on its way into the collateral log.
type publish struct {
	root        *x509.Certificate
	set, policy []byte // one of them
	at          time.Time
	activeFrom  string
}

func (p *publish) read(root, set, policy string) (err error) {
	if (set == "") == (policy == "") {
		return errors.New("either --collateral or --policy must name a file")
	}
	if p.root, err = readRoot("--root", root); err != nil {
		return err
	}
	if policy != "" {
		p.policy, err = readFlagFile("--policy", policy, collateral.MaxPolicySize)
		return err
	}
	p.set, err = readFlagFile("--collateral", set, attest.MaxCollateralSize)
	return err
}

// run appends what is to be published, and says what it did.
func (p publish) run(command *cobra.Command) error {
	config, _, err := start(command)
	if err != nil {
		return err
	}
	client := kafka.NewClient(config.Kafka)
	defer client.Close() //nolint:errcheck // what was appended is safe
	publisher := collateral.Publisher{Kafka: client, Root: p.root}
	known, err := publisher.Read(command.Context())
	if err != nil {
		return fmt.Errorf("reading the collateral log, check --kafka: %w", err)
	}
	kind, hash, key, err := p.subject()
	if err != nil {
		return &exitError{exitDifferent, err}
	}
	from, err := p.from(known, key)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	var appended bool
	if p.policy != nil {
		appended, err = publisher.PublishPolicy(command.Context(), p.policy, from)
	} else {
		appended, err = publisher.PublishSet(command.Context(), p.set, from)
	}
	if err != nil {
		return &exitError{exitDifferent, err}
	}
	return told(command.OutOrStdout(), kind, hash, from, appended)
}

// subject is what is published: its kind, its content address, and whose set it is.
func (p publish) subject() (kind string, hash [32]byte, key *attest.Key, err error) {
	if p.policy != nil {
		return "policy", attest.HashPolicy(p.policy), nil, nil
	}
	set, err := attest.Load(p.set, p.root)
	if err != nil {
		return "", hash, nil, err
	}
	whose := set.Key()
	return "collateral", set.Hash(), &whose, nil
}

// from is when it begins to count.
func (p publish) from(known *collateral.Log, key *attest.Key) (uint64, error) {
	if p.activeFrom == "" {
		return known.Start(key, uint64(p.at.Unix())), nil
	}
	at, err := time.Parse(time.RFC3339, p.activeFrom)
	if err != nil || at.Unix() < 0 {
		return 0, fmt.Errorf("--active-from %q is not an instant like 2026-01-31T12:00:00Z", p.activeFrom)
	}
	if at.Sub(p.at) > farthest {
		return 0, fmt.Errorf("--active-from %s is more than %d days ahead: nothing that is published later could count before", p.activeFrom, farthest/(24*time.Hour))
	}
	return uint64(at.Unix()), nil
}

func told(out io.Writer, kind string, hash [32]byte, from uint64, appended bool) error {
	if !appended {
		_, err := fmt.Fprintf(out, "%s %x is in the log already\n", kind, hash)
		return err
	}
	_, err := fmt.Fprintf(out, "%s %x appended, counts from %s on\n", kind, hash, time.Unix(int64(from), 0).UTC().Format(time.RFC3339))
	return err
}
