package poco_test

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"assay/consensus/poco"
)

const liveTasks = 10_000

// cpu is the time that this process has computed for, on all cores: unlike the time on
// the wall it does not grow with what else the machine does.
func cpu(t testing.TB) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// measure folds b.N events by chunks, of which the making is not measured.
func measure(b *testing.B, l *load, fold func([]poco.Event)) {
	b.ReportAllocs()
	b.ResetTimer()
	var spent time.Duration
	done := 0
	for done < b.N {
		b.StopTimer()
		events := l.next(min(b.N-done, 50_000))
		before := cpu(b)
		b.StartTimer()
		fold(events)
		b.StopTimer()
		spent += cpu(b) - before
		done += len(events)
		b.StartTimer()
	}
	b.ReportMetric(float64(done)/spent.Seconds(), "events/cpu-s")
	b.ReportMetric(float64(spent.Nanoseconds())/float64(done), "cpu-ns/event")
}

// BenchmarkEvolve folds what happens while 10,000 tasks run, one event per op. "forget"
// forgets what ended, every 1,000 events; "marks" does so as a projection does, with a
// mark per 50 events (a block) and 64 held; "yardstick" folds nothing: it looks up one of
// 10,000 hashes in a map per event, and changes what stands there.
func BenchmarkEvolve(b *testing.B) {
	begin := func() (*load, *poco.State) {
		l, state := newLoad(liveTasks), poco.New(rules())
		fold(b, state, l.next(30*liveTasks))
		state.Forget()
		return l, state
	}
	b.Run("yardstick", func(b *testing.B) {
		type value struct{ stake, locked poco.Amount }
		rows, keys, k := map[poco.Hash]*value{}, make([]poco.Hash, liveTasks), 0
		for i := range keys {
			keys[i] = numbered('y', i*7919%liveTasks)
			rows[keys[i]] = &value{}
		}
		measure(b, newLoad(liveTasks), func(events []poco.Event) {
			for range events {
				row := rows[keys[k]]
				row.stake.AddUint64(&row.stake, 1)
				row.locked.AddUint64(&row.locked, 2)
				k = (k + 1) % len(keys)
			}
		})
	})
	b.Run("remember", func(b *testing.B) {
		l, state := begin()
		measure(b, l, func(events []poco.Event) { fold(b, state, events) })
	})
	b.Run("forget", func(b *testing.B) {
		l, state := begin()
		measure(b, l, func(events []poco.Event) { foldForgetting(b, state, events) })
	})
	b.Run("marks", func(b *testing.B) {
		l, state := begin()
		var held []poco.Mark
		measure(b, l, func(events []poco.Event) {
			for len(events) > 0 {
				n := min(len(events), 50)
				if held = append(held, state.Mark()); len(held) > 64 {
					if err := state.Release(held[0]); err != nil {
						b.Fatal(err)
					}
					state.Forget()
					held = held[1:]
				}
				fold(b, state, events[:n])
				events = events[n:]
			}
		})
	})
}

func foldForgetting(t testing.TB, state *poco.State, events []poco.Event) {
	for len(events) > 0 {
		n := min(len(events), 1000)
		fold(t, state, events[:n])
		state.Forget()
		events = events[n:]
	}
}

// TestMemoryIsBoundedByLiveTasks: with 10,000 tasks running, a state that forgets holds
// as much after a million events as after the first few. ASSAY_EVENTS sets another number
// of events, see make bench-poco; ASSAY_ORDERS=keep shows what orders cost that are kept.
func TestMemoryIsBoundedByLiveTasks(t *testing.T) {
	total, orders := uint64(1_000_000), os.Getenv("ASSAY_ORDERS") == "keep"
	if s := os.Getenv("ASSAY_EVENTS"); s != "" {
		var err error
		if total, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("ASSAY_EVENTS: %v", err)
		}
	}
	l, state := newLoad(liveTasks), poco.New(rules())
	if !orders {
		state.ForgetOrders()
	}
	var first, last, spent uint64
	for done, next := uint64(0), uint64(500_000); done < total; {
		events := l.next(50_000)
		before := cpu(t)
		foldForgetting(t, state, events)
		spent += uint64(cpu(t) - before)
		if done += uint64(len(events)); done >= next || done >= total {
			next *= 2
			last = heap()
			work, kept := state.Rows()
			t.Logf("%11d events: %5.1f MB, %6d rows of deals and tasks, %7d of orders, %4d cpu-ns/event",
				done, float64(last)/1e6, work, kept, spent/done)
			if first == 0 {
				first = last
			}
		}
	}
	if !orders && last > first*3/2 { // maps double once or twice before deleted keys make enough room
		t.Errorf("%d bytes after %d events, %d after the first", last, total, first)
	}
	runtime.KeepAlive(l)
	runtime.KeepAlive(state)
}

// heap is how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkSnapshot writes and reads a state with a million accounts and 100,000 tasks.
func BenchmarkSnapshot(b *testing.B) {
	l, state := newLoad(100_000), poco.New(rules())
	for i := range 1_000_000 {
		owner := poco.Address(poco.TaskID(numbered('x', i), &poco.Amount{}).Bytes()[12:]) // scattered, as addresses are
		fold(b, state, []poco.Event{poco.Transfer{To: owner, Value: amount(1e9)}})
	}
	fold(b, state, l.next(1_700_000)) // most tasks have four contributions
	data := *bytes.NewBuffer(snapshot(b, state))
	b.Run("write", func(b *testing.B) {
		before := cpu(b)
		for b.Loop() {
			data.Reset()
			if err := state.Snapshot(&data); err != nil {
				b.Fatal(err)
			}
		}
		b.SetBytes(int64(data.Len()))
		b.ReportMetric((cpu(b)-before).Seconds()/float64(b.N), "cpu-s/op")
	})
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(data.Len()))
		before := cpu(b)
		for b.Loop() {
			if _, err := poco.Restore(rules(), bytes.NewReader(data.Bytes())); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric((cpu(b)-before).Seconds()/float64(b.N), "cpu-s/op")
	})
}
