package source

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

// heads wakes the source when there may be a new head: when the node pushes one, where
// it can, and else from time to time. What is pushed is only a hint to go and look.
type heads struct {
	rpc    *rpc.Client
	logger *slog.Logger
	pushed chan json.RawMessage
	sub    *rpc.ClientSubscription
	skip   int // waits before asking again to be pushed to
}

// skips is how many waits pass after the node refused to push heads, or ceased to.
const skips = 30

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
	case err := <-lost:
		h.sub = nil
		h.poll(err)
	case <-h.pushed:
		h.drain()
	}
}

// subscribe asks the node to push new heads, if it does not yet and can.
func (h *heads) subscribe(ctx context.Context) {
	if h.sub != nil || !h.rpc.SupportsSubscriptions() {
		return
	}
	if h.skip > 0 {
		h.skip--
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pushed := make(chan json.RawMessage, 16)
	sub, err := h.rpc.EthSubscribe(ctx, pushed, "newHeads")
	if err != nil {
		h.poll(err)
		return
	}
	h.sub, h.pushed = sub, pushed
}

// poll goes on without being pushed to, for a while.
func (h *heads) poll(err error) {
	h.skip = skips
	h.logger.Warn("the node does not push new heads: polling", "error", err)
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
