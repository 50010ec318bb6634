package projection_test

import (
	"errors"
	"math/big"
	"math/rand"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"assay/consensus/poco"
	"assay/indexer/internal/market"
	"assay/indexer/projection"
	"assay/schema/assaypb"
)

func choices(t *rapid.T) market.Choose {
	return rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed"))).Intn
}

// TestForksLeaveNoTrace is the reorg law: after any forks, the tables are those of a fold
// that only ever saw the final chain.
func TestForksLeaveNoTrace(t *testing.T) {
	schema := schemaTables(t)
	rapid.Check(t, func(rt *rapid.T) {
		m, log := market.New(choices(rt)), &market.Log{}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			if depth := rapid.IntRange(-12, 8).Draw(rt, "depth"); depth > 0 {
				log.Fork(m, depth)
			}
			log.Block(m.Grow(rapid.IntRange(0, 12).Draw(rt, "calls")))
			if rapid.Bool().Draw(rt, "mark") {
				log.Mark(m, rapid.Uint64Range(0, 12).Draw(rt, "finality"))
			}
		}
		log.Mark(m, 0)
		forked := fold(t, schema, projection.New(market.Preset), log.Records)
		fresh := fold(t, schema, projection.New(market.Preset), market.Fresh(m, 0).Records)
		if got, want := forked.dump(), fresh.dump(); got != want {
			rt.Fatalf("after forks:\n%s", diff(got, want))
		}
	})
}

// TestTheHeadIsLoweredFirst: whatever records a batch holds, before its other rows the head
// is lowered below what they take back or replace of what the database has, to a block that it
// knows, and never raised. That head's row says that what was written before the batch is there,
// and no more.
func TestTheHeadIsLoweredFirst(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m, log := market.New(choices(rt)), &market.Log{}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			log.Fork(m, rapid.IntRange(0, 4).Draw(rt, "depth"))
			log.Block(m.Grow(rapid.IntRange(0, 12).Draw(rt, "calls")))
			if rapid.Bool().Draw(rt, "mark") {
				log.Mark(m, 12)
			}
		}
		p, rows, head, written := projection.New(market.Preset), projection.Rows{}, uint64(0), uint64(0)
		for _, record := range log.Records {
			if err := p.ApplyTo(&rows, record); err != nil {
				rt.Fatal(err)
			}
			if rapid.IntRange(0, 3).Draw(rt, "more") > 0 {
				continue
			}
			if now := lowered(rows, head); now > head || now > taken(rows, head) {
				rt.Fatalf("at block %d a batch first sets the head to %d, and takes back or replaces from block %d on", head, now, taken(rows, head)+1)
			}
			for _, h := range rows.Lowered {
				if h.Written != written || h.Version <= written {
					rt.Fatalf("the lowered head, of record %d, says that all to record %d is written: that is so to %d", h.Version, h.Written, written)
				}
			}
			for _, h := range rows.Heads {
				if head, written = h.HeadNumber, h.Written; h.Written != h.Version {
					rt.Fatalf("the head of record %d says that all to record %d is written", h.Version, h.Written)
				}
			}
			rows = projection.Rows{}
		}
	})
}

// lowered is where the head is once a batch has lowered it, if it does.
func lowered(rows projection.Rows, head uint64) uint64 {
	for _, h := range rows.Lowered {
		head = h.HeadNumber
	}
	return head
}

// taken is the newest block below all that a batch takes back or replaces of those up to the head.
func taken(rows projection.Rows, head uint64) uint64 {
	below := head
	for _, b := range rows.Blocks {
		if b.Number <= below {
			below = b.Number - 1
		}
	}
	return below
}

func diff(got, want string) string {
	seen := map[string]bool{}
	for _, line := range strings.Split(want, "\n") {
		seen[line] = true
	}
	var out strings.Builder
	for _, line := range strings.Split(got, "\n") {
		if !seen[line] {
			out.WriteString("+ " + line + "\n")
		}
		delete(seen, line)
	}
	for line := range seen {
		out.WriteString("- " + line + "\n")
	}
	return out.String()
}

// TestTheSameLogGivesTheSameRows also folds each record twice: a retry changes nothing.
func TestTheSameLogGivesTheSameRows(t *testing.T) {
	m := market.New(rand.New(rand.NewSource(7)).Intn)
	for range 60 {
		m.Grow(12)
	}
	log := market.Fresh(m, 0)
	once, twice := projection.New(market.Preset), projection.New(market.Preset)
	for _, record := range log.Records {
		want, err := once.Apply(record)
		if err != nil {
			t.Fatal(err)
		}
		got, err := twice.Apply(record)
		if err != nil {
			t.Fatal(err)
		}
		again, err := twice.Apply(record)
		if err != nil || again.Len() != 0 {
			t.Fatalf("record %d, the second time: %d rows, %v", record.Sequence, again.Len(), err)
		}
		a, b := tables{}, tables{}
		a.write(t, schemaTables(t), want)
		b.write(t, schemaTables(t), got)
		if a.dump() != b.dump() {
			t.Fatalf("record %d gave other rows:\n%s", record.Sequence, diff(b.dump(), a.dump()))
		}
	}
}

// TestAccountsAreTheContracts compares balances and scores with the contract's state, and
// totals with sums over the payouts and transfers.
func TestAccountsAreTheContracts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := market.New(choices(rt))
		for range 25 {
			m.Grow(15)
		}
		schema := schemaTables(t)
		ts := fold(t, schema, projection.New(market.Preset), market.Fresh(m, 0).Records)
		earned, spent, seized := sums(ts)
		for _, row := range ts["accounts"] {
			account := row.Interface().(projection.Account)
			kept := m.State.Account(common.HexToAddress(account.Address))
			for name, pair := range map[string][2]*big.Int{
				"stake":  {account.Stake, kept.Stake.ToBig()},
				"locked": {account.Locked, kept.Locked.ToBig()},
				"score":  {account.Score, kept.Score.ToBig()},
				"earned": {account.Earned, orZero(earned[account.Address])},
				"spent":  {account.Spent, orZero(spent[account.Address])},
				"seized": {account.Seized, orZero(seized[account.Address])},
			} {
				if pair[0].Cmp(pair[1]) != 0 {
					rt.Errorf("%s of %s is %s, want %s", name, account.Address, pair[0], pair[1])
				}
			}
		}
		if supply := totalStake(ts); supply.Cmp(deposits(ts)) != 0 {
			rt.Errorf("stakes add up to %s, deposits less withdrawals to %s", supply, deposits(ts))
		}
	})
}

func sums(ts tables) (earned, spent, seized map[string]*big.Int) {
	earned, spent, seized = map[string]*big.Int{}, map[string]*big.Int{}, map[string]*big.Int{}
	for _, row := range ts["payouts"] {
		payout := row.Interface().(projection.Payout)
		total := seized
		switch {
		case payout.Kind == "REWARD":
			total = earned
		case payout.Role == "PAYER":
			total = spent
		}
		total[payout.Account] = new(big.Int).Add(orZero(total[payout.Account]), payout.Amount)
	}
	return earned, spent, seized
}

func orZero(n *big.Int) *big.Int {
	if n == nil {
		return new(big.Int)
	}
	return n
}

func totalStake(ts tables) *big.Int {
	sum := new(big.Int)
	for _, row := range ts["accounts"] {
		sum.Add(sum, row.Interface().(projection.Account).Stake)
	}
	return sum
}

func deposits(ts tables) *big.Int {
	sum := new(big.Int)
	for _, row := range ts["accounts"] {
		account := row.Interface().(projection.Account)
		sum.Add(sum, account.Deposited).Sub(sum, account.Withdrawn)
	}
	return sum
}

// TestRolesFollowTheMoney checks roles against what the deal and the task say of who may
// be paid what: prices, owners, contributors. A player often plays several roles.
func TestRolesFollowTheMoney(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := market.New(choices(rt))
		for range 30 {
			m.Grow(15)
		}
		ts := fold(t, schemaTables(t), projection.New(market.Preset), market.Fresh(m, 0).Records)
		byTask := map[string][]projection.Payout{}
		for _, row := range ts["payouts"] {
			payout := row.Interface().(projection.Payout)
			byTask[payout.Task] = append(byTask[payout.Task], payout)
		}
		for id, payouts := range byTask {
			checkTask(rt, m, common.HexToHash(id), payouts)
		}
	})
}

func checkTask(rt *rapid.T, m *market.Market, id poco.Hash, payouts []projection.Payout) {
	task, _ := m.State.Task(id)
	deal, _ := m.State.Deal(task.Deal)
	count, sum := map[string]int{}, map[string]*big.Int{}
	balance := new(big.Int)
	for _, p := range payouts {
		what := p.Kind + " " + p.Role
		count[what]++
		sum[what] = new(big.Int).Add(orZero(sum[what]), p.Amount)
		if p.Kind == "REWARD" {
			balance.Add(balance, p.Amount)
		} else {
			balance.Sub(balance, p.Amount)
		}
		owner := map[string]poco.Address{
			"SEIZE PAYER": deal.Sponsor, "REWARD APP": deal.App.Owner, "REWARD DATASET": deal.Dataset.Owner,
			"SEIZE KITTY": poco.KittyAddress, "REWARD KITTY": poco.KittyAddress,
			"REWARD WORKERPOOL": deal.Workerpool.Owner, "SEIZE WORKERPOOL": deal.Workerpool.Owner,
		}[what]
		if owner != (poco.Address{}) && hexutil.Encode(owner[:]) != p.Account {
			rt.Errorf("task %s: %s is paid to %s, want %s", id, what, p.Account, owner)
		}
		if owner == (poco.Address{}) && p.Role != "WORKER" {
			rt.Errorf("task %s: payout in the role %q", id, what)
		}
	}
	if balance.Sign() != 0 {
		rt.Errorf("task %s: rewards and seizures differ by %s", id, balance)
	}
	if task.Status == poco.TaskFailed {
		want(rt, count["SEIZE WORKERPOOL"], 1, "a claim seizes the pool")
		want(rt, len(payouts), 2, "a claim pays the kitty")
		return
	}
	price := new(big.Int).Add(deal.App.Price.ToBig(), deal.Workerpool.Price.ToBig())
	if deal.Dataset.Pointer != (poco.Address{}) {
		price.Add(price, deal.Dataset.Price.ToBig())
	}
	want(rt, sum["SEIZE PAYER"].String(), price.String(), "the payer pays the price")
	want(rt, orZero(sum["REWARD APP"]).String(), deal.App.Price.ToBig().String(), "the app's owner gets its price")
	want(rt, orZero(sum["REWARD DATASET"]).String(), new(big.Int).Sub(price, new(big.Int).Add(deal.App.Price.ToBig(), deal.Workerpool.Price.ToBig())).String(), "the dataset's owner gets its price")
	want(rt, count["REWARD WORKERPOOL"], 1+count["SEIZE KITTY"], "the pool is rewarded once, and once from the kitty")
	want(rt, count["REWARD WORKER"]+count["SEIZE WORKER"], len(task.Contributors), "each contributor is rewarded or seized")
}

func want[T comparable](rt *rapid.T, got, want T, what string) {
	if got != want {
		rt.Errorf("%s: %v, want %v", what, got, want)
	}
}

// TestContributionsTellHowTheyEnded compares contributions with the contract's, and their
// accuracy with how their tasks ended.
func TestContributionsTellHowTheyEnded(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := market.New(choices(rt))
		for range 30 {
			m.Grow(15)
		}
		ts := fold(t, schemaTables(t), projection.New(market.Preset), market.Fresh(m, 0).Records)
		for _, row := range ts["contributions"] {
			c := row.Interface().(projection.Contribution)
			id, worker := common.HexToHash(c.Task), common.HexToAddress(c.Worker)
			task, _ := m.State.Task(id)
			kept, _ := m.State.Contribution(id, worker)
			statuses := []string{"UNSET", "CONTRIBUTED", "PROVED", "REJECTED"}
			want(rt, c.Status, statuses[kept.Status], "status")
			want(rt, c.Accurate != nil, task.Status == poco.TaskCompleted, "judged when the task is completed")
			if c.Accurate != nil {
				want(rt, *c.Accurate, kept.Status == poco.Proved, "accurate if revealed")
			}
		}
	})
}

// TestALogThatCannotBeIsRefused lists what no source writes.
func TestALogThatCannotBeIsRefused(t *testing.T) {
	m := market.New(rand.New(rand.NewSource(3)).Intn)
	for range 6 {
		m.Grow(20)
	}
	log := market.Fresh(m, 2)
	records := log.Records
	cases := map[string]func(r *assaypb.ChainRecord){
		"a gap":                    func(r *assaypb.ChainRecord) { r.Sequence++ },
		"another chain":            func(r *assaypb.ChainRecord) { r.ChainId++ },
		"nothing":                  func(r *assaypb.ChainRecord) { r.Body = nil },
		"retracting another block": func(r *assaypb.ChainRecord) { r.Body = retraction(m.Blocks[2]) },
		"the same block twice":     func(r *assaypb.ChainRecord) { r.Body = records[len(records)-3].Body },
		"an event that cannot be read": func(r *assaypb.ChainRecord) {
			r.GetBlock().Events[0].Body = &assaypb.Event_Lock{Lock: &assaypb.Lock{Owner: []byte{1}}}
		},
		"an event that contradicts all": func(r *assaypb.ChainRecord) {
			r.GetBlock().Events[0].Body = &assaypb.Event_Unlock{Unlock: &assaypb.Unlock{Owner: make([]byte, 20), Amount: []byte{1}}}
		},
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			p := projection.New(market.Preset)
			last := len(records) - 2 // a block
			for _, record := range records[:last] {
				if _, err := p.Apply(record); err != nil {
					t.Fatal(err)
				}
			}
			bad := proto.Clone(records[last]).(*assaypb.ChainRecord)
			spoil(bad)
			if rows, err := p.Apply(bad); err == nil {
				t.Fatalf("it was folded into %d rows", rows.Len())
			} else {
				t.Log(err)
			}
		})
	}
	var gap *projection.GapError
	if _, err := projection.New(market.Preset).Apply(records[1]); !errors.As(err, &gap) || gap.Want != 0 || gap.Got != 1 {
		t.Fatalf("a log that begins at 1: %v", err)
	}
}

func retraction(b market.Block) *assaypb.ChainRecord_Retraction {
	return &assaypb.ChainRecord_Retraction{Retraction: &assaypb.Retraction{Number: b.Number, Hash: b.Hash}}
}

// TestFinalBlocksStay says that a final block cannot be retracted, and one above can.
func TestFinalBlocksStay(t *testing.T) {
	m := market.New(rand.New(rand.NewSource(3)).Intn)
	log := &market.Log{}
	for range 4 {
		log.Block(m.Grow(20))
	}
	log.Mark(m, 1)
	unaware := &market.Log{Records: log.Records}
	unaware.Fork(m, 2)
	log.Records = unaware.Records
	p := projection.New(market.Preset)
	for i, record := range log.Records {
		_, err := p.Apply(record)
		if last := i == len(log.Records)-1; (err != nil) != last {
			t.Fatalf("record %d: %v", i, err)
		}
	}
}
