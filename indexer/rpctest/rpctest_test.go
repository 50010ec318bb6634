package rpctest

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/ethereum/go-ethereum"
)

var token = common.HexToAddress("0x1000000000000000000000000000000000000001")

func serve(t testing.TB, chain *Chain, faults Faults) *Node {
	t.Helper()
	node, err := Serve(chain, faults)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	return node
}

// TestTheChainIsTrue asks a node with go-ethereum's own client, and computes hashes,
// blooms and receipts roots with its code.
func TestTheChainIsTrue(t *testing.T) {
	for name, traffic := range map[string]Traffic{"erc20": NewERC20(token, 20, 12), "market": NewMarket(1, 6)} {
		t.Run(name, func(t *testing.T) {
			chain := NewChain(31337, traffic)
			chain.Grow(20)
			chain.Fork(5)
			chain.Grow(20)
			node := serve(t, chain, Faults{})
			for _, url := range []string{node.URL(), node.WSURL()} {
				raw, err := rpc.Dial(url)
				if err != nil {
					t.Fatal(err)
				}
				defer raw.Close()
				checkChain(t, ethclient.NewClient(raw), chain)
			}
		})
	}
}

func checkChain(t *testing.T, client *ethclient.Client, chain *Chain) {
	t.Helper()
	ctx := t.Context()
	var parent common.Hash
	logs := 0
	for number := uint64(0); number <= chain.Head().Number; number++ {
		header, err := client.HeaderByNumber(ctx, new(big.Int).SetUint64(number))
		if err != nil {
			t.Fatal(err)
		}
		if number > 0 && header.ParentHash != parent {
			t.Fatalf("block %d does not follow %s", number, parent)
		}
		parent = header.Hash()
		list, err := client.BlockReceipts(ctx, rpc.BlockNumberOrHashWithHash(parent, false))
		if err != nil {
			t.Fatal(err)
		}
		if root := types.DeriveSha(types.Receipts(list), trie.NewStackTrie(nil)); root != header.ReceiptHash {
			t.Fatalf("block %d: receipts root %s, header says %s", number, root, header.ReceiptHash)
		}
		if bloom := types.MergeBloom(list); bloom != header.Bloom {
			t.Fatalf("block %d: another bloom", number)
		}
		checkTxs(t, client, header, list)
		found, err := client.FilterLogs(ctx, ethereum.FilterQuery{BlockHash: &parent})
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, r := range list {
			for _, log := range r.Logs {
				if log.TxHash != found[want].TxHash {
					t.Fatalf("block %d: log %d is %v by receipt, %v by filter", number, want, log, found[want])
				}
				want++
			}
		}
		if len(found) != want {
			t.Fatalf("block %d: %d logs, receipts have %d", number, len(found), want)
		}
		logs += want
	}
	ranged, err := client.FilterLogs(ctx, ethereum.FilterQuery{FromBlock: new(big.Int), ToBlock: new(big.Int).SetUint64(chain.Head().Number)})
	if err != nil || len(ranged) != logs || logs == 0 {
		t.Fatalf("%d logs by range, %d by block, %v", len(ranged), logs, err)
	}
}

// checkTxs checks a block's transactions against its header and its receipts.
func checkTxs(t *testing.T, client *ethclient.Client, header *types.Header, list []*types.Receipt) {
	t.Helper()
	block, err := client.BlockByHash(t.Context(), header.Hash())
	if err != nil {
		t.Fatal(err)
	}
	if root := types.DeriveSha(block.Transactions(), trie.NewStackTrie(nil)); root != header.TxHash || len(list) != len(block.Transactions()) {
		t.Fatalf("block %d: transactions root %s of %d, header says %s", block.Number(), root, len(list), header.TxHash)
	}
	for i, tx := range block.Transactions() {
		receipt, err := client.TransactionReceipt(t.Context(), tx.Hash())
		if err != nil || receipt.BlockHash != header.Hash() || receipt.CumulativeGasUsed != list[i].CumulativeGasUsed || len(receipt.Logs) != len(list[i].Logs) {
			t.Fatalf("block %d, transaction %d: %v, %v", block.Number(), i, receipt, err)
		}
	}
}

// TestBalancesAddUp: what was given away is all that there is.
func TestBalancesAddUp(t *testing.T) {
	chain := NewChain(1, NewERC20(token, 50, 20))
	chain.Grow(100)
	sum := new(big.Int)
	balances := chain.Balances(token)
	for address, balance := range balances {
		if balance.Sign() < 0 {
			t.Errorf("%s owes %s", address, balance)
		}
		sum.Add(sum, balance)
	}
	if want := new(big.Int).Mul(big.NewInt(50), big.NewInt(Endowment)); sum.Cmp(want) != 0 || len(balances) != 50 {
		t.Errorf("%d balances make %s, want %s", len(balances), sum, want)
	}
}

// TestTheSameSeedIsTheSameChain, and forks differ.
func TestTheSameSeedIsTheSameChain(t *testing.T) {
	build := func() *Chain {
		c := NewChain(1, NewERC20(token, 5, 10))
		c.Grow(30)
		return c
	}
	a, b := build(), build()
	if a.Head().Hash != b.Head().Hash {
		t.Error("two chains of one seed differ")
	}
	b.Fork(3)
	b.Grow(3)
	if a.Head().Hash == b.Head().Hash {
		t.Error("a fork is the same chain")
	}
}
