// Package shelf keeps values by key in a directory of a local disk. What is put there gets
// to the disk together, or not at all, when it is committed; until then it can be read all
// the same. A shelf is a cache: whoever has one can fill it again, and empties it where it
// is damaged.
package shelf

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// What a shelf takes of memory beside what is put and not committed. The tables in memory,
// of which there are up to three, count against the cache.
const (
	cacheBytes    = 64 << 20
	memTableBytes = 4 << 20
	openFiles     = 1000
)

// loadsEach is how many are answered of one view of the store. What was committed is searched
// without filters, and takes room of the cache, until no view is left that is older than the
// table it became.
const loadsEach = 2000

// Shelf is one directory's. It is not safe for concurrent use. An error of the disk is kept
// until the shelf is emptied (Err): what was not found may have been there.
type Shelf struct {
	dir  string
	log  *slog.Logger
	lock *pebble.Lock
	db   *pebble.DB
	next *pebble.Batch    // what was put and is not on the disk yet; nil: nothing
	seek *pebble.Iterator // that Load uses until something is put; unlike Get it asks the filters of the last level, too
	left int              // times that Load may still use it
	err  error
}

// Open opens the shelf of a directory, which is made where there is none. What cannot be
// read is thrown away, with a line in the log: the shelf is then empty. Another process that
// uses the directory is an error.
func Open(dir string, log *slog.Logger) (*Shelf, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := pebble.LockDirectory(dir, vfs.Default)
	if err != nil {
		return nil, fmt.Errorf("%s is used by another process: %w", dir, err)
	}
	s := &Shelf{dir: dir, log: log, lock: lock}
	if err := s.open(); err != nil {
		log.Warn("what was kept on disk cannot be read and is thrown away", "directory", dir, "error", err)
		if err := s.Empty(); err != nil {
			return nil, errors.Join(err, lock.Close())
		}
	}
	return s, nil
}

func (s *Shelf) open() (err error) {
	cache := pebble.NewCache(cacheBytes)
	defer cache.Unref()
	options := &pebble.Options{
		Cache: cache, MemTableSize: memTableBytes, MaxOpenFiles: openFiles, Lock: s.lock, Logger: logger{s.log},
		FormatMajorVersion: pebble.FormatNewest,
		EventListener:      &pebble.EventListener{DataCorruption: func(pebble.DataCorruptionInfo) {}}, // whoever reads is told
	}
	for i := range options.Levels {
		options.Levels[i].FilterPolicy = bloom.FilterPolicy(10) // most of what is asked for is not there
	}
	s.db, err = pebble.Open(s.dir, options)
	return err
}

// logger passes on what the store says that matters.
type logger struct{ *slog.Logger }

func (l logger) Infof(string, ...any) {}

func (l logger) Errorf(format string, args ...any) {
	l.Warn("keeping state on disk", "error", fmt.Sprintf(format, args...))
}

// Fatalf must not return: the store cannot go on.
func (l logger) Fatalf(format string, args ...any) {
	panic("keeping state on disk: " + fmt.Sprintf(format, args...))
}

// Load returns what was put for a key, good until the next call; ok is false for nothing.
func (s *Shelf) Load(key []byte) (value []byte, ok bool) {
	if s.left--; s.left < 0 {
		s.settle()
	}
	if s.seek == nil {
		s.left = loadsEach
		var err error
		if s.seek, err = s.reader().NewIter(&pebble.IterOptions{UseL6Filters: true}); err != nil {
			s.fail(err)
			return nil, false
		}
	}
	if !s.seek.SeekPrefixGE(key) || !bytes.Equal(s.seek.Key(), key) {
		s.fail(s.seek.Error())
		return nil, false
	}
	value, err := s.seek.ValueAndErr()
	s.fail(err)
	return value, err == nil
}

// reader has what was put, too.
func (s *Shelf) reader() pebble.Reader {
	if s.next != nil {
		return s.next
	}
	return s.db
}

// All yields what was put for the keys that begin so, in their order.
func (s *Shelf) All(prefix []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		end := slices.Clone(prefix)
		end[len(end)-1]++
		found, err := s.reader().NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: end})
		if err != nil {
			s.fail(err)
			return
		}
		for ok := found.First(); ok && yield(found.Key(), found.Value()); ok = found.Next() {
		}
		s.fail(found.Close())
	}
}

// Put puts a value, or takes one away if it is nil. It is on the disk after Commit.
func (s *Shelf) Put(key, value []byte) {
	s.settle()
	if s.next == nil {
		s.next = s.db.NewIndexedBatch()
	}
	if value == nil {
		s.fail(s.next.Delete(key, nil))
		return
	}
	s.fail(s.next.Set(key, value, nil))
}

// Commit writes all that was put to the disk, together.
func (s *Shelf) Commit() error {
	if s.next == nil || s.err != nil {
		return s.err
	}
	s.settle()
	s.fail(s.next.Commit(pebble.Sync))
	s.fail(s.next.Close())
	s.next = nil
	return s.err
}

// settle lets go of what Load reads from: it is about to change.
func (s *Shelf) settle() {
	if s.seek != nil {
		s.fail(s.seek.Close())
		s.seek = nil
	}
}

// Err is the first error of the disk.
func (s *Shelf) Err() error { return s.err }

func (s *Shelf) fail(err error) {
	if s.err == nil && err != nil {
		s.err = fmt.Errorf("the state in %s: %w", s.dir, err)
	}
}

// Empty takes everything away, from the disk too.
func (s *Shelf) Empty() error {
	s.drop() // what is closed here is not wanted any more, whatever the disk says
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() == "LOCK" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(s.dir, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	s.err = nil
	return s.open()
}

// drop closes the store without what was not committed.
func (s *Shelf) drop() {
	s.settle()
	if s.next != nil {
		s.fail(s.next.Close())
		s.next = nil
	}
	if s.db != nil {
		s.fail(s.db.Close())
		s.db = nil
	}
}

// Close lets go of the directory, and of what was not committed.
func (s *Shelf) Close() error {
	s.drop()
	return errors.Join(s.err, s.lock.Close())
}
