package projection

import (
	"math/big"
	"reflect"
	"slices"
	"time"

	"assay/indexer/projection/dataprotector"
	"assay/indexer/projection/permissions"
	"assay/indexer/projection/subgraph"
	"assay/indexer/projection/table"
)

// Rows are what records change, by table, in the order of the records.
type Rows struct {
	Blocks        []Block
	Events        []Event
	Deals         []Deal
	Tasks         []Task
	Contributions []Contribution
	Payouts       []Payout
	Postings      []Posting
	Settlements   []Settlement
	Lines         []SettlementLine
	Accounts      []Account
	Resources     []Resource
	Categories    []Category
	Decisions     []Decision
	Verdicts      []Verdict
	Attestations  []Attestation
	Measures      []Measure
	History       History
	More          table.Set  // of tables whose rows other packages make
	Coverage      []Coverage // at most one, the newest
	Heads         []Head     // at most one, the newest

	// Lowered is how far the chain stands while blocks are taken back or replaced, at most one
	// row of heads: it is to be written before all else, so that nobody reads at a head above.
	// Stood is how far it stood before these rows, if they tell of blocks or move it: a head
	// that only they raise is not lowered, for before all else nothing is there up to it.
	Lowered, Stood []Head
}

// History is the rows of the tables of history: each thing after each block that changed it,
// and the tombstones that a retraction leaves for the block that is gone.
type History struct {
	Deals         []Deal
	Tasks         []Task
	Contributions []Contribution
	Accounts      []Account
	Resources     []Resource
	Categories    []Category
}

// Schema lists all tables that rows are written to, empty. A package that fills Rows.More
// adds its own here.
func Schema() []table.Table {
	none := &Rows{}
	entities, allowed, sharing := &subgraph.Rows{}, &permissions.Rows{}, &dataprotector.Rows{}
	return slices.Concat(none.Tables(), entities.Tables(), allowed.Tables(), sharing.Tables(), none.Heading())
}

// Tables lists the tables of what happened. That of the blocks (Announced) is to be written
// before the others, which can be in any order.
func (r *Rows) Tables() []table.Table { return append(r.lasting(), r.changing()...) }

// Announced is the name of the table that says which blocks come and go: by it readers tell
// whether they may have seen rows that came while they read.
const Announced = "blocks"

// lasting are the tables whose rows all count.
func (r *Rows) lasting() []table.Table {
	tables := []table.Table{
		table.Of("blocks", r.Blocks),
		table.Of("events", r.Events),
		table.Of("payouts", r.Payouts),
		table.Of("postings", r.Postings),
		table.Of("settlements", r.Settlements),
		table.Of("settlement_lines", r.Lines),
		table.Of("decisions", r.Decisions),
		table.Of("verdicts", r.Verdicts),
		table.Of("attestations", r.Attestations),
		table.Of("measures", r.Measures),
		table.Of("deals_history", r.History.Deals),
		table.Of("tasks_history", r.History.Tasks),
		table.Of("contributions_history", r.History.Contributions),
		table.Of("accounts_history", r.History.Accounts),
		table.Of("resources_history", r.History.Resources),
		table.Of("categories_history", r.History.Categories),
	}
	return append(tables, r.More.Tables()...)
}

// changing are the tables of which the newest row of each thing counts.
func (r *Rows) changing() []table.Table {
	return []table.Table{
		table.Of("deals", r.Deals),
		table.Of("tasks", r.Tasks),
		table.Of("contributions", r.Contributions),
		table.Of("accounts", r.Accounts),
		table.Of("resources", r.Resources),
		table.Of("categories", r.Categories),
	}
}

// Drain hands over rows, collapsed, and empties their tables: all but the heading, or only
// those that rows of later records cannot make superfluous. What is handed over is valid
// until the next record.
func (r *Rows) Drain(all bool, take func(table.Table) error) error {
	r.Collapse()
	tables := r.lasting()
	if all {
		tables = append(tables, r.changing()...)
	}
	for _, t := range tables {
		if t.Len() == 0 {
			continue
		}
		if err := take(t); err != nil {
			return err
		}
	}
	left := *r
	r.Reset()
	r.Coverage, r.Heads, r.Lowered, r.Stood = left.Coverage, left.Heads, left.Lowered, left.Stood
	if !all {
		r.Deals, r.Tasks, r.Contributions = left.Deals, left.Tasks, left.Contributions
		r.Accounts, r.Resources, r.Categories = left.Accounts, left.Resources, left.Categories
	}
	return nil
}

// Heading lists the tables that say how far the chain is written, to be written when the
// others are.
func (r *Rows) Heading() []table.Table {
	return []table.Table{table.Of("coverage", r.Coverage), table.Of("heads", r.Heads)}
}

// Len is the number of rows.
func (r *Rows) Len() int {
	h := &r.History
	return len(r.Blocks) + len(r.Events) + len(r.Deals) + len(r.Tasks) + len(r.Contributions) + len(r.Payouts) +
		len(r.Postings) + len(r.Settlements) + len(r.Lines) + len(r.Accounts) + len(r.Resources) + len(r.Categories) +
		len(r.Decisions) + len(r.Verdicts) + len(r.Attestations) + len(r.Measures) + len(r.Coverage) + len(r.Heads) +
		len(h.Deals) + len(h.Tasks) + len(h.Contributions) + len(h.Accounts) + len(h.Resources) + len(h.Categories) + r.More.Len()
}

// Reset empties the rows and keeps their room for those of later records.
func (r *Rows) Reset() {
	r.More.Reset()
	for _, all := range []reflect.Value{reflect.ValueOf(r).Elem(), reflect.ValueOf(&r.History).Elem()} {
		for i := range all.NumField() {
			if list := all.Field(i); list.Kind() == reflect.Slice {
				list.SetLen(0)
			}
		}
	}
}

// Collapse drops the rows of things that have newer ones: the database would.
func (r *Rows) Collapse() {
	r.Deals = newest(r.Deals, func(d *Deal) string { return d.ID })
	r.Tasks = newest(r.Tasks, func(t *Task) string { return t.ID })
	r.Contributions = newest(r.Contributions, func(c *Contribution) [2]string { return [2]string{c.Task, c.Worker} })
	r.Accounts = newest(r.Accounts, func(a *Account) string { return a.Address })
	r.Resources = newest(r.Resources, func(x *Resource) [2]string { return [2]string{x.Kind, x.Address} })
	r.Categories = newest(r.Categories, func(c *Category) uint64 { return c.ID.Uint64() })
}

// newest keeps the last row of each key, in place.
func newest[T any, K comparable](rows []T, key func(*T) K) []T {
	places := make(map[K]int)
	kept := rows[:0]
	for i := range rows {
		k := key(&rows[i])
		if place, has := places[k]; has {
			kept[place] = rows[i]
			continue
		}
		places[k] = len(kept)
		kept = append(kept, rows[i])
	}
	return kept
}

// Add appends the rows of a later record.
func (r *Rows) Add(later Rows) {
	r.Blocks = append(r.Blocks, later.Blocks...)
	r.Events = append(r.Events, later.Events...)
	r.Deals = append(r.Deals, later.Deals...)
	r.Tasks = append(r.Tasks, later.Tasks...)
	r.Contributions = append(r.Contributions, later.Contributions...)
	r.Payouts = append(r.Payouts, later.Payouts...)
	r.Postings = append(r.Postings, later.Postings...)
	r.Settlements = append(r.Settlements, later.Settlements...)
	r.Lines = append(r.Lines, later.Lines...)
	r.Accounts = append(r.Accounts, later.Accounts...)
	r.Resources = append(r.Resources, later.Resources...)
	r.Categories = append(r.Categories, later.Categories...)
	r.Decisions = append(r.Decisions, later.Decisions...)
	r.Verdicts = append(r.Verdicts, later.Verdicts...)
	r.Attestations = append(r.Attestations, later.Attestations...)
	r.Measures = append(r.Measures, later.Measures...)
	r.History.add(later.History)
	r.More.Append(later.More.Tables()...)
	if len(later.Coverage) > 0 {
		r.Coverage = later.Coverage
	}
	if len(later.Heads) > 0 {
		r.Heads = later.Heads
	}
	if len(later.Stood) > 0 {
		r.stood(later.Stood[0])
	}
	r.lower(later.Lowered)
}

// stood notes where the head was before these rows.
func (r *Rows) stood(head Head) {
	if len(r.Stood) == 0 {
		r.Stood = []Head{head}
	}
}

// lower keeps the lowest of the lowered heads, with the version of the first: the head that
// is written last has to be the newer row. When it is written, only what was there before is.
func (r *Rows) lower(later []Head) {
	if len(later) == 0 || later[0].HeadNumber >= r.Stood[0].HeadNumber {
		return
	}
	lowest := later[0]
	lowest.Written = r.Stood[0].Written
	if len(r.Lowered) > 0 {
		if lowest.HeadNumber >= r.Lowered[0].HeadNumber {
			return
		}
		lowest.Version = r.Lowered[0].Version
	}
	r.Lowered = []Head{lowest}
}

func (h *History) add(later History) {
	h.Deals = append(h.Deals, later.Deals...)
	h.Tasks = append(h.Tasks, later.Tasks...)
	h.Contributions = append(h.Contributions, later.Contributions...)
	h.Accounts = append(h.Accounts, later.Accounts...)
	h.Resources = append(h.Resources, later.Resources...)
	h.Categories = append(h.Categories, later.Categories...)
}

// The rows below are those of schema/clickhouse, which says what each column means.
// Amounts of a tombstone are zero, never nil.

// Block is a row of blocks.
type Block struct {
	Chain      uint64    `ch:"chain"`
	Number     uint64    `ch:"number"`
	Hash       string    `ch:"hash"`
	ParentHash string    `ch:"parent_hash"`
	Time       time.Time `ch:"time"`
	Version    uint64    `ch:"version"`
	Deleted    uint8     `ch:"deleted"`
}

// Event is a row of events.
type Event struct {
	Chain       uint64    `ch:"chain"`
	BlockNumber uint64    `ch:"block_number"`
	LogIndex    uint32    `ch:"log_index"`
	BlockHash   string    `ch:"block_hash"`
	Time        time.Time `ch:"time"`
	TxHash      string    `ch:"tx_hash"`
	TxIndex     uint32    `ch:"tx_index"`
	Emitter     string    `ch:"emitter"`
	Name        string    `ch:"name"`
	Args        string    `ch:"args"`
	Version     uint64    `ch:"version"`
	Deleted     uint8     `ch:"deleted"`
}

// Deal is a row of deals.
type Deal struct {
	Chain                uint64    `ch:"chain"`
	ID                   string    `ch:"id"`
	App                  string    `ch:"app"`
	AppOwner             string    `ch:"app_owner"`
	AppPrice             *big.Int  `ch:"app_price"`
	Dataset              string    `ch:"dataset"`
	DatasetOwner         string    `ch:"dataset_owner"`
	DatasetPrice         *big.Int  `ch:"dataset_price"`
	Workerpool           string    `ch:"workerpool"`
	WorkerpoolOwner      string    `ch:"workerpool_owner"`
	WorkerpoolPrice      *big.Int  `ch:"workerpool_price"`
	Trust                *big.Int  `ch:"trust"`
	Category             *big.Int  `ch:"category"`
	Tag                  string    `ch:"tag"`
	Requester            string    `ch:"requester"`
	Beneficiary          string    `ch:"beneficiary"`
	Callback             string    `ch:"callback"`
	Params               string    `ch:"params"`
	StartTime            time.Time `ch:"start_time"`
	BotFirst             uint64    `ch:"bot_first"`
	BotSize              uint64    `ch:"bot_size"`
	WorkerStake          *big.Int  `ch:"worker_stake"`
	SchedulerRewardRatio *big.Int  `ch:"scheduler_reward_ratio"`
	Sponsor              string    `ch:"sponsor"`
	BlockNumber          uint64    `ch:"block_number"`
	TxHash               string    `ch:"tx_hash"`
	Version              uint64    `ch:"version"`
	Deleted              uint8     `ch:"deleted"`
}

// Task is a row of tasks.
type Task struct {
	Chain                uint64    `ch:"chain"`
	ID                   string    `ch:"id"`
	Deal                 string    `ch:"deal"`
	Idx                  uint64    `ch:"idx"`
	Workerpool           string    `ch:"workerpool"`
	Requester            string    `ch:"requester"`
	Status               string    `ch:"status"`
	ContributionDeadline time.Time `ch:"contribution_deadline"`
	RevealDeadline       time.Time `ch:"reveal_deadline"`
	FinalDeadline        time.Time `ch:"final_deadline"`
	ConsensusValue       string    `ch:"consensus_value"`
	RevealCounter        uint64    `ch:"reveal_counter"`
	WinnerCounter        uint64    `ch:"winner_counter"`
	Contributors         uint64    `ch:"contributors"`
	Reopened             uint64    `ch:"reopened"`
	ResultDigest         string    `ch:"result_digest"`
	Results              string    `ch:"results"`
	ResultsCallback      string    `ch:"results_callback"`
	InitializedAt        time.Time `ch:"initialized_at"`
	EndedAt              time.Time `ch:"ended_at"`
	BlockNumber          uint64    `ch:"block_number"`
	Version              uint64    `ch:"version"`
	Deleted              uint8     `ch:"deleted"`
}

// Contribution is a row of contributions.
type Contribution struct {
	Chain            uint64    `ch:"chain"`
	Task             string    `ch:"task"`
	Worker           string    `ch:"worker"`
	Deal             string    `ch:"deal"`
	Workerpool       string    `ch:"workerpool"`
	Status           string    `ch:"status"`
	ResultHash       string    `ch:"result_hash"`
	ResultSeal       string    `ch:"result_seal"`
	EnclaveChallenge string    `ch:"enclave_challenge"`
	Weight           *big.Int  `ch:"weight"`
	Accurate         *bool     `ch:"accurate"`
	ContributedAt    time.Time `ch:"contributed_at"`
	RevealedAt       time.Time `ch:"revealed_at"`
	BlockNumber      uint64    `ch:"block_number"`
	TxHash           string    `ch:"tx_hash"`
	Version          uint64    `ch:"version"`
	Deleted          uint8     `ch:"deleted"`
}

// Payout is a row of payouts.
type Payout struct {
	Chain       uint64    `ch:"chain"`
	BlockNumber uint64    `ch:"block_number"`
	LogIndex    uint32    `ch:"log_index"`
	TxHash      string    `ch:"tx_hash"`
	Time        time.Time `ch:"time"`
	Kind        string    `ch:"kind"`
	Role        string    `ch:"role"`
	Account     string    `ch:"account"`
	Amount      *big.Int  `ch:"amount"`
	Task        string    `ch:"task"`
	Deal        string    `ch:"deal"`
	Workerpool  string    `ch:"workerpool"`
	Version     uint64    `ch:"version"`
	Deleted     uint8     `ch:"deleted"`
}

// Posting is a row of postings.
type Posting struct {
	Chain       uint64    `ch:"chain"`
	BlockNumber uint64    `ch:"block_number"`
	LogIndex    uint32    `ch:"log_index"`
	Idx         uint32    `ch:"idx"`
	TxHash      string    `ch:"tx_hash"`
	Time        time.Time `ch:"time"`
	Event       string    `ch:"event"`
	Account     string    `ch:"account"`
	Bucket      string    `ch:"bucket"`
	Amount      *big.Int  `ch:"amount"`
	Task        string    `ch:"task"`
	Deal        string    `ch:"deal"`
	Version     uint64    `ch:"version"`
	Deleted     uint8     `ch:"deleted"`
}

// Settlement is a row of settlements.
type Settlement struct {
	Chain                uint64    `ch:"chain"`
	Task                 string    `ch:"task"`
	Deal                 string    `ch:"deal"`
	Workerpool           string    `ch:"workerpool"`
	Call                 string    `ch:"call"`
	Price                *big.Int  `ch:"price"`
	AppPrice             *big.Int  `ch:"app_price"`
	DatasetPrice         *big.Int  `ch:"dataset_price"`
	WorkerpoolPrice      *big.Int  `ch:"workerpool_price"`
	Seized               *big.Int  `ch:"seized"`
	Reward               *big.Int  `ch:"reward"`
	SchedulerRewardRatio *big.Int  `ch:"scheduler_reward_ratio"`
	WorkersReward        *big.Int  `ch:"workers_reward"`
	Weights              *big.Int  `ch:"weights"`
	Rounding             *big.Int  `ch:"rounding"`
	Remainder            *big.Int  `ch:"remainder"`
	KittyDraw            *big.Int  `ch:"kitty_draw"`
	KittyFill            *big.Int  `ch:"kitty_fill"`
	Exact                bool      `ch:"exact"`
	BlockNumber          uint64    `ch:"block_number"`
	LogIndex             uint32    `ch:"log_index"`
	TxHash               string    `ch:"tx_hash"`
	Time                 time.Time `ch:"time"`
	Version              uint64    `ch:"version"`
	Deleted              uint8     `ch:"deleted"`
}

// SettlementLine is a row of settlement_lines.
type SettlementLine struct {
	Chain       uint64   `ch:"chain"`
	Task        string   `ch:"task"`
	Idx         uint32   `ch:"idx"`
	BlockNumber uint64   `ch:"block_number"`
	LogIndex    uint32   `ch:"log_index"`
	Account     string   `ch:"account"`
	Role        string   `ch:"role"`
	Kind        string   `ch:"kind"`
	Amount      *big.Int `ch:"amount"`
	Stake       *big.Int `ch:"stake"`
	Locked      *big.Int `ch:"locked"`
	Weight      *big.Int `ch:"weight"`
	Version     uint64   `ch:"version"`
	Deleted     uint8    `ch:"deleted"`
}

// Account is a row of accounts.
type Account struct {
	Chain       uint64   `ch:"chain"`
	Address     string   `ch:"address"`
	Stake       *big.Int `ch:"stake"`
	Locked      *big.Int `ch:"locked"`
	Score       *big.Int `ch:"score"`
	Deposited   *big.Int `ch:"deposited"`
	Withdrawn   *big.Int `ch:"withdrawn"`
	Earned      *big.Int `ch:"earned"`
	Spent       *big.Int `ch:"spent"`
	Seized      *big.Int `ch:"seized"`
	BlockNumber uint64   `ch:"block_number"`
	Version     uint64   `ch:"version"`
	Deleted     uint8    `ch:"deleted"`
}

// Resource is a row of resources.
type Resource struct {
	Chain                uint64    `ch:"chain"`
	Kind                 string    `ch:"kind"`
	Address              string    `ch:"address"`
	Owner                string    `ch:"owner"`
	Name                 string    `ch:"name"`
	Type                 string    `ch:"type"`
	Multiaddr            string    `ch:"multiaddr"`
	Checksum             string    `ch:"checksum"`
	MREnclave            string    `ch:"mrenclave"`
	WorkerStakeRatio     *big.Int  `ch:"worker_stake_ratio"`
	SchedulerRewardRatio *big.Int  `ch:"scheduler_reward_ratio"`
	RegisteredAt         time.Time `ch:"registered_at"`
	BlockNumber          uint64    `ch:"block_number"`
	Version              uint64    `ch:"version"`
	Deleted              uint8     `ch:"deleted"`
}

// Category is a row of categories.
type Category struct {
	Chain            uint64   `ch:"chain"`
	ID               *big.Int `ch:"id"`
	Name             string   `ch:"name"`
	Description      string   `ch:"description"`
	WorkClockTimeRef uint64   `ch:"work_clock_time_ref"`
	BlockNumber      uint64   `ch:"block_number"`
	Version          uint64   `ch:"version"`
	Deleted          uint8    `ch:"deleted"`
}

// Decision is a row of decisions.
type Decision struct {
	Chain      uint64    `ch:"chain"`
	ID         string    `ch:"id"`
	Kind       string    `ch:"kind"`
	Workerpool string    `ch:"workerpool"`
	Task       string    `ch:"task"`
	Worker     string    `ch:"worker"`
	Time       time.Time `ch:"time"`
	Body       string    `ch:"body"`
	Partition  uint32    `ch:"partition"`
	Version    uint64    `ch:"version"`
	Deleted    uint8     `ch:"deleted"`
}

// Verdict is a row of verdicts.
type Verdict struct {
	Chain            uint64    `ch:"chain"`
	ID               string    `ch:"id"`
	Workerpool       string    `ch:"workerpool"`
	Task             string    `ch:"task"`
	Worker           string    `ch:"worker"`
	Time             time.Time `ch:"time"`
	Outcome          string    `ch:"outcome"`
	Reason           string    `ch:"reason"`
	Detail           string    `ch:"detail"`
	Message          string    `ch:"message"`
	ResultHash       string    `ch:"result_hash"`
	EnclaveChallenge string    `ch:"enclave_challenge"`
	Agreement        string    `ch:"agreement"`
	QuoteHash        string    `ch:"quote_hash"`
	MREnclave        string    `ch:"mrenclave"`
	SourcePartition  uint32    `ch:"source_partition"`
	SourceOffset     uint64    `ch:"source_offset"`
	Version          uint64    `ch:"version"`
	Deleted          uint8     `ch:"deleted"`
}

// Head is a row of heads.
type Head struct {
	Chain           uint64    `ch:"chain"`
	HeadNumber      uint64    `ch:"head_number"`
	HeadHash        string    `ch:"head_hash"`
	HeadTime        time.Time `ch:"head_time"`
	FinalizedNumber uint64    `ch:"finalized_number"`
	FinalizedHash   string    `ch:"finalized_hash"`
	Version         uint64    `ch:"version"`
	Written         uint64    `ch:"written"`
}

// Measure is a row of measures.
type Measure struct {
	Chain            uint64    `ch:"chain"`
	Time             time.Time `ch:"time"`
	Workerpool       string    `ch:"workerpool"`
	Worker           string    `ch:"worker"`
	App              string    `ch:"app"`
	Dataset          string    `ch:"dataset"`
	Requester        string    `ch:"requester"`
	Category         string    `ch:"category"`
	Tag              string    `ch:"tag"`
	Deals            int64     `ch:"deals"`
	Tasks            int64     `ch:"tasks"`
	Initialized      int64     `ch:"initialized"`
	Completed        int64     `ch:"completed"`
	Claimed          int64     `ch:"claimed"`
	Contributions    int64     `ch:"contributions"`
	Accurate         int64     `ch:"accurate"`
	Faulty           int64     `ch:"faulty"`
	Latency          int64     `ch:"latency"`
	Volume           *big.Int  `ch:"volume"`
	Refunded         *big.Int  `ch:"refunded"`
	EarnedWorkers    *big.Int  `ch:"earned_workers"`
	EarnedWorkerpool *big.Int  `ch:"earned_workerpool"`
	EarnedApp        *big.Int  `ch:"earned_app"`
	EarnedDataset    *big.Int  `ch:"earned_dataset"`
	Seized           *big.Int  `ch:"seized"`
	KittyIn          *big.Int  `ch:"kitty_in"`
	KittyOut         *big.Int  `ch:"kitty_out"`
}

// Coverage is a row of coverage.
type Coverage struct {
	Chain        uint64   `ch:"chain"`
	FromNumber   []uint64 `ch:"from_number"`
	ToNumber     []uint64 `ch:"to_number"`
	Verification []string `ch:"verification"`
	Failure      []string `ch:"failure"`
	Version      uint64   `ch:"version"`
}
