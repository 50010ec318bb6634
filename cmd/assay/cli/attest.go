package cli

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"assay/consensus/attest"
	"assay/consensus/collateral"
)

func attestCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "attest",
		Short: "Look at what enclaves prove about themselves",
		Args:  cobra.NoArgs,
		RunE:  help,
	}
	command.AddCommand(attestShowCommand(), attestWatchCommand(), attestVerifyCommand(), attestFetchCommand(), attestPublishCommand())
	return command
}

// quoteFlags name what a quote is judged by.
type quoteFlags struct {
	quote, collateral, at, root, policy, reportData string
	json                                            bool
}

func attestVerifyCommand() *cobra.Command {
	var flags quoteFlags
	command := &cobra.Command{
		Use:   "verify",
		Short: "Judge an SGX or TDX quote, and explain every check",
		Long: `Judge an SGX or TDX quote, and explain every check in the order in which it is made.

The quote is a file of raw bytes or of hex digits, with Open Enclave's header or without.
The process exits with 0 if the quote is accepted, 3 if it is rejected, and 2 if it could
not be judged.`,
		Args: func(command *cobra.Command, arguments []string) error {
			if err := cobra.NoArgs(command, arguments); err != nil {
				return &exitError{exitUsage, err}
			}
			return nil
		},
		RunE: func(command *cobra.Command, _ []string) error {
			judged, err := flags.judge()
			if err != nil {
				return &exitError{exitUsage, err}
			}
			write := judged.explain
			if flags.json {
				write = judged.writeJSON
			}
			if err := write(command.OutOrStdout()); err != nil {
				return &exitError{exitUsage, err}
			}
			if refusal := judged.verdict.Refusal(); refusal != nil {
				return &exitError{exitDifferent, refusal}
			}
			return nil
		},
	}
	command.Flags().StringVar(&flags.quote, "quote", "", "file with the quote")
	command.Flags().StringVar(&flags.collateral, "collateral", "", "file with the collateral (JSON)")
	command.Flags().StringVar(&flags.at, "at", "", "instant to judge at, as in 2026-01-31T12:00:00Z")
	command.Flags().StringVar(&flags.root, "root", "", "file with the trusted root certificate, DER or PEM (default: Intel's)")
	command.Flags().StringVar(&flags.policy, "policy", "", "file with the policy, YAML or JSON (default: the strict one)")
	command.Flags().StringVar(&flags.reportData, "report-data", "", "the 64 bytes that the quote must carry, in hex (default: whatever it carries)")
	command.Flags().BoolVar(&flags.json, "json", false, "print one line of JSON")
	return command
}

// judgedQuote is a quote with its verdict.
type judgedQuote struct {
	verdict attest.Verdict
	bound   bool // to report data that was asked for
}

// judge reads all files and judges. The error is about what could not be read.
func (f *quoteFlags) judge() (judgedQuote, error) {
	raw, err := readQuote(f.quote)
	if err != nil {
		return judgedQuote{}, err
	}
	text, err := readFlagFile("--collateral", f.collateral, attest.MaxCollateralSize)
	if err != nil {
		return judgedQuote{}, err
	}
	at, err := time.Parse(time.RFC3339, f.at)
	if err != nil {
		return judgedQuote{}, fmt.Errorf("--at %q is not an instant like 2026-01-31T12:00:00Z", f.at)
	}
	root, err := readRoot("--root", f.root)
	if err != nil {
		return judgedQuote{}, err
	}
	policy, err := readPolicy(f.policy)
	if err != nil {
		return judgedQuote{}, err
	}
	expected, err := f.expected(raw)
	if err != nil {
		return judgedQuote{}, err
	}
	set, _ := attest.Load(text, root) // a set that does not load refuses the quote, with the same words
	return judgedQuote{attest.Judge(raw, set, &policy, at, expected), f.reportData != "" || policy.ReportData != nil}, nil
}

// expected is the report data that is asked for, or else what the quote carries.
func (f *quoteFlags) expected(raw []byte) (data [64]byte, err error) {
	if f.reportData == "" {
		if quote, err := attest.Parse(raw); err == nil {
			data = quote.ReportData()
		}
		return data, nil
	}
	given, err := hex.DecodeString(strings.TrimPrefix(f.reportData, "0x"))
	if err != nil || len(given) != len(data) {
		return data, errors.New("--report-data is not 64 bytes in hex")
	}
	return [64]byte(given), nil
}

// readFlagFile reads the file that a flag names, and a byte more than the limit, so that
// too large a file is seen to be one.
func readFlagFile(flag, name string, limit int64) ([]byte, error) {
	if name == "" {
		return nil, fmt.Errorf("%s must name a file", flag)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	raw, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return raw, nil
}

// readQuote reads a quote, raw or in hex: no raw quote consists of hex digits only.
func readQuote(name string) ([]byte, error) {
	raw, err := readFlagFile("--quote", name, 3*attest.MaxQuoteSize)
	if err != nil {
		return nil, err
	}
	text := strings.TrimPrefix(string(bytes.TrimSpace(raw)), "0x")
	if decoded, err := hex.DecodeString(text); err == nil && len(decoded) > 0 {
		return decoded, nil
	}
	return raw, nil
}

// readRoot reads the trusted root that a flag names, PEM or DER; Intel's where none is.
func readRoot(flag, name string) (*x509.Certificate, error) {
	if name == "" {
		return attest.IntelRoot(), nil
	}
	der, err := readFlagFile(flag, name, 1<<16)
	if err != nil {
		return nil, err
	}
	if block, rest := pem.Decode(der); block != nil && len(bytes.TrimSpace(rest)) == 0 {
		der = block.Bytes
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", flag, name, err)
	}
	return root, nil
}

// readPolicy reads a policy, JSON or YAML; the strict one where none is named.
func readPolicy(name string) (attest.Policy, error) {
	if name == "" {
		return attest.Strict(), nil
	}
	raw, err := readFlagFile("--policy", name, collateral.MaxPolicySize)
	if err != nil {
		return attest.Policy{}, err
	}
	policy, err := collateral.ReadPolicy(raw)
	if err != nil {
		return attest.Policy{}, fmt.Errorf("--policy %s: %w", name, err)
	}
	return policy, nil
}

// writeJSON prints the verdict for programs.
func (q judgedQuote) writeJSON(out io.Writer) error {
	report := q.verdict.Report()
	line := struct {
		Verdict    string   `json:"verdict"`
		Class      string   `json:"class"`
		Check      string   `json:"check"`
		TCBStatus  string   `json:"tcbStatus"`
		Advisories []string `json:"advisories"`
		MREnclave  string   `json:"mrenclave"`
		MRSigner   string   `json:"mrsigner"`
		PlatformID string   `json:"platformId"`
	}{
		Verdict: "accept", TCBStatus: report.TCBStatus.String(), Advisories: append([]string{}, report.TCBAdvisories...),
		MREnclave: hex.EncodeToString(report.UniqueID), MRSigner: hex.EncodeToString(report.SignerID),
	}
	if refusal := q.verdict.Refusal(); refusal != nil {
		line.Verdict, line.Class, line.Check = "reject", string(refusal.Class), refusal.Check
	} else {
		line.PlatformID = hex.EncodeToString(report.PlatformID[:])
	}
	return json.NewEncoder(out).Encode(line)
}

// explain prints every check that was made, up to the one that refused the quote.
func (q judgedQuote) explain(out io.Writer) error {
	var text strings.Builder
	refusal := q.verdict.Refusal()
	for _, check := range attest.Checklist() {
		if refusal != nil && refusal.Check == check.Name {
			fmt.Fprintf(&text, "FAIL  %2d  %-18s  %s\n", check.Item, check.Name, refusal.Detail)
			fmt.Fprintf(&text, "\nrejected, class %s\n", refusal.Class)
			break
		}
		fmt.Fprintf(&text, "ok    %2d  %-18s  %s\n", check.Item, check.Name, check.What)
	}
	if refusal == nil {
		q.describe(&text)
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// describe prints what an accepted quote says.
func (q judgedQuote) describe(text *strings.Builder) {
	report := q.verdict.Report()
	fmt.Fprintf(text, "\naccepted: a quote of %s\n", report.TEE)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(text, "  %-12s "+format+"\n", append([]any{name}, args...)...)
	}
	line("enclave", "%x", report.UniqueID)
	if report.TEE == attest.SGX {
		line("signer", "%x", report.SignerID)
	}
	line("report data", "%x", report.Data)
	line("TCB status", "%s %s", report.TCBStatus, strings.Join(report.TCBAdvisories, " "))
	line("platform", "%x, family %x", report.PlatformID, report.FMSPC)
	line("collateral", "%x, evaluation %d", report.CollateralHash, report.EvaluationNumber)
	line("valid", "%s to %s", report.NotBefore.UTC().Format(time.RFC3339), report.NotAfter.UTC().Format(time.RFC3339))
	if !q.bound {
		fmt.Fprintln(text, "  No report data was asked for: nothing says what this quote was made for.")
	}
}
