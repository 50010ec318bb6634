package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Options are what a run of the demo is asked to do.
type Options struct {
	Workers  int           // at least 8
	Tasks    int           // at least 4: one for each ending
	Seed     uint64        // keys, deals and prices follow from it
	Data     string        // folder to keep everything in; empty: a temporary one
	Packages string        // node_modules folder with the compiled contracts; empty: found from here up
	Listen   string        // address of the API
	Block    time.Duration // between blocks
	Exit     bool          // end after the closing table
	JSON     bool          // print the summary as JSON on the last line of Out
	Out      io.Writer     // the closing table and the summary
	Progress io.Writer     // what goes on
	Terminal bool          // Progress is a terminal
}

func (o Options) check() error {
	switch {
	case o.Workers < minWorkers:
		return fmt.Errorf("--workers %d: it takes at least %d to show every ending", o.Workers, minWorkers)
	case o.Tasks < storyDeals:
		return fmt.Errorf("--tasks %d: it takes at least %d to show every ending", o.Tasks, storyDeals)
	case o.Workers > 1000 || o.Tasks > 100_000:
		return errors.New("the demo is made for up to 1000 workers and 100000 tasks")
	}
	return nil
}

// plot is what a data folder was made with. It cannot change between runs: the chain's
// accounts and the deals follow from it.
type plot struct {
	Workers int    `json:"workers"`
	Tasks   int    `json:"tasks"`
	Seed    uint64 `json:"seed"`
}

// openFolder makes the data folder, or finds out that it belongs to the same plot.
func openFolder(o Options) (dir string, temporary bool, err error) {
	if o.Data == "" {
		dir, err = os.MkdirTemp("", "assay-demo-")
		return dir, true, err
	}
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return "", false, fmt.Errorf("--data %s: %w", o.Data, err)
	}
	return o.Data, false, remember(filepath.Join(o.Data, "demo.json"), plot{o.Workers, o.Tasks, o.Seed})
}

// remember writes the plot of a new folder, and compares that of an old one.
func remember(path string, asked plot) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return writePlot(path, asked)
	}
	if err != nil {
		return err
	}
	var known plot
	if err := json.Unmarshal(data, &known); err != nil {
		return fmt.Errorf("%s is damaged: choose another --data folder, or delete this one: %w", path, err)
	}
	if known != asked {
		return fmt.Errorf("%s was made with --workers %d --tasks %d --seed %d: use these again, or another --data folder",
			filepath.Dir(path), known.Workers, known.Tasks, known.Seed)
	}
	return nil
}

// writePlot puts the file in place at once or not at all.
func writePlot(path string, made plot) error {
	data, err := json.Marshal(made)
	if err != nil {
		return err
	}
	draft := path + ".new"
	if err := os.WriteFile(draft, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(draft, path)
}
