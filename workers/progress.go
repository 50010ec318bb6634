package workers

import "sync/atomic"

// Progress is how far a fleet has come since its first heartbeat; a restart counts
// what the logs and the chain say again.
type Progress struct {
	Assigned    int64 // tasks that workers were asked to run
	Published   int64 // contributions sent to the pool in this run
	Accepted    int64 // authorized by the pool
	Refused     int64 // rejected by the pool for good
	Contributed int64 // contributions in the contract
	Revealed    int64 // revealed in the contract, or finalized by the worker
	Sent        int64 // transactions sent in this run
	Setbacks    int64 // tries in vain: computations that failed, transactions refused
	Dropped     int64 // tasks given up after too many setbacks
	Open        int64 // tasks that still wait for something
}

// counters are Progress while it is counted: written by the fleet's loop, read by anyone.
type counters struct {
	assigned, published, accepted, refused, contributed, revealed, sent, setbacks, dropped, open atomic.Int64
}

// Progress may be called at any time.
func (f *Fleet) Progress() Progress {
	c := &f.counters
	return Progress{
		Assigned: c.assigned.Load(), Published: c.published.Load(), Accepted: c.accepted.Load(),
		Refused: c.refused.Load(), Contributed: c.contributed.Load(), Revealed: c.revealed.Load(),
		Sent: c.sent.Load(), Setbacks: c.setbacks.Load(), Dropped: c.dropped.Load(), Open: c.open.Load(),
	}
}
