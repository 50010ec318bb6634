package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"assay/internal/clickhouse/chdb"
	"assay/internal/clickhouse/server"
)

// What parent and child have agreed on.
const (
	childMarker  = "__clickhouse_engine" // first argument of a child; then library, directory, socket
	readyFile    = 3                     // descriptor on which the child writes readyText
	lifelineFile = 4                     // descriptor that reaches its end when the child shall end
	readyText    = "ready"
)

// finishTimeout is how long running statements may go on after the child was asked to end.
const finishTimeout = 10 * time.Second

// ChildMain runs the engine and exits, if this process is an engine's child, and returns at
// once if not. It must be the first thing that main, or TestMain, does.
func ChildMain() {
	if len(os.Args) != 5 || os.Args[1] != childMarker {
		return
	}
	if err := runChild(os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// Without the destructors of the library: what it stored is on disk.
	os.Exit(0)
}

func runChild(library, dir, socket string) error {
	handler, err := boot(library, dir, filepath.Dir(socket))
	if err != nil {
		return err
	}
	listener, err := listen(socket)
	if err != nil {
		return err
	}
	httpServer := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- httpServer.Serve(listener) }()
	if err := sayReady(); err != nil {
		return err
	}
	orphaned := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.NewFile(lifelineFile, "lifeline")) // any end is the end
		close(orphaned)
	}()
	select {
	case err := <-served:
		return err
	case <-orphaned:
	}
	ctx, cancel := context.WithTimeout(context.Background(), finishTimeout)
	defer cancel()
	err = httpServer.Shutdown(ctx)
	_ = os.Remove(filepath.Dir(socket)) // the socket is gone already
	return err
}

// boot loads the library and opens the directory. It keeps one session open, because the
// engine would stop with its last one.
func boot(library, dir, runDir string) (*server.Server, error) {
	engine, err := chdb.Load(library)
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(dir, "data")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	data, log := "--path="+folder, filepath.Join(folder, "engine.log")
	config := filepath.Join(runDir, fmt.Sprintf("config-%d.xml", os.Getpid()))
	if err := os.WriteFile(config, engineConfig(log), 0o600); err != nil {
		return nil, err
	}
	logged := size(log)
	_, err = engine.Connect(data, "--config-file="+config)
	if err := errors.Join(err, os.Remove(config)); err != nil {
		return nil, errors.Join(reason(log, logged), err)
	}
	return server.New(func() (*chdb.Connection, error) { return engine.Connect(data) })
}

// listen makes the socket, which an engine that was killed may have left behind: the
// directory is ours by now.
func listen(socket string) (net.Listener, error) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	return listener, os.Chmod(socket, 0o600)
}

func sayReady() error {
	pipe := os.NewFile(readyFile, "ready")
	_, err := pipe.WriteString(readyText)
	return errors.Join(err, pipe.Close())
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// logged finds the reason in a line of the engine's log: it ends where the stack trace begins.
var logged = regexp.MustCompile(`<(?:Error|Fatal)> [^:]*: (?:Error initializing EmbeddedServer: )?(.*?)(?:,? Stack trace|\n|$)`)

// reason returns what the engine wrote to its log after the first so many bytes. The library
// itself only says that it failed.
func reason(log string, before int64) error {
	text, err := os.ReadFile(log) //nolint:gosec // our own log
	if err != nil {
		return err
	}
	if found := logged.FindSubmatch(text[min(before, int64(len(text))):]); found != nil {
		return errors.New(string(bytes.TrimSpace(found[1])))
	}
	return errors.New("it gave no reason in " + log)
}
