package analytics

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
)

// settledTask is a task and its settlement, as a client reads them.
type settledTask struct {
	Chain      int
	ID         string
	Settlement *struct {
		TaskID, Call, Price string
		Lines               struct {
			Edges []struct {
				Cursor string
				Node   struct {
					Index                  int
					AccountAddress, Amount string
				}
			}
			PageInfo   struct{ HasNextPage bool }
			TotalCount int
		}
	}
}

// A task has the settlement that names it, and null where there is none; that has its own
// lines only, in their order, with their number, and goes on from a cursor.
func TestSettlements(t *testing.T) {
	conn := newDatabase(t)
	data := fill(t, conn, 5)
	server := newServer(t, conn)
	read := func(after *string) []settledTask {
		return get[struct{ Tasks struct{ Nodes []settledTask } }](t, server, `query($after: Cursor) { tasks(first: 1000) { nodes { chain id settlement {
			taskId call price lines(first: 2, after: $after) { edges { cursor node { index accountAddress amount } } pageInfo { hasNextPage } totalCount }
		} } } }`, map[string]any{"after": after}).Tasks.Nodes
	}
	settled, pages := 0, map[string]string{}
	for _, task := range read(nil) {
		if got, want := task.words(), data.settlement(task); got != want {
			t.Fatalf("task %d %s: settlement %s, want %s", task.Chain, task.ID, got, want)
		}
		if task.Settlement == nil {
			continue
		}
		settled++
		lines := data.lines(task)
		checkLines(t, task, lines, lines)
		if len(lines) > 2 {
			pages[fmt.Sprint(task.Chain, task.ID)] = task.Settlement.Lines.Edges[1].Cursor
		}
	}
	if settled < 10 || len(pages) < 3 {
		t.Fatalf("%d settlements, %d with several pages: the test shows nothing", settled, len(pages))
	}
	for name, cursor := range pages {
		for _, task := range read(&cursor) {
			if fmt.Sprint(task.Chain, task.ID) == name {
				checkLines(t, task, data.lines(task), data.lines(task)[2:])
			}
		}
	}
}

// words are the settlement's values.
func (s settledTask) words() string {
	if s.Settlement == nil {
		return "none"
	}
	return fmt.Sprint(s.Settlement.TaskID, " ", s.Settlement.Call, " ", s.Settlement.Price)
}

// settlement is what a task's should be.
func (d dataset) settlement(task settledTask) string {
	for _, r := range d["settlements"] {
		if r["task"] == task.ID && fmt.Sprint(r["chain"]) == fmt.Sprint(task.Chain) {
			return fmt.Sprint(r["task"], " ", r["call"], " ", r["price"])
		}
	}
	return "none"
}

// lines are those of a task's settlement, in order.
func (d dataset) lines(task settledTask) (lines []row) {
	for _, r := range d["settlement_lines"] {
		if r["task"] == task.ID && fmt.Sprint(r["chain"]) == fmt.Sprint(task.Chain) {
			lines = append(lines, r)
		}
	}
	slices.SortFunc(lines, func(a, b row) int { return int(as[uint32](a["idx"])) - int(as[uint32](b["idx"])) })
	return lines
}

func checkLines(t *testing.T, task settledTask, all, rest []row) {
	t.Helper()
	var got, want []string
	lines := task.Settlement.Lines
	for _, edge := range lines.Edges {
		got = append(got, fmt.Sprint(edge.Node.Index, edge.Node.AccountAddress, edge.Node.Amount))
	}
	for _, r := range rest[:min(2, len(rest))] {
		want = append(want, fmt.Sprint(int(as[uint32](r["idx"])), as[string](r["account"]), r["amount"]))
	}
	if !slices.Equal(got, want) || lines.TotalCount != len(all) || lines.PageInfo.HasNextPage != (len(rest) > 2) {
		t.Fatalf("lines of %s: %+v, want %v of %d", task.ID, lines, want, len(all))
	}
}

// The sums of the buckets are those of the rows that a filter lets pass.
func TestBucketSums(t *testing.T) {
	conn := newDatabase(t)
	data := fill(t, conn, 6)
	server := newServer(t, conn)
	for _, filter := range []map[string]any{
		nil, {"chain": 134}, {"account": worker(1)}, {"bucket": []string{"STAKE", "KITTY"}}, {"account": worker(9)},
		{"account": worker(2), "until": "2026-01-01T00:00:04Z"},
	} {
		sums, counts := map[string]*big.Int{}, map[string]int{}
		for _, r := range listOf("postings").rows(data, plain(filter)) {
			bucket := as[string](r["bucket"])
			if sums[bucket] == nil {
				sums[bucket] = new(big.Int)
			}
			sums[bucket].Add(sums[bucket], as[*big.Int](r["amount"]))
			counts[bucket]++
		}
		var want []string
		for bucket, sum := range sums {
			want = append(want, fmt.Sprint(bucket, " ", sum, " ", counts[bucket]))
		}
		slices.Sort(want)
		var got []string
		for _, s := range get[struct {
			BucketSums []struct {
				Bucket, Sum string
				Count       int
			}
		}](t, server, `query($f: PostingFilter) { bucketSums(filter: $f) { bucket sum count } }`, map[string]any{"f": filter}).BucketSums {
			got = append(got, fmt.Sprint(s.Bucket, " ", s.Sum, " ", s.Count))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v:\n got %s\nwant %s", filter, strings.Join(got, ", "), strings.Join(want, ", "))
		}
	}
}

// plain is a filter as the rows have its values.
func plain(filter map[string]any) map[string]any {
	out := map[string]any{}
	for name, value := range filter {
		if n, ok := value.(int); ok {
			value = uint64(n)
		}
		out[name] = value
	}
	return out
}
