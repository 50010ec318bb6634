package subgraph

import (
	"fmt"
	"strconv"
	"strings"
)

// record is an entity as it was written last.
type record struct {
	of      *Type
	values  []*string // of the type's columns; nil is null
	block   uint64    // of its last change
	version uint64    // of what wrote it
	gone    bool      // there is none
}

// value is a column's; nil is null.
func (r *record) value(column string) *string { return r.values[r.of.places[column]] }

func (r *record) id() string { return *r.values[0] }

// size is about how many bytes it takes in memory.
func (r *record) size() int {
	const each, all = 32, 200
	size := all + each*len(r.values)
	for _, value := range r.values {
		if value != nil {
			size += len(*value)
		}
	}
	return size
}

// time is the entity's place in lists by time.
func (r *record) time() (uint64, error) {
	text := *r.value("timestamp")
	if r.of.byName["timestamp"].Column == "Int64" {
		signed, err := strconv.ParseInt(text, 10, 64)
		return uint64(signed) ^ 1<<63, err
	}
	return strconv.ParseUint(text, 10, 64)
}

// unpack reads a packed row (schema/clickhouse/0005_subgraph.sql): version, block and whether
// it is deleted, and of each column but the id the length of its value, a colon and the value,
// or a minus for null.
func (t *Type) unpack(id, row string) (*record, error) {
	u := unpacking{row: row}
	r := &record{of: t, version: u.number(' '), block: u.number(' '), gone: u.number(' ') == 1}
	texts := make([]string, len(t.columns))
	r.values = make([]*string, len(t.columns))
	texts[0], r.values[0] = id, &texts[0]
	for i := 1; i < len(texts); i++ {
		if !u.null() {
			texts[i], r.values[i] = u.text(), &texts[i]
		}
	}
	if u.wrong || u.row != "" {
		return nil, fmt.Errorf("the row of %s %s is not packed as its definition says", t.Name, id)
	}
	return r, nil
}

// unpacking is what is left of a row.
type unpacking struct {
	row   string
	wrong bool
}

func (u *unpacking) number(end byte) uint64 {
	digits, rest, found := strings.Cut(u.row, string(end))
	n, err := strconv.ParseUint(digits, 10, 64)
	u.row, u.wrong = rest, u.wrong || !found || err != nil
	return n
}

func (u *unpacking) null() bool {
	rest, null := strings.CutPrefix(u.row, "-")
	u.row = rest
	return null
}

func (u *unpacking) text() string {
	length := u.number(':')
	if length > uint64(len(u.row)) {
		u.wrong = true
		return ""
	}
	text := u.row[:length]
	u.row = u.row[length:]
	return text
}
