package workers

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"assay/contracts"
	"assay/contracts/bindings"
)

// header is what a worker knows of a block.
type header struct {
	number       uint64
	hash, parent common.Hash
	time         uint64 // seconds since 1970
}

// subject is what an event of PoCo is about.
type subject struct {
	task   common.Hash
	worker common.Address // zero: it concerns all workers of the task
}

// chain is what a fleet asks of a node. Tests play one.
type chain interface {
	// head returns the newest block.
	head(ctx context.Context) (header, error)
	// hashAt returns the hash of the canonical block with a number.
	hashAt(ctx context.Context, number uint64) (common.Hash, error)
	// touched lists what events of these blocks are about.
	touched(ctx context.Context, from, to uint64) ([]subject, error)
	// views returns what the contract says of each job after a block.
	views(ctx context.Context, at common.Hash, jobs []*job) ([]view, error)
	// mined returns how many transactions of each address there are up to a block.
	mined(ctx context.Context, at common.Hash, senders []common.Address) ([]uint64, error)
	// pending returns the next nonce of an address, after what the node holds back.
	pending(ctx context.Context, sender common.Address) (uint64, error)
	// sign prepares a call of the PoCo contract; a *contracts.RevertError if it would be refused.
	sign(ctx context.Context, agent *agent, call []byte, nonce uint64) (*types.Transaction, error)
	// submit sends a transaction. Sending the same again is no error.
	submit(ctx context.Context, agent *agent, tx *types.Transaction) error
	// reprice signs a waiting transaction again to pay what the network asks for now; nil
	// where it pays that already.
	reprice(ctx context.Context, agent *agent, tx *types.Transaction) (*types.Transaction, error)
}

// node is a chain behind JSON-RPC.
type node struct {
	rpc     *rpc.Client
	client  *contracts.Client
	wallets map[common.Address]*contracts.Wallet

	mutex  sync.Mutex
	fees   *contracts.Fees // of the newest block seen; nil: ask
	newest common.Hash
}

func newNode(client *rpc.Client, chainID uint64, hub common.Address, agents []*agent) *node {
	n := &node{rpc: client, client: contracts.NewClient(client, hub), wallets: make(map[common.Address]*contracts.Wallet)}
	for _, a := range agents {
		n.wallets[a.address] = contracts.NewWallet(client, a.Key, chainID)
	}
	return n
}

func (n *node) head(ctx context.Context) (header, error) {
	newest, err := n.block(ctx, "latest")
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if newest.hash != n.newest {
		n.newest, n.fees = newest.hash, nil
	}
	return newest, err
}

func (n *node) hashAt(ctx context.Context, number uint64) (common.Hash, error) {
	found, err := n.block(ctx, hexutil.EncodeUint64(number))
	return found.hash, err
}

func (n *node) block(ctx context.Context, which string) (header, error) {
	var raw *struct {
		Number     hexutil.Uint64 `json:"number"`
		Hash       common.Hash    `json:"hash"`
		ParentHash common.Hash    `json:"parentHash"`
		Timestamp  hexutil.Uint64 `json:"timestamp"`
	}
	if err := n.rpc.CallContext(ctx, &raw, "eth_getBlockByNumber", which, false); err != nil {
		return header{}, fmt.Errorf("reading block %s: %w", which, err)
	}
	if raw == nil {
		return header{}, nil // beyond the head: no hash is like it
	}
	return header{uint64(raw.Number), raw.Hash, raw.ParentHash, uint64(raw.Timestamp)}, nil
}

func (n *node) touched(ctx context.Context, from, to uint64) ([]subject, error) {
	var logs []struct {
		Topics []common.Hash `json:"topics"`
	}
	filter := map[string]any{
		"address": n.client.Hub(), "topics": []any{slices.Concat(workerEvents, taskEvents)},
		"fromBlock": hexutil.Uint64(from), "toBlock": hexutil.Uint64(to),
	}
	if err := n.rpc.CallContext(ctx, &logs, "eth_getLogs", filter); err != nil {
		return nil, fmt.Errorf("reading the events of blocks %d to %d: %w", from, to, err)
	}
	subjects := make([]subject, 0, len(logs))
	for _, log := range logs {
		switch {
		case len(log.Topics) > 2 && slices.Contains(workerEvents, log.Topics[0]):
			subjects = append(subjects, subject{log.Topics[1], common.BytesToAddress(log.Topics[2][:])})
		case len(log.Topics) > 1:
			subjects = append(subjects, subject{task: log.Topics[1]})
		}
	}
	return subjects, nil
}

func (n *node) views(ctx context.Context, at common.Hash, jobs []*job) ([]view, error) {
	tasks := make(map[common.Hash]*contracts.Task)
	contributions := make([]contracts.Contribution, len(jobs))
	var reads []*contracts.Read
	for i, j := range jobs {
		if tasks[j.task] == nil {
			tasks[j.task] = new(contracts.Task)
			reads = append(reads, n.client.ReadTask(j.task, tasks[j.task]))
		}
		reads = append(reads, n.client.ReadContribution(j.task, j.agent.address, &contributions[i]))
	}
	if err := n.client.Batch(ctx, contracts.AtHash(at), reads...); err != nil {
		return nil, err
	}
	for _, read := range reads {
		if read.Err != nil {
			return nil, fmt.Errorf("reading tasks and contributions: %w", read.Err)
		}
	}
	views := make([]view, len(jobs))
	for i, j := range jobs {
		views[i] = viewOf(tasks[j.task], &contributions[i])
	}
	return views, nil
}

// viewOf puts a view together, but for the block's time. Deadlines are times.
func viewOf(task *contracts.Task, mine *contracts.Contribution) view {
	return view{
		status:               task.Status,
		contributionDeadline: task.ContributionDeadline.Uint64(),
		revealDeadline:       task.RevealDeadline.Uint64(),
		consensus:            task.ConsensusValue,
		contributors:         len(task.Contributors),
		mine:                 mine.Status,
		resultHash:           mine.ResultHash,
	}
}

func (n *node) mined(ctx context.Context, at common.Hash, senders []common.Address) ([]uint64, error) {
	counts := make([]hexutil.Uint64, len(senders))
	batch := make([]rpc.BatchElem, len(senders))
	for i, sender := range senders {
		batch[i] = rpc.BatchElem{
			Method: "eth_getTransactionCount", Result: &counts[i],
			Args: []any{sender, map[string]common.Hash{"blockHash": at}},
		}
	}
	out := make([]uint64, len(senders))
	for start := 0; start < len(batch); start += contracts.MaxBatch {
		if err := n.rpc.BatchCallContext(ctx, batch[start:min(start+contracts.MaxBatch, len(batch))]); err != nil {
			return nil, fmt.Errorf("reading transaction counts: %w", err)
		}
	}
	for i := range batch {
		if batch[i].Error != nil {
			return nil, fmt.Errorf("reading transaction count of %s: %w", senders[i], batch[i].Error)
		}
		out[i] = uint64(counts[i])
	}
	return out, nil
}

func (n *node) pending(ctx context.Context, sender common.Address) (uint64, error) {
	return n.wallets[sender].Nonce(ctx)
}

func (n *node) sign(ctx context.Context, agent *agent, call []byte, nonce uint64) (*types.Transaction, error) {
	wallet, hub := n.wallets[agent.address], n.client.Hub()
	gas, err := wallet.Estimate(ctx, hub, call, nil)
	if err != nil {
		return nil, err
	}
	fees, err := n.feesNow(ctx, wallet)
	if err != nil {
		return nil, err
	}
	return wallet.SignWith(contracts.Tx{To: &hub, Data: call, Nonce: nonce, Gas: gas}, fees)
}

// feesNow asks for the fees once in each block, not for each transaction.
func (n *node) feesNow(ctx context.Context, wallet *contracts.Wallet) (contracts.Fees, error) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.fees == nil {
		fees, err := wallet.Fees(ctx)
		if err != nil {
			return fees, err
		}
		n.fees = &fees
	}
	return *n.fees, nil
}

func (n *node) submit(ctx context.Context, agent *agent, tx *types.Transaction) error {
	return n.wallets[agent.address].Submit(ctx, tx)
}

func (n *node) reprice(ctx context.Context, agent *agent, tx *types.Transaction) (*types.Transaction, error) {
	return n.wallets[agent.address].Reprice(ctx, tx)
}

// Events that change what a worker sees: of its own contribution, and of the task.
var (
	workerEvents = eventIDs("TaskContribute", "TaskReveal")
	taskEvents   = eventIDs("TaskInitialize", "TaskConsensus", "TaskReopen", "TaskFinalize", "TaskClaimed")
)

func eventIDs(names ...string) []common.Hash {
	events := bindings.NewHub().GetABI().Events
	ids := make([]common.Hash, len(names))
	for i, name := range names {
		ids[i] = events[name].ID
	}
	return ids
}
