package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"math/rand"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"assay/indexer/sink"
)

// steps is the database as the sink has it: between two tables of a batch the endpoints are
// asked, which then has to be answered, and subscribers look for news. Now and then the sink
// ends there, and another one goes on.
type steps struct {
	driver.Conn
	*hammer
	mutex  sync.Mutex
	random *rand.Rand
	end    context.CancelFunc // the sink's
	asked  atomic.Int64
	sinks  atomic.Int64
}

// run runs one sink after the other.
func (s *steps) run(config sink.Config) func(context.Context) error {
	config.DB = s
	return func(ctx context.Context) error {
		for ctx.Err() == nil {
			running, end := context.WithCancel(ctx)
			s.mutex.Lock()
			s.end = end
			s.sinks.Add(1)
			s.mutex.Unlock()
			err := sink.New(config).Run(running)
			end()
			if err != nil {
				return err
			}
		}
		return nil
	}
}

var inserted = regexp.MustCompile(`^INSERT INTO (\w+)`)

// InsertFormat writes a table of a batch.
func (s *steps) InsertFormat(ctx context.Context, format, query string, data io.Reader) error {
	if err := s.Conn.InsertFormat(ctx, format, query, data); err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch table := inserted.FindStringSubmatch(query)[1]; {
	case table == "heads":
		s.listener.looked(s.hammer)
		fallthrough
	case table == "blocks", s.random.Intn(8) == 0:
		s.ask()
	}
	if s.serving.Load() && s.random.Intn(80) == 0 {
		s.end()
	}
	return nil
}

// ask asks one endpoint.
func (s *steps) ask() {
	if len(s.known) == 0 || !s.serving.Load() || s.t.Context().Err() != nil {
		return
	}
	ask := func() (string, error) { return s.askAnalytics(false) }
	if i := s.random.Intn(4); i < 3 {
		ask = func() (string, error) { return s.askSubgraph(i) }
	}
	head, err := ask()
	if err != nil && s.t.Context().Err() == nil {
		s.t.Errorf("between steps of the sink, at %s: %v", head, err)
	}
	s.asked.Add(1)
}

// listener is who follows the statuses of tasks.
type listener struct {
	polls atomic.Int64 // looks for news
	mutex sync.Mutex
	told  map[string]string // by task
}

// polled is the database as the endpoints have it.
type polled struct {
	driver.Conn
	polls *atomic.Int64
}

// Select reads rows.
func (p *polled) Select(ctx context.Context, dest any, query string, args ...any) error {
	if strings.Contains(query, "lane_partition") && strings.Contains(query, "FROM heads") {
		p.polls.Add(1)
	}
	return p.Conn.Select(ctx, dest, query, args...)
}

// looked waits until there was a look for news, from its beginning to its end.
func (l *listener) looked(h *hammer) {
	before := l.polls.Load()
	for deadline := time.Now().Add(20 * time.Second); l.polls.Load() < before+2 && h.t.Context().Err() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Error("nobody looks for news")
			return
		}
	}
}

// listen subscribes to the statuses of tasks.
func (h *hammer) listen() {
	h.t.Helper()
	body, err := json.Marshal(map[string]any{
		"query": "subscription($chain: Uint64) { taskStatus(filter: {chain: $chain}) { taskId status } }", "variables": map[string]any{"chain": h.chain},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.server.URL+"/graphql", bytes.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		h.t.Fatal(err)
	}
	go func() {
		defer response.Body.Close()
		lines := bufio.NewScanner(response.Body)
		for lines.Scan() {
			var event struct {
				Data struct {
					TaskStatus *struct{ TaskID, Status string }
				}
			}
			data, is := strings.CutPrefix(lines.Text(), "data: ")
			if !is || json.Unmarshal([]byte(data), &event) != nil || event.Data.TaskStatus == nil {
				continue // the test sees what is missing
			}
			h.listener.mutex.Lock()
			h.listener.told[event.Data.TaskStatus.TaskID] = event.Data.TaskStatus.Status
			h.listener.mutex.Unlock()
		}
	}()
}

// heard waits until the subscriber knows of each task what is so at a head.
func (h *hammer) heard(hash string) {
	h.t.Helper()
	var told map[string]string
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		h.listener.mutex.Lock()
		told = maps.Clone(h.listener.told)
		h.listener.mutex.Unlock()
		want := h.known[hash].facts.tasks
		maps.DeleteFunc(told, func(task, _ string) bool { return want[task] == "" }) // they are gone
		if maps.Equal(told, want) {
			return
		}
		if time.Now().After(deadline) {
			h.t.Errorf("at %s a subscriber has been told %v, and it is %v", hash, told, want)
			return
		}
	}
}
