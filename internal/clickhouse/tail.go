package clickhouse

import (
	"strings"
	"sync"
	"unicode"
)

// tail keeps the end of what is written to it.
type tail struct {
	mutex sync.Mutex
	text  []byte
}

const maxTail = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.text = append(t.text, p...)
	if excess := len(t.text) - maxTail; excess > 0 {
		t.text = append(t.text[:0], t.text[excess:]...)
	}
	return len(p), nil
}

// lines returns the text as one line, without what the library says at every start.
func (t *tail) lines() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	var said []string
	for line := range strings.Lines(strings.ToValidUTF8(string(t.text), "?")) {
		if line = strings.TrimSpace(strings.Map(visible, line)); line != "" && !strings.HasPrefix(line, "Logging ") {
			said = append(said, line)
		}
	}
	return strings.Join(said, "; ")
}

// visible makes a space of what could play tricks with a terminal.
func visible(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}
