package audit

import (
	"context"
	"encoding/hex"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"assay/internal/kafka"
	"assay/schema/assaypb"
)

// causeOf describes an event of a block; the event -1 stands for the block.
func causeOf(block *assaypb.Block, event int) *Cause {
	cause := &Cause{Block: block.Number, Event: "Block"}
	if event < 0 || event >= len(block.Events) {
		return cause
	}
	e := block.Events[event]
	cause.Tx, cause.LogIndex, cause.Event = hexOf(e.TxHash), e.LogIndex, nameOfMessage(e)
	body := bodyOf(e)
	if body == nil {
		return cause
	}
	for _, field := range []protoreflect.Name{"task", "ref"} {
		if id := bytesField(body, field); len(id) > 0 {
			cause.Task = hexOf(id)
		}
	}
	if id := bytesField(body, "deal"); len(id) > 0 {
		cause.Deal = hexOf(id)
	}
	return cause
}

// bodyOf is what an event's oneof holds, nil for nothing.
func bodyOf(event *assaypb.Event) protoreflect.Message {
	m := event.ProtoReflect()
	field := m.WhichOneof(m.Descriptor().Oneofs().ByName("body"))
	if field == nil {
		return nil
	}
	return m.Get(field).Message()
}

func bytesField(m protoreflect.Message, name protoreflect.Name) []byte {
	field := m.Descriptor().Fields().ByName(name)
	if field == nil || field.Kind() != protoreflect.BytesKind {
		return nil
	}
	return m.Get(field).Bytes()
}

// causes reads events again by their place in the log.
type causes struct {
	kafka Log
	topic string
	book  *book
	block *assaypb.Block // of the newest record read
	from  int64          // its offset + 1
}

// find returns the cause that a ref stands for; nil for the zero ref.
func (c *causes) find(ctx context.Context, r ref) (*Cause, error) {
	if r.next == 0 {
		return nil, nil //nolint:nilnil // nothing has caused it
	}
	if r.next != c.from {
		if err := c.read(ctx, r.next-1); err != nil {
			return nil, err
		}
		c.from = r.next
	}
	cause := causeOf(c.block, int(r.event))
	if cause.Task != "" && cause.Deal == "" {
		id, err := hex.DecodeString(cause.Task[2:])
		if err != nil {
			return nil, err
		}
		if deal, body := c.book.dealOf([32]byte(id)); body != nil && len(id) == 32 {
			cause.Deal = hexOf(deal[:])
		}
	}
	return cause, nil
}

func (c *causes) read(ctx context.Context, offset int64) error {
	err := c.kafka.Read(ctx, c.topic, 0, offset, offset+1, func(m kafka.Message) error {
		record := &assaypb.ChainRecord{}
		if err := proto.Unmarshal(m.Value, record); err != nil {
			return err
		}
		c.block = record.GetBlock()
		return nil
	})
	if err == nil && c.block == nil {
		err = fmt.Errorf("it is no block any more")
	}
	if err != nil {
		return fmt.Errorf("reading the cause of a difference at offset %d again: %w", offset, err)
	}
	return nil
}

func hexOf(b []byte) string { return "0x" + hex.EncodeToString(b) }
