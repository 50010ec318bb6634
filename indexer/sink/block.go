package sink

import (
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/ClickHouse/clickhouse-go/v2"

	"assay/indexer/projection/table"
)

// block is rows of one table, column by column, as they go over to the database: encoded
// they take a third of the room that they take as rows, hold nothing that garbage collection
// has to look at, and can be sent again as they are.
type block struct {
	name    string
	columns []column
	rows    int
}

// newBlock is an empty one of a table whose columns have these names and types.
func newBlock(t table.Table, columns []clickhouse.ColumnNameAndType) (*block, error) {
	b := &block{name: t.Name}
	row := t.Rows().Type().Elem()
	for i, kind := range columns {
		c, err := newColumn(row.Field(i), kind)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t.Name, err)
		}
		c.always = i == 0 // one column has to be
		b.columns = append(b.columns, c)
	}
	return b, nil
}

// append adds rows of the table.
func (b *block) append(t table.Table) error {
	if t.Len() == 0 {
		return nil // there is no first row to point to
	}
	rows := t.Rows()
	first, size := rows.UnsafePointer(), rows.Type().Elem().Size()
	for i := range b.columns {
		if err := b.columns[i].append(first, size, rows.Len()); err != nil {
			return &rowError{fmt.Errorf("table %s: %w", b.name, err)}
		}
	}
	b.rows += rows.Len()
	return nil
}

// bytes is how large the rows are.
func (b *block) bytes() int {
	n := 0
	for i := range b.columns {
		n += b.columns[i].bytes()
	}
	return n
}

func (b *block) reset() {
	b.rows = 0
	for i := range b.columns {
		b.columns[i].reset()
	}
}

// statement inserts the columns that hold anything.
func (b *block) statement() string {
	var names []string
	for i := range b.columns {
		if c := &b.columns[i]; c.filled {
			names = append(names, "`"+c.name+"`")
		}
	}
	return "INSERT INTO " + b.name + " (" + strings.Join(names, ", ") + ")"
}

// native is the rows in ClickHouse's Native format: how many columns and rows, then each
// column's name, type and values.
func (b *block) native() *net.Buffers {
	out := &net.Buffers{nil}
	columns := 0
	for i := range b.columns {
		c := &b.columns[i]
		if !c.filled {
			continue
		}
		columns++
		*out = append(*out, nativeText(nativeText(nil, c.name), c.kind))
		for _, part := range []*buffer{&c.nulls, &c.ends, &c.values} {
			*out = append(*out, part.pieces...)
		}
	}
	(*out)[0] = binary.AppendUvarint(binary.AppendUvarint(nil, uint64(columns)), uint64(b.rows))
	return out
}

func nativeText(out []byte, text string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(text))), text...)
}

// buffer is bytes in pieces, so that none has to be moved when more come.
type buffer struct {
	pieces [][]byte
	size   int
}

// pieceSize is the size of all pieces but a buffer's first, which is small, and those that a
// longer text needs for itself.
const (
	pieceSize = 32 << 10
	firstSize = 256
)

var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// room is the last piece, which has room for so many bytes after its end. What is written
// there is kept by keep.
func (b *buffer) room(bytes int) []byte {
	if n := len(b.pieces); n > 0 && cap(b.pieces[n-1])-len(b.pieces[n-1]) >= bytes {
		return b.pieces[n-1]
	}
	switch {
	case len(b.pieces) == 0 && bytes <= firstSize:
		b.pieces = append(b.pieces, make([]byte, 0, firstSize))
	case bytes <= pieceSize:
		b.pieces = append(b.pieces, pieces.Get().(*[pieceSize]byte)[:0])
	default:
		b.pieces = append(b.pieces, make([]byte, 0, bytes))
	}
	return b.pieces[len(b.pieces)-1]
}

// keep puts the last piece back, with what was written to it.
func (b *buffer) keep(piece []byte) {
	last := &b.pieces[len(b.pieces)-1]
	b.size += len(piece) - len(*last)
	*last = piece
}

func (b *buffer) add(bytes []byte) { b.keep(append(b.room(len(bytes)), bytes...)) }

// repeat adds the same byte again and again.
func (b *buffer) repeat(what byte, times int) {
	for times > 0 {
		piece := b.room(1)
		n := min(times, cap(piece)-len(piece))
		for range n {
			piece = append(piece, what)
		}
		b.keep(piece)
		times -= n
	}
}

// reset empties the buffer, but for its first piece's room.
func (b *buffer) reset() {
	b.size = 0
	kept := b.pieces[:0]
	for i, piece := range b.pieces {
		b.pieces[i] = nil
		switch cap(piece) {
		case firstSize:
			kept = append(kept, piece[:0])
		case pieceSize:
			pieces.Put((*[pieceSize]byte)(piece[:pieceSize]))
		}
	}
	b.pieces = kept
}
