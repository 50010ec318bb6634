package whatif

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protodelim"

	"assay/schema"
	"assay/schema/assaypb"
)

// A log file is a recorded chain log: the records of the topic one after the other, each
// behind its length in bytes as a varint (protobuf's delimited form).

// maxRecord is the size of the largest record that a log can hold.
const maxRecord = schema.MaxRecordBytes

// WriteRecord appends a record to a log file.
func WriteRecord(w io.Writer, record *assaypb.ChainRecord) error {
	_, err := protodelim.MarshalTo(w, record)
	return err
}

// ReadLog hands the records of a log file to handle, in order. read is told how many
// bytes have been read.
func ReadLog(r io.Reader, handle func(*assaypb.ChainRecord) error, read func(bytes int64)) error {
	counted := &counter{reader: r}
	buffered := bufio.NewReader(counted)
	options := protodelim.UnmarshalOptions{MaxSize: maxRecord}
	for n := 0; ; n++ {
		record := &assaypb.ChainRecord{}
		switch err := options.UnmarshalFrom(buffered, record); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("record %d of the file is damaged: %w", n, err)
		}
		if err := handle(record); err != nil {
			return err
		}
		read(counted.bytes)
	}
}

type counter struct {
	reader io.Reader
	bytes  int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.reader.Read(p)
	c.bytes += int64(n)
	return n, err
}
