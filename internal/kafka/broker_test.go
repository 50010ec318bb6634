package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/internal/kafka"
)

// childEnv makes this test binary run a broker until it is killed.
const childEnv = "ASSAY_TEST_BROKER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		port, err := strconv.Atoi(os.Getenv(childEnv + "_PORT"))
		if err == nil {
			_, err = kafka.StartBroker(dir, port)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("ready")
		select {}
	}
	os.Exit(m.Run())
}

// spawn runs a broker in a process of its own and waits until it is ready.
func spawn(t testing.TB, dir string, port int) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir, fmt.Sprintf("%s_PORT=%d", childEnv, port))
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatalf("the broker did not start: %v", cmd.Wait())
	}
	return cmd
}

// kill ends a broker as kill -9 does.
func kill(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	check(t, cmd.Process.Kill())
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Fatal(err)
	}
}

// occupy listens on some port until release is called.
func occupy(t testing.TB) (port int, release func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	addr, isTCP := listener.Addr().(*net.TCPAddr)
	if !isTCP {
		t.Fatalf("not a TCP address: %v", listener.Addr())
	}
	return addr.Port, func() { check(t, listener.Close()) }
}

// freePort returns a port that nothing listens on.
func freePort(t testing.TB) int {
	t.Helper()
	port, release := occupy(t)
	release()
	return port
}

func portOf(t testing.TB, broker *kafka.Broker) int {
	t.Helper()
	_, text, err := net.SplitHostPort(broker.Addr())
	check(t, err)
	port, err := strconv.Atoi(text)
	check(t, err)
	return port
}

func TestFollowerSurvivesRestarts(t *testing.T) {
	dir := t.TempDir()
	broker, err := kafka.StartBroker(dir, 0)
	check(t, err)
	client, port := connect(t, broker.Addr()), portOf(t, broker)
	check(t, client.CreateTopic(t.Context(), "log", 1, 1<<20))

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	offsets, done := make(chan int64, 1000), make(chan error, 1)
	go func() {
		done <- client.Read(ctx, "log", 0, 0, -1, func(message kafka.Message) error {
			offsets <- message.Offset
			return nil
		})
	}()
	for round := range 3 {
		check(t, client.Append(ctx, "log", numbered(0, 10)...))
		for i := range 10 {
			select {
			case got := <-offsets:
				if want := int64(10*round + i); got != want {
					t.Fatalf("offset %d, want %d", got, want)
				}
			case err := <-done:
				t.Fatalf("the follower ended after restart %d: %v", round, err)
			}
		}
		check(t, broker.Close())
		broker, err = kafka.StartBroker(dir, port)
		check(t, err)
	}
	check(t, broker.Close())
}

// A log that was cut, as a broker's after a loss of power, must not be followed as if
// nothing had happened.
func TestFollowerNoticesACutLog(t *testing.T) {
	broker, err := kafka.StartBroker(t.TempDir(), 0)
	check(t, err)
	client, port := connect(t, broker.Addr()), portOf(t, broker)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	check(t, client.CreateTopic(ctx, "log", 1, 1<<20))
	check(t, client.Append(ctx, "log", numbered(0, 10)...))
	caughtUp, done := make(chan bool, 100), make(chan error, 1)
	go func() {
		done <- client.Read(ctx, "log", 0, 9, -1, func(kafka.Message) error {
			caughtUp <- true
			return nil
		})
	}()
	<-caughtUp
	check(t, broker.Close())

	other := t.TempDir()
	seed, err := kafka.StartBroker(other, 0)
	check(t, err)
	check(t, connect(t, seed.Addr()).CreateTopic(ctx, "log", 1, 1<<20))
	check(t, seed.Close())
	broker, err = kafka.StartBroker(other, port)
	check(t, err)
	wantError(t, <-done, kafka.ErrOutOfRange)
	check(t, broker.Close())
}

// attempt is one message that a writer appended, and when.
type attempt struct {
	value        string
	began, ended time.Time
}

// writeUntil appends numbered messages one after another until stop is closed.
func writeUntil(ctx context.Context, stop <-chan struct{}, client *kafka.Client, writer int) ([]attempt, error) {
	var acked []attempt
	for i := 0; ; i++ {
		select {
		case <-stop:
			return acked, nil
		default:
		}
		a := attempt{value: fmt.Sprintf("%d/%d", writer, i), began: time.Now()}
		if err := client.Append(ctx, "log", kafka.Message{Key: []byte("key"), Value: []byte(a.value)}); err != nil {
			return acked, err
		}
		a.ended = time.Now()
		acked = append(acked, a)
	}
}

func TestNothingAckedIsLostWhenTheBrokerIsKilled(t *testing.T) {
	const writers, kills = 4, 3
	dir, port := t.TempDir(), freePort(t)
	cmd := spawn(t, dir, port)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	client := connect(t, addr)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	check(t, client.CreateTopic(ctx, "log", 1, 1<<20))

	stop := make(chan struct{})
	acked, errs := make([][]attempt, writers), make([]error, writers)
	var group sync.WaitGroup
	for writer := range writers {
		group.Go(func() { acked[writer], errs[writer] = writeUntil(ctx, stop, client, writer) })
	}
	var deaths []time.Time
	for range kills {
		awaitGrowth(t, client, 300)
		deaths = append(deaths, time.Now())
		kill(t, cmd)
		cmd = spawn(t, dir, port)
	}
	awaitGrowth(t, client, 300)
	close(stop)
	group.Wait()
	check(t, errors.Join(errs...))
	checkLog(t, client, acked, deaths)
	kill(t, cmd)
}

// awaitGrowth waits until the log has some more records.
func awaitGrowth(t testing.TB, client *kafka.Client, more int64) {
	t.Helper()
	begin, err := client.End(t.Context(), "log", 0)
	check(t, err)
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		end, err := client.End(t.Context(), "log", 0)
		check(t, err)
		if end >= begin+more {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log did not grow by %d", more)
		}
	}
}

// checkLog checks that all that was acknowledged is in the log, in each writer's order,
// and twice only if the broker died meanwhile.
func checkLog(t testing.TB, client *kafka.Client, acked [][]attempt, deaths []time.Time) {
	t.Helper()
	end, err := client.End(t.Context(), "log", 0)
	check(t, err)
	counts, last, total := map[string]int{}, map[string]int{}, 0
	for _, message := range collect(t, client, 0, 0, end) {
		writer, text, _ := strings.Cut(string(message.Value), "/")
		number, err := strconv.Atoi(text)
		check(t, err)
		if counts[string(message.Value)]++; counts[string(message.Value)] == 1 {
			if before, seen := last[writer]; seen && number != before+1 {
				t.Errorf("writer %s: %d follows %d", writer, number, before)
			}
			last[writer] = number
		}
	}
	for _, attempts := range acked {
		for _, a := range attempts {
			total++
			if n := counts[a.value]; n == 0 || n > 1 && !diedWithin(deaths, a) {
				t.Errorf("%s was acknowledged and is in the log %d times", a.value, n)
			}
		}
	}
	t.Logf("%d acknowledged, %d in the log", total, end)
}

func diedWithin(deaths []time.Time, a attempt) bool {
	for _, death := range deaths {
		if a.began.Before(death.Add(time.Second)) && a.ended.After(death) {
			return true
		}
	}
	return false
}

func TestBrokerRefusesABusyPort(t *testing.T) {
	port, release := occupy(t)
	defer release()
	_, err := kafka.StartBroker(t.TempDir(), port)
	wantError(t, err, kafka.ErrPortTaken)
}

func TestBrokerRefusesADirectoryInUse(t *testing.T) {
	dir := t.TempDir()
	start(t, dir)
	_, err := kafka.StartBroker(dir, 0)
	wantError(t, err, kafka.ErrInUse)
}

// filled returns the directory of a broker that was stopped, or killed, with 50 batches
// in a log, and the log's only segment.
func filled(t *testing.T, killed bool) (dir, segment string) {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	var stop func()
	if killed {
		cmd := spawn(t, dir, port)
		stop = func() { kill(t, cmd) }
	} else {
		broker, err := kafka.StartBroker(dir, port)
		check(t, err)
		stop = func() { check(t, broker.Close()) }
	}
	client := connect(t, fmt.Sprintf("127.0.0.1:%d", port))
	check(t, client.CreateTopic(t.Context(), "log", 1, 1<<20))
	for i := range 50 {
		check(t, client.Append(t.Context(), "log", numbered(i, i+1)...))
	}
	stop()
	return dir, filepath.Join(dir, "partitions", "log-0", "0.dat")
}

// edit changes a file's content.
func edit(t testing.TB, path string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	check(t, err)
	check(t, os.WriteFile(path, change(data), 0o600))
}

func TestBrokerRefusesACorruptDirectory(t *testing.T) {
	damages := map[string]func(t *testing.T, dir, segment string){
		"a flipped bit in the middle": func(t *testing.T, _, segment string) {
			edit(t, segment, func(data []byte) []byte { data[len(data)/2] ^= 1; return data })
		},
		"a flipped bit at the end": func(t *testing.T, _, segment string) {
			edit(t, segment, func(data []byte) []byte { data[len(data)-1] ^= 1; return data })
		},
		"a batch cut out": func(t *testing.T, _, segment string) {
			edit(t, segment, func(data []byte) []byte { return data[len(data)/50:] })
		},
		"the end of an orderly closed log cut off": func(t *testing.T, _, segment string) {
			edit(t, segment, func(data []byte) []byte { return data[:len(data)/2] })
		},
		"the segment removed": func(t *testing.T, _, segment string) { check(t, os.Remove(segment)) },
		"no topics.json":      func(t *testing.T, dir, _ string) { check(t, os.Remove(filepath.Join(dir, "topics.json"))) },
		"no meta.json":        func(t *testing.T, dir, _ string) { check(t, os.Remove(filepath.Join(dir, "meta.json"))) },
		"a broken topics.json": func(t *testing.T, dir, _ string) {
			edit(t, filepath.Join(dir, "topics.json"), func(data []byte) []byte { return data[:len(data)/2] })
		},
		"another program's files": func(t *testing.T, dir, _ string) {
			check(t, os.RemoveAll(dir))
			check(t, os.MkdirAll(dir, 0o700))
			check(t, os.WriteFile(filepath.Join(dir, "thesis.doc"), nil, 0o600))
		},
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			dir, segment := filled(t, false)
			damage(t, dir, segment)
			_, err := kafka.StartBroker(dir, 0)
			wantError(t, err, kafka.ErrCorrupt)
			t.Log(err)
		})
	}
}

// A write that was cut off by a kill was never acknowledged.
func TestBrokerDropsAnUnfinishedWrite(t *testing.T) {
	dir, segment := filled(t, true)
	edit(t, segment, func(data []byte) []byte { return data[:len(data)-3] })
	_, client := start(t, dir)
	if end, err := client.End(t.Context(), "log", 0); end != 49 || err != nil {
		t.Fatalf("the log ends at %d (%v), want 49", end, err)
	}
	check(t, client.Append(t.Context(), "log", numbered(49, 50)...))
	if last := collect(t, client, 0, 0, 50)[49]; string(last.Value) != "49" {
		t.Errorf("the record written anew is %q", last.Value)
	}
}
