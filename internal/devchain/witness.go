package devchain

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// witness is a file beside the database that names the head. It is written when the
// block is safe in the database and before it becomes the head, so that a start after
// a kill can finish what was begun; and a database that has lost blocks, which would
// open as if they had never been, is found out.
type witness struct{ file *os.File }

const witnessSize = 8 + common.HashLength

func openWitness(dir string) (witness, error) {
	file, err := os.OpenFile(filepath.Join(dir, "head"), os.O_CREATE|os.O_RDWR, 0o600)
	return witness{file}, err
}

// read returns what was noted last; found is false for a new chain.
func (w witness) read() (number uint64, hash common.Hash, found bool, err error) {
	var record [witnessSize]byte
	_, err = io.ReadFull(io.NewSectionReader(w.file, 0, witnessSize), record[:])
	if errors.Is(err, io.EOF) {
		return 0, common.Hash{}, false, nil
	}
	if err != nil {
		return 0, common.Hash{}, false, fmt.Errorf("%w: %s: %w", ErrCorrupt, w.file.Name(), err)
	}
	return binary.BigEndian.Uint64(record[:]), common.BytesToHash(record[8:]), true, nil
}

// note names a new head, in one write: a kill leaves the old name or the new one.
func (w witness) note(head *types.Block) error {
	record := binary.BigEndian.AppendUint64(nil, head.NumberU64())
	if _, err := w.file.WriteAt(append(record, head.Hash().Bytes()...), 0); err != nil {
		return fmt.Errorf("noting the new head: %w", err)
	}
	return nil
}

// recover makes the noted block the head again, if a kill has come between. geth takes
// up a reorg block by block, so it may stand anywhere on the way.
func (c *Chain) recover() error {
	number, hash, found, err := c.witness.read()
	if err != nil || !found {
		return err
	}
	block := c.eth.BlockChain().GetBlock(hash, number)
	if block == nil {
		return fmt.Errorf("%w: its head is block %d, where it had been block %d with hash %s", ErrCorrupt, c.head().Number, number, hash)
	}
	if c.head().Hash() == hash {
		return nil
	}
	if _, err := c.eth.BlockChain().SetCanonical(block); err != nil {
		return fmt.Errorf("%w: block %d cannot be its head again: %w", ErrCorrupt, number, err)
	}
	return nil
}
