package clickhouse

import (
	"testing"
	"testing/fstest"
)

const (
	firstMigration = `-- A comment; with a semicolon.

-- +goose Up
CREATE TABLE IF NOT EXISTS a (x UInt64, s String DEFAULT ';') ENGINE = MergeTree ORDER BY x;

-- Another one.
CREATE TABLE IF NOT EXISTS b (x UInt64) ENGINE = MergeTree ORDER BY x;
`
	secondMigration = `-- +goose Up
ALTER TABLE a ADD COLUMN IF NOT EXISTS y UInt64;
INSERT INTO b VALUES (1);
`
)

func migrations(files ...string) fstest.MapFS {
	result := fstest.MapFS{}
	for i, text := range files {
		result["000"+string(rune('1'+i))+"_step.sql"] = &fstest.MapFile{Data: []byte(text)}
	}
	return result
}

func TestMigrate(t *testing.T) {
	config := testDatabase(t)
	for _, files := range [][]string{{firstMigration}, {firstMigration}, {firstMigration, secondMigration}, {firstMigration, secondMigration}} {
		ok(t, Migrate(t.Context(), config, migrations(files...)))
	}
	conn := connect(t, config)
	run(t, conn, "INSERT INTO a (x, y) VALUES (1, 2)")
	if n := one[uint64](t, conn, "SELECT count() FROM b"); n != 1 {
		t.Errorf("the second migration ran %d times", n)
	}
	if s := one[string](t, conn, "SELECT s FROM a"); s != ";" {
		t.Errorf("the default is %q", s)
	}
}

// A program that is killed between two statements of a migration runs it again.
func TestInterruptedMigration(t *testing.T) {
	config := testDatabase(t)
	broken := "-- +goose Up\nCREATE TABLE IF NOT EXISTS a (x UInt64) ENGINE = MergeTree ORDER BY x;\nSELECT throwIf(1);\n"
	wantCode(t, Migrate(t.Context(), config, migrations(broken)), 395)
	ok(t, Migrate(t.Context(), config, migrations(firstMigration)))
	run(t, connect(t, config), "INSERT INTO b VALUES (1)")
}

func TestMigrationsNotReadable(t *testing.T) {
	err := Migrate(t.Context(), testDatabase(t), migrations("no marker"))
	wantOneLine(t, err, "0001_step.sql")
}
