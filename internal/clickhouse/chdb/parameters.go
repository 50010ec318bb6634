package chdb

import (
	"runtime"
	"unsafe"
)

// Parameters are the values of a statement's {name:Type} places, in ClickHouse's escaped
// text form.
type Parameters map[string]string

// statement is the shape of the library's calls that take a statement with parameters.
type statement = func(connectionHandle, unsafe.Pointer, uintptr, unsafe.Pointer, uintptr, unsafe.Pointer, unsafe.Pointer, unsafe.Pointer, unsafe.Pointer, uintptr) unsafe.Pointer

// call runs one of the library's calls. It keeps everything it points to in place until
// the call returns; the library copies what it needs longer.
func call(c *Connection, function statement, sql, format string, parameters Parameters) unsafe.Pointer {
	var pins runtime.Pinner
	defer pins.Unpin()
	var names, values []unsafe.Pointer
	var nameLengths, valueLengths []uintptr
	for name, value := range parameters {
		names, nameLengths = append(names, cString(&pins, name)), append(nameLengths, uintptr(len(name)))
		values, valueLengths = append(values, cString(&pins, value)), append(valueLengths, uintptr(len(value)))
	}
	return function(*c.handle,
		cString(&pins, sql), uintptr(len(sql)), cString(&pins, format), uintptr(len(format)),
		array(&pins, names), array(&pins, nameLengths), array(&pins, values), array(&pins, valueLengths),
		uintptr(len(parameters)))
}

// cString returns the address of a copy of the text that ends in a zero byte. It is never null:
// the library reads null as "no string", not as the empty one.
func cString(pins *runtime.Pinner, text string) unsafe.Pointer {
	bytes := append([]byte(text), 0)
	pins.Pin(&bytes[0])
	return unsafe.Pointer(&bytes[0])
}

func array[T any](pins *runtime.Pinner, elements []T) unsafe.Pointer {
	if len(elements) == 0 {
		return nil
	}
	pins.Pin(&elements[0])
	return unsafe.Pointer(&elements[0])
}
