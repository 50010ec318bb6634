package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"assay/internal/kafka"
)

// start runs a broker in dir and a client of it. Both end with the test.
func start(t testing.TB, dir string) (*kafka.Broker, *kafka.Client) {
	t.Helper()
	broker, err := kafka.StartBroker(dir, 0)
	check(t, err)
	t.Cleanup(func() { check(t, broker.Close()) })
	return broker, connect(t, broker.Addr())
}

func connect(t testing.TB, addr string) *kafka.Client {
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

func numbered(from, to int) []kafka.Message {
	messages := make([]kafka.Message, 0, to-from)
	for i := from; i < to; i++ {
		messages = append(messages, kafka.Message{Key: fmt.Appendf(nil, "key %d", i%7), Value: fmt.Appendf(nil, "%d", i)})
	}
	return messages
}

// collect reads a range.
func collect(t testing.TB, client *kafka.Client, topic string, partition int, from, to int64) []kafka.Message {
	t.Helper()
	var messages []kafka.Message
	check(t, client.Read(t.Context(), topic, partition, from, to, func(message kafka.Message) error {
		messages = append(messages, message)
		return nil
	}))
	return messages
}

func TestReadReturnsWhatWasAppended(t *testing.T) {
	_, client := start(t, t.TempDir())
	check(t, client.CreateTopic(t.Context(), "log", 1))
	check(t, client.Append(t.Context(), "log", numbered(0, 600)...))
	check(t, client.Append(t.Context(), "log", numbered(600, 1000)...))
	messages := collect(t, client, "log", 0, 0, 1000)
	for i, message := range messages {
		want := numbered(i, i+1)[0]
		if message.Offset != int64(i) || string(message.Key) != string(want.Key) || string(message.Value) != string(want.Value) {
			t.Fatalf("message %d is %v", i, message)
		}
	}
	if part := collect(t, client, "log", 0, 250, 260); len(part) != 10 || part[0].Offset != 250 {
		t.Errorf("offsets 250 to 260 gave %d messages", len(part))
	}
}

func TestFollowerGetsMessagesSoon(t *testing.T) {
	_, client := start(t, t.TempDir())
	check(t, client.CreateTopic(t.Context(), "log", 1))
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
