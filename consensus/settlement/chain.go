package settlement

import (
	"context"
	"crypto/ecdsa"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"assay/consensus/poco"
	"assay/contracts"
	"assay/schema/assaypb"
)

// Node is a chain behind a JSON-RPC endpoint.
type Node struct {
	rpc     *rpc.Client
	client  *contracts.Client
	wallets map[common.Address]*contracts.Wallet
}

// NewNode sends with the keys of pools' owners to the PoCo contract at hub.
func NewNode(client *rpc.Client, hub common.Address, chainID uint64, keys []*ecdsa.PrivateKey) *Node {
	node := &Node{
		rpc:     client,
		client:  contracts.NewClient(client, hub),
		wallets: make(map[common.Address]*contracts.Wallet),
	}
	for _, key := range keys {
		wallet := contracts.NewWallet(client, key, chainID)
		node.wallets[wallet.Address()] = wallet
	}
	return node
}

// Head implements Chain.
func (n *Node) Head(ctx context.Context) (number, time uint64, err error) {
	var header *types.Header
	if err := n.rpc.CallContext(ctx, &header, "eth_getBlockByNumber", "latest", false); err != nil {
		return 0, 0, err
	}
	if header == nil || header.Number == nil {
		return 0, 0, fmt.Errorf("the node names no newest block")
	}
	return header.Number.Uint64(), header.Time, nil
}

// Nonce implements Chain.
func (n *Node) Nonce(ctx context.Context, account common.Address) (uint64, error) {
	wallet, err := n.wallet(account)
	if err != nil {
		return 0, err
	}
	return wallet.MinedNonce(ctx)
}

// Statuses implements Chain.
func (n *Node) Statuses(ctx context.Context, ids []common.Hash) ([]poco.TaskStatus, error) {
	tasks := make([]contracts.Task, len(ids))
	reads := make([]*contracts.Read, len(ids))
	for i, id := range ids {
		reads[i] = n.client.ReadTask(id, &tasks[i])
	}
	if err := n.client.Batch(ctx, contracts.Latest, reads...); err != nil {
		return nil, err
	}
	statuses := make([]poco.TaskStatus, len(ids))
	for i, read := range reads {
		if read.Err != nil {
			return nil, fmt.Errorf("reading task %s: %w", ids[i], read.Err)
		}
		statuses[i] = poco.TaskStatus(tasks[i].Status)
	}
	return statuses, nil
}

// Receipts implements Chain.
func (n *Node) Receipts(ctx context.Context, transactions []common.Hash) ([]*types.Receipt, error) {
	receipts := make([]*types.Receipt, len(transactions))
	for start := 0; start < len(transactions); start += contracts.MaxBatch {
		end := min(start+contracts.MaxBatch, len(transactions))
		batch := make([]rpc.BatchElem, end-start)
		for i := range batch {
			batch[i] = rpc.BatchElem{
				Method: "eth_getTransactionReceipt",
				Args:   []any{transactions[start+i]},
				Result: &receipts[start+i],
			}
		}
		if err := n.rpc.BatchCallContext(ctx, batch); err != nil {
			return nil, err
		}
		for _, element := range batch {
			if element.Error != nil {
				return nil, element.Error
			}
		}
	}
	return receipts, nil
}

// Build implements Chain.
func (n *Node) Build(ctx context.Context, owner common.Address, nonce uint64, intent *assaypb.Intent) (*types.Transaction, error) {
	wallet, err := n.wallet(owner)
	if err != nil {
		return nil, err
	}
	data, err := calldata(intent)
	if err != nil {
		return nil, err
	}
	return wallet.Sign(ctx, n.client.Hub(), data, nil, nonce)
}

// Reprice implements Chain.
func (n *Node) Reprice(ctx context.Context, transaction *types.Transaction) (*types.Transaction, error) {
	wallet, err := n.sender(transaction)
	if err != nil {
		return nil, err
	}
	return wallet.Reprice(ctx, transaction)
}

// Send implements Chain.
func (n *Node) Send(ctx context.Context, transaction *types.Transaction) error {
	wallet, err := n.sender(transaction)
	if err != nil {
		return err
	}
	return wallet.Submit(ctx, transaction)
}

// sender is the wallet that signed a transaction.
func (n *Node) sender(transaction *types.Transaction) (*contracts.Wallet, error) {
	account, err := types.Sender(types.LatestSignerForChainID(transaction.ChainId()), transaction)
	if err != nil {
		return nil, err
	}
	return n.wallet(account)
}

func (n *Node) wallet(account common.Address) (*contracts.Wallet, error) {
	wallet := n.wallets[account]
	if wallet == nil {
		return nil, fmt.Errorf("there is no key for %s", account)
	}
	return wallet, nil
}

// calldata is the call that an intent stands for.
func calldata(intent *assaypb.Intent) ([]byte, error) {
	deal := common.BytesToHash(intent.Deal)
	task := contracts.TaskID(deal, intent.Index)
	switch intent.Action {
	case assaypb.Intent_INITIALIZE:
		return contracts.InitializeCall(deal, intent.Index), nil
	case assaypb.Intent_REOPEN:
		return contracts.ReopenCall(task), nil
	case assaypb.Intent_FINALIZE:
		return contracts.FinalizeCall(task, intent.Results, intent.ResultsCallback), nil
	case assaypb.Intent_CLAIM:
		return contracts.ClaimCall(task), nil
	}
	return nil, fmt.Errorf("there is no transaction for %s", intent.Action)
}
