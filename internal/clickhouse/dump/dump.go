// Package dump spells all rows of a database, so that tests can compare two of them bit for
// bit.
package dump

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Rows are the rows of each table as readers see them (FINAL), in order, but for versions (they
// are records' places in a log) and the tables that are left out. What only keeps rows for other
// tables, as a view does, has none of its own; nor has what views make of other tables' rows for
// readers who compare them (<prefix>_rows and <prefix>_links), which keeps what is gone.
func Rows(ctx context.Context, db driver.Conn, tables ...string) (map[string][]string, error) {
	names, err := texts(ctx, db, "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine IN ('ReplacingMergeTree', 'SummingMergeTree') "+
		"AND NOT match(name, '_(rows|links)$')")
	if err != nil {
		return nil, err
	}
	rows := map[string][]string{}
	for _, name := range names {
		if slices.Contains(tables, name) {
			continue
		}
		if rows[name], err = texts(ctx, db, "SELECT toString(tuple(* EXCEPT('^(version|written)$'))) FROM `"+name+"` FINAL ORDER BY 1"); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
	}
	return rows, nil
}

// texts are the answers to a query for texts.
func texts(ctx context.Context, db driver.Conn, query string) (all []string, err error) {
	rows, err := db.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, rows.Err()
}

// shown is how many rows of a table Differences lists.
const shown = 5

// Differences says, a line for each table, which rows are only in one of two databases; it
// is empty if they are equal.
func Differences(got, want map[string][]string) string {
	var out strings.Builder
	for name := range want {
		if !slices.Equal(got[name], want[name]) {
			fmt.Fprintf(&out, "%s has %d rows, want %d; too many: %s; missing: %s\n",
				name, len(got[name]), len(want[name]), unlike(got[name], want[name]), unlike(want[name], got[name]))
		}
	}
	for name := range got {
		if _, there := want[name]; !there {
			out.WriteString("there is a table " + name + "\n")
		}
	}
	return out.String()
}

// unlike are the rows that are not among others.
func unlike(rows, others []string) string {
	there := map[string]bool{}
	for _, row := range others {
		there[row] = true
	}
	var found []string
	for _, row := range rows {
		if !there[row] && len(found) < shown {
			found = append(found, row)
		}
	}
	return strings.Join(found, " ")
}

// Count is how many rows there are.
func Count(tables map[string][]string) (n int) {
	for _, rows := range tables {
		n += len(rows)
	}
	return n
}
