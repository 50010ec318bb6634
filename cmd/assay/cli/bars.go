package cli

import (
	"fmt"
	"io"
	"time"

	pretty "github.com/jedib0t/go-pretty/v6/progress"
)

// quiet is how long a run stays silent, and how often it says how far it is where there is
// no terminal to draw on.
const quiet = 5 * time.Second

// bars show how far a long run is: a bar for each stage on a terminal, else a line now and
// then.
type bars struct {
	out    io.Writer
	writer pretty.Writer // nil where out is no terminal
	stages map[string]*pretty.Tracker
	said   time.Time
}

func newBars(out io.Writer, terminal bool) *bars {
	b := &bars{out: out, stages: map[string]*pretty.Tracker{}, said: time.Now()}
	if !terminal {
		return b
	}
	b.writer = pretty.NewWriter()
	b.writer.SetOutputWriter(out)
	b.writer.SetUpdateFrequency(100 * time.Millisecond)
	b.writer.SetStyle(pretty.StyleBlocks)
	b.writer.SetAutoStop(false)
	go b.writer.Render()
	return b
}

// show moves a stage's bar.
func (b *bars) show(stage string, done, total uint64) {
	if b.writer == nil {
		if time.Since(b.said) >= quiet {
			b.said = time.Now()
			fmt.Fprintf(b.out, "%d of %d %s\n", done, total, stage) //nolint:errcheck // progress is for whoever watches
		}
		return
	}
	tracker := b.stages[stage]
	if tracker == nil {
		tracker = &pretty.Tracker{Message: stage, Total: int64(total)}
		b.stages[stage] = tracker
		b.writer.AppendTracker(tracker)
	}
	tracker.SetValue(int64(done))
}

// close leaves the terminal as it was.
func (b *bars) close() {
	if b.writer == nil {
		return
	}
	for !b.writer.IsRenderInProgress() { // it ends only what has begun
		time.Sleep(time.Millisecond)
	}
	b.writer.Stop()
	for b.writer.IsRenderInProgress() {
		time.Sleep(time.Millisecond)
	}
}
