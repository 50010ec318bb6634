package projection_test

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"assay/indexer/internal/market"
	"assay/indexer/projection"
	"assay/schema/assaypb"
)

// TestTheBooksBalance: after every record, whether it adds a block or takes one back, all
// postings add up to zero, and those of each account to the account's row.
func TestTheBooksBalance(t *testing.T) {
	schema := schemaTables(t)
	rapid.Check(t, func(rt *rapid.T) {
		m, log := market.New(choices(rt)), &market.Log{}
		for range rapid.IntRange(1, 15).Draw(rt, "blocks") {
			if depth := rapid.IntRange(-6, 4).Draw(rt, "depth"); depth > 0 {
				log.Fork(m, depth)
			}
			log.Block(m.Grow(rapid.IntRange(0, 15).Draw(rt, "calls")))
		}
		p, ts := projection.New(market.Preset), tables{}
		for _, record := range log.Records {
			rows, err := p.Apply(record)
			if err != nil {
				t.Fatal(err)
			}
			ts.write(t, schema, rows)
			balanced(rt, ts)
		}
	})
}

func balanced(rt *rapid.T, ts tables) {
	books, all := map[string]*big.Int{}, new(big.Int)
	for _, row := range seen[projection.Posting](ts, "postings") {
		all.Add(all, row.Amount)
		place := row.Account + " " + row.Bucket
		books[place] = new(big.Int).Add(orZero(books[place]), row.Amount)
	}
	if all.Sign() != 0 {
		rt.Fatalf("postings add up to %s", all)
	}
	supply := new(big.Int)
	for _, account := range seen[projection.Account](ts, "accounts") {
		same(rt, "stake of "+account.Address, orZero(books[account.Address+" STAKE"]), account.Stake)
		locked := new(big.Int).Add(orZero(books[account.Address+" LOCKED"]), orZero(books[account.Address+" KITTY"]))
		same(rt, "locked of "+account.Address, locked, account.Locked)
		supply.Add(supply, account.Stake)
	}
	outside := orZero(books[common.Address{}.Hex()+" OUTSIDE"])
	same(rt, "supply", new(big.Int).Neg(outside), supply)
}

func same(rt *rapid.T, what string, got, want *big.Int) {
	if got.Cmp(want) != 0 {
		rt.Fatalf("%s: %s in the books, want %s", what, got, want)
	}
}

// seen are the rows of a table that count.
func seen[T any](ts tables, name string) []T {
	var rows []T
	for _, row := range ts[name] {
		if column(row, "deleted").Uint() == 0 {
			rows = append(rows, row.Interface().(T))
		}
	}
	return rows
}

// TestEveryEndHasASettlement: each task that has ended has one settlement, which is exact;
// no other has any; and its lines tell of the very payouts, account by account and role by
// role, and add up to nothing.
func TestEveryEndHasASettlement(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := market.New(choices(rt))
		for range 30 {
			m.Grow(15)
		}
		ts := fold(t, schemaTables(t), projection.New(market.Preset), market.Fresh(m, 0).Records)
		ended, paid := map[string]projection.Task{}, map[string]*big.Int{}
		for _, task := range seen[projection.Task](ts, "tasks") {
			if task.Status == "COMPLETED" || task.Status == "FAILED" {
				ended[task.ID] = task
			}
		}
		for _, s := range seen[projection.Settlement](ts, "settlements") {
			task, ok := ended[s.Task]
			if !ok || !s.Exact || s.Deal != task.Deal || s.Workerpool != task.Workerpool || s.BlockNumber != task.BlockNumber ||
				(s.Call == "CLAIM") != (task.Status == "FAILED") {
				rt.Fatalf("settlement %+v of task %+v", s, task)
			}
			delete(ended, s.Task)
		}
		if len(ended) > 0 {
			rt.Fatalf("%d tasks have ended without a settlement: %v", len(ended), ended)
		}
		for _, p := range seen[projection.Payout](ts, "payouts") {
			key := p.Task + p.Account + p.Role + p.Kind
			paid[key] = new(big.Int).Add(orZero(paid[key]), p.Amount)
		}
		unpaid(rt, ts, paid)
	})
}

// unpaid takes what the lines tell of from what was paid: nothing must be left.
func unpaid(rt *rapid.T, ts tables, paid map[string]*big.Int) {
	sums := map[string]*big.Int{}
	for _, line := range seen[projection.SettlementLine](ts, "settlement_lines") {
		sums[line.Task] = new(big.Int).Add(orZero(sums[line.Task]), new(big.Int).Add(line.Stake, line.Locked))
		key := line.Task + line.Account + line.Role
		switch line.Kind {
		case "PRICE_EARNED", "REWARD_SHARE", "SCHEDULER_REMAINDER", "KITTY_FILL":
			key += "REWARD"
		case "PRICE_PAID", "STAKE_SEIZED":
			key += "SEIZE"
		case "KITTY_DRAW":
			key += map[string]string{"KITTY": "SEIZE", "WORKERPOOL": "REWARD"}[line.Role]
		case "PRICE_REFUNDED", "STAKE_RETURNED":
			continue
		default:
			rt.Fatalf("a line of kind %q", line.Kind)
		}
		paid[key] = new(big.Int).Sub(orZero(paid[key]), line.Amount)
	}
	for task, sum := range sums {
		same(rt, "sum of the lines of "+task, sum, new(big.Int))
	}
	for key, rest := range paid {
		same(rt, "paid and not told: "+key, rest, new(big.Int))
	}
}

// TestPostingsHaveCauses: of a small story, in which only deposits are for nothing.
func TestPostingsHaveCauses(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := market.New(choices(rt))
		for range 20 {
			m.Grow(15)
		}
		ts := fold(t, schemaTables(t), projection.New(market.Preset), market.Fresh(m, 0).Records)
		deals := map[string]string{}
		for _, task := range seen[projection.Task](ts, "tasks") {
			deals[task.ID] = task.Deal
		}
		for _, posting := range seen[projection.Posting](ts, "postings") {
			if posting.Event != "Transfer" && posting.Deal == "" {
				rt.Fatalf("no cause of %+v", posting)
			}
			if posting.Bucket == "OUTSIDE" && posting.Deal != "" {
				rt.Fatalf("a deposit with a cause: %+v", posting)
			}
			if posting.Task != "" && deals[posting.Task] != posting.Deal {
				rt.Fatalf("the task is of another deal: %+v", posting)
			}
		}
	})
}

// TestAmountsThatDoNotFitStop: Int256 holds less than the contracts could.
func TestAmountsThatDoNotFitStop(t *testing.T) {
	enormous := make([]byte, 32)
	enormous[0] = 0x80
	block := &assaypb.Block{Number: 1, Hash: make([]byte, 32), ParentHash: make([]byte, 32), Events: []*assaypb.Event{{
		TxHash: make([]byte, 32), Emitter: make([]byte, 20),
		Body: &assaypb.Event_Transfer{Transfer: &assaypb.Transfer{From: make([]byte, 20), To: append(make([]byte, 19), 1), Value: enormous}},
	}}}
	record := &assaypb.ChainRecord{ChainId: market.Preset.ChainID, Body: &assaypb.ChainRecord_Block{Block: block}}
	if rows, err := projection.New(market.Preset).Apply(record); err == nil {
		t.Fatalf("it was folded into %d rows", rows.Len())
	}
}
