package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

// maxResponse bounds what a node can make us keep for one request.
const maxResponse = 256 << 20

// call is one JSON-RPC call, and its answer.
type call struct {
	method string
	args   []any
	raw    json.RawMessage
	err    error // the node's word about this call
}

// callError is an error that a node answered with.
type callError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *callError) Error() string  { return e.Message }
func (e *callError) ErrorCode() int { return e.Code }

// statusError is an HTTP answer that is none.
type statusError struct {
	Code  int
	After time.Duration // how long to wait, where the node says so
}

func (e *statusError) Error() string {
	return fmt.Sprintf("HTTP status %d %s", e.Code, http.StatusText(e.Code))
}

// send makes some calls in one request. Its error is about the request; each call has
// its own.
func (n *node) send(ctx context.Context, calls []*call) error {
	ctx, cancel := context.WithTimeout(ctx, n.patience)
	defer cancel()
	n.count(func(h *health) { h.requests++ })
	if n.url == "" {
		return n.sendOver(ctx, calls)
	}
	body, err := n.post(ctx, calls)
	if err != nil {
		return withoutURL(err)
	}
	return parseAnswers(body, calls)
}

// sendOver sends by go-ethereum's client, which speaks WebSocket.
func (n *node) sendOver(ctx context.Context, calls []*call) error {
	batch := make([]rpc.BatchElem, len(calls))
	for i, c := range calls {
		batch[i] = rpc.BatchElem{Method: c.method, Args: c.args, Result: &c.raw}
	}
	if err := n.rpc.BatchCallContext(ctx, batch); err != nil {
		return err
	}
	for i, c := range calls {
		c.err = batch[i].Error
	}
	return nil
}

type wireCall struct {
	Version string `json:"jsonrpc"`
	ID      int    `json:"id"`
	Method  string `json:"method"`
	Params  []any  `json:"params"`
}

func (n *node) post(ctx context.Context, calls []*call) ([]byte, error) {
	asked := make([]wireCall, len(calls))
	for i, c := range calls {
		asked[i] = wireCall{Version: "2.0", ID: i, Method: c.method, Params: c.args}
	}
	body, err := json.Marshal(asked)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := n.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	if response.StatusCode != http.StatusOK {
		return nil, &statusError{Code: response.StatusCode, After: retryAfter(response.Header)}
	}
	return readAll(response)
}

// answers are buffers that answers are read into. Of what was read a copy is kept, which has the
// right size: growing to it anew took a tenth of the time that indexing takes.
var answers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func readAll(response *http.Response) ([]byte, error) {
	out := answers.Get().(*bytes.Buffer)
	defer answers.Put(out)
	out.Reset()
	if _, err := out.ReadFrom(io.LimitReader(response.Body, maxResponse+1)); err != nil {
		return nil, err
	}
	if out.Len() > maxResponse {
		return nil, &statusError{Code: http.StatusRequestEntityTooLarge}
	}
	return bytes.Clone(out.Bytes()), nil
}

// retryAfter reads the header's seconds; a date is taken for a minute.
func retryAfter(header http.Header) time.Duration {
	text := header.Get("Retry-After")
	if text == "" {
		return 0
	}
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 0 || seconds > 60 {
		return time.Minute
	}
	return time.Duration(seconds) * time.Second
}

// parseAnswers gives each call its answer. An error without an id is about all of them.
func parseAnswers(body []byte, calls []*call) error {
	answered := make([]bool, len(calls))
	c := &cursor{data: body}
	one := func() error {
		id, raw, failed := -1, json.RawMessage(nil), (*callError)(nil)
		err := c.fields(func(key []byte) (err error) {
			var value json.RawMessage
			if value, err = c.skip(); err != nil {
				return err
			}
			switch string(key) {
			case "id":
				if number, err := strconv.Atoi(string(value)); err == nil {
					id = number
				}
			case "result":
				raw = value
			case "error":
				if string(value) != "null" {
					failed = &callError{}
					return json.Unmarshal(value, failed)
				}
			}
			return nil
		})
		switch {
		case err != nil:
			return err
		case failed != nil && (id < 0 || id >= len(calls)):
			return failed
		case id < 0 || id >= len(calls) || answered[id]:
			return fmt.Errorf("%w: an answer to no question", errJSON)
		}
		answered[id] = true
		calls[id].raw = raw
		if failed != nil {
			calls[id].err = failed
		}
		return nil
	}
	if c.next() == '{' {
		return errors.Join(one(), missing(answered))
	}
	if err := c.elements(one); err != nil {
		return err
	}
	return missing(answered)
}

func missing(answered []bool) error {
	for _, ok := range answered {
		if !ok {
			return fmt.Errorf("%w: a call was not answered", errJSON)
		}
	}
	return nil
}

// tooMuch says whether an error asks for smaller questions: the range is too wide, the
// answer too long, or it took too long. Providers have no common code for it.
func tooMuch(err error) bool {
	var status *statusError
	var refused rpc.Error
	var slow net.Error
	switch {
	case errors.As(err, &status):
		return status.Code == http.StatusRequestEntityTooLarge || status.Code == http.StatusGatewayTimeout
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return true
	case errors.As(err, &refused) && !rateLimited(err):
		return mentions(err, "range", "too many", "more than", "too big", "too large", "too long", "exceed", "limit", "timeout", "timed out", "max results", "response size")
	}
	return false
}

// rateLimited says whether an error asks to wait.
func rateLimited(err error) bool {
	var status *statusError
	var refused rpc.Error
	if errors.As(err, &status) {
		return status.Code == http.StatusTooManyRequests
	}
	return errors.As(err, &refused) && (refused.ErrorCode() == 429 || mentions(err, "rate limit", "too many requests", "per second", "capacity", "throttl"))
}

func mentions(err error, words ...string) bool {
	text := strings.ToLower(err.Error())
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}
