package demo

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
)

// show tells what goes on: a list of steps, and on a terminal a bar of the tasks that
// have ended.
type show struct {
	mu      sync.Mutex
	out     io.Writer
	start   time.Time
	writer  progress.Writer // nil where out is no terminal
	tracker *progress.Tracker
	last    uint64
	steps   int
}

func newShow(out io.Writer, terminal bool) *show {
	s := &show{out: out, start: time.Now()}
	if !terminal {
		return s
	}
	s.writer = progress.NewWriter()
	s.writer.SetOutputWriter(out)
	s.writer.SetUpdateFrequency(100 * time.Millisecond)
	s.writer.SetStyle(progress.StyleBlocks)
	s.writer.SetAutoStop(false)
	go s.writer.Render()
	return s
}

// step says that something has come about.
func (s *show) step(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps++
	line := fmt.Sprintf("%6.1f s  %s", time.Since(s.start).Seconds(), fmt.Sprintf(format, args...))
	if s.writer != nil {
		s.writer.Log("%s", line)
		return
	}
	fmt.Fprintln(s.out, line) //nolint:errcheck // progress is for whoever watches
}

// progress moves the bar, or prints a line for every tenth of the tasks.
func (s *show) progress(done, all uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writer == nil {
		if done*10/all > s.last*10/all {
			fmt.Fprintf(s.out, "%6.1f s  %d of %d tasks have ended\n", time.Since(s.start).Seconds(), done, all) //nolint:errcheck // as above
		}
		s.last = done
		return
	}
	if s.tracker == nil {
		s.tracker = &progress.Tracker{Message: "tasks that have ended", Total: int64(all)}
		s.writer.AppendTracker(s.tracker)
	}
	s.tracker.SetValue(int64(done))
}

// close leaves the terminal as it was.
func (s *show) close() {
	if s.writer == nil {
		return
	}
	s.writer.Stop()
	for s.writer.IsRenderInProgress() {
		time.Sleep(10 * time.Millisecond)
	}
}
