package sink

import (
	"encoding/binary"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"google.golang.org/protobuf/proto"

	"assay/indexer/internal/market"
	"assay/indexer/projection"
	"assay/internal/kafka"
	"assay/internal/shelf"
	"assay/schema/assaypb"
)

// TestMemoryStaysFlat folds ASSAY_STATE_EVENTS transfers (20,000 unless it says otherwise),
// made on the way, and prints at some marks what the fold takes: with a few accounts; with a
// new one in each event and the state on disk; and the same in memory, up to the second mark.
// Rows are made and dropped.
func TestMemoryStaysFlat(t *testing.T) {
	events, rows, long := 20_000, 5_000, false
	if text := os.Getenv("ASSAY_STATE_EVENTS"); text != "" {
		var err error
		events, err = strconv.Atoi(text)
		ok(t, err)
		rows, long = DefaultStateRows, events >= 5_000_000 // with fewer, memory is not full at the first mark
	}
	defer debug.SetGCPercent(debug.SetGCPercent(50)) // as an index has it
	marks := []int{events / 10, events / 5, events / 2, events}
	for _, test := range []struct {
		name  string
		few   bool
		dir   string
		marks []int
		flat  bool
	}{
		{"300 accounts", true, t.TempDir(), marks, true},
		{"ever new accounts", false, t.TempDir(), marks, true},
		{"ever new accounts, in memory", false, "", marks[:2], false},
	} {
		t.Run(test.name, func(t *testing.T) {
			heap := weigh(t, &traffic{few: test.few}, test.dir, rows, test.marks)
			if first, last := heap[0], heap[len(heap)-1]; long && test.flat != (last < 1.3*first+16) { // the store has tables of up to 4 MB in memory
				t.Errorf("the heap goes from %.0f to %.0f MB", first, last)
			}
		})
	}
}

// traffic is a chain of transfers of stake, 20 in a block.
type traffic struct {
	few    bool // of 300 accounts; else each goes to a new one
	rng    *rand.Rand
	number uint64
	made   uint64 // accounts
}

// account is the address of one, spread as hashes are.
func account(n uint64) []byte {
	var a []byte
	for i := range uint64(3) {
		x := (3*n + i + 1) * 0x9e3779b97f4a7c15
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		a = binary.BigEndian.AppendUint64(a, x^x>>31)
	}
	return a[:common.AddressLength]
}

// transfer is the next: a deposit, or a gift of one nRLC from any account that made one.
func (c *traffic) transfer() *assaypb.Transfer {
	switch most := uint64(300); {
	case c.few && c.made >= most:
		from, to := uint64(c.rng.Int63n(int64(most))), uint64(c.rng.Int63n(int64(most)))
		return &assaypb.Transfer{From: account(from), To: account(to), Value: []byte{1}}
	case c.few || c.made%2 == 0:
		c.made++
		return &assaypb.Transfer{From: make([]byte, common.AddressLength), To: account(c.made - 1), Value: uint256.NewInt(1e12).Bytes()}
	default:
		from := uint64(c.rng.Int63n(int64(c.made))) &^ 1
		if c.rng.Intn(10) > 0 { // mostly somebody who came lately
			from = (c.made - min(c.made, uint64(1+c.rng.Intn(300)))) &^ 1
		}
		c.made++
		return &assaypb.Transfer{From: account(from), To: account(c.made - 1), Value: []byte{1}}
	}
}

// next is a block and a mark, by which blocks 64 before are final.
func (c *traffic) next() (block, mark *assaypb.ChainRecord) {
	hash := func(n uint64) []byte { return binary.BigEndian.AppendUint64(make([]byte, 24, 32), n) }
	b := &assaypb.Block{Number: c.number + 1, Hash: hash(c.number + 1), ParentHash: hash(c.number), Time: 1_700_000_000 + c.number}
	for i := range perBlock {
		b.Events = append(b.Events, &assaypb.Event{
			LogIndex: uint32(i), TxHash: hash(c.number<<8 + uint64(i/5)), TxIndex: uint32(i / 5),
			Emitter: common.HexToAddress(market.Preset.Hub).Bytes(), Body: &assaypb.Event_Transfer{Transfer: c.transfer()},
		})
	}
	at := 2 * c.number
	c.number++
	final := c.number - min(c.number, 64)
	return &assaypb.ChainRecord{
			ChainId: market.Preset.ChainID, Sequence: at, Offset: proto.Uint64(at), Body: &assaypb.ChainRecord_Block{Block: b},
		}, &assaypb.ChainRecord{
			ChainId: market.Preset.ChainID, Sequence: at + 1, Offset: proto.Uint64(at + 1), Body: &assaypb.ChainRecord_Mark{Mark: &assaypb.Mark{
				HeadNumber: b.Number, HeadHash: b.Hash, HeadTime: b.Time, FinalizedNumber: final, FinalizedHash: hash(final),
			}},
		}
}

// weigh folds traffic up to the last mark, as if the database were 200 records behind, and
// returns the heap at each mark in megabytes. More than twice the rows that may stay in
// memory is an error.
func weigh(t *testing.T, c *traffic, dir string, inMemory int, marks []int) (heaps []float64) {
	s := New(Config{Preset: market.Preset, State: dir, StateRows: inMemory})
	k, err := s.keep(t.Context(), 0)
	ok(t, err)
	c.rng = rand.New(rand.NewSource(1))
	rows, before := &projection.Rows{}, own()
	t.Log("   events  heap MB  RSS MB  peak  disk MB  rows in memory  CPU µs/event")
	for events := 0; events < marks[len(marks)-1]; {
		block, mark := c.next()
		for _, record := range []*assaypb.ChainRecord{block, mark} {
			ok(t, k.fold.ApplyTo(rows, record))
			rows.Reset()
			offset := int64(record.GetOffset())
			ok(t, k.folded("log", kafka.Message{Offset: offset, Value: []byte{1}}, offset-200))
		}
		if events += perBlock; slices.Contains(marks, events) {
			runtime.GC()
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			if n := k.fold.InMemory(); dir != "" && n > 2*inMemory+20_000 { // and what is not final
				t.Errorf("%d rows are in memory", n)
			}
			heaps = append(heaps, float64(stats.HeapAlloc)/1e6)
			t.Logf("%9d  %7.0f  %6.0f  %4.0f  %7.0f  %14d  %12.1f", events, heaps[len(heaps)-1],
				resident(t, "VmRSS"), resident(t, "VmHWM"), megabytes(t, dir), k.fold.InMemory(), float64((own()-before)/time.Microsecond)/float64(events))
		}
	}
	end := 2 * c.number
	ok(t, k.close("log", kafka.Message{Offset: int64(end) - 1, Value: []byte{1}}, int64(end)))
	if dir != "" {
		restart(t, s, end)
	}
	return heaps
}

// restart measures how long it takes to have the fold again.
func restart(t *testing.T, s *Sink, end uint64) {
	start, before := time.Now(), own()
	on, err := shelf.Open(filepath.Join(s.state, strconv.FormatUint(s.preset.ChainID, 10)), s.logger)
	ok(t, err)
	fold, err := projection.Unshelve(s.preset, on)
	ok(t, err)
	t.Logf("a restart has it after %s (CPU %s), and folds the last %d of %d records again",
		time.Since(start).Round(time.Millisecond), (own() - before).Round(time.Millisecond), end-uint64(fold.Offset()), end)
	ok(t, on.Close())
}

// resident is this process's memory in megabytes: now (VmRSS), or the most there was (VmHWM).
func resident(t *testing.T, what string) float64 {
	status, err := os.ReadFile("/proc/self/status")
	ok(t, err)
	_, rest, _ := strings.Cut(string(status), what+":")
	kilobytes, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	ok(t, err)
	return kilobytes / 1000
}

// megabytes is what a directory takes in megabytes.
func megabytes(t *testing.T, dir string) float64 {
	if dir == "" {
		return 0
	}
	total := int64(0)
	ok(t, filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // a file that is gone meanwhile
		}
		if info, err := entry.Info(); err == nil {
			total += info.Size()
		}
		return nil
	}))
	return float64(total) / 1e6
}
