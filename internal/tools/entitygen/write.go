package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"go/format"
	"os"
	"strings"
	"text/template"
)

// job is what the templates write.
type job struct {
	Definitions string
	Prefix      string // of the tables' names
	Package     string
	Entities    []entity
}

//go:embed migration.sql.tmpl
var migrationTemplate string

//go:embed rows.go.tmpl
var rowsTemplate string

// write writes a file.
func (j job) write(path string, make func(job) ([]byte, error)) error {
	out, err := make(j)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return os.WriteFile(path, out, 0o644)
}

func writeMigration(j job) ([]byte, error) { return j.execute(migrationTemplate) }

func writeRows(j job) ([]byte, error) {
	code, err := j.execute(rowsTemplate)
	if err != nil {
		return nil, err
	}
	return format.Source(code)
}

func (j job) execute(text string) ([]byte, error) {
	functions := template.FuncMap{"comment": comment, "quoted": quoted, "reversed": reversed}
	t, err := template.New("").Funcs(functions).Parse(text)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, j); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// comment puts a mark before each line of a text.
func comment(mark, text string) string {
	return mark + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+mark)
}

// quoted spells a name that may be a keyword of SQL.
func quoted(name string) string { return fmt.Sprintf("`%s`", name) }

func reversed(entities []entity) []entity {
	out := make([]entity, len(entities))
	for i, e := range entities {
		out[len(out)-1-i] = e
	}
	return out
}
