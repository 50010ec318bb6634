package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helperVariable makes the test binary a parent to kill: it starts an engine in the directory
// that the variable names, says so, and waits.
const helperVariable = "CLICKHOUSE_TEST_PARENT"

func helperMain() {
	dir := os.Getenv(helperVariable)
	if dir == "" {
		return
	}
	engine, err := StartEngine(context.Background(), dir)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	<-engine.Done()
	os.Exit(1)
}

func TestRestartKeepsData(t *testing.T) {
	dir := t.TempDir()
	for round := range uint64(3) {
		engine := start(t, dir)
		conn := connect(t, engine.Config("kept"))
		run(t, conn, "CREATE TABLE IF NOT EXISTS t (x UInt64) ENGINE = MergeTree ORDER BY x", fmt.Sprintf("INSERT INTO t VALUES (%d)", round))
		if n := one[uint64](t, conn, "SELECT count() FROM t"); n != round+1 {
			t.Fatalf("%d rows in round %d", n, round)
		}
		ok(t, engine.Close())
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	engine := start(t, dir)
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Dir(engine.socket): 0o700, filepath.Join(dir, "data"): 0o700, engine.socket: 0o600} {
		info, err := os.Stat(path)
		ok(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
	ok(t, engine.Close())
	ok(t, engine.Close()) // once more changes nothing
	if _, err := os.Stat(engine.socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestLongPath(t *testing.T) {
	engine := start(t, filepath.Join(t.TempDir(), strings.Repeat("long", 30)))
	if n := one[uint8](t, connect(t, engine.Config("d")), "SELECT 1"); n != 1 {
		t.Fatal(n)
	}
	folder := filepath.Dir(engine.socket)
	ok(t, engine.Close())
	if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left behind: %v", folder, err)
	}
}

func TestSecondEngineInDirectory(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir)
	_, err := StartEngine(t.Context(), dir)
	wantOneLine(t, err, "another process is using the directory")
	if n := one[uint8](t, connect(t, first.Config("d")), "SELECT 1"); n != 1 {
		t.Fatal("the first one was disturbed")
	}
}

func TestDamagedDirectory(t *testing.T) {
	cases := map[string]struct {
		break_ func(t *testing.T, dir string)
		want   string
	}{
		"a file":          {func(t *testing.T, dir string) { overwrite(t, dir, "data") }, "not a directory"},
		"database":        {damage("data/metadata/d.sql"), "while loading database `d`"},
		"table":           {damage("data/store/*/*/t.sql"), "Cannot parse definition from metadata file"},
		"part: columns":   {damage("data/store/*/*/all_*/columns.txt"), "broken parts"},
		"part: data":      {damage("data/store/*/*/all_*/data.bin"), "broken parts"},
		"part: checksums": {damage("data/store/*/*/all_*/checksums.txt"), "broken parts"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			needLibrary(t)
			dir := t.TempDir()
			c.break_(t, dir)
			_, err := StartEngine(t.Context(), dir)
			wantOneLine(t, err, c.want)
		})
	}
}

// damage returns a function that fills a directory and then overwrites the files of the pattern.
func damage(pattern string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		engine := start(t, dir)
		run(t, connect(t, engine.Config("d")), "CREATE TABLE t (x UInt64) ENGINE = MergeTree ORDER BY x", "INSERT INTO t VALUES (1)")
		ok(t, engine.Close())
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		ok(t, err)
		if len(paths) == 0 {
			t.Fatalf("no file is named %s", pattern)
		}
		for _, path := range paths {
			overwrite(t, filepath.Dir(path), filepath.Base(path))
		}
	}
}

func overwrite(t *testing.T, dir, name string) {
	t.Helper()
	ok(t, os.WriteFile(filepath.Join(dir, name), []byte("\x00\x1bgarbage"), 0o600))
}

func wantOneLine(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\r\n\x00\x1b") {
		t.Fatalf("got %q, want one line with %q", err, want)
	}
}

func TestDirectoryCannotBeMade(t *testing.T) {
	needLibrary(t)
	dir := t.TempDir()
	overwrite(t, dir, "file")
	_, err := StartEngine(t.Context(), filepath.Join(dir, "file"))
	wantOneLine(t, err, "not a directory")
}

func TestMissingLibrary(t *testing.T) {
	t.Setenv("CHDB_LIB_PATH", filepath.Join(t.TempDir(), "libchdb.so"))
	_, err := StartEngine(t.Context(), t.TempDir())
	wantOneLine(t, err, "CHDB_LIB_PATH")

	t.Setenv("CHDB_LIB_PATH", "")
	t.Chdir(t.TempDir())
	_, err = StartEngine(t.Context(), t.TempDir()) // the test binary is in no project either
	if !errors.Is(err, ErrNoLibrary) {
		t.Fatal(err)
	}
	wantOneLine(t, err, "make deps")
}

func TestLibraryIsFoundAbove(t *testing.T) {
	t.Setenv("CHDB_LIB_PATH", "")
	root := t.TempDir()
	want := filepath.Join(root, "node_modules", "@chdb", "lib-any-cpu", "libchdb.so")
	ok(t, os.MkdirAll(filepath.Dir(want), 0o700))
	ok(t, os.WriteFile(want, nil, 0o600))
	below := filepath.Join(root, "a", "b")
	ok(t, os.MkdirAll(below, 0o700))
	t.Chdir(below)
	if got, err := findLibrary(); err != nil || got != want {
		t.Fatalf("found %s, %v", got, err)
	}
}

func TestNotALibrary(t *testing.T) {
	dir := t.TempDir()
	overwrite(t, dir, "libchdb.so")
	t.Setenv("CHDB_LIB_PATH", filepath.Join(dir, "libchdb.so"))
	_, err := StartEngine(t.Context(), t.TempDir())
	wantOneLine(t, err, "loading "+dir)
}

func TestStartIsBoundedByContext(t *testing.T) {
	needLibrary(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if _, err := StartEngine(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	start(t, dir) // nothing was left behind
}

func TestKilledChildIsNoticed(t *testing.T) {
	engine := start(t, t.TempDir())
	conn := connect(t, engine.Config("d"))
	if engine.Err() != nil {
		t.Fatal(engine.Err())
	}
	ok(t, engine.command.Process.Kill())
	select {
	case <-engine.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("nobody noticed")
	}
	wantOneLine(t, engine.Err(), "killed")
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a dead engine answers")
	}
	if err := engine.Close(); err == nil {
		t.Error("closing a dead engine says nothing")
	}
}

func TestTerminalSignalsAreTheParents(t *testing.T) {
	engine := start(t, t.TempDir())
	group, err := syscall.Getpgid(engine.command.Process.Pid)
	ok(t, err)
	if group == syscall.Getpgrp() {
		t.Error("the child is in our process group")
	}
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		ok(t, engine.command.Process.Signal(signal))
	}
	if n := one[uint8](t, connect(t, engine.Config("d")), "SELECT 1"); n != 1 {
		t.Fatal(n)
	}
}

// A parent that is killed takes its child along, at once, and leaves the directory usable.
func TestKilledParentLeavesNoChild(t *testing.T) {
	needLibrary(t)
	library, err := findLibrary()
	ok(t, err)
	dir := t.TempDir()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), helperVariable+"="+dir, "CHDB_LIB_PATH="+library)
	output, err := parent.StdoutPipe()
	ok(t, err)
	ok(t, parent.Start())
	var line string
	if _, err := fmt.Fscanln(output, &line); err != nil || line != "ready" {
		t.Fatal(line, err)
	}
	conn := connect(t, Config{Socket: filepath.Join(dir, "run", "sock"), Database: "d"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go conn.Exec(ctx, "SELECT count() FROM system.numbers") //nolint:errcheck // it never ends by itself

	ok(t, parent.Process.Kill())
	_ = parent.Wait() // killed
	engine := start(t, dir)
	if n := one[uint8](t, connect(t, engine.Config("d")), "SELECT 1"); n != 1 {
		t.Fatal(n)
	}
}

func TestCloseLetsInsertsFinish(t *testing.T) {
	dir := t.TempDir()
	engine := start(t, dir)
	conn := connect(t, engine.Config("d"))
	run(t, conn, "CREATE TABLE t (x UInt64) ENGINE = MergeTree ORDER BY x")
	inserted := make(chan error, 1)
	go func() {
		inserted <- conn.Exec(context.Background(), "INSERT INTO t SELECT number + sleepEachRow(0.001) FROM numbers(500) SETTINGS max_block_size = 10")
	}()
	eventually(t, "the insert runs", func() bool {
		return one[uint64](t, conn, "SELECT count() FROM system.processes WHERE query LIKE 'INSERT%'") == 1
	})
	ok(t, engine.Close())
	ok(t, <-inserted)
	if n := one[uint64](t, connect(t, start(t, dir).Config("d")), "SELECT count() FROM t"); n != 500 {
		t.Fatalf("%d rows", n)
	}
}
