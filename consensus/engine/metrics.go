package engine

import (
	"fmt"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"assay/consensus/collateral"
)

// Metrics shows how long the collateral in force lasts.
type Metrics struct{ shown atomic.Pointer[shown] }

type shown struct {
	now     uint64
	endings []collateral.Ending
}

var collateralLeft = prometheus.NewDesc("assay_collateral_left_seconds",
	"Time until the collateral in force, or its successor, ends, on the chain's clock.", []string{"tee", "fmspc", "ca"}, nil)

// Describe describes the metric.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) { out <- collateralLeft }

// Collect gives the metric, one value for each set in force.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	last := m.shown.Load()
	if last == nil {
		return
	}
	for _, end := range last.endings {
		left := float64(end.At.Unix() - int64(last.now))
		out <- prometheus.MustNewConstMetric(collateralLeft, prometheus.GaugeValue, left,
			string(end.Key.TEE), fmt.Sprintf("%x", end.Key.FMSPC), end.Key.CA)
	}
}

// show takes in what a core knows now.
func (m *Metrics) show(core *Core) {
	if m != nil {
		m.shown.Store(&shown{core.now, core.endings()})
	}
}
