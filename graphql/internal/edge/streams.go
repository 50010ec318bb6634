package edge

import (
	"net/http"
	"sync"
)

// Streams counts the requests under way that go on for ever: WebSockets and server-sent
// events, whatever is subscribed to on them.
type Streams struct {
	clients *Clients
	most    int // of all clients
	each    int // of one

	mutex sync.Mutex
	open  map[string]int // by client
	total int
}

// NewStreams lets all clients together have so many streams, and each of them so many.
// Clients are told apart as for their requests.
func NewStreams(clients *Clients, most, each int) *Streams {
	return &Streams{clients: clients, most: most, each: each, open: make(map[string]int)}
}

// Enter counts a stream, to be left when it ends. If there are too many it answers instead,
// and reports false.
func (s *Streams) Enter(w http.ResponseWriter, r *http.Request) (leave func(), entered bool) {
	client := clientOf(r, s.clients.header)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch {
	case s.open[client] >= s.each:
		Refuse(w, http.StatusTooManyRequests, Limit, "too many streams of one client: end some, or subscribe to more on one WebSocket")
		return nil, false
	case s.total >= s.most:
		Refuse(w, http.StatusServiceUnavailable, Limit, "there are too many streams: try again later")
		return nil, false
	}
	s.open[client]++
	s.total++
	return func() { s.leave(client) }, true
}

func (s *Streams) leave(client string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.total--
	if s.open[client]--; s.open[client] == 0 {
		delete(s.open, client)
	}
}
