package subgraph_test

import (
	"math/rand"
	"syscall"
	"testing"
	"time"

	"assay/consensus/poco"
	"assay/indexer/internal/market"
	"assay/indexer/projection/subgraph"
	"assay/schema/assaypb"
)

// BenchmarkFold compares what the rows of a random market cost with what folding its events
// into the rules' state does. Times are the processor's.
func BenchmarkFold(b *testing.B) {
	m, log := market.New(rand.New(rand.NewSource(1)).Intn), &market.Log{}
	events := 0
	for range 400 {
		block := m.Grow(30)
		events += len(block.Events)
		log.Block(block)
	}
	var evolving, folding time.Duration
	rows := 0
	b.ReportAllocs()
	for b.Loop() {
		state := poco.New(poco.RulesOf(market.Preset))
		d := &driver{state: state, fold: subgraph.New(state)}
		for _, record := range log.Records {
			block := record.Body.(*assaypb.ChainRecord_Block).Block
			start := processor()
			decoded := d.evolve(b, block)
			middle := processor()
			made := d.fold.Block(block, decoded, record.Sequence)
			evolving, folding = evolving+middle-start, folding+processor()-middle
			for _, t := range made.Tables() {
				rows += t.Len()
			}
		}
	}
	total := float64(b.N * events)
	b.ReportMetric(total/folding.Seconds(), "events/s")
	b.ReportMetric(float64(rows)/total, "rows/event")
	b.ReportMetric(folding.Seconds()/evolving.Seconds(), "times-Evolve")
}

func processor() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // it knows this process
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
