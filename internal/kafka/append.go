package kafka

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"
)

// frameBytes is more than a record takes in a batch besides its key and value.
const frameBytes = 64

// Append writes messages to a topic and returns when every replica in sync has all of
// them. Messages with equal keys go to one partition, in their order; messages of one
// call to one partition stay in their order. When it fails some may have been written,
// and where it had to try again some may have been written twice. One message above
// the size limit fails the whole call with ErrTooLarge before anything is written; one
// above a topic's own, smaller limit when it is its turn.
func (c *Client) Append(ctx context.Context, topic string, messages ...Message) error {
	if err := checkSizes(topic, messages); err != nil {
		return err
	}
	if err := c.appendAll(ctx, topic, messages); err != nil {
		return fmt.Errorf("appending %d messages to %s: %w", len(messages), topic, err)
	}
	return nil
}

// AppendAt writes messages to a partition that is to end at an offset, in their order. It
// returns ErrElsewhere if the log ended elsewhere, because somebody else wrote to it or
// because it had to try again: the messages may then be in the log, but further on.
func (c *Client) AppendAt(ctx context.Context, topic string, partition int, offset int64, messages ...Message) error {
	if err := checkSizes(topic, messages); err != nil {
		return err
	}
	for _, batch := range batches(messages) {
		base, err := c.produce(ctx, topic, partition, batch)
		if err == nil && base != offset {
			err = fmt.Errorf("%w: the log ended at %d, not at %d", ErrElsewhere, base, offset)
		}
		if err != nil {
			return fmt.Errorf("appending %d messages to %s/%d: %w", len(messages), topic, partition, err)
		}
		offset += int64(len(batch))
	}
	return nil
}

func checkSizes(topic string, messages []Message) error {
	for i := range messages {
		if err := checkSize(messages[i]); err != nil {
			return fmt.Errorf("appending message %d of %d to %s: %w", i+1, len(messages), topic, err)
		}
	}
	return nil
}

func checkSize(message Message) error {
	if len(message.Value) > MaxValueBytes || len(message.Key) > maxKeyBytes {
		return fmt.Errorf("%w: a key of %d and a value of %d bytes, where %d and %d are allowed",
			ErrTooLarge, len(message.Key), len(message.Value), maxKeyBytes, MaxValueBytes)
	}
	return nil
}

func (c *Client) appendAll(ctx context.Context, topic string, messages []Message) error {
	if len(messages) == 0 {
		return nil
	}
	partitions, err := c.cachedPartitions(ctx, topic)
	if err != nil {
		return err
	}
	for partition, own := range distribute(messages, partitions) {
		for _, batch := range batches(own) {
			if _, err := c.produce(ctx, topic, partition, batch); err != nil {
				return err
			}
		}
	}
	return nil
}

// cachedPartitions is the number of a topic's partitions as the transport knows it,
// which costs no request.
func (c *Client) cachedPartitions(ctx context.Context, topic string) (int, error) {
	var partitions int
	err := c.retry(ctx, place{topic, 0}, func(ctx context.Context) error {
		response, err := c.kafka.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		if err != nil {
			return err
		}
		partitions, err = countPartitions(response.Topics[0])
		return err
	})
	return partitions, err
}

// PartitionOf is the partition of a key: Kafka's murmur2 hash, as the Java client and
// most others compute it. No key is a key as well.
func PartitionOf(key []byte, partitions int) int {
	numbers := make([]int, partitions)
	for i := range numbers {
		numbers[i] = i
	}
	return kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: key}, numbers...)
}

// distribute sorts messages by partition.
func distribute(messages []Message, partitions int) [][]Message {
	if partitions == 1 {
		return [][]Message{messages}
	}
	byPartition := make([][]Message, partitions)
	for _, message := range messages {
		partition := PartitionOf(message.Key, partitions)
		byPartition[partition] = append(byPartition[partition], message)
	}
	return byPartition
}

// batches cuts messages into runs that brokers take in one piece.
func batches(messages []Message) [][]Message {
	var result [][]Message
	start, size := 0, frameBytes
	for i := range messages {
		own := len(messages[i].Key) + len(messages[i].Value) + frameBytes
		if i > start && size+own > batchBytes {
			result = append(result, messages[start:i])
			start, size = i, frameBytes
		}
		size += own
	}
	if start < len(messages) {
		result = append(result, messages[start:])
	}
	return result
}

// produce writes one batch to a partition and returns its first message's offset.
func (c *Client) produce(ctx context.Context, topic string, partition int, batch []Message) (base int64, err error) {
	err = c.retry(ctx, place{topic, partition}, func(ctx context.Context) error {
		response, err := c.kafka.Produce(ctx, &kafka.ProduceRequest{
			Topic: topic, Partition: partition, RequiredAcks: kafka.RequireAll, Records: records(batch),
		})
		if err != nil {
			return err
		}
		base = response.BaseOffset
		return response.Error
	})
	return base, err
}

func records(batch []Message) kafka.RecordReader {
	records := make([]kafka.Record, len(batch))
	for i, message := range batch {
		records[i] = kafka.Record{Key: kafka.NewBytes(message.Key), Value: kafka.NewBytes(message.Value)}
	}
	return kafka.NewRecordReader(records...)
}
