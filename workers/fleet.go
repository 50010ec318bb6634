package workers

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
	"golang.org/x/sync/errgroup"

	"assay/internal/kafka"
	"assay/schema"
)

// Config is what all workers of a fleet share.
type Config struct {
	ChainID uint64
	Hub     common.Address // the PoCo contract
	Topics  schema.Topics
	Kafka   *kafka.Client
	RPC     *rpc.Client
	Depth   uint64        // how deep a block cannot vanish
	Poll    time.Duration // how often to ask for the newest block; 0: 200 ms
	Runner  Runner        // nil: Compute
	Log     *slog.Logger
}

// Agent is one worker.
type Agent struct {
	Key        *ecdsa.PrivateKey
	Workerpool common.Address
	Slots      uint32 // tasks it takes at once
	Behaviour  Behaviour
	Enclave    *Enclave // nil: it cannot run tasks that ask for one
	Session    bool     // its enclave has its key quoted, once for each task, instead of each result
}

// Fleet is any number of workers in one process. A worker alone is a fleet of one.
type Fleet struct {
	config   Config
	chain    chain
	agents   map[common.Address]*agent
	order    []*agent
	counters counters

	// The rest belongs to the loop.
	jobs    map[jobKey]*job
	byTask  map[common.Hash][]*job
	dirty   []*job
	queue   []*job          // to be computed
	letters []kafka.Message // to be published
	head    header
	trouble string // what went wrong last, so that it is said once
}

type jobKey struct {
	worker common.Address
	task   common.Hash
}

// New makes a fleet; Run starts it.
func New(config Config, members []Agent) (*Fleet, error) {
	if config.Runner == nil {
		config.Runner = Compute
	}
	if config.Poll == 0 {
		config.Poll = 200 * time.Millisecond
	}
	f := &Fleet{
		config: config,
		agents: make(map[common.Address]*agent),
		jobs:   make(map[jobKey]*job),
		byTask: make(map[common.Hash][]*job),
	}
	for _, member := range members {
		next := newAgent(member)
		if member.Slots == 0 {
			return nil, fmt.Errorf("worker %s has no slots", next.address)
		}
		if f.agents[next.address] != nil {
			return nil, fmt.Errorf("worker %s is named twice", next.address)
		}
		next.wallet = &wallet{agent: next}
		f.agents[next.address], f.order = next, append(f.order, next)
	}
	f.chain = newNode(config.RPC, config.ChainID, config.Hub, f.order)
	return f, nil
}

// Run works until ctx ends, and then returns nil. Trouble with the node is logged and
// tried again; an error is one that no second try mends.
func (f *Fleet) Run(ctx context.Context) error {
	partitions, err := f.config.Kafka.Partitions(ctx, f.config.Topics.Decisions)
	if err != nil {
		return fmt.Errorf("opening the decisions log: %w", err)
	}
	session, err := f.session(ctx)
	if err != nil {
		return err
	}
	group, running := errgroup.WithContext(ctx)
	pipes := newPipes()
	for partition := range partitions {
		group.Go(func() error { return f.read(running, partition, pipes) })
	}
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error { return f.work(running, pipes) })
	}
	group.Go(func() error { return f.publish(running, pipes) })
	group.Go(func() error { return f.loop(running, pipes, partitions, session) })
	err = group.Wait()
	if ctx.Err() != nil {
		return f.signOff(context.WithoutCancel(ctx), session)
	}
	return err
}

// session numbers a start of the fleet by how long the contributions log is. It grows
// from one start to the next, because every start appends heartbeats.
func (f *Fleet) session(ctx context.Context) (uint64, error) {
	partitions, err := f.config.Kafka.Partitions(ctx, f.config.Topics.Contributions)
	if err != nil {
		return 0, fmt.Errorf("opening the contributions log: %w", err)
	}
	var length uint64
	for partition := range partitions {
		end, err := f.config.Kafka.End(ctx, f.config.Topics.Contributions, partition)
		if err != nil {
			return 0, fmt.Errorf("measuring the contributions log: %w", err)
		}
		length += uint64(end)
	}
	return length, nil
}

// heartbeats offers all workers to their pools.
func (f *Fleet) heartbeats(session uint64, slots func(*agent) uint32) ([]kafka.Message, error) {
	messages := make([]kafka.Message, 0, len(f.order))
	for _, agent := range f.order {
		value, err := f.heartbeat(agent, slots(agent), session)
		if err != nil {
			return nil, err
		}
		messages = append(messages, kafka.Message{Key: agent.address.Bytes(), Value: value})
	}
	return messages, nil
}

// signOff takes the workers off their pools' lists. The log may be gone by now, as when
// the whole demo ends: the pool then finds out by waiting.
func (f *Fleet) signOff(ctx context.Context, session uint64) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	messages, err := f.heartbeats(session, func(*agent) uint32 { return 0 })
	if err == nil {
		err = f.config.Kafka.Append(ctx, f.config.Topics.Contributions, messages...)
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("signing off: %w", err)
	}
	return nil
}
