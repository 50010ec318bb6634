package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"assay/internal/clickhouse/chdb"
	"assay/internal/clickhouse/server"
)

// What parent and child have agreed on.
const (
	childMarker  = "__clickhouse_engine" // first argument of a child; then library, directory, socket
	readyFile    = 3                     // descriptor on which the child writes readyText
	lifelineFile = 4                     // descriptor on which one byte asks the child to end; its end says that the parent is gone
	readyText    = "ready"
)

const (
	finishTimeout = 10 * time.Second // for running statements, after the child was asked to end
	lockTimeout   = 3 * time.Second  // for a predecessor that is ending
)

// ChildMain runs the engine and exits, if this process is an engine's child, and returns at
// once if not. It must be the first thing that main, or TestMain, does.
func ChildMain() {
	if len(os.Args) != 5 || os.Args[1] != childMarker {
		return
	}
	if err := runChild(os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		exit(1)
	}
	exit(0)
}

// exit ends the process without the destructors of the library, which would run, and crash,
// with [os.Exit] under the race detector. What the engine has stored is on disk.
func exit(code int) { syscall.Exit(code) }

func runChild(library, dir, socket string) error {
	// Signals to a terminal's or a service's processes are the parent's to act upon.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	asked := make(chan struct{})
	go func() {
		awaitEnd()
		close(asked)
	}()
	if err := lock(dir); err != nil {
		return err
	}
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
	select {
	case err := <-served:
		return err
	case <-asked:
		return finish(httpServer, served)
	}
}

// awaitEnd waits until the parent asks the child to end, which it does by one byte. If the
// parent is gone instead, the process ends here: nobody waits for what is under way.
func awaitEnd() {
	if n, _ := os.NewFile(lifelineFile, "lifeline").Read(make([]byte, 1)); n == 0 {
		exit(1)
	}
}

// lock makes the directory this process's own until it ends. A predecessor whose parent was
// killed may need a moment to end.
func lock(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, "lock")
	file, err := syscall.Open(path, syscall.O_CREAT|syscall.O_RDWR|syscall.O_CLOEXEC, 0o600) // never closed
	if err != nil {
		return fmt.Errorf("opening %s: %w", path, err)
	}
	for deadline := time.Now().Add(lockTimeout); ; time.Sleep(20 * time.Millisecond) {
		err := syscall.Flock(file, syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("another process is using the directory")
		}
	}
}

// finish lets what is under way finish, and serves nothing new.
func finish(httpServer *http.Server, served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), finishTimeout)
	defer cancel()
	if err := httpServer.Shutdown(ctx); err != nil {
		return err
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// boot loads the library and opens the directory. It keeps one session open, because the
// engine would stop with its last one.
func boot(library, dir, runDir string) (*server.Server, error) {
	engine, err := chdb.Load(library)
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(dir, "data")
	if err := errors.Join(private(folder), private(runDir)); err != nil {
		return nil, err
	}
	data, log := "--path="+folder, filepath.Join(folder, "engine.log")
	config := filepath.Join(runDir, "config.xml")
	more, err := os.ReadFile(filepath.Join(dir, moreConfig))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := os.WriteFile(config, engineConfig(log, string(more)), 0o600); err != nil {
		return nil, err
	}
	before := size(log)
	_, err = engine.Connect(data, "--config-file="+config)
	if err != nil {
		return nil, fmt.Errorf("%sif %s is damaged, move it away and start again", reason(log, before), folder)
	}
	if err := os.Remove(config); err != nil {
		return nil, err
	}
	return server.New(func() (*chdb.Connection, error) { return engine.Connect(data) })
}

// private makes a folder that is the user's own.
func private(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return os.Chmod(folder, 0o700) //nolint:gosec // a folder needs x
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
var logged = regexp.MustCompile(`<(?:Error|Fatal)> [^:]*: Error initializing EmbeddedServer: (.+?)(?:,? Stack trace|\n|$)`)

// reason returns what the engine wrote to its log after the first so many bytes. The library
// itself only says that it failed, and writes the other half of the reasons to standard error.
func reason(log string, before int64) string {
	text, err := os.ReadFile(log)
	if err != nil {
		return err.Error() + "; "
	}
	if found := logged.FindSubmatch(text[min(before, int64(len(text))):]); found != nil {
		return string(bytes.TrimSpace(found[1])) + "; "
	}
	return ""
}
