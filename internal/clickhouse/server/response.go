package server

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/ClickHouse/ch-go/compress"
)

// maxMessage bounds the text of an exception in a running response, in bytes: clients look
// for no more than 16 KiB.
const maxMessage = 15 << 10

// maxFrame is how much output is compressed into one frame, in bytes.
const maxFrame = 1 << 20

// A response writes output, and tells of a failure whether or not output was written before.
type response struct {
	writer      http.ResponseWriter
	compression compress.Method // set before the first write
	compressor  *compress.Writer
	tag         string
	started     bool
}

func newResponse(w http.ResponseWriter) *response {
	var tag [8]byte
	_, _ = rand.Read(tag[:]) // never fails
	return &response{writer: w, tag: hex.EncodeToString(tag[:]), compression: compress.None}
}

// write sends a piece of output.
func (r *response) write(piece []byte) error {
	if len(piece) == 0 {
		return nil
	}
	if !r.started {
		r.started = true
		// Announced before the output: how an exception after it will be marked.
		r.writer.Header().Set("X-ClickHouse-Exception-Tag", r.tag)
		r.writer.Header().Set("Content-Type", "application/octet-stream")
		r.compressor = compress.NewWriter(compress.LevelZero, r.compression)
	}
	if r.compression == compress.None {
		_, err := r.writer.Write(piece)
		return err
	}
	for len(piece) > 0 {
		frame := piece[:min(len(piece), maxFrame)]
		piece = piece[len(frame):]
		if err := r.compressor.Compress(frame); err != nil {
			return err
		}
		if _, err := r.writer.Write(r.compressor.Data); err != nil {
			return err
		}
	}
	return nil
}

// end completes the output.
func (r *response) end() error {
	if !r.started {
		r.writer.WriteHeader(http.StatusOK)
	}
	return nil
}

var exceptionCode = regexp.MustCompile(`^Code: (\d+)\.`)

// fail tells the client why there is no output, or no more. Before the first output it is the
// status and the body. After it, ClickHouse closes the body with a marked block (its
// WriteBufferFromHTTPServerResponse), which is never compressed.
func (r *response) fail(err error) {
	message := err.Error()
	if r.started {
		message = message[:min(len(message), maxMessage)]
		_, _ = fmt.Fprintf(r.writer, "\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n", r.tag, message, len(message)+1, r.tag)
		return // if this fails too, the client is gone
	}
	status := http.StatusInternalServerError
	if _, bad := errors.AsType[badRequest](err); bad {
		status = http.StatusBadRequest
	}
	if code := exceptionCode.FindStringSubmatch(message); code != nil {
		r.writer.Header().Set("X-ClickHouse-Exception-Code", code[1])
	}
	r.writer.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	r.writer.WriteHeader(status)
	_, _ = fmt.Fprintln(r.writer, message) // if this fails, the client is gone
}
