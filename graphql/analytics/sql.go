package analytics

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// statement is SQL under construction. Its text is ours alone: what a client gave
// enters it only by bind, as a parameter that the server reads.
type statement struct {
	strings.Builder
	args []any
}

// add appends text.
func (s *statement) add(parts ...string) {
	for _, part := range parts {
		s.WriteString(part)
	}
}

// bind makes a value a parameter of a ClickHouse type and returns its place in the text.
func (s *statement) bind(kind string, value any) string {
	name := "p" + strconv.Itoa(len(s.args))
	s.args = append(s.args, clickhouse.Named(name, value))
	return "{" + name + ":" + kind + "}"
}

// where appends the conditions, all of which must hold.
func (s *statement) where(conditions []condition) {
	for _, c := range conditions {
		s.add(" AND ", strings.Replace(c.sql, "?", s.bind(c.kind, c.value), 1))
	}
}

// condition holds for some rows of a table: an expression in which ? is a bound value.
type condition struct {
	sql   string
	kind  string // ClickHouse type of the value
	value any
}

// selection is what to select to fill a row: its columns, or the expressions that its
// tags give for them.
func selection[T any]() string {
	row := reflect.TypeFor[T]()
	columns := make([]string, row.NumField())
	for i := range columns {
		tag := row.Field(i).Tag
		columns[i] = tag.Get("ch")
		if expression := tag.Get("sql"); expression != "" {
			columns[i] = expression + " AS " + columns[i]
		}
	}
	return strings.Join(columns, ", ")
}
