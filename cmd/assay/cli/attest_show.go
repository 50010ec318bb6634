package cli

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
)

func attestShowCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "show HASH",
		Short: "Print a collateral set or a policy of the collateral log",
		Long: `Print the collateral set or the policy of the collateral log that has this hash, as it was
published. Verdicts name by their hashes what they rest on; with it a quote can be judged again.`,
		Example: "  assay attest show --kafka kafka:9092 0x… > collateral.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			hash, err := hex.DecodeString(strings.TrimPrefix(arguments[0], "0x"))
			if err != nil || len(hash) != 32 {
				return usage(fmt.Errorf("%s is not a hash of 32 bytes in hex", arguments[0]))
			}
			return showCollateral(command, hash)
		},
	}
	bind(command, "kafka")
	return command
}

func showCollateral(command *cobra.Command, hash []byte) error {
	config, _, err := start(command)
	if err != nil {
		return err
	}
	client := kafka.NewClient(config.Kafka)
	defer client.Close() //nolint:errcheck // it only read
	if err := pingKafka(command.Context(), client); err != nil {
		return err
	}
	var found []byte
	_, err = client.Replay(command.Context(), schema.Collateral, func(message kafka.Message) error {
		if content := contentOf(message.Value, hash); content != nil {
			found = content
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the collateral log: %w", err)
	}
	if found == nil {
		return &exitError{exitDifferent, errors.New("nothing in the collateral log has this hash")}
	}
	_, err = command.OutOrStdout().Write(found)
	return err
}

// contentOf is the set or the policy in a record, if it has the hash; nil if not, or if
// it is no record: those are passed over by everyone.
func contentOf(value, hash []byte) []byte {
	var record assaypb.CollateralRecord
	if proto.Unmarshal(value, &record) != nil || string(record.Hash) != string(hash) {
		return nil
	}
	if policy := record.GetPolicy(); policy != nil {
		return policy
	}
	return record.GetSet()
}
