package sink

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"math/bits"
	"reflect"
	"strings"
	"time"
	"unsafe"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// column is one field of rows as the database stores it (ClickHouse's Native format). It
// takes no room as long as all its values are zero: then it is left out of the insert, and
// the database puts its own zeros there.
type column struct {
	name, kind string // the database's; a LowCardinality(String) is sent as String
	offset     uintptr
	encoding   encoding
	always     bool // is sent even if all its values are zero

	rows   int    // before values were written: all zero
	filled bool   // values are written
	nulls  buffer // one byte for each value, if it can be null
	ends   buffer // where each array ends, if they are arrays
	count  uint64 // of the arrays' elements
	values buffer
}

// encoding is how the values of a Go type are written. Both functions are given many values
// at a time: there are sixty fields to an event.
type encoding struct {
	zero   func(f field) bool // all of them are
	append func(c *column, f field) error
	width  int // of a zero, in bytes, all of them 0
}

// field is one field of some rows. By way of reflect.Value it takes ten times as long.
type field struct {
	first unsafe.Pointer
	size  uintptr // of a row
	rows  int
}

func value[T any](f field, i int) *T {
	return (*T)(unsafe.Add(f.first, uintptr(i)*f.size))
}

// newColumn is of a field with the type that the database has for it.
func newColumn(of reflect.StructField, in clickhouse.ColumnNameAndType) (column, error) {
	kind := strings.ReplaceAll(in.Type, "LowCardinality(String)", "String")
	known, has := encodings[of.Type.String()+" "+kind]
	if !has {
		return column{}, fmt.Errorf("no %s is written to a column %s %s", of.Type, in.Name, in.Type)
	}
	return column{name: in.Name, kind: kind, offset: of.Offset, encoding: known}, nil
}

// encodings are those of the types that rows have, with the types that the database has for
// them.
var encodings = map[string]encoding{
	"uint64 UInt64":             whole(8, binary.LittleEndian.AppendUint64),
	"uint32 UInt32":             whole(4, binary.LittleEndian.AppendUint32),
	"uint8 UInt8":               whole(1, func(out []byte, v uint8) []byte { return append(out, v) }),
	"int64 Int64":               whole(8, func(out []byte, v int64) []byte { return binary.LittleEndian.AppendUint64(out, uint64(v)) }),
	"bool Bool":                 whole(1, appendBool),
	"time.Time DateTime('UTC')": {zero: none(func(t time.Time) bool { return t.Unix() == 0 }), append: fixed(4, appendTime), width: 4},
	"string String":             {zero: none(func(s string) bool { return s == "" }), append: appendTexts, width: 1},
	"*big.Int UInt256":          {zero: none(isZero), append: appendUnsigned, width: wide},
	"*big.Int Int256":           {zero: none(isZero), append: appendSigned, width: wide},
	"*big.Int Nullable(UInt256)": nullable(wide, func(c *column, n **big.Int) error {
		return appendNumber(c, *n, false)
	}),
	"*uint64 Nullable(UInt64)": nullable(8, func(c *column, v **uint64) error {
		c.values.add(binary.LittleEndian.AppendUint64(nil, **v))
		return nil
	}),
	"*bool Nullable(Bool)":     nullable(1, func(c *column, v **bool) error { c.values.add(appendBool(nil, **v)); return nil }),
	"*string Nullable(String)": nullable(1, func(c *column, v **string) error { appendText(c, **v); return nil }),
	"[]uint64 Array(UInt64)":   array(func(c *column, v uint64) { c.values.add(binary.LittleEndian.AppendUint64(nil, v)) }),
	"[]string Array(String)":   array(appendText),
}

// append writes the field of more rows.
func (c *column) append(first unsafe.Pointer, size uintptr, rows int) error {
	f := field{unsafe.Add(first, c.offset), size, rows}
	if !c.filled {
		if !c.always && c.encoding.zero(f) {
			c.rows += rows
			return nil
		}
		c.filled = true
		c.backfill()
	}
	if err := c.encoding.append(c, f); err != nil {
		return fmt.Errorf("column %s: %w", c.name, err)
	}
	return nil
}

// backfill writes the zeros that were none until now.
func (c *column) backfill() {
	switch {
	case strings.HasPrefix(c.kind, "Nullable("):
		c.nulls.repeat(1, c.rows)
		c.values.repeat(0, c.rows*c.encoding.width)
	case strings.HasPrefix(c.kind, "Array("):
		c.ends.repeat(0, 8*c.rows)
	default:
		c.values.repeat(0, c.rows*c.encoding.width)
	}
}

func (c *column) bytes() int { return c.nulls.size + c.ends.size + c.values.size }

// reset empties the column.
func (c *column) reset() {
	c.rows, c.filled, c.count = 0, false, 0
	c.nulls.reset()
	c.ends.reset()
	c.values.reset()
}

func none[T any](zero func(T) bool) func(field) bool {
	return func(f field) bool {
		for i := range f.rows {
			if !zero(*value[T](f, i)) {
				return false
			}
		}
		return true
	}
}

// whole is of values that all take the same room.
func whole[T comparable](width int, put func([]byte, T) []byte) encoding {
	var nothing T
	return encoding{zero: none(func(v T) bool { return v == nothing }), append: fixed(width, put), width: width}
}

func fixed[T any](width int, put func([]byte, T) []byte) func(*column, field) error {
	return func(c *column, f field) error {
		out := c.values.room(width)
		for i := range f.rows {
			if cap(out)-len(out) < width {
				c.values.keep(out)
				out = c.values.room(width)
			}
			out = put(out, *value[T](f, i))
		}
		c.values.keep(out)
		return nil
	}
}

func appendBool(out []byte, v bool) []byte {
	if v {
		return append(out, 1)
	}
	return append(out, 0)
}

func appendTime(out []byte, t time.Time) []byte {
	return binary.LittleEndian.AppendUint32(out, uint32(t.Unix()))
}

func appendTexts(c *column, f field) error {
	out := c.values.room(1)
	for i := range f.rows {
		text := *value[string](f, i)
		if need := binary.MaxVarintLen64 + len(text); cap(out)-len(out) < need {
			c.values.keep(out)
			out = c.values.room(need)
		}
		out = append(binary.AppendUvarint(out, uint64(len(text))), text...)
	}
	c.values.keep(out)
	return nil
}

func appendText(c *column, text string) {
	c.values.add(append(binary.AppendUvarint(nil, uint64(len(text))), text...))
}

// nullable is of pointers, none of which is null.
func nullable[T any](width int, put func(*column, *T) error) encoding {
	absent := func(v *T) bool { return *(*unsafe.Pointer)(unsafe.Pointer(v)) == nil }
	return encoding{
		width: width,
		zero: func(f field) bool {
			for i := range f.rows {
				if !absent(value[T](f, i)) {
					return false
				}
			}
			return true
		},
		append: func(c *column, f field) error {
			for i := range f.rows {
				v := value[T](f, i)
				if absent(v) {
					c.nulls.add([]byte{1})
					c.values.repeat(0, width)
					continue
				}
				c.nulls.add([]byte{0})
				if err := put(c, v); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// array is of slices. The database wants to know where each ends, and all their elements.
func array[T any](put func(*column, T)) encoding {
	return encoding{
		zero: none(func(list []T) bool { return len(list) == 0 }),
		append: func(c *column, f field) error {
			for i := range f.rows {
				list := *value[[]T](f, i)
				for _, v := range list {
					put(c, v)
				}
				c.count += uint64(len(list))
				c.ends.add(binary.LittleEndian.AppendUint64(nil, c.count))
			}
			return nil
		},
	}
}

// wide is the size of UInt256 and Int256 in bytes.
const wide = 32

func isZero(n *big.Int) bool { return n == nil || n.Sign() == 0 }

func appendUnsigned(c *column, f field) error { return appendNumbers(c, f, false) }

func appendSigned(c *column, f field) error { return appendNumbers(c, f, true) }

// appendNumbers writes numbers of 256 bits; none is zero.
func appendNumbers(c *column, f field, signed bool) error {
	for i := range f.rows {
		if err := appendNumber(c, *value[*big.Int](f, i), signed); err != nil {
			return err
		}
	}
	return nil
}

func appendNumber(c *column, n *big.Int, signed bool) error {
	out := c.values.room(wide)
	at := len(out)
	out = out[:at+wide]
	clear(out[at:])
	c.values.keep(out)
	if n == nil {
		return nil
	}
	if !fits(n, signed) {
		return fmt.Errorf("%s does not fit into %s", n, c.kind)
	}
	littleEndian(out[at:], n)
	return nil
}

func fits(n *big.Int, signed bool) bool {
	if !signed {
		return n.Sign() >= 0 && n.BitLen() <= 8*wide
	}
	return n.BitLen() < 8*wide
}

// littleEndian writes a number that fits over zeros, in two's complement.
func littleEndian(out []byte, n *big.Int) {
	for i, word := range n.Bits() {
		for j := range bits.UintSize / 8 {
			out[i*bits.UintSize/8+j] = byte(word >> (8 * j))
		}
	}
	if n.Sign() >= 0 {
		return
	}
	carry := uint16(1)
	for i := range out {
		carry += uint16(^out[i])
		out[i] = byte(carry)
		carry >>= 8
	}
}
