package cli

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// processRole makes this binary the command line itself.
const processRole = "ASSAY_TEST_PROCESS"

func processMain() {
	if os.Getenv(processRole) != "" {
		os.Exit(Main(os.Args[1:], os.Stderr))
	}
}

// process is a role in a process of its own, as operators run it.
type process struct {
	testing.TB
	command *exec.Cmd
	stderr  bytes.Buffer
	ended   chan error
}

// spawn runs a command line; what still runs when the test ends is killed.
func spawn(t testing.TB, arguments ...string) *process {
	t.Helper()
	p := &process{TB: t, command: exec.Command(os.Args[0], arguments...), ended: make(chan error, 1)}
	p.command.Env = append(os.Environ(), processRole+"=1")
	p.command.Stderr = &p.stderr
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.command.Wait() }()
	t.Cleanup(p.kill)
	return p
}

// kill ends it as kill -9 does, unless it has ended.
func (p *process) kill() {
	p.command.Process.Kill() //nolint:errcheck // it has ended
	p.ended <- <-p.ended
}

// exit waits until it ends by itself.
func (p *process) exit(within time.Duration) (code int, stderr string) {
	p.Helper()
	select {
	case err := <-p.ended:
		p.ended <- err
		if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
			code = failed.ExitCode()
		}
	case <-time.After(within):
		p.kill()
		p.Fatalf("%s did not end: %s", strings.Join(p.command.Args[1:], " "), &p.stderr)
	}
	return code, p.stderr.String()
}

// alive says whether it has not ended yet.
func (p *process) alive() bool { return len(p.ended) == 0 }
