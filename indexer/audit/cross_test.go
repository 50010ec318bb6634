package audit

import (
	"context"
	"errors"
	"log/slog"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/holiman/uint256"
	"google.golang.org/protobuf/proto"

	"assay/consensus/poco"
	"assay/indexer/internal/market"
	"assay/indexer/sink"
	"assay/internal/clickhouse"
	"assay/internal/kafka"
	"assay/schema"
	migrations "assay/schema/clickhouse"
)

// trade plays a market with forks, with deals of PoCo Boost beside the others, and returns the
// chain log of it.
func trade(seed int64, steps int) []kafka.Message {
	rng := rand.New(rand.NewSource(seed))
	m, log := market.New(rng.Intn), &market.Log{}
	var boosts []poco.Hash
	for step := range steps {
		if rng.Intn(4) == 0 {
			log.Fork(m, 1+rng.Intn(5))
		}
		log.Block(m.Grow(10))
		if step%10 == 9 {
			log.Block(m.Seal(uint64(1+rng.Intn(100_000)), func() { boosts = append(boosts, boost(m, rng, boosts)...) }))
		}
		log.Mark(m, 12)
	}
	var messages []kafka.Message
	for _, record := range log.Records {
		value, err := proto.Marshal(record)
		if err != nil {
			panic(err)
		}
		messages = append(messages, kafka.Message{Key: []byte("market"), Value: value})
	}
	return messages
}

func boost(m *market.Market, rng *rand.Rand, before []poco.Hash) (made []poco.Hash) {
	person := func() poco.Address { return m.Person(rng.Intn(market.People)) }
	for _, deal := range before {
		m.Call(person(), poco.ClaimBoost{Deal: deal, Index: *uint256.NewInt(uint64(rng.Intn(3)))})
	}
	requester := person()
	m.Call(requester, poco.Deposit{Amount: *uint256.NewInt(100_000)})
	deal, ok := m.MatchBoost(m.Orders(market.Terms{App: m.Register(poco.App, person()), Workerpool: m.Register(poco.Workerpool, person()),
		Requester: requester, Prices: [3]int{7, 0, 999}, Volume: 3}))
	if !ok {
		return nil
	}
	m.Push(deal, 0, person())
	return []poco.Hash{deal}
}

// stored is a database with the rows of a chain log.
func stored(t *testing.T, engine *clickhouse.Engine, name string, messages []kafka.Message) driver.Conn {
	t.Helper()
	broker, err := kafka.StartBroker(t.TempDir(), 0)
	ok(t, err)
	client, topics := kafka.NewClient([]string{broker.Addr()}), schema.TopicsOf(name)
	t.Cleanup(func() { ok(t, errors.Join(client.Close(), broker.Close())) })
	ok(t, client.CreateTopic(t.Context(), topics.Log, 1, schema.MaxRecordBytes))
	ok(t, client.Append(t.Context(), topics.Log, messages...))
	ok(t, clickhouse.Migrate(t.Context(), engine.Config(name), migrations.Migrations))
	db, err := clickhouse.Open(t.Context(), engine.Config(name))
	ok(t, err)
	t.Cleanup(func() { ok(t, db.Close()) })
	s := sink.New(sink.Config{Preset: market.Preset, Topics: topics, Kafka: client, DB: db, Log: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	for deadline := time.Now().Add(time.Minute); s.Status().Records < uint64(len(messages)); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the sink has not written the log in a minute")
		}
	}
	stop()
	ok(t, <-ended)
	return db
}

// TestTablesAgree: after a random market with forks the tables agree with each other, in every
// check; and each check notices when a row of either side is changed.
func TestTablesAgree(t *testing.T) {
	engine, err := clickhouse.StartEngine(t.Context(), t.TempDir())
	if errors.Is(err, clickhouse.ErrNoLibrary) {
		t.Skip("the ClickHouse engine is not installed: run `make deps`")
	}
	ok(t, err)
	t.Cleanup(func() { ok(t, engine.Close()) })
	db := stored(t, engine, "traded", trade(3, 120))
	report, err := Cross(t.Context(), db, market.Preset)
	ok(t, err)
	for _, d := range report.Differences {
		t.Error(d)
	}
	for name, n := range report.Compared.Tables {
		if n.Compared != n.Of || n.Of == 0 && !strings.HasPrefix(name, "data") {
			t.Errorf("%s: %+v", name, n)
		}
	}
	if len(report.Compared.Tables) < 30 {
		t.Errorf("only %d checks", len(report.Compared.Tables))
	}
	t.Run("harmed", func(t *testing.T) { harmedTablesDisagree(t, db) })
}

// harmedTablesDisagree changes one row at a time. The harm is undone by a newer row that is
// the earlier one again.
func harmedTablesDisagree(t *testing.T, db driver.Conn) {
	last := func(table, order string) string { return "FROM " + table + " FINAL ORDER BY " + order + " LIMIT 1" }
	one := "(version + 1000000) AS version"
	cases := map[string]struct{ harm, check, says string }{
		"a balance":           {"accounts SELECT * REPLACE (stake + 1 AS stake, " + one + ") " + last("accounts", "address"), "accounts = postings", " stake: expected"},
		"a posting":           {"postings SELECT * REPLACE (amount + 5 AS amount, " + one + ") " + last("postings", "block_number, log_index, idx DESC"), "accounts = postings", ": expected"},
		"a posting alone":     {"postings SELECT * REPLACE (1 AS deleted, " + one + ") " + last("postings", "block_number, log_index, idx"), "0 = postings of an event", "expected 0 in 2, found "},
		"earnings":            {"accounts SELECT * REPLACE (earned + 1 AS earned, " + one + ") " + last("accounts", "address"), "payouts = accounts", " earned: expected"},
		"a payout":            {"payouts SELECT * REPLACE (1 AS deleted, " + one + ") " + last("payouts", "block_number, log_index"), "payouts = accounts", ": expected"},
		"a settlement":        {"settlements SELECT * REPLACE (1 AS deleted, " + one + ") " + last("settlements", "task"), "tasks = settlements", ", found "},
		"a price":             {"settlements SELECT * REPLACE (price + 1 AS price, " + one + ") " + last("settlements", "task"), "tasks = settlements", ": expected "},
		"the subgraph's":      {"subgraph_account SELECT * REPLACE (frozen + 1 AS frozen, " + one + ") " + last("subgraph_account", "id"), "accounts = subgraph_account", " frozen: expected"},
		"completed tasks":     {"subgraph_deal SELECT * REPLACE (completedTasksCount + 1 AS completedTasksCount, " + one + ") " + last("subgraph_deal", "id"), "tasks = subgraph_deal", " completed: expected"},
		"an app's usage":      {"subgraph_app SELECT * REPLACE (usageCount + 1 AS usageCount, " + one + ") " + last("subgraph_app", "id"), "deals = subgraph usage", "app 0x"},
		"a pool's usage":      {"subgraph_workerpool SELECT * REPLACE (usageCount + 1 AS usageCount, " + one + ") " + last("subgraph_workerpool", "id"), "deals = subgraph usage", "workerpool 0x"},
		"deals of all":        {"subgraph_protocol SELECT * REPLACE (dealsCount + 1 AS dealsCount, " + one + ") " + last("subgraph_protocol", "id"), "tables = subgraph_protocol", "deals: expected"},
		"the stake of all":    {"subgraph_protocol SELECT * REPLACE (tvl - 1 AS tvl, " + one + ") " + last("subgraph_protocol", "id"), "tables = subgraph_protocol", "tvl: expected"},
		"a lost event":        {"events SELECT * REPLACE (1 AS deleted, " + one + ") FROM events FINAL WHERE name = 'Lock' ORDER BY block_number LIMIT 1", "events = subgraph", "lock of block"},
		"a lost entity":       {"subgraph_reward SELECT * REPLACE (1 AS deleted, " + one + ") " + last("subgraph_reward", "id"), "events = subgraph", "reward of block"},
		"a task's state":      {"subgraph_task SELECT * REPLACE ('UNSET' AS status, " + one + ") " + last("subgraph_task", "id"), "tables = subgraph", ", found UNSET"},
		"an owner":            {"resources SELECT * REPLACE ('0xff' AS owner, " + one + ") " + last("resources", "address"), "tables = subgraph", "expected 0xff, found 0x"},
		"a sum":               {"series SELECT * REPLACE (0 AS volume, 1 AS deals) FROM series FINAL WHERE dimension = 'ALL' LIMIT 1", "tables = series", " deals: expected"},
		"a task's end":        {"tasks SELECT * REPLACE (ended_at + 86400 AS ended_at, " + one + ") FROM tasks FINAL WHERE status = 'COMPLETED' ORDER BY id LIMIT 1", "tables = series", " completed: expected"},
		"a history":           {"deals_history SELECT * REPLACE (trust + 1 AS trust, " + one + ") " + last("deals_history", "id, block_number DESC"), "deals_history = deals", "expected row"},
		"a lost history":      {"accounts_history SELECT * REPLACE (1 AS deleted, " + one + ") " + last("accounts_history", "address, block_number DESC"), "accounts_history = accounts", "expected row"},
		"a row of a subgraph": {"subgraph_task_history SELECT * REPLACE ('x' AS requester, " + one + ") " + last("subgraph_task_history", "id, block_number DESC"), "subgraph_task_history = subgraph_task", "expected row"},
	}
	checked := map[string]bool{}
	for name, test := range cases {
		table, _, _ := strings.Cut(test.harm, " ")
		checked[test.check] = true
		t.Run(name, func(t *testing.T) {
			ok(t, db.Exec(t.Context(), "CREATE TABLE kept AS "+table))
			ok(t, db.Exec(t.Context(), "INSERT INTO kept SELECT * FROM "+table))
			defer func() {
				ok(t, db.Exec(t.Context(), "EXCHANGE TABLES kept AND "+table))
				ok(t, db.Exec(t.Context(), "DROP TABLE kept"))
			}()
			ok(t, db.Exec(t.Context(), "INSERT INTO "+test.harm))
			found, err := twins(t.Context(), db)
			ok(t, err)
			all := checks(found)
			c := all[slices.IndexFunc(all, func(c check) bool { return c.name == test.check })]
			_, total, different, err := c.look(t.Context(), db, chainID)
			ok(t, err)
			if total == 0 || !slices.ContainsFunc(different, func(d Difference) bool { return strings.Contains(d.String(), test.says) }) {
				t.Errorf("%d differences, none says %q: %.1000v", total, test.says, different)
			}
		})
	}
	for _, c := range checks(nil) {
		if !checked[c.name] {
			t.Errorf("nothing was harmed for %s", c.name)
		}
	}
}
