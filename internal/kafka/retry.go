package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// place is what a request is about; without a topic, the cluster.
type place struct {
	topic     string
	partition int
}

// retry calls try until it succeeds, fails for good, or ctx ends.
func (c *Client) retry(ctx context.Context, at place, try func(context.Context) error) error {
	var last error // that is not just ctx's end
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		tryCtx, cancel := context.WithTimeout(ctx, tryTimeout)
		defer cancel()
		err := c.judge(tryCtx, at, try(tryCtx))
		if ctx.Err() == nil {
			last = err
		}
		return struct{}{}, err
	}, backoff.WithBackOff(newBackOff()), backoff.WithMaxElapsedTime(0))
	if err != nil && ctx.Err() != nil && last != nil {
		return fmt.Errorf("%w; the last try failed: %w", ctx.Err(), last)
	}
	return err
}

func newBackOff() backoff.BackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = 20*time.Millisecond, time.Second
	return b
}

// judge marks an error that no second try mends.
func (c *Client) judge(ctx context.Context, at place, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kafka.MessageSizeTooLarge):
		return backoff.Permanent(fmt.Errorf("%w for the broker", ErrTooLarge))
	case errors.Is(err, kafka.OffsetOutOfRange):
		return backoff.Permanent(ErrOutOfRange)
	case errors.Is(err, ErrUnknownTopic) || isUnknown(err):
		if at.topic != "" && c.isAbsent(ctx, at) {
			return backoff.Permanent(ErrUnknownTopic)
		}
		return err
	case isTemporary(err):
		return err
	}
	return backoff.Permanent(err)
}

// isUnknown says that a broker, or the client's cached layout, does not know a topic or
// a partition.
func isUnknown(err error) bool {
	return errors.Is(err, kafka.UnknownTopicOrPartition) ||
		errors.Is(err, protocol.ErrNoTopic) || errors.Is(err, protocol.ErrNoPartition)
}

// isAbsent says for certain that a place does not exist.
func (c *Client) isAbsent(ctx context.Context, at place) bool {
	partitions, err := c.freshPartitions(ctx, at.topic)
	return errors.Is(err, ErrUnknownTopic) || err == nil && at.partition >= partitions
}

// isTemporary says that an error can pass: a broker that is away, starting or changing
// its role, or a connection that broke.
func isTemporary(err error) bool {
	var broker kafka.Error
	if errors.As(err, &broker) {
		// Unknown is also how kafka-go reports a connection that broke while it asked
		// for offsets.
		return broker.Temporary() || slices.Contains([]kafka.Error{kafka.Unknown, kafka.BrokerNotAvailable, kafka.ReplicaNotAvailable}, broker)
	}
	var network net.Error
	return errors.As(err, &network) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, protocol.ErrNoLeader) || errors.Is(err, context.DeadlineExceeded)
}
