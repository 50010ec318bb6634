package kafka

import (
	"context"
	"fmt"
)

// Replay handles every message of a topic as far as it stands, partition by partition,
// and returns the offset at which each partition goes on.
func (c *Client) Replay(ctx context.Context, topic string, handle func(Message) error) ([]int64, error) {
	partitions, err := c.Partitions(ctx, topic)
	if err != nil {
		return nil, err
	}
	ends := make([]int64, partitions)
	for partition := range ends {
		if ends[partition], err = c.End(ctx, topic, partition); err != nil {
			return nil, err
		}
		if err := c.Read(ctx, topic, partition, 0, ends[partition], handle); err != nil {
			return nil, fmt.Errorf("replaying %s: %w", topic, err)
		}
	}
	return ends, nil
}
