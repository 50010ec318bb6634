package sink

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"testing/fstest"

	"assay/internal/clickhouse"
	migrations "assay/schema/clickhouse"
)

// shard is a cluster of one shard, which the engine that has it is. It could be no other: the
// engine inside this program listens to no other server.
const shard = `<tcp_port>9000</tcp_port><remote_servers><assay>
	<shard><internal_replication>true</internal_replication><replica><host>127.0.0.1</host><port>9000</port></replica></shard>
</assay></remote_servers>
`

// What of a cluster's migrations one engine cannot do: it has no Keeper to replicate through,
// and no other servers to send statements to.
var standIns = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(` ON CLUSTER 'assay'`), ""},
	{regexp.MustCompile(`Replicated(\w*MergeTree)\('[^']*', '\{replica\}'(?:, )?([^)]*)\)`), "$1($2)"},
	{regexp.MustCompile(`\breplicated_deduplication_window = (\d+), replicated_deduplication_window_seconds = \d+`), "non_replicated_deduplication_window = $1"},
}

// clustered are the cluster's migrations, with stand-ins.
func clustered(t *testing.T) fs.FS {
	t.Helper()
	rewritten, err := migrations.Cluster(migrations.Migrations, "assay")
	ok(t, err)
	files, err := fs.Glob(rewritten, "*.sql")
	ok(t, err)
	out := fstest.MapFS{}
	for _, file := range files {
		text, err := fs.ReadFile(rewritten, file)
		ok(t, err)
		for _, s := range standIns {
			text = s.pattern.ReplaceAll(text, []byte(s.with))
		}
		out[file] = &fstest.MapFile{Data: text}
	}
	return out
}

// TestClusterTables: written and read through the cluster's Distributed tables, the local
// tables and the views between them come to hold what one node's do, of a log with forks,
// when the sink is stopped on the way as well.
func TestClusterTables(t *testing.T) {
	c := broker(t)
	topics := topicsOf("clustered")
	_, forked, _ := play(5, 30)
	fill(t, c, topics, forked.Records, func(i int) bool { return i%5 == 3 })
	decide(t, c, topics, 10)
	single := database(t, "single")
	settle(t, newSink(c, single, topics))

	dir, ctx := t.TempDir(), context.Background()
	ok(t, os.WriteFile(filepath.Join(dir, "engine.xml"), []byte(shard), 0o600))
	engine, err := clickhouse.StartEngine(ctx, dir)
	ok(t, err)
	t.Cleanup(func() { ok(t, engine.Close()) })
	ok(t, clickhouse.Migrate(ctx, engine.Config("clustered"), clustered(t)))
	db, err := clickhouse.Open(ctx, engine.Config("clustered"))
	ok(t, err)
	t.Cleanup(func() { ok(t, db.Close()) })
	for point := 5; point < 60; point += 11 {
		s := newSink(c, db, topics)
		stopped, cancel := context.WithCancel(ctx)
		s.writer.db = &flaky{Conn: db, fail: failAfter(point, cancel), after: tear(int64(point))}
		done := make(chan error, 1)
		go func() { done <- s.Run(stopped) }()
		eventually(t, "it is stopped or has nothing left to do", func() bool { return stopped.Err() != nil || atEnd(t, s) })
		cancel()
		ok(t, <-done)
	}
	settle(t, newSink(c, db, topics))
	same(t, "of a cluster's tables", dump(t, db, true), dump(t, single, true))
	sumsAreTheRows(t, db)
	engines := texts(t, db, "SELECT concat(engine, ' ', toString(count() > 30)) FROM system.tables WHERE database = currentDatabase() AND engine IN ('Distributed', 'ReplacingMergeTree') AND name NOT LIKE 'goose%' GROUP BY engine ORDER BY engine")
	if !slices.Equal(engines, []string{"Distributed 1", "ReplacingMergeTree 1"}) {
		t.Errorf("the tables are %v", engines)
	}
}
