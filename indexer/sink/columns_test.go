package sink

import (
	"fmt"
	"math/big"
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"pgregory.net/rapid"

	"assay/indexer/projection/table"
)

// TestNumbersAreStoredAsTheyAre sends numbers of all sizes and signs to the database and
// reads them back.
func TestNumbersAreStoredAsTheyAre(t *testing.T) {
	db := database(t, "numbers")
	type number struct {
		I uint64   `ch:"i"`
		U *big.Int `ch:"u"`
		S *big.Int `ch:"s"`
		N *big.Int `ch:"n"`
	}
	one := big.NewInt(1)
	var rows []number
	for _, bits := range []uint{0, 1, 8, 63, 64, 65, 127, 128, 192, 254, 255} {
		power := new(big.Int).Lsh(one, bits)
		below := new(big.Int).Sub(power, one)
		rows = append(rows, number{U: power, S: below}, number{U: below, S: new(big.Int).Neg(below)})
	}
	rows = append(rows, number{U: new(big.Int).Sub(new(big.Int).Lsh(one, 256), one), S: new(big.Int)})
	ok(t, db.Exec(t.Context(), "CREATE TABLE numbers (i UInt64, u UInt256, s Int256, n Nullable(UInt256)) ENGINE = MergeTree ORDER BY i"))
	for i := range rows {
		rows[i].I = uint64(i)
	}
	store(t, db, table.Of("numbers", rows))
	for i, got := range texts(t, db, "SELECT concat(toString(u), ' ', toString(s), ' ', ifNull(toString(n), 'null')) FROM numbers ORDER BY i") {
		if want := fmt.Sprint(rows[i].U, " ", rows[i].S, " null"); got != want {
			t.Errorf("row %d is %s, want %s", i, got, want)
		}
	}
}

// everything has a field of each type that rows have.
type everything struct {
	I uint64    `ch:"i"`
	A uint64    `ch:"a"`
	B uint32    `ch:"b"`
	C uint8     `ch:"c"`
	D int64     `ch:"d"`
	E bool      `ch:"e"`
	F time.Time `ch:"f"`
	G string    `ch:"g"`
	H string    `ch:"h"`
	J *big.Int  `ch:"j"`
	K *big.Int  `ch:"k"`
	L *big.Int  `ch:"l"`
	M *uint64   `ch:"m"`
	N *bool     `ch:"n"`
	O *string   `ch:"o"`
	P []uint64  `ch:"p"`
	Q []string  `ch:"q"`
	R []string  `ch:"r"`
}

// TestBlocksAreStoredAsTheyAre stores random rows by blocks and by the driver: columns that
// hold nothing, hold something late, texts and arrays longer than a piece, in parts of any size.
func TestBlocksAreStoredAsTheyAre(t *testing.T) {
	db, rng := database(t, "blocks"), rand.New(rand.NewSource(1))
	for round := range 6 {
		names := [2]string{fmt.Sprint("block", round), fmt.Sprint("driver", round)}
		for _, name := range names {
			ok(t, db.Exec(t.Context(), "CREATE TABLE "+name+` (i UInt64, a UInt64, b UInt32, c UInt8, d Int64, e Bool, f DateTime('UTC'), g String,
				h LowCardinality(String), j UInt256, k Int256, l Nullable(UInt256), m Nullable(UInt64), n Nullable(Bool), o Nullable(String),
				p Array(UInt64), q Array(String), r Array(LowCardinality(String))) ENGINE = MergeTree ORDER BY i`))
		}
		rows := everythings(rng, 1+rng.Intn(3000))
		var parts []table.Table
		for left := rows; len(left) > 0; {
			n := 1 + rng.Intn(len(left))
			parts, left = append(parts, table.Of(names[0], left[:n])), left[n:]
		}
		store(t, db, parts...)
		insert, err := db.PrepareBatch(t.Context(), "INSERT INTO "+names[1])
		ok(t, err)
		for i := range rows {
			ok(t, insert.AppendStruct(&rows[i]))
		}
		ok(t, insert.Send())
		got, want := texts(t, db, "SELECT toString(tuple(*)) FROM "+names[0]+" ORDER BY i"), texts(t, db, "SELECT toString(tuple(*)) FROM "+names[1]+" ORDER BY i")
		if len(got) != len(rows) || !slices.Equal(got, want) {
			t.Fatalf("round %d: %d rows, of %d, are not as the driver stores them", round, len(got), len(rows))
		}
	}
}

// everythings makes rows whose fields are mostly, only, or until some row zero.
func everythings(rng *rand.Rand, n int) []everything {
	rows := make([]everything, n)
	var from [17]int
	for i := range from {
		from[i] = []int{0, rng.Intn(n), n}[rng.Intn(3)]
	}
	for i := range rows {
		x := &rows[i]
		field := 0
		is := func() bool { field++; return i >= from[field-1] && rng.Intn(4) > 0 }
		x.I, x.F, x.J, x.K = uint64(i), time.Unix(0, 0).UTC(), new(big.Int), new(big.Int)
		for _, set := range []func(){
			func() { x.A = rng.Uint64() }, func() { x.B = rng.Uint32() }, func() { x.C = uint8(rng.Intn(256)) }, func() { x.D = -rng.Int63() },
			func() { x.E = true }, func() { x.F = time.Unix(rng.Int63n(1<<32), 0).UTC() }, func() { x.G = someText(rng) },
			func() { x.H = fmt.Sprint(rng.Intn(9)) }, func() { x.J = new(big.Int).SetBytes([]byte(someText(rng)[:rng.Intn(33)])) },
			func() { x.K = big.NewInt(rng.Int63() - 1<<62) }, func() { x.L = big.NewInt(rng.Int63n(2)) }, func() { m := uint64(rng.Intn(2)); x.M = &m },
			func() { n := rng.Intn(2) == 0; x.N = &n }, func() { o := someText(rng); x.O = &o },
			func() { x.P = make([]uint64, rng.Intn(4)) }, func() { x.Q = []string{someText(rng), ""} }, func() { x.R = []string{"a", fmt.Sprint(rng.Intn(3))} },
		} {
			if is() {
				set()
			}
		}
	}
	return rows
}

// someText is at least 32 bytes, and sometimes more than a piece.
func someText(rng *rand.Rand) string {
	text := make([]byte, 32+rng.Intn(40))
	if rng.Intn(2000) == 0 {
		text = make([]byte, pieceSize-5+rng.Intn(2*pieceSize))
	}
	rng.Read(text)
	return string(text)
}

// TestOneOfSeveralRowsInAnInsert: inserts are stored as they come (optimize_on_insert = 0), so
// several rows of one thing are in one part; readers see the newest all the same.
func TestOneOfSeveralRowsInAnInsert(t *testing.T) {
	db := database(t, "several")
	type thing struct {
		ID      uint64 `ch:"id"`
		Version uint64 `ch:"version"`
		Deleted uint8  `ch:"deleted"`
	}
	const things = 30_000 // more than a granule
	var rows []thing
	for version := range uint64(3) {
		for id := range uint64(things) {
			rows = append(rows, thing{id, version, uint8((id + version) % 2)})
		}
	}
	ok(t, db.Exec(t.Context(), "CREATE TABLE things (id UInt64, version UInt64, deleted UInt8) ENGINE = ReplacingMergeTree(version, deleted) ORDER BY id"))
	ok(t, db.Exec(t.Context(), "SYSTEM STOP MERGES things"))
	store(t, db, table.Of("things", rows))
	if n := count(t, db, "things"); n != 3*things {
		t.Errorf("%d rows are stored, want %d", n, 3*things)
	}
	if got := texts(t, db, "SELECT toString(tuple(count(), min(version), min(id % 2))) FROM things FINAL")[0]; got != fmt.Sprintf("(%d,2,0)", things/2) {
		t.Errorf("readers see %s", got)
	}
}

// store inserts rows of one table as the sink does.
func store(t *testing.T, db driver.Conn, parts ...table.Table) {
	t.Helper()
	w := &writer{db: db}
	ok(t, w.describe(t.Context(), parts[0]))
	b, err := newBlock(parts[0], w.columns[parts[0].Name])
	ok(t, err)
	for _, part := range parts {
		ok(t, b.append(part))
	}
	ok(t, w.insert(t.Context(), b, "", nil))
}

// TestLittleEndian compares with what two's complement means.
func TestLittleEndian(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 31).Draw(rt, "n"))
		if rapid.Bool().Draw(rt, "negative") {
			n.Neg(n)
		}
		var out [wide]byte
		littleEndian(out[:], n)
		want := new(big.Int).Set(n)
		if n.Sign() < 0 {
			want.Add(want, new(big.Int).Lsh(big.NewInt(1), 256))
		}
		for i := range out {
			if byte(new(big.Int).Rsh(want, uint(8*i)).Uint64()) != out[i] {
				rt.Fatalf("%s is written as %x", n, out)
			}
		}
	})
}

func TestNumbersThatDoNotFit(t *testing.T) {
	power := func(n uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), n) }
	for _, c := range []struct {
		n    *big.Int
		kind string
	}{{big.NewInt(-1), "UInt256"}, {power(256), "UInt256"}, {power(255), "Int256"}, {new(big.Int).Neg(power(256)), "Int256"}} {
		if fits(c.n, c.kind == "Int256") {
			t.Errorf("%s is said to fit into %s", c.n, c.kind)
		}
	}
}
