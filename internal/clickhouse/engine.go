package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 15 * time.Second // longer than the child's own patience, see child.go
	maxSocket    = 100              // bytes of a socket's path; sun_path holds 108, on macOS 104
)

// Engine is a running ClickHouse engine in a child process.
type Engine struct {
	socket    string
	temporary string // folder to remove in the end; empty: none
	command   *exec.Cmd
	lifeline  *os.File // open as long as the child shall live
	stderr    *tail
	done      chan struct{}
	ended     error // how the process ended; set when done is closed
}

// StartEngine runs the engine on the directory, which it makes if it is missing and which one
// engine at a time can use. The context bounds the start, not the engine's life.
func StartEngine(ctx context.Context, dir string) (*Engine, error) {
	library, err := findLibrary()
	if err != nil {
		return nil, err
	}
	engine, err := startEngine(ctx, library, dir)
	if err != nil {
		return nil, fmt.Errorf("starting the ClickHouse engine in %s: %w", dir, err)
	}
	return engine, nil
}

func startEngine(ctx context.Context, library, dir string) (*Engine, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	e := &Engine{stderr: new(tail), done: make(chan struct{})}
	if err := e.chooseSocket(dir); err != nil {
		return nil, err
	}
	ready, err := e.spawn(library, dir)
	if err != nil {
		return nil, err
	}
	if err := e.awaitReady(ctx, ready); err != nil {
		return nil, err
	}
	return e, nil
}

// chooseSocket says where the engine's socket shall be: in a folder of the directory, or in a
// new temporary one if the path would be too long for a socket.
func (e *Engine) chooseSocket(dir string) (err error) {
	folder := filepath.Join(dir, "run")
	if len(folder)+len("/sock") > maxSocket {
		if folder, err = os.MkdirTemp("", "clickhouse-"); err != nil {
			return err
		}
		e.temporary = folder
	}
	e.socket = filepath.Join(folder, "sock")
	return nil
}

// spawn starts the child and returns the pipe on which it says that it is ready.
func (e *Engine) spawn(library, dir string) (ready *os.File, err error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ready, readyChild, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	lifelineChild, lifeline, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, ready.Close(), readyChild.Close())
	}
	e.lifeline = lifeline
	e.command = exec.Command(executable, childMarker, library, dir, e.socket) //nolint:gosec // ourselves, no shell
	e.command.Stderr = e.stderr
	e.command.ExtraFiles = []*os.File{readyFile - 3: readyChild, lifelineFile - 3: lifelineChild}
	// Its own process group: Ctrl-C in the terminal reaches the program only, which then ends the child.
	e.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = errors.Join(e.command.Start(), readyChild.Close(), lifelineChild.Close())
	if err != nil {
		return nil, errors.Join(err, ready.Close(), lifeline.Close())
	}
	go e.watch()
	return ready, nil
}

// watch waits for the process to end, the only one to do so.
func (e *Engine) watch() {
	err := e.command.Wait()
	if err == nil {
		err = errors.New("exit status 0")
	}
	if said := e.stderr.lines(); said != "" {
		err = fmt.Errorf("%s (%w)", said, err)
	}
	if e.temporary != "" {
		err = errors.Join(err, os.RemoveAll(e.temporary))
	}
	e.ended = err
	close(e.done)
}

// awaitReady waits until the child says that it serves. If it does not, it is ended.
func (e *Engine) awaitReady(ctx context.Context, ready *os.File) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not ready after %s", startTimeout))
	defer cancel()
	said := make(chan string, 1)
	go func() {
		defer ready.Close() //nolint:errcheck // only read
		text, _ := io.ReadAll(ready)
		said <- string(text)
	}()
	select {
	case text := <-said:
		if text == readyText {
			return nil
		}
		e.kill()
		return e.ended
	case <-ctx.Done():
		e.kill()
		<-said
		return context.Cause(ctx)
	}
}

// Config returns what [Open] needs to use the database in this engine.
func (e *Engine) Config(database string) Config {
	return Config{Socket: e.socket, Database: database}
}

// Done is closed when the engine's process has ended, asked to or not.
func (e *Engine) Done() <-chan struct{} { return e.done }

// Err returns nil while the engine runs, and how it ended afterwards.
func (e *Engine) Err() error {
	select {
	case <-e.done:
		return fmt.Errorf("the ClickHouse engine ended: %w", e.ended)
	default:
		return nil
	}
}

// Close lets the engine finish what it is doing and ends it. It fails if the engine had ended
// before by itself, or had to be killed; stored rows are safe in any case.
func (e *Engine) Close() error {
	if e.Err() == nil {
		e.stop()
	}
	if !e.command.ProcessState.Success() {
		return e.Err()
	}
	return nil
}

// stop asks the process to end and kills it if it does not.
func (e *Engine) stop() {
	_, err := e.lifeline.WriteString(".")
	if err == nil {
		select {
		case <-e.done:
		case <-time.After(stopTimeout):
		}
	}
	e.kill()
}

// kill ends the process at once and waits until it has.
func (e *Engine) kill() {
	_ = e.command.Process.Kill() // fails only if it has ended
	<-e.done
	_ = e.lifeline.Close() // nobody reads it any more
}
