package chdb

import (
	"errors"
	"runtime"
	"sync"
	"unsafe"
)

// Class is what a statement does to state that outlives it (chdb_query_class).
type Class uint32

// The classes, from harmless to unknown.
const (
	ReadOnly       Class = 0 // SELECT, SHOW, DESCRIBE, EXPLAIN, EXISTS, CHECK
	Mutating       Class = 1 // changes a database
	MutatingGlobal Class = 2 // changes something beside the databases
	Control        Class = 3 // USE, SET, SYSTEM, KILL …: the session, or not replayable
	Unknown        Class = 4 // does not parse, or a kind the library does not know
)

// A Connection is one session with the engine. It runs one statement at a time and is
// not safe for concurrent use.
type Connection struct {
	library *Library
	handle  *connectionHandle
}

// connecting serializes connects: the first one boots the engine.
var connecting sync.Mutex

// Connect opens a session. The arguments of the first one configure the engine
// (--path, --config-file); query settings may follow. Why a connect failed the library
// says on standard error only.
func (l *Library) Connect(arguments ...string) (*Connection, error) {
	connecting.Lock()
	defer connecting.Unlock()
	var pins runtime.Pinner
	defer pins.Unpin()
	argv := []unsafe.Pointer{cString(&pins, "clickhouse")}
	for _, argument := range arguments {
		argv = append(argv, cString(&pins, argument))
	}
	argv = append(argv, nil)
	handle := l.connect(int32(len(argv)-1), unsafe.Pointer(&argv[0]))
	runtime.KeepAlive(argv)
	if handle == nil || *handle == nil {
		return nil, errors.New("the engine refused to open")
	}
	return &Connection{library: l, handle: handle}, nil
}

// Close ends the session. Closing the last one would stop the engine: keep one open.
func (c *Connection) Close() {
	c.library.close(c.handle)
	c.handle = nil
}

// Classify parses the text without running it: how many statements it holds (0 if it
// does not parse) and what they do.
func (c *Connection) Classify(sql string) (statements int, class Class) {
	var pins runtime.Pinner
	defer pins.Unpin()
	report := &struct{ size, statements, flags, class uint32 }{size: 16}
	if c.library.classify(*c.handle, cString(&pins, sql), uintptr(len(sql)), nil, 0, unsafe.Pointer(report)) != 0 {
		return 0, Unknown
	}
	return int(report.statements), Class(report.class)
}

// Query runs the statements of the text to their end and returns their output in the
// format, or the engine's message as error.
func (c *Connection) Query(sql, format string, parameters Parameters) ([]byte, error) {
	return c.library.take(call(c, c.library.query, sql, format, parameters))
}

// Stream starts a statement whose output is fetched piece by piece.
func (c *Connection) Stream(sql, format string, parameters Parameters) (*Stream, error) {
	result := call(c, c.library.streamQuery, sql, format, parameters)
	if err := c.library.errorOf(result); err != nil {
		c.library.destroyResult(result)
		return nil, err
	}
	return &Stream{connection: c, result: result}, nil
}

// Insert starts an INSERT whose rows follow in the format. The text has no FORMAT clause.
func (c *Connection) Insert(sql, format string, parameters Parameters) (*Insert, error) {
	stream := call(c, c.library.insert, sql, format, parameters)
	if message := c.library.insertError(stream); message != "" {
		c.library.destroyInserter(stream)
		return nil, errors.New(message)
	}
	return &Insert{library: c.library, stream: stream}, nil
}

// A Stream is the output of a running statement.
type Stream struct {
	connection *Connection
	result     resultHandle
}

// Next returns the next piece, valid for ever, and nothing at the end.
func (s *Stream) Next() ([]byte, error) {
	library := s.connection.library
	return library.take(library.streamFetch(*s.connection.handle, s.result))
}

// Close gives the statement up if it has not ended, and frees the connection for another.
func (s *Stream) Close() {
	s.connection.library.streamCancel(*s.connection.handle, s.result)
	s.connection.library.destroyResult(s.result)
}

// An Insert is a running INSERT that takes rows. It is an [io.Writer].
type Insert struct {
	library *Library
	stream  insertHandle
}

// Write hands over encoded rows, cut anywhere. It may block while the engine is busy.
// After an error the reason is Done's.
func (i *Insert) Write(data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil
	}
	var pins runtime.Pinner
	defer pins.Unpin()
	pins.Pin(&data[0])
	if i.library.insertAppend(i.stream, unsafe.Pointer(&data[0]), uintptr(len(data))) != 0 {
		return 0, ErrInsertFailed
	}
	return len(data), nil
}

// ErrInsertFailed is returned by [Insert.Write] when the engine has stopped taking rows.
var ErrInsertFailed = errors.New("the engine takes no more rows")

// Done ends the rows and waits until they are stored.
func (i *Insert) Done() error {
	_, err := i.library.take(i.library.insertDone(i.stream))
	i.library.destroyInserter(i.stream)
	return err
}

// Cancel gives the INSERT up; a block that was complete may have been stored.
func (i *Insert) Cancel() {
	i.library.insertCancel(i.stream)
	i.library.destroyInserter(i.stream)
}

// take copies a result's output out of the library and frees it.
func (l *Library) take(result resultHandle) ([]byte, error) {
	defer l.destroyResult(result)
	if err := l.errorOf(result); err != nil {
		return nil, err
	}
	length := l.resultLength(result)
	if length == 0 {
		return nil, nil
	}
	output := make([]byte, length)
	copy(output, unsafe.Slice((*byte)(l.resultBuffer(result)), length))
	return output, nil
}

func (l *Library) errorOf(result resultHandle) error {
	if result == nil {
		return errors.New("the engine gave no result")
	}
	if message := l.resultError(result); message != "" {
		return errors.New(message)
	}
	return nil
}
