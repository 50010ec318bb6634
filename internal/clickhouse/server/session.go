package server

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"assay/internal/clickhouse/chdb"
)

// session is one with the engine, prepared for requests that are alike.
type session struct {
	*chdb.Connection
	like string // of which requests
	tag  string // names its statement to kill
}

// session says which other requests can have the same session.
func (r *request) session() string {
	parts := []string{r.database}
	for _, name := range slices.Sorted(maps.Keys(r.settings)) {
		parts = append(parts, name, r.settings[name])
	}
	return strings.Join(parts, "\x00")
}

// maxIdle is how many sessions wait for requests.
const maxIdle = 32

// idle are sessions that wait for requests, the one that waits longest first.
type idle struct {
	mutex    sync.Mutex
	sessions []*session
}

// take takes the session that was used last of those for such requests, nil if there is none.
func (i *idle) take(like string) *session {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	for n, s := range slices.Backward(i.sessions) {
		if s.like == like {
			i.sessions = slices.Delete(i.sessions, n, n+1)
			return s
		}
	}
	return nil
}

// put lets a session wait, in place of the one that has waited longest if there are enough.
func (i *idle) put(s *session) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if len(i.sessions) == maxIdle {
		i.sessions[0].Close()
		i.sessions = slices.Delete(i.sessions, 0, 1)
	}
	i.sessions = append(i.sessions, s)
}
