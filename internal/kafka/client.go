// Package kafka is how Assay speaks to its logs: a client for any Kafka cluster, and a
// durable broker inside this process for those who have none.
//
// A log here is a topic that keeps every record for ever. A writer knows that a record
// is in the log when Append returns. A reader follows one partition from an offset that
// it has stored itself, together with what it made of the records: there are no
// consumer groups and no committed offsets, because they could not be stored in one
// step with the reader's own state. Nor are there transactions (segmentio/kafka-go
// delivers the records of aborted ones); what a producer repeats after an uncertain
// failure, the reader recognises by the record's own identity.
//
// Errors are of two kinds. What can pass, as a broker that restarts, is tried again
// until the context ends. What cannot is returned at once, as one of the errors below.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// MaxValueBytes is the largest value that a record of any topic may have, and maxKeyBytes
// its largest key.
const (
	MaxValueBytes = 32 << 20
	maxKeyBytes   = 4 << 10
)

// frame is how much larger than its records a batch may be.
const frame = 64 << 10

// batchBytes is about how much goes into one batch: a larger one holds a single record.
const batchBytes = 1<<20 + frame

// Errors that no second try mends.
var (
	ErrUnknownTopic = errors.New("unknown topic or partition")
	ErrTooLarge     = errors.New("the message is too large")
	ErrOutOfRange   = errors.New("the log does not hold the offset")
	ErrGap          = errors.New("records are missing in the log")
	ErrPartitions   = errors.New("the topic has another number of partitions")
	ErrElsewhere    = errors.New("the records were not written where they were meant to be")
)

// tryTimeout bounds one request; metadataTTL is how long the client may route by an
// old layout of the cluster.
const (
	tryTimeout  = 15 * time.Second
	metadataTTL = 2 * time.Second
)

// Client reads and writes logs. Its methods may be called from several goroutines.
type Client struct {
	kafka     *kafka.Client
	transport *kafka.Transport
	brokers   []string
}

// Message is a record of a log, or one to be. Append ignores Partition and Offset.
type Message struct {
	Partition  int
	Offset     int64
	Key, Value []byte
}

// NewClient returns a client of the cluster that the brokers (host:port) belong to. It
// connects when it is used.
func NewClient(brokers []string) *Client {
	transport := newTransport()
	addr := kafka.TCP(brokers...)
	return &Client{kafka: &kafka.Client{Addr: addr, Transport: transport}, transport: transport, brokers: brokers}
}

func newTransport() *kafka.Transport {
	return &kafka.Transport{ClientID: "assay", MetadataTTL: metadataTTL}
}

// Close closes the connections that no call is using.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// Ping asks the cluster for its layout, once. It fails if no broker answers.
func (c *Client) Ping(ctx context.Context) error {
	if _, err := c.layout(ctx); err != nil {
		return fmt.Errorf("no Kafka broker answers at %s: %w", strings.Join(c.brokers, ", "), err)
	}
	return nil
}

// Partitions returns how many partitions a topic has, or ErrUnknownTopic.
func (c *Client) Partitions(ctx context.Context, topic string) (int, error) {
	var partitions int
	err := c.retry(ctx, place{topic, 0}, func(ctx context.Context) (err error) {
		partitions, err = c.freshPartitions(ctx, topic)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("counting the partitions of %s: %w", topic, err)
	}
	return partitions, nil
}

// freshPartitions asks a broker, not the cache.
func (c *Client) freshPartitions(ctx context.Context, topic string) (int, error) {
	layout, err := c.layout(ctx)
	if err != nil {
		return 0, err
	}
	for _, t := range layout.Topics {
		if t.Name == topic {
			return countPartitions(t)
		}
	}
	return 0, ErrUnknownTopic
}

func countPartitions(topic kafka.Topic) (int, error) {
	if len(topic.Partitions) == 0 && topic.Error == nil {
		return 0, kafka.LeaderNotAvailable // it is being created
	}
	return len(topic.Partitions), topic.Error
}

// layout asks a broker for the layout of the cluster, over a connection of its own:
// the client's transport would answer from its cache, which may not know a topic that
// another process has just created. Asking for all topics creates none.
func (c *Client) layout(ctx context.Context) (*kafka.MetadataResponse, error) {
	transport := newTransport()
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: c.kafka.Addr, Transport: transport}
	return client.Metadata(ctx, &kafka.MetadataRequest{})
}

// End returns the offset that the next record of a partition will get.
func (c *Client) End(ctx context.Context, topic string, partition int) (int64, error) {
	_, end, err := c.bounds(ctx, topic, partition)
	if err != nil {
		return 0, fmt.Errorf("finding the end of %s/%d: %w", topic, partition, err)
	}
	return end, nil
}

// bounds returns the offsets of the first record and of the next one to be written.
func (c *Client) bounds(ctx context.Context, topic string, partition int) (first, end int64, err error) {
	err = c.retry(ctx, place{topic, partition}, func(ctx context.Context) error {
		response, err := c.kafka.ListOffsets(ctx, &kafka.ListOffsetsRequest{
			Topics: map[string][]kafka.OffsetRequest{topic: {kafka.FirstOffsetOf(partition), kafka.LastOffsetOf(partition)}},
		})
		if err != nil {
			return err
		}
		for _, offsets := range response.Topics[topic] {
			if offsets.Partition == partition {
				first, end = offsets.FirstOffset, offsets.LastOffset
				return offsets.Error
			}
		}
		return ErrUnknownTopic
	})
	return first, end, err
}
