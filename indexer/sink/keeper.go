package sink

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"assay/consensus/poco"
	"assay/indexer/projection"
	"assay/indexer/projection/entity"
	"assay/internal/kafka"
	"assay/internal/shelf"
)

// DefaultStateRows is how many rows of a fold's state stay in memory.
const DefaultStateRows = 250_000

// shelveEvery is after how many records a fold's state is put on disk: so many are folded
// again after a crash, in a second or so.
const shelveEvery = 5_000

// keeper keeps a fold's state in a directory, so that a sink that starts need not fold the
// log from its beginning, and so that memory is bounded.
//
// What is put on disk is the state after the newest final block, and only once the database
// has all rows of what came before the next one: whoever starts from there can give every
// row that the database lacks. It gets there in one piece. Whatever is wrong with it, it is
// thrown away and the log is folded from the beginning.
type keeper struct {
	fold  *projection.Projection
	shelf *shelf.Shelf // nil: the state is in memory only
	every int          // records
	rows  int          // that may stay in memory

	room    int   // rows at which the next are let go of
	records int   // since the state was last put on the shelf
	due     int64 // what was put may get to the disk when the database has all before this offset; -1: nothing was
}

// keep opens the state of the chain log's fold, for a database that has all rows before an
// offset.
func (s *Sink) keep(ctx context.Context, written int64) (*keeper, error) {
	if s.state == "" {
		return &keeper{fold: projection.New(s.preset), due: -1}, nil
	}
	on, err := shelf.Open(filepath.Join(s.state, strconv.FormatUint(s.preset.ChainID, 10)), s.logger)
	if err != nil {
		return nil, fmt.Errorf("opening the state of the fold: %w", err)
	}
	k := &keeper{shelf: on, every: s.stateEvery, rows: s.stateRows, room: s.stateRows, due: -1}
	refused, err := k.unshelve(ctx, s, written)
	if err == nil && refused != nil {
		s.logger.Warn("the state on disk is thrown away, and the log folded from its beginning", "chain", s.preset.Name, "reason", refused)
		if err = on.Empty(); err == nil {
			k.fold, err = projection.Unshelve(s.preset, on)
		}
	}
	if err != nil {
		return nil, errors.Join(err, on.Close())
	}
	if from := k.fold.Offset(); from > 0 {
		s.logger.Info("the fold goes on where it was put on disk", "chain", s.preset.Name, "offset", from)
	}
	return k, nil
}

// unshelve takes the fold from the shelf. refused says why it is of no use.
func (k *keeper) unshelve(ctx context.Context, s *Sink, written int64) (refused, err error) {
	k.fold, refused = projection.Unshelve(s.preset, k.shelf)
	if refused != nil || k.fold.Offset() == 0 {
		return refused, nil
	}
	if k.fold.Offset() > written {
		return fmt.Errorf("it is of offset %d, and the database has but what comes before %d", k.fold.Offset(), written), nil
	}
	value, _ := k.shelf.Load(lastKey)
	want, refused := entity.Read(value, lastFields)
	if refused != nil {
		return refused, nil
	}
	got, err := s.lastOf(ctx, int64(want.offset))
	if err == nil && got != want {
		refused = fmt.Errorf("it was folded from another log: the record at offset %d was another one", want.offset)
	}
	return refused, err
}

// last tells a log from others, by the last record that was folded.
type last struct {
	offset uint64
	topic  string
	digest [sha256.Size]byte
}

// lastKey is of no table of a projection.
var lastKey = []byte{255}

func lastFields(c *entity.Codec, l *last) {
	c.Number(&l.offset)
	c.Text(&l.topic)
	c.Hash((*poco.Hash)(&l.digest))
}

// lastOf is what the log has at an offset; nothing where it ends before.
func (s *Sink) lastOf(ctx context.Context, offset int64) (found last, err error) {
	end, err := s.kafka.End(ctx, s.topics.Log, 0)
	if err != nil || offset >= end {
		return last{}, err
	}
	err = s.kafka.Read(ctx, s.topics.Log, 0, offset, offset+1, func(m kafka.Message) error {
		found = last{offset: uint64(m.Offset), topic: s.topics.Log, digest: sha256.Sum256(m.Value)}
		return nil
	})
	return found, err
}

// folded is told of each record that was folded, and what the database has.
func (k *keeper) folded(topic string, m kafka.Message, written int64) error {
	if k.shelf == nil {
		return nil
	}
	k.records++
	if k.due >= 0 {
		return k.commit(written)
	}
	full := k.fold.InMemory() > k.room
	if !full && k.records < k.every {
		return nil
	}
	k.shelve(topic, m)
	if full {
		k.fold.Unload()
		k.room = max(k.rows, 2*k.fold.InMemory()) // what is not final stays
	}
	return k.commit(written)
}

func (k *keeper) shelve(topic string, m kafka.Message) {
	k.records, k.due = 0, k.fold.Shelve(k.shelf.Put)
	k.shelf.Put(lastKey, entity.Write(nil, last{offset: uint64(m.Offset), topic: topic, digest: sha256.Sum256(m.Value)}, lastFields))
}

// commit has what was put get to the disk, if the database is as far.
func (k *keeper) commit(written int64) error {
	if k.due < 0 || written < k.due {
		return nil
	}
	k.due = -1
	return k.shelf.Commit()
}

// close lets go of the directory. The state gets to the disk before, if it is whole and the
// database as far: m is the last record that was folded, if any was.
func (k *keeper) close(topic string, m kafka.Message, written int64) error {
	if k.shelf == nil {
		return nil
	}
	err := k.commit(written)
	if err == nil && m.Value != nil && k.due < 0 && k.fold.Err() == nil {
		k.shelve(topic, m)
		err = k.commit(written)
	}
	return errors.Join(err, k.shelf.Close())
}
