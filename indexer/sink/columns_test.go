package sink

import (
	"fmt"
	"math/big"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
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
	insert, err := db.PrepareBatch(t.Context(), "INSERT INTO numbers")
	ok(t, err)
	for i := range rows {
		rows[i].I = uint64(i)
	}
	ok(t, appendRows(insert, table.Of("numbers", rows)))
	ok(t, insert.Send())
	for i, got := range texts(t, db, "SELECT concat(toString(u), ' ', toString(s), ' ', ifNull(toString(n), 'null')) FROM numbers ORDER BY i") {
		if want := fmt.Sprint(rows[i].U, " ", rows[i].S, " null"); got != want {
			t.Errorf("row %d is %s, want %s", i, got, want)
		}
	}
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
		if fits(c.n, column.Type(c.kind)) {
			t.Errorf("%s is said to fit into %s", c.n, c.kind)
		}
	}
}
