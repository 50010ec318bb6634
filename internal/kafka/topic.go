package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/segmentio/kafka-go"
)

// settings are what makes a topic a log: nothing is ever deleted from it. Brokers give a
// topic another limit of size than theirs, and the largest batch even to readers that ask
// for less at a time (KIP-74), so that is the only place where the limit must be set.
func settings(maxBytes int) []kafka.ConfigEntry {
	return []kafka.ConfigEntry{
		{ConfigName: "cleanup.policy", ConfigValue: "delete"},
		{ConfigName: "retention.ms", ConfigValue: "-1"},
		{ConfigName: "retention.bytes", ConfigValue: "-1"},
		{ConfigName: "max.message.bytes", ConfigValue: strconv.Itoa(maxBytes + frame)},
	}
}

// CreateTopic makes sure that a log of this name exists, whose records have at most so
// many bytes. One that exists keeps its records, and gets the settings of a log if it had
// others. With another number of partitions it is refused with ErrPartitions, for its keys
// would go elsewhere.
func (c *Client) CreateTopic(ctx context.Context, name string, partitions, maxBytes int) error {
	err := c.retry(ctx, place{}, func(ctx context.Context) error { return c.createTopic(ctx, name, partitions, settings(maxBytes)) })
	if err != nil {
		return fmt.Errorf("creating the topic %s: %w", name, err)
	}
	return nil
}

func (c *Client) createTopic(ctx context.Context, name string, partitions int, settings []kafka.ConfigEntry) error {
	const clusterDefault = -1
	response, err := c.kafka.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: name, NumPartitions: partitions, ReplicationFactor: clusterDefault, ConfigEntries: settings,
	}}})
	if err != nil {
		return err
	}
	if err := response.Errors[name]; !errors.Is(err, kafka.TopicAlreadyExists) {
		return err
	}
	existing, err := c.freshPartitions(ctx, name)
	if err != nil {
		return err
	}
	if existing != partitions {
		return fmt.Errorf("%w: %d, want %d", ErrPartitions, existing, partitions)
	}
	return c.set(ctx, name, settings)
}

// set gives an existing topic the settings of a log.
func (c *Client) set(ctx context.Context, topic string, settings []kafka.ConfigEntry) error {
	resource := kafka.IncrementalAlterConfigsRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic}
	for _, entry := range settings {
		resource.Configs = append(resource.Configs, kafka.IncrementalAlterConfigsRequestConfig{
			Name: entry.ConfigName, Value: entry.ConfigValue, ConfigOperation: kafka.ConfigOperationSet,
		})
	}
	response, err := c.kafka.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{resource},
	})
	if err != nil {
		return err
	}
	for _, r := range response.Resources {
		if r.Error != nil {
			return fmt.Errorf("setting its retention: %w", r.Error)
		}
	}
	return nil
}
