package sink

import (
	"fmt"
	"math/big"
	"reflect"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"assay/indexer/projection/table"
)

// appendRows appends the rows of a table to an insert, column by column: that is several times as
// fast as row by row.
func appendRows(insert driver.Batch, t table.Table) error {
	rows := t.Rows()
	for i, name := range t.Columns() {
		if err := insert.Column(i).Append(values(rows, i)); err != nil {
			return fmt.Errorf("column %s: %w", name, err)
		}
	}
	return nil
}

// values is one field of all rows, as a slice of its type.
func values(rows reflect.Value, field int) any {
	switch reflect.Zero(rows.Type().Elem()).Field(field).Interface().(type) {
	case uint64:
		return fields[uint64](rows, field)
	case uint32:
		return fields[uint32](rows, field)
	case uint8:
		return fields[uint8](rows, field)
	case int64:
		return fields[int64](rows, field)
	case string:
		return fields[string](rows, field)
	case bool:
		return fields[bool](rows, field)
	case time.Time:
		return fields[time.Time](rows, field)
	case *big.Int:
		return fields[*big.Int](rows, field)
	}
	kind := rows.Type().Elem().Field(field).Type
	out := reflect.MakeSlice(reflect.SliceOf(kind), rows.Len(), rows.Len())
	for i := range rows.Len() {
		out.Index(i).Set(rows.Index(i).Field(field))
	}
	return out.Interface()
}

func fields[T any](rows reflect.Value, field int) []T {
	out := make([]T, rows.Len())
	for i := range out {
		out[i] = *rows.Index(i).Field(field).Addr().Interface().(*T)
	}
	return out
}
