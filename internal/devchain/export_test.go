package devchain

import "time"

// SetClock replaces the wall clock.
func (c *Chain) SetClock(now func() time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
	c.offset = 0
	c.resumeClock()
}
