package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"assay/internal/kafka"
)

// patience bounds what a test waits for.
const patience = 20 * time.Second

// start runs a broker in dir and a client of it. Both end with the test.
func start(t testing.TB, dir string) (*kafka.Broker, *kafka.Client) {
	t.Helper()
	broker, err := kafka.StartBroker(dir, 0)
	check(t, err)
	t.Cleanup(func() { check(t, broker.Close()) })
	return broker, connect(t, broker.Addr())
}

// withTopic is start with a topic on the broker.
func withTopic(t testing.TB, partitions int) *kafka.Client {
	t.Helper()
	_, client := start(t, t.TempDir())
	check(t, client.CreateTopic(t.Context(), "log", partitions, 1<<20))
	return client
}

func connect(t testing.TB, addr string) *kafka.Client {
	t.Helper()
	client := kafka.NewClient([]string{addr})
	t.Cleanup(func() { check(t, client.Close()) })
	return client
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError checks an error's kind and that it is one line.
func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error is not one line: %v", err)
	}
}

// numbered makes messages whose values are the numbers from ≤ i < to.
func numbered(from, to int) []kafka.Message {
	messages := make([]kafka.Message, 0, to-from)
	for i := from; i < to; i++ {
		messages = append(messages, kafka.Message{Key: fmt.Appendf(nil, "key %d", i%7), Value: fmt.Appendf(nil, "%d", i)})
	}
	return messages
}

// collect reads a range.
func collect(t testing.TB, client *kafka.Client, partition int, from, to int64) []kafka.Message {
	t.Helper()
	var messages []kafka.Message
	check(t, client.Read(t.Context(), "log", partition, from, to, func(message kafka.Message) error {
		messages = append(messages, message)
		return nil
	}))
	return messages
}

func ignore(kafka.Message) error { return nil }

func TestReadReturnsWhatWasAppended(t *testing.T) {
	client := withTopic(t, 1)
	check(t, client.Append(t.Context(), "log", numbered(0, 600)...))
	check(t, client.Append(t.Context(), "log", numbered(600, 1000)...))
	messages := collect(t, client, 0, 0, 1000)
	for i, message := range messages {
		want := numbered(i, i+1)[0]
		if message.Offset != int64(i) || !bytes.Equal(message.Key, want.Key) || !bytes.Equal(message.Value, want.Value) {
			t.Fatalf("message %d is %v", i, message)
		}
	}
	if end, err := client.End(t.Context(), "log", 0); end != 1000 || err != nil {
		t.Errorf("the log ends at %d (%v), want 1000", end, err)
	}
}

func TestReadKeepsToItsRange(t *testing.T) {
	client := withTopic(t, 1)
	check(t, client.Append(t.Context(), "log", numbered(0, 100)...))
	for _, r := range [][2]int64{{0, 100}, {0, 1}, {99, 100}, {37, 61}, {50, 50}, {60, 50}, {100, 100}} {
		messages := collect(t, client, 0, r[0], r[1])
		if len(messages) != max(0, int(r[1]-r[0])) {
			t.Fatalf("offsets %v gave %d messages", r, len(messages))
		}
		for i, message := range messages {
			if message.Offset != r[0]+int64(i) {
				t.Fatalf("offsets %v gave offset %d at %d", r, message.Offset, i)
			}
		}
	}
}

func TestNilAndEmptyKeysAndValuesStayApart(t *testing.T) {
	client := withTopic(t, 1)
	check(t, client.Append(t.Context(), "log", kafka.Message{}, kafka.Message{Key: []byte{}, Value: []byte{}}))
	messages := collect(t, client, 0, 0, 2)
	if messages[0].Key != nil || messages[0].Value != nil {
		t.Errorf("nil came back as %v", messages[0])
	}
	if messages[1].Key == nil || messages[1].Value == nil {
		t.Errorf("empty came back as %v", messages[1])
	}
}

func TestEqualKeysStayTogetherAndInOrder(t *testing.T) {
	const partitions = 4
	client := withTopic(t, partitions)
	check(t, client.Append(t.Context(), "log", numbered(0, 500)...))
	check(t, client.Append(t.Context(), "log", numbered(500, 700)...))
	last, total := map[string]int{}, 0
	for partition := range partitions {
		end, err := client.End(t.Context(), "log", partition)
		check(t, err)
		for _, message := range collect(t, client, partition, 0, end) {
			if want := kafka.PartitionOf(message.Key, partitions); message.Partition != partition || want != partition {
				t.Fatalf("key %q is in partition %d (says %d), want %d", message.Key, partition, message.Partition, want)
			}
			number, err := strconv.Atoi(string(message.Value))
			check(t, err)
			if before, seen := last[string(message.Key)]; seen && number <= before {
				t.Fatalf("key %q: %d follows %d", message.Key, number, before)
			}
			last[string(message.Key)] = number
			total++
		}
	}
	if total != 700 || len(last) != 7 {
		t.Errorf("%d messages of %d keys, want 700 of 7", total, len(last))
	}
}

// The partitions of the Java client, whose test UtilsTest.testMurmur2 has the hashes
// of these keys.
func TestPartitionsAreThoseOfOtherClients(t *testing.T) {
	for key, hash := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
	} {
		for _, partitions := range []int{1, 2, 3, 16, 100} {
			want := int(hash&0x7fffffff) % partitions
			if got := kafka.PartitionOf([]byte(key), partitions); got != want {
				t.Errorf("%q is in partition %d of %d, want %d", key, got, partitions, want)
			}
		}
	}
}

func TestFollowerGetsMessagesSoon(t *testing.T) {
	client := withTopic(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	delivered, done := make(chan time.Time, 1), make(chan error, 1)
	go func() {
		done <- client.Read(ctx, "log", 0, 0, -1, func(kafka.Message) error {
			delivered <- time.Now()
			return nil
		})
	}()
	var latencies []time.Duration
	for i := range 200 {
		before := time.Now()
		check(t, client.Append(ctx, "log", numbered(i, i+1)...))
		latencies = append(latencies, (<-delivered).Sub(before))
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the follower ended with %v, want context.Canceled", err)
	}
	slices.Sort(latencies)
	t.Logf("append and delivery: median %s, p95 %s, max %s", latencies[100], latencies[190], latencies[199])
	if latencies[190] > 20*time.Millisecond {
		t.Errorf("p95 is %s, want at most 20 ms", latencies[190])
	}
}

func TestReadEndsWithTheHandlersError(t *testing.T) {
	client := withTopic(t, 1)
	check(t, client.Append(t.Context(), "log", numbered(0, 10)...))
	own, calls := errors.New("my own"), 0
	err := client.Read(t.Context(), "log", 0, 0, -1, func(message kafka.Message) error {
		if calls++; message.Offset == 4 {
			return own
		}
		return nil
	})
	if !errors.Is(err, own) || calls != 5 {
		t.Errorf("error %v after %d calls, want the handler's own after 5", err, calls)
	}
}

func TestReadStopsWithinABatchWhenTheContextEnds(t *testing.T) {
	client := withTopic(t, 1)
	check(t, client.Append(t.Context(), "log", numbered(0, 100)...))
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := client.Read(ctx, "log", 0, 0, 100, func(kafka.Message) error {
		if calls++; calls == 3 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || calls != 3 {
		t.Errorf("error %v after %d calls, want context.Canceled after 3", err, calls)
	}
}

func TestReadRefusesOffsetsTheLogDoesNotHold(t *testing.T) {
	client := withTopic(t, 1)
	check(t, client.Append(t.Context(), "log", numbered(0, 10)...))
	for _, r := range [][2]int64{{11, -1}, {0, 11}, {11, 12}, {-1, 5}} {
		wantError(t, client.Read(t.Context(), "log", 0, r[0], r[1], ignore), kafka.ErrOutOfRange)
	}
}

func TestOversizeMessagesAreRefusedBeforeAnythingIsWritten(t *testing.T) {
	client := withTopic(t, 1)
	ctx := t.Context()
	larger := kafka.Message{Value: make([]byte, kafka.MaxValueBytes+1)}
	wantError(t, client.Append(ctx, "log", numbered(0, 1)[0], larger), kafka.ErrTooLarge)
	wantError(t, client.Append(ctx, "log", kafka.Message{Key: make([]byte, 1<<20)}), kafka.ErrTooLarge)
	if end, err := client.End(ctx, "log", 0); end != 0 || err != nil {
		t.Errorf("the log ends at %d (%v), want 0", end, err)
	}
}

// TestTopicsHaveLimitsOfTheirOwn: of what one record may have. The largest one comes
// through, although it is larger than what is fetched at once.
func TestTopicsHaveLimitsOfTheirOwn(t *testing.T) {
	client := withTopic(t, 1)
	ctx := t.Context()
	check(t, client.CreateTopic(ctx, "huge", 1, kafka.MaxValueBytes))
	largest := kafka.Message{Value: bytes.Repeat([]byte{1}, kafka.MaxValueBytes)}
	wantError(t, client.Append(ctx, "log", largest), kafka.ErrTooLarge)
	check(t, client.Append(ctx, "huge", numbered(0, 1)[0], largest, numbered(2, 3)[0]))
	var sizes []int
	check(t, client.Read(ctx, "huge", 0, 0, 3, func(m kafka.Message) error {
		sizes = append(sizes, len(m.Value))
		return nil
	}))
	if len(sizes) != 3 || sizes[1] != kafka.MaxValueBytes {
		t.Errorf("records of %v bytes came back", sizes)
	}
}

// TestAppendAt: of two writers who both know where the log ends, the first wins, and the
// second is told.
func TestAppendAt(t *testing.T) {
	client := withTopic(t, 1)
	ctx := t.Context()
	check(t, client.AppendAt(ctx, "log", 0, 0, numbered(0, 3)...))
	wantError(t, client.AppendAt(ctx, "log", 0, 2, numbered(9, 10)...), kafka.ErrElsewhere)
	check(t, client.AppendAt(ctx, "log", 0, 4))
	var messages []kafka.Message
	for range 5 { // more than one batch
		messages = append(messages, kafka.Message{Value: make([]byte, 700<<10)})
	}
	check(t, client.AppendAt(ctx, "log", 0, 4, messages...))
	if end, err := client.End(ctx, "log", 0); end != 9 || err != nil {
		t.Errorf("the log ends at %d (%v), want 9", end, err)
	}
}

func TestLargeAppendsAreCutIntoBatches(t *testing.T) {
	client := withTopic(t, 1)
	var messages []kafka.Message
	for i := range 40 {
		messages = append(messages, kafka.Message{Value: bytes.Repeat([]byte{byte(i)}, 300<<10)})
	}
	check(t, client.Append(t.Context(), "log", messages...))
	for i, message := range collect(t, client, 0, 0, 40) {
		if !bytes.Equal(message.Value, messages[i].Value) {
			t.Fatalf("message %d differs", i)
		}
	}
}

func TestCreateTopicMayBeRepeated(t *testing.T) {
	client := withTopic(t, 3)
	ctx := t.Context()
	check(t, client.Append(ctx, "log", numbered(0, 10)...))
	check(t, client.CreateTopic(ctx, "log", 3, 1<<20))
	if n, err := client.Partitions(ctx, "log"); n != 3 || err != nil {
		t.Errorf("%d partitions (%v), want 3", n, err)
	}
	var kept int64
	for partition := range 3 {
		end, err := client.End(ctx, "log", partition)
		check(t, err)
		kept += end
	}
	if kept != 10 {
		t.Errorf("%d messages after the topic was created again, want 10", kept)
	}
	wantError(t, client.CreateTopic(ctx, "log", 4, 1<<20), kafka.ErrPartitions)
}

func TestUnknownTopicsAreReportedAtOnce(t *testing.T) {
	client := withTopic(t, 1)
	ctx := t.Context()
	began := time.Now()
	wantError(t, client.Append(ctx, "none", numbered(0, 1)...), kafka.ErrUnknownTopic)
	wantError(t, client.Read(ctx, "none", 0, 0, -1, ignore), kafka.ErrUnknownTopic)
	wantError(t, client.Read(ctx, "log", 1, 0, -1, ignore), kafka.ErrUnknownTopic)
	_, err := client.End(ctx, "none", 0)
	wantError(t, err, kafka.ErrUnknownTopic)
	_, err = client.Partitions(ctx, "none")
	wantError(t, err, kafka.ErrUnknownTopic)
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %s", took)
	}
}

// A client that has cached the cluster's layout does not know a topic that another has
// created since.
func TestTopicsOfOtherClientsAreFound(t *testing.T) {
	broker, client := start(t, t.TempDir())
	check(t, client.CreateTopic(t.Context(), "first", 1, 1<<20))
	check(t, connect(t, broker.Addr()).CreateTopic(t.Context(), "log", 1, 1<<20))
	check(t, client.Append(t.Context(), "log", numbered(0, 3)...))
	collect(t, client, 0, 0, 3)
}

func TestCallsEndWithTheirContextWhenNoBrokerAnswers(t *testing.T) {
	broker, err := kafka.StartBroker(t.TempDir(), 0)
	check(t, err)
	client := connect(t, broker.Addr())
	check(t, broker.Close())
	if err := client.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), broker.Addr()) {
		t.Errorf("pinging a dead broker gave %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err = client.Append(ctx, "log", numbered(0, 1)...)
	wantError(t, err, context.DeadlineExceeded)
	if !strings.Contains(err.Error(), "refused") {
		t.Errorf("the error does not say what was wrong: %v", err)
	}
	if err := client.Read(ctx, "log", 0, 0, -1, ignore); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("reading gave %v, want context.DeadlineExceeded", err)
	}
}
