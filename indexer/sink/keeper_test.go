package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"assay/indexer/internal/market"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
)

// counting is a log that counts which records of the chain log are read.
type counting struct {
	Log
	topic string
	mu    sync.Mutex
	first int64 // offset of the first one of the last reader
	read  int
}

func (c *counting) Read(ctx context.Context, topic string, partition int, from, to int64, handle func(kafka.Message) error) error {
	if topic == c.topic && to < 0 {
		c.mu.Lock()
		c.first, c.read = from, 0
		c.mu.Unlock()
	}
	return c.Log.Read(ctx, topic, partition, from, to, func(m kafka.Message) error {
		c.mu.Lock()
		c.read++
		c.mu.Unlock()
		return handle(m)
	})
}

// onDisk is a sink with its state in a directory, little of it in memory.
func onDisk(s *Sink, dir string, rows, every int) *Sink {
	s.state, s.stateRows, s.stateEvery = dir, rows, every
	return s
}

// TestAStateOnDiskChangesNothing stops a sink again and again in the middle of batches, with
// its state on disk, of which hardly anything stays in memory. Now and then the state is one
// of long ago, as a kill leaves it, or is gone.
func TestAStateOnDiskChangesNothing(t *testing.T) {
	c := broker(t)
	topics := topicsOf("kept")
	rng := rand.New(rand.NewSource(12))
	m, forked := market.New(rng.Intn), &market.Log{}
	for range 30 {
		forked.Fork(m, rng.Intn(3))
		forked.Block(m.Grow(5))
		forked.Mark(m, 3)
	}
	fill(t, c, topics, forked.Records, func(i int) bool { return i%7 == 3 })
	calm, stopped := database(t, "calm"), database(t, "stopped")
	settle(t, newSink(c, calm, topics))

	root := t.TempDir()
	dir, copies, resumed := filepath.Join(root, "0"), []string{}, 0
	for point := 5; ; point += 3 + rng.Intn(9) {
		log := &counting{Log: c, topic: topics.Log}
		s := onDisk(newSink(log, stopped, topics), dir, 8, 1+rng.Intn(9))
		s.maxRows = 100
		ctx, cancel := context.WithCancel(context.Background())
		s.writer.db = &flaky{Conn: stopped, fail: failAfter(point, cancel), after: tear(int64(point))}
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		eventually(t, "it is stopped or has nothing left to do", func() bool { return ctx.Err() != nil || atEnd(t, s) })
		cancel()
		ok(t, <-done)
		if log.first > 0 {
			resumed++
		}
		if atEnd(t, s) {
			break
		}
		next := filepath.Join(root, fmt.Sprint(len(copies)+1))
		copies = append(copies, dir)
		if rng.Intn(6) > 0 { // else it is gone
			ok(t, os.CopyFS(next, os.DirFS(copies[max(0, len(copies)-1-rng.Intn(3))])))
		}
		dir = next
	}
	t.Logf("%d starts, %d of them from the state on disk", len(copies)+1, resumed)
	if resumed < 3 {
		t.Errorf("it went on from its state only %d times", resumed)
	}
	same(t, "with the state on disk", dump(t, stopped, true), dump(t, calm, true))
	sumsAreTheRows(t, stopped)
}

// write runs a sink until it has written so many records.
func write(t *testing.T, s *Sink, records int) {
	t.Helper()
	stop := start(t, s)
	eventually(t, "all is written", func() bool { return s.Status().Records >= uint64(records) })
	stop()
}

// TestARestartFoldsOnlyWhatIsNew: after a clean stop only what is not final is read again.
func TestARestartFoldsOnlyWhatIsNew(t *testing.T) {
	c := broker(t)
	topics := topicsOf("restart")
	_, _, fresh := play(13, 30)
	fill(t, c, topics, fresh.Records, never) // its last mark makes all final
	db, dir := database(t, "restart"), t.TempDir()
	write(t, onDisk(newSink(c, db, topics), dir, 1000, 10), len(fresh.Records))
	log := &counting{Log: c, topic: topics.Log}
	start(t, onDisk(newSink(log, db, topics), dir, 1000, 10))
	end := int64(len(fresh.Records))
	eventually(t, "the log is read from its end", func() bool {
		log.mu.Lock()
		defer log.mu.Unlock()
		return log.first == end
	})
	if log.read > 1 { // the last record, to compare
		t.Errorf("%d records were read", log.read)
	}
}

// TestAStateThatDoesNotFitIsThrownAway lists the states that a sink may find, and what it
// says of them. The rows are the same in any case.
func TestAStateThatDoesNotFitIsThrownAway(t *testing.T) {
	c := broker(t)
	topics, others := topicsOf("fits"), topicsOf("others")
	_, _, fresh := play(14, 20)
	fill(t, c, topics, fresh.Records, never)
	count := len(fresh.Records)
	other := proto.Clone(fresh.Records[count-1]).(*assaypb.ChainRecord)
	other.GetMark().HeadTime++
	fill(t, c, others, append(fresh.Records[:count-1:count-1], other), never)
	cases := map[string]struct {
		topics schema.Topics
		spoil  func(t *testing.T, dir string)
		says   string
	}{
		"of another log":        {others, nil, "folded from another log"},
		"ahead of the database": {topics, nil, "the database has but what comes before 0"},
		"damaged": {topics, func(t *testing.T, dir string) {
			files, err := filepath.Glob(filepath.Join(dir, "*", "MANIFEST-*"))
			ok(t, err)
			for _, file := range files {
				ok(t, os.WriteFile(file, []byte("this is no manifest"), 0o600))
			}
		}, "cannot be read"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			filled := database(t, "filled")
			write(t, onDisk(newSink(c, filled, topics), dir, 1000, 10), count)
			if test.spoil != nil {
				test.spoil(t, dir)
			}
			db := database(t, "db")
			if name == "of another log" {
				settle(t, newSink(c, db, test.topics)) // as far as the state
			}
			s, said := onDisk(newSink(c, db, test.topics), dir, 1000, 10), &notebook{}
			s.logger = slog.New(slog.NewTextHandler(said, nil))
			stop := start(t, s)
			eventually(t, "it says why", func() bool { return said.has(test.says) })
			eventually(t, "all is written", func() bool { return atEnd(t, s) })
			stop()
			if test.topics == topics {
				same(t, name, dump(t, db, true), dump(t, filled, true))
			}
		})
	}
}

// notebook is what a logger writes to.
type notebook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *notebook) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(b)
}

func (n *notebook) has(text string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Contains(n.text.String(), text)
}

// TestADirectoryIsOneSinks says so to the second.
func TestADirectoryIsOneSinks(t *testing.T) {
	c := broker(t)
	topics := topicsOf("one")
	_, _, fresh := play(15, 3)
	fill(t, c, topics, fresh.Records, never)
	dir := t.TempDir()
	start(t, onDisk(newSink(c, database(t, "first"), topics), dir, 10, 10))
	eventually(t, "the directory is in use", func() bool {
		_, err := os.Stat(filepath.Join(dir, fmt.Sprint(market.Preset.ChainID), "LOCK"))
		return err == nil
	})
	err := onDisk(newSink(c, database(t, "second"), topics), dir, 10, 10).Run(t.Context())
	if err == nil || errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "another process") {
		t.Fatalf("the second says %v", err)
	}
}
