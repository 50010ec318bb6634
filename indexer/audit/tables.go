package audit

import (
	"bytes"
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"assay/consensus/poco"
	"assay/schema/assaypb"
)

// table is a table of the database: the columns that are compared, the key first.
type table struct {
	name    string
	key     int // how many columns are the key
	numeric bool
	block   string   // column with the block of the last change; "": there is none
	columns []string // a column that ends in @ is a time
}

var (
	blocksTable = table{name: "blocks", key: 1, numeric: true, block: "number",
		columns: []string{"number", "hash", "parent_hash", "time@"}}
	eventsTable = table{name: "events", key: 2, numeric: true, block: "block_number",
		columns: []string{"block_number", "log_index", "block_hash", "time@", "tx_hash", "tx_index", "emitter", "name", argsColumn}}
	payoutsTable = table{name: "payouts", key: 2, numeric: true, block: "block_number",
		columns: []string{"block_number", "log_index", "tx_hash", "time@", "kind", "role", "account", "amount", "task", "deal", "workerpool"}}
	accountsTable = table{name: "accounts", key: 1, block: "block_number",
		columns: []string{"address", "stake", "locked", "score", "deposited", "withdrawn", "earned", "spent", "seized", "block_number"}}
	dealsTable = table{name: "deals", key: 1, block: "block_number",
		columns: []string{"id", "app", "app_owner", "app_price", "dataset", "dataset_owner", "dataset_price", "workerpool", "workerpool_owner",
			"workerpool_price", "trust", "category", "tag", "requester", "beneficiary", "callback", "params", "start_time@", "bot_first",
			"bot_size", "worker_stake", "scheduler_reward_ratio", "sponsor", "block_number", "tx_hash"}}
	tasksTable = table{name: "tasks", key: 1, block: "block_number",
		columns: []string{"id", "deal", "idx", "workerpool", "requester", "status", "contribution_deadline@", "reveal_deadline@",
			"final_deadline@", "consensus_value", "reveal_counter", "winner_counter", "contributors", "reopened", "result_digest",
			"results", "results_callback", "initialized_at@", "ended_at@", "block_number"}}
	contributionsTable = table{name: "contributions", key: 2, block: "block_number",
		columns: []string{"task", "worker", "deal", "workerpool", "status", "result_hash", "result_seal", "enclave_challenge", "weight",
			"accurate", "contributed_at@", "revealed_at@", "block_number", "tx_hash"}}
	resourcesTable = table{name: "resources", key: 2, block: "block_number",
		columns: []string{"kind", "address", "owner", "name", "type", "multiaddr", "checksum", "mrenclave", "worker_stake_ratio",
			"scheduler_reward_ratio", "registered_at@", "block_number"}}
	categoriesTable = table{name: "categories", key: 1, numeric: true,
		columns: []string{"id", "name", "description", "work_clock_time_ref"}}
)

// argsColumn holds JSON, which is compared by what it says (args.go).
const argsColumn = "args"

// row is a row as it should be, its values spelled as text in the order of the columns.
type row struct {
	values []string
	cause  ref            // of the values that causes does not list
	causes map[string]ref // by column
	event  *assaypb.Event // of a row of events
}

// compare orders keys as the database does: numbers as numbers, text by its bytes.
func (t table) compare(a, b []string) int {
	for i := range t.key {
		if t.numeric && len(a[i]) != len(b[i]) {
			return cmp.Compare(len(a[i]), len(b[i]))
		}
		if order := strings.Compare(a[i], b[i]); order != 0 {
			return order
		}
	}
	return 0
}

// Values are spelled as ClickHouse's toString spells them; times are seconds.
func number(n uint64) string        { return strconv.FormatUint(n, 10) }
func amount(a poco.Amount) string   { return a.Dec() }
func address(a poco.Address) string { return hexOf(a[:]) }
func hash(h poco.Hash) string       { return hexOf(h[:]) }

// seconds is a time as a DateTime can hold it, to 2106.
func seconds(t uint64) string { return number(min(t, math.MaxUint32)) }

var taskStatus = [...]string{"UNSET", "ACTIVE", "REVEALING", "COMPLETED", "FAILED"}
var contributionStatus = [...]string{"UNSET", "CONTRIBUTED", "PROVED", "REJECTED"}
var resourceKind = [...]string{"", "APP", "DATASET", "WORKERPOOL"}

// Rows of a block.

func blockRow(b canonical) row {
	return row{cause: at(b.offset, -1), values: []string{number(b.Number), hexOf(b.Hash), hexOf(b.ParentHash), seconds(b.Time)}}
}

func eventRow(b canonical, i int) row {
	e := b.Events[i]
	return row{cause: at(b.offset, i), event: e, values: []string{number(b.Number), number(uint64(e.LogIndex)), hexOf(b.Hash), seconds(b.Time),
		hexOf(e.TxHash), number(uint64(e.TxIndex)), hexOf(e.Emitter), nameOfMessage(e), ""}}
}

func payoutRow(b canonical, p payment) row {
	e := b.Events[p.event]
	kind := "REWARD"
	if p.seize {
		kind = "SEIZE"
	}
	return row{cause: at(b.offset, p.event), values: []string{number(b.Number), number(uint64(e.LogIndex)), hexOf(e.TxHash), seconds(b.Time),
		kind, p.role, address(p.account), amount(p.amount), hash(p.task), hash(p.deal), address(p.pool)}}
}

// Rows of things, in the order of their keys.

// things is a table and its rows as they should be.
type things struct {
	table table
	count int
	rows  func(yield func(row) bool)
}

// tables lists what the book says should be in the tables of things.
func (b *book) tables() []things {
	return []things{
		{accountsTable, len(b.accounts), each(slices.SortedFunc(maps.Keys(b.accounts), poco.Address.Cmp), b.accountRow)},
		{dealsTable, len(b.deals), each(slices.SortedFunc(maps.Keys(b.deals), poco.Hash.Cmp), b.dealRow)},
		{tasksTable, len(b.tasks), each(slices.SortedFunc(maps.Keys(b.tasks), poco.Hash.Cmp), b.taskRow)},
		{contributionsTable, len(b.contributions), each(slices.SortedFunc(maps.Keys(b.contributions), contributionID.cmp), b.contributionRow)},
		{resourcesTable, len(b.resources), each(slices.SortedFunc(maps.Keys(b.resources), b.compareResources), b.resourceRow)},
		{categoriesTable, len(b.categories), each(slices.Sorted(maps.Keys(b.categories)), b.categoryRow)},
	}
}

func each[K any](keys []K, spell func(K) row) func(func(row) bool) {
	return func(yield func(row) bool) {
		for _, key := range keys {
			if !yield(spell(key)) {
				return
			}
		}
	}
}

func (c contributionID) cmp(other contributionID) int {
	return cmp.Or(c.task.Cmp(other.task), c.worker.Cmp(other.worker))
}

func (b *book) compareResources(x, y poco.Address) int {
	return cmp.Or(cmp.Compare(b.resources[x].kind, b.resources[y].kind), bytes.Compare(x[:], y[:]))
}

func (b *book) accountRow(id poco.Address) row {
	a, s := b.accounts[id], b.state.Account(id)
	return row{
		cause: a.last,
		causes: map[string]ref{"stake": a.cause[ofStake], "locked": a.cause[ofLocked], "score": a.cause[ofScore],
			"deposited": a.cause[ofDeposited], "withdrawn": a.cause[ofWithdrawn], "earned": a.cause[ofEarned],
			"spent": a.cause[ofSeized], "seized": a.cause[ofSeized]},
		values: []string{address(id), amount(s.Stake), amount(s.Locked), amount(s.Score), amount(a.deposited), amount(a.withdrawn),
			amount(a.earned), amount(a.spent), amount(a.seized), number(a.block)},
	}
}

func (b *book) dealRow(id poco.Hash) row {
	t := b.deals[id]
	d, _ := b.state.Deal(id)
	return row{cause: t.cause, values: []string{hash(id), address(d.App.Pointer), address(d.App.Owner), amount(d.App.Price),
		address(d.Dataset.Pointer), address(d.Dataset.Owner), amount(d.Dataset.Price),
		address(d.Workerpool.Pointer), address(d.Workerpool.Owner), amount(d.Workerpool.Price),
		amount(d.Trust), amount(d.Category), hash(d.Tag), address(d.Requester), address(d.Beneficiary), address(d.Callback), d.Params,
		seconds(d.StartTime), number(d.BotFirst), number(d.BotSize), amount(d.WorkerStake), amount(d.SchedulerRewardRatio),
		address(d.Sponsor), number(t.block), hash(t.tx)}}
}

func (b *book) taskRow(id poco.Hash) row {
	t := b.tasks[id]
	s, _ := b.state.Task(id)
	_, deal := b.dealOf(id)
	if deal == nil {
		deal = &poco.Deal{}
	}
	return row{cause: t.cause, values: []string{hash(id), hash(s.Deal), number(s.Index), address(deal.Workerpool.Pointer), address(deal.Requester),
		taskStatus[s.Status], seconds(s.ContributionDeadline), seconds(s.RevealDeadline), seconds(s.FinalDeadline), hash(s.ConsensusValue),
		number(s.RevealCounter), number(s.WinnerCounter), number(uint64(len(s.Contributors))), number(t.reopened), hash(s.ResultDigest),
		string(s.Results), string(s.ResultsCallback), seconds(t.began), seconds(t.ended), number(t.block)}}
}

func (b *book) contributionRow(id contributionID) row {
	t := b.contributions[id]
	c, _ := b.state.Contribution(id.task, id.worker)
	task, _ := b.state.Task(id.task)
	deal, ok := b.state.Deal(task.Deal)
	if !ok {
		deal = &poco.Deal{}
	}
	accurate := "" // the contracts judge when a task is finalized
	if task.Status == poco.TaskCompleted {
		accurate = strconv.FormatBool(c.Status == poco.Proved)
	}
	return row{cause: t.cause, values: []string{hash(id.task), address(id.worker), hash(task.Deal), address(deal.Workerpool.Pointer),
		contributionStatus[c.Status], hash(c.ResultHash), hash(c.ResultSeal), address(c.EnclaveChallenge), amount(c.Weight), accurate,
		seconds(t.began), seconds(t.ended), number(t.block), hash(t.tx)}}
}

func (b *book) resourceRow(id poco.Address) row {
	t := b.resources[id]
	r, _ := b.state.Resource(id)
	return row{cause: t.cause, values: []string{resourceKind[r.Kind], address(id), address(r.Owner), r.Name, r.Type, string(r.Multiaddr),
		hash(r.Checksum), string(r.MREnclave), amount(r.WorkerStakeRatio), amount(r.SchedulerRewardRatio), seconds(t.began), number(t.block)}}
}

func (b *book) categoryRow(id uint64) row {
	c, _ := b.state.Category(id)
	return row{cause: b.categories[id].cause, values: []string{number(id), c.Name, c.Description, number(c.WorkClockTimeRef)}}
}
