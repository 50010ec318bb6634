package source

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"assay/schema/assaypb"
)

// Progress is how fast a source goes, and how far it still has to.
type Progress struct {
	BlocksPerSecond float64
	EventsPerSecond float64
	Percent         float64       // of the blocks from the preset's first to the head that were scanned: no statement of completeness
	Left            time.Duration // until the head at this speed; 0 at the head, negative if it stands still
	Status          Status
}

// Progress compares a status with an earlier one.
func (s Status) Progress(before Status, elapsed time.Duration) Progress {
	seconds := max(elapsed.Seconds(), 1e-3)
	p := Progress{Status: s, Percent: 100, EventsPerSecond: float64(s.Events-before.Events) / seconds}
	if s.Indexed > before.Indexed && before.Indexed > 0 {
		p.BlocksPerSecond = float64(s.Indexed-before.Indexed) / seconds
	}
	if s.Head >= s.Start {
		all := s.Head - s.Start + 1
		p.Percent = 100 * float64(all-min(all, s.Lag())) / float64(all)
	}
	switch lag := s.Lag(); {
	case lag == 0:
	case p.BlocksPerSecond == 0:
		p.Left = -1
	default:
		p.Left = time.Duration(min(float64(lag)/p.BlocksPerSecond, math.MaxInt32)) * time.Second
	}
	return p
}

// String is one line for people.
func (p Progress) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "block %d of %d (%.1f %%), %d events, %.0f blocks/s, %.0f events/s", p.Status.Indexed, p.Status.Head, p.Percent,
		p.Status.Events, p.BlocksPerSecond, p.EventsPerSecond)
	if p.Left > 0 {
		fmt.Fprintf(&b, ", %s left, ranges of %d", p.Left, p.Status.Span)
	}
	for _, e := range p.Status.Endpoints {
		if e.Errors > 0 {
			fmt.Fprintf(&b, ", %s: %d errors in %d requests", e.Name, e.Errors, e.Requests)
		}
	}
	return b.String()
}

// LagSeconds is how much older the newest indexed block is than the head.
func (s Status) LagSeconds() uint64 { return s.HeadTime - min(s.IndexedTime, s.HeadTime) }

// What a source shows to Prometheus, by its metrics' names.
var (
	headMetric      = metric("head_block", "Newest block that the node showed.")
	indexedMetric   = metric("indexed_block", "Every block up to here is in the chain log if it holds events.")
	finalizedMetric = metric("finalized_block", "No block up to here can be retracted.")
	lagMetric       = metric("lag_blocks", "Blocks of the chain that are not in the log yet.")
	secondsMetric   = metric("lag_seconds", "How much older the newest indexed block is than the head.")
	blocksMetric    = metric("blocks_total", "Blocks appended to the chain log.")
	eventsMetric    = metric("events_total", "Events appended to the chain log.")
	retractedMetric = metric("retracted_blocks_total", "Blocks retracted from the chain log.")
	errorsMetric    = metric("errors_total", "Temporary errors.")
	spanMetric      = metric("range_blocks", "Blocks in the next range of history.")
	requestsMetric  = metric("endpoint_requests_total", "Requests to an endpoint.", "endpoint")
	failuresMetric  = metric("endpoint_errors_total", "Questions that an endpoint did not answer well.", "endpoint")
	ledgerMetric    = metric("ledger_blocks", "Blocks in the ledger by what proves that none of their events is missing.", "verification")
)

func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("assay_source_"+name, help, append([]string{"chain"}, labels...), nil)
}

// Describe announces no metrics beforehand: the endpoints are not known to the registry.
func (s *Source) Describe(chan<- *prometheus.Desc) {}

// Collect reads the status for Prometheus.
func (s *Source) Collect(out chan<- prometheus.Metric) {
	st := s.Status()
	emit := func(desc *prometheus.Desc, kind prometheus.ValueType, value uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, kind, float64(value), append([]string{s.preset.Name}, labels...)...)
	}
	emit(headMetric, prometheus.GaugeValue, st.Head)
	emit(indexedMetric, prometheus.GaugeValue, st.Indexed)
	emit(finalizedMetric, prometheus.GaugeValue, st.Finalized)
	emit(lagMetric, prometheus.GaugeValue, st.Lag())
	emit(secondsMetric, prometheus.GaugeValue, st.LagSeconds())
	emit(spanMetric, prometheus.GaugeValue, st.Span)
	emit(blocksMetric, prometheus.CounterValue, st.Blocks)
	emit(eventsMetric, prometheus.CounterValue, st.Events)
	emit(retractedMetric, prometheus.CounterValue, st.Retracted)
	emit(errorsMetric, prometheus.CounterValue, st.Errors)
	requests, failures := map[string]uint64{}, map[string]uint64{} // two endpoints may have one host
	for _, e := range st.Endpoints {
		requests[e.Name] += e.Requests
		failures[e.Name] += e.Errors
	}
	for name := range requests {
		emit(requestsMetric, prometheus.CounterValue, requests[name], name)
		emit(failuresMetric, prometheus.CounterValue, failures[name], name)
	}
	levels := map[assaypb.Verification]uint64{}
	for _, c := range st.Ledger {
		levels[c.Verification] += c.ToNumber - c.FromNumber + 1
	}
	for level := assaypb.Verification_VERIFICATION_FETCHED; level <= assaypb.Verification_VERIFICATION_FAILED; level++ {
		emit(ledgerMetric, prometheus.GaugeValue, levels[level], strings.ToLower(strings.TrimPrefix(level.String(), "VERIFICATION_")))
	}
}
