package sink

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
	"google.golang.org/protobuf/proto"

	"assay/indexer/internal/market"
	"assay/indexer/projection"
	"assay/internal/kafka"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

// BenchmarkProject measures from the chain log to the database, both embedded, of
// ASSAY_BENCH_EVENTS events (100,000 by default), beside its parts: reading the log and
// dropping it, folding it and dropping the rows, and inserting rows that were folded before.
// Processor time is of this process and of the database's; two cores that do nothing else
// give 2 s of it in a second.
func BenchmarkProject(b *testing.B) {
	events := 100_000
	if text := os.Getenv("ASSAY_BENCH_EVENTS"); text != "" {
		var err error
		events, err = strconv.Atoi(text)
		ok(b, err)
	}
	token := market.Preset
	token.AppRegistry, token.DatasetRegistry, token.WorkerpoolRegistry = "", "", ""
	for _, traffic := range []struct {
		name   string
		preset chains.Preset
		write  func(b *testing.B, c *kafka.Client, topic string, events int) int
	}{{"transfers", token, transfers}, {"poco", market.Preset, marketplace}} {
		b.Run(traffic.name, func(b *testing.B) {
			c, topics := broker(b), topicsOf("bench")
			fill(b, c, topics, nil, never)
			written := traffic.write(b, c, topics.Log, events)
			for _, part := range []struct {
				name string
				run  func(*testing.B, *Sink)
			}{{"drop", drop}, {"fold", foldOnly}, {"insert", insertOnly}, {"project", project}} {
				b.Run(part.name, func(b *testing.B) {
					for b.Loop() {
						s := newSink(c, nil, topics)
						s.preset, s.maxRows = traffic.preset, DefaultMaxRows
						part.run(b, s)
					}
					b.ReportMetric(float64(written*b.N)/b.Elapsed().Seconds(), "events/s")
				})
			}
		})
	}
}

const perBlock = 20

// transfers writes a log of ERC-20 transfers between 300 accounts.
func transfers(b *testing.B, c *kafka.Client, topic string, events int) int {
	rng := rand.New(rand.NewSource(1))
	people := make([][]byte, 300)
	for i := range people {
		people[i] = crypto.Keccak256([]byte{byte(i), byte(i >> 8)})[12:]
	}
	hub := common.HexToAddress(market.Preset.Hub).Bytes()
	parent, k := crypto.Keccak256(nil), 0
	var chunk []kafka.Message
	for number := range uint64(events / perBlock) {
		block := &assaypb.Block{Number: number + 1, ParentHash: parent, Time: 1_700_000_000 + 2*number}
		block.Hash = crypto.Keccak256(parent, binary.BigEndian.AppendUint64(nil, number))
		parent = block.Hash
		var tx []byte
		for i := range perBlock {
			if i%5 == 0 {
				tx = crypto.Keccak256(parent, []byte{byte(i)})
			}
			transfer := &assaypb.Transfer{From: people[rng.Intn(len(people))], To: people[rng.Intn(len(people))], Value: uint256.NewInt(uint64(1 + rng.Intn(1_000_000))).Bytes()}
			if k < len(people) {
				transfer = &assaypb.Transfer{From: make([]byte, 20), To: people[k], Value: uint256.NewInt(1e18).Bytes()}
			}
			k++
			block.Events = append(block.Events, &assaypb.Event{
				LogIndex: uint32(i), TxHash: tx, TxIndex: uint32(i / 5), Emitter: hub, Body: &assaypb.Event_Transfer{Transfer: transfer},
			})
		}
		chunk = append(chunk, encode(b, "chain", &assaypb.ChainRecord{
			ChainId: market.Preset.ChainID, Sequence: 2 * number, Body: &assaypb.ChainRecord_Block{Block: block},
		}), encode(b, "chain", &assaypb.ChainRecord{
			ChainId: market.Preset.ChainID, Sequence: 2*number + 1, Body: &assaypb.ChainRecord_Mark{Mark: &assaypb.Mark{
				HeadNumber: block.Number, HeadHash: block.Hash, HeadTime: block.Time, FinalizedNumber: block.Number - min(block.Number, 64),
			}},
		}))
		if len(chunk) >= 2000 || int(number) == events/perBlock-1 {
			ok(b, c.Append(b.Context(), topic, chunk...))
			chunk = nil
		}
	}
	return events / perBlock * perBlock
}

// marketplace writes a log of a marketplace, with at least a tenth as many events.
func marketplace(b *testing.B, c *kafka.Client, topic string, events int) int {
	m, log := market.New(rand.New(rand.NewSource(1)).Intn), &market.Log{}
	written := 0
	for written < events/10 {
		block := m.Grow(20)
		log.Block(block)
		log.Mark(m, 64)
		written += len(block.Events)
	}
	var chunk []kafka.Message
	for _, record := range log.Records {
		chunk = append(chunk, encode(b, "chain", record))
	}
	ok(b, c.Append(b.Context(), topic, chunk...))
	return written
}

func drop(b *testing.B, s *Sink) {
	end, err := s.kafka.End(b.Context(), s.topics.Log, 0)
	ok(b, err)
	ok(b, s.kafka.Read(b.Context(), s.topics.Log, 0, 0, end, func(m kafka.Message) error {
		return proto.Unmarshal(m.Value, &assaypb.ChainRecord{})
	}))
}

func foldOnly(b *testing.B, s *Sink) {
	before := own()
	rows := 0
	folded(b, s, func(batch *batch) { rows += batch.size() })
	b.ReportMetric((own() - before).Seconds(), "cpu-s")
	b.ReportMetric(float64(rows), "rows")
}

// folded hands over the batches of the log.
func folded(b *testing.B, s *Sink, handle func(*batch)) {
	if s.writer.db == nil {
		s.writer.db = database(b, "folded"+strconv.Itoa(rand.Int()))
	}
	ok(b, s.writer.describe(b.Context(), tables()...))
	st := &stream{sink: s, topic: s.topics.Log, fold: foldChain(projection.New(s.preset)), until: -1}
	st.begun = plan{Chain: s.preset.ChainID, Topic: s.topics.Log}
	ctx, cancel := context.WithCancel(b.Context())
	end, err := s.kafka.End(ctx, s.topics.Log, 0)
	ok(b, err)
	full, done := make(chan *batch), make(chan error, 2)
	st.open()
	go func() { done <- st.read(ctx, 0) }()
	go func() { done <- st.gather(ctx, full) }()
	for next := int64(0); next < end; {
		select {
		case st.ready <- struct{}{}:
		default:
		}
		select {
		case batch := <-full:
			next = int64(batch.plan.Last) + 1
			handle(batch)
		case err := <-done:
			b.Fatal(err)
		}
	}
	heap(b)
	cancel()
	for range 2 {
		if err := <-done; !errors.Is(err, context.Canceled) {
			ok(b, err)
		}
	}
}

func insertOnly(b *testing.B, s *Sink) {
	b.StopTimer()
	var batches []*batch
	folded(b, s, func(batch *batch) { batches = append(batches, batch) })
	s.writer.db = database(b, "insert"+strconv.Itoa(rand.Int()))
	ok(b, s.writer.describe(b.Context(), tables()...))
	b.StartTimer()
	mine, engines := own(), engine(b)
	for _, batch := range batches {
		ok(b, s.writer.write(b.Context(), batch))
	}
	b.ReportMetric((own() - mine).Seconds(), "cpu-s")
	b.ReportMetric((engine(b) - engines).Seconds(), "db-cpu-s")
}

func project(b *testing.B, s *Sink) {
	b.StopTimer()
	s.writer.db = database(b, "project"+strconv.Itoa(rand.Int()))
	b.StartTimer()
	mine, engines := own(), engine(b)
	stop := start(b, s)
	end, err := s.kafka.End(b.Context(), s.topics.Log, 0)
	ok(b, err)
	for s.Status().Records < uint64(end) {
		time.Sleep(5 * time.Millisecond)
	}
	b.ReportMetric((own() - mine).Seconds(), "cpu-s")
	b.ReportMetric((engine(b) - engines).Seconds(), "db-cpu-s")
	heap(b)
	stop()
}

// heap reports what is kept in memory while the sink still has its state.
func heap(b *testing.B) {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	b.ReportMetric(float64(stats.HeapAlloc)/1e6, "heap-MB")
	b.ReportMetric(float64(stats.Sys-stats.HeapReleased)/1e6, "sys-MB")
}

// own is this process's processor time.
func own() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// engine is the processor time of the database's process, this one's child.
func engine(b *testing.B) time.Duration {
	files, err := filepath.Glob("/proc/self/task/*/children")
	ok(b, err)
	var total time.Duration
	for _, file := range files {
		text, err := os.ReadFile(file)
		ok(b, err)
		for _, pid := range strings.Fields(string(text)) {
			stat, err := os.ReadFile("/proc/" + pid + "/stat")
			ok(b, err)
			fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
			var user, system int64
			_, err = fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
			ok(b, err)
			total += time.Duration(user+system) * 10 * time.Millisecond
		}
	}
	return total
}
