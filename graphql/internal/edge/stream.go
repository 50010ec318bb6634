package edge

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"time"
)

// WriteTimeout is how long a client may take to accept what was written to it.
const WriteTimeout = 20 * time.Second

// SocketWriter is a response that a WebSocket will take over. gqlgen sets no bound to the
// size of a message nor to the time of a write: the connection it is given does.
type SocketWriter struct {
	http.ResponseWriter
	Limit int // bytes of a message
}

// Hijack hands over the connection, with the bounds.
func (w SocketWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffer, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	return &boundedConn{Conn: conn, frames: frames{limit: uint64(w.Limit)}}, buffer, nil
}

// boundedConn is a WebSocket connection with a client. It breaks off when a message is
// too large or a write takes too long.
type boundedConn struct {
	net.Conn
	frames frames
}

var errMessageSize = errors.New("the client's message is too large")

func (c *boundedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.frames.accept(p[:n]) {
		return 0, errors.Join(errMessageSize, c.Close())
	}
	return n, err
}

func (c *boundedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(WriteTimeout)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	if err != nil {
		err = errors.Join(err, c.Close()) // a frame in part: nothing can follow it
	}
	return n, err
}

// frames follows the frames of a WebSocket (RFC 6455, section 5.2) as their bytes pass,
// to know the size of messages before they are in memory.
type frames struct {
	limit   uint64
	header  []byte // of the frame under way, as far as it is known
	payload uint64 // bytes of the frame that are still to come
	message uint64 // bytes of the message so far, all its frames
}

// accept notes bytes that pass. It reports false for a message over the limit.
func (f *frames) accept(p []byte) bool {
	for len(p) > 0 {
		if f.payload > 0 {
			skip := min(f.payload, uint64(len(p)))
			f.payload -= skip
			p = p[skip:]
			continue
		}
		f.header = append(f.header, p[0])
		p = p[1:]
		if length, complete := f.length(); complete && !f.begin(length) {
			return false
		}
	}
	return true
}

// length is the payload's, once the header is complete.
func (f *frames) length() (uint64, bool) {
	if len(f.header) < 2 {
		return 0, false
	}
	short := f.header[1] & 0x7f
	extended := map[byte]int{126: 2, 127: 8}[short]
	size := 2 + extended
	if f.header[1]&0x80 != 0 {
		size += 4 // the mask
	}
	if len(f.header) < size {
		return 0, false
	}
	switch extended {
	case 2:
		return uint64(binary.BigEndian.Uint16(f.header[2:])), true
	case 8:
		return binary.BigEndian.Uint64(f.header[2:]), true
	}
	return uint64(short), true
}

// begin starts a frame's payload. Control frames stand between those of a message.
func (f *frames) begin(length uint64) bool {
	const continuation, control = 0x0, 0x8
	opcode := f.header[0] & 0x0f
	f.header, f.payload = f.header[:0], length
	if opcode&control != 0 {
		return length <= f.limit
	}
	if opcode != continuation {
		f.message = 0
	}
	if length > f.limit || f.message+length > f.limit {
		return false
	}
	f.message += length
	return true
}

// EventWriter is a response that goes on for ever, whose client must accept each part of
// it in time.
type EventWriter struct{ http.ResponseWriter }

func (w EventWriter) Write(p []byte) (int, error) {
	if err := http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(WriteTimeout)); err != nil {
		return 0, err
	}
	return w.ResponseWriter.Write(p)
}

// Flush sends what was written. gqlgen asks for it by this method.
func (w EventWriter) Flush() {
	_ = http.NewResponseController(w.ResponseWriter).Flush() // the next write fails as well
}
