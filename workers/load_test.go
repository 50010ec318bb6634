package workers_test

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"assay/workers"
)

// BenchmarkFleet lets 50 workers run 1,000 tasks, each contributed three times, on a
// chain that seals every half second: go test -bench Fleet -benchtime 1x ./workers
func BenchmarkFleet(b *testing.B) {
	const tasks, replicas, crewSize = 1000, 3, 50
	for range b.N {
		b.StopTimer()
		members := crew(b, make([]workers.Behaviour, crewSize)...)
		m := newMarket(b, members, 500*time.Millisecond)
		fleet := m.fleet(b, members)
		for first := 0; first < tasks; first += 100 {
			deal := m.deal(b, 100, 6, common.Hash{}, `{"cmd":"primes","n":1000}`)
			m.assign(b, deal, false, members[first/100*replicas:][:replicas]...)
		}
		b.StartTimer()
		start := time.Now()
		pool, stop := background(b, m.run), background(b, fleet.Run)
		await(b, "all tasks are over", func() bool {
			now := fleet.Progress()
			return now.Assigned == tasks*replicas && now.Open == 0
		})
		b.ReportMetric(float64(fleet.Progress().Sent)/time.Since(start).Seconds(), "tx/s")
		stop()
		pool()
	}
}
