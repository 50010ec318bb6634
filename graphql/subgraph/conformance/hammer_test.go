package conformance_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"google.golang.org/protobuf/proto"

	"assay/graphql/analytics"
	endpoint "assay/graphql/subgraph"
	"assay/graphql/subgraph/referencetest"
	"assay/indexer/sink"
	"assay/indexer/source"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

// TestAnswersAreOfTheHeadTheySay lets the real sink write a log with forks, some of which
// the real chain had and many that are made up, while clients ask both endpoints as they
// stand beside each other in production. Whenever an answer comes, it is the reference's
// at the head that it says. Between the sink's steps one comes. A subscriber is told of every
// change.
func TestAnswersAreOfTheHeadTheySay(t *testing.T) {
	db, id := database(t)
	h := &hammer{t: t, chain: id, known: map[string]truth{}, listener: listener{told: map[string]string{}}}
	h.record()
	h.serve(db)
	h.listen()
	steps := &steps{Conn: db, hammer: h, random: rand.New(rand.NewSource(5))}
	feed := h.feed(steps)
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for _, ask := range []func() (string, error){
		func() (string, error) { return h.askSubgraph(0) }, func() (string, error) { return h.askSubgraph(1) },
		func() (string, error) { return h.askSubgraph(2) }, func() (string, error) { return h.askAnalytics(true) },
	} {
		clients.Go(func() { h.client(ask, stop) })
	}
	for h.more(feed) && !t.Failed() {
	}
	close(stop)
	clients.Wait()
	heads := 0
	h.seen.Range(func(any, any) bool { heads++; return true })
	t.Logf("%d records, %d answers at %d heads, %d refused as the chain was reorganized, %d between steps of %d sinks", feed.written, h.answers.Load(), heads, h.overtaken.Load(), steps.asked.Load(), steps.sinks.Load())
	if heads < 5 || h.overtaken.Load() > h.answers.Load() {
		t.Error("too little was answered to tell")
	}
}

// truth is what is true at a head: the reference's answers to the documents, and what the
// analytics must say.
type truth struct {
	answers []string
	facts   facts
}

// hammer is one such test.
type hammer struct {
	t      testing.TB
	chain  uint64
	preset chains.Preset
	past   uint64                 // a block below all forks
	known  map[string]truth       // by the head's hash
	log    []*assaypb.ChainRecord // of the real chain
	server *httptest.Server

	serving            atomic.Bool // the early blocks are indexed
	listener           listener
	seen               sync.Map // heads
	answers, overtaken atomic.Int64
}

// documents ask for what changes from block to block, and for what was in an early one.
func (h *hammer) documents() []string {
	return []string{
		`{ _meta { block { number hash } } protocols { appsCount dealsCount tasksCount completedTasksCount claimedTasksCount tvl }
			accounts { id balance frozen score } deals { id completedTasksCount claimedTasksCount tasks { id status timestamp contributions { id status } } } }`,
		`{ _meta { block { number hash } } tasks(orderBy: timestamp, orderDirection: desc) { id status consensus revealDeadline }
			accountEvents(first: 1000, orderBy: timestamp, orderDirection: desc) { __typename id timestamp }
			apps(orderBy: usageCount) { id owner { id } usageCount lastUsageTimestamp }
			transactions(first: 20, orderBy: blockNumber, orderDirection: desc) { id from { id } gasUsed } }`,
		fmt.Sprintf(`{ _meta { block { number hash } } contributions(where: {status_not: CONTRIBUTED}, orderBy: task__timestamp) { id status }
			tasks(where: {deal_: {completedTasksCount_gt: 0}}) { id } before: accounts(block: {number: %d}) { id balance }
			workerpools(orderBy: schedulerRewardRatio, orderDirection: desc) { id schedulerRewardRatio } }`, h.past),
	}
}

// record plays the story on a real chain, forks included, and keeps the log that the
// source writes of it, and what is true after each of its blocks.
func (h *hammer) record() {
	s := &story{market: newMarket(h.t, h.chain), abis: readABIs(h.t)}
	h.preset = s.preset()
	log, topic := broker(h.t), schema.TopicsOf(h.preset.Name).Log
	from := source.New(source.Config{Preset: h.preset, Endpoints: []source.Endpoint{{Name: "dev", RPC: s.dial(s.chain.WSURL())}}, Kafka: log, Topic: topic, Log: quiet})
	run(h.t, from.Run)
	w := newWorld(h.t, poco)
	r := newReading(s.market, s.abis, w)
	r.told = func() { h.learn(w) }
	look := func() {
		r.follow()
		eventually(h.t, "the source is at the head", func() bool { return from.Status().Indexed >= s.head().Number.Uint64() })
	}
	s.opening()
	look()
	h.past = w.Head().Number
	h.learn(w)
	s.deal()
	s.contributing()
	look()
	s.fork(3)
	look()
	s.ending()
	look()
	s.fork(1)
	s.late()
	look()
	end, err := log.End(h.t.Context(), topic, 0)
	s.must(err)
	s.must(log.Read(h.t.Context(), topic, 0, 0, end, func(m kafka.Message) error {
		record, counts, err := schema.ReadRecord(m.Value, m.Offset)
		if err == nil && counts && record.GetMark() == nil {
			h.log = append(h.log, record)
		}
		return err
	}))
}

// learn keeps what is true at the world's head.
func (h *hammer) learn(w *referencetest.World) {
	h.t.Helper()
	if h.past == 0 {
		return
	}
	var now truth
	for _, document := range h.documents() {
		data, err := w.Ask(document, nil)
		if err != nil {
			h.t.Fatal(err)
		}
		now.answers = append(now.answers, whole(data))
	}
	now.facts = factsOf(w)
	h.known[w.Head().Hash] = now
}

// whole is a value's JSON, keys in order.
func whole(value any) string {
	out, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// serve answers as assay serve does.
func (h *hammer) serve(db driver.Conn) {
	site, err := endpoint.Site(quiet)
	if err != nil {
		h.t.Fatal(err)
	}
	limits := analytics.DefaultLimits()
	limits.Rate, limits.Burst = 1e6, 1e6
	h.server = httptest.NewServer(analytics.Handler(h.t.Context(), analytics.Config{Database: &polled{db, &h.listener.polls}, Log: quiet, Limits: limits, Poll: 20 * time.Millisecond, Beside: site}))
	h.t.Cleanup(h.server.Close)
}

// feed is the log that the sink reads: the real one, and in between random depths of blocks
// that are taken back and come again.
type feed struct {
	*hammer
	kafka   *kafka.Client
	db      driver.Conn
	random  *rand.Rand
	left    []*assaypb.ChainRecord // of the real log
	chain   []*assaypb.Block       // canonical
	batch   []kafka.Message
	written uint64
}

func (h *hammer) feed(steps *steps) *feed {
	f := &feed{hammer: h, kafka: broker(h.t), db: steps.Conn, random: rand.New(rand.NewSource(3)), left: h.log}
	topics := schema.TopicsOf(h.preset.Name)
	for topic, size := range map[string]int{topics.Log: schema.MaxRecordBytes, topics.Decisions: schema.MaxMessageBytes} {
		if err := f.kafka.CreateTopic(h.t.Context(), topic, 1, size); err != nil {
			h.t.Fatal(err)
		}
	}
	run(h.t, steps.run(sink.Config{Preset: h.preset, Topics: topics, Kafka: f.kafka, State: h.t.TempDir(), Log: quiet}))
	for len(f.chain) == 0 || f.head().Number < h.past {
		f.next()
	}
	f.mark()
	f.settle()
	h.serving.Store(true)
	return f
}

func (f *feed) head() *assaypb.Block { return f.chain[len(f.chain)-1] }

func (f *feed) put(record *assaypb.ChainRecord) {
	record.ChainId, record.Sequence = f.hammer.chain, f.written
	f.written++
	value, err := proto.Marshal(record)
	if err != nil {
		f.t.Fatal(err)
	}
	f.batch = append(f.batch, kafka.Message{Key: []byte("chain"), Value: value})
}

func (f *feed) add(b *assaypb.Block) {
	f.chain = append(f.chain, b)
	f.put(&assaypb.ChainRecord{Body: &assaypb.ChainRecord_Block{Block: b}})
}

func (f *feed) retract() *assaypb.Block {
	b := f.head()
	f.chain = f.chain[:len(f.chain)-1]
	f.put(&assaypb.ChainRecord{Body: &assaypb.ChainRecord_Retraction{Retraction: &assaypb.Retraction{Number: b.Number, Hash: b.Hash}}})
	return b
}

// mark says where the chain is, and sends all that came before.
func (f *feed) mark() {
	head, final := f.head(), f.chain[0]
	f.put(&assaypb.ChainRecord{Body: &assaypb.ChainRecord_Mark{Mark: &assaypb.Mark{
		HeadNumber: head.Number, HeadHash: head.Hash, HeadTime: head.Time, FinalizedNumber: final.Number, FinalizedHash: final.Hash,
	}}})
	if err := f.kafka.Append(f.t.Context(), schema.TopicsOf(f.preset.Name).Log, f.batch...); err != nil {
		f.t.Fatal(err)
	}
	f.batch = nil
}

// next takes the real log's next record.
func (f *feed) next() {
	if b := f.left[0].GetBlock(); b != nil {
		f.add(b)
	} else {
		f.retract()
	}
	f.left = f.left[1:]
}

// more feeds some more, and says whether there is any left.
func (h *hammer) more(f *feed) bool {
	tries, each := effort()
	if each > 1 {
		tries = 0
	}
	for range 1 + 3*tries {
		f.wobble()
	}
	for retracting := true; retracting && len(f.left) > 0; { // a head is marked where the real chain had one
		retracting = f.left[0].GetRetraction() != nil
		f.next()
	}
	f.mark()
	if f.random.Intn(3) > 0 || len(f.left) == 0 {
		f.settle()
	}
	return len(f.left) > 0
}

// settle waits until all is written, and told to the subscriber.
func (f *feed) settle() {
	indexed(f.t, f.db, f.hammer.chain, hexOf(f.head().Hash))
	f.heard(hexOf(f.head().Hash))
}

// wobble takes blocks back and puts them in again.
func (f *feed) wobble() {
	var gone []*assaypb.Block
	for range 1 + f.random.Intn(4) {
		if f.chain[len(f.chain)-2].Number < f.past {
			break
		}
		gone = append(gone, f.retract())
	}
	if f.random.Intn(2) == 0 {
		f.mark()
		if f.random.Intn(3) == 0 {
			f.settle()
		}
	}
	for len(gone) > 0 {
		f.add(gone[len(gone)-1])
		gone = gone[:len(gone)-1]
		if f.random.Intn(2) == 0 {
			f.mark()
		}
	}
}

// refusal is an honest one: forks came faster than one could read, or the machine is busy.
var refusal = regexp.MustCompile("reorganized while|Query timed out|the query took too long")

// client asks until it is told to stop, or something is wrong.
func (h *hammer) client(ask func() (string, error), stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(20 * time.Millisecond): // the sink has to get on, too
		}
		head, err := ask()
		switch {
		case err != nil && refusal.MatchString(err.Error()):
			h.overtaken.Add(1)
		case err != nil:
			h.t.Errorf("at %s: %v", head, err)
			return
		default:
			h.seen.Store(head, true)
			h.answers.Add(1)
		}
	}
}

// post asks an endpoint for data.
func (h *hammer) post(path, document string, variables map[string]any, into any) error {
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		return err
	}
	response, err := http.Post(h.server.URL+path, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	answer := struct {
		Data   any
		Errors []struct{ Message string }
	}{Data: into}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&answer); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	if len(answer.Errors) > 0 {
		return fmt.Errorf("%s", answer.Errors[0].Message)
	}
	return nil
}

// askSubgraph compares an answer of the subgraph.
func (h *hammer) askSubgraph(i int) (head string, err error) {
	var data map[string]any
	if err := h.post(fmt.Sprintf("/subgraphs/name/%d/poco-v5", h.chain), h.documents()[i], nil, &data); err != nil {
		return "", err
	}
	head = data["_meta"].(map[string]any)["block"].(map[string]any)["hash"].(string)
	now, known := h.known[head]
	if !known {
		return head, errors.New("the chain has no such block")
	}
	return head, differ(whole(data), now.answers[i])
}

// differ says from where on an answer is another than the reference's.
func differ(got, want string) error {
	same := 0
	for same < min(len(got), len(want)) && got[same] == want[same] {
		same++
	}
	if same == len(got) && same == len(want) {
		return nil
	}
	around := func(s string) string { return s[max(0, same-200):min(len(s), same+200)] }
	return fmt.Errorf("the answer is\n…%s…\nthe reference's\n…%s…", around(got), around(want))
}

// eventually waits until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
