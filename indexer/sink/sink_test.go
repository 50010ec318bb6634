package sink

import (
	"context"
	"errors"
	"io"
	"math/big"
	"math/rand"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"assay/indexer/internal/market"
	"assay/indexer/projection"
	"assay/indexer/projection/table"
	"assay/schema/assaypb"
)

// play makes a market's log with forks, and the log of its final chain.
func play(seed int64, steps int) (m *market.Market, forked, fresh *market.Log) {
	rng := rand.New(rand.NewSource(seed))
	m, forked = market.New(rng.Intn), &market.Log{}
	for range steps {
		if rng.Intn(4) == 0 {
			forked.Fork(m, 1+rng.Intn(5))
		}
		forked.Block(m.Grow(10))
		forked.Mark(m, 12)
	}
	forked.Mark(m, 0) // as in the fresh one
	return m, forked, market.Fresh(m, 0)
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	seen := map[string]bool{}
	for _, line := range strings.Split(want, "\n") {
		seen[line] = true
	}
	for _, line := range strings.Split(got, "\n") {
		if !seen[line] {
			t.Errorf("%s: unexpected %s", what, line)
		}
	}
	t.Fatalf("%s: the tables differ (%d and %d bytes)", what, len(got), len(want))
}

// TestTablesAreTheFinalChains: forks and repeated records leave no trace in the database.
func TestTablesAreTheFinalChains(t *testing.T) {
	c := broker(t)
	m, forked, fresh := play(1, 40)
	fill(t, c, topicsOf("forked"), forked.Records, func(i int) bool { return i%5 == 3 })
	fill(t, c, topicsOf("fresh"), fresh.Records, never)
	forkedDB, freshDB := database(t, "forked"), database(t, "fresh")
	settle(t, newSink(c, forkedDB, topicsOf("forked")))
	settle(t, newSink(c, freshDB, topicsOf("fresh")))
	same(t, "after forks", dump(t, forkedDB, false), dump(t, freshDB, false))

	var events int
	for _, block := range m.Blocks {
		events += len(block.Events)
	}
	if got := len(texts(t, forkedDB, "SELECT args FROM events FINAL")); got != events || events == 0 {
		t.Errorf("%d events are in the database, the chain has %d", got, events)
	}
	if sum := texts(t, forkedDB, "SELECT toString(sum(amount)) FROM postings FINAL"); sum[0] != "0" || count(t, forkedDB, "settlement_lines") == 0 {
		t.Errorf("postings add up to %s nRLC", sum[0])
	}
	if head := newest(t, forkedDB); head != m.Head().Number {
		t.Errorf("the database's head is %d, the chain's %d", head, m.Head().Number)
	}
}

func newest(t *testing.T, db driver.Conn) (head uint64) {
	t.Helper()
	ok(t, db.QueryRow(context.Background(), "SELECT head_number FROM heads FINAL").Scan(&head))
	return head
}

// TestStoppingAnywhereChangesNothing stops the sink again and again while it writes, in
// the middle of batches, and compares with one that was left alone.
func TestStoppingAnywhereChangesNothing(t *testing.T) {
	c := broker(t)
	topics := topicsOf("stopped")
	_, forked, fresh := play(2, 25)
	fill(t, c, topics, forked.Records, never)
	decide(t, c, topics, 30)
	calm, stopped := database(t, "calm"), database(t, "stopped")
	settle(t, newSink(c, calm, topics))

	rng := rand.New(rand.NewSource(2))
	points := 0
	for point := 0; point < 120; point += 1 + rng.Intn(12) { // a batch has some sixty inserts
		s := newSink(c, stopped, topics)
		s.maxRows = 1 + rng.Intn(2000) // what was begun is not cut anew
		ctx, cancel := context.WithCancel(context.Background())
		s.writer.db = &flaky{Conn: stopped, fail: failAfter(point, cancel), after: tear(int64(point))}
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		eventually(t, "it is stopped or has nothing left to do", func() bool { return ctx.Err() != nil || atEnd(t, s) })
		cancel()
		ok(t, <-done)
		if points++; atEnd(t, s) {
			break
		}
	}
	if points < 5 {
		t.Errorf("it was stopped only %d times", points)
	}
	settle(t, newSink(c, stopped, topics))
	same(t, "after restarts", dump(t, stopped, true), dump(t, calm, true))
	sumsAreTheRows(t, stopped)

	straight := database(t, "straight")
	fill(t, c, topicsOf("straight"), fresh.Records, never)
	settle(t, newSink(c, straight, topicsOf("straight")))
	same(t, "of the log and the chain that is left", withoutDecisions(dump(t, stopped, false)), withoutDecisions(dump(t, straight, false)))
}

// withoutDecisions drops the rows of the decisions log from a dump.
func withoutDecisions(dump string) string {
	before, rest, _ := strings.Cut(dump, "decisions\n")
	_, after, _ := strings.Cut(rest, "attestations\n")
	return before + after
}

// sumsAreTheRows compares series with sums over the rows that it is derived from.
func sumsAreTheRows(t *testing.T, db driver.Conn) {
	t.Helper()
	for measure, rows := range map[string]string{
		"ALL deals":                    "SELECT toString(count()) FROM deals FINAL",
		"ALL tasks":                    "SELECT toString(sum(bot_size)) FROM deals FINAL",
		"ALL initialized":              "SELECT toString(count()) FROM events FINAL WHERE name = 'TaskInitialize'",
		"ALL completed":                "SELECT toString(count()) FROM settlements FINAL WHERE call != 'CLAIM'",
		"ALL claimed":                  "SELECT toString(count()) FROM settlements FINAL WHERE call = 'CLAIM'",
		"ALL contributions":            "SELECT toString(count()) FROM events FINAL WHERE name = 'TaskContribute'",
		"ALL accurate":                 "SELECT toString(count()) FROM events FINAL WHERE name = 'AccurateContribution'",
		"ALL faulty":                   "SELECT toString(count()) FROM events FINAL WHERE name = 'FaultyContribution'",
		"ALL volume":                   "SELECT toString(sum(price)) FROM settlements FINAL WHERE call != 'CLAIM'",
		"ALL refunded":                 "SELECT toString(sum(price)) FROM settlements FINAL WHERE call = 'CLAIM'",
		"ALL earned_workers":           "SELECT toString(sum(amount)) FROM payouts FINAL WHERE kind = 'REWARD' AND role = 'WORKER'",
		"WORKER earned_workers":        "SELECT toString(sum(amount)) FROM payouts FINAL WHERE kind = 'REWARD' AND role = 'WORKER'",
		"WORKERPOOL earned_workerpool": "SELECT toString(sum(amount)) FROM payouts FINAL WHERE kind = 'REWARD' AND role = 'WORKERPOOL'",
		"APP earned_app":               "SELECT toString(sum(amount)) FROM payouts FINAL WHERE kind = 'REWARD' AND role = 'APP'",
		"DATASET earned_dataset":       "SELECT toString(sum(amount)) FROM payouts FINAL WHERE kind = 'REWARD' AND role = 'DATASET'",
		"REQUESTER seized":             "SELECT toString(sum(amount)) FROM payouts FINAL WHERE kind = 'SEIZE' AND role IN ('WORKER', 'WORKERPOOL')",
		"CATEGORY kitty_in":            "SELECT toString(sum(kitty_fill)) FROM settlements FINAL",
		"CATEGORY kitty_out":           "SELECT toString(sum(kitty_draw)) FROM settlements FINAL",
		"TAG tasks":                    "SELECT toString(sum(bot_size)) FROM deals FINAL",
		"TEE completed":                "SELECT toString(count()) FROM settlements FINAL WHERE call != 'CLAIM'",
		"ALL latency":                  "SELECT toString(sum(dateDiff('second', start_time, time))) FROM settlements AS s FINAL JOIN (SELECT id, start_time FROM deals FINAL) AS d ON s.deal = d.id WHERE call != 'CLAIM'",
	} {
		dimension, counted, _ := strings.Cut(measure, " ")
		got := texts(t, db, "SELECT toString(sum("+counted+")) FROM series WHERE dimension = '"+dimension+"'")[0]
		if want := texts(t, db, rows)[0]; got != want {
			t.Errorf("%s add up to %s, the rows to %s", measure, got, want)
		}
	}
	of := func(dimension, key string) {
		t.Helper()
		got := texts(t, db, "SELECT concat(key, ' ', toString(sum(tasks))) FROM series WHERE dimension = '"+dimension+"' GROUP BY key HAVING sum(tasks) != 0 ORDER BY key") // what was taken back leaves zeros
		want := texts(t, db, "SELECT concat("+key+" AS of, ' ', toString(sum(bot_size))) FROM deals FINAL GROUP BY of ORDER BY of")
		if !slices.Equal(got, want) {
			t.Errorf("tasks of each %s add up to %v, the rows to %v", dimension, got, want)
		}
	}
	of("TAG", "tag")
	of("TEE", "multiIf(match(tag, '[02468ace]$'), 'NONE', endsWith(tag, '3'), 'SCONE', endsWith(tag, '5'), 'GRAMINE', endsWith(tag, '9'), 'TDX', 'OTHER')")
}

// TestSumsByTag: a deal counts for its tag, and for the framework that the tag's lowest four bits
// name; of a deal that is not known nobody knows either.
func TestSumsByTag(t *testing.T) {
	db := database(t, "tags")
	var rows []projection.Measure
	for i, tag := range append(strings.Split("0123456789abcdef", ""), "13", "") {
		if tag != "" {
			tag = "0x" + strings.Repeat("0", 64-len(tag)) + tag
		}
		m := projection.Measure{Chain: 1, Time: time.Unix(3_600, 0), Tag: tag, Tasks: 1 << i}
		for _, sum := range []**big.Int{&m.Volume, &m.Refunded, &m.EarnedWorkers, &m.EarnedWorkerpool, &m.EarnedApp, &m.EarnedDataset, &m.Seized, &m.KittyIn, &m.KittyOut} {
			*sum = new(big.Int)
		}
		rows = append(rows, m)
	}
	store(t, db, table.Of("measures", rows))
	got := texts(t, db, "SELECT concat(key, ' ', toString(sum(tasks))) FROM series WHERE dimension = 'TEE' GROUP BY key ORDER BY key")
	want := []string{"GRAMINE 32", "NONE 21845", "OTHER 43138", "SCONE 65544", "TDX 512"}
	if !slices.Equal(got, want) {
		t.Errorf("tasks of each framework add up to %v, want %v", got, want)
	}
	if tags := texts(t, db, "SELECT key FROM series WHERE dimension = 'TAG' GROUP BY key"); len(tags) != 17 {
		t.Errorf("%d tags have sums, want 17", len(tags))
	}
}

// failAfter lets some inserts pass; the next one is done or not, its answer is lost, and
// the sink is stopped.
func failAfter(inserts int, stop func()) func() fault {
	var mu sync.Mutex
	return func() fault {
		mu.Lock()
		defer mu.Unlock()
		if inserts--; inserts >= 0 {
			return works
		}
		stop()
		return []fault{lost, answerLost, torn}[-inserts%3]
	}
}

// tear says after how many bytes inserts break off: in the names of the columns, in rows, or
// never, if they are shorter.
func tear(seed int64) func() int64 {
	rng := rand.New(rand.NewSource(seed))
	var mu sync.Mutex
	return func() int64 {
		mu.Lock()
		defer mu.Unlock()
		return 1 + rng.Int63n(1<<(4+rng.Intn(10)))
	}
}

// TestUncertainInsertsAreStoredOnce loses answers, requests and ends of rows: what is tried
// again is recognised by its token if it was stored, and of what broke off nothing is left.
func TestUncertainInsertsAreStoredOnce(t *testing.T) {
	c := broker(t)
	topics := topicsOf("uncertain")
	_, _, fresh := play(3, 30)
	fill(t, c, topics, fresh.Records, never)
	decide(t, c, topics, 10)
	calm, uncertain := database(t, "calm"), database(t, "uncertain")
	settle(t, newSink(c, calm, topics))
	s := newSink(c, uncertain, topics)
	var n int
	var mu sync.Mutex
	s.writer.db = &flaky{Conn: uncertain, after: tear(3), fail: func() fault {
		mu.Lock()
		defer mu.Unlock()
		n++
		return []fault{answerLost, works, torn, lost, works, torn, works}[n%7]
	}}
	settle(t, s)
	same(t, "after uncertain inserts", dump(t, uncertain, true), dump(t, calm, true))
	for _, table := range []string{"events", "payouts", "blocks", "decisions"} { // tables whose rows never have two versions here
		if got, want := count(t, uncertain, table), count(t, calm, table); got != want {
			t.Errorf("%s stores %d rows, want %d", table, got, want)
		}
	}
	if s.Status().Errors == 0 {
		t.Error("no failure was counted")
	}
}

// TestOfTwoSinksOneStops has two sinks write one database by mistake, while the log grows.
func TestOfTwoSinksOneStops(t *testing.T) {
	c := broker(t)
	topics := topicsOf("two")
	m, forked, _ := play(7, 10)
	fill(t, c, topics, forked.Records, never)
	db, calm := database(t, "two"), database(t, "calm")
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 2)
	for i := range 2 {
		s := newSink(c, db, topics)
		s.maxRows = 100 + 50*i
		go func() { stopped <- s.Run(ctx) }()
	}
	log := &market.Log{Records: forked.Records}
	var first error
	eventually(t, "one of them stops", func() bool {
		written := len(log.Records)
		log.Block(m.Grow(5))
		log.Mark(m, 12)
		for _, record := range log.Records[written:] {
			ok(t, c.Append(context.Background(), topics.Log, encode(t, "chain", record)))
		}
		select {
		case first = <-stopped:
			return true
		case <-time.After(100 * time.Millisecond): // the time of a block
			return false
		}
	})
	var fenced *FencedError
	if !errors.As(first, &fenced) || !strings.Contains(first.Error(), "this one stops") {
		t.Fatalf("the one that stopped says %v", first)
	}
	eventually(t, "the other goes on", func() bool { return atEnd(t, newSink(c, db, topics)) })
	cancel()
	ok(t, <-stopped)
	settle(t, newSink(c, calm, topics))
	same(t, "after two sinks", dump(t, db, true), dump(t, calm, true))
	sumsAreTheRows(t, db)
}

// asleep is a connection whose first insert of sums is lost, and which knows of it.
type asleep struct {
	driver.Conn
	lost chan struct{}
	once sync.Once
}

func (a *asleep) InsertFormat(ctx context.Context, format, query string, data io.Reader) (err error) {
	if strings.Contains(query, sums) {
		a.once.Do(func() {
			close(a.lost)
			err = errors.New("connection reset")
		})
	}
	if err != nil {
		return err
	}
	return a.Conn.InsertFormat(ctx, format, query, data)
}

// TestASinkThatSleptAddsNothingTwice has a sink fall asleep before it tries again to add to
// the sums, until another has written its batch and so many more that the database has
// forgotten that batch's token.
func TestASinkThatSleptAddsNothingTwice(t *testing.T) {
	c := broker(t)
	topics := topicsOf("slept")
	_, forked, _ := play(11, 12)
	fill(t, c, topics, forked.Records, never)
	db := database(t, "slept")
	ok(t, db.Exec(t.Context(), "ALTER TABLE series MODIFY SETTING non_replicated_deduplication_window = 1"))
	sleeper, conn, wake := newSink(c, db, topics), &asleep{Conn: db, lost: make(chan struct{})}, make(chan struct{})
	sleeper.writer.db = conn
	sleeper.writer.pause = func(int) time.Duration { <-wake; return 0 }
	stopped := make(chan error, 1)
	go func() { stopped <- sleeper.Run(t.Context()) }()
	<-conn.lost
	other := newSink(c, db, topics)
	other.maxRows = 100
	settle(t, other)
	close(wake)
	var fenced *FencedError
	if err := <-stopped; !errors.As(err, &fenced) {
		t.Errorf("the one that slept says %v", err)
	}
	sumsAreTheRows(t, db)
}

// TestLiveRecordsAreVisibleAtOnce measures from append to visible.
func TestLiveRecordsAreVisibleAtOnce(t *testing.T) {
	c := broker(t)
	topics := topicsOf("live")
	m, forked, _ := play(4, 5)
	fill(t, c, topics, forked.Records, never)
	db := database(t, "live")
	s := newSink(c, db, topics)
	start(t, s)
	log := &market.Log{Records: forked.Records}
	var worst time.Duration
	for range 20 {
		written := len(log.Records)
		log.Block(m.Grow(10))
		log.Mark(m, 12)
		begun := time.Now()
		for _, record := range log.Records[written:] {
			ok(t, c.Append(context.Background(), topics.Log, encode(t, "chain", record)))
		}
		eventually(t, "the head is visible", func() bool { return s.Status().Head == m.Head().Number })
		worst = max(worst, time.Since(begun))
	}
	if got := newest(t, db); got != m.Head().Number {
		t.Errorf("the database's head is %d, want %d", got, m.Head().Number)
	}
	t.Logf("slowest of 20: %s", worst)
	if worst > 10*time.Second { // far above what it takes, so that a busy machine does not fail it
		t.Errorf("it took %s", worst)
	}
}

// TestRefusals lists what ends a sink at once, and how it says so.
func TestRefusals(t *testing.T) {
	c := broker(t)
	_, _, fresh := play(5, 5)
	run := func(name string, records []*assaypb.ChainRecord, prepare func(driver.Conn)) error {
		topics := topicsOf(name)
		fill(t, c, topics, records, never)
		db := database(t, name)
		if prepare != nil {
			prepare(db)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		return newSink(c, db, topics).Run(ctx)
	}
	cases := map[string]struct {
		records []*assaypb.ChainRecord
		prepare func(driver.Conn)
		says    string
	}{
		"gap":    {records: append(fresh.Records[:2:2], fresh.Records[3:]...), says: "record 2 is missing"},
		"behind": {records: fresh.Records[:1], prepare: exec(t, "INSERT INTO progress VALUES (31337, 'assay.behind.log', 0, 99)"), says: "filled from another log"},
		"begun":  {records: fresh.Records[:1], prepare: exec(t, "INSERT INTO plans VALUES (31337, 'assay.begun.log', 0, 1, 0, 99, 'x', now())"), says: "filled from another log"},
		"summed": {records: fresh.Records, prepare: func(db driver.Conn) {
			exec(t, "INSERT INTO plans VALUES (31337, 'assay.summed.log', 0, 7, 50, 99, 'x', now())")(db)
			exec(t, "INSERT INTO series (chain, deals) VALUES (31337, 1)")(db)
		}, says: "series holds the sums"},
		"column":  {records: fresh.Records, prepare: exec(t, "ALTER TABLE events DROP COLUMN emitter"), says: "no column events.emitter"},
		"refused": {records: fresh.Records, prepare: exec(t, "ALTER TABLE events ADD CONSTRAINT never CHECK log_index > 100000"), says: "never"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := run(name, c.records, c.prepare)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, want an error that says %q", err, c.says)
			}
		})
	}
}

func exec(t *testing.T, statement string) func(driver.Conn) {
	return func(db driver.Conn) { ok(t, db.Exec(context.Background(), statement)) }
}

// TestGarbageStops: a record that is no message is nobody's to skip.
func TestGarbageStops(t *testing.T) {
	c := broker(t)
	topics := topicsOf("garbage")
	fill(t, c, topics, nil, never)
	message := encode(t, "x", &assaypb.Decision{})
	message.Value = []byte("not a message")
	ok(t, c.Append(context.Background(), topics.Decisions, message))
	err := newSink(c, database(t, "db"), topics).Run(context.Background())
	if err == nil || !strings.Contains(err.Error(), topics.Decisions) {
		t.Fatalf("got %v", err)
	}
}

func TestTemporary(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{errors.New("connection refused"), true},
		{&clickhouse.Exception{Code: 252}, true},  // too many parts
		{&clickhouse.Exception{Code: 16}, false},  // no such column
		{&clickhouse.Exception{Code: 469}, false}, // violated constraint
		{&rowError{errors.New("out of range")}, false},
	} {
		if got := temporary(c.err); got != c.want {
			t.Errorf("%v: temporary %v, want %v", c.err, got, c.want)
		}
	}
}

// fault is what becomes of an insert.
type fault int

const (
	works      fault = iota
	lost             // it does not arrive
	answerLost       // it is done, but nobody says so
	torn             // its rows break off
)

// flaky is a connection whose inserts fail as fail says.
type flaky struct {
	driver.Conn
	fail  func() fault
	after func() int64 // bytes of its rows an insert is torn
}

func (f *flaky) InsertFormat(ctx context.Context, format, query string, data io.Reader) error {
	what := f.fail()
	switch what {
	case lost:
		return errors.New("connection reset")
	case torn:
		data = io.MultiReader(io.LimitReader(data, f.after()), iotest.ErrReader(errors.New("connection reset")))
	}
	if err := f.Conn.InsertFormat(ctx, format, query, data); err != nil {
		return err
	}
	if what == answerLost {
		return errors.New("connection reset")
	}
	return nil
}

// TestAnOlderDatabaseIsFilled: a database that was written before there was a ledger gets
// its rows when it is migrated.
func TestAnOlderDatabaseIsFilled(t *testing.T) {
	c, topics, ctx := broker(t), topicsOf("older"), context.Background()
	_, forked, _ := play(6, 20)
	fill(t, c, topics, forked.Records, never)
	decide(t, c, topics, 5)
	fresh, older := database(t, "fresh"), database(t, "older")
	settle(t, newSink(c, fresh, topics))
	settle(t, newSink(c, older, topics))
	for _, statement := range []string{
		"DROP TABLE postings", "DROP TABLE settlements", "DROP TABLE settlement_lines", "DROP TABLE measures_to_series", "DROP TABLE series",
		"TRUNCATE TABLE deals_history", "DROP TABLE subgraph_deal_to_history", "DROP TABLE subgraph_deal", "DELETE FROM goose_db_version WHERE version_id >= 2",
	} {
		ok(t, older.Exec(ctx, statement))
	}
	if err := newSink(c, older, topics).Run(ctx); err == nil || !strings.Contains(err.Error(), "migrate it first") {
		t.Fatalf("before it is migrated: %v", err)
	}
	database(t, "older")
	settle(t, newSink(c, older, topics))
	same(t, "after the migration", dump(t, older, true), dump(t, fresh, true))
}
