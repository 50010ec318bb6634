package database

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Statement is SQL under construction. Its text is ours alone: what a client gave
// enters it only by Bind, as a parameter that the server reads.
type Statement struct {
	strings.Builder
	Args []any // the bound values, in the order of their places
}

// Add appends text.
func (s *Statement) Add(parts ...string) {
	for _, part := range parts {
		s.WriteString(part)
	}
}

// Bind makes a value a parameter of a ClickHouse type and returns its place in the text.
func (s *Statement) Bind(kind string, value any) string {
	name := "p" + strconv.Itoa(len(s.Args))
	s.Args = append(s.Args, clickhouse.Named(name, value))
	return "{" + name + ":" + kind + "}"
}

// Where appends the conditions, all of which must hold.
func (s *Statement) Where(v View, conditions []Condition) {
	for _, c := range conditions {
		sql := c.SQL
		if c.Of != nil {
			sql = strings.Replace(sql, "{rows}", v.Rows(s, *c.Of), 1)
		}
		if c.By != nil {
			sql = strings.Replace(sql, "{by}", v.Rows(s, *c.By), 1)
		}
		s.Add(" AND ", strings.ReplaceAll(sql, "?", s.Bind(c.Kind, c.Value)))
	}
}

// Condition holds for some rows of a table: an expression in which each ? is a bound value,
// and {rows} are those of another table.
type Condition struct {
	SQL   string
	Kind  string // ClickHouse type of the value
	Value any
	Of    *Table // the other table; nil: none
	By    *Table // a third one, {by}; nil: none
}

// Selection is what to select to fill a row: its columns, or the expressions that its
// tags give for them. If fields are named, it is only for these.
func Selection[T any](fields ...string) string {
	row := reflect.TypeFor[T]()
	var columns []string
	for i := range row.NumField() {
		if len(fields) > 0 && !slices.Contains(fields, row.Field(i).Name) {
			continue
		}
		tag := row.Field(i).Tag
		column := tag.Get("ch")
		if expression := tag.Get("sql"); expression != "" {
			column = expression + " AS " + column
		}
		if column != "" {
			columns = append(columns, column)
		}
	}
	return strings.Join(columns, ", ")
}
