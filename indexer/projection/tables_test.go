package projection_test

import (
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/indexer/projection"
	"assay/schema/assaypb"
	"assay/schema/clickhouse"
)

// tables is a naive ClickHouse: of each key the row with the highest version counts, and
// none if that one is deleted (ReplacingMergeTree read with FINAL).
type tables map[string]map[string]reflect.Value

// schemaTable is a table as the migration declares it.
type schemaTable struct{ columns, key []string }

func schemaTables(t testing.TB) map[string]schemaTable {
	t.Helper()
	files, err := fs.Glob(clickhouse.Migrations, "*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal("no migrations were found", err)
	}
	out := map[string]schemaTable{}
	create := regexp.MustCompile(`(?s)CREATE TABLE (?:IF NOT EXISTS )?(\w+) \(\n(.*?)\n\) ENGINE = \S+(?: deleted\))?(?: ORDER BY \(?([^)\n]*))?`)
	twin := regexp.MustCompile(`CREATE TABLE IF NOT EXISTS (\w+) AS (\w+)\n.* ORDER BY \(([^)\n]*)`)
	addColumn := regexp.MustCompile(`ALTER TABLE (\w+) ADD COLUMN IF NOT EXISTS (\w+) \w+(?: DEFAULT \w+)? AFTER (\w+)`)
	for _, file := range files {
		sql, err := clickhouse.Migrations.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range create.FindAllStringSubmatch(string(sql), -1) {
			var columns []string
			for _, line := range strings.Split(match[2], "\n") {
				if strings.HasPrefix(strings.TrimSpace(line), "INDEX ") {
					continue
				}
				columns = append(columns, strings.Trim(strings.Fields(line)[0], "`"))
			}
			out[match[1]] = schemaTable{columns: columns, key: strings.Split(match[3], ", ")}
		}
		for _, match := range addColumn.FindAllStringSubmatch(string(sql), -1) {
			t := out[match[1]]
			t.columns = slices.Insert(slices.Clone(t.columns), slices.Index(t.columns, match[3])+1, match[2])
			out[match[1]] = t
		}
		for _, match := range twin.FindAllStringSubmatch(string(sql), -1) {
			out[match[1]] = schemaTable{columns: out[match[2]].columns, key: strings.Split(match[3], ", ")}
		}
	}
	if len(out) == 0 {
		t.Fatal("no table was found in the migrations")
	}
	return out
}

func column(row reflect.Value, name string) reflect.Value {
	for i := range row.NumField() {
		if row.Type().Field(i).Tag.Get("ch") == name {
			return row.Field(i)
		}
	}
	return reflect.Value{}
}

// write stores rows, and does what the database's views do.
func (ts tables) write(t testing.TB, schema map[string]schemaTable, rows projection.Rows) {
	t.Helper()
	for _, table := range append(rows.Tables(), rows.Heading()...) {
		for i := range table.Len() {
			row := reflect.ValueOf(table.Row(i)).Elem()
			if table.Name == "measures" {
				ts.add(row.Interface().(projection.Measure))
				continue
			}
			ts.put(schema, table.Name, row)
		}
	}
}

func (ts tables) put(schema map[string]schemaTable, table string, row reflect.Value) {
	if ts[table] == nil {
		ts[table] = map[string]reflect.Value{}
	}
	var key strings.Builder
	for _, name := range schema[table].key {
		fmt.Fprintf(&key, "%s|", text(column(row, name)))
	}
	if old, ok := ts[table][key.String()]; !ok || column(old, "version").Uint() <= column(row, "version").Uint() {
		ts[table][key.String()] = row
	}
}

// add sums a measure up as the view of series does.
func (ts tables) add(m projection.Measure) {
	if ts["series"] == nil {
		ts["series"] = map[string]reflect.Value{}
	}
	for _, of := range [][2]string{
		{"ALL", ""}, {"WORKERPOOL", m.Workerpool}, {"WORKER", m.Worker}, {"APP", m.App}, {"DATASET", m.Dataset},
		{"REQUESTER", m.Requester}, {"CATEGORY", m.Category}, {"TAG", m.Tag},
	} {
		if of[0] != "ALL" && of[1] == "" {
			continue
		}
		hour := m.Time.Truncate(time.Hour)
		key := fmt.Sprint(of, hour.Unix())
		sum, ok := ts["series"][key]
		if !ok {
			sum = reflect.New(reflect.TypeFor[hourSums]()).Elem()
			sum.Set(reflect.ValueOf(hourSums{Dimension: of[0], Key: of[1], Hour: hour}))
		}
		sum.Addr().Interface().(*hourSums).add(m)
		if sum.Addr().Interface().(*hourSums).nothing() {
			delete(ts["series"], key) // as SummingMergeTree does
		} else {
			ts["series"][key] = sum
		}
	}
}

// hourSums is a row of series.
type hourSums struct {
	Dimension string      `ch:"dimension"`
	Key       string      `ch:"key"`
	Hour      time.Time   `ch:"hour"`
	Counts    [9]int64    `ch:"counts"`
	Amounts   [9]*big.Int `ch:"amounts"`
}

func (s *hourSums) add(m projection.Measure) {
	for i, n := range []int64{m.Deals, m.Tasks, m.Initialized, m.Completed, m.Claimed, m.Contributions, m.Accurate, m.Faulty, m.Latency} {
		s.Counts[i] += n
	}
	for i, n := range []*big.Int{m.Volume, m.Refunded, m.EarnedWorkers, m.EarnedWorkerpool, m.EarnedApp, m.EarnedDataset, m.Seized, m.KittyIn, m.KittyOut} {
		s.Amounts[i] = new(big.Int).Add(orZero(s.Amounts[i]), n)
	}
}

func (s *hourSums) nothing() bool {
	return s.Counts == [9]int64{} && !slices.ContainsFunc(s.Amounts[:], func(n *big.Int) bool { return n.Sign() != 0 })
}

// dump lists the rows that count, without their versions.
func (ts tables) dump() string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(ts)) {
		for _, key := range slices.Sorted(maps.Keys(ts[name])) {
			row := ts[name][key]
			if d := column(row, "deleted"); d.IsValid() && d.Uint() == 1 {
				continue
			}
			out.WriteString(name)
			for i := range row.NumField() {
				tag := row.Type().Field(i).Tag.Get("ch")
				if tag != "version" && tag != "written" && tag != "deleted" && tag != "chain" {
					fmt.Fprintf(&out, " %s=%s", tag, text(row.Field(i)))
				}
			}
			out.WriteByte('\n')
		}
	}
	return out.String()
}

func text(v reflect.Value) string {
	if v.Kind() == reflect.Pointer && v.Type() != reflect.TypeFor[*big.Int]() {
		if v.IsNil() {
			return "null"
		}
		return text(v.Elem())
	}
	switch x := v.Interface().(type) {
	case *big.Int:
		if x == nil {
			return "null"
		}
		return x.String()
	case time.Time:
		return fmt.Sprint(x.Unix())
	case string:
		return fmt.Sprintf("%q", x)
	default:
		return fmt.Sprint(x)
	}
}

// fold folds records into fresh tables.
func fold(t testing.TB, schema map[string]schemaTable, p *projection.Projection, records []*assaypb.ChainRecord) tables {
	t.Helper()
	ts := tables{}
	for _, record := range records {
		rows, err := p.Apply(record)
		if err != nil {
			t.Fatal(err)
		}
		ts.write(t, schema, rows)
	}
	return ts
}

// TestRowsAreTheTables keeps the structs and the migration in step, column by column.
func TestRowsAreTheTables(t *testing.T) {
	schema := schemaTables(t)
	for _, table := range projection.Schema() {
		if got, want := table.Columns(), schema[table.Name].columns; !slices.Equal(got, want) {
			t.Errorf("rows of %s have the columns\n%v, the migration\n%v", table.Name, got, want)
		}
		delete(schema, table.Name)
	}
	for _, own := range []string{
		"progress", "plans", // the sink's
		"series", "subgraph_rows", "subgraph_links", "dataprotector_rows", "dataprotector_links", // the views'
	} {
		delete(schema, own)
	}
	for name := range schema {
		t.Errorf("nobody has rows of the table %s", name)
	}
}
