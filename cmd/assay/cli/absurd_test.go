package cli

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"assay/indexer/rpctest"
	"assay/schema/assaypb"
)

// absurd are texts that somebody may put into a deal's params or a name.
var absurd = []string{
	"[1,2,3]", "1", `"x"`, "null", "true", "", "{", `{"bulk_cid":7}`, `{"bulk_cid":["x"]}`, `{"bulk_cid":"\ud800"}`,
	"\x00", "a\x00b\x1b[31m", "\xff\xfe\xc0\xaf", "\xed\xa0\x80 a lone surrogate", "\xf0\x28\x8c\x28", "\u202egnp.exe\u2028", `\";DROP TABLE deals;--`,
	strings.Repeat("[", 100_000), strings.Repeat(`{"a":`, 50_000), `{"iexec_args":"` + strings.Repeat("\xff", 1<<20) + `"}`,
}

// wardrobe dresses a market absurdly, and remembers what it did.
type wardrobe struct {
	params   map[common.Hash]string // by deal
	results  map[common.Hash][]byte // by task
	callback map[common.Hash][]byte
	names    int
}

// huge is what some tasks have as their result, and as much again for their callback. Four
// times as much is in a block's record with it.
const huge = 3 << 20

func (w *wardrobe) dress(event *assaypb.Event) {
	switch e := event.Body.(type) {
	case *assaypb.Event_OrdersMatched:
		params := absurd[len(w.params)%len(absurd)]
		e.OrdersMatched.Body.Params = params
		w.params[common.BytesToHash(e.OrdersMatched.Deal)] = params
	case *assaypb.Event_TaskFinalize:
		task := common.BytesToHash(e.TaskFinalize.Task)
		results := []byte(absurd[len(w.results)%len(absurd)])
		if len(w.results)%8 == 0 && len(w.results) < 24 {
			results = bytes.Repeat([]byte{0, 0xff, '"', '\\', 0xed, 0xa0, 0x80, '\n'}, huge/8)
		}
		callback := append([]byte{1}, results...)
		e.TaskFinalize.Results, e.TaskFinalize.ResultsCallback = results, callback
		w.results[task], w.callback[task] = results, callback
	case *assaypb.Event_ResourceTransfer:
		if body := e.ResourceTransfer.Body; body != nil {
			w.names++
			body.Name, body.Type = absurd[w.names%len(absurd)], absurd[(w.names+5)%len(absurd)]
		}
	}
}

// TestAbsurdContent: results of megabytes, params that are JSON but no object, texts that are
// none, from a node to GraphQL: all of it is indexed and answered, and bytes are the same.
func TestAbsurdContent(t *testing.T) {
	w := &wardrobe{map[common.Hash]string{}, map[common.Hash][]byte{}, map[common.Hash][]byte{}, 0}
	market := rpctest.NewMarket(11, 4)
	market.Dress = w.dress
	f := newForking(t, market)
	f.chain.Grow(300)
	index := f.index("market")
	db := f.open("market", index)
	f.await(db, index)
	s := &servers{TB: t}
	address := s.free()
	api := "http://" + address
	serve := spawn(t, "serve", "--listen", address, "--clickhouse", "unix:"+f.engine.Config("").Socket, "--clickhouse-database", "market")
	f.until(serve, "the API answers", func() bool {
		var up struct{ Data map[string]any }
		query(t, api, "{__typename}", &up)
		return up.Data != nil
	})
	if len(w.params) < len(absurd) || len(w.results) < 9 || w.names == 0 {
		t.Fatalf("the market has only %d deals, %d results, %d names", len(w.params), len(w.results), w.names)
	}
	t.Logf("%d deals, %d results, %d names", len(w.params), len(w.results), w.names)
	for id, params := range w.params {
		want := strings.ToValidUTF8(params, "\uFFFD")
		var deal struct {
			Data struct{ Deal struct{ Params string } }
		}
		query(t, api, `{deal(id:"`+id.Hex()+`"){params}}`, &deal)
		if deal.Data.Deal.Params != want {
			t.Errorf("params are %.100q, want %.100q", deal.Data.Deal.Params, want)
		}
		official := subgraphOf(t, api, `{deal(id:"`+strings.ToLower(id.Hex())+`"){params}}`)
		if got, _ := official["deal"]["params"].(string); got != want {
			t.Errorf("in the subgraph params are %.100q, want %.100q", got, want)
		}
	}
	for id, results := range w.results {
		want := "0x" + hex.EncodeToString(results)
		wantCallback := "0x" + hex.EncodeToString(w.callback[id])
		var task struct {
			Data struct {
				Task struct{ Results, ResultsCallback string }
			}
		}
		query(t, api, `{task(id:"`+id.Hex()+`"){results resultsCallback}}`, &task)
		if got := task.Data.Task; got.Results != want || got.ResultsCallback != wantCallback {
			t.Errorf("results are %.100s (%d), want %.100s (%d); callback %.100s", got.Results, len(got.Results), want, len(want), got.ResultsCallback)
		}
		official := subgraphOf(t, api, `{task(id:"`+strings.ToLower(id.Hex())+`"){results resultsCallback}}`)["task"]
		if official["results"] != want || official["resultsCallback"] != wantCallback {
			t.Errorf("in the subgraph results are %.100s, want %.100s", official["results"], want)
		}
	}
	f.stop(index)
}

// subgraphOf asks the subgraph's endpoint.
func subgraphOf(t *testing.T, api, document string) map[string]map[string]any {
	t.Helper()
	var answer struct {
		Data   map[string]map[string]any
		Errors json.RawMessage
	}
	text := ask(t, api+"/subgraphs/name/31337/poco-v5", document, nil)
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Data == nil {
		t.Fatalf("%s: %.300s", document, text)
	}
	return answer.Data
}
