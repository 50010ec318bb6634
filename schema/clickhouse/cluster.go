package clickhouse

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

// Cluster rewrites migrations for a cluster. Of each table there are two on every node:
// <table>_local, which is replicated and holds the rows of the node's shard, and <table>,
// which is Distributed over them and which everybody reads and writes. Materialized views
// work on the local tables. All versions of a row are on one shard, as FINAL needs, and a
// thing's history is on the shard of the thing: rows are sharded by the table's sorting key,
// that of a history without its block. A statement that is not understood is an error.
func Cluster(migrations fs.FS, cluster string) (fs.FS, error) {
	if !clusterName.MatchString(cluster) {
		return nil, fmt.Errorf("a cluster cannot have the name %q: letters, digits, _ and - are allowed", cluster)
	}
	files, err := fs.Glob(migrations, "*.sql")
	if err != nil {
		return nil, err
	}
	r := &rewriter{cluster: cluster, tables: map[string]bool{}}
	var archive bytes.Buffer
	out := zip.NewWriter(&archive)
	for _, file := range files {
		text, err := fs.ReadFile(migrations, file)
		if err != nil {
			return nil, err
		}
		w, err := out.Create(file)
		if err != nil {
			return nil, err
		}
		if err := r.file(w, string(text)); err != nil {
			return nil, fmt.Errorf("rewriting %s for a cluster: %w", file, err)
		}
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	return zip.NewReader(bytes.NewReader(archive.Bytes()), int64(archive.Len()))
}

var clusterName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// rewriter rewrites the statements of all migrations, in order.
type rewriter struct {
	cluster string
	tables  map[string]bool // that there are
	down    bool            // what follows undoes the migration
}

// file rewrites one migration. Comments stay where they are.
func (r *rewriter) file(w interface{ Write([]byte) (int, error) }, text string) error {
	r.down = false
	for _, part := range split(text) {
		r.down = r.down || strings.Contains(part.before, "+goose Down")
		if part.statement == "" {
			if _, err := fmt.Fprint(w, part.before); err != nil {
				return err
			}
			continue
		}
		statements, err := r.statement(part.statement)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprint(w, part.before, strings.Join(statements, ";\n"), ";"); err != nil {
			return err
		}
	}
	return nil
}

// part is a statement, and the blanks and comments before it.
type part struct{ before, statement string }

// lexeme is a comment, a quoted text or one other character.
var lexeme = regexp.MustCompile(`(?s)--[^\n]*\n?|'(?:[^'\\]|\\.)*'|.`)

// split cuts a migration at its semicolons.
func split(text string) []part {
	var parts []part
	var now part
	for _, token := range lexeme.FindAllString(text, -1) {
		switch {
		case now.statement == "" && (strings.HasPrefix(token, "--") || strings.TrimSpace(token) == ""):
			now.before += token
		case token == ";":
			parts = append(parts, now)
			now = part{}
		default:
			now.statement += token
		}
	}
	return append(parts, now)
}

// forms are the statements that are understood. Comments inside of them stay.
var forms = []struct {
	pattern *regexp.Regexp
	rewrite func(r *rewriter, m []string) ([]string, error)
}{
	{regexp.MustCompile(`(?s)^CREATE TABLE IF NOT EXISTS (\w+) (\(.*\)|AS \w+)\s+ENGINE = (\w+)(?:\(([^()]*)\))?(?: ORDER BY (\([^()]*\)|\w+))?\s*(?:SETTINGS (.*))?$`), (*rewriter).createTable},
	{regexp.MustCompile(`(?s)^CREATE MATERIALIZED VIEW IF NOT EXISTS (\w+) TO (\w+) AS\s+(SELECT\s.*)$`), (*rewriter).createView},
	{regexp.MustCompile(`(?s)^ALTER TABLE (\w+)\s+(ADD COLUMN|DROP COLUMN|MODIFY COLUMN|ADD INDEX|DROP INDEX|ADD PROJECTION|DROP PROJECTION|MODIFY SETTING) (.*)$`), (*rewriter).alter},
	{regexp.MustCompile(`^DROP (TABLE|VIEW) (IF EXISTS )?(\w+)$`), (*rewriter).drop},
	{regexp.MustCompile(`^TRUNCATE TABLE (IF EXISTS )?(\w+)$`), (*rewriter).truncate},
}

func (r *rewriter) statement(text string) ([]string, error) {
	text = strings.TrimSpace(text)
	for _, form := range forms {
		if m := form.pattern.FindStringSubmatch(text); m != nil {
			return form.rewrite(r, m)
		}
	}
	first, _, _ := strings.Cut(text, "\n")
	return nil, fmt.Errorf("no rule says what %q is on a cluster", first)
}

func (r *rewriter) on() string { return " ON CLUSTER '" + r.cluster + "'" }

// createTable makes the local table and the distributed one.
func (r *rewriter) createTable(m []string) ([]string, error) {
	name, body, engine, arguments, key, settings := m[1], m[2], m[3], m[4], m[5], m[6]
	if twin, is := strings.CutPrefix(body, "AS "); is {
		if !r.tables[twin] {
			return nil, fmt.Errorf("%s is made like %s, which there is not", name, twin)
		}
		body = "AS " + twin + "_local"
	}
	var shard string
	var err error
	local := "CREATE TABLE IF NOT EXISTS " + name + "_local" + r.on() + " " + body + "\n    ENGINE = " + engine
	switch {
	case engine == "Null":
		column := strings.Fields(strings.Trim(body, "( \n"))[0] // any will do, if only a repeated insert goes the same way
		shard = "cityHash64(" + column + ")"
	case strings.HasSuffix(engine, "MergeTree") && !strings.HasPrefix(engine, "Replicated"):
		local = strings.Replace(local, "ENGINE = ", "ENGINE = Replicated", 1)
		local += "('/clickhouse/tables/{shard}/{database}/" + name + "', '{replica}'"
		if arguments != "" {
			local += ", " + arguments
		}
		local += ") ORDER BY " + key
		if shard, err = shardingKey(name, key); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%s has the engine %s", name, engine)
	}
	if settings != "" {
		if settings, err = replicated(settings); err != nil {
			return nil, err
		}
		local += "\n    SETTINGS " + settings
	}
	r.tables[name] = true
	return []string{local, "CREATE TABLE IF NOT EXISTS " + name + r.on() + " AS " + name + "_local\n" +
		"    ENGINE = Distributed('" + r.cluster + "', currentDatabase(), '" + name + "_local', " + shard + ")"}, nil
}

// shardingKey is where a row belongs, by the table's sorting key.
func shardingKey(table, key string) (string, error) {
	columns := strings.Split(strings.Trim(key, "()"), ", ")
	if last := len(columns) - 1; strings.HasSuffix(table, "_history") {
		if columns[last] != "block_number" {
			return "", fmt.Errorf("the history %s is not sorted by block_number last", table)
		}
		columns = columns[:last]
	}
	return "cityHash64(" + strings.Join(columns, ", ") + ")", nil
}

// window is how inserts are remembered, where tables are not replicated.
var window = regexp.MustCompile(`^non_replicated_deduplication_window = (\d+)$`)

// everywhere are the settings that mean the same on a cluster.
var everywhere = regexp.MustCompile(`^(deduplicate_merge_projection_mode|allow_nullable_key|index_granularity|(?:min|max)_compress_block_size) = ('\w+'|\d+)$`)

// replicated spells settings as replicated tables have them. Inserts are remembered for a
// week at most.
func replicated(settings string) (string, error) {
	var out []string
	for _, setting := range strings.Split(settings, ", ") {
		switch m := window.FindStringSubmatch(setting); {
		case m != nil:
			out = append(out, "replicated_deduplication_window = "+m[1], "replicated_deduplication_window_seconds = 604800")
		case everywhere.MatchString(setting):
			out = append(out, setting)
		default:
			return "", fmt.Errorf("no rule says what the setting %q is on a cluster", setting)
		}
	}
	return strings.Join(out, ", "), nil
}

// from finds the tables that a view reads.
var from = regexp.MustCompile(`\b(FROM|JOIN) (\w+)`)

// createView makes a view of the local tables.
func (r *rewriter) createView(m []string) ([]string, error) {
	name, to, query := m[1], m[2], m[3]
	sources := from.FindAllStringSubmatch(query, -1)
	if len(sources) != 1 || sources[0][1] != "FROM" || !r.tables[sources[0][2]] || !r.tables[to] {
		return nil, fmt.Errorf("the view %s is not one of one table into another", name)
	}
	query = from.ReplaceAllString(query, "FROM ${2}_local")
	return []string{"CREATE MATERIALIZED VIEW IF NOT EXISTS " + name + r.on() + " TO " + to + "_local AS " + query}, nil
}

// alter changes columns in both tables, the rest in the local one.
func (r *rewriter) alter(m []string) ([]string, error) {
	name, what, how := m[1], m[2], m[3]
	if !r.tables[name] {
		return nil, fmt.Errorf("%s, which is altered, is not there", name)
	}
	if what == "MODIFY SETTING" {
		var err error
		if how, err = replicated(how); err != nil {
			return nil, err
		}
	}
	out := []string{"ALTER TABLE " + name + "_local" + r.on() + " " + what + " " + how}
	if strings.HasSuffix(what, "COLUMN") {
		out = append(out, "ALTER TABLE "+name+r.on()+" "+what+" "+how)
	}
	return out, nil
}

// drop waits until all replicas are gone: the next table may have the same name.
func (r *rewriter) drop(m []string) ([]string, error) {
	kind, ifExists, name := m[1], m[2], m[3]
	if kind == "VIEW" || !r.tables[name] {
		return []string{"DROP " + kind + " " + ifExists + name + r.on() + " SYNC"}, nil
	}
	if !r.down {
		delete(r.tables, name)
	}
	return []string{"DROP TABLE " + ifExists + name + r.on() + " SYNC", "DROP TABLE " + ifExists + name + "_local" + r.on() + " SYNC"}, nil
}

func (r *rewriter) truncate(m []string) ([]string, error) {
	return []string{"TRUNCATE TABLE " + m[1] + m[2] + "_local" + r.on() + " SYNC"}, nil
}
