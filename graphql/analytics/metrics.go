package analytics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the API says of itself to Prometheus.
type metrics struct {
	responses       *prometheus.CounterVec
	responseSeconds prometheus.Histogram
	subscribers     prometheus.Gauge
	cut             prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) *metrics {
	buckets := prometheus.ExponentialBuckets(0.001, 2, 15) // 1 ms to 16 s
	m := &metrics{
		responses: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "assay_graphql_responses_total", Help: "Responses by operation (query, subscription, invalid) and result (ok, error).",
		}, []string{"operation", "result"}),
		responseSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "assay_graphql_response_seconds", Help: "Time to answer a query.", Buckets: buckets,
		}),
		subscribers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "assay_graphql_subscribers", Help: "Subscriptions under way.",
		}),
		cut: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "assay_graphql_subscribers_cut_total", Help: "Subscriptions cut off because their reader was too slow.",
		}),
	}
	registry.MustRegister(m.responses, m.responseSeconds, m.subscribers, m.cut)
	return m
}

func (m *metrics) response(operation string, took time.Duration, failed bool) {
	m.responses.WithLabelValues(operation, result(failed)).Inc()
	if operation == "query" {
		m.responseSeconds.Observe(took.Seconds())
	}
}

func result(failed bool) string {
	if failed {
		return "error"
	}
	return "ok"
}
