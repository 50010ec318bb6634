// Package table holds rows on their way to the database.
//
// A Table is rows of one table, a slice of structs whose ch tags name the columns. A Set
// collects rows of many tables. Whoever makes rows says in one place which tables it has
// (projection.Schema); the sink asks the database for their columns and inserts whatever
// it is handed.
package table

import "reflect"

// Table is rows of one table of the database.
type Table struct {
	Name string
	rows reflect.Value // a slice of structs
}

// Of makes a table of rows.
func Of[T any](name string, rows []T) Table {
	return Table{Name: name, rows: reflect.ValueOf(rows)}
}

// Len is the number of rows.
func (t Table) Len() int { return t.rows.Len() }

// Row returns a pointer to a row's struct.
func (t Table) Row(i int) any { return t.rows.Index(i).Addr().Interface() }

// Rows is the slice of structs.
func (t Table) Rows() reflect.Value { return t.rows }

// Columns are the columns of the table's rows, in the order of the struct's fields.
func (t Table) Columns() []string {
	row := t.rows.Type().Elem()
	names := make([]string, row.NumField())
	for i := range names {
		names[i] = row.Field(i).Tag.Get("ch")
	}
	return names
}

// Set is rows of some tables, in the order in which the tables first got rows. The zero
// Set is empty.
type Set struct {
	tables []Table
	places map[string]int
}

// Add appends rows to a table of a set. All rows of a table have one type.
func Add[T any](s *Set, name string, rows ...T) { s.Append(Of(name, rows)) }

// Append adds the rows of tables, which have to be of the types that the set's have.
func (s *Set) Append(tables ...Table) {
	for _, t := range tables {
		if t.Len() == 0 {
			continue
		}
		place, known := s.places[t.Name]
		if !known {
			if s.places == nil {
				s.places = map[string]int{}
			}
			place = len(s.tables)
			s.places[t.Name] = place
			s.tables = append(s.tables, Table{Name: t.Name, rows: reflect.Zero(t.rows.Type())})
		}
		s.tables[place].rows = reflect.AppendSlice(s.tables[place].rows, t.rows)
	}
}

// Len is the number of rows of all tables.
func (s *Set) Len() int {
	n := 0
	for _, t := range s.tables {
		n += t.Len()
	}
	return n
}

// Reset empties the set's tables and keeps their room.
func (s *Set) Reset() {
	for i, t := range s.tables {
		s.tables[i].rows = t.rows.Slice(0, 0)
	}
}

// Tables lists what is in the set.
func (s *Set) Tables() []Table { return s.tables }
