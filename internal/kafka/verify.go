package kafka

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// lockName is the file in a broker's directory whose lock says that it is in use.
const lockName = "assay.lock"

// verify refuses a directory from which the broker would lose records. Opening it
// would: kfake cuts a log at the first thing that it cannot read and goes on. That is
// right for an unfinished write at the very end, and for nothing else.
func verify(dir string) error {
	if err := verifyIndexFiles(dir); err != nil {
		return err
	}
	partitions, err := filepath.Glob(filepath.Join(dir, "partitions", "*"))
	if err != nil {
		return err
	}
	for _, partition := range partitions {
		if err := verifyPartition(partition); err != nil {
			return err
		}
	}
	return nil
}

// verifyIndexFiles refuses a directory that has something in it but lacks the files
// without which kfake would begin anew. Files that end in .tmp are of writes that a
// kill cut off.
func verifyIndexFiles(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, entry := range entries {
		if name := entry.Name(); name != lockName && !strings.HasSuffix(name, ".tmp") {
			found[name] = true
		}
	}
	if len(found) > 0 && !found["meta.json"] {
		return fmt.Errorf("%w: it lacks meta.json", ErrCorrupt)
	}
	if found["partitions"] && !found["topics.json"] {
		return fmt.Errorf("%w: it lacks topics.json", ErrCorrupt)
	}
	return nil
}

// verifyPartition reads a partition's segments in order.
func verifyPartition(dir string) error {
	bases, err := segmentBases(dir)
	if err != nil {
		return err
	}
	var next int64
	for i, base := range bases {
		path := filepath.Join(dir, strconv.FormatInt(base, 10)+".dat")
		if base != next {
			return fmt.Errorf("%w: %s begins at offset %d, but the log before it ends at %d", ErrCorrupt, path, base, next)
		}
		if next, err = verifySegment(path, base, i == len(bases)-1); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrCorrupt, path, err)
		}
	}
	return verifySnapshot(dir, next)
}

func segmentBases(dir string) ([]int64, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.dat"))
	if err != nil {
		return nil, err
	}
	bases := make([]int64, len(paths))
	for i, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".dat")
		if bases[i], err = strconv.ParseInt(name, 10, 64); err != nil {
			return nil, fmt.Errorf("%w: %s is not a segment", ErrCorrupt, path)
		}
	}
	slices.Sort(bases)
	return bases, nil
}

// verifySnapshot compares a log's end with what the last orderly shutdown noted.
func verifySnapshot(dir string, end int64) error {
	path := filepath.Join(dir, "snapshot.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var snapshot struct {
		End int64 `json:"high_watermark"`
	}
	if err := json.Unmarshal(data, &snapshot); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, path, err)
	}
	if end < snapshot.End {
		return fmt.Errorf("%w: %s ends at offset %d, where it had ended at %d", ErrCorrupt, dir, end, snapshot.End)
	}
	return nil
}

// The layout of a record batch, format 2, in Kafka's protocol guide.
const (
	batchFrame     = 12 // base offset and length, which do not count in the length
	batchHeader    = 61
	batchCRC       = 17
	batchCRCed     = 21
	batchLastDelta = 23
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// verifySegment reads a segment's batches and returns the offset after the last. The
// end of the last segment may be an unfinished write.
func verifySegment(path string, next int64, last bool) (end int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return verifyBatches(bufio.NewReaderSize(file, 1<<20), next, last)
}

func verifyBatches(in io.Reader, next int64, last bool) (int64, error) {
	var batch []byte
	for {
		var err error
		batch, err = readBatch(in, batch)
		switch {
		case errors.Is(err, io.EOF), last && errors.Is(err, io.ErrUnexpectedEOF):
			return next, nil
		case err != nil:
			return 0, fmt.Errorf("after offset %d: %w", next-1, err)
		}
		if base := int64(binary.BigEndian.Uint64(batch)); base != next {
			return 0, fmt.Errorf("offset %d follows after %d", base, next-1)
		}
		next += int64(binary.BigEndian.Uint32(batch[batchLastDelta:])) + 1
	}
}

// readBatch reads one batch into buffer, or a larger one. At the end it returns
// io.EOF, and if the file ends within the batch io.ErrUnexpectedEOF.
func readBatch(in io.Reader, buffer []byte) ([]byte, error) {
	buffer = slices.Grow(buffer[:0], batchHeader)[:batchFrame]
	if _, err := io.ReadFull(in, buffer); err != nil {
		return buffer, err
	}
	size := batchFrame + int(binary.BigEndian.Uint32(buffer[8:]))
	if size < batchHeader || size > 2*(MaxValueBytes+frame) {
		return buffer, fmt.Errorf("a batch of %d bytes", size)
	}
	buffer = slices.Grow(buffer, size-batchFrame)[:size]
	if _, err := io.ReadFull(in, buffer[batchFrame:]); errors.Is(err, io.EOF) {
		return buffer, io.ErrUnexpectedEOF
	} else if err != nil {
		return buffer, err
	}
	if crc32.Checksum(buffer[batchCRCed:], castagnoli) != binary.BigEndian.Uint32(buffer[batchCRC:]) {
		return buffer, errors.New("a batch does not match its checksum")
	}
	return buffer, nil
}
