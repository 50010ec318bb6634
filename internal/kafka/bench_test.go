package kafka_test

import (
	"fmt"
	"testing"

	"assay/internal/kafka"
)

// payload is about what a block's record or a decision takes.
func payload(n int) []kafka.Message {
	messages := make([]kafka.Message, n)
	for i := range messages {
		messages[i] = kafka.Message{Key: fmt.Appendf(nil, "%032d", i), Value: make([]byte, 500)}
	}
	return messages
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			client := withTopic(b, 1)
			messages := payload(size)
			b.ResetTimer()
			for b.Loop() {
				check(b, client.Append(b.Context(), "log", messages...))
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	const size = 100_000
	client := withTopic(b, 1)
	check(b, client.Append(b.Context(), "log", payload(size)...))
	b.ResetTimer()
	for b.Loop() {
		check(b, client.Read(b.Context(), "log", 0, 0, size, ignore))
	}
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "msg/s")
}
