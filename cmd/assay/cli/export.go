package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"assay/cmd/assay/whatif"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

func exportCommand() *cobra.Command {
	var out string
	command := &cobra.Command{
		Use:     "export",
		Short:   "Record a chain log in a file, for `assay replay --log`",
		Long:    "Write the records of a chain log, as it is now, to a file: one protobuf message after the\nother (assay.v1.ChainRecord), each behind its length as a varint.",
		Example: "  assay export --chain arbitrum-one --kafka kafka:9092 --log arbitrum.log",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			config, _, err := start(command)
			if err != nil {
				return err
			}
			preset, err := config.preset()
			if err == nil && out == "" {
				err = errors.New("name the file to write: --log FILE")
			}
			if err != nil {
				return usage(err)
			}
			show := newBars(command.ErrOrStderr(), term.IsTerminal(int(os.Stderr.Fd())))
			defer show.close()
			return config.export(command.Context(), preset, out, show)
		},
	}
	command.Flags().StringVar(&out, "log", "", "file to write")
	bind(command, "chain", "kafka")
	return command
}

func (c Config) export(ctx context.Context, preset chains.Preset, path string, show *bars) error {
	file, err := os.Create(path)
	if err != nil {
		return usage(fmt.Errorf("--log: %w", err))
	}
	buffered := bufio.NewWriter(file)
	err = c.readLog(ctx, preset, "", show, func(record *assaypb.ChainRecord) error { return whatif.WriteRecord(buffered, record) })
	if err := errors.Join(err, buffered.Flush(), file.Close()); err != nil {
		return fmt.Errorf("recording the log: %w", err)
	}
	return nil
}

// readLog hands the records of a chain's log to handle: those of a file, or where none
// is named those that Kafka has now.
func (c Config) readLog(ctx context.Context, preset chains.Preset, path string, show *bars, handle func(*assaypb.ChainRecord) error) error {
	if path == "" {
		return c.readKafka(ctx, schema.TopicsOf(preset.Name).Log, show, handle)
	}
	file, err := os.Open(path)
	if err != nil {
		return usage(fmt.Errorf("--log: %w", err))
	}
	defer file.Close() //nolint:errcheck // it was only read
	info, err := file.Stat()
	if err != nil {
		return err
	}
	err = whatif.ReadLog(contextReader{ctx, file}, handle, func(bytes int64) {
		show.show("bytes of the chain log", uint64(bytes), uint64(info.Size()))
	})
	if err != nil {
		return usage(fmt.Errorf("--log %s: %w", path, err))
	}
	return nil
}

func (c Config) readKafka(ctx context.Context, topic string, show *bars, handle func(*assaypb.ChainRecord) error) error {
	client := kafka.NewClient(c.Kafka)
	defer client.Close() //nolint:errcheck // it closes idle connections
	if err := ping(ctx, client); err != nil {
		return err
	}
	end, err := client.End(ctx, topic, 0)
	if errors.Is(err, kafka.ErrUnknownTopic) {
		return fmt.Errorf("there is no log %s in this Kafka, check --chain and --kafka: %w", topic, err)
	}
	if err != nil {
		return err
	}
	return client.Read(ctx, topic, 0, 0, end, func(m kafka.Message) error {
		record, counts, err := schema.ReadRecord(m.Value, m.Offset)
		if err != nil {
			return fmt.Errorf("%s at offset %d is damaged: %w", topic, m.Offset, err)
		}
		if counts {
			err = handle(record)
		}
		if err != nil {
			return err
		}
		show.show("records of the chain log", uint64(m.Offset)+1, uint64(end))
		return nil
	})
}

func ping(ctx context.Context, client *kafka.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := client.Ping(ctx); err != nil {
		return fmt.Errorf("Kafka cannot be reached, check --kafka: %w", err)
	}
	return nil
}

// contextReader ends a long read when ctx ends.
type contextReader struct {
	ctx    context.Context //nolint:containedctx // it lives as long as one read
	reader io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.reader.Read(p)
}
