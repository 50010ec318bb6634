// Package server speaks the part of ClickHouse's HTTP interface that clickhouse-go uses, for
// an engine in this process (package chdb).
//
// Every request gets a session with the engine of which its database and settings are all that
// sets it apart, as a request to clickhouse-server does. A statement that only reads cannot
// change them, so its session is kept for the next one with the same database and settings:
// to open one and to set them costs as much as a small statement.
//
// The engine writes Native blocks of protocol revision 0, while a client asks for its own
// revision. Clients first ask for the server's revision and then decode with it, so the answer
// to that one question is encoded for the client and says 0 (see hello.go).
//
// Not supported, and refused: sessions over several requests, external tables, chosen query
// ids. Users and passwords are not looked at: who may connect is decided by the socket.
package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"assay/internal/clickhouse/chdb"
)

// maxRunning is how many requests run at once; others wait for their turn.
const maxRunning = 32

// Server answers HTTP requests by running their statements in the engine.
type Server struct {
	connect func() (*chdb.Connection, error)
	hello   hello
	running chan struct{}
	serial  atomic.Uint64
	idle    idle
}

// New makes a server on sessions that connect opens.
func New(connect func() (*chdb.Connection, error)) (*Server, error) {
	connection, err := connect()
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	hello, err := askHello(connection)
	if err != nil {
		return nil, err
	}
	return &Server{connect: connect, hello: hello, running: make(chan struct{}, maxRunning)}, nil
}

// ServeHTTP runs the request's statement and writes its output or the engine's exception.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	response := newResponse(w)
	if err := s.answer(response, r); err != nil {
		response.fail(err)
	}
}

func (s *Server) answer(response *response, r *http.Request) error {
	request, err := parse(r)
	if err != nil {
		return err
	}
	response.compression = request.compression
	if request.statement == helloStatement {
		return s.hello.write(response, request.revision)
	}
	select {
	case s.running <- struct{}{}:
		defer func() { <-s.running }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	return s.run(r.Context(), response, request)
}

// run gives the request a session and runs its statement there.
func (s *Server) run(ctx context.Context, response *response, request *request) error {
	session, err := s.session(request)
	if err != nil {
		return err
	}
	reusable := false
	defer func() {
		if reusable {
			s.idle.put(session)
		} else {
			session.Close()
		}
	}()
	if request.rows != nil {
		return insert(session.Connection, request)
	}
	statements, class := session.Classify(request.statement)
	if statements > 1 || class == chdb.Unknown && strings.Contains(strings.TrimRight(request.statement, "; \t\r\n"), ";") {
		// The engine would run them one after the other; clickhouse-server refuses them so.
		return errors.New("Code: 62. DB::Exception: Syntax error (Multi-statements are not allowed). (SYNTAX_ERROR)")
	}
	if class == chdb.ReadOnly {
		release := s.killWhenDone(ctx, session.tag)
		err := stream(session.Connection, response, request)
		reusable = release() && err == nil
		return err
	}
	// What changes something runs to its end even if the client goes away.
	return query(session.Connection, response, request)
}

// session takes one that waits for such a request, or opens one.
func (s *Server) session(request *request) (*session, error) {
	like := request.session()
	if waiting := s.idle.take(like); waiting != nil {
		return waiting, nil
	}
	connection, err := s.connect()
	if err != nil {
		return nil, err
	}
	opened := &session{connection, like, fmt.Sprintf("%s #%d", request.settings["log_comment"], s.serial.Add(1))}
	if err := prepare(connection, request, opened.tag); err != nil {
		connection.Close()
		return nil, err
	}
	return opened, nil
}

// prepare sets the request's database and settings on its session. The tag names the
// statement to kill.
func prepare(session *chdb.Connection, request *request, tag string) error {
	if request.database != "" {
		if _, err := session.Query("USE "+quote(request.database, '`'), "", nil); err != nil {
			return err
		}
	}
	// implicit_select is the library's deviation from the server: "1 + 1" as a query.
	changes := []string{"implicit_select = 0", "log_comment = " + quote(tag, '\'')}
	for name, value := range request.settings {
		if name != "log_comment" {
			changes = append(changes, name+" = "+quote(value, '\''))
		}
	}
	_, err := session.Query("SET "+strings.Join(changes, ", "), "", nil)
	return err
}

// stream writes the output as the engine produces it.
func stream(session *chdb.Connection, response *response, request *request) error {
	output, err := session.Stream(request.statement, request.format, request.parameters)
	if err != nil && strings.Contains(err.Error(), "Streaming query is not supported") {
		return query(session, response, request) // SHOW, DESCRIBE, EXPLAIN …: short output
	}
	if err != nil {
		return err
	}
	defer output.Close()
	for {
		piece, err := output.Next()
		if err != nil {
			return err
		}
		if len(piece) == 0 {
			return response.end()
		}
		if err := response.write(piece); err != nil {
			return err
		}
	}
}

// query runs the statement to its end before it answers.
func query(session *chdb.Connection, response *response, request *request) error {
	output, err := session.Query(request.statement, request.format, request.parameters)
	if err != nil {
		return err
	}
	if err := response.write(output); err != nil {
		return err
	}
	return response.end()
}

// killWhenDone stops the tagged statement when the context ends. The engine notices a client
// that went away only when it writes to it, which a long aggregation does late. The statement
// may not have started yet, so it is killed until the returned function is called, which
// says whether nothing was: else the session's next statement could be.
func (s *Server) killWhenDone(ctx context.Context, tag string) (release func() bool) {
	finished := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		killer, err := s.connect()
		if err != nil {
			return // the statement then ends by itself, or with the process
		}
		defer killer.Close()
		for {
			_, err := killer.Query("KILL QUERY WHERE Settings['log_comment'] = "+quote(tag, '\'')+" ASYNC", "Null", nil)
			select {
			case <-finished:
				return
			case <-time.After(20 * time.Millisecond):
			}
			if err != nil {
				return
			}
		}
	})
	return func() bool {
		untouched := stop()
		close(finished)
		return untouched
	}
}

// quote makes an identifier or a string literal of the text.
func quote(text string, mark rune) string {
	escaped := strings.NewReplacer(`\`, `\\`, string(mark), `\`+string(mark), "\x00", `\0`).Replace(text)
	return string(mark) + escaped + string(mark)
}
