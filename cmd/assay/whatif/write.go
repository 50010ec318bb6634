package whatif

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"

	"github.com/parquet-go/parquet-go"
)

// Formats are the names of the formats of a report.
var Formats = []string{"csv", "json", "parquet"}

// WriteJSON writes all tables as one object.
func WriteJSON(w io.Writer, tables Tables) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(tables)
}

// WriteFolder writes a file for each table into a folder, which it makes: totals,
// workers, pools and tasks, as csv or parquet.
func WriteFolder(dir, format string, tables Tables) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	return errors.Join(
		writeFile(dir, "totals", format, tables.Totals),
		writeFile(dir, "workers", format, tables.Workers),
		writeFile(dir, "pools", format, tables.Pools),
		writeFile(dir, "tasks", format, tables.Tasks),
	)
}

func writeFile[R any](dir, name, format string, rows []R) (err error) {
	file, err := os.Create(filepath.Join(dir, name+"."+format))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if format == "parquet" {
		return parquet.Write(file, rows, parquet.Compression(&parquet.Zstd))
	}
	return writeCSV(file, rows)
}

// writeCSV writes a header of the fields' JSON names, and a line for each row.
func writeCSV[R any](w io.Writer, rows []R) error {
	out := csv.NewWriter(w)
	kind := reflect.TypeFor[R]()
	line := make([]string, kind.NumField())
	for i := range line {
		line[i] = kind.Field(i).Tag.Get("json")
	}
	if err := out.Write(line); err != nil {
		return err
	}
	for _, row := range rows {
		values := reflect.ValueOf(row)
		for i := range line {
			line[i] = fmt.Sprint(values.Field(i))
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
