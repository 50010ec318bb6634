package kafka

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/segmentio/kafka-go"
)

// A log that someone has set to be compacted loses records. A reader must not step over
// the holes.
func TestReadReportsMissingRecords(t *testing.T) {
	broker, err := StartBroker(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Close(); err != nil {
			t.Error(err)
		}
	})
	client := NewClient([]string{broker.Addr()})
	_, err = client.kafka.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: "log", NumPartitions: 1, ReplicationFactor: 1,
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "cleanup.policy", ConfigValue: "compact"}, {ConfigName: "segment.bytes", ConfigValue: "1"}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		message := Message{Key: fmt.Appendf(nil, "%d", min(i, 1)), Value: fmt.Appendf(nil, "%d", i)}
		if err := client.Append(t.Context(), "log", message); err != nil {
			t.Fatal(err)
		}
	}
	broker.cluster.Compact()
	err = client.Read(t.Context(), "log", 0, 0, 10, func(Message) error { return nil })
	if !errors.Is(err, ErrGap) {
		t.Errorf("reading a compacted log gave %v, want ErrGap", err)
	}
}

func TestBatchesFitTheBroker(t *testing.T) {
	const mebibyte = 1 << 20
	sizes := []int{mebibyte, 1, 1, mebibyte / 2, mebibyte / 2, mebibyte / 2, 3, mebibyte, 5 * mebibyte, 7, 8}
	var messages []Message
	for _, size := range sizes {
		messages = append(messages, Message{Key: make([]byte, maxKeyBytes), Value: make([]byte, size)})
	}
	var kept int
	for _, batch := range batches(messages) {
		size := frameBytes
		for _, message := range batch {
			if len(message.Value) != sizes[kept] {
				t.Fatalf("message %d is out of order", kept)
			}
			kept++
			size += len(message.Key) + len(message.Value) + frameBytes
		}
		if size > batchBytes && len(batch) > 1 {
			t.Errorf("a batch of %d messages takes %d bytes", len(batch), size)
		}
	}
	if kept != len(messages) {
		t.Errorf("%d of %d messages are in batches", kept, len(messages))
	}
}

// FuzzVerifyBatches: whatever a segment holds, the answer is no panic, no offset below
// zero, and nothing is accepted within a log that is not accepted at its end.
func FuzzVerifyBatches(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 100))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		next, err := verifyBatches(bytes.NewReader(data), 0, true)
		if _, strict := verifyBatches(bytes.NewReader(data), 0, false); err != nil && strict == nil {
			t.Errorf("good in the middle of a log, but at its end %v", err)
		}
		if err == nil && next < 0 {
			t.Errorf("the log ends at %d", next)
		}
	})
}
