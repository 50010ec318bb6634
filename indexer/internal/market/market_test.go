package market

import (
	"math/rand"
	"testing"
)

// TestTheMarketIsBusy keeps the market worth testing with: every kind of event happens.
func TestTheMarketIsBusy(t *testing.T) {
	m := New(rand.New(rand.NewSource(1)).Intn)
	seen := map[string]int{}
	for range 400 {
		for _, event := range m.Grow(20).Events {
			m := event.ProtoReflect()
			seen[string(m.WhichOneof(m.Descriptor().Oneofs().ByName("body")).Name())]++
		}
	}
	for _, name := range []string{
		"transfer", "lock", "unlock", "reward", "seize", "create_category", "scheduler_notice", "orders_matched",
		"task_initialize", "task_contribute", "task_consensus", "task_reveal", "task_reopen", "task_finalize", "task_claimed",
		"accurate_contribution", "faulty_contribution", "order_signed", "resource_transfer", "policy_update",
	} {
		if seen[name] == 0 {
			t.Errorf("no %s happened: %v", name, seen)
		}
	}
	t.Log(seen)
}
