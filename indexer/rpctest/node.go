package rpctest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Node is a JSON-RPC endpoint of a chain, on loopback.
type Node struct {
	chain    *Chain
	server   *http.Server
	listener net.Listener
	requests atomic.Uint64
	done     chan struct{}

	mu     sync.Mutex
	faults Faults
	calls  map[string]int
}

// Serve starts a node.
func Serve(chain *Chain, faults Faults) (*Node, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n := &Node{chain: chain, listener: listener, faults: faults, calls: map[string]int{}, done: make(chan struct{})}
	n.server = &http.Server{Handler: n, ReadHeaderTimeout: time.Minute}
	go n.server.Serve(listener) //nolint:errcheck // it ends with Close
	return n, nil
}

// URL is where the node answers HTTP, WSURL where it answers WebSocket.
func (n *Node) URL() string { return "http://" + n.listener.Addr().String() }

// WSURL is where the node answers over WebSocket, and pushes heads.
func (n *Node) WSURL() string { return "ws://" + n.listener.Addr().String() }

// Close ends the node and its connections.
func (n *Node) Close() error {
	close(n.done)
	return n.server.Close()
}

// Set gives the node other faults.
func (n *Node) Set(faults Faults) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = faults
}

// Calls says how often each method was called.
func (n *Node) Calls() map[string]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.calls)
}

type call struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

// rpcError is an error as JSON-RPC has it.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *rpcError) Error() string { return e.Message }

func refuse(code int, format string, args ...any) *rpcError {
	return &rpcError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// ServeHTTP answers one HTTP request, which may be a batch of calls, or goes over to
// WebSocket.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		n.serveWS(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s := n.enter()
	switch {
	case one(s.number, uint64(s.faults.LimitEvery)):
		w.Header().Set("Retry-After", strconv.Itoa(int(s.faults.RetryAfter.Seconds())))
		http.Error(w, "too many requests", http.StatusTooManyRequests)
		return
	case one(s.number, uint64(s.faults.FailEvery)):
		http.Error(w, "bad gateway", http.StatusBadGateway)
		return
	case one(s.number, uint64(s.faults.HangEvery)):
		select {
		case <-r.Context().Done():
		case <-n.done:
		}
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(s.answer(body)) //nolint:errcheck // the client went away
}

// session is the answering of one request: by a node as it was when the request came.
type session struct {
	node   *Node
	faults Faults
	number uint64
	view   view
}

func (n *Node) enter() *session {
	n.mu.Lock()
	faults := n.faults
	n.mu.Unlock()
	s := &session{node: n, faults: faults, number: n.requests.Add(1)}
	lag := uint64(0)
	if one(s.number, uint64(faults.LagEvery)) {
		lag = faults.Lag
	}
	s.view = n.chain.see(lag)
	return s
}

// answer answers a request: one call, or a batch.
func (s *session) answer(body []byte) []byte {
	if len(body) > 0 && body[0] != '[' {
		var one call
		if err := json.Unmarshal(body, &one); err != nil {
			return s.wrap(nil, call{}, refuse(-32700, "parse error: %v", err))
		}
		return s.do(nil, one)
	}
	var calls []call
	if err := json.Unmarshal(body, &calls); err != nil {
		return s.wrap(nil, call{}, refuse(-32700, "parse error: %v", err))
	}
	if s.faults.MaxBatch > 0 && len(calls) > s.faults.MaxBatch {
		return s.wrap(nil, call{}, refuse(-32600, "batch of %d calls: the limit is %d", len(calls), s.faults.MaxBatch))
	}
	out := make([]byte, 1, 4096)
	out[0] = '['
	for i, call := range calls {
		if i > 0 {
			out = append(out, ',')
		}
		out = s.do(out, call)
	}
	return append(out, ']')
}

// do answers one call.
func (s *session) do(out []byte, c call) []byte {
	s.node.mu.Lock()
	s.node.calls[c.Method]++
	s.node.mu.Unlock()
	start := len(out)
	out = append(out, `{"jsonrpc":"2.0","id":`...)
	out = append(out, c.id()...)
	out = append(out, `,"result":`...)
	out, err := s.result(out, c)
	if err == nil && s.faults.MaxResponse > 0 && len(out)-start > s.faults.MaxResponse {
		err = refuse(-32008, "response is too big: exceeded max limit of %d", s.faults.MaxResponse)
	}
	if err != nil {
		return s.wrap(out[:start], c, err)
	}
	return append(out, '}')
}

func (c call) id() []byte {
	if len(c.ID) == 0 {
		return []byte("null")
	}
	return c.ID
}

func (s *session) wrap(out []byte, c call, e *rpcError) []byte {
	message, err := json.Marshal(e)
	if err != nil {
		panic(err) // a number and a string
	}
	out = append(out, `{"jsonrpc":"2.0","id":`...)
	out = append(out, c.id()...)
	out = append(out, `,"error":`...)
	out = append(out, message...)
	return append(out, '}')
}
