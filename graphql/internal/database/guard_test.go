package database

import (
	"context"
	"strings"
	"testing"
)

// TestAPanicEndsOneRead: who waits for it is told, and the next read begins.
func TestAPanicEndsOneRead(t *testing.T) {
	panics := true
	g := NewGather(1, func(_ context.Context, keys []int) (map[int]string, error) {
		if panics {
			panic("of the driver")
		}
		return map[int]string{keys[0]: "read"}, nil
	})
	if _, err := g.Get(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "panic: of the driver") {
		t.Errorf("a read that panics gives %v", err)
	}
	panics = false
	if got, err := g.Get(t.Context(), 2); err != nil || got[2] != "read" {
		t.Errorf("the next read gives %v, %v", got, err)
	}
}
