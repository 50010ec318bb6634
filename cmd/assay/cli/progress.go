package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/term"

	"assay/indexer/source"
)

// How often progress is shown: on a terminal in one line, elsewhere in lines of the log.
const (
	terminalEvery = time.Second
	logEvery      = 10 * time.Second
)

// progress shows how an index goes on until ctx ends. At the head it falls silent.
func progress(ctx context.Context, status func() source.Status, out *os.File, log *slog.Logger) error {
	every, show := logEvery, func(p source.Progress) { log.Info("indexing", "progress", p.String()) }
	if term.IsTerminal(int(out.Fd())) {
		every, show = terminalEvery, func(p source.Progress) { rewrite(out, p) }
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	before, then := status(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now, at := status(), time.Now()
		if before.Lag() > maxLag || now.Lag() > maxLag {
			show(now.Progress(before, at.Sub(then)))
		}
		before, then = now, at
	}
}

// rewrite writes over the terminal's line.
func rewrite(out io.Writer, p source.Progress) {
	fmt.Fprintf(out, "\r\033[K%s", p) //nolint:errcheck // there is nowhere else to show it
	if p.Left == 0 {
		fmt.Fprintln(out) //nolint:errcheck // as above
	}
}
