package entity

import (
	"encoding/binary"
	"errors"
	"math/big"

	"github.com/holiman/uint256"

	"assay/consensus/poco"
)

// ErrShelf says that what lies on a shelf is not what was put there.
var ErrShelf = errors.New("a note on the shelf is damaged")

// Codec writes fields to bytes, or reads them from bytes, so that one list of a thing's
// fields serves both. What is read from bytes that nobody wrote is anything; then the codec
// has failed.
type Codec struct {
	bytes   []byte
	reading bool
	failed  bool
}

// next returns the next n bytes to read or to fill.
func (c *Codec) next(n int) []byte {
	if !c.reading {
		c.bytes = append(c.bytes, make([]byte, n)...)
		return c.bytes[len(c.bytes)-n:]
	}
	if c.failed = c.failed || n > len(c.bytes); c.failed {
		return nil
	}
	b := c.bytes[:n]
	c.bytes = c.bytes[n:]
	return b
}

// fixed is a field of as many bytes as it has.
func (c *Codec) fixed(field []byte) {
	if b := c.next(len(field)); c.reading {
		copy(field, b)
	} else {
		copy(b, field)
	}
}

// Number is a field.
func (c *Codec) Number(x *uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], *x)
	c.fixed(b[:])
	*x = binary.BigEndian.Uint64(b[:])
}

// Flag is a field.
func (c *Codec) Flag(x *bool) {
	b := [1]byte{}
	if *x {
		b[0] = 1
	}
	c.fixed(b[:])
	*x, c.failed = b[0] == 1, c.failed || b[0] > 1
}

// Hash is a field.
func (c *Codec) Hash(x *poco.Hash) { c.fixed(x[:]) }

// Address is a field.
func (c *Codec) Address(x *poco.Address) { c.fixed(x[:]) }

// Amount is a field.
func (c *Codec) Amount(x *poco.Amount) {
	b := x.Bytes()
	c.Bytes(&b)
	if c.failed = c.failed || len(b) > len(poco.Hash{}) || len(b) > 0 && b[0] == 0; !c.failed {
		*x = *new(uint256.Int).SetBytes(b)
	}
}

// Big is a field that is not negative and may be nil.
func (c *Codec) Big(x **big.Int) {
	has := *x != nil
	if c.Flag(&has); !has || c.failed {
		*x = nil
		return
	}
	var b []byte
	if !c.reading {
		b = (*x).Bytes()
	}
	c.Bytes(&b)
	c.failed = c.failed || len(b) > 0 && b[0] == 0
	*x = new(big.Int).SetBytes(b)
}

// Bytes is a field of any length.
func (c *Codec) Bytes(x *[]byte) {
	n := uint64(len(*x))
	c.Number(&n)
	if c.failed = c.failed || c.reading && n > uint64(len(c.bytes)); c.failed {
		return
	}
	if c.reading {
		*x = make([]byte, n)
	}
	c.fixed(*x)
}

// Text is a field.
func (c *Codec) Text(x *string) {
	b := []byte(*x)
	c.Bytes(&b)
	*x = string(b)
}

// Texts is a field; none are nil.
func (c *Codec) Texts(x *[]string) { several(c, x, (*Codec).Text) }

// Addresses is a field; none are nil.
func (c *Codec) Addresses(x *[]poco.Address) { several(c, x, (*Codec).Address) }

// several is a field of things that are written after their number.
func several[T any](c *Codec, x *[]T, fields func(*Codec, *T)) {
	n := uint64(len(*x))
	c.Number(&n)
	if !c.reading {
		for i := range *x {
			fields(c, &(*x)[i])
		}
		return
	}
	*x = nil
	for i := uint64(0); i < n && !c.failed; i++ {
		var thing T
		fields(c, &thing)
		*x = append(*x, thing)
	}
}

// Nothing is no field.
func (c *Codec) Nothing(*struct{}) {}

// Write appends a thing's fields to bytes.
func Write[T any](to []byte, thing T, fields func(*Codec, *T)) []byte {
	c := Codec{bytes: to}
	fields(&c, &thing)
	return c.bytes
}

// Read reads what Write wrote, and nothing else. The error is ErrShelf.
func Read[T any](from []byte, fields func(*Codec, *T)) (thing T, err error) {
	c := Codec{bytes: from, reading: true}
	fields(&c, &thing)
	if c.failed || len(c.bytes) > 0 {
		return thing, ErrShelf
	}
	return thing, nil
}
