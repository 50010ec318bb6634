package collateral

import (
	"context"
	"crypto/x509"
	"fmt"

	"google.golang.org/protobuf/proto"

	"assay/consensus/attest"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
)

// Lead is how long before it takes force a successor is appended, in seconds, so that
// every engine has read it by then. What is judged before is judged by what it replaces.
const Lead = 600

// Publisher appends to the collateral log.
type Publisher struct {
	Kafka *kafka.Client
	Root  *x509.Certificate // that sets must chain to
}

// PublishSet appends a set, unless the log has it already, and reports whether it did.
// It takes force at an instant (seconds since 1970). A set that does not hold, or does
// not succeed the newest of its key, is refused.
func (p Publisher) PublishSet(ctx context.Context, raw []byte, from uint64) (bool, error) {
	set, err := attest.Load(raw, p.Root)
	if err != nil {
		return false, err
	}
	hash, key := set.Hash(), set.Key()
	return p.publish(ctx, fmt.Sprintf("%x", key.FMSPC), &assaypb.CollateralRecord{
		Hash: hash[:], ActiveFrom: from, Body: &assaypb.CollateralRecord_Set{Set: raw},
	})
}

// PublishPolicy appends a policy, unless it is the newest of the log, and reports
// whether it did. It takes force at an instant (seconds since 1970).
func (p Publisher) PublishPolicy(ctx context.Context, raw []byte, from uint64) (bool, error) {
	hash := attest.HashPolicy(raw)
	return p.publish(ctx, PolicyKey, &assaypb.CollateralRecord{
		Hash: hash[:], ActiveFrom: from, Body: &assaypb.CollateralRecord_Policy{Policy: raw},
	})
}

func (p Publisher) publish(ctx context.Context, key string, record *assaypb.CollateralRecord) (bool, error) {
	log, err := p.Read(ctx)
	if err != nil {
		return false, err
	}
	value, err := proto.Marshal(record)
	if err != nil {
		return false, err
	}
	news, err := log.Fold(value)
	if err != nil || !news {
		return false, err
	}
	return true, p.Kafka.Append(ctx, schema.Collateral, kafka.Message{Key: []byte(key), Value: value})
}

// Read folds the log as far as it stands, and makes it where it is missing. Records that
// are not used are passed over.
func (p Publisher) Read(ctx context.Context) (*Log, error) {
	if err := CreateTopic(ctx, p.Kafka); err != nil {
		return nil, err
	}
	log := NewLog(p.Root)
	_, err := p.Kafka.Replay(ctx, schema.Collateral, func(message kafka.Message) error {
		_, _ = log.Fold(message.Value) // those who judge by the log say what they do not use
		return nil
	})
	return log, err
}

// CreateTopic makes the collateral log where it is missing.
func CreateTopic(ctx context.Context, client *kafka.Client) error {
	return client.CreateTopic(ctx, schema.Collateral, 1, schema.MaxMessageBytes)
}
