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
	create := regexp.MustCompile(`(?s)CREATE TABLE (?:IF NOT EXISTS )?(\w+) \(\n(.*?)\n\) ENGINE = \S+(?: deleted\))? ORDER BY \(?([^)\n]*)`)
	for _, file := range files {
		sql, err := clickhouse.Migrations.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range create.FindAllStringSubmatch(string(sql), -1) {
			var columns []string
			for _, line := range strings.Split(match[2], "\n") {
				columns = append(columns, strings.Fields(line)[0])
			}
			out[match[1]] = schemaTable{columns: columns, key: strings.Split(match[3], ", ")}
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

// write stores rows.
func (ts tables) write(t testing.TB, schema map[string]schemaTable, rows projection.Rows) {
	t.Helper()
	for _, table := range rows.Tables() {
		if ts[table.Name] == nil {
			ts[table.Name] = map[string]reflect.Value{}
		}
		for i := range table.Len {
			row := reflect.ValueOf(table.Row(i)).Elem()
			var key strings.Builder
			for _, name := range schema[table.Name].key {
				fmt.Fprintf(&key, "%s|", text(column(row, name)))
			}
			if old, ok := ts[table.Name][key.String()]; !ok || column(old, "version").Uint() <= column(row, "version").Uint() {
				ts[table.Name][key.String()] = row
			}
		}
	}
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
				if tag != "version" && tag != "deleted" && tag != "chain" {
					fmt.Fprintf(&out, " %s=%s", tag, text(row.Field(i)))
				}
			}
			out.WriteByte('\n')
		}
	}
	return out.String()
}

func text(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case *big.Int:
		return x.String()
	case time.Time:
		return fmt.Sprint(x.Unix())
	case *bool:
		if x == nil {
			return "null"
		}
		return fmt.Sprint(*x)
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
	one := projection.Rows{
		Blocks: make([]projection.Block, 1), Events: make([]projection.Event, 1), Deals: make([]projection.Deal, 1),
		Tasks: make([]projection.Task, 1), Contributions: make([]projection.Contribution, 1), Payouts: make([]projection.Payout, 1),
		Postings: make([]projection.Posting, 1), Settlements: make([]projection.Settlement, 1), Lines: make([]projection.SettlementLine, 1),
		Accounts: make([]projection.Account, 1), Resources: make([]projection.Resource, 1), Categories: make([]projection.Category, 1),
		Decisions: make([]projection.Decision, 1), Verdicts: make([]projection.Verdict, 1), Heads: make([]projection.Head, 1),
	}
	for _, table := range one.Tables() {
		row := reflect.TypeOf(table.Row(0)).Elem()
		var columns []string
		for i := range row.NumField() {
			columns = append(columns, row.Field(i).Tag.Get("ch"))
		}
		if want := schema[table.Name].columns; !slices.Equal(columns, want) {
			t.Errorf("rows of %s have the columns\n%v, the migration\n%v", table.Name, columns, want)
		}
	}
	if got, want := len(one.Tables()), len(schema)-1; got != want { // progress is the sink's own
		t.Errorf("%d tables have rows, the migration has %d", got, want)
	}
}
