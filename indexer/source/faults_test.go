package source

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/big"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"

	"assay/indexer/rpctest"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

// tokenPreset is a chain whose core is any ERC-20 contract, without registries.
var tokenPreset = chains.Preset{Name: "token", ChainID: preset.ChainID, Hub: preset.Hub}

// rig is a chain of a token, its nodes, and a source that reads them.
type rig struct {
	t      *testing.T
	chain  *rpctest.Chain
	nodes  []*rpctest.Node
	log    *memoryLog
	source *Source
}

func newRig(t *testing.T, blocks int, verify Verify, faults ...rpctest.Faults) *rig {
	t.Helper()
	chain := rpctest.NewChain(preset.ChainID, rpctest.NewERC20(hub, 30, 10))
	chain.Grow(blocks)
	return rigOf(t, chain, tokenPreset, verify, faults...)
}

func rigOf(t *testing.T, chain *rpctest.Chain, p chains.Preset, verify Verify, faults ...rpctest.Faults) *rig {
	t.Helper()
	r := &rig{t: t, chain: chain, log: &memoryLog{}}
	var addresses []string
	for _, f := range faults {
		node, err := rpctest.Serve(chain, f)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { node.Close() })
		r.nodes, addresses = append(r.nodes, node), append(addresses, node.URL())
	}
	endpoints, err := Dial(t.Context(), addresses, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r.source = New(Config{Preset: p, Endpoints: endpoints, Verify: verify, Kafka: r.log, Topic: "log", Poll: time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	r.source.pause = func(int) time.Duration { return 200 * time.Microsecond }
	r.source.nodes.pause = r.source.pause
	for _, n := range r.source.nodes.nodes {
		if slices.ContainsFunc(faults, func(f rpctest.Faults) bool { return f.HangEvery > 0 }) {
			n.patience = 300 * time.Millisecond
		}
	}
	return r
}

// run runs the source until its log is at the chain's head, or it stops by itself.
func (r *rig) run() error {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.source.Run(ctx) }()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Millisecond) {
		select {
		case err := <-done:
			return err
		default:
		}
		if r.atHead() {
			cancel()
			return <-done
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("waited in vain for the head: %+v", r.source.Status())
		}
	}
}

func (r *rig) atHead() bool {
	mark := lastMark(r.log.records(r.t))
	return mark != nil && common.BytesToHash(mark.HeadHash) == r.chain.Head().Hash
}

func lastMark(records []*assaypb.ChainRecord) *assaypb.Mark {
	for i := len(records) - 1; i >= 0; i-- {
		if mark := records[i].GetMark(); mark != nil {
			return mark
		}
	}
	return nil
}

// balances folds the log.
func balances(records []*assaypb.ChainRecord) map[common.Address]*big.Int {
	var held []*assaypb.Block
	for _, r := range records {
		if r.GetRetraction() != nil {
			held = held[:len(held)-1]
		} else if b := r.GetBlock(); b != nil {
			held = append(held, b)
		}
	}
	out := map[common.Address]*big.Int{}
	for _, b := range held {
		for _, e := range b.Events {
			move(out, e.GetTransfer())
		}
	}
	return out
}

func move(balances map[common.Address]*big.Int, e *assaypb.Transfer) {
	value := new(big.Int).SetBytes(e.GetValue())
	for i, side := range [][]byte{e.GetFrom(), e.GetTo()} {
		at := common.BytesToAddress(side)
		if at == (common.Address{}) {
			continue
		}
		if balances[at] == nil {
			balances[at] = new(big.Int)
		}
		if i == 0 {
			balances[at].Sub(balances[at], value)
		} else {
			balances[at].Add(balances[at], value)
		}
	}
}

// exact fails unless every balance is the chain's own.
func (r *rig) exact() {
	r.t.Helper()
	got, want := balances(r.log.records(r.t)), r.chain.Balances(hub)
	if !maps.EqualFunc(got, want, func(a, b *big.Int) bool { return a.Cmp(b) == 0 }) || len(want) == 0 {
		r.t.Errorf("%d balances differ from the chain's %d", len(got), len(want))
	}
}

// TestExactUnderFaults: whatever a node gets wrong that can be told from the outside or
// tried again, balances are the chain's own in the end.
func TestExactUnderFaults(t *testing.T) {
	good := rpctest.Faults{}
	for name, c := range map[string]struct {
		verify Verify
		faults []rpctest.Faults
	}{
		"none":                        {VerifyOff, []rpctest.Faults{good}},
		"none, by bloom":              {VerifyBloom, []rpctest.Faults{good}},
		"none, by receipts":           {VerifyReceipts, []rpctest.Faults{good}},
		"range limit":                 {VerifyLive, []rpctest.Faults{{MaxRange: 37}}},
		"result limit":                {VerifyLive, []rpctest.Faults{{MaxResults: 210}}},
		"response limit":              {VerifyLive, []rpctest.Faults{{MaxResponse: 60_000}}},
		"batch limit":                 {VerifyReceipts, []rpctest.Faults{{MaxBatch: 7}}},
		"429":                         {VerifyLive, []rpctest.Faults{{LimitEvery: 3}, {LimitEvery: 4}}},
		"429 and Retry-After":         {VerifyLive, []rpctest.Faults{{LimitEvery: 40, RetryAfter: time.Second}}},
		"502":                         {VerifyLive, []rpctest.Faults{{FailEvery: 3}}},
		"time-outs":                   {VerifyLive, []rpctest.Faults{{HangEvery: 9}, good}},
		"dead endpoint":               {VerifyLive, []rpctest.Faults{good, {FailEvery: 1}}},
		"all limits":                  {VerifyLive, []rpctest.Faults{{MaxRange: 100, MaxResults: 500, LimitEvery: 5}, {MaxRange: 20, FailEvery: 7}}},
		"lag":                         {VerifyLive, []rpctest.Faults{{LagEvery: 3, Lag: 300}}},
		"lag, nothing verified":       {VerifyOff, []rpctest.Faults{{LagEvery: 3, Lag: 300}}},
		"lag, by bloom":               {VerifyBloom, []rpctest.Faults{{LagEvery: 3, Lag: 12}}},
		"lag, by receipts":            {VerifyReceipts, []rpctest.Faults{{LagEvery: 3, Lag: 300}}},
		"null blocks":                 {VerifyLive, []rpctest.Faults{{NullEvery: 3}}},
		"no receipts":                 {VerifyLive, []rpctest.Faults{{NoReceipts: true}}},
		"hidden, by receipts":         {VerifyReceipts, []rpctest.Faults{{HideEvery: 10}}},
		"one log missing, receipts":   {VerifyReceipts, []rpctest.Faults{{MissEvery: 10}}},
		"new logs hidden":             {VerifyLive, []rpctest.Faults{{HideEvery: 1, HideFrom: 595}}},
		"hidden, other endpoint":      {VerifyReceipts, []rpctest.Faults{{HideEvery: 10, DamageToo: true}, good}},
		"one missing, other endpoint": {VerifyReceipts, []rpctest.Faults{{MissEvery: 7, DamageToo: true}, good}},
		"removed, other endpoint":     {VerifyLive, []rpctest.Faults{{Removed: 10}, good}},
		"wrong hash, other endpoint":  {VerifyBloom, []rpctest.Faults{{WrongHash: 10}, good}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 600, c.verify, c.faults...)
			if err := r.run(); err != nil {
				t.Fatal(err)
			}
			r.exact()
			r.settled(c.verify)
		})
	}
}

// settled checks that the ledger covers the chain at the level that was asked for.
func (r *rig) settled(verify Verify) {
	r.t.Helper()
	mark := lastMark(r.log.records(r.t))
	if owed := Ledger(mark.Ledger).Owed(1, mark.HeadNumber, verify.past()); len(owed) > 0 && owed[0].FromNumber <= owed[0].ToNumber {
		r.t.Errorf("the ledger owes %v", owed)
	}
	if status := r.source.Status(); len(status.Ledger) == 0 || !proto.Equal(status.Ledger[0], mark.Ledger[0]) {
		r.t.Errorf("the status shows the ledger %v, the log %v", status.Ledger, mark.Ledger)
	}
}

// TestStopsLoudly: where no endpoint tells the truth, the source stops and names a block
// that it does not believe, and so does the ledger for ever.
func TestStopsLoudly(t *testing.T) {
	for name, c := range map[string]struct {
		verify Verify
		fault  rpctest.Faults
		number func(n uint64) bool
	}{
		"whole block's logs, receipts": {VerifyReceipts, rpctest.Faults{HideEvery: 100, DamageToo: true}, func(n uint64) bool { return n%100 == 0 }},
		"one log, receipts":            {VerifyReceipts, rpctest.Faults{MissEvery: 100, DamageToo: true}, func(n uint64) bool { return n%100 == 0 }},
		"one log of a new block":       {VerifyLive, rpctest.Faults{MissEvery: 1, HideFrom: 595, DamageToo: true}, func(n uint64) bool { return n >= 595 }},
		"false header":                 {VerifyReceipts, rpctest.Faults{FalseHeader: 150}, func(n uint64) bool { return n%150 == 0 }},
		"false new header":             {VerifyLive, rpctest.Faults{FalseHeader: 599}, func(n uint64) bool { return n == 599 }},
		"false header, bloom":          {VerifyBloom, rpctest.Faults{FalseHeader: 150}, func(n uint64) bool { return n%150 == 0 }},
		"removed logs":                 {VerifyOff, rpctest.Faults{Removed: 100}, func(n uint64) bool { return n%100 == 0 }},
		"logs of another hash":         {VerifyOff, rpctest.Faults{WrongHash: 100}, func(n uint64) bool { return n%100 == 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 600, c.verify, c.fault)
			err := r.run()
			var doubted *DoubtError
			if !errors.As(err, &doubted) || !c.number(doubted.Number) {
				t.Fatalf("it ended with %v", err)
			}
			mark := lastMark(r.log.records(t))
			failed := Ledger(mark.GetLedger()).Failed()
			if mark != nil && (len(failed) != 1 || failed[0].FromNumber != doubted.Number || failed[0].Failure == "") {
				t.Errorf("the ledger says %v", mark.Ledger)
			}
		})
	}
}

// TestGoesOnAfterAFailure: a failed range is covered once a node tells the truth.
func TestGoesOnAfterAFailure(t *testing.T) {
	r := newRig(t, 600, VerifyReceipts, rpctest.Faults{MissEvery: 450, DamageToo: true})
	if err := r.run(); err == nil {
		t.Fatal("it did not stop")
	}
	again := rigOf(t, r.chain, tokenPreset, VerifyReceipts, rpctest.Faults{})
	again.source.log.kafka = r.log
	again.log = r.log
	if err := again.run(); err != nil {
		t.Fatal(err)
	}
	again.exact()
	again.settled(VerifyReceipts)
	if ledger := lastMark(r.log.records(t)).Ledger; len(ledger) != 1 {
		t.Errorf("the ledger has %d ranges: %v", len(ledger), ledger)
	}
}

// TestRandomForks plays seeded forks of random depth above finality, every few blocks,
// before a source that reads two faulty nodes, and restarts it now and then.
func TestRandomForks(t *testing.T) {
	for seed := range int64(6) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewSource(seed))
			verify := []Verify{VerifyLive, VerifyReceipts, VerifyBloom}[seed%3]
			r := newRig(t, 40, verify, rpctest.Faults{LagEvery: 7, Lag: 2, FailEvery: 31}, rpctest.Faults{NullEvery: 11, MaxRange: 9})
			for range 60 {
				depth := r.chain.Fork(rng.Intn(9))
				r.chain.Grow(depth + 1 + rng.Intn(4))
				if rng.Intn(2) == 0 {
					r.follow(verify)
				}
			}
			r.follow(verify)
			r.exact()
		})
	}
}

// follow starts a fresh source on the log as it is and lets it catch up.
func (r *rig) follow(verify Verify) {
	r.t.Helper()
	pause := r.source.pause
	r.source = New(Config{Preset: tokenPreset, Endpoints: r.endpoints(), Verify: verify, Kafka: r.log, Topic: "log", Poll: time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	r.source.pause, r.source.nodes.pause = pause, pause
	if err := r.run(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) endpoints() []Endpoint {
	r.t.Helper()
	var addresses []string
	for _, n := range r.nodes {
		addresses = append(addresses, n.URL())
	}
	endpoints, err := Dial(r.t.Context(), addresses, slog.New(slog.DiscardHandler))
	if err != nil {
		r.t.Fatal(err)
	}
	return endpoints
}

// TestEndpointsAtTheStart: one that answers will do; one of another chain is refused by
// its name.
func TestEndpointsAtTheStart(t *testing.T) {
	for name, c := range map[string]struct {
		faults []rpctest.Faults
		fails  bool
		named  int // the endpoint that is refused; -1: none
	}{
		"first is dead":       {[]rpctest.Faults{{FailEvery: 1}, {}}, false, -1},
		"all are dead":        {[]rpctest.Faults{{FailEvery: 1}, {FailEvery: 1}}, true, -1},
		"one is of another":   {[]rpctest.Faults{{}, {ChainID: 7}}, true, 1},
		"one has no such hub": {[]rpctest.Faults{{NoCode: true}, {}}, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 30, VerifyOff, c.faults...)
			client, err := Check(t.Context(), tokenPreset, r.endpoints(), slog.New(slog.DiscardHandler))
			if (err != nil) != c.fails || (client == nil) != c.fails {
				t.Errorf("%v, %v", client, err)
			}
			if c.named >= 0 && !strings.Contains(err.Error(), nameOf(r.nodes[c.named].URL())) {
				t.Errorf("%v does not name %s", err, r.nodes[c.named].URL())
			}
		})
	}
}

// TestTheMarketIsIndexed: PoCo traffic, with what events do not carry attached, by
// multicall or without it.
func TestTheMarketIsIndexed(t *testing.T) {
	for name, faults := range map[string]rpctest.Faults{"multicall": {}, "plain": {NoMulticall: true}} {
		t.Run(name, func(t *testing.T) {
			chain := rpctest.NewChain(preset.ChainID, rpctest.NewMarket(1, 10))
			chain.Grow(200)
			r := rigOf(t, chain, rpctest.MarketPreset(), VerifyReceipts, faults)
			if err := r.run(); err != nil {
				t.Fatal(err)
			}
			logs, events := 0, 0
			chain.Logs(func(*rpctest.Block, rpctest.Log) { logs++ })
			for _, record := range r.log.records(t) {
				for _, e := range record.GetBlock().GetEvents() {
					events++
					if e.GetUnknown() != nil || e.GetOrdersMatched() != nil && e.GetOrdersMatched().Body == nil {
						t.Errorf("block %d: %v", record.GetBlock().Number, e)
					}
				}
			}
			if events+200 != logs || events < 1000 { // each block has one log of a bystander
				t.Errorf("%d events of %d logs", events, logs)
			}
			if calls := r.nodes[0].Calls()["eth_call"]; name == "multicall" && calls > 200 {
				t.Errorf("%d calls for attachments", calls)
			}
		})
	}
}

// TestRangesHoldFewLogs: the more logs are in a block, the fewer blocks are in a range, so that
// what is held in memory does not depend on it.
func TestRangesHoldFewLogs(t *testing.T) {
	for _, verify := range []Verify{VerifyReceipts, VerifyBloom, VerifyOff} {
		for perBlock, blocks := range map[int]int{700: 120, 1: 1_500} {
			chain := rpctest.NewChain(preset.ChainID, rpctest.NewERC20(hub, 30, perBlock))
			chain.Grow(blocks)
			r := rigOf(t, chain, tokenPreset, verify, rpctest.Faults{})
			if err := r.run(); err != nil {
				t.Fatal(err)
			}
			span := r.source.Status().Span
			if perBlock > 1 && span*uint64(perBlock) > fullRange || perBlock == 1 && span < provenStride {
				t.Errorf("--verify %s, %d logs in a block: ranges of %d blocks", verify, perBlock, span)
			}
		}
	}
}
