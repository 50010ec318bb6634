package clickhouse

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrNoLibrary is returned when the engine's library is nowhere to be found.
var ErrNoLibrary = errors.New("libchdb.so was not found: run `make deps`, or set CHDB_LIB_PATH to its file")

// findLibrary returns the path of libchdb: what CHDB_LIB_PATH says, else the npm package in
// the node_modules of the working directory, of the executable's folder, or of one above.
func findLibrary() (string, error) {
	if path := os.Getenv("CHDB_LIB_PATH"); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("CHDB_LIB_PATH: %w", err)
		}
		return path, nil
	}
	for _, start := range []func() (string, error){os.Getwd, executableFolder} {
		if folder, err := start(); err == nil {
			if path := findAbove(folder); path != "" {
				return path, nil
			}
		}
	}
	return "", ErrNoLibrary
}

func executableFolder() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	path, err = filepath.EvalSymlinks(path)
	return filepath.Dir(path), err
}

func findAbove(folder string) string {
	for {
		found, err := filepath.Glob(filepath.Join(folder, "node_modules", "@chdb", "lib-*", "libchdb.so"))
		if err == nil && len(found) > 0 {
			return found[0]
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return ""
		}
		folder = parent
	}
}
