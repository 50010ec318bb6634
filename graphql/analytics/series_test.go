package analytics

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"pgregory.net/rapid"

	"assay/graphql/analytics/model"
)

// The columns of series: whole numbers, and amounts.
var (
	countColumns  = []string{"deals", "tasks", "initialized", "completed", "claimed", "contributions", "accurate", "faulty", "latency"}
	amountColumns = []string{"volume", "refunded", "earned_workers", "earned_workerpool", "earned_app", "earned_dataset", "seized", "kitty_in", "kitty_out"}
	dimensions    = map[string][]string{
		"ALL": {""}, "WORKERPOOL": {pool(0), pool(1), pool(2)}, "WORKER": {worker(0), worker(1), worker(2), worker(3)},
		"APP": {app(0), app(1)}, "DATASET": {address(5)}, "REQUESTER": {requester(0), requester(1), requester(2)}, "CATEGORY": {"0", "4"}, "TAG": {hash(0), hash(3)}, "TEE": {"NONE", "SCONE"},
	}
)

// field is a column's name in the API.
func field(column string) string {
	parts := strings.Split(column, "_")
	for i, part := range parts[1:] {
		parts[i+1] = strings.ToUpper(part[:1]) + part[1:]
	}
	return strings.Join(parts, "")
}

// fillSeries writes random sums of hours over some months, in several parts, some of them
// taken back again.
func fillSeries(t testing.TB, conn driver.Conn, seed uint64) []row {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	var rows, back []row
	for range 600 {
		dimension := oneOf(r, slices.Sorted(maps.Keys(dimensions)))
		one := row{
			"chain": oneOf(r, chains), "dimension": dimension, "key": oneOf(r, dimensions[dimension]),
			"hour": start.AddDate(0, r.IntN(7), r.IntN(3)).Add(time.Duration(r.IntN(30)) * time.Hour),
		}
		negative := maps.Clone(one)
		for _, column := range countColumns {
			n := int64(r.IntN(4))
			one[column], negative[column] = n, -n
		}
		for _, column := range amountColumns {
			n := big.NewInt(r.Int64N(1e18))
			n.Mul(n, big.NewInt(int64(r.IntN(3)))).Lsh(n, uint(r.IntN(60)))
			one[column], negative[column] = n, new(big.Int).Neg(n)
		}
		rows = append(rows, one)
		if r.IntN(6) == 0 {
			back = append(back, one, negative)
		}
	}
	insert(t, conn, "series", append(rows, back...)...)
	for _, chain := range chains {
		insert(t, conn, "heads", headRow(chain, 1000))
	}
	return rows
}

// asked is which sums are asked for.
type asked struct {
	dimension    string
	key          *string
	chain        *uint64
	since, until *time.Time
}

func drawAsked(t *rapid.T) asked {
	a := asked{dimension: rapid.SampledFrom(slices.Sorted(maps.Keys(dimensions))).Draw(t, "of")}
	if a.dimension != "ALL" {
		key := rapid.SampledFrom(dimensions[a.dimension]).Draw(t, "key")
		a.key = &key
	}
	if rapid.Bool().Draw(t, "with chain") {
		chain := rapid.SampledFrom(chains).Draw(t, "chain")
		a.chain = &chain
	}
	moment := func(name string) *time.Time {
		if rapid.IntRange(0, 2).Draw(t, "with "+name) > 0 {
			return nil
		}
		m := start.AddDate(0, 0, rapid.IntRange(0, 200).Draw(t, name)).Add(time.Duration(rapid.IntRange(0, 23).Draw(t, name+" hour")) * time.Hour)
		return &m
	}
	a.since, a.until = moment("since"), moment("until")
	return a
}

func (a asked) variables() map[string]any {
	return map[string]any{"of": a.dimension, "key": a.key, "chain": a.chain, "since": a.since, "until": a.until}
}

func (a asked) covers(r row) bool {
	hour := as[time.Time](r["hour"])
	return r["dimension"] == a.dimension && (a.key == nil || r["key"] == *a.key) && (a.chain == nil || r["chain"] == *a.chain) &&
		(a.since == nil || !hour.Before(*a.since)) && (a.until == nil || hour.Before(*a.until))
}

// groupSums adds up the rows that are asked for, by a name of theirs.
func groupSums[K comparable](rows []row, a asked, name func(row) K) map[K]map[string]*big.Int {
	sums := make(map[K]map[string]*big.Int)
	for _, r := range rows {
		if !a.covers(r) {
			continue
		}
		if sums[name(r)] == nil {
			sums[name(r)] = make(map[string]*big.Int)
		}
		for _, column := range append(countColumns, amountColumns...) {
			value, isAmount := r[column].(*big.Int)
			if !isAmount {
				value = big.NewInt(as[int64](r[column]))
			}
			if sums[name(r)][column] == nil {
				sums[name(r)][column] = new(big.Int)
			}
			sums[name(r)][column].Add(sums[name(r)][column], value)
		}
	}
	return sums
}

const measureFields = ` deals tasks initialized completed claimed contributions accurate faulty successRate accuracy meanLatency
	volume refunded earnedWorkers earnedWorkerpool earnedApp earnedDataset seized kittyIn kittyOut volumeRLC kittyOutRLC `

// checkMeasures compares measures with sums; none stand for nothing.
func checkMeasures(t tester, got map[string]any, sums map[string]*big.Int) {
	t.Helper()
	sum := func(column string) *big.Int {
		if sums[column] == nil {
			return new(big.Int)
		}
		return sums[column]
	}
	for _, column := range append(countColumns, amountColumns...) {
		if column == "latency" {
			continue
		}
		if text := fmt.Sprint(got[field(column)]); text != sum(column).String() {
			t.Fatalf("%s is %s, want %s", column, text, sum(column))
		}
	}
	rate := func(above, below *big.Int, decimals int) any {
		if below.Sign() == 0 {
			return nil
		}
		exact := new(big.Rat).SetFrac(above, below)
		for scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil); ; {
			whole := new(big.Int).Quo(new(big.Int).Mul(exact.Num(), scale), exact.Denom())
			return new(big.Rat).SetFrac(whole, scale).FloatString(decimals)
		}
	}
	for name, want := range map[string]any{
		"successRate": rate(sum("completed"), new(big.Int).Add(sum("completed"), sum("claimed")), 6),
		"accuracy":    rate(sum("accurate"), new(big.Int).Add(sum("accurate"), sum("faulty")), 6),
		"meanLatency": rate(sum("latency"), sum("completed"), 3),
	} {
		if got[name] != want {
			t.Fatalf("%s is %v, want %v", name, got[name], want)
		}
	}
	for name, column := range map[string]string{"volumeRLC": "volume", "kittyOutRLC": "kitty_out"} {
		text, ok := new(big.Rat).SetString(as[string](got[name]))
		if !ok || text.Cmp(new(big.Rat).SetFrac(sum(column), big.NewInt(1e9))) != 0 {
			t.Fatalf("%s is %v, want %s / 10^9", name, got[name], sum(column))
		}
	}
}

// periodOf is the beginning of the period of an hour, by the calendar.
func periodOf(step string, t time.Time) time.Time {
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	switch step {
	case "HOUR":
		return t
	case "DAY":
		return day
	case "WEEK":
		for day.Weekday() != time.Monday {
			day = day.AddDate(0, 0, -1)
		}
		return day
	}
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// Sums, period by period and in all, are those of a look at each row.
func TestSeries(t *testing.T) {
	conn := newDatabase(t)
	rows := fillSeries(t, conn, 1)
	server := newServer(t, conn)
	check(t, func(t *rapid.T) {
		a := drawAsked(t)
		step := rapid.SampledFrom([]string{"HOUR", "DAY", "WEEK", "MONTH"}).Draw(t, "step")
		checkSeries(t, server, rows, a, step)
		if a.dimension == "ALL" {
			answer := get[struct{ Overview map[string]any }](t, server,
				`query($chain: Uint64, $since: Time, $until: Time) { overview(chain: $chain, since: $since, until: $until) {`+measureFields+`} }`, a.variables())
			checkMeasures(t, answer.Overview, groupSums(rows, a, func(row) int { return 0 })[0])
		}
	})
}

// What is asked for alone is what it is among all others, by whatever name and fragment.
func TestMeasuresByThemselves(t *testing.T) {
	conn := newDatabase(t)
	fillSeries(t, conn, 9)
	insert(t, conn, "resources", row{"chain": uint64(7), "kind": "WORKERPOOL", "address": pool(0)})
	server := newServer(t, conn)
	type answer struct {
		Overview map[string]any
		Series   struct {
			Nodes []struct{ Measures map[string]any }
		}
		Pool struct {
			Measures map[string]any
			Series   struct {
				Edges []struct{ Node struct{ Sums map[string]any } }
			}
		}
	}
	ask := func(fields string) answer {
		return get[answer](t, server, `{ overview { ...some } series(step: MONTH, first: 20) { nodes { measures { ...some } } }
			pool: workerpool(chain: 7, address: "`+pool(0)+`") { measures { __typename ... on Measures { `+fields+` } } series(step: MONTH, first: 20) { edges { node { sums: measures { ...some } } } } } }
			fragment some on Measures { `+fields+` }`, nil)
	}
	fields := get[struct {
		Type struct{ Fields []struct{ Name string } }
	}](t, server, `{ type: __type(name: "Measures") { fields { name } } }`, nil).Type.Fields
	var names []string
	for _, field := range fields {
		names = append(names, field.Name)
	}
	all, none := ask(strings.Join(names, " ")), ask("__typename")
	if len(names) < 29 || len(all.Series.Nodes) < 3 || len(all.Pool.Series.Edges) < 3 || len(none.Series.Nodes) != len(all.Series.Nodes) {
		t.Fatalf("%d fields, %d months, %d of the pool", len(names), len(all.Series.Nodes), len(all.Pool.Series.Edges))
	}
	for _, name := range names {
		alone := ask("it: " + name)
		same := func(where string, alone, all map[string]any) {
			t.Helper()
			if alone["it"] != all[name] {
				t.Errorf("%s of %s is %v alone, %v among others", name, where, alone["it"], all[name])
			}
		}
		same("all", alone.Overview, all.Overview)
		same("the pool", alone.Pool.Measures, all.Pool.Measures)
		for i := range all.Series.Nodes {
			same("a month", alone.Series.Nodes[i].Measures, all.Series.Nodes[i].Measures)
		}
		for i := range all.Pool.Series.Edges {
			same("the pool's month", alone.Pool.Series.Edges[i].Node.Sums, all.Pool.Series.Edges[i].Node.Sums)
		}
	}
}

// Series that are asked for at the same time are read together, of each kind with one
// statement, and everyone gets their own.
func TestSeriesTogether(t *testing.T) {
	conn := newDatabase(t)
	rows := fillSeries(t, conn, 11)
	db := &counted{Conn: conn}
	of := func(dimension, key string, chain uint64) asked {
		return asked{dimension: dimension, key: &key, chain: &chain}
	}
	var all []pointsAsked
	want := map[pointsAsked]int{}
	for dimension, keys := range dimensions {
		for _, key := range keys {
			for _, chain := range chains {
				months := groupSums(rows, of(dimension, key, chain), func(r row) time.Time { return periodOf("MONTH", as[time.Time](r["hour"])) })
				one := pointsAsked{pointsKind{dimension: dimension, step: "MONTH", columns: "toDateTime(toStartOfMonth(hour), 'UTC') AS start", first: 3}, model.Key{Chain: chain, ID: key}}
				all, want[one] = append(all, one), min(len(months), 4)
			}
		}
	}
	found, err := newPoints(newReader(db)).Get(t.Context(), all...)
	if err != nil {
		t.Fatal(err)
	}
	for one, n := range want {
		if len(found[one]) != n {
			t.Errorf("%s %s on %d: %d months, want %d", one.dimension, one.of.ID, one.of.Chain, len(found[one]), n)
		}
	}
	if got := db.statements.Load(); got != int64(len(dimensions)) {
		t.Errorf("%d questions of %d kinds: %d statements", len(all), len(dimensions), got)
	}
	server := newServer(t, conn)
	var clients sync.WaitGroup
	for _, requester := range dimensions["REQUESTER"] {
		for _, step := range []string{"DAY", "MONTH"} {
			clients.Go(func() { checkSeries(t, server, rows, of("REQUESTER", requester, 7), step) })
		}
	}
	clients.Wait()
}

func checkSeries(t tester, server *httptest.Server, rows []row, a asked, step string) {
	t.Helper()
	variables := a.variables()
	variables["step"] = step
	points := get[struct {
		Series struct {
			Nodes []struct {
				Start, End time.Time
				Measures   map[string]any
			}
			TotalCount int
		}
	}](t, server, `query($of: Dimension!, $key: String, $chain: Uint64, $step: Step!, $since: Time, $until: Time) {
		series(of: $of, key: $key, chain: $chain, step: $step, since: $since, until: $until, first: 3000) { nodes { start end measures {`+measureFields+`} } totalCount } }`, variables).Series.Nodes
	want := groupSums(rows, a, func(r row) time.Time { return periodOf(step, as[time.Time](r["hour"])) })
	begins := slices.SortedFunc(maps.Keys(want), time.Time.Compare)
	if len(points) != len(begins) {
		t.Fatalf("%d periods, want %d", len(points), len(begins))
	}
	for i, point := range points {
		if !point.Start.Equal(begins[i]) || !periodOf(step, point.End).Equal(point.End) || !periodOf(step, point.End.Add(-time.Hour)).Equal(point.Start) {
			t.Fatalf("period %d from %s to %s, want from %s", i, point.Start, point.End, begins[i])
		}
		checkMeasures(t, point.Measures, want[begins[i]])
	}
}

// The kitty's balance is all that came less all that went, to the end of each period.
func TestKitty(t *testing.T) {
	conn := newDatabase(t)
	rows := fillSeries(t, conn, 2)
	server := newServer(t, conn)
	check(t, func(t *rapid.T) {
		a := drawAsked(t)
		a.dimension, a.key = "ALL", nil
		step := rapid.SampledFrom([]string{"HOUR", "DAY", "WEEK", "MONTH"}).Draw(t, "step")
		variables := a.variables()
		variables["step"] = step
		points := get[struct {
			Kitty struct {
				Nodes []struct {
					Start, End                   time.Time
					In, Out, Balance, BalanceRLC string
				}
			}
		}](t, server, `query($chain: Uint64, $step: Step!, $since: Time, $until: Time) {
			kitty(chain: $chain, step: $step, since: $since, until: $until, first: 3000) { nodes { start end in out balance balanceRLC } } }`, variables).Kitty.Nodes
		want := groupSums(rows, a, func(r row) time.Time { return periodOf(step, as[time.Time](r["hour"])) })
		maps.DeleteFunc(want, func(_ time.Time, s map[string]*big.Int) bool {
			return s["kitty_in"].Sign() == 0 && s["kitty_out"].Sign() == 0
		})
		begins := slices.SortedFunc(maps.Keys(want), time.Time.Compare)
		if len(points) != len(begins) {
			t.Fatalf("%d periods, want %d", len(points), len(begins))
		}
		for i, point := range points {
			before := a
			before.since = nil
			end := point.End
			if before.until == nil || end.Before(*before.until) {
				before.until = &end
			}
			all := groupSums(rows, before, func(row) int { return 0 })[0]
			balance := new(big.Int).Sub(all["kitty_in"], all["kitty_out"])
			if !point.Start.Equal(begins[i]) || point.In != want[begins[i]]["kitty_in"].String() || point.Out != want[begins[i]]["kitty_out"].String() || point.Balance != balance.String() {
				t.Fatalf("%+v, want %s: %v and the balance %s", point, begins[i], want[begins[i]], balance)
			}
		}
	})
}

// who is one of a dimension on a chain.
type who struct {
	chain uint64
	key   string
}

// holders are those who have some of a measure, those with the most first.
func holders(rows []row, a asked, measure string) ([]who, map[who]*big.Int) {
	sums := groupSums(rows, a, func(r row) who { return who{as[uint64](r["chain"]), as[string](r["key"])} })
	values := make(map[who]*big.Int)
	for one, sum := range sums {
		if value := sum[strings.ToLower(measure)]; value.Sign() > 0 {
			values[one] = value
		}
	}
	return slices.SortedFunc(maps.Keys(values), func(a, b who) int {
		return cmp.Or(values[b].Cmp(values[a]), cmp.Compare(a.chain, b.chain), cmp.Compare(a.key, b.key))
	}), values
}

func drawMeasure(t *rapid.T) string {
	columns := slices.DeleteFunc(append(slices.Clone(countColumns), amountColumns...), func(c string) bool { return c == "latency" })
	return strings.ToUpper(rapid.SampledFrom(columns).Draw(t, "by"))
}

// Leaders come in the order of what they have, page by page.
func TestLeaderboard(t *testing.T) {
	conn := newDatabase(t)
	rows := fillSeries(t, conn, 3)
	server := newServer(t, conn)
	check(t, func(t *rapid.T) {
		a := drawAsked(t)
		a.dimension, a.key = rapid.SampledFrom([]string{"WORKERPOOL", "WORKER", "APP", "REQUESTER", "CATEGORY"}).Draw(t, "whom"), nil
		measure := drawMeasure(t)
		order, values := holders(rows, a, measure)
		total := new(big.Int)
		for _, value := range values {
			total.Add(total, value)
		}
		variables := a.variables()
		variables["by"], variables["first"] = measure, rapid.IntRange(1, 6).Draw(t, "first")
		rank := 0
		for more := true; more; {
			page := get[struct {
				Leaderboard struct {
					Nodes []struct {
						Rank, Chain       uint64
						Key, Value, Share string
					}
					PageInfo struct {
						HasNextPage bool
						EndCursor   *string
					}
					TotalCount int
				}
			}](t, server, `query($of: Dimension!, $by: Measure!, $chain: Uint64, $since: Time, $until: Time, $first: Int!, $after: Cursor) {
				leaderboard(of: $of, by: $by, chain: $chain, since: $since, until: $until, first: $first, after: $after) {
					nodes { rank chain key value share } pageInfo { hasNextPage endCursor } totalCount } }`, variables).Leaderboard
			for _, leader := range page.Nodes {
				want := order[rank]
				rank++
				share := new(big.Int).Quo(new(big.Int).Mul(values[want], big.NewInt(1e6)), total)
				if leader.Rank != uint64(rank) || (who{leader.Chain, leader.Key}) != want || leader.Value != values[want].String() ||
					leader.Share != new(big.Rat).SetFrac(share, big.NewInt(1e6)).FloatString(6) {
					t.Fatalf("%+v, want %v with %s at %d", leader, want, values[want], rank)
				}
			}
			if page.TotalCount != len(order) {
				t.Fatalf("%d leaders, want %d", page.TotalCount, len(order))
			}
			more = page.PageInfo.HasNextPage
			variables["after"] = page.PageInfo.EndCursor
		}
		if rank != len(order) {
			t.Fatalf("%d leaders in the pages, want %d", rank, len(order))
		}
	})
}

type ratio struct{ Numerator, Denominator, Decimal string }

func (r *ratio) is(want *big.Rat) bool {
	if r == nil {
		return want == nil
	}
	millionths := new(big.Int).Quo(new(big.Int).Mul(want.Num(), big.NewInt(1e6)), want.Denom())
	return r.Numerator == want.Num().String() && r.Denominator == want.Denom().String() && r.Decimal == new(big.Rat).SetFrac(millionths, big.NewInt(1e6)).FloatString(6)
}

// Concentration is what its definitions say, computed from all pairs: the Gini coefficient
// is the mean difference of two participants over twice their mean.
func TestConcentration(t *testing.T) {
	conn := newDatabase(t)
	rows := fillSeries(t, conn, 4)
	server := newServer(t, conn)
	check(t, func(t *rapid.T) {
		a := drawAsked(t)
		a.dimension, a.key = rapid.SampledFrom([]string{"WORKERPOOL", "WORKER", "APP", "REQUESTER", "CATEGORY"}).Draw(t, "whom"), nil
		measure := drawMeasure(t)
		variables := a.variables()
		variables["by"] = measure
		got := get[struct {
			Concentration struct {
				Participants int
				Total        string
				Gini, HHI    *ratio
				Top          []struct {
					Count int
					Share *ratio
				}
			}
		}](t, server, `query($of: Dimension!, $by: Measure!, $chain: Uint64, $since: Time, $until: Time) {
			concentration(of: $of, by: $by, chain: $chain, since: $since, until: $until, top: [2, 1, 50]) {
				participants total gini { numerator denominator decimal } hhi { numerator denominator decimal } top { count share { numerator denominator decimal } } } }`, variables).Concentration
		order, values := holders(rows, a, measure)
		total, differences, squares := new(big.Int), new(big.Int), new(big.Int)
		for _, one := range order {
			total.Add(total, values[one])
			squares.Add(squares, new(big.Int).Mul(values[one], values[one]))
			for _, other := range order {
				differences.Add(differences, new(big.Int).Abs(new(big.Int).Sub(values[one], values[other])))
			}
		}
		if got.Participants != len(order) || got.Total != total.String() || len(got.Top) != 3 {
			t.Fatalf("%+v, want %d who have %s", got, len(order), total)
		}
		if len(order) == 0 {
			if got.Gini != nil || got.HHI != nil || got.Top[0].Share != nil {
				t.Fatalf("of nobody: %+v", got)
			}
			return
		}
		n := big.NewInt(int64(2 * len(order)))
		if !got.Gini.is(new(big.Rat).SetFrac(differences, n.Mul(n, total))) || !got.HHI.is(new(big.Rat).SetFrac(squares, new(big.Int).Mul(total, total))) {
			t.Fatalf("gini %v, hhi %v of %v", got.Gini, got.HHI, values)
		}
		most := new(big.Int)
		for i, count := range []int{1, 2, 50} {
			most.SetInt64(0)
			for _, one := range order[:min(count, len(order))] {
				most.Add(most, values[one])
			}
			if got.Top[i].Count != count || !got.Top[i].Share.is(new(big.Rat).SetFrac(most, total)) {
				t.Fatalf("the first %d have %+v of %v", count, got.Top[i], values)
			}
		}
	})
}

// Cohorts and churn are those of a look at each one's months.
func TestCohorts(t *testing.T) {
	conn := newDatabase(t)
	rows := fillSeries(t, conn, 5)
	server := newServer(t, conn)
	for of, measure := range map[string]string{"REQUESTER": "deals", "WORKER": "contributions"} {
		for _, chain := range []*uint64{nil, &chains[0]} {
			checkCohorts(t, server, rows, of, measure, chain)
		}
	}
}

// activeMonths are the months, counted from January of the year 0, in which each was active.
func activeMonths(rows []row, a asked, measure string) map[who]map[int]bool {
	active := make(map[who]map[int]bool)
	type when struct {
		who
		month int
	}
	for w, sums := range groupSums(rows, a, func(r row) when {
		hour := as[time.Time](r["hour"])
		return when{who{as[uint64](r["chain"]), as[string](r["key"])}, hour.Year()*12 + int(hour.Month()) - 1}
	}) {
		if sums[measure].Sign() > 0 {
			if active[w.who] == nil {
				active[w.who] = make(map[int]bool)
			}
			active[w.who][w.month] = true
		}
	}
	return active
}

func checkCohorts(t *testing.T, server *httptest.Server, rows []row, of, measure string, chain *uint64) {
	t.Helper()
	answer := get[struct {
		Cohorts []struct {
			Month  time.Time
			Size   int
			Months []struct {
				Month  time.Time
				Active int
				Share  string
			}
		}
		Churn []struct {
			Month                                 time.Time
			Active, New, Retained, Returned, Lost int
		}
	}](t, server, `query($of: Cohorts!, $chain: Uint64) { cohorts(of: $of, chain: $chain) { month size months { month active share } }
		churn(of: $of, chain: $chain) { month active new retained returned lost } }`, map[string]any{"of": of, "chain": chain})
	active := activeMonths(rows, asked{dimension: of, chain: chain}, measure)
	var got, want []string
	for _, cohort := range answer.Cohorts {
		for _, month := range cohort.Months {
			got = append(got, fmt.Sprint(cohort.Month.Format("2006-01"), cohort.Size, month.Month.Format("2006-01"), month.Active, month.Share))
		}
	}
	for _, churn := range answer.Churn {
		got = append(got, fmt.Sprint(churn.Month.Format("2006-01"), churn.Active, churn.New, churn.Retained, churn.Returned, churn.Lost))
	}
	first := func(months map[int]bool) int { return slices.Min(slices.Collect(maps.Keys(months))) }
	name := func(month int) string { return fmt.Sprintf("%04d-%02d", month/12, month%12+1) }
	from, to := 2026*12, 2026*12+12
	for begin := from; begin < to; begin++ {
		size := 0
		for _, months := range active {
			if first(months) == begin {
				size++
			}
		}
		for month := begin; month < to; month++ {
			n := 0
			for _, months := range active {
				if first(months) == begin && months[month] {
					n++
				}
			}
			if n > 0 {
				share := new(big.Rat).SetFrac64(int64(n*1_000_000/size), 1_000_000).FloatString(6)
				want = append(want, fmt.Sprint(name(begin), size, name(month), n, share))
			}
		}
	}
	last := from
	for _, months := range active {
		last = max(last, slices.Max(slices.Collect(maps.Keys(months))))
	}
	for month := from; month <= last; month++ {
		var now, fresh, retained, returned, lost int
		for _, months := range active {
			switch {
			case months[month] && first(months) == month:
				now, fresh = now+1, fresh+1
			case months[month] && months[month-1]:
				now, retained = now+1, retained+1
			case months[month]:
				now, returned = now+1, returned+1
			case months[month-1]:
				lost++
			}
		}
		want = append(want, fmt.Sprint(name(month), now, fresh, retained, returned, lost))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", of, got, want)
	}
}

// What sums cannot answer is refused in words.
func TestSeriesRefusals(t *testing.T) {
	server := newServer(t, newDatabase(t))
	for _, query := range []string{
		`{ overview(since: "2026-01-01T00:30:00Z") { deals } }`,
		`{ series(of: WORKERPOOL) { totalCount } }`,
		`{ series(of: ALL, key: "x") { totalCount } }`,
		`{ series(of: WORKERPOOL, key: "x") { totalCount } }`,
		`{ series(first: 10001) { totalCount } }`,
		`{ leaderboard(of: ALL, by: DEALS) { totalCount } }`,
		`{ concentration(of: ALL, by: DEALS) { total } }`,
		`{ concentration(of: APP, by: DEALS, top: [1,2,3,4,5,6,7,8,9,10,11]) { total } }`,
	} {
		if code, message := failing(t, server, query, nil); code != codeInput {
			t.Errorf("%s: %s %q", query, code, message)
		}
	}
}

// A series has pages, also below many at once, and every page of all is as in one.
func TestSeriesPages(t *testing.T) {
	conn := newDatabase(t)
	fillSeries(t, conn, 7)
	for _, address := range dimensions["WORKERPOOL"] {
		insert(t, conn, "resources", row{"chain": chains[0], "kind": "WORKERPOOL", "address": address, "registered_at": start, "version": uint64(1)})
	}
	db := &counted{Conn: conn}
	server := newServer(t, db)
	type page struct {
		Nodes []struct {
			Start    time.Time
			Measures struct{ Deals int }
		}
		TotalCount int
		PageInfo   struct {
			HasNextPage bool
			EndCursor   *string
		}
	}
	type answer struct {
		Series      page
		Workerpools struct {
			Nodes []struct {
				Address string
				Series  page
			}
		}
	}
	const fields = `{ nodes { start measures { deals } } totalCount pageInfo { hasNextPage endCursor } }`
	whole := get[answer](t, server, `{ series(of: ALL, chain: 7, step: WEEK) `+fields+` workerpools { nodes { address series(step: WEEK) `+fields+` } } }`, nil)
	if got := db.statements.Load(); got > 6 {
		t.Errorf("%d statements for the series of %d pools", got, len(whole.Workerpools.Nodes))
	}
	if whole.Series.TotalCount < 8 || len(whole.Workerpools.Nodes) < 2 || whole.Workerpools.Nodes[1].Series.TotalCount < 4 {
		t.Fatalf("too little to page through: %+v", whole)
	}
	read := func(want page, next func(after *string) page) {
		t.Helper()
		var got page
		for after := (*string)(nil); ; {
			p := next(after)
			got.Nodes = append(got.Nodes, p.Nodes...)
			if p.TotalCount != want.TotalCount || len(p.Nodes) > 3 {
				t.Fatalf("%+v, want %d in all", p, want.TotalCount)
			}
			if after = p.PageInfo.EndCursor; !p.PageInfo.HasNextPage {
				break
			}
		}
		if fmt.Sprint(got.Nodes) != fmt.Sprint(want.Nodes) {
			t.Errorf("page by page %v, at once %v", got.Nodes, want.Nodes)
		}
	}
	read(whole.Series, func(after *string) page {
		return get[answer](t, server, `query($after: Cursor) { series(of: ALL, chain: 7, step: WEEK, first: 3, after: $after) `+fields+` }`, map[string]any{"after": after}).Series
	})
	read(whole.Workerpools.Nodes[1].Series, func(after *string) page {
		return get[answer](t, server, `query($after: Cursor) { workerpools { nodes { series(step: WEEK, first: 3, after: $after) `+fields+` } } }`, map[string]any{"after": after}).Workerpools.Nodes[1].Series
	})
}

// Sums are told while nothing is being written, also below where a longer fork once ended.
func TestSumsBelowAForgottenFork(t *testing.T) {
	conn := newDatabase(t)
	insert(t, conn, "series", row{"chain": uint64(7), "dimension": "ALL", "deals": int64(5)})
	server := newServer(t, conn)
	told := func(try string) bool { // which no answer is kept of
		return len(ask(t, server, "{ "+try+": overview { deals } }", nil).Errors) == 0
	}
	insert(t, conn, "blocks", row{"chain": uint64(7), "number": uint64(9), "version": uint64(1)})
	insert(t, conn, "heads", row{"chain": uint64(7), "head_number": uint64(9), "version": uint64(2)})
	if !told("before") {
		t.Error("no sums at the end of the fork")
	}
	insert(t, conn, "heads", row{"chain": uint64(7), "head_number": uint64(8), "version": uint64(3), "written": uint64(2)})
	insert(t, conn, "blocks", row{"chain": uint64(7), "number": uint64(9), "version": uint64(3), "deleted": uint8(1)})
	if told("meanwhile") {
		t.Error("sums while the fork is being taken back")
	}
	insert(t, conn, "heads", row{"chain": uint64(7), "head_number": uint64(8), "version": uint64(4)})
	if !told("after") {
		t.Error("no sums once the fork is taken back")
	}
}

// As of an earlier block, sums are those of the hours in which nothing happened after it.
func TestSumsAsOf(t *testing.T) {
	conn := newDatabase(t)
	rows := fillSeries(t, conn, 8)
	hours := make(map[time.Time]bool)
	for _, r := range rows {
		if r["chain"] == chains[0] {
			hours[as[time.Time](r["hour"])] = true
		}
	}
	// Two blocks in each hour in which something happened.
	var times []time.Time
	for _, hour := range slices.SortedFunc(maps.Keys(hours), time.Time.Compare) {
		times = append(times, hour.Add(time.Minute), hour.Add(50*time.Minute))
	}
	for i, at := range times {
		insert(t, conn, "blocks", row{"chain": chains[0], "number": uint64(i + 1), "hash": hash(i), "time": at, "version": uint64(1)})
	}
	server := newServer(t, conn)
	for _, block := range []int{1, 2, len(times) / 2, len(times)/2 + 1, len(times) - 1, len(times)} {
		until := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
		if block < len(times) {
			until = times[block].Truncate(time.Hour)
		}
		a := asked{dimension: "ALL", chain: &chains[0], until: &until}
		answer := get[struct {
			Overview map[string]any
			Series   struct{ TotalCount int }
		}](t, server, `query($block: Uint64!) { overview(asOf: {chain: 7, block: $block}) {`+measureFields+`} series(step: HOUR, first: 0, asOf: {chain: 7, block: $block}) { totalCount } }`, map[string]any{"block": block})
		checkMeasures(t, answer.Overview, groupSums(rows, a, func(row) int { return 0 })[0])
		if want := len(groupSums(rows, a, func(r row) time.Time { return as[time.Time](r["hour"]) })); answer.Series.TotalCount != want {
			t.Errorf("as of block %d: %d hours, want %d", block, answer.Series.TotalCount, want)
		}
	}
	if code, _ := failing(t, server, `{ overview(chain: 134, asOf: {chain: 7, block: 1}) { deals } }`, nil); code != codeInput {
		t.Errorf("as of a block of another chain: %s", code)
	}
}
