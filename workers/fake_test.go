package workers

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"math/big"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"assay/contracts"
	"assay/contracts/bindings"
)

// fakeChain is a chain that holds as much of PoCo as workers see. Every block keeps the
// whole state after it, so that forks are easy.
type fakeChain struct {
	blocks []fakeBlock
	pool   map[common.Address]map[uint64]*types.Transaction // not yet in a block
	made   uint64                                           // blocks ever made
	quorum int                                              // equal contributions that make a consensus
	down   error                                            // what every request fails with
	final  int                                              // blocks that cannot vanish
	faulty int                                              // transactions mined without effect, ever
	price  int64                                            // of gas, below which nothing is mined
	awaits map[common.Hash]bool                             // tasks whose pool waits for the result to be handed over
	mutex  sync.Mutex                                       // wallets send at the same time
}

type fakeBlock struct {
	header
	txs   []*types.Transaction
	tasks map[common.Hash]fakeTask
	spent map[common.Address]uint64 // nonces
	about []subject                 // of the events
}

type fakeTask struct {
	status    uint8
	consensus common.Hash
	mine      map[common.Address]fakeContribution
}

type fakeContribution struct {
	status uint8
	hash   common.Hash
}

const fakeDeadline = 1 << 40

func newFakeChain(quorum int, tasks ...common.Hash) *fakeChain {
	c := &fakeChain{pool: make(map[common.Address]map[uint64]*types.Transaction), quorum: quorum}
	first := fakeBlock{tasks: make(map[common.Hash]fakeTask), spent: make(map[common.Address]uint64)}
	for _, task := range tasks {
		first.tasks[task] = fakeTask{status: taskActive}
	}
	c.adopt(first)
	return c
}

func (c *fakeChain) newest() *fakeBlock { return &c.blocks[len(c.blocks)-1] }

// buried is the newest block that is so deep below the head, or the first.
func (c *fakeChain) buried(depth int) *fakeBlock {
	return &c.blocks[max(0, len(c.blocks)-1-depth)]
}

func (c *fakeChain) adopt(b fakeBlock) {
	c.made++
	b.number, b.time = uint64(len(c.blocks))+1, 1000+c.made
	b.hash = crypto.Keccak256Hash(binary.BigEndian.AppendUint64(nil, c.made))
	if len(c.blocks) > 0 {
		b.parent = c.newest().hash
	}
	c.blocks = append(c.blocks, b)
	c.final = max(c.final, 1, len(c.blocks)-fakeDepth)
}

// mine makes a block of all that waits and can go in, and completes tasks whose winners
// have all revealed, as their pool would.
func (c *fakeChain) mine() {
	parent := c.newest()
	b := fakeBlock{tasks: maps.Clone(parent.tasks), spent: maps.Clone(parent.spent)}
	for id, task := range parent.tasks {
		if task.status == taskRevealing && task.revealed() && !c.awaits[id] {
			task.status = taskCompleted
			b.tasks[id], b.about = task, append(b.about, subject{task: id})
		}
	}
	for _, sender := range slices.SortedFunc(maps.Keys(c.pool), common.Address.Cmp) {
		for tx := c.pool[sender][b.spent[sender]]; tx != nil && tx.GasPrice().Int64() >= c.price; tx = c.pool[sender][b.spent[sender]] {
			delete(c.pool[sender], tx.Nonce())
			b.spent[sender]++
			b.txs = append(b.txs, tx)
			if err := c.execute(&b, sender, tx.Data()); err != nil {
				c.faulty++
			}
		}
	}
	c.adopt(b)
}

// fork abandons blocks, none that was ever fakeDepth below the head. Their transactions
// wait again, or are forgotten.
func (c *fakeChain) fork(depth int, forget bool) {
	depth = min(depth, len(c.blocks)-c.final)
	abandoned := c.blocks[len(c.blocks)-depth:]
	c.blocks = c.blocks[:len(c.blocks)-depth]
	for _, b := range abandoned {
		for _, tx := range b.txs {
			if !forget {
				c.hold(*tx.To(), tx)
			}
		}
	}
	c.mine()
}

func (t fakeTask) revealed() bool {
	for _, m := range t.mine {
		if m.hash == t.consensus && m.status != proved {
			return false
		}
	}
	return true
}

func (t fakeTask) agreeing(hash common.Hash) (n int) {
	for _, m := range t.mine {
		if m.hash == hash {
			n++
		}
	}
	return n
}

var fakeHub = bindings.NewHub().GetABI()

// execute does what the contract would; an error is a revert and changes nothing.
func (c *fakeChain) execute(b *fakeBlock, sender common.Address, call []byte) error {
	id := common.Hash(call[4:36])
	task := b.tasks[id]
	task.mine = maps.Clone(task.mine)
	if task.mine == nil {
		task.mine = make(map[common.Address]fakeContribution)
	}
	mine := task.mine[sender]
	argument := common.Hash(call[36:68])
	name := must(fakeHub.MethodById(call)).Name
	switch {
	case name == "contribute" && task.status == taskActive && mine.status == 0:
		task.mine[sender] = fakeContribution{contributed, argument}
		if task.agreeing(argument) >= c.quorum {
			task.status, task.consensus = taskRevealing, argument
			b.about = append(b.about, subject{task: id})
		}
	case name == "contributeAndFinalize" && task.status == taskActive && len(task.mine) == 0:
		task.mine[sender] = fakeContribution{proved, contracts.ResultHash(id, argument)}
		task.status = taskCompleted
	case name == "reveal" && task.status == taskRevealing && mine.status == contributed &&
		mine.hash == task.consensus && contracts.ResultHash(id, argument) == mine.hash:
		task.mine[sender] = fakeContribution{proved, mine.hash}
	default:
		return &contracts.RevertError{}
	}
	b.tasks[id], b.about = task, append(b.about, subject{id, sender})
	return nil
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func (c *fakeChain) hold(sender common.Address, tx *types.Transaction) {
	if c.pool[sender] == nil {
		c.pool[sender] = make(map[uint64]*types.Transaction)
	}
	c.pool[sender][tx.Nonce()] = tx
}

func (c *fakeChain) find(hash common.Hash) *fakeBlock {
	for i := range c.blocks {
		if c.blocks[i].hash == hash {
			return &c.blocks[i]
		}
	}
	return nil
}

func (c *fakeChain) head(context.Context) (header, error) { return c.newest().header, c.down }

func (c *fakeChain) hashAt(_ context.Context, number uint64) (common.Hash, error) {
	if number == 0 || number > uint64(len(c.blocks)) {
		return common.Hash{}, c.down
	}
	return c.blocks[number-1].hash, c.down
}

func (c *fakeChain) touched(_ context.Context, from, to uint64) (subjects []subject, err error) {
	for _, b := range c.blocks {
		if b.number >= from && b.number <= to {
			subjects = append(subjects, b.about...)
		}
	}
	return subjects, c.down
}

var errGone = errors.New("no such block")

func (c *fakeChain) views(_ context.Context, at common.Hash, jobs []*job) ([]view, error) {
	b := c.find(at)
	if b == nil || c.down != nil {
		return nil, errors.Join(errGone, c.down)
	}
	views := make([]view, len(jobs))
	for i, j := range jobs {
		task := b.tasks[j.task]
		mine := task.mine[j.agent.address]
		views[i] = view{
			status: task.status, contributionDeadline: fakeDeadline, revealDeadline: fakeDeadline,
			consensus: task.consensus, contributors: len(task.mine), mine: mine.status, resultHash: mine.hash,
		}
	}
	return views, nil
}

func (c *fakeChain) mined(_ context.Context, at common.Hash, senders []common.Address) ([]uint64, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	b := c.find(at)
	if b == nil || c.down != nil {
		return nil, errors.Join(errGone, c.down)
	}
	counts := make([]uint64, len(senders))
	for i, sender := range senders {
		counts[i] = b.spent[sender]
	}
	return counts, nil
}

func (c *fakeChain) pending(_ context.Context, sender common.Address) (uint64, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	nonce := c.newest().spent[sender]
	for c.pool[sender][nonce] != nil {
		nonce++
	}
	return nonce, c.down
}

func (c *fakeChain) sign(_ context.Context, agent *agent, call []byte, nonce uint64) (*types.Transaction, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.down != nil {
		return nil, c.down
	}
	trial := fakeBlock{tasks: maps.Clone(c.newest().tasks)}
	if err := c.execute(&trial, agent.address, call); err != nil {
		return nil, err
	}
	return c.priced(agent, call, nonce), nil
}

// priced is a transaction that pays what is asked for now.
func (c *fakeChain) priced(agent *agent, call []byte, nonce uint64) *types.Transaction {
	return types.NewTx(&types.LegacyTx{Nonce: nonce, To: &agent.address, Data: call, GasPrice: big.NewInt(c.price)})
}

func (c *fakeChain) reprice(_ context.Context, agent *agent, old *types.Transaction) (*types.Transaction, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.down != nil || old.GasPrice().Int64() >= c.price {
		return nil, c.down
	}
	return c.priced(agent, old.Data(), old.Nonce()), nil
}

func (c *fakeChain) submit(_ context.Context, agent *agent, tx *types.Transaction) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	waiting := c.pool[agent.address][tx.Nonce()]
	switch {
	case c.down != nil:
		return c.down
	case tx.Nonce() < c.newest().spent[agent.address]:
		for _, b := range c.blocks {
			if slices.ContainsFunc(b.txs, func(known *types.Transaction) bool { return known.Hash() == tx.Hash() }) {
				return nil
			}
		}
		return contracts.ErrNonceTooLow
	case waiting != nil && waiting.Hash() != tx.Hash() && waiting.GasPrice().Cmp(tx.GasPrice()) >= 0:
		return contracts.ErrUnderpriced
	}
	c.hold(agent.address, tx)
	return nil
}
