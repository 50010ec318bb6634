package kafka

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Errors of StartBroker that a caller can tell apart.
var (
	ErrPortTaken = errors.New("the port is taken")
	ErrInUse     = errors.New("another process uses the directory")
	ErrCorrupt   = errors.New("the directory is corrupt, restore it or delete it to begin with empty logs")
)

// Broker is a durable Kafka broker inside this process: kfake with its data on disk. It
// is one broker without replicas. What it has acknowledged survives the process being
// killed, but perhaps not a loss of power. When it starts it reads all its logs once,
// so it suits logs up to a few gigabytes.
type Broker struct {
	cluster *kfake.Cluster
	lock    *os.File
	addr    string
	log     *failures
}

// StartBroker opens the broker whose logs are in dir, creating it if there is none, on
// a port of 127.0.0.1; port 0 means any free one. It returns ErrPortTaken, ErrInUse or
// ErrCorrupt.
func StartBroker(dir string, port int) (*Broker, error) {
	b, err := startBroker(dir, port)
	if err != nil {
		return nil, fmt.Errorf("starting the Kafka broker in %s: %w", dir, err)
	}
	return b, nil
}

func startBroker(dir string, port int) (*Broker, error) {
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	log := &failures{}
	cluster, err := openCluster(dir, port, log)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	// kfake holds its whole log in memory for a moment when it opens it.
	debug.FreeOSMemory()
	return &Broker{cluster: cluster, lock: lock, addr: cluster.ListenAddrs()[0], log: log}, nil
}

func openCluster(dir string, port int, log *failures) (*kfake.Cluster, error) {
	if err := verify(dir); err != nil {
		return nil, err
	}
	cluster, err := kfake.NewCluster(
		kfake.DataDir(dir), kfake.Ports(port), kfake.ClusterID("assay"), kfake.WithLogger(log),
		kfake.BrokerConfigs(map[string]string{
			// kfake's default of seven days can reach topics that ask for no end.
			"log.retention.ms":  "-1",
			"message.max.bytes": strconv.Itoa(MaxValueBytes + frame),
		}))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%w: another program listens on 127.0.0.1:%d, choose another port or stop it", ErrPortTaken, port)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return cluster, nil
}

// Addr is the broker's host:port.
func (b *Broker) Addr() string { return b.addr }

// Close stops the broker and releases the directory.
func (b *Broker) Close() error {
	b.cluster.Close()
	if err := errors.Join(b.log.all(), b.lock.Close()); err != nil {
		return fmt.Errorf("stopping the Kafka broker: %w", err)
	}
	return nil
}

// lockPatience is how long to wait for a directory that another process holds: the
// kernel may free the lock of a killed process a moment after its death.
const lockPatience = 5 * time.Second

// lockDir keeps other processes from opening the directory as long as the file is open.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(20 * time.Millisecond) {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return lock, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("locking the directory: %w", err), lock.Close())
		}
		if time.Now().After(deadline) {
			return nil, errors.Join(fmt.Errorf("%w: stop it, or choose another directory", ErrInUse), lock.Close())
		}
	}
}

// failures keeps what kfake reports as an error, which is what it cannot write when it
// shuts down. Its warnings are of an unfinished write that it drops when it starts, and
// of writes that fail, which their senders are told.
type failures struct {
	mu   sync.Mutex
	errs []error
}

// Logf implements kfake's Logger.
func (f *failures) Logf(level kfake.LogLevel, format string, args ...any) {
	if level == kfake.LogLevelError {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.errs = append(f.errs, fmt.Errorf(format, args...))
	}
}

func (f *failures) all() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.errs...)
}
