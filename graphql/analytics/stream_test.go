package analytics

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"pgregory.net/rapid"

	"assay/graphql/analytics/model"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// event is a payout of a stream.
type event struct {
	Cursor string
	Payout struct {
		Chain, BlockNumber, LogIndex int
		Amount                       string
	}
}

func (e event) name() string {
	return fmt.Sprint(e.Payout.Chain, " ", e.Payout.BlockNumber, " ", e.Payout.LogIndex)
}

// message is one of the protocol graphql-transport-ws.
type message struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// socket is a WebSocket client.
type socket struct {
	t    testing.TB
	conn *websocket.Conn
}

func dial(t testing.TB, server *httptest.Server) *socket {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), server.URL+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(1 << 20)
	s := &socket{t, conn}
	s.send(message{Type: "connection_init"})
	if ack := s.next(); ack.Type != "connection_ack" {
		t.Fatalf("the server answers %v to connection_init", ack)
	}
	return s
}

func (s *socket) send(m message) {
	s.t.Helper()
	if err := wsjson.Write(context.Background(), s.conn, m); err != nil {
		s.t.Fatal(err)
	}
}

// next is the next message but pings.
func (s *socket) next() message {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		var m message
		if err := wsjson.Read(ctx, s.conn, &m); err != nil {
			s.t.Fatalf("reading the WebSocket: %v", err)
		}
		if m.Type != "ping" && m.Type != "pong" {
			return m
		}
	}
}

const subscription1 = `subscription($filter: PayoutStreamFilter, $after: Cursor) {
	payouts(filter: $filter, after: $after) { cursor payout { chain blockNumber logIndex amount } } }`

func (s *socket) subscribe(id string, filter map[string]any, after *string) {
	s.t.Helper()
	payload, err := json.Marshal(map[string]any{"query": subscription1, "variables": map[string]any{"filter": filter, "after": after}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.send(message{ID: id, Type: "subscribe", Payload: payload})
}

// event is the next message, which must be a payout.
func (s *socket) event() event {
	s.t.Helper()
	m := s.next()
	return parseEvent(s.t, m.Payload)
}

func parseEvent(t testing.TB, text []byte) event {
	t.Helper()
	var r struct {
		Data   struct{ Payouts *event }
		Errors any
	}
	if err := json.Unmarshal(text, &r); err != nil || r.Data.Payouts == nil {
		t.Fatalf("not a payout: %s", text)
	}
	return *r.Data.Payouts
}

// ledger writes payouts as the sink does: the rows of some records, then the head.
type ledger struct {
	conn    driver.Conn
	version map[uint64]uint64
	written []string
}

func newLedger(conn driver.Conn) *ledger {
	return &ledger{conn: conn, version: make(map[uint64]uint64)}
}

func (l *ledger) payout(chain, version uint64, log int) row {
	return row{
		"chain": chain, "block_number": version, "log_index": uint32(log), "time": clock(int(version)), "kind": oneKind(log), "role": "WORKER",
		"account": worker(log % 3), "amount": big.NewInt(int64(log)), "task": hash(1), "deal": hash(2), "workerpool": pool(int(version % 2)), "version": version, "deleted": uint8(0),
	}
}

func oneKind(log int) string { return kindWords[log%2] }

// write adds a block with some payouts to a chain.
func (l *ledger) write(t testing.TB, chain uint64, payouts int) {
	t.Helper()
	l.version[chain]++
	var rows []row
	for i := range payouts {
		rows = append(rows, l.payout(chain, l.version[chain], i))
		l.written = append(l.written, fmt.Sprint(chain, " ", l.version[chain], " ", i))
	}
	insert(t, l.conn, "payouts", rows...)
	l.head(t, chain)
}

func (l *ledger) head(t testing.TB, chain uint64) {
	t.Helper()
	insert(t, l.conn, "heads", row{"chain": chain, "head_number": l.version[chain], "version": l.version[chain]})
}

// of are the payouts of a chain that were written, in order.
func of(chain uint64, names []string) []string {
	var own []string
	for _, name := range names {
		if strings.HasPrefix(name, fmt.Sprint(chain, " ")) {
			own = append(own, name)
		}
	}
	return own
}

// Subscribers that come and go while payouts are written, and resume from their cursors,
// each see every payout of each chain once and in order.
func TestStreamLosesNothing(t *testing.T) {
	conn := newDatabase(t)
	l := newLedger(conn)
	for _, chain := range chains {
		l.write(t, chain, 3)
	}
	server := newServer(t, conn)
	first := subscribed(t, server, conn, l)
	before := len(l.written)

	var readers sync.WaitGroup
	results := make([][]string, 4)
	const total = 300
	for i := range results {
		readers.Go(func() { results[i] = followWithBreaks(t, server, first, i, total) })
	}
	r := rand.New(rand.NewPCG(1, 2))
	for len(l.written) < before+total {
		l.write(t, oneOf(r, chains), min(1+r.IntN(20), before+total-len(l.written)))
	}
	readers.Wait()
	for i, got := range results {
		for _, chain := range chains {
			if want := of(chain, l.written[before:]); !slices.Equal(of(chain, got), want) {
				t.Errorf("reader %d, chain %d:\n got %v\nwant %v", i, chain, of(chain, got), want)
			}
		}
	}
}

// subscribed returns the cursor of an event after which nothing has been written.
func subscribed(t testing.TB, server *httptest.Server, conn driver.Conn, l *ledger) string {
	t.Helper()
	s := dial(t, server)
	s.subscribe("1", nil, nil)
	waitSubscribers(t, server, 1)
	l.write(t, 7, 1)
	e := s.event()
	if e.name() != l.written[len(l.written)-1] {
		t.Fatalf("a new subscriber is told of %s, which was written before", e.name())
	}
	return e.Cursor
}

// followWithBreaks reads payouts until it has as many as wanted, and breaks the
// connection now and then to go on from its last cursor.
func followWithBreaks(t testing.TB, server *httptest.Server, cursor string, seed, total int) (names []string) {
	r := rand.New(rand.NewPCG(uint64(seed), 3))
	for len(names) < total {
		s := dial(t, server)
		s.subscribe("1", nil, &cursor)
		for range min(1+r.IntN(80), total-len(names)) {
			e := s.event()
			cursor = e.Cursor
			names = append(names, e.name())
		}
		_ = s.conn.CloseNow()
	}
	return names
}

// waitSubscribers waits until the server has as many subscribers.
func waitSubscribers(t testing.TB, server *httptest.Server, want int) {
	t.Helper()
	waitMetric(t, server, fmt.Sprintf("assay_graphql_subscribers %d\n", want))
}

func waitMetric(t testing.TB, server *httptest.Server, line string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		text := fetch(t, server.URL+"/metrics")
		if strings.Contains(text, line) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("metrics never have %q:\n%s", line, text)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// The rows of a record are told when its head is written, not before, and one that was
// taken back in between is not told at all.
func TestStreamGoesByHeads(t *testing.T) {
	conn := newDatabase(t)
	l := newLedger(conn)
	l.write(t, 7, 1)
	server := newServer(t, conn)
	s := dial(t, server)
	s.subscribe("1", nil, nil)
	waitSubscribers(t, server, 1)
	doomed := l.payout(7, 2, 0)
	insert(t, conn, "payouts", doomed, l.payout(7, 2, 1), l.payout(7, 9, 5))
	doomed["version"], doomed["deleted"] = uint64(3), uint8(1)
	insert(t, conn, "payouts", doomed)
	l.version[7] = 3
	l.head(t, 7)
	if e := s.event(); e.name() != "7 2 1" {
		t.Fatalf("told of %s, want 7 2 1", e.name())
	}
	// A retraction lowers the head, and only then come rows of its batch.
	insert(t, conn, "heads", row{"chain": uint64(7), "head_number": uint64(1), "version": uint64(6), "written": uint64(3)})
	other := dial(t, server)
	other.subscribe("1", nil, nil)
	waitSubscribers(t, server, 2)
	insert(t, conn, "payouts", l.payout(7, 5, 0))
	l.version[7] = 7
	l.head(t, 7)
	for _, each := range []*socket{s, other} {
		if e := each.event(); e.name() != "7 5 0" {
			t.Fatalf("told of %s, want 7 5 0", e.name())
		}
	}
	l.version[7] = 9
	l.head(t, 7)
	if e := s.event(); e.name() != "7 9 5" {
		t.Fatalf("told of %s, want 7 9 5", e.name())
	}
}

// A filter lets the same payouts pass whether they come from the database or from memory.
func TestStreamFilters(t *testing.T) {
	conn := newDatabase(t)
	data := fill(t, conn, 5)
	r := newReader(conn)
	all := make(map[uint64][]*model.Payout)
	whole := place{^uint64(0), 0, 0}
	read := func(t tester, filter *model.PayoutStreamFilter, chain uint64, from, to place) []*model.Payout {
		rows, err := payoutNews.between(context.Background(), r, streamConditions(filter), lane{chain: chain}, from, to)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	for _, chain := range chains {
		all[chain] = read(t, nil, chain, place{}, whole)
	}
	if len(data["payouts"]) != len(all[7])+len(all[134])+len(all[42161]) {
		t.Fatal("not all payouts are read")
	}
	passed := 0
	rapid.Check(t, func(t *rapid.T) {
		filter := &model.PayoutStreamFilter{
			Chain:      rapid.Ptr(rapid.SampledFrom(chains), true).Draw(t, "chain"),
			Account:    rapid.Ptr(rapid.Map(rapid.IntRange(0, 4), worker), true).Draw(t, "account"),
			Task:       rapid.Ptr(rapid.Map(rapid.IntRange(0, 60), hash), true).Draw(t, "task"),
			Deal:       rapid.Ptr(rapid.Map(rapid.IntRange(0, 60), hash), true).Draw(t, "deal"),
			Workerpool: rapid.Ptr(rapid.Map(rapid.IntRange(0, 3), pool), true).Draw(t, "workerpool"),
			Kind:       rapid.SliceOfN(rapid.SampledFrom(kindWords), 0, 2).Draw(t, "kind"),
			Role:       rapid.SliceOfN(rapid.SampledFrom(roleWords), 0, 6).Draw(t, "role"),
		}
		if rapid.Bool().Draw(t, "any kind") {
			filter.Kind = nil
		}
		if rapid.Bool().Draw(t, "any role") {
			filter.Role = nil
		}
		for _, chain := range chains {
			var want []model.Payout
			from, to := placeOf(rapid.SampledFrom(all[chain]).Draw(t, "from")), placeOf(rapid.SampledFrom(all[chain]).Draw(t, "to"))
			for _, p := range all[chain] {
				if wants(filter, p) && from.before(placeOf(p)) && !to.before(placeOf(p)) {
					want = append(want, *p)
				}
			}
			var got []model.Payout
			for _, p := range read(t, filter, chain, from, to) {
				got = append(got, *p)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%+v: the database lets pass %v, memory %v", filter, got, want)
			}
			passed += len(got)
		}
	})
	if passed == 0 {
		t.Fatal("nothing ever passed")
	}
}

// A reader that is too slow is cut off with an error, and goes on from its last cursor
// without a gap. Others do not notice.
func TestSlowReader(t *testing.T) {
	conn := newDatabase(t)
	l := newLedger(conn)
	for _, chain := range chains {
		l.write(t, chain, 1)
	}
	r := newReader(conn)
	f := newFeed(&payoutNews, r, Config{Limits: DefaultLimits(), Poll: time.Hour}, newMetrics(newRegistry()))
	ctx := t.Context()
	if err := f.poll(ctx); err != nil {
		t.Fatal(err)
	}
	now, err := f.now(ctx)
	if err != nil {
		t.Fatal(err)
	}
	slow := payoutsFrom(f, now)
	ended := make(chan error, 1)
	go func() {
		ended <- slow.run(ctx)
		close(slow.out)
	}()
	waitJoined(t, f, 1)
	start := len(l.written)
	for range 3 {
		l.write(t, 7, feedPage)
	}
	if err := f.poll(ctx); err != nil {
		t.Fatal(err)
	}
	waitJoined(t, f, 0)
	var got []string
	for e := range slow.out {
		got = append(got, nameOf(e.Payout))
	}
	if err := <-ended; !errors.Is(err, errBehind) {
		t.Fatalf("the slow reader's stream ended with %v", err)
	}
	if len(got) < feedQueue {
		t.Fatalf("the slow reader was given %d payouts, fewer than wait for it", len(got))
	}
	again := payoutsFrom(f, slow.has)
	ctx, cancel := context.WithCancel(ctx)
	go func() { ended <- again.run(ctx) }()
	for len(got) < len(l.written)-start {
		select {
		case e := <-again.out:
			got = append(got, nameOf(e.Payout))
		case <-time.After(patience):
			t.Fatalf("after %d of %d payouts nothing comes", len(got), len(l.written)-start)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("the second stream ended with %v", err)
	}
	if !slices.Equal(got, l.written[start:]) {
		t.Fatal("the payouts before and after the cut are not those written")
	}
}

func payoutsFrom(f *feed[model.Payout], has places) *subscription[model.Payout, model.PayoutEvent] {
	return &subscription[model.Payout, model.PayoutEvent]{
		feed: f, wants: func(*model.Payout) bool { return true }, has: has, out: make(chan *model.PayoutEvent),
		event: func(cursor string, p *model.Payout) *model.PayoutEvent {
			return &model.PayoutEvent{Cursor: cursor, Payout: p}
		},
	}
}

func nameOf(p *model.Payout) string { return fmt.Sprint(p.Chain, " ", p.BlockNumber, " ", p.LogIndex) }

func waitJoined(t *testing.T, f *feed[model.Payout], want int) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		f.mutex.Lock()
		n := len(f.subscribers)
		f.mutex.Unlock()
		if n == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d subscribers, want %d", n, want)
		}
		time.Sleep(time.Millisecond)
	}
}

// Server-sent events carry the same stream.
func TestServerSentEvents(t *testing.T) {
	conn := newDatabase(t)
	l := newLedger(conn)
	l.write(t, 7, 1)
	server := newServer(t, conn)
	body, err := json.Marshal(map[string]any{"query": subscription1, "variables": map[string]any{"filter": map[string]any{"kind": []string{"SEIZE"}}}})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/graphql", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	waitSubscribers(t, server, 1)
	l.write(t, 7, 4)
	var got []string
	lines := bufio.NewScanner(response.Body)
	for len(got) < 2 && lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			got = append(got, parseEvent(t, []byte(data)).name())
		}
	}
	if want := []string{"7 2 1", "7 2 3"}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// Nested fields of an event are read when it is told.
func TestEventsHaveFields(t *testing.T) {
	conn := newDatabase(t)
	l := newLedger(conn)
	l.write(t, 7, 1)
	server := newServer(t, conn)
	insert(t, conn, "tasks", row{"chain": uint64(7), "id": hash(1), "status": "COMPLETED", "version": uint64(1)})
	s := dial(t, server)
	s.send(message{ID: "1", Type: "subscribe", Payload: json.RawMessage(`{"query": "subscription { payouts { payout { task { status } deal { id } } } }"}`)})
	waitSubscribers(t, server, 1)
	l.write(t, 7, 1)
	if got, want := string(s.next().Payload), `{"data":{"payouts":{"payout":{"task":{"status":"COMPLETED"},"deal":null}}},`; !strings.HasPrefix(got, want) {
		t.Fatalf("got %s, want %s", got, want)
	}
}

// What is beyond the head that an event names is none of its fields.
func TestEventsAreOfOneHead(t *testing.T) {
	conn := newDatabase(t)
	l := newLedger(conn)
	l.write(t, 7, 1)
	server := newServer(t, conn)
	s := dial(t, server)
	s.send(message{ID: "1", Type: "subscribe", Payload: json.RawMessage(`{"query": "subscription { payouts { payout { task { status } } } }"}`)})
	waitSubscribers(t, server, 1)
	task := row{"chain": uint64(7), "id": hash(1), "status": "ACTIVE", "block_number": uint64(1), "version": uint64(1)}
	insert(t, conn, "tasks_history", task)
	task["status"], task["block_number"], task["version"] = "COMPLETED", uint64(3), uint64(3)
	insert(t, conn, "tasks", task)
	l.write(t, 7, 1)
	if got, want := string(s.next().Payload), `{"data":{"payouts":{"payout":{"task":{"status":"ACTIVE"}}}},`; !strings.HasPrefix(got, want) {
		t.Fatalf("got %s, want %s", got, want)
	}
}

// When the server ends, streams are told so and closed, and Serve returns.
func TestStreamsEndWithTheServer(t *testing.T) {
	conn := newDatabase(t)
	newLedger(conn).write(t, 7, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	address, served := serve(ctx, t, conn)
	server := &httptest.Server{URL: "http://" + address}
	s := dial(t, server)
	s.subscribe("1", nil, nil)
	waitSubscribers(t, server, 1)
	cancel()
	for {
		var m message
		readCtx, stop := context.WithTimeout(context.Background(), patience)
		err := wsjson.Read(readCtx, s.conn, &m)
		stop()
		if err != nil {
			if websocket.CloseStatus(err) != websocket.StatusNormalClosure {
				t.Errorf("the WebSocket ends with %v", err)
			}
			break
		}
	}
	select {
	case err := <-served:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("the server does not end")
	}
}

// A cursor from a server that had read further is not a reason to tell anything twice.
func TestCursorAhead(t *testing.T) {
	conn := newDatabase(t)
	l := newLedger(conn)
	l.write(t, 7, 1)
	server := newServer(t, conn)
	s := dial(t, server)
	cursor := encodeCursor("payouts", []any{uint64(7), uint64(0), uint64(3), uint64(3), uint64(0)})
	s.subscribe("1", nil, &cursor)
	waitSubscribers(t, server, 1)
	for range 3 {
		l.write(t, 7, 2)
	}
	if e := s.event(); e.name() != "7 3 1" {
		t.Fatalf("told of %s, want 7 3 1", e.name())
	}
}

// A cursor of a list, or a made-up one, is refused in words.
func TestStreamRefusesCursors(t *testing.T) {
	conn := newDatabase(t)
	newLedger(conn).write(t, 7, 1)
	server := newServer(t, conn)
	s := dial(t, server)
	for i, cursor := range []string{"", "x", encodeCursor("payout", []any{uint64(1)}), encodeCursor("payouts", []any{uint64(1)}), encodeCursor("payouts", []any{hash(1), hash(1), hash(1), hash(1)})} {
		s.subscribe(fmt.Sprint(i), nil, &cursor)
		if m := s.next(); !strings.Contains(string(m.Payload), codeInput) {
			t.Errorf("cursor %q: %s %s", cursor, m.Type, m.Payload)
		}
		if m := s.next(); m.Type != "complete" {
			t.Errorf("cursor %q: then %s", cursor, m.Type)
		}
	}
}

// More subscribers than the limit are refused.
func TestTooManySubscribers(t *testing.T) {
	conn := newDatabase(t)
	newLedger(conn).write(t, 7, 1)
	server := newServer(t, conn, func(c *Config) { c.Limits.Subscribers = 2 })
	s := dial(t, server)
	s.subscribe("1", nil, nil)
	s.subscribe("2", nil, nil)
	waitSubscribers(t, server, 2)
	s.subscribe("3", nil, nil)
	if m := s.next(); m.ID != "3" || !strings.Contains(string(m.Payload), codeLimit) {
		t.Fatalf("the third subscriber is answered %s: %s", m.Type, m.Payload)
	}
	s.send(message{ID: "1", Type: "complete"})
	waitSubscribers(t, server, 1)
}

// One connection has a bounded number of operations under way.
func TestTooManyOperations(t *testing.T) {
	conn := newDatabase(t)
	newLedger(conn).write(t, 7, 1)
	server := newServer(t, conn, func(c *Config) { c.Limits.Operations = 2 })
	s := dial(t, server)
	s.subscribe("1", nil, nil)
	s.subscribe("2", nil, nil)
	waitSubscribers(t, server, 2)
	s.subscribe("3", nil, nil)
	if m := s.next(); m.ID != "3" || !strings.Contains(string(m.Payload), codeLimit) {
		t.Fatalf("the third operation is answered %s: %s", m.Type, m.Payload)
	}
	dial(t, server).subscribe("1", nil, nil) // another connection is not concerned
	waitSubscribers(t, server, 3)
}

// A message over the limit ends the connection, before it is in memory.
func TestOversizedMessage(t *testing.T) {
	server := newServer(t, newDatabase(t))
	s := dial(t, server)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	large := message{Type: "ping", Payload: json.RawMessage(`"` + strings.Repeat("x", DefaultLimits().Body) + `"`)}
	if err := wsjson.Write(ctx, s.conn, large); err != nil {
		return // the server did not even take it all
	}
	if _, _, err := s.conn.Read(ctx); err == nil || ctx.Err() != nil {
		t.Fatalf("the connection goes on after an oversized message: %v", err)
	}
}
