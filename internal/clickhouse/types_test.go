package clickhouse

import (
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// everything has one field of every type that the tables use, and some more.
type everything struct {
	ID       uint64            `ch:"id"`
	Small    uint32            `ch:"small"`
	Flag     uint8             `ch:"flag"`
	Signed   int64             `ch:"signed"`
	Big      *big.Int          `ch:"big"`
	Name     string            `ch:"name"`
	Kind     string            `ch:"kind"`
	At       time.Time         `ch:"at"`
	AtMillis time.Time         `ch:"at_millis"`
	Accurate *bool             `ch:"accurate"`
	Tags     []string          `ch:"tags"`
	Labels   map[string]string `ch:"labels"`
}

const everythingTable = `CREATE TABLE everything (
	id UInt64, small UInt32, flag UInt8, signed Int64, big UInt256, name String, kind LowCardinality(String),
	at DateTime('UTC'), at_millis DateTime64(3, 'UTC'), accurate Nullable(Bool), tags Array(String), labels Map(String, String)
) ENGINE = MergeTree ORDER BY id`

func everythingRows() []everything {
	yes, no := true, false
	largest := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	return []everything{
		{ID: 1, Big: new(big.Int), At: time.Unix(0, 0).UTC(), AtMillis: time.UnixMilli(0).UTC(), Tags: []string{}, Labels: map[string]string{}},
		{
			ID: 1<<64 - 1, Small: 1<<32 - 1, Flag: 255, Signed: -1 << 63, Big: largest, Name: "nul \x00 tab \t newline \n quote ' backslash \\ \r",
			Kind: "COMPLETED", At: time.Unix(1<<32-1, 0).UTC(), AtMillis: time.UnixMilli(1_700_000_000_123).UTC(), Accurate: &yes,
			Tags: []string{"", "a", "\x00"}, Labels: map[string]string{"k": "v"},
		},
		{ID: 2, Big: big.NewInt(10), Name: "not UTF-8: \xff\xfe\xc3\x28", Kind: "", At: time.Unix(1, 0).UTC(), AtMillis: time.UnixMilli(1).UTC(), Accurate: &no, Tags: []string{}, Labels: map[string]string{}},
		{ID: 3, Big: new(big.Int).Lsh(big.NewInt(1), 128), Name: "__exception__\r\n" + strings.Repeat("é", 100_000), Kind: "ACTIVE", At: time.Unix(2, 0).UTC(), AtMillis: time.UnixMilli(2).UTC(), Tags: []string{}, Labels: map[string]string{}},
	}
}

func TestTypesRoundTrip(t *testing.T) {
	for name, compression := range map[string]*clickhouse.Compression{
		"none": nil,
		"LZ4":  {Method: clickhouse.CompressionLZ4},
		"ZSTD": {Method: clickhouse.CompressionZSTD},
	} {
		t.Run(name, func(t *testing.T) {
			config := testDatabase(t)
			connect(t, config) // makes the database
			options := config.options()
			options.Compression = compression
			conn, err := clickhouse.Open(options)
			ok(t, err)
			defer conn.Close()
			run(t, conn, everythingTable)
			want := everythingRows()
			if compression != nil { // see Config.options
				want[3].Name = "as above, without the marker"
			}
			insertStructs(t, conn, "everything", want)
			var got []everything
			ok(t, conn.Select(t.Context(), &got, "SELECT * FROM everything ORDER BY id"))
			for _, index := range []struct{ got, want int }{{0, 0}, {3, 1}, {1, 2}, {2, 3}} {
				wantEqual(t, got[index.got], want[index.want])
			}
		})
	}
}

func wantEqual(t *testing.T, got, want everything) {
	t.Helper()
	if !got.At.Equal(want.At) || !got.AtMillis.Equal(want.AtMillis) || got.Big.Cmp(want.Big) != 0 {
		t.Errorf("got %v %v %v, want %v %v %v", got.At, got.AtMillis, got.Big, want.At, want.AtMillis, want.Big)
	}
	got.At, got.AtMillis, got.Big = want.At, want.AtMillis, want.Big // the same, in other words
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func insertStructs[T any](t testing.TB, conn driver.Conn, table string, rows []T) {
	t.Helper()
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO "+table)
	ok(t, err)
	for i := range rows {
		ok(t, batch.AppendStruct(&rows[i]))
	}
	ok(t, batch.Send())
}

func TestReplacingMergeTreeFinal(t *testing.T) {
	conn := connect(t, testDatabase(t))
	run(t, conn,
		"CREATE TABLE t (id String, value UInt64, version UInt64, deleted UInt8) ENGINE = ReplacingMergeTree(version, deleted) ORDER BY id",
		"INSERT INTO t VALUES ('a', 1, 1, 0), ('b', 1, 1, 0), ('c', 1, 1, 0)",
		"INSERT INTO t VALUES ('a', 3, 3, 0), ('b', 2, 2, 1)",
		"INSERT INTO t VALUES ('a', 2, 2, 0), ('c', 2, 2, 1)",
		"INSERT INTO t VALUES ('c', 3, 3, 0)",
	)
	var got []struct {
		ID    string `ch:"id"`
		Value uint64 `ch:"value"`
	}
	ok(t, conn.Select(t.Context(), &got, "SELECT id, value FROM t FINAL ORDER BY id"))
	if len(got) != 2 || got[0].ID != "a" || got[0].Value != 3 || got[1].ID != "c" || got[1].Value != 3 {
		t.Fatalf("got %v", got)
	}
}
