package server

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/compress"

	"assay/internal/clickhouse/chdb"
)

// maxStatement bounds a statement that is the body of a request (VALUES included), in bytes.
const maxStatement = 64 << 20

// A request is one statement with everything it needs.
type request struct {
	statement   string
	format      string    // of the output; of the rows, if there are rows
	rows        io.Reader // what an INSERT inserts, uncompressed; nil: none
	database    string    // empty: the session's default
	settings    map[string]string
	parameters  chdb.Parameters
	revision    uint64          // the protocol revision that the client speaks
	compression compress.Method // of the response
}

var (
	settingName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	insertFormat = regexp.MustCompile(`(?is)^(\s*INSERT\s.*\S)\s+FORMAT\s+([A-Za-z0-9_]+)\s*;?\s*$`)
)

// parse reads a request as clickhouse-go writes it: either the body is the statement, or
// the parameter "query" is and the body holds the rows to insert. The other parameters of
// the address are settings, but for those with a meaning of their own.
func parse(r *http.Request) (*request, error) {
	if r.Method != http.MethodPost {
		return nil, badRequest{errors.New("only POST is answered")}
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		return nil, badRequest{errors.New("the embedded engine takes no external tables")}
	}
	if r.Header.Get("Content-Encoding") != "" {
		return nil, badRequest{errors.New("the embedded engine takes LZ4 and ZSTD frames, but no HTTP compression")}
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest{err}
	}
	request := &request{format: "Native", compression: compress.None, settings: map[string]string{}, parameters: chdb.Parameters{}}
	for name := range values {
		if err := request.take(name, values.Get(name)); err != nil {
			return nil, badRequest{err}
		}
	}
	if values.Get("compress") == "1" {
		request.compression = responseCompression(values.Get("network_compression_method"))
	}
	var body io.Reader = r.Body
	if values.Get("decompress") == "1" {
		body = newFrames(r.Body)
	}
	return request, request.takeBody(body)
}

// take puts one parameter of the address in its place.
func (r *request) take(name, value string) (err error) {
	switch parameter, isParameter := strings.CutPrefix(name, "param_"); {
	case isParameter:
		r.parameters[parameter] = value
	case name == "query":
		r.statement = value
	case name == "database":
		r.database = value
	case name == "default_format":
		r.format = value
	case name == "client_protocol_version":
		r.revision, err = strconv.ParseUint(value, 10, 32)
	case name == "compress" || name == "decompress":
	case !settingName.MatchString(name):
		err = fmt.Errorf("%q is not the name of a setting", name)
	default:
		r.settings[name] = value
	}
	return err
}

// takeBody reads the body as the statement or keeps it as the rows of an INSERT.
func (r *request) takeBody(body io.Reader) error {
	if r.statement == "" {
		text, err := io.ReadAll(io.LimitReader(body, maxStatement+1))
		if len(text) > maxStatement {
			return badRequest{fmt.Errorf("the statement is longer than %d bytes", maxStatement)}
		}
		r.statement = string(text)
		return err
	}
	if parts := insertFormat.FindStringSubmatch(r.statement); parts != nil {
		r.statement, r.format, r.rows = parts[1], parts[2], body
		return nil
	}
	if n, _ := io.ReadFull(body, make([]byte, 1)); n > 0 {
		return badRequest{errors.New("a statement with rows in the body must end in FORMAT and its name")}
	}
	return nil
}

func responseCompression(method string) compress.Method {
	if strings.EqualFold(method, "ZSTD") {
		return compress.ZSTD
	}
	return compress.LZ4
}

// frames reads compressed frames. It ends cleanly only between two of them, which ch-go's
// reader does not tell from an end within one.
type frames struct {
	source *bufio.Reader
	reader *compress.Reader // of the source
	left   int              // of the current frame, in bytes
}

func newFrames(r io.Reader) *frames {
	source := bufio.NewReader(r)
	return &frames{source: source, reader: compress.NewReader(source)}
}

// frameHeader is a frame's checksum (16 bytes), method, compressed and uncompressed size.
const frameHeader = 25

func (f *frames) Read(p []byte) (int, error) {
	if f.left == 0 {
		header, err := f.source.Peek(frameHeader)
		switch {
		case errors.Is(err, io.EOF) && len(header) > 0:
			return 0, io.ErrUnexpectedEOF
		case err != nil:
			return 0, err
		}
		f.left = int(binary.LittleEndian.Uint32(header[frameHeader-4:]))
	}
	n, err := f.reader.Read(p[:min(len(p), f.left)])
	f.left -= n
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// badRequest is a request that the server does not run.
type badRequest struct{ reason error }

func (e badRequest) Error() string { return e.reason.Error() }
func (e badRequest) Unwrap() error { return e.reason }
