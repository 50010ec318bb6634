package rpctest

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"

	"github.com/coder/websocket"
)

// socket is one WebSocket connection.
type socket struct {
	node *Node
	conn *websocket.Conn
	mu   sync.Mutex // writes
}

// serveWS answers calls over WebSocket, and pushes heads to who subscribes.
func (n *Node) serveWS(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow() //nolint:errcheck // the client went away
	conn.SetReadLimit(64 << 20)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s := &socket{node: n, conn: conn}
	for {
		_, body, err := conn.Read(ctx)
		if err != nil {
			return
		}
		var one call
		if json.Unmarshal(body, &one) == nil && one.Method == "eth_subscribe" {
			s.write(ctx, []byte(`{"jsonrpc":"2.0","id":`+string(one.id())+`,"result":"0x1"}`))
			go s.push(ctx)
			continue
		}
		s.write(ctx, n.enter().answer(body))
	}
}

func (s *socket) write(ctx context.Context, message []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn.Write(ctx, websocket.MessageText, message) //nolint:errcheck // the next read fails too
}

// push sends each new head.
func (s *socket) push(ctx context.Context) {
	for {
		changed := s.node.chain.changed()
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		out := []byte(`{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0x1","result":`)
		out = s.node.chain.Head().appendHeader(out, false)
		s.write(ctx, append(out, '}', '}'))
	}
}
