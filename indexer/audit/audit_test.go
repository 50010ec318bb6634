package audit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"

	"assay/schema/assaypb"
)

// TestAudit audits the index of the real contracts: as it is, then with each single thing
// changed in a copy of the database, and in a copy of the log.
func TestAudit(t *testing.T) {
	w := newWorld(t)
	w.play()
	w.log()
	w.decide()
	db := w.index()
	t.Run("as it is", func(t *testing.T) { equal(t, w, db) })
	t.Run("a sample", func(t *testing.T) { sampled(t, w, db) })
	t.Run("an earlier block", func(t *testing.T) { earlier(t, w, db) })
	t.Run("what cannot be compared", func(t *testing.T) { refused(t, w, db) })
	t.Run("harmed rows", func(t *testing.T) { harmedRows(t, w) })
	t.Run("harmed rows of every table", func(t *testing.T) { harmedTables(t, w) })
	t.Run("harmed log", func(t *testing.T) { harmedLog(t, w) })
	t.Run("a reorg after", func(t *testing.T) { reorganized(t, w) })
}

func audit(t *testing.T, cfg Config) *Report {
	t.Helper()
	report, err := Run(t.Context(), cfg)
	ok(t, err)
	return report
}

// equal: nothing differs, and nothing was left out.
func equal(t *testing.T, w *world, db driver.Conn) {
	cfg := w.config(db)
	cfg.All = true
	report := audit(t, cfg)
	for _, d := range report.Differences {
		t.Error(d)
	}
	if !report.Equal || report.Block < w.mined || report.Indexed < report.Block {
		t.Errorf("equal %t, after block %d of %d", report.Equal, report.Block, report.Indexed)
	}
	want := map[string]uint64{"accounts": 6, "tasks": 4, "contributions": 6, "deals": 4, "resources": 3}
	for kind, n := range want {
		if c := report.Compared.Contracts[kind]; c == nil || c.Compared != n || c.Of != n {
			t.Errorf("contracts: %s: compared %+v, want %d", kind, c, n)
		}
		if c := report.Compared.ClickHouse[kind]; c == nil || c.Compared != n || c.Of != n {
			t.Errorf("ClickHouse: %s: compared %+v, want %d", kind, c, n)
		}
	}
	for kind, c := range report.Compared.Contracts {
		if c.Compared != c.Of || c.Compared == 0 {
			t.Errorf("contracts: %s: compared %+v", kind, c)
		}
	}
	if failed := report.Ledger.Failed(); len(failed) != 1 || failed[0].From != 3 || report.Ledger.Blocks[StateReceipts] != 2 || report.Ledger.Head < report.Indexed {
		t.Errorf("the ledger is %+v", report.Ledger)
	}
	log := report.Compared.Log
	if blocks, events := report.Compared.ClickHouse["blocks"], report.Compared.ClickHouse["events"]; blocks.Compared != log.Blocks || events.Compared != log.Events {
		t.Errorf("the log has %d blocks and %d events; compared %+v and %+v", log.Blocks, log.Events, blocks, events)
	}
	if log.Settlements != 3 {
		t.Errorf("%d settlements, want those of 3 tasks", log.Settlements)
	}
}

// sampled: the same seed draws the same things, and rows are compared whole.
func sampled(t *testing.T, w *world, db driver.Conn) {
	cfg := w.config(db)
	cfg.Sample, cfg.Seed = 1, 7
	one, two := audit(t, cfg), audit(t, cfg)
	if !one.Equal || !two.Equal {
		t.Errorf("differences: %v", one.Differences)
	}
	for kind, c := range one.Compared.Contracts {
		if *c != *two.Compared.Contracts[kind] {
			t.Errorf("%s: %+v, then %+v", kind, c, two.Compared.Contracts[kind])
		}
	}
	if blocks := one.Compared.Contracts["blocks"]; blocks.Compared != 1 {
		t.Errorf("%d blocks of %d, want 1", blocks.Compared, blocks.Of)
	}
	for table, c := range one.Compared.ClickHouse {
		if c.Compared != c.Of {
			t.Errorf("%s: %+v", table, c)
		}
	}
}

// earlier: with At nothing later is folded, the contracts are asked as of then, and rows
// that changed later are counted.
func earlier(t *testing.T, w *world, db driver.Conn) {
	var blocks []uint64
	for _, record := range w.records() {
		if block := record.GetBlock(); block != nil {
			blocks = append(blocks, block.Number)
		}
		if record.GetRetraction() != nil {
			blocks = blocks[:len(blocks)-1]
		}
	}
	for _, number := range []uint64{blocks[3], blocks[len(blocks)/2], blocks[len(blocks)/2] - 1, blocks[len(blocks)-2]} {
		cfg := w.config(db)
		cfg.All, cfg.At = true, &number
		report := audit(t, cfg)
		for _, d := range report.Differences {
			t.Errorf("at %d: %s", number, d)
		}
		later := report.Compared.ClickHouse
		if report.Block != number || later["events"].Changed == 0 || later["accounts"].Changed == 0 {
			t.Errorf("at %d: %d, events %+v, accounts %+v", number, report.Block, later["events"], later["accounts"])
		}
		if c := later["blocks"]; c.Compared != c.Of || c.Compared+c.Changed != uint64(len(blocks)) {
			t.Errorf("at %d: blocks %+v of %d", number, c, len(blocks))
		}
	}
}

// refused: where there is nothing to compare, the audit says so and does not say equal.
func refused(t *testing.T, w *world, db driver.Conn) {
	tooNew := uint64(1) << 40
	cfg := w.config(db)
	cfg.At = &tooNew
	if _, err := Run(t.Context(), cfg); !errors.Is(err, ErrTooNew) {
		t.Errorf("a block to come: %v", err)
	}
	beginning := uint64(0)
	cfg.At = &beginning
	if _, err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "asking the contracts after block 0") {
		t.Errorf("a block before the contracts: %v", err)
	}
	cfg = w.config(db)
	cfg.Topics.Log = "assay.other.log"
	if _, err := Run(t.Context(), cfg); !errors.Is(err, ErrNotIndexed) {
		t.Errorf("another log: %v", err)
	}
}

// harmedRows: each harm to a database is found, and nothing else, with its cause.
func harmedRows(t *testing.T, w *world) {
	last := "ORDER BY block_number DESC, log_index DESC LIMIT 1"
	cases := map[string]struct {
		harm string
		says []string
	}{
		"one nRLC of stake":      {"ALTER TABLE accounts UPDATE stake = stake + 1 WHERE address = '" + w.liar() + "'", []string{"accounts " + w.liar() + ", stake: expected 5", "caused by Transfer (block"}},
		"one nRLC earned":        {"ALTER TABLE accounts UPDATE earned = earned - 1 WHERE address = '" + w.honest() + "'", []string{", earned: expected", "caused by Reward (block"}},
		"a wrong score":          {"ALTER TABLE accounts UPDATE score = score + 1 WHERE address = '" + w.honest() + "'", []string{", score: expected 1, found 2", "caused by AccurateContribution (block", ", task 0x", ", deal 0x"}},
		"a wrong status":         {"ALTER TABLE tasks UPDATE status = 'COMPLETED' WHERE status = 'FAILED'", []string{", status: expected FAILED, found COMPLETED", "caused by TaskClaimed (block"}},
		"other results":          {"ALTER TABLE tasks UPDATE results = 'quack' WHERE results = 'quick'", []string{", results: expected quick, found quack", "caused by TaskFinalize"}},
		"a missing task":         {"ALTER TABLE tasks DELETE WHERE status = 'FAILED'", []string{"clickhouse: tasks 0x", "expected a row, found none", "caused by TaskClaimed"}},
		"a task too many":        {"INSERT INTO tasks SELECT * REPLACE ('0xff' AS id) FROM tasks FINAL LIMIT 1", []string{"clickhouse: tasks 0xff: expected no row, found"}},
		"a missing event":        {"ALTER TABLE events DELETE WHERE name = 'FaultyContribution'", []string{"clickhouse: events", "expected a row, found none", "caused by FaultyContribution"}},
		"an event twice":         {"INSERT INTO events SELECT * REPLACE (log_index + 1000 AS log_index) FROM events FINAL " + last, []string{"clickhouse: events", "expected no row, found"}},
		"an event of the future": {"INSERT INTO events SELECT * REPLACE (block_number + 1000 AS block_number) FROM events FINAL " + last, []string{"clickhouse: events", "expected no row, found"}},
		"an event's argument":    {"ALTER TABLE events UPDATE args = replace(args, '\"amount\":\"', '\"amount\":\"1') WHERE name = 'Seize' AND log_index IN (SELECT log_index FROM events WHERE name = 'Seize' LIMIT 1)", []string{", args.amount: expected", "caused by Seize"}},
		"another's payout":       {"ALTER TABLE payouts UPDATE account = '0xff' WHERE role = 'DATASET'", []string{", account: expected 0x", "found 0xff; caused by Reward"}},
		"another role":           {"ALTER TABLE payouts UPDATE role = 'APP' WHERE role = 'DATASET'", []string{", role: expected DATASET, found APP"}},
		"a missing payout":       {"ALTER TABLE payouts DELETE WHERE role = 'KITTY'", []string{"clickhouse: payouts", "expected a row, found none; caused by"}},
		"a contribution's luck":  {"ALTER TABLE contributions UPDATE accurate = NOT accurate WHERE worker = '" + w.liar() + "' AND accurate = false", []string{", accurate: expected false, found true; caused by TaskFinalize"}},
		"a deal's price":         {"ALTER TABLE deals UPDATE workerpool_price = workerpool_price + 1 WHERE trust = 4", []string{", workerpool_price: expected 1000000007, found 1000000008; caused by OrdersMatched"}},
		"a pool's policy":        {"ALTER TABLE resources UPDATE worker_stake_ratio = 30 WHERE kind = 'WORKERPOOL'", []string{", worker_stake_ratio: expected 35, found 30; caused by PolicyUpdate"}},
		"a category's clock":     {"ALTER TABLE categories UPDATE work_clock_time_ref = 1 WHERE id = 0", []string{"categories 0, work_clock_time_ref: expected 300, found 1; caused by CreateCategory"}},
		"a missing block":        {"ALTER TABLE blocks DELETE WHERE number IN (SELECT max(number) FROM blocks)", []string{"clickhouse: blocks", "expected a row, found none"}},
		"a block's hash":         {"ALTER TABLE blocks UPDATE hash = '0xff' WHERE number IN (SELECT max(number) FROM blocks)", []string{", hash: expected 0x", "found 0xff"}},
		"a head":                 {"ALTER TABLE heads UPDATE finalized_number = finalized_number + 1 WHERE 1", []string{"clickhouse: heads", "finalized_number: expected"}},
		"a ledger's level":       {"ALTER TABLE coverage UPDATE verification = ['RECEIPTS','RECEIPTS','RECEIPTS'] WHERE 1", []string{"clickhouse: coverage", "verification: expected ['RECEIPTS','FAILED','FETCHED'], found ['RECEIPTS','RECEIPTS','RECEIPTS']"}},
		"no ledger":              {"ALTER TABLE coverage DELETE WHERE 1", []string{"clickhouse: coverage", "expected a row for the newest mark, found none"}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			harmed := w.copyOf(t, strings.Fields(test.harm)[2])
			statement := test.harm
			if strings.HasPrefix(statement, "ALTER") {
				statement += " SETTINGS mutations_sync = 1"
			}
			ok(t, harmed.Exec(t.Context(), statement))
			cfg := w.config(harmed)
			cfg.apart = true
			report := audit(t, cfg)
			found := text(report)
			for _, want := range test.says {
				if !strings.Contains(found, want) {
					t.Errorf("no difference says %q: %s", want, found)
				}
			}
			if report.Equal || slices.ContainsFunc(report.Differences, func(d Difference) bool { return d.In != inClickHouse }) {
				t.Errorf("equal %t: %s", report.Equal, found)
			}
		})
	}
}

// harmedTables: of each table that the index's fold fills, a row that was changed, one that
// is gone and one too many are found, and nothing else.
func harmedTables(t *testing.T, w *world) {
	db := w.copyOf(t, w.tables()...)
	a := newAuditor(w.config(db))
	ok(t, a.describe(t.Context()))
	var want []string
	for _, table := range a.derived.tables {
		want = append(want, harmTable(t, db, table)...)
	}
	ok(t, db.Exec(t.Context(), "INSERT INTO series SELECT * REPLACE (1 AS deals) FROM series WHERE dimension = 'ALL' LIMIT 1"))
	cfg := w.config(db)
	cfg.apart = true
	report := audit(t, cfg)
	said := map[string]bool{}
	for _, d := range report.Differences {
		said[d.Kind+" "+d.Field+" "+strings.Fields(d.Expected)[0]] = true
		said[d.Kind+" "+d.Field] = true
	}
	for _, one := range append(want, "series deals") {
		if !said[one] {
			t.Errorf("no difference is of %q", one)
		}
	}
	if len(want) < 150 {
		t.Errorf("only %d harms: %v", len(want), want)
	}
	for _, table := range []string{"postings", "settlements", "settlement_lines", "decisions", "verdicts", "attestations", "accounts_history", "subgraph_task", "subgraph_task_history"} {
		if c := report.Compared.ClickHouse[table]; c.Different != 3 {
			t.Errorf("%s: three rows were harmed, and %+v", table, c)
		}
	}
	for _, d := range report.Differences {
		if d.In != inClickHouse || d.Kind != "series" && a.derived.named[d.Kind] == nil {
			t.Errorf("that was not harmed: %s", d)
		}
	}
}

// harmTable harms three rows of a table, or puts one into an empty table, and returns what an
// audit has to say.
func harmTable(t *testing.T, db driver.Conn, table *derivedTable) (want []string) {
	t.Helper()
	var rows uint64
	ok(t, db.QueryRow(t.Context(), "SELECT count() FROM "+table.name+" FINAL").Scan(&rows))
	if rows == 0 {
		ok(t, db.Exec(t.Context(), fmt.Sprintf("INSERT INTO %s (chain) VALUES (%d)", table.name, chainID)))
		return []string{table.name + "  no"}
	}
	insert := func(replace, order string) {
		ok(t, db.Exec(t.Context(), fmt.Sprintf("INSERT INTO %s SELECT * REPLACE (%s) FROM %s FINAL ORDER BY %s LIMIT 1", table.name, replace, table.name, order)))
	}
	var ascending, descending []string
	for _, i := range table.key {
		ascending, descending = append(ascending, "`"+table.columns[i]+"`"), append(descending, "`"+table.columns[i]+"` DESC")
	}
	for i, column := range table.columns {
		if column == "chain" || i == table.version || i == table.deleted || slices.Contains(table.key, i) {
			continue
		}
		if harm, able := other(table, i); able {
			insert(harm+" AS `"+column+"`", strings.Join(ascending, ", "))
			want = append(want, table.name+" "+column)
			break
		}
	}
	if rows > 1 {
		insert("1 AS deleted", strings.Join(descending, ", "))
		want = append(want, table.name+"  a")
	}
	harm, _ := other(table, table.key[0])
	insert(harm+" AS "+ascending[0], strings.Join(ascending, ", "))
	want = append(want, table.name+"  no")
	return want
}

// other is SQL for another value of a column.
func other(table *derivedTable, column int) (sql string, able bool) {
	name := "`" + table.columns[column] + "`"
	switch table.kind.Field(column).Type.String() {
	case "string", "*string":
		return "concat(ifNull(" + name + ", ''), 'x')", true
	case "uint64", "uint32", "int64", "*big.Int":
		return "ifNull(" + name + ", 0) + 1000000", true
	default:
		return "", false
	}
}

func text(report *Report) string {
	var lines []string
	for _, d := range report.Differences {
		lines = append(lines, d.String())
	}
	return strings.Join(lines, "\n")
}

func (w *world) honest() string { return strings.ToLower(w.workers[0].wallet.Address().Hex()) }
func (w *world) liar() string   { return strings.ToLower(w.workers[1].wallet.Address().Hex()) }

// harmedLog: each harm to the log is found out by the contracts, and by the rows that were
// made of the true log.
func harmedLog(t *testing.T, w *world) {
	is := func(name string) func(*assaypb.Event) bool {
		return func(e *assaypb.Event) bool { return nameOfMessage(e) == name }
	}
	deposit := func(e *assaypb.Event) bool {
		return e.GetTransfer() != nil && slices.Max(e.GetTransfer().From) == 0
	}
	revealing := func(e *assaypb.Event) bool {
		return common.BytesToAddress(e.GetTaskContribute().GetWorker()) == w.workers[2].wallet.Address()
	}
	cases := map[string]struct {
		harm harm
		says []string
	}{
		"one amount": {change(deposit, func(e *assaypb.Event) { e.GetTransfer().Value = plus(e.GetTransfer().Value, 1) }), []string{
			"contracts: supply totalSupply, supply: expected 200000000000, found 199999999999", ", stake: expected", "caused by Transfer",
			"contracts: blocks", "clickhouse: accounts", "clickhouse: events"}},
		"one amount locked": {change(is("Lock"), func(e *assaypb.Event) { e.GetLock().Amount = plus(e.GetLock().Amount, 1) }), []string{
			"log: event", "contracts: accounts", ", locked: expected", "clickhouse: accounts"}},
		"no event": {without(is("AccurateContribution")), []string{
			"contracts: accounts", ", score: expected 0, found 1", "clickhouse: accounts", "clickhouse: events", "expected no row, found", "contracts: blocks", "expected no such log, found AccurateContribution"}},
		"no contribution": {without(revealing), []string{
			"log: event", "expected an event that can follow those before it", "contracts: tasks", "clickhouse: contributions"}},
		"no reward": {without(is("Reward")), []string{
			"log: event", "log: settlement of task", "clickhouse: payouts"}},
		"an event twice": {twice(is("FaultyContribution")), []string{
			"log: log", "contracts: blocks", "clickhouse: events", "expected a row, found none"}},
		"an accurate contribution twice": {twice(is("AccurateContribution")), []string{
			", score: expected 2, found 1; caused by AccurateContribution", "contracts: accounts", "clickhouse: accounts"}},
		"a wrong score": {change(is("FaultyContribution"), func(e *assaypb.Event) {
			faulty := e.GetFaultyContribution()
			e.Body = &assaypb.Event_AccurateContribution{AccurateContribution: &assaypb.AccurateContribution{Worker: faulty.Worker, Task: faulty.Task}}
		}), []string{"contracts: accounts " + w.liar() + ", score: expected 1, found 0; caused by AccurateContribution", "clickhouse: accounts " + w.liar() + ", score: expected 1, found 0"}},
		"a seal": {change(is("TaskContribute"), func(e *assaypb.Event) { e.GetTaskContribute().ResultSeal[0] ^= 1 }), []string{
			"contracts: contributions", ", result_seal: expected", "clickhouse: contributions"}},
		"a deal's body": {change(is("OrdersMatched"), func(e *assaypb.Event) { e.GetOrdersMatched().Body.Params = "other" }), []string{
			"contracts: deals", ", params: expected other", "clickhouse: deals", "args.body.params: expected other"}},
		"a resource": {change(is("ResourceTransfer"), func(e *assaypb.Event) { e.GetResourceTransfer().Body.Name = "dog" }), []string{
			"contracts: resources", ", name: expected dog, found pool", "clickhouse: resources"}},
		"a block's hash": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			block, _ := blockOf(r, 3)
			block.Hash[0] ^= 1
			return r
		}, []string{"contracts: blocks", ", hash: expected", "clickhouse: blocks"}},
		"no block": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			_, i := blockOf(r, 3) // before the first fork
			return append(r[:i:i], r[i+1:]...)
		}, []string{"log: sequence", "1 records are missing", "log: record at offset", "records, as are indexed", "clickhouse: blocks", "expected no row"}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			copied := w.copyOf(t)
			cfg := w.config(copied)
			cfg.apart = true
			cfg.Topics = w.write(t, copied, "harmed "+name, test.harm(w.records()))
			report := audit(t, cfg)
			found := text(report)
			for _, want := range test.says {
				if !strings.Contains(found, want) {
					t.Errorf("no difference says %q: %.3000s", want, found)
				}
			}
			if report.Equal {
				t.Error("equal, it is said")
			}
		})
	}
}

// last edits the newest event of a kind that is final, in a block that stays.
func last(records []*assaypb.ChainRecord, wanted func(*assaypb.Event) bool, edit func(block *assaypb.Block, i int)) []*assaypb.ChainRecord {
	for n := len(records) - 1; n >= 0; n-- {
		if n+1 < len(records) && records[n+1].GetRetraction() != nil {
			continue
		}
		block := records[n].GetBlock()
		for i := len(block.GetEvents()) - 1; i >= 0; i-- {
			if wanted(block.Events[i]) {
				edit(block, i)
				return records
			}
		}
	}
	panic(fmt.Sprintf("%d records hold no such event", len(records)))
}

type harm = func([]*assaypb.ChainRecord) []*assaypb.ChainRecord

func change(wanted func(*assaypb.Event) bool, edit func(*assaypb.Event)) harm {
	return func(records []*assaypb.ChainRecord) []*assaypb.ChainRecord {
		return last(records, wanted, func(block *assaypb.Block, i int) { edit(block.Events[i]) })
	}
}

func without(wanted func(*assaypb.Event) bool) harm {
	return func(records []*assaypb.ChainRecord) []*assaypb.ChainRecord {
		return last(records, wanted, func(block *assaypb.Block, i int) {
			block.Events = slices.Delete(block.Events, i, i+1)
		})
	}
}

func twice(wanted func(*assaypb.Event) bool) harm {
	return func(records []*assaypb.ChainRecord) []*assaypb.ChainRecord {
		return last(records, wanted, func(block *assaypb.Block, i int) {
			block.Events = slices.Insert(block.Events, i+1, proto.CloneOf(block.Events[i]))
		})
	}
}

// reorganized: what left the chain after the index stood is counted, not called missing.
func reorganized(t *testing.T, w *world) {
	copied := w.copyOf(t, "blocks", "accounts", "plans")
	ok(t, copied.Exec(t.Context(), "INSERT INTO plans SELECT * REPLACE (number + 1 AS number, last + 1 AS first, last + 2 AS last) FROM plans FINAL WHERE topic = '"+w.topics.Log+"'"))
	ok(t, copied.Exec(t.Context(), "INSERT INTO blocks SELECT * REPLACE (1 AS deleted, version + 1000000 AS version) FROM blocks FINAL WHERE number IN (SELECT max(number) FROM blocks)"))
	ok(t, copied.Exec(t.Context(), "INSERT INTO accounts SELECT * REPLACE (stake + 1 AS stake, version + 1000000 AS version) FROM accounts FINAL LIMIT 1"))
	report := audit(t, w.config(copied))
	if !report.Equal || report.Compared.ClickHouse["blocks"].Changed != 1 || report.Compared.ClickHouse["accounts"].Changed != 1 {
		t.Errorf("blocks %+v, accounts %+v: %s", report.Compared.ClickHouse["blocks"], report.Compared.ClickHouse["accounts"], text(report))
	}
}
