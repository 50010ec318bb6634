package conformance_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"assay/graphql/subgraph/referencetest"
	"assay/internal/clickhouse"
	tables "assay/schema/clickhouse"
	"assay/schema/graphql/subgraph"
)

func TestMain(m *testing.M) {
	clickhouse.ChildMain()
	if err := flag.Set("rapid.checks", strconv.Itoa(trials())); err != nil {
		panic(err) // rapid has the flag
	}
	code := m.Run()
	if err := stopEngine(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// trials is how many random documents are asked.
func trials() int {
	if tries, each := effort(); each == 1 {
		return 100 * tries
	}
	return 15
}

// One database for all tests, opened by the first that needs it. Each test has a chain of
// its own in it, and so the others' rows to keep out of its answers.
var (
	engine    *clickhouse.Engine
	engineDir string
	shared    driver.Conn
	open      = sync.OnceValue(func() (err error) {
		if engineDir, err = os.MkdirTemp("", "conformance-"); err != nil {
			return err
		}
		ctx := context.Background()
		if engine, err = clickhouse.StartEngine(ctx, engineDir); err != nil {
			return err
		}
		config := engine.Config("conformance")
		if err = clickhouse.Migrate(ctx, config, tables.Migrations); err == nil {
			shared, err = clickhouse.Open(ctx, config)
		}
		return err
	})
	lastChain = uint64(31337)
)

func stopEngine() error {
	var err error
	if shared != nil {
		err = shared.Close()
	}
	if engine != nil {
		err = errors.Join(err, engine.Close())
	}
	return errors.Join(err, os.RemoveAll(engineDir))
}

// database is the one of all tests, and a chain for this one.
func database(t testing.TB) (driver.Conn, uint64) {
	t.Helper()
	if err := open(); errors.Is(err, clickhouse.ErrNoLibrary) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	lastChain++
	return shared, lastChain
}

// store writes a world's states into a database, block by block, as the sink does: a newer
// version of a row wins, and what a fork undoes is written again as it was before.
type store struct {
	conn    driver.Conn
	world   *referencetest.World
	tables  string // what the names of the entities' tables begin with
	chain   uint64
	version uint64
	columns map[string][]column // of each table
}

type column struct {
	Name string `ch:"name"`
	Type string `ch:"type"`
}

func newStore(t testing.TB, w *referencetest.World, prefix string) *store {
	t.Helper()
	conn, chain := database(t)
	return &store{conn: conn, world: w, tables: prefix, chain: chain, columns: map[string][]column{}}
}

// row is a row of a table by its columns' names. A column left out has its default.
type row map[string]any

// Block writes the world's newest block.
func (s *store) Block(t testing.TB) {
	t.Helper()
	s.version++
	head := s.world.Head()
	rows := map[string][]row{"blocks": {s.blockRow(head, 0)}}
	var above uint64
	if n := len(s.world.Blocks); n > 1 {
		above = s.world.Blocks[n-2].Number
	}
	for _, c := range s.world.Since(above) {
		table := subgraph.Table(s.tables, c.Entity)
		rows[table] = append(rows[table], s.entityRow(c.Entity, c.ID, c.Block, c.State))
	}
	s.write(t, rows)
	s.head(t)
}

// Undo writes that the blocks above a number left the chain, and then takes them out of the
// world.
func (s *store) Undo(t testing.TB, above uint64, fork func()) {
	t.Helper()
	s.version++
	rows := map[string][]row{}
	seen := map[string]bool{}
	for _, b := range s.world.Blocks {
		if b.Number > above {
			rows["blocks"] = append(rows["blocks"], s.blockRow(b, 1))
		}
	}
	for _, c := range s.world.Since(above) {
		table := subgraph.Table(s.tables, c.Entity)
		gone := s.entityRow(c.Entity, c.ID, c.Block, c.State)
		gone["deleted"] = uint8(1)
		if !s.world.Definition.Types[c.Entity].Immutable {
			rows[table+"_history"] = append(rows[table+"_history"], gone)
		}
		if seen[c.Entity+c.ID] {
			continue // its first change above says what it was before
		}
		seen[c.Entity+c.ID] = true
		if c.Before != nil {
			gone = s.entityRow(c.Entity, c.ID, c.BeforeBlock, c.Before)
		}
		rows[table] = append(rows[table], gone)
	}
	s.write(t, rows)
	fork()
	s.head(t)
}

func (s *store) head(t testing.TB) {
	t.Helper()
	s.version++
	h := s.world.Head()
	s.write(t, map[string][]row{"heads": {{
		"chain": s.chain, "head_number": h.Number, "head_hash": h.Hash, "head_time": seconds(h.Time), "version": s.version,
	}}})
}

func (s *store) blockRow(b referencetest.Block, deleted uint8) row {
	return row{"chain": s.chain, "number": b.Number, "hash": b.Hash, "parent_hash": b.Parent, "time": seconds(b.Time), "version": s.version, "deleted": deleted}
}

func seconds(n uint64) time.Time { return time.Unix(int64(n), 0).UTC() }

func (s *store) entityRow(entity, id string, block uint64, state referencetest.State) row {
	r := row{"chain": s.chain, "id": id, "block_number": block, "version": s.version, "deleted": uint8(0)}
	for _, f := range s.world.Definition.Types[entity].Fields {
		if f.DerivedFrom == "" && f.Name != "id" {
			r[f.Name] = state[f.Name]
		}
	}
	return r
}

func (s *store) write(t testing.TB, rows map[string][]row) {
	t.Helper()
	for table, list := range rows {
		if err := s.insert(t.Context(), table, list); err != nil {
			t.Fatalf("writing to %s: %v", table, err)
		}
	}
}

func (s *store) insert(ctx context.Context, table string, rows []row) error {
	columns, err := s.columnsOf(ctx, table, rows[0])
	if err != nil {
		return err
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = "`" + c.Name + "`"
	}
	batch, err := s.conn.PrepareBatch(ctx, "INSERT INTO "+table+" ("+strings.Join(names, ", ")+")")
	if err != nil {
		return err
	}
	defer batch.Close()
	for _, r := range rows {
		values := make([]any, len(columns))
		for i, c := range columns {
			values[i] = stored(r[c.Name], c.Type)
		}
		if err := batch.Append(values...); err != nil {
			return err
		}
	}
	return batch.Send()
}

// columnsOf lists those columns of a table that its rows have.
func (s *store) columnsOf(ctx context.Context, table string, first row) ([]column, error) {
	if s.columns[table] == nil {
		var all, found []column
		err := s.conn.Select(ctx, &all, "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = ? ORDER BY position", table)
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			if _, ok := first[c.Name]; ok {
				found = append(found, c)
			}
		}
		if len(found) != len(first) {
			return nil, fmt.Errorf("%s has the columns %v, the rows %v", table, all, first)
		}
		s.columns[table] = found
	}
	return s.columns[table], nil
}

// stored turns a state's value into what the driver takes for a column's type.
func stored(value any, typ string) any {
	plain, nullable := strings.CutPrefix(typ, "Nullable(")
	plain = strings.TrimSuffix(plain, ")")
	switch v := value.(type) {
	case *big.Int:
		if plain == "UInt64" {
			return v.Uint64()
		}
	case int64:
		if plain == "Int32" {
			return int32(v)
		}
	case nil:
		if !nullable {
			panic("null in a column of " + typ)
		}
	}
	return value
}
