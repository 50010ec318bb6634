package engine

import (
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"assay/consensus/attest"
	"assay/consensus/collateral"
	"assay/consensus/poco"
	"assay/consensus/poco/wire"
	"assay/contracts"
	"assay/schema/assaypb"
)

// Config says for whom the engine decides.
type Config struct {
	ChainID       uint64
	Hub           poco.Address
	Rules         poco.Rules
	Confirmations uint64 // how deep a block is before the engine believes it
	Pools         []Pool
	QuoteRoot     *x509.Certificate // whom enclave quotes, and what is said about platforms, must chain to
}

// Pool is a workerpool that the engine decides for.
type Pool struct {
	Address poco.Address
	Owner   *ecdsa.PrivateKey     // of the pool's owner: signs authorizations
	Members map[poco.Address]bool // workers that may contribute; empty: any that offers itself
}

// Core is the engine's state: a fold over the chain log, the contributions log and its
// own decisions. It is not safe for concurrent use.
type Core struct {
	config     Config
	pools      map[poco.Address]*Pool
	state      *poco.State
	buried     buried
	now        uint64 // chain time at the depth that the engine believes
	deals      map[poco.Hash]*poco.Deal
	tasks      map[poco.Hash]*task
	live       []poco.Hash                               // tasks of our pools that have not ended, oldest first
	workers    map[poco.Address]map[poco.Address]*worker // pool → worker
	load       map[poco.Address]*load
	judged     map[source]bool
	settled    []*assaypb.Decision // settlements to be explained, unless they have been
	explained  map[poco.Hash]bool  // settlements in the log, by id
	platforms  *attest.Platforms   // machines whose keys were verified
	collateral *collateral.Log     // what quotes are judged by
	warned     map[poco.Hash]bool  // alerts about no task, by id
}

// source is where in the contributions log a message stands.
type source struct {
	partition uint32
	offset    uint64
}

// worker is one that has offered itself to a pool.
type worker struct {
	address poco.Address
	slots   int
	session uint64
	enclave bool // it can run tasks that ask for one
	failed  int  // assignments that it let expire, or that were rejected
}

// load is what a worker has taken on, and what came of the last of it.
type load struct {
	slots    int         // tasks that it holds
	promised poco.Amount // nRLC that it is to lock for them
	spoilt   bool        // the last contribution of its that was judged cost it its turn
}

// knownPlatforms is how many machines are remembered: about 5 KB each.
const knownPlatforms = 4096

// New returns a core that has seen nothing.
func New(config Config) *Core {
	core := &Core{
		config:     config,
		pools:      make(map[poco.Address]*Pool),
		state:      poco.New(config.Rules),
		buried:     buried{confirmations: config.Confirmations},
		deals:      make(map[poco.Hash]*poco.Deal),
		tasks:      make(map[poco.Hash]*task),
		workers:    make(map[poco.Address]map[poco.Address]*worker),
		load:       make(map[poco.Address]*load),
		judged:     make(map[source]bool),
		explained:  make(map[poco.Hash]bool),
		platforms:  attest.NewPlatforms(knownPlatforms),
		collateral: collateral.NewLog(config.QuoteRoot),
		warned:     make(map[poco.Hash]bool),
	}
	for i := range config.Pools {
		pool := &config.Pools[i]
		core.pools[pool.Address] = pool
		core.workers[pool.Address] = make(map[poco.Address]*worker)
	}
	return core
}

// Replay folds a record of the chain log while more of the log is known to follow: only
// final blocks are believed, whatever their depth, since a retraction may come.
func (c *Core) Replay(record *assaypb.ChainRecord) error {
	if err := c.buried.push(record); err != nil {
		return err
	}
	return c.fold(c.buried.final())
}

// Follow folds the newest record of the chain log, and every block that it buries deep
// enough. It fails with ErrForkBelowConfirmations where the logs must be folded again.
func (c *Core) Follow(record *assaypb.ChainRecord) error {
	if err := c.buried.push(record); err != nil {
		return err
	}
	return c.settle()
}

// settle believes every block that is deep enough. It ends a replay.
func (c *Core) settle() error {
	blocks, now := c.buried.safe()
	if err := c.fold(blocks); err != nil {
		return err
	}
	c.now = max(c.now, now)
	return nil
}

func (c *Core) fold(blocks []*assaypb.Block) error {
	for _, block := range blocks {
		if err := c.block(block); err != nil {
			return fmt.Errorf("folding block %d: %w", block.Number, err)
		}
	}
	return nil
}

func (c *Core) block(block *assaypb.Block) error {
	at := poco.Block{Number: block.Number, Time: block.Time}
	c.now = max(c.now, block.Time)
	events := make([]poco.Event, len(block.Events)) // nil: of no meaning to the rules
	for i, message := range block.Events {
		event, err := wire.FromProto(message)
		if err != nil {
			return err
		}
		if event == nil {
			continue
		}
		if err := c.state.Evolve(at, event); err != nil {
			return err
		}
		events[i] = event
		c.note(block, event)
	}
	c.explain(block, events)
	return nil
}

// note keeps what the engine needs beside the protocol's own state.
func (c *Core) note(block *assaypb.Block, event poco.Event) {
	switch event := event.(type) {
	case poco.OrdersMatched:
		c.dealt(event)
	case poco.TaskInitialize:
		if task := c.owned(event.Task); task != nil {
			task.anchor = common.BytesToHash(block.Hash)
		}
	case poco.TaskContribute:
		if task := c.owned(event.Task); task != nil {
			if held := task.assignment(event.Worker); held != nil {
				c.contributed(held)
			}
		}
	case poco.TaskReopen:
		if task := c.owned(event.Task); task != nil {
			task.round++
		}
	case poco.TaskFinalize:
		c.ended(event.Task)
	case poco.TaskClaimed:
		c.ended(event.Task)
	}
}

// dealt takes a deal of one of our pools in hand.
func (c *Core) dealt(event poco.OrdersMatched) {
	deal := event.Body
	if deal == nil || c.pools[deal.Workerpool.Pointer] == nil {
		return
	}
	c.deals[event.Deal] = deal
	for i := range deal.BotSize {
		index := deal.BotFirst + i
		id := contracts.TaskID(event.Deal, index)
		task := c.task(id)
		task.deal, task.dealID, task.index = deal, event.Deal, index
		c.live = append(c.live, id)
	}
}

// owned is a task of one of our pools that has not ended, or nil.
func (c *Core) owned(id poco.Hash) *task {
	task := c.tasks[id]
	if task == nil || task.deal == nil || task.over {
		return nil
	}
	return task
}

// ended lets go of a task. It stays known, so that late messages get the right answer.
func (c *Core) ended(id poco.Hash) {
	task := c.owned(id)
	if task == nil {
		return
	}
	for _, held := range task.assignments {
		c.release(held)
	}
	*task = *newTask(task)
}

// Collateral folds a record of the collateral log. An error says why the record is not
// used; it is none of the engine's.
func (c *Core) Collateral(value []byte) error {
	_, err := c.collateral.Fold(value)
	return err
}

// Decided folds a decision of the log: the engine's own, those of the engine that ran
// before it, and what settlement says of its transactions.
func (c *Core) Decided(decision *assaypb.Decision) error {
	pool := common.BytesToAddress(decision.Workerpool)
	if decision.ChainId != c.config.ChainID {
		return fmt.Errorf("decision %x is about chain %d, not %d", decision.Id, decision.ChainId, c.config.ChainID)
	}
	if body, ok := decision.Body.(*assaypb.Decision_Verdict); ok {
		c.verdict(decision, body.Verdict)
		return nil
	}
	if decision.GetAlert() != nil && len(decision.Task) == 0 {
		c.warned[common.BytesToHash(decision.Id)] = true
		return nil
	}
	if c.pools[pool] == nil {
		return nil
	}
	c.remember(decision)
	return nil
}

func (c *Core) remember(decision *assaypb.Decision) {
	if decision.GetSettlement() != nil {
		c.explained[common.BytesToHash(decision.Id)] = true
		return
	}
	task := c.task(common.BytesToHash(decision.Task))
	if task.over {
		return
	}
	switch body := decision.Body.(type) {
	case *assaypb.Decision_Assignment:
		c.assigned(task, common.BytesToAddress(decision.Worker), decision.Time)
	case *assaypb.Decision_Consensus:
		task.announced = max(task.announced, body.Consensus.Round+1)
	case *assaypb.Decision_Intent:
		task.intends(decision, body.Intent)
	case *assaypb.Decision_Outcome:
		task.concluded(decision.Time, body.Outcome)
	case *assaypb.Decision_Alert:
		task.alerted[common.BytesToHash(decision.Id)] = true
	}
}

// task finds or starts what is known of a task. Decisions are folded before the chain,
// so a task may be known before its deal.
func (c *Core) task(id poco.Hash) *task {
	known := c.tasks[id]
	if known == nil {
		known = newTask(nil)
		known.id = id
		c.tasks[id] = known
	}
	return known
}
