package source

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

// heads wakes the source when there may be a new head: when the node pushes one, where
// it can, and else from time to time. What is pushed is only a hint to go and look.
type heads struct {
	rpc    *rpc.Client
	pushed chan json.RawMessage
	sub    *rpc.ClientSubscription
}

// wait returns when there may be a new head, or when ctx ends.
func (h *heads) wait(ctx context.Context, poll time.Duration) {
	h.subscribe(ctx)
	timer := time.NewTimer(poll)
	defer timer.Stop()
	var lost <-chan error
	if h.sub != nil {
		lost = h.sub.Err()
	}
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-lost:
		h.sub = nil
	case <-h.pushed:
		h.drain()
	}
}

// subscribe asks for new heads if nobody pushes them yet. Where that fails, polling
// goes on, and the next wait tries again.
func (h *heads) subscribe(ctx context.Context) {
	if h.sub != nil || !h.rpc.SupportsSubscriptions() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pushed := make(chan json.RawMessage, 16)
	if sub, err := h.rpc.EthSubscribe(ctx, pushed, "newHeads"); err == nil {
		h.sub, h.pushed = sub, pushed
	}
}

// drain forgets hints that one look at the chain answers together.
func (h *heads) drain() {
	for {
		select {
		case <-h.pushed:
		default:
			return
		}
	}
}

func (h *heads) close() {
	if h.sub != nil {
		h.sub.Unsubscribe()
	}
}
