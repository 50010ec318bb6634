package sink

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"assay/schema/assaypb"
)

// TestChainsShareADatabase writes two chains to one database, at the same time, and finds of
// each what it has alone.
func TestChainsShareADatabase(t *testing.T) {
	c := broker(t)
	_, here, _ := play(8, 12)
	_, elsewhere, _ := play(9, 12)
	var there []*assaypb.ChainRecord
	for _, record := range elsewhere.Records {
		other := proto.Clone(record).(*assaypb.ChainRecord)
		other.ChainId++
		there = append(there, other)
	}
	fill(t, c, topicsOf("here"), here.Records, never)
	fill(t, c, topicsOf("there"), there, never)
	first, second, both := database(t, "first"), database(t, "second"), database(t, "both")

	a, b := newSink(c, first, topicsOf("here")), newSink(c, second, topicsOf("there"))
	shared, other := newSink(c, both, topicsOf("here")), newSink(c, both, topicsOf("there"))
	for _, s := range []*Sink{b, other} {
		s.preset.ChainID++
		s.writer.chain++
	}
	settle(t, a)
	settle(t, b)
	stop := start(t, shared)
	settle(t, other)
	eventually(t, "the first chain is written", func() bool { return atEnd(t, shared) })
	stop()
	got := lines(dump(t, both, true))
	want := slices.Concat(lines(dump(t, first, true)), lines(dump(t, second, true)))
	slices.Sort(want)
	if !slices.Equal(got, slices.Compact(want)) {
		t.Errorf("together the chains have %d rows, alone %d", len(got), len(slices.Compact(want)))
	}
}

// lines are the rows of a dump, sorted.
func lines(dump string) []string {
	all := strings.Split(dump, "\n")
	slices.Sort(all)
	return slices.Compact(all)
}
