package subgraph

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// benchTasks is how many tasks the tables hold in benchmarks: each has eleven events or so.
func benchTasks() int {
	if n, err := strconv.Atoi(os.Getenv("ASSAY_BENCH_TASKS")); err == nil {
		return n
	}
	return 20_000
}

// history fills the tables with a market of so many tasks, ten of a deal: all in the way
// that the sink writes it, in batches that ClickHouse has merged only in part.
func history(t testing.TB, conn driver.Conn, tasks int) {
	t.Helper()
	const parts = 8
	id := func(kind, n string) string {
		return "concat('0x', lower(hex(SHA256(concat('" + kind + "', toString(" + n + "))))))"
	}
	address := func(kind, n string) string { return "substring(" + id(kind, n) + ", 1, 42)" }
	deal := "intDiv(number, 10)"
	fill := func(table string, rows int, columns ...string) {
		names, values := []string{}, []string{}
		for _, column := range columns {
			name, value, _ := strings.Cut(column, " = ")
			names, values = append(names, "`"+name+"`"), append(values, value)
		}
		for part := range parts {
			from, to := rows*part/parts, rows*(part+1)/parts
			execute(t, conn, fmt.Sprintf("INSERT INTO subgraph_%s (chain, %s, version) SELECT %d, %s, number + 1 FROM numbers(%d, %d)",
				table, strings.Join(names, ", "), testChain, strings.Join(values, ", "), from, to-from))
		}
	}
	at := func(n string) string { return "1000 + " + n }
	fill("account", 5000, "id = "+address("account", "number"), "balance = number * 1000000007", "frozen = number", "score = number % 100", "block_number = 1000")
	for _, kind := range []string{"app", "dataset"} {
		fill(kind, 1000, "id = "+address(kind, "number"), "owner = "+address("account", "number"), "name = concat('"+kind+" ', toString(number))", "timestamp = number", "block_number = 1000")
	}
	fill("workerpool", 20, "id = "+address("pool", "number"), "owner = "+address("account", "number"), "description = 'pool'", "timestamp = number", "block_number = 1000")
	fill("category", 5, "id = toString(number)", "name = 'category'", "workClockTimeRef = 300", "timestamp = 1", "block_number = 1")
	fill("deal", tasks/10, "id = "+id("deal", "number"), "app = "+address("app", "number % 1000"), "dataset = "+address("dataset", "number % 1000"), "workerpool = "+address("pool", "number % 20"),
		"appOwner = "+address("account", "number % 1000"), "datasetOwner = "+address("account", "number % 1000"), "workerpoolOwner = "+address("account", "number % 20"),
		"requester = "+address("account", "number % 5000"), "beneficiary = "+address("account", "number % 5000"), "callback = "+address("account", "0"), "sponsor = "+address("account", "0"),
		"category = toString(number % 5)", "botSize = 10", "startTime = number", "timestamp = number", "params = '{}'", "tag = '0x01'", "block_number = "+at("number * 10"))
	task := id("task", "number")
	fill("task", tasks, "id = "+task, "deal = "+id("deal", deal), "index = number % 10", "requester = "+address("account", deal+" % 5000"), "status = 'COMPLETED'",
		"contributions = [concat("+task+", '-', "+address("account", "number % 200")+")]", "resultsCallback = '0x'", "timestamp = number", "block_number = "+at("number"))
	fill("contribution", tasks, "id = concat("+task+", '-', "+address("account", "number % 200")+")", "status = 'PROVED'", "timestamp = number", "task = "+task, "worker = "+address("account", "number % 200"), "hash = "+id("h", "number"), "block_number = "+at("number"))
	transaction := id("transaction", "number")
	fill("transaction", tasks, "id = "+transaction, "from = "+address("account", "number % 5000"), "to = "+address("account", "1"), "timestamp = number", "blockNumber = number", "block_number = "+at("number"))
	for i, event := range []string{"task_initialize", "task_contribute", "task_consensus", "task_reveal", "task_finalize"} {
		fill(event, tasks, fmt.Sprintf("id = concat(toString(%s), '-%d')", at("number"), i), "transaction = "+transaction, fmt.Sprintf("timestamp = number * 10 + %d", i), "task = "+task, "block_number = "+at("number"))
	}
	for i, event := range []string{"reward", "seize"} {
		fill(event, tasks, fmt.Sprintf("id = concat(toString(%s), '-1%d')", at("number"), i), "transaction = "+transaction, "timestamp = number", "task = "+task, "account = "+address("account", "number % 200"), "value = number", "block_number = "+at("number"))
	}
	for i, event := range []string{"lock", "unlock", "accurate_contribution"} {
		fill(event, tasks, fmt.Sprintf("id = concat(toString(%s), '-2%d')", at("number"), i), "transaction = "+transaction, "timestamp = number", "account = "+address("account", "number % 200"), "block_number = "+at("number"))
	}
	fill("orders_matched", tasks/10, "id = concat(toString("+at("number * 10")+"), '-0')", "transaction = "+id("transaction", "number * 10"), "timestamp = number", "deal = "+id("deal", "number"), "block_number = "+at("number * 10"))
	head(t, conn, uint64(tasks)+2000, uint64(tasks)+2000)
}

// pages are what an explorer asks for, as the official one does. $n stands for a number
// that differs each time.
var pages = []struct{ name, document string }{
	{"deals", `{ deals(first: 20, skip: $n, orderBy: startTime, orderDirection: desc) { dealid: id startTime botSize completedTasksCount claimedTasksCount app { address: id name } dataset { address: id name } workerpool { address: id description } requester { address: id } beneficiary { address: id } category { workClockTimeRef } } }`},
	{"tasks", `{ tasks(first: 20, skip: $n, orderBy: timestamp, orderDirection: desc) { id status timestamp deal { id app { id name } dataset { id } workerpool { id } requester { id } category { workClockTimeRef } } } }`},
	{"transactions", `{ transactions(first: 20, skip: $n, orderBy: timestamp, orderDirection: desc) { id timestamp blockNumber from { id } to { id } } }`},
	{"task", `{ task(id: "$task") { id status index timestamp deal { id app { id } requester { id } } contributions { id worker { id } } events(orderBy: timestamp, orderDirection: desc) { __typename timestamp transaction { id blockNumber } } } }`},
	{"deal", `{ deal(id: "$deal") { id startTime app { id name } dataset { id name } workerpool { id description } requester { id } beneficiary { id } callback { id } tasks(first: 20, orderBy: index) { id index status } events(orderBy: timestamp, orderDirection: desc) { __typename timestamp transaction { id } } } }`},
	{"account", `{ account(id: "$account") { id balance frozen score contributions(first: 20, orderBy: task__timestamp, orderDirection: desc) { id task { id status } } dealRequester(first: 20, orderBy: startTime, orderDirection: desc) { id startTime } } }`},
	{"callbacks", `{ tasks(where: {resultsCallback_not: "0x", status: "COMPLETED", deal_: {dataset: "$dataset"}}) { resultsCallback } }`},
}

// fillIn puts numbers and ids in a page's places.
func fillIn(t testing.TB, conn driver.Conn, document string, n int) string {
	t.Helper()
	pick := func(table string) string {
		if !strings.Contains(document, "$"+table) {
			return ""
		}
		var id string
		if err := conn.QueryRow(t.Context(), fmt.Sprintf("SELECT id FROM subgraph_%s ORDER BY cityHash64(id, %d) LIMIT 1", table, n)).Scan(&id); err != nil {
			t.Fatal(err)
		}
		return id
	}
	var places []string
	for _, table := range []string{"task", "deal", "dataset", "account"} {
		places = append(places, "$"+table, pick(table))
	}
	return strings.NewReplacer(append(places, "$n", strconv.Itoa(n))...).Replace(document)
}

// BenchmarkPages measures what an explorer's pages cost beside the cheapest statement
// there is, in the same database: x/select1 is how many of those one page takes, in time of
// the processor, the engine's included.
func BenchmarkPages(b *testing.B) {
	db := &counted{Conn: newDatabase(b)}
	history(b, db, benchTasks())
	server := newEndpoint(b, db, poco)
	const ones = 500
	start := processor(b)
	for range ones {
		var one []struct{ One uint8 }
		if err := db.Select(b.Context(), &one, "SELECT 1 AS One"); err != nil {
			b.Fatal(err)
		}
	}
	yardstick := (processor(b) - start) / ones
	for _, page := range pages {
		b.Run(page.name, func(b *testing.B) {
			var took []time.Duration
			documents := make([]string, b.N)
			for i := range documents {
				documents[i] = fillIn(b, db, page.document, i%200)
			}
			before, start := db.statements.Load(), processor(b)
			b.ResetTimer()
			for _, document := range documents {
				began := time.Now()
				if r := ask(b, server, document, nil); len(r.Errors) > 0 {
					b.Fatal(document, r.Errors)
				}
				took = append(took, time.Since(began))
			}
			b.StopTimer()
			spent := (processor(b) - start) / time.Duration(b.N)
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(spent.Microseconds())/1000, "cpu-ms/op")
			b.ReportMetric(float64(spent)/float64(yardstick), "x/select1")
			b.ReportMetric(float64(db.statements.Load()-before)/float64(b.N), "statements/op")
		})
	}
}

// processor is the time of the processor that this process and its children, of which the
// engine is one, have used.
func processor(t testing.TB) time.Duration {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	processes := []string{"self"}
	for _, task := range tasks {
		children, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended
		}
		processes = append(processes, strings.Fields(string(children))...)
	}
	const tick, user = 10 * time.Millisecond, 11 // place of utime after the name, in clock ticks of 1/100 s
	var sum time.Duration
	for _, process := range processes {
		stat, err := os.ReadFile("/proc/" + process + "/stat")
		if err != nil {
			t.Skip("needs Linux: ", err)
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		for _, field := range strings.Fields(rest)[user : user+2] {
			ticks, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			sum += time.Duration(ticks) * tick
		}
	}
	return sum
}
