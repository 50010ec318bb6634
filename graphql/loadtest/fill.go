package loadtest

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Chain is the chain of the market.
const Chain = 31337

// The market: every task has three workers who agree, half a deal, and lasts ten blocks.
// These are its events: the deal's orders matched, notice and two locks, shared by its two
// tasks; initialization; three locks and contributions; consensus; three reveals; the
// requester's seizure, five rewards, three unlocks and accurate contributions, finalization;
// and two transfers.
const (
	eventsPerTask = 28
	blocksPerTask = 10
	firstBlock    = 1000
	year          = 365 * 24 * 3600
	start         = 1_735_689_600 // 2025-01-01
	chunk         = 20_000        // tasks written at once
)

// Market says how large a market is.
type Market struct {
	Tasks, Accounts, Apps, Datasets, Pools uint64
	IDs                                    map[string][]string // of some deals, tasks, accounts and transactions; see Sample
}

// MarketOf is a market of about so many events.
func MarketOf(events uint64) Market {
	tasks := max(events/eventsPerTask/2*2, 200)
	return Market{Tasks: tasks, Accounts: max(tasks/40, 100), Apps: 200, Datasets: 200, Pools: 20}
}

// Head is the number of the newest block.
func (m Market) Head() uint64 { return firstBlock + m.Tasks*blocksPerTask - 1 }

// Fill writes the market into a migrated, empty database.
func Fill(ctx context.Context, conn driver.Conn, m Market) error {
	for from := uint64(0); from < m.Tasks; from += chunk {
		for _, statement := range perTask {
			if err := m.run(ctx, conn, statement, from, min(m.Tasks, from+chunk)); err != nil {
				return err
			}
		}
	}
	for _, statement := range once {
		if err := m.run(ctx, conn, statement, 0, m.Tasks); err != nil {
			return err
		}
	}
	return nil
}

func (m Market) run(ctx context.Context, conn driver.Conn, statement string, from, to uint64) error {
	sql := m.expand(statement, from, to)
	if err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// Sample reads ids of the market, so that pages can ask for what is there.
func (m *Market) Sample(ctx context.Context, conn driver.Conn) error {
	m.IDs = map[string][]string{}
	for _, kind := range []string{"deal", "task", "account", "transaction"} {
		var rows []struct {
			ID string `ch:"id"`
		}
		if err := conn.Select(ctx, &rows, "SELECT id FROM subgraph_"+kind+" WHERE block_number > 1 ORDER BY sipHash64(id) LIMIT 20000"); err != nil {
			return fmt.Errorf("reading ids of %ss: %w", kind, err)
		}
		for _, r := range rows {
			m.IDs[kind] = append(m.IDs[kind], r.ID)
		}
	}
	return nil
}

// Optimize merges what was written, as a database does in the course of time.
func Optimize(ctx context.Context, conn driver.Conn) error {
	var names []struct {
		Name string `ch:"name"`
	}
	err := conn.Select(ctx, &names, "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND total_rows > 0")
	for _, t := range names {
		if err == nil {
			err = conn.Exec(ctx, "OPTIMIZE TABLE "+t.Name+" FINAL")
		}
	}
	return err
}

// expand replaces the words that the statements below use: n is the task, d its deal, b its
// first block.
func (m Market) expand(statement string, from, to uint64) string {
	replacements := []string{
		"$TASKS", fmt.Sprintf("(SELECT number AS n, intDiv(number, 2) AS d, %d + number * %d AS b FROM numbers(%d, %d))", firstBlock, blocksPerTask, from, to-from),
		"$DEALS", fmt.Sprintf("(SELECT number AS d, %d + number * %d AS b FROM numbers(%d, %d))", firstBlock, 2*blocksPerTask, from/2, (to-from)/2),
		"$ACCOUNTS", fmt.Sprint(m.Accounts), "$APPS", fmt.Sprint(m.Apps), "$DATASETS", fmt.Sprint(m.Datasets), "$POOLS", fmt.Sprint(m.Pools),
		"$COUNT", fmt.Sprint(m.Tasks), "$HEAD", fmt.Sprint(m.Head()), "$CHAIN", fmt.Sprint(Chain),
	}
	calls := []struct{ name, form string }{
		{"HASH", "concat('0x', lower(hex(sipHash128(@))), lower(hex(sipHash128(1, @))))"},
		{"ADDRESS", "concat('0x', lower(hex(sipHash128(@))), substring(lower(hex(sipHash128(1, @))), 1, 8))"},
		{"TIME", fmt.Sprintf("toUInt64(%d + intDiv((@) * %d, %d))", start, year, m.Head())},
		{"ACCOUNT", fmt.Sprintf("arrayElement(accounts, toUInt32(1 + (@) %% %d))", m.Accounts)},
	}
	text := strings.NewReplacer(replacements...).Replace(statement)
	for _, c := range calls {
		text = call(text, c.name, c.form)
	}
	if strings.Contains(text, "arrayElement(accounts,") {
		names := "(SELECT groupArray(a) FROM (SELECT " + call("ADDRESS('account', number)", calls[1].name, calls[1].form) + fmt.Sprintf(" AS a FROM numbers(%d)))", m.Accounts)
		text = strings.Replace(text, " SELECT ", " WITH "+names+" AS accounts SELECT ", 1)
	}
	return text
}

// call replaces NAME(argument) by a form in which @ stands for the argument.
func call(text, name, form string) string {
	for {
		at := strings.Index(text, name+"(")
		if at < 0 {
			return text
		}
		depth, end := 0, at+len(name)
		for ; end < len(text); end++ {
			if text[end] == '(' {
				depth++
			} else if text[end] == ')' {
				if depth--; depth == 0 {
					break
				}
			}
		}
		text = text[:at] + strings.ReplaceAll(form, "@", text[at+len(name)+1:end]) + text[end+1:]
	}
}

// Who takes part in a task: workers are accounts n+k·7919, the requester one of the deal.
const (
	taskID       = "HASH('task', n)"
	dealID       = "HASH('deal', d)"
	requester    = "ACCOUNT(sipHash64('requester', d))"
	worker       = "ACCOUNT(sipHash64('worker', n) + k * 7919)"
	app          = "ADDRESS('app', toUInt64(sipHash64('app', d) % $APPS))"
	dataset      = "ADDRESS('dataset', toUInt64(sipHash64('dataset', d) % $DATASETS))"
	pool         = "ADDRESS('pool', toUInt64(sipHash64('pool', d) % $POOLS))"
	price        = "toUInt256(1000000 + sipHash64('price', d) % 1000000000)"
	three        = " ARRAY JOIN [0, 1, 2] AS k"
	contribution = "concat(" + taskID + ", '-', " + worker + ")"
)

// event makes the statement for events of a type: at a step of the task, with a log index.
func event(entity, step, log, fields, values, from string) string {
	return fmt.Sprintf("INSERT INTO subgraph_%s (chain, id, transaction, timestamp, %s, block_number, version) SELECT $CHAIN, concat(toString(b + %s), '-', toString(%s)), "+
		"HASH('transaction', b + %s), TIME(b + %s), %s, b + %s, b + %s FROM %s", entity, fields, step, log, step, step, values, step, step, from)
}

var perTask = []string{
	"INSERT INTO subgraph_transaction (chain, id, `from`, `to`, value, gasLimit, gasUsed, gasPrice, timestamp, blockNumber, block_number, version) " +
		"SELECT $CHAIN, HASH('transaction', b + s), ACCOUNT(sipHash64('sender', b + s)), ADDRESS('hub'), 0, 300000, 200000 + (b + s) % 90000, 1000000000, TIME(b + s), b + s, b + s, b + s " +
		"FROM $TASKS ARRAY JOIN range(9) AS s WHERE s > 0 OR n % 2 = 0",
	"INSERT INTO subgraph_deal (chain, id, app, appOwner, appPrice, dataset, datasetOwner, datasetPrice, workerpool, workerpoolOwner, workerpoolPrice, trust, category, tag, requester, " +
		"beneficiary, callback, params, startTime, botFirst, botSize, completedTasksCount, claimedTasksCount, workerStake, schedulerRewardRatio, sponsor, timestamp, apporder, datasetorder, " +
		"workerpoolorder, requestorder, block_number, version) SELECT $CHAIN, " + dealID + ", " + app + ", ACCOUNT(1), 1000000, " + dataset + ", ACCOUNT(2), 500000, " + pool + ", ACCOUNT(3), " + price +
		", 3, toString(d % 5), concat('0x', repeat('0', 63), '3'), " + requester + ", " + requester + ", concat('0x', repeat('0', 40)), '{\"iexec_args\":\"1\"}', TIME(b), 0, 2, 2, 0, 300000, 5, " +
		requester + ", TIME(b), HASH('apporder', toUInt64(sipHash64('app', d) % $APPS)), HASH('datasetorder', toUInt64(sipHash64('dataset', d) % $DATASETS)), HASH('poolorder', d), HASH('requestorder', d), b + 18, b + 18 FROM $DEALS",
	"INSERT INTO subgraph_deal_history SELECT * EXCEPT (at, done) REPLACE (at AS block_number, at AS version, done AS completedTasksCount) FROM (SELECT *, at, done FROM subgraph_deal " +
		"ARRAY JOIN [block_number - 18, block_number - 10] AS at, [toUInt64(0), 1] AS done WHERE block_number IN (SELECT b + 18 FROM $DEALS))",
	"INSERT INTO subgraph_task (chain, id, status, deal, `index`, requester, contributions, consensus, resultDigest, results, resultsCallback, contributionDeadline, revealDeadline, finalDeadline, " +
		"timestamp, block_number, version) SELECT $CHAIN, " + taskID + ", 'COMPLETED', " + dealID + ", n % 2, " + requester + ", arrayMap(k -> " + contribution + ", [0, 1, 2]), HASH('result', n), HASH('digest', n), " +
		"'0x7b7d', '0x', TIME(b) + 3600, TIME(b) + 7200, TIME(b) + 10800, TIME(b + 8), b + 8, b + 8 FROM $TASKS",
	"INSERT INTO subgraph_task_history SELECT * EXCEPT (s, at) REPLACE (at AS block_number, at AS version, if(s < 4, 'ACTIVE', 'REVEALING') AS status, arrayResize(contributions, least(s - 1, 3)) AS contributions, " +
		"if(s < 4, NULL, consensus) AS consensus, NULL AS results) FROM (SELECT *, s, block_number - 8 + s AS at FROM subgraph_task ARRAY JOIN [1, 2, 3, 4, 5, 6, 7] AS s WHERE block_number IN (SELECT b + 8 FROM $TASKS))",
	"INSERT INTO subgraph_contribution (chain, id, status, timestamp, task, worker, hash, seal, challenge, block_number, version) SELECT $CHAIN, " + contribution + ", 'PROVED', toInt64(TIME(b + 2 + k)), " + taskID + ", " +
		worker + ", HASH('result', n), HASH('seal', n, k), concat('0x', repeat('0', 40)), b + 5 + k, b + 5 + k FROM $TASKS" + three,
	"INSERT INTO subgraph_contribution_history SELECT * REPLACE (block_number - 3 AS block_number, version - 3 AS version, 'CONTRIBUTED' AS status) FROM (SELECT * FROM subgraph_contribution " +
		"WHERE block_number IN (SELECT b + 5 + k FROM $TASKS" + three + "))",
	"INSERT INTO subgraph_account (chain, id, balance, frozen, score, block_number, version) SELECT $CHAIN, " + worker + ", toUInt256(1000000000 + b), 300000, n, b + 8, b + 8 FROM $TASKS" + three,
	event("orders_matched", "0", "3", "deal", dealID, "$DEALS"),
	event("scheduler_notice", "0", "2", "workerpool, deal", pool+", "+dealID, "$DEALS"),
	event("lock", "0", "k", "account, value", "if(k = 0, "+requester+", ACCOUNT(3)), "+price, "(SELECT *, k FROM $DEALS ARRAY JOIN [0, 1] AS k)"),
	event("task_initialize", "1", "0", "task, workerpool", taskID+", "+pool, "$TASKS"),
	event("lock", "2 + k", "0", "account, value", worker+", 300000", "(SELECT *, k FROM $TASKS"+three+")"),
	event("task_contribute", "2 + k", "1", "task, worker, hash", taskID+", "+worker+", HASH('result', n)", "(SELECT *, k FROM $TASKS"+three+")"),
	event("task_consensus", "4", "2", "task, consensus", taskID+", HASH('result', n)", "$TASKS"),
	event("task_reveal", "5 + k", "0", "task, worker, digest", taskID+", "+worker+", HASH('digest', n)", "(SELECT *, k FROM $TASKS"+three+")"),
	event("seize", "8", "0", "account, value, task", requester+", "+price+", "+taskID, "$TASKS"),
	event("reward", "8", "1 + k", "account, value, task", "multiIf(k < 3, "+worker+", k = 3, ACCOUNT(3), ACCOUNT(1)), intDiv("+price+", 5), "+taskID, "(SELECT *, k FROM $TASKS ARRAY JOIN [0, 1, 2, 3, 4] AS k)"),
	event("unlock", "8", "6 + k", "account, value", worker+", 300000", "(SELECT *, k FROM $TASKS"+three+")"),
	event("accurate_contribution", "8", "9 + k", "account, contribution, score", worker+", "+contribution+", n", "(SELECT *, k FROM $TASKS"+three+")"),
	event("task_finalize", "8", "12", "task, results", taskID+", '0x7b7d'", "$TASKS"),
	event("transfer", "8", "13 + k", "`from`, `to`, value", requester+", ACCOUNT(3), "+price, "(SELECT *, k FROM $TASKS ARRAY JOIN [0, 1] AS k)"),
	"INSERT INTO deals (chain, id, app, app_owner, app_price, dataset, dataset_owner, dataset_price, workerpool, workerpool_owner, workerpool_price, trust, category, tag, requester, beneficiary, " +
		"callback, params, start_time, bot_first, bot_size, worker_stake, scheduler_reward_ratio, sponsor, block_number, tx_hash, version) SELECT chain, id, app, appOwner, appPrice, dataset, " +
		"datasetOwner, datasetPrice, workerpool, workerpoolOwner, workerpoolPrice, trust, toUInt256(category), tag, requester, beneficiary, callback, params, toDateTime(startTime, 'UTC'), botFirst, botSize, " +
		"workerStake, schedulerRewardRatio, sponsor, block_number - 18, HASH('transaction', block_number - 18), version FROM subgraph_deal WHERE block_number IN (SELECT b + 18 FROM $DEALS)",
	"INSERT INTO tasks (chain, id, deal, idx, workerpool, requester, status, contribution_deadline, reveal_deadline, final_deadline, consensus_value, reveal_counter, winner_counter, contributors, " +
		"result_digest, results, results_callback, initialized_at, ended_at, block_number, version) SELECT $CHAIN, " + taskID + ", " + dealID + ", n % 2, " + pool + ", " + requester + ", 'COMPLETED', " +
		"toDateTime(TIME(b) + 3600, 'UTC'), toDateTime(TIME(b) + 7200, 'UTC'), toDateTime(TIME(b) + 10800, 'UTC'), HASH('result', n), 3, 3, 3, HASH('digest', n), '{}', '', toDateTime(TIME(b + 1), 'UTC'), " +
		"toDateTime(TIME(b + 8), 'UTC'), b + 8, b + 8 FROM $TASKS",
	"INSERT INTO contributions (chain, task, worker, deal, workerpool, status, result_hash, result_seal, enclave_challenge, weight, accurate, contributed_at, revealed_at, block_number, tx_hash, version) " +
		"SELECT $CHAIN, " + taskID + ", " + worker + ", " + dealID + ", " + pool + ", 'PROVED', HASH('result', n), HASH('seal', n, k), concat('0x', repeat('0', 40)), 1, true, toDateTime(TIME(b + 2 + k), 'UTC'), " +
		"toDateTime(TIME(b + 5 + k), 'UTC'), b + 8, HASH('transaction', b + 2 + k), b + 8 FROM $TASKS" + three,
	"INSERT INTO payouts (chain, block_number, log_index, tx_hash, time, kind, role, account, amount, task, deal, workerpool, version) SELECT $CHAIN, b + 8, 1 + k, HASH('transaction', b + 8), " +
		"toDateTime(TIME(b + 8), 'UTC'), 'REWARD', multiIf(k < 3, 'WORKER', k = 3, 'WORKERPOOL', 'APP'), multiIf(k < 3, " + worker + ", k = 3, ACCOUNT(3), ACCOUNT(1)), intDiv(" + price + ", 5), " + taskID + ", " +
		dealID + ", " + pool + ", b + 8 FROM $TASKS ARRAY JOIN [0, 1, 2, 3, 4] AS k",
	"INSERT INTO events (chain, block_number, log_index, block_hash, time, tx_hash, tx_index, emitter, name, args, version) SELECT $CHAIN, b + 1 + e % 8, e, HASH('block', b + 1 + e % 8), " +
		"toDateTime(TIME(b + 1 + e % 8), 'UTC'), HASH('transaction', b + 1 + e % 8), 0, ADDRESS('hub'), ['TaskInitialize', 'TaskContribute', 'TaskReveal', 'Reward', 'Lock', 'Unlock', 'Seize'][1 + e % 7], " +
		"concat('{\"taskid\":\"', " + taskID + ", '\"}'), b + 1 + e % 8 FROM $TASKS ARRAY JOIN range(28) AS e",
	"INSERT INTO measures (chain, time, workerpool, worker, app, dataset, requester, category, deals, tasks, initialized, completed, contributions, accurate, latency, volume, earned_workers, earned_workerpool, " +
		"earned_app) SELECT $CHAIN, toDateTime(TIME(b + 8), 'UTC'), " + pool + ", '', " + app + ", " + dataset + ", " + requester + ", toString(d % 5), n % 2, 2 * (n % 2), 1, 1, 3, 3, TIME(b + 8) - TIME(b), " + price +
		", " + price + " - intDiv(" + price + ", 5) * 2, intDiv(" + price + ", 5), intDiv(" + price + ", 5) FROM $TASKS",
	"INSERT INTO measures (chain, time, worker, contributions, accurate, earned_workers) SELECT $CHAIN, toDateTime(TIME(b + 8), 'UTC'), " + worker + ", 1, 1, intDiv(" + price + ", 5) FROM $TASKS" + three,
	"INSERT INTO blocks (chain, number, hash, parent_hash, time, version) SELECT $CHAIN, b + s, HASH('block', b + s), HASH('block', b + s - 1), toDateTime(TIME(b + s), 'UTC'), b + s FROM $TASKS ARRAY JOIN range(10) AS s",
}

var once = []string{
	"INSERT INTO subgraph_account (chain, id, balance, frozen, score, block_number, version) SELECT $CHAIN, ADDRESS('account', number), 1000000000, 0, 0, 1, 1 FROM numbers($ACCOUNTS)",
	"INSERT INTO subgraph_app (chain, id, owner, name, type, multiaddr, checksum, mrenclave, timestamp, usageCount, lastUsageTimestamp, block_number, version) SELECT $CHAIN, ADDRESS('app', number), ACCOUNT(1), " +
		"concat('app ', toString(number)), 'DOCKER', '0x1234', HASH('checksum', number), '0x', TIME(1), intDiv($COUNT, $APPS), TIME($HEAD - number), $HEAD - number, $HEAD FROM numbers($APPS)",
	"INSERT INTO subgraph_dataset (chain, id, owner, name, multiaddr, checksum, timestamp, block_number, version) SELECT $CHAIN, ADDRESS('dataset', number), ACCOUNT(2), " +
		"concat('dataset ', toString(number)), '0x1234', HASH('checksum', number), TIME(1), 1, 1 FROM numbers($DATASETS)",
	"INSERT INTO subgraph_workerpool (chain, id, owner, description, workerStakeRatio, schedulerRewardRatio, timestamp, usageCount, lastUsageTimestamp, block_number, version) SELECT $CHAIN, ADDRESS('pool', number), ACCOUNT(3), " +
		"concat('pool ', toString(number)), 30, 5, TIME(1), intDiv($COUNT, $POOLS), TIME($HEAD - number), $HEAD - number, $HEAD FROM numbers($POOLS)",
	"INSERT INTO subgraph_category (chain, id, name, description, workClockTimeRef, timestamp, block_number, version) SELECT $CHAIN, toString(number), concat('size ', toString(number)), '', 300, TIME(1), 1, 1 FROM numbers(5)",
	"INSERT INTO subgraph_protocol (chain, id, categoriesCount, appsCount, datasetsCount, workerpoolsCount, dealsCount, tasksCount, completedTasksCount, claimedTasksCount, tvl, block_number, version) " +
		"SELECT $CHAIN, 'iExec', 5, $APPS, $DATASETS, $POOLS, intDiv($COUNT, 2), $COUNT, $COUNT, 0, 1000000000000, $HEAD, $HEAD",
	"INSERT INTO accounts (chain, address, stake, locked, score, deposited, withdrawn, earned, spent, seized, block_number, version) SELECT chain, id, balance, frozen, score, balance, 0, 0, 0, 0, block_number, version " +
		"FROM subgraph_account FINAL",
	"INSERT INTO resources (chain, kind, address, owner, name, type, multiaddr, checksum, registered_at, block_number, version) SELECT chain, 'APP', id, owner, name, type, '', checksum, toDateTime(timestamp, 'UTC'), 1, 1 FROM subgraph_app",
	"INSERT INTO resources (chain, kind, address, owner, name, checksum, registered_at, block_number, version) SELECT chain, 'DATASET', id, owner, name, checksum, toDateTime(timestamp, 'UTC'), 1, 1 FROM subgraph_dataset",
	"INSERT INTO resources (chain, kind, address, owner, name, worker_stake_ratio, scheduler_reward_ratio, registered_at, block_number, version) SELECT chain, 'WORKERPOOL', id, owner, description, 30, 5, " +
		"toDateTime(timestamp, 'UTC'), 1, 1 FROM subgraph_workerpool",
	"INSERT INTO categories (chain, id, name, description, work_clock_time_ref, block_number, version) SELECT chain, toUInt256(id), name, description, workClockTimeRef, 1, 1 FROM subgraph_category",
	"INSERT INTO heads (chain, head_number, head_hash, head_time, finalized_number, finalized_hash, version) SELECT $CHAIN, $HEAD, HASH('block', toUInt64($HEAD)), toDateTime(TIME($HEAD), 'UTC'), $HEAD, HASH('block', toUInt64($HEAD)), $HEAD",
}
