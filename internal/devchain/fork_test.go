package devchain_test

import (
	"context"
	"math/big"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"assay/internal/devchain"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
	"pgregory.net/rapid"
)

func TestForkReplacesBlocksAndKeepsTransactions(t *testing.T) {
	chain, client := open(t, config(t))
	for nonce := range uint64(10) {
		send(t, client, nonce, nonce+1)
		check(t, chain.Seal())
	}
	send(t, client, 10, 11) // the pool is not empty
	before := map[int64]*types.Header{}
	for number := int64(1); number <= 11; number++ {
		before[number] = headerAt(t, client, number)
	}
	check(t, chain.Fork(4))

	if h := head(t, client); h.Number.Uint64() != 12 {
		t.Errorf("the head is block %d, want 12", h.Number)
	}
	for number, header := range before {
		after := headerAt(t, client, number)
		if abandoned := number > 7; abandoned == (after.Hash() == header.Hash()) {
			t.Errorf("block %d: abandoned %v, but its hash says otherwise", number, abandoned)
		}
		if after.Time != header.Time {
			t.Errorf("block %d has time %d, want %d", number, after.Time, header.Time)
		}
	}
	for nonce := range uint64(11) {
		want := nonce + 2
		if nonce >= 6 {
			want = 12
		}
		if block := minedIn(t, client, transfer(t, keys[0], nonce)); block != want {
			t.Errorf("transaction %d is in block %d, want %d", nonce, block, want)
		}
	}
	if balance, err := client.BalanceAt(t.Context(), sink, big.NewInt(11)); err != nil || balance.Int64() != 6 {
		t.Errorf("the balance at block 11 is %d (%v), want 6", balance, err)
	}
	if _, err := client.HeaderByHash(t.Context(), before[11].Hash()); err != nil {
		t.Errorf("an abandoned block is not known by its hash any more: %v", err)
	}
	checkTimes(t, client)
}

func TestForkDoesNotReachBelowFinality(t *testing.T) {
	cfg := config(t)
	cfg.Finality = 5
	chain, client := open(t, cfg)
	for range 9 {
		check(t, chain.Seal())
	}
	for _, tag := range []rpc.BlockNumber{rpc.FinalizedBlockNumber, rpc.SafeBlockNumber} {
		if h := headerAt(t, client, int64(tag)); h.Number.Uint64() != 5 {
			t.Errorf("%s is block %d, want 5", tag, h.Number)
		}
	}
	before := head(t, client)
	wantError(t, chain.Fork(6), devchain.ErrFinal)
	wantError(t, chain.Fork(1<<63), devchain.ErrFinal)
	if head(t, client).Hash() != before.Hash() {
		t.Error("a refused fork changed the head")
	}
	check(t, chain.Fork(5))
	if h := headerAt(t, client, int64(rpc.FinalizedBlockNumber)); h.Number.Uint64() != 6 {
		t.Errorf("block %d is final after the fork, want 6", h.Number)
	}
}

func TestForkSurvivesARestart(t *testing.T) {
	cfg := config(t)
	chain, client := reopen(t, cfg, nil)
	send(t, client, 0, 3)
	check(t, chain.Seal())
	check(t, chain.Fork(1))
	before := head(t, client)
	chain, client = reopen(t, cfg, chain)
	if head(t, client).Hash() != before.Hash() {
		t.Error("the head of the other branch is gone")
	}
	minedIn(t, client, transfer(t, keys[0], 2))
	check(t, chain.Close())
}

// model is what TestAnyHistory expects of a chain.
type model struct {
	chain  *devchain.Chain
	client *ethclient.Client
	cfg    devchain.Config

	sent   uint64                // transactions, by nonce
	finals map[int64]common.Hash // every block that was ever final
}

// Whatever is sealed, forked, travelled and restarted, no final block changes, time
// goes forward, and every transaction ends in exactly one block.
func TestAnyHistory(t *testing.T) {
	cfg := config(t)
	dir := cfg.Dir
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		cfg.Dir = filepath.Join(dir, strconv.Itoa(round))
		cfg.Finality = rapid.Uint64Range(1, 6).Draw(rt, "finality")
		m := &model{cfg: cfg, finals: map[int64]common.Hash{}}
		m.chain, m.client = reopen(t, cfg, nil)
		rt.Repeat(map[string]func(*rapid.T){
			"send": func(rt *rapid.T) {
				n := rapid.Uint64Range(1, 5).Draw(rt, "transactions")
				send(t, m.client, m.sent, m.sent+n)
				m.sent += n
			},
			"seal":   func(*rapid.T) { check(t, m.chain.Seal()) },
			"travel": func(rt *rapid.T) { check(t, m.chain.Travel(time.Duration(rapid.Int64Range(0, 1e13).Draw(rt, "time")))) },
			"fork":   m.fork(t),
			"restart": func(*rapid.T) {
				check(t, m.chain.Seal()) // or the pool would be lost
				m.chain, m.client = reopen(t, cfg, m.chain)
			},
			"": func(*rapid.T) { m.check(t) },
		})
		check(t, m.chain.Seal())
		m.checkTransactions(t)
		checkTimes(t, m.client)
		check(t, m.chain.Close())
	})
}

func (m *model) fork(t *testing.T) func(*rapid.T) {
	return func(rt *rapid.T) {
		before := head(t, m.client)
		room := before.Number.Uint64() - headerAt(t, m.client, int64(rpc.FinalizedBlockNumber)).Number.Uint64()
		depth := rapid.Uint64Range(0, m.cfg.Finality+1).Draw(rt, "depth")
		err := m.chain.Fork(depth)
		if depth > room {
			wantError(t, err, devchain.ErrFinal)
			return
		}
		check(t, err)
		if got, want := head(t, m.client).Number.Uint64(), before.Number.Uint64()+1; got != want {
			t.Fatalf("the head after a fork is block %d, want %d", got, want)
		}
		if depth > 0 && headerAt(t, m.client, before.Number.Int64()).Hash() == before.Hash() {
			t.Fatal("the fork did not replace the head")
		}
	}
}

// check compares what is final now with what was ever final.
func (m *model) check(t *testing.T) {
	final := headerAt(t, m.client, int64(rpc.FinalizedBlockNumber))
	m.finals[final.Number.Int64()] = final.Hash()
	for number, hash := range m.finals {
		if number > final.Number.Int64() {
			t.Fatalf("block %d was final, and now block %d is", number, final.Number)
		}
		if headerAt(t, m.client, number).Hash() != hash {
			t.Fatalf("block %d was final and changed", number)
		}
	}
	if behind := head(t, m.client).Number.Int64() - final.Number.Int64(); behind > int64(m.cfg.Finality) {
		t.Fatalf("finality is %d blocks behind", behind)
	}
}

func (m *model) checkTransactions(t *testing.T) {
	for nonce := range m.sent {
		minedIn(t, m.client, transfer(t, keys[0], nonce))
	}
	balance, err := m.client.BalanceAt(context.Background(), sink, nil)
	check(t, err)
	if balance.Uint64() != m.sent {
		t.Fatalf("%d transactions took effect, want %d", balance, m.sent)
	}
}

// emitter deploys a contract that logs something empty whenever it is called.
var emitter = common.FromHex("6560006000a0006000526006601af3")

func TestSubscriptionsSeeHeadsLogsAndReorgs(t *testing.T) {
	chain, client := open(t, config(t))
	ws := dial(t, chain.WSURL())
	heads, logs := make(chan *types.Header, 100), make(chan types.Log, 100)
	headSub, err := ws.SubscribeNewHead(t.Context(), heads)
	check(t, err)
	defer headSub.Unsubscribe()
	logSub, err := ws.SubscribeFilterLogs(t.Context(), ethereum.FilterQuery{}, logs)
	check(t, err)
	defer logSub.Unsubscribe()

	contract := crypto.CreateAddress(addressOf(keys[0]), 0)
	check(t, client.SendTransaction(t.Context(), sign(t, keys[0], &types.DynamicFeeTx{Data: emitter, Gas: 1e6})))
	check(t, chain.Seal())
	call := sign(t, keys[0], &types.DynamicFeeTx{Nonce: 1, To: &contract, Gas: 1e6})
	check(t, client.SendTransaction(t.Context(), call))
	check(t, chain.Seal())
	old := head(t, client)
	check(t, chain.Fork(1))

	if got := receive(t, heads, headSub); got.Number.Uint64() != 2 {
		t.Errorf("the first new head is block %d, want 2", got.Number)
	}
	if got := receive(t, heads, headSub); got.Hash() != old.Hash() {
		t.Errorf("the second new head is %s, want %s", got.Hash(), old.Hash())
	}
	if got := receive(t, heads, headSub); got.Number.Uint64() != 3 || got.Hash() == old.Hash() {
		t.Errorf("the third new head is block %d, want another block 3", got.Number)
	}
	if got := receive(t, heads, headSub); got.Hash() != head(t, client).Hash() {
		t.Errorf("the last new head is not the head")
	}
	for i, want := range []struct {
		removed bool
		block   uint64
	}{{false, 3}, {true, 3}, {false, 4}} {
		if got := receive(t, logs, logSub); got.Removed != want.removed || got.BlockNumber != want.block || got.TxHash != call.Hash() {
			t.Errorf("log %d is of block %d, removed %v, want block %d, %v", i, got.BlockNumber, got.Removed, want.block, want.removed)
		}
	}
}

func receive[T any](t *testing.T, values <-chan T, sub ethereum.Subscription) T {
	t.Helper()
	select {
	case value := <-values:
		return value
	case err := <-sub.Err():
		t.Fatalf("the subscription ended: %v", err)
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	return *new(T)
}
