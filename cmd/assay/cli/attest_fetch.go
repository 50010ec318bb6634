package cli

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"assay/consensus/attest"
	"assay/consensus/collateral"
)

// fetchTimeout bounds one request; expiryWarning is how long before its end a set is
// worth a warning.
const (
	fetchTimeout  = 30 * time.Second
	expiryWarning = 7 * 24 * time.Hour
)

// fetchFlags say whose collateral to fetch, and where.
type fetchFlags struct {
	from, rootCRL         string
	quote, tee, fmspc, ca string
	root, previous, out   string
	at                    string
	publish               bool
	activeFrom            string
}

func attestFetchCommand() *cobra.Command {
	var flags fetchFlags
	command := &cobra.Command{
		Use:   "fetch",
		Short: "Fetch collateral from a PCCS, Intel or a directory, and verify it",
		Long: `Fetch the collateral of one family of platforms, verify it, and write it to a file, or
append it to the collateral log that engines judge by (--publish).

It comes from a PCCS or from Intel's own service (API version 4), or from the *.json
files of a directory, the newest that fits. Which platforms it is for is told by a quote
of one of them, or by --tee, --fmspc and --ca. The process exits with 3 if what was
fetched does not hold, or goes back behind what it is to succeed, and then writes nothing.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return flags.run(command) },
	}
	command.Flags().StringVar(&flags.from, "from", collateral.IntelService, "address of the service, or a directory")
	command.Flags().StringVar(&flags.rootCRL, "root-crl", "", "address of the root CRL (default: the service's)")
	command.Flags().StringVar(&flags.quote, "quote", "", "file with a quote of such a platform")
	command.Flags().StringVar(&flags.tee, "tee", "sgx", "sgx or tdx")
	command.Flags().StringVar(&flags.fmspc, "fmspc", "", "the family, 12 hex digits")
	command.Flags().StringVar(&flags.ca, "ca", "platform", "platform or processor: who certified the platforms")
	command.Flags().StringVar(&flags.root, "root", "", "file with the trusted root certificate, DER or PEM (default: Intel's)")
	command.Flags().StringVar(&flags.previous, "previous", "", "file with the set that this one is to succeed")
	command.Flags().StringVar(&flags.at, "at", "", "instant at which it must be valid (default: now)")
	command.Flags().StringVar(&flags.out, "out", "", "file to write (default: standard output)")
	command.Flags().BoolVar(&flags.publish, "publish", false, "append it to the collateral log, unless it is there")
	command.Flags().StringVar(&flags.activeFrom, "active-from", "", activeFromUsage)
	bind(command, "kafka")
	return command
}

func (f *fetchFlags) run(command *cobra.Command) error {
	key, err := f.key()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	root, err := readRoot("--root", f.root)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	at := time.Now()
	if f.at != "" {
		if at, err = time.Parse(time.RFC3339, f.at); err != nil {
			return &exitError{exitUsage, fmt.Errorf("--at %q is not an instant like 2026-01-31T12:00:00Z", f.at)}
		}
	}
	raw, err := f.fetch(command.Context(), key, root)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	left, err := f.check(raw, root, key, at)
	if err != nil {
		return &exitError{exitDifferent, err}
	}
	if left < expiryWarning {
		say(command.ErrOrStderr(), fmt.Errorf("the set ends in %s: fetch the next one soon", left.Round(time.Minute)))
	}
	if f.publish {
		return publish{root: root, set: raw, at: at, activeFrom: f.activeFrom}.run(command)
	}
	if f.out == "" {
		_, err = command.OutOrStdout().Write(raw)
		return err
	}
	return os.WriteFile(f.out, raw, 0o644) //nolint:gosec // collateral is public
}

// key is whose collateral is asked for.
func (f *fetchFlags) key() (key attest.Key, err error) {
	if f.quote != "" {
		quote, err := readQuote(f.quote)
		if err != nil {
			return key, err
		}
		parsed, err := attest.Parse(quote)
		if err != nil {
			return key, fmt.Errorf("--quote: %w", err)
		}
		return parsed.Key()
	}
	fmspc, err := hex.DecodeString(f.fmspc)
	if err != nil || len(fmspc) != len(key.FMSPC) {
		return key, errors.New("--quote must name a file, or --fmspc be 12 hex digits")
	}
	names := map[string]string{"platform": "Intel SGX PCK Platform CA", "processor": "Intel SGX PCK Processor CA"}
	key = attest.Key{TEE: attest.TEE(strings.ToUpper(f.tee)), FMSPC: [6]byte(fmspc), CA: names[f.ca]}
	switch {
	case key.CA == "":
		return key, fmt.Errorf("--ca is %q, want platform or processor", f.ca)
	case key.TEE != attest.SGX && key.TEE != attest.TDX:
		return key, fmt.Errorf("--tee is %q, want sgx or tdx", f.tee)
	}
	return key, nil
}

// fetch returns a set that nobody has verified yet.
func (f *fetchFlags) fetch(ctx context.Context, key attest.Key, root *x509.Certificate) ([]byte, error) {
	if !strings.HasPrefix(f.from, "http://") && !strings.HasPrefix(f.from, "https://") {
		return collateral.Find(os.DirFS(f.from), key, root)
	}
	fetcher := collateral.Fetcher{Client: &http.Client{Timeout: fetchTimeout}, Service: strings.TrimSuffix(f.from, "/"), RootCRL: f.rootCRL}
	return fetcher.Fetch(ctx, key)
}

// check verifies a set, and returns how long it is valid from the instant on.
func (f *fetchFlags) check(raw []byte, root *x509.Certificate, key attest.Key, at time.Time) (time.Duration, error) {
	set, err := attest.Load(raw, root)
	if err != nil {
		return 0, err
	}
	from, to := set.Valid()
	switch {
	case set.Key() != key:
		return 0, fmt.Errorf("the set is for %v, not for %v", set.Key(), key)
	case at.Before(from) || at.After(to):
		return 0, fmt.Errorf("the set is valid from %s to %s, not at %s", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339), at.UTC().Format(time.RFC3339))
	}
	if f.previous != "" {
		old, err := readFlagFile("--previous", f.previous, attest.MaxCollateralSize)
		if err != nil {
			return 0, err
		}
		before, err := attest.Load(old, root)
		if err != nil {
			return 0, fmt.Errorf("--previous: %w", err)
		}
		if err := set.Succeeds(before); err != nil {
			return 0, err
		}
	}
	return to.Sub(at), nil
}
