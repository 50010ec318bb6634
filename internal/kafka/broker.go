package kafka

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
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
	cluster, err := openCluster(dir, port)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	// kfake holds its whole log in memory for a moment when it opens it.
	debug.FreeOSMemory()
	return &Broker{cluster: cluster, lock: lock, addr: cluster.ListenAddrs()[0]}, nil
}

func openCluster(dir string, port int) (*kfake.Cluster, error) {
	if err := verify(dir); err != nil {
		return nil, err
	}
	cluster, err := kfake.NewCluster(
		kfake.DataDir(dir), kfake.Ports(port), kfake.ClusterID("assay"), kfake.WithLogger(logger{}),
		kfake.BrokerConfigs(map[string]string{
			// kfake's default of seven days can reach topics that ask for no end.
			"log.retention.ms":  "-1",
			"message.max.bytes": strconv.Itoa(maxBatchBytes),
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
	return b.lock.Close()
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

// logger passes kfake's warnings and errors to the program's default logger.
type logger struct{}

func (logger) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		slog.Error("Kafka broker: " + fmt.Sprintf(format, args...))
	case kfake.LogLevelWarn:
		slog.Warn("Kafka broker: " + fmt.Sprintf(format, args...))
	}
}
