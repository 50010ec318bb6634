package audit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"assay/schema/chains"
)

// check compares what one table says with what others do, in plain SQL and with nothing of
// the index's fold. Its query gives (id, expected, found), one row for each thing that is
// compared, both spelled as text; every $ in it is the chain.
type check struct{ name, query string }

// checks are all of them. The tables on the left of each are those that the audit's own
// bookkeeping has compared with the log (tables.go); so what agrees with them is right
// without believing package projection.
func checks(twins []twin) []check {
	all := []check{
		{"accounts = postings", accountsArePostings},
		{"0 = postings of an event", eventsBalance},
		{"payouts = accounts", payoutsAreAccounts},
		{"tasks = settlements", tasksAreSettlements},
		{"accounts = subgraph_account", accountsAreAccounts},
		{"tasks = subgraph_deal", tasksAreCounted},
		{"deals = subgraph usage", dealsAreUsage},
		{"tables = subgraph_protocol", tablesAreTheProtocol},
		{"events = subgraph", eventsAreEntities},
		{"tables = subgraph", tablesAreEntities},
		{"tables = series", tablesAreSeries},
	}
	for _, h := range twins {
		all = append(all, check{h.table + "_history = " + h.table, h.query()})
	}
	return all
}

// The balances of an account are the sums of its postings.
const accountsArePostings = `
SELECT concat(account, ' ', bucket) AS id, toString(sum(expected)) AS expected, toString(sum(found)) AS found FROM (
	SELECT address AS account, 'stake' AS bucket, toInt256(stake) AS expected, toInt256(0) AS found FROM accounts FINAL WHERE chain = $
	UNION ALL SELECT address, 'locked', toInt256(locked), toInt256(0) FROM accounts FINAL WHERE chain = $
	UNION ALL SELECT account, if(bucket = 'STAKE', 'stake', 'locked'), toInt256(0), amount FROM postings FINAL WHERE chain = $ AND bucket IN ('STAKE', 'LOCKED', 'KITTY')
) GROUP BY account, bucket`

// Each event moves out of one account what it moves into another.
const eventsBalance = `
SELECT concat(toString(block_number), '/', toString(log_index)) AS id, '0 in 2' AS expected, concat(toString(sum(amount)), ' in ', toString(count())) AS found
FROM postings FINAL WHERE chain = $ GROUP BY block_number, log_index`

// What an account earned, spent on tasks and lost are its payouts.
const payoutsAreAccounts = `
SELECT concat(account, ' ', what) AS id, toString(sum(expected)) AS expected, toString(sum(found)) AS found FROM (
	SELECT account, multiIf(kind = 'REWARD', 'earned', role = 'PAYER', 'spent', 'seized') AS what, amount AS expected, toUInt256(0) AS found FROM payouts FINAL WHERE chain = $
	UNION ALL SELECT address, one.1, toUInt256(0), one.2 FROM accounts FINAL ARRAY JOIN [('earned', earned), ('spent', spent), ('seized', seized)] AS one WHERE chain = $
) GROUP BY account, what`

// A task that has ended has one settlement, at the prices of its deal.
const tasksAreSettlements = `
SELECT id, max(expected) AS expected, max(found) AS found FROM (
	SELECT t.id AS id, concat(if(status = 'COMPLETED', 'paid ', 'refunded '), toString(app_price + dataset_price + workerpool_price)) AS expected, '' AS found
	FROM tasks AS t FINAL INNER JOIN (SELECT id, app_price, dataset_price, workerpool_price FROM deals FINAL WHERE chain = $) AS d ON t.deal = d.id
	WHERE chain = $ AND status IN ('COMPLETED', 'FAILED')
	UNION ALL SELECT task, '', concat(if(call != 'CLAIM', 'paid ', 'refunded '), toString(price)) FROM settlements FINAL WHERE chain = $
) GROUP BY id`

// An account of the subgraph has the balances and the score of the account.
const accountsAreAccounts = `
SELECT concat(id, ' ', what) AS id, toString(sum(expected)) AS expected, toString(sum(found)) AS found FROM (
	SELECT address AS id, one.1 AS what, one.2 AS expected, toUInt256(0) AS found FROM accounts FINAL ARRAY JOIN [('balance', stake), ('frozen', locked), ('score', score)] AS one WHERE chain = $
	UNION ALL SELECT id, one.1, toUInt256(0), one.2 FROM subgraph_account FINAL ARRAY JOIN [('balance', balance), ('frozen', frozen), ('score', score)] AS one WHERE chain = $
) GROUP BY id, what`

// A deal of the subgraph counts the tasks that have ended.
const tasksAreCounted = `
SELECT concat(id, ' ', what) AS id, toString(sum(expected)) AS expected, toString(sum(found)) AS found FROM (
	SELECT deal AS id, if(status = 'COMPLETED', 'completed', 'claimed') AS what, toUInt64(1) AS expected, toUInt64(0) AS found FROM tasks FINAL WHERE chain = $ AND status IN ('COMPLETED', 'FAILED')
	UNION ALL SELECT id, one.1, toUInt64(0), one.2 FROM subgraph_deal FINAL ARRAY JOIN [('completed', completedTasksCount), ('claimed', claimedTasksCount)] AS one WHERE chain = $
) GROUP BY id, what`

// matched are the deals that were made, with the time of their block.
const matched = `(
	SELECT d.*, e.time AS time FROM (SELECT * FROM deals FINAL WHERE chain = $) AS d
	INNER JOIN (SELECT JSONExtractString(args, 'deal') AS deal, time FROM events FINAL WHERE chain = $ AND name = 'OrdersMatched') AS e ON d.id = e.deal)`

// nobody is the zero address.
const nobody = "'0x0000000000000000000000000000000000000000'"

// An app and a workerpool of the subgraph count the tasks of their deals.
const dealsAreUsage = `
SELECT concat(kind, ' ', id) AS id, toString(sum(expected)) AS expected, toString(sum(found)) AS found FROM (
	SELECT one.1 AS kind, one.2 AS id, toUInt256(bot_size) AS expected, toUInt256(0) AS found FROM ` + matched + `
	ARRAY JOIN [('app', app), ('workerpool', workerpool)] AS one
	UNION ALL SELECT 'app', id, toUInt256(0), usageCount FROM subgraph_app FINAL WHERE chain = $
	UNION ALL SELECT 'workerpool', id, toUInt256(0), usageCount FROM subgraph_workerpool FINAL WHERE chain = $
) GROUP BY kind, id`

// The protocol of the subgraph counts everything.
const tablesAreTheProtocol = `
SELECT what AS id, toString(sum(expected)) AS expected, toString(sum(found)) AS found FROM (
	SELECT 'categories' AS what, toInt256(count()) AS expected, toInt256(0) AS found FROM categories FINAL WHERE chain = $
	UNION ALL SELECT concat(lower(kind), 's'), toInt256(count()), toInt256(0) FROM resources FINAL WHERE chain = $ GROUP BY kind
	UNION ALL SELECT 'deals', toInt256(count()), toInt256(0) FROM ` + matched + `
	UNION ALL SELECT 'tasks', sum(toInt256(bot_size)), toInt256(0) FROM ` + matched + `
	UNION ALL SELECT if(status = 'COMPLETED', 'completed', 'claimed'), toInt256(count()), toInt256(0) FROM tasks FINAL WHERE chain = $ AND status IN ('COMPLETED', 'FAILED') GROUP BY status
	UNION ALL SELECT 'tvl', sum(toInt256(deposited)) - sum(toInt256(withdrawn)), toInt256(0) FROM accounts FINAL WHERE chain = $
	UNION ALL SELECT one.1, toInt256(0), one.2 FROM subgraph_protocol FINAL ARRAY JOIN [('categories', toInt256(categoriesCount)), ('apps', toInt256(appsCount)), ('datasets', toInt256(datasetsCount)),
		('workerpools', toInt256(workerpoolsCount)), ('deals', toInt256(dealsCount)), ('tasks', toInt256(tasksCount)), ('completed', toInt256(completedTasksCount)),
		('claimed', toInt256(claimedTasksCount)), ('tvl', toInt256(tvl))] AS one WHERE chain = $
) GROUP BY what`

// eventEntities are the subgraph's tables with one row for each event of some names.
var eventEntities = map[string][]string{
	"transfer": {"Transfer"}, "lock": {"Lock"}, "unlock": {"Unlock"}, "reward": {"Reward"}, "seize": {"Seize"}, "policy_update": {"PolicyUpdate"},
	"scheduler_notice": {"SchedulerNotice", "SchedulerNoticeBoost"}, "orders_matched": {"OrdersMatched"}, "task_initialize": {"TaskInitialize"},
	"task_contribute": {"TaskContribute"}, "task_consensus": {"TaskConsensus"}, "task_reveal": {"TaskReveal"}, "task_reopen": {"TaskReopen"},
	"task_finalize": {"TaskFinalize", "ResultPushedBoost"}, "task_claimed": {"TaskClaimed"},
	"accurate_contribution": {"AccurateContribution"}, "faulty_contribution": {"FaultyContribution"},
}

// Each event has its entity in the subgraph: so many in each block.
var eventsAreEntities = func() string {
	var sides []string
	for _, table := range slices.Sorted(maps.Keys(eventEntities)) {
		sides = append(sides,
			fmt.Sprintf("SELECT '%s' AS kind, block_number, 1 AS event, 0 AS entity FROM events FINAL WHERE chain = $ AND name IN ('%s')", table, strings.Join(eventEntities[table], "', '")),
			fmt.Sprintf("SELECT '%[1]s', block_number, 0, 1 FROM subgraph_%[1]s FINAL WHERE chain = $", table))
	}
	return "SELECT concat(kind, ' of block ', toString(block_number)) AS id, toString(sum(event)) AS expected, toString(sum(entity)) AS found FROM (\n" +
		strings.Join(sides, "\nUNION ALL ") + ") GROUP BY kind, block_number"
}()

// Each thing of the tables is one of the subgraph, in the same state.
const tablesAreEntities = `
SELECT concat(kind, ' ', thing) AS id, max(expected) AS expected, max(found) AS found FROM (
	SELECT 'deal' AS kind, id AS thing, concat(requester, ' ', toString(bot_size)) AS expected, '' AS found FROM ` + matched + `
	UNION ALL SELECT 'deal', id, '', concat(requester, ' ', toString(botSize)) FROM subgraph_deal FINAL WHERE chain = $ AND id IN (SELECT id FROM ` + matched + `)
	UNION ALL SELECT 'task', id, if(status = 'FAILED', 'FAILLED', toString(status)), '' FROM tasks FINAL WHERE chain = $
	UNION ALL SELECT 'task', id, '', toString(status) FROM subgraph_task FINAL WHERE chain = $
	UNION ALL SELECT 'category', toString(id), name, '' FROM categories FINAL WHERE chain = $
	UNION ALL SELECT 'category', id, '', name FROM subgraph_category FINAL WHERE chain = $
	UNION ALL SELECT lower(kind), address, owner, '' FROM resources FINAL WHERE chain = $
	UNION ALL SELECT 'app', id, '', owner FROM subgraph_app FINAL WHERE chain = $ AND timestamp != 0
	UNION ALL SELECT 'dataset', id, '', owner FROM subgraph_dataset FINAL WHERE chain = $ AND timestamp != 0
	UNION ALL SELECT 'workerpool', id, '', owner FROM subgraph_workerpool FINAL WHERE chain = $ AND timestamp != 0
) GROUP BY kind, thing`

// The sums by the hour, from events, tasks, deals and payouts.
var tablesAreSeries = `
WITH
	dealt AS (SELECT id, app, dataset, workerpool, requester, toString(category) AS category, tag, start_time, app_price + dataset_price + workerpool_price AS price FROM deals FINAL WHERE chain = $),
	ended AS (SELECT deal, status, ended_at AS time FROM tasks FINAL WHERE chain = $ AND status IN ('COMPLETED', 'FAILED')),
	happened AS (SELECT e.time AS time, t.deal AS deal, name, worker
		FROM (SELECT time, toString(name) AS name, JSONExtractString(args, 'task') AS task, JSONExtractString(args, 'worker') AS worker FROM events FINAL
			WHERE chain = $ AND name IN ('TaskInitialize', 'TaskContribute', 'AccurateContribution', 'FaultyContribution')) AS e
		LEFT JOIN (SELECT id, deal FROM tasks FINAL WHERE chain = $) AS t ON e.task = t.id),
	counted AS (
		SELECT time, id AS deal, '' AS worker, 'deals' AS what, toInt256(1) AS n FROM ` + matched + `
		UNION ALL SELECT time, id, '', 'tasks', toInt256(least(bot_size, 1099511627776)) FROM ` + matched + `
		UNION ALL SELECT time, deal, worker, transform(name, ['TaskInitialize', 'TaskContribute', 'AccurateContribution', 'FaultyContribution'], ['initialized', 'contributions', 'accurate', 'faulty'], ''), toInt256(1) FROM happened
		UNION ALL SELECT time, deal, '', if(status = 'COMPLETED', 'completed', 'claimed'), toInt256(1) FROM ended
		UNION ALL SELECT time, deal, '', if(status = 'COMPLETED', 'volume', 'refunded'), toInt256(d.price) FROM ended LEFT JOIN dealt AS d ON deal = d.id
		UNION ALL SELECT time, deal, '', 'latency', toInt256(dateDiff('second', d.start_time, time)) FROM ended INNER JOIN dealt AS d ON deal = d.id WHERE status = 'COMPLETED' AND d.start_time <= time
		UNION ALL SELECT time, deal, if(role = 'WORKER', account, ''),
			multiIf(role = 'KITTY' AND kind = 'REWARD', 'kitty_in', role = 'KITTY', 'kitty_out', kind = 'SEIZE', 'seized', role = 'WORKER', 'earned_workers', concat('earned_', lower(role))), toInt256(amount)
		FROM payouts FINAL WHERE chain = $ AND (kind = 'REWARD' OR role != 'PAYER') AND role != '')
SELECT concat(dimension, '/', key, '/', toString(hour), ' ', what) AS id, toString(sum(expected)) AS expected, toString(sum(found)) AS found FROM (
	SELECT of.1 AS dimension, of.2 AS key, toStartOfHour(time) AS hour, what, n AS expected, toInt256(0) AS found
	FROM (SELECT * FROM counted LEFT JOIN dealt AS d ON deal = d.id)
	ARRAY JOIN [('ALL', ''), ('WORKERPOOL', workerpool), ('WORKER', worker), ('APP', app), ('DATASET', dataset), ('REQUESTER', requester), ('CATEGORY', category), ('TAG', tag),
		('TEE', multiIf(tag = '', '', substring(tag, -1) IN ('0', '2', '4', '6', '8', 'a', 'c', 'e'), 'NONE', endsWith(tag, '3'), 'SCONE', endsWith(tag, '5'), 'GRAMINE', endsWith(tag, '9'), 'TDX', 'OTHER'))] AS of
	WHERE of.1 = 'ALL' OR of.2 NOT IN ('', ` + nobody + `)
	UNION ALL SELECT dimension, key, hour, one.1, toInt256(0), one.2 FROM series
	ARRAY JOIN [` + sumsByName() + `] AS one WHERE chain = $
) GROUP BY dimension, key, hour, what`

func sumsByName() string {
	var named []string
	for _, column := range sumColumns() {
		named = append(named, fmt.Sprintf("('%s', toInt256(%s))", column, column))
	}
	return strings.Join(named, ", ")
}

// twin is a table with a twin that has one row for each block in which a thing changed.
type twin struct {
	table        string
	key, columns []string // of a row, without chain, version and what marks a tombstone
}

// query compares a table's rows with the newest ones of its twin, by their hashes.
func (h twin) query() string {
	id, row := "arrayStringConcat([toString(`"+strings.Join(h.key, "`), toString(`")+"`)], '/')", "hex(sipHash128(toString(("+listed(h.columns)+"))))"
	return fmt.Sprintf(`
SELECT thing AS id, concat('row ', max(expected)) AS expected, concat('row ', max(found)) AS found FROM (
	SELECT %[1]s AS thing, %[2]s AS expected, '' AS found FROM (SELECT * FROM %[3]s_history FINAL WHERE chain = $ ORDER BY block_number DESC LIMIT 1 BY %[4]s)
	UNION ALL SELECT %[1]s, '', %[2]s FROM %[3]s FINAL WHERE chain = $
) GROUP BY thing`, id, row, h.table, listed(h.key))
}

func listed(columns []string) string { return "`" + strings.Join(columns, "`, `") + "`" }

// twins finds the tables that have a twin.
func twins(ctx context.Context, db driver.Conn) ([]twin, error) {
	var found []struct {
		Table string `ch:"table"`
		Name  string `ch:"name"`
		Key   uint8  `ch:"is_in_sorting_key"`
	}
	// On a cluster the sorting key is that of the local table.
	query := `SELECT replaceRegexpOne(table, '_local$', '') AS table, name, max(is_in_sorting_key) AS is_in_sorting_key FROM system.columns
		WHERE database = currentDatabase() AND name NOT IN ('chain', 'version', 'deleted') GROUP BY table, name ORDER BY table, min(position)`
	if err := db.Select(ctx, &found, query); err != nil {
		return nil, fmt.Errorf("reading the columns of the tables: %w", err)
	}
	tables := map[string]*twin{}
	for _, c := range found {
		if tables[c.Table] == nil {
			tables[c.Table] = &twin{table: c.Table}
		}
		h := tables[c.Table]
		h.columns = append(h.columns, c.Name)
		if c.Key == 1 {
			h.key = append(h.key, c.Name)
		}
	}
	var out []twin
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		if tables[name+"_history"] != nil {
			out = append(out, *tables[name])
		}
	}
	return out, nil
}

// cross compares the tables with each other.
func (a *auditor) cross(ctx context.Context) error {
	if a.cfg.apart {
		return nil
	}
	found, err := twins(ctx, a.cfg.DB)
	if err != nil {
		return err
	}
	all := checks(found)
	for i, c := range all {
		if err := c.run(ctx, a.cfg.DB, a.cfg.Preset.ChainID, a.report); err != nil {
			return fmt.Errorf("comparing %s: %w", c.name, err)
		}
		a.cfg.Progress(StageTables, uint64(i+1), uint64(len(all)))
	}
	return nil
}

// Cross compares the tables of a chain with each other, and with nothing else.
func Cross(ctx context.Context, db driver.Conn, preset chains.Preset) (*Report, error) {
	a := newAuditor(Config{DB: db, Preset: preset})
	err := a.cross(ctx)
	a.report.Equal = len(a.report.Differences) == 0
	return a.report, err
}

// A check that finds differences while rows are being written looks again after a pause.
const (
	looks = 5
	pause = 200 * time.Millisecond
)

// maxCross is how many differences of a check are kept.
const maxCross = 1000

// run runs a check until nothing was written meanwhile, or it finds no difference. What differs
// while a batch is under way, or was when its writer died, counts as changed.
func (c check) run(ctx context.Context, db driver.Conn, chain uint64, report *Report) error {
	n := count(report.Compared.Tables, c.name)
	var different []Difference
	look := func() (err error) {
		n.Changed = 0
		n.Of, n.Different, different, err = c.look(ctx, db, chain)
		return err
	}
	if err := look(); err != nil {
		return err
	}
	for tried := 0; tried < looks && n.Different+n.Changed > 0; tried++ {
		quiet, err := undisturbed(ctx, db, chain, look)
		if err != nil {
			return err
		}
		if quiet {
			break
		}
		n.Changed, n.Different, different = n.Different, 0, nil
		if err := wait(ctx, pause); err != nil {
			return err
		}
	}
	n.Compared = n.Of - n.Changed
	for _, d := range different {
		report.add(d)
	}
	report.Omitted += n.Different - uint64(len(different))
	return nil
}

// undisturbed does something, and says whether nothing was written meanwhile.
func undisturbed(ctx context.Context, db driver.Conn, chain uint64, do func() error) (bool, error) {
	before, err := writing(ctx, db, chain)
	if err != nil {
		return false, err
	}
	if err := do(); err != nil {
		return false, err
	}
	after, err := writing(ctx, db, chain)
	return before == after && !after.busy, err
}

// written is how far the batches of a chain are written, and whether one is under way.
type written struct {
	until string
	busy  bool
}

func writing(ctx context.Context, db driver.Conn, chain uint64) (w written, err error) {
	err = db.QueryRow(ctx, `SELECT toString(groupArray((topic, partition, last, next))), countIf(last >= next) > 0 FROM (
		SELECT topic, partition, max(last) AS last, max(next) AS next FROM (
			SELECT topic, partition, last, toUInt64(0) AS next FROM plans WHERE chain = ?
			UNION ALL SELECT topic, partition, toUInt64(0), next_offset FROM progress WHERE chain = ?
		) GROUP BY topic, partition ORDER BY topic, partition)`, chain, chain).Scan(&w.until, &w.busy)
	if err != nil {
		err = fmt.Errorf("asking what is being written: %w", err)
	}
	return w, err
}

// look runs a check once: how many things it compares, how many differ, and the first of those.
func (c check) look(ctx context.Context, db driver.Conn, chain uint64) (of, total uint64, different []Difference, err error) {
	var ids, expected, found []string
	query := fmt.Sprintf(`SELECT count(), countIf(expected != found), groupArrayIf(%[1]d)(id, expected != found), groupArrayIf(%[1]d)(expected, expected != found), groupArrayIf(%[1]d)(found, expected != found)
		FROM (SELECT id, expected, found FROM (%[2]s) ORDER BY id)`, maxCross, strings.ReplaceAll(c.query, "$", number(chain)))
	if err := db.QueryRow(ctx, query).Scan(&of, &total, &ids, &expected, &found); err != nil {
		return 0, 0, nil, err
	}
	for i, id := range ids {
		different = append(different, Difference{In: inTables, Kind: c.name, ID: id, Expected: expected[i], Found: found[i]})
	}
	return of, total, different, nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
